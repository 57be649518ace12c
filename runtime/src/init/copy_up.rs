//! `tmpcopyup`: what the image has at a tmpfs's destination is copied into it.

use super::{StepError, StepResult};
use kernel::{Errno, tree};
use std::os::fd::BorrowedFd;

/// Entries copied at most.
const MAX_ENTRIES: usize = 100_000;
/// Directories within directories at most.
const MAX_DEPTH: usize = 256;

/// Copies what is in `from` into `to`, owners, modes and times with it.
pub(super) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> StepResult {
    let limits = tree::Limits { entries: MAX_ENTRIES, depth: MAX_DEPTH };
    tree::copy_contents(from, to, limits).map_err(|errno| match errno {
        Errno::TOOBIG => StepError::new(
            errno,
            format!("more than {MAX_ENTRIES} entries or {MAX_DEPTH} levels to copy up"),
        ),
        errno => StepError::new(errno, "cannot copy up"),
    })
}
