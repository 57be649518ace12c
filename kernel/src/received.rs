//! What happens to this process and its children: signals by descriptor, children that ended.

#![expect(unsafe_code, reason = "waitid has no safe wrapper that tells whose status it saw")]

use crate::{Errno, Result, check, from_nix};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, BorrowedFd};

/// Signals to this process, read from a descriptor. They must be blocked.
#[derive(Debug)]
pub struct SignalQueue(SignalFd);

/// One signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Which.
    pub number: i32,
    /// Process that sent it; 0 for the kernel.
    pub sender: u32,
}

impl SignalQueue {
    /// For all signals.
    ///
    /// # Errors
    /// What signalfd(2) says.
    pub fn new() -> Result<SignalQueue> {
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        SignalFd::with_flags(&SigSet::all(), flags).map(SignalQueue).map_err(from_nix)
    }

    /// The next signal, if one is pending.
    ///
    /// # Errors
    /// What read(2) says.
    #[expect(clippy::cast_possible_wrap, reason = "signal numbers end at 64")]
    pub fn next(&self) -> Result<Option<Received>> {
        let info = self.0.read_signal().map_err(from_nix)?;
        Ok(info.map(|info| Received { number: info.ssi_signo as i32, sender: info.ssi_pid }))
    }
}

impl AsFd for SignalQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The pid of a child that has ended and waits to be reaped; it stays there.
///
/// # Errors
/// `ECHILD` without children.
pub fn ended_child() -> Result<Option<i32>> {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: an all-zero siginfo_t is a valid value of this plain C structure.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: waitid stores one siginfo_t where the pointer says.
        let ret = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, flags) };
        match check(ret.into()) {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) => break,
        }
    }
    // SAFETY: waitid fills in the child's part of the union, or leaves it zero.
    let pid = unsafe { info.si_pid() };
    Ok((pid != 0).then_some(pid))
}

/// Reaps the child `pid`, whose status nobody wants.
pub fn discard_child(pid: i32) {
    // SAFETY: a null pointer tells wait4 to store no status.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG | libc::__WALL) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::{SigmaskHow, Signal, sigprocmask};

    #[test]
    fn signals_are_read_with_their_sender() {
        let mut set = SigSet::empty();
        set.add(Signal::SIGUSR2);
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None).unwrap();
        let queue = SignalQueue::new().unwrap();
        assert_eq!(queue.next(), Ok(None));
        // SAFETY: the signal is blocked in this thread, which is where raise(3) sends it.
        unsafe { libc::raise(libc::SIGUSR2) };
        let received = queue.next().unwrap().unwrap();
        let expected = Received { number: libc::SIGUSR2, sender: std::process::id() };
        assert_eq!(received, expected);
        assert_eq!(queue.next(), Ok(None));
    }
}
