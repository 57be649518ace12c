//! Checkpoint and restore by criu(8): what it is told, the process that it runs in, and the
//! conversation with it. Why by RPC: docs/design/0012-checkpoint.md.
//!
//! ```text
//!  runt                                   criu swrk N
//!   |-- clone3 into the container's cgroup --> waits; at restore, makes a mount namespace
//!   |<----- what went wrong, or end of file -- execve
//!   |-- Request -------------------------->
//!   |<------------------------- Notice ----   as often as criu has something to say
//!   |-- notify_success ------------------->
//!   |<----------------------- Response ----   exits
//! ```
//! Nothing here knows of state directories or hooks: `lifecycle` does.

mod descriptors;
mod error;
mod log;
mod mounts;
mod options;
mod session;
#[cfg(test)]
mod tests;
pub mod wire;

pub use descriptors::parse_descriptors;
pub use error::CriuError;
pub use log::errors_in_log;
pub use mounts::{Cover, ExternalMount, MountPoint, RestoreMounts, external_mounts, masked_paths};
pub use options::{Dump, Restore, dump_options, restore_options};
pub use session::{Launch, Session, check_features, check_version};

/// The name that masked files have in the images.
pub const MASK: &str = "/dev/null";
/// Where the images say what the standard streams were.
pub const DESCRIPTORS: &str = "descriptors.json";
