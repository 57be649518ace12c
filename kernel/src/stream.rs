//! Bytes to and from descriptors, and waiting for several of them.

use crate::{Errno, Result};
use rustix::fs::OFlags;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::Timespec;
pub use rustix::event::{PollFd, PollFlags};
use std::time::Duration;

/// Waits until one of `fds` is ready, or `timeout` is over; true if one is ready.
///
/// # Errors
/// What ppoll(2) says; after a signal it waits anew.
pub fn wait(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> Result<bool> {
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    loop {
        match rustix::event::poll(fds, timeout.as_ref()) {
            Err(Errno::INTR) => {}
            other => return other.map(|ready| ready > 0),
        }
    }
}

/// Reads what is there; 0 at the end.
///
/// # Errors
/// `EAGAIN` if nothing is there yet and the file is non-blocking, else what read(2) says.
pub fn read(file: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut *buffer))
}

/// Writes as much as goes now.
///
/// # Errors
/// `EAGAIN` if nothing goes and the file is non-blocking, else what write(2) says.
pub fn write(file: impl AsFd, bytes: &[u8]) -> Result<usize> {
    rustix::io::retry_on_intr(|| rustix::io::write(&file, bytes))
}

/// Makes the open file behind `file` non-blocking, for all who share it.
///
/// # Errors
/// What fcntl(2) says.
pub fn set_nonblocking(file: impl AsFd) -> Result<()> {
    let flags = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, flags | OFlags::NONBLOCK)
}

/// A pipe, both ends closed on execve: what is read, what is written.
///
/// # Errors
/// `EMFILE` without free descriptors.
pub fn pipe() -> Result<(std::os::fd::OwnedFd, std::os::fd::OwnedFd)> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
}

/// Standard input, output and error of this process.
#[must_use]
pub fn standard() -> [BorrowedFd<'static>; 3] {
    [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()]
}
