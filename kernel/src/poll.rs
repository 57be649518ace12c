//! Waiting for descriptors.

use crate::{Errno, Result};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Waits until one of `files` is readable or hung up; `None` in the answer's place for each that
/// is not. A `timeout` of `None` waits for ever; after it, nothing is ready.
///
/// # Errors
/// What ppoll(2) says.
pub fn readable<const N: usize>(
    files: [BorrowedFd<'_>; N],
    timeout: Option<Duration>,
) -> Result<[bool; N]> {
    let mut entries = files.map(|file| PollFd::from_borrowed_fd(file, PollFlags::IN));
    let end = timeout.map(|t| Instant::now() + t);
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        match rustix::event::poll(&mut entries, left.as_ref()) {
            Ok(_) => return Ok(entries.each_ref().map(|e| !e.revents().is_empty())),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Waits until `file` is readable or hung up; false if `timeout` passes first.
///
/// # Errors
/// What ppoll(2) says.
pub fn is_readable(file: impl AsFd, timeout: Option<Duration>) -> Result<bool> {
    readable([file.as_fd()], timeout).map(|[ready]| ready)
}
