//! One connection to a D-Bus peer.

use std::io;

use super::wire::WireError;

/// A connection.
#[derive(Debug)]
pub struct Bus {}

/// Why a call over the bus failed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum BusError {
    #[error("cannot connect to `{address}`")]
    Connect { address: String, source: io::Error },
    #[error("malformed message from the bus")]
    Wire {
        #[from]
        source: WireError,
    },
}
