//! Messages to bytes and back.
/// x
#[derive(Debug)]
pub struct Message;
/// x
#[derive(Debug)]
pub enum MessageKind {}
/// x
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct WireError;
