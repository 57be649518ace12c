//! Signals: masks and signal descriptors.

use crate::{Result, from_nix};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// A signal mask to return to.
#[derive(Clone, Copy, Debug)]
pub struct Mask(SigSet);

/// Blocks every signal and returns the former mask.
///
/// # Errors
/// None for a valid mask.
pub fn block_all() -> Result<Mask> {
    let mut old = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut old)).map_err(from_nix)?;
    Ok(Mask(old))
}

/// Returns to a former mask.
///
/// # Errors
/// None for a valid mask.
pub fn restore(mask: Mask) -> Result<()> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&mask.0), None).map_err(from_nix)
}

/// Blocks no signal: what a program expects to be started with.
///
/// # Errors
/// None for a valid mask.
pub fn unblock_all() -> Result<()> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).map_err(from_nix)
}

/// Gives every signal its default action, as a program expects it: a Rust program ignores
/// SIGPIPE, and callers may have ignored others.
pub fn reset_all_actions() {
    let mut action: libc::sigaction = default_action();
    for signal in 1..=64 {
        if matches!(signal, libc::SIGKILL | libc::SIGSTOP | 32 | 33) {
            continue;
        }
        set_action(signal, &mut action);
    }
}

/// Gives SIGPIPE its default action back.
pub fn reset_sigpipe() {
    set_action(libc::SIGPIPE, &mut default_action());
}

#[expect(unsafe_code, reason = "sigaction has no safe wrapper that takes SIG_DFL for a number")]
fn default_action() -> libc::sigaction {
    // SAFETY: all zero is SIG_DFL with an empty mask and no flags.
    unsafe { std::mem::zeroed() }
}

#[expect(unsafe_code, reason = "sigaction has no safe wrapper that takes SIG_DFL for a number")]
fn set_action(signal: i32, action: &mut libc::sigaction) {
    // SAFETY: the default action runs no code of ours; an unknown number is EINVAL and ignored.
    unsafe { libc::sigaction(signal, action, std::ptr::null_mut()) };
}

/// A descriptor that becomes readable when one of `signals` (numbers) is pending; they must be
/// blocked.
///
/// # Errors
/// What signalfd(2) says.
pub fn signal_fd(signals: &[i32]) -> Result<SignalFd> {
    let mut set = SigSet::empty();
    for &number in signals {
        if let Ok(signal) = Signal::try_from(number) {
            set.add(signal);
        }
    }
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(from_nix)
}
