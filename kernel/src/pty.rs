//! Pseudo-terminals: the master from a devpts instance, its peer by ioctl and never by path.

#![expect(unsafe_code, reason = "the terminal ioctls on a fresh pair have no safe wrapper")]

use crate::{Result, check};
use rustix::fs::OFlags;
use rustix::pty::OpenptFlags;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Opens the `ptmx` node at `path` beneath `dir` and makes sure that it is one.
///
/// # Errors
/// `ENOTTY` if the node is not the pseudo-terminal multiplexer, else what openat2(2) says.
pub fn open_master(dir: impl AsFd, path: &str) -> Result<OwnedFd> {
    use rustix::fs::{Mode, ResolveFlags};
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let master = rustix::fs::openat2(dir, path, flags, Mode::empty(), resolve)?;
    let kind = crate::file::kind(&master)?;
    // Major 5, minor 2 is ptmx, wherever the node lies.
    if !kind.is_char_device(5, 2) {
        return Err(crate::Errno::NOTTY);
    }
    rustix::pty::unlockpt(&master)?;
    Ok(master)
}

/// Opens the other end of `master`.
///
/// Kernel: `TIOCGPTPEER`, Linux 4.13. No fallback: a path could be swapped.
///
/// # Errors
/// What ioctl_tty(2) says.
pub fn open_peer(master: impl AsFd) -> Result<OwnedFd> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    rustix::pty::ioctl_tiocgptpeer(master, flags)
}

/// The number N of `/dev/pts/N`.
///
/// # Errors
/// What ioctl_tty(2) says.
pub fn number(master: impl AsFd) -> Result<u32> {
    let mut number: libc::c_uint = 0;
    // SAFETY: TIOCGPTN stores one unsigned int where the pointer says.
    let ret = unsafe { libc::ioctl(master.as_fd().as_raw_fd(), libc::TIOCGPTN, &raw mut number) };
    check(ret.into())?;
    Ok(number)
}

/// Sets the size of a terminal in characters.
///
/// # Errors
/// `ENOTTY` if it is none.
pub fn set_size(terminal: impl AsFd, width: u16, height: u16) -> Result<()> {
    let size =
        rustix::termios::Winsize { ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(terminal, size)
}

/// Makes `terminal` the controlling terminal of the caller's session.
///
/// # Errors
/// `EPERM` if the caller leads no session or the terminal has one.
pub fn set_controlling(terminal: impl AsFd) -> Result<()> {
    rustix::process::ioctl_tiocsctty(terminal)
}
