//! Signals: masks and actions.

use crate::{Result, from_nix};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

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

/// Makes writing to a closed pipe or socket an error, not the program's end.
pub fn ignore_broken_pipes() {
    let mut action = default_action();
    action.sa_sigaction = libc::SIG_IGN;
    set_action(libc::SIGPIPE, &mut action);
}

/// Gives a signal its default action back.
pub fn set_default(signal: i32) {
    set_action(signal, &mut default_action());
}

/// Whether the process ignores a signal. A blocked one is queued all the same.
#[must_use]
pub fn is_ignored(signal: i32) -> bool {
    action_of(signal).sa_sigaction == libc::SIG_IGN
}

/// Lets a blocked signal do to this process what its action says, and returns after that.
///
/// # Errors
/// `EINVAL` if there is no such signal.
pub fn raise(signal: i32) -> Result<()> {
    let signal = Signal::try_from(signal).map_err(from_nix)?;
    let only = SigSet::from(signal);
    nix::sys::signal::raise(signal).map_err(from_nix)?;
    // It takes effect here.
    sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&only), None).map_err(from_nix)?;
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&only), None).map_err(from_nix)
}

#[expect(unsafe_code, reason = "sigaction has no safe wrapper that takes SIG_DFL for a number")]
fn default_action() -> libc::sigaction {
    // SAFETY: all zero is SIG_DFL with an empty mask and no flags.
    unsafe { std::mem::zeroed() }
}

#[expect(unsafe_code, reason = "sigaction has no safe wrapper that takes SIG_DFL for a number")]
fn set_action(signal: i32, action: &mut libc::sigaction) {
    // SAFETY: neither the default action nor SIG_IGN runs code of ours.
    unsafe { libc::sigaction(signal, action, std::ptr::null_mut()) };
}

#[expect(unsafe_code, reason = "sigaction has no safe wrapper that takes numbers")]
fn action_of(signal: i32) -> libc::sigaction {
    let mut action = default_action();
    // SAFETY: with no new action, this writes the one in force to `action`, which lives through it.
    unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
    action
}

/// Ends the process on each of `signals`, as its default action would, whoever ignored it before: the kernel
/// spares the first process of a pid namespace what has no handler. execve(2) takes the handlers away.
pub fn end_on(signals: &[i32]) {
    let mut action = default_action();
    action.sa_sigaction = end as extern "C" fn(i32) as libc::sighandler_t;
    signals.iter().for_each(|signal| set_action(*signal, &mut action));
}

/// The handler: exit status 128 and the signal, as a shell has it.
#[expect(unsafe_code, reason = "only _exit may be called in a signal handler")]
extern "C" fn end(signal: i32) {
    // SAFETY: _exit(2) is async-signal-safe and doesn't return.
    unsafe { libc::_exit(128 + signal) }
}
