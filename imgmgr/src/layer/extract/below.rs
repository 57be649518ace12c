//! What lies below a layer, for the few layers whose meaning depends on it.

use std::os::fd::OwnedFd;

use rustix::fs::Stat;
use rustix::io::Errno;

/// The merged view of the layers below the one that is extracted.
///
/// Paths are cleaned, and none of their parents is a symbolic link.
pub trait Below {
    /// Says what is at `path`.
    ///
    /// # Errors
    /// Those of the system calls; a path that isn't there is [`BelowKind::Absent`].
    fn look_up(&self, path: &[u8]) -> Result<BelowKind, Errno>;
}

/// What [`Below::look_up`] found.
#[derive(Debug)]
pub enum BelowKind {
    /// Nothing.
    Absent,
    /// A directory, opened with `O_PATH` or for reading.
    Directory(OwnedFd),
    /// A symbolic link with this target.
    Symlink(Vec<u8>),
    /// A regular file, opened for reading, with its metadata.
    File(OwnedFd, Box<Stat>),
    /// Anything else.
    Other,
}
