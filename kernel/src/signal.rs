//! Signals: masks and actions.

use crate::{Result, from_nix};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

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

/// Gives SIGPIPE its default action back, and those signals that a caller in the background or under
/// nohup(1) ignores: what is ignored stays so across execve(2), and no shell can trap it then.
pub fn reset_ignored() {
    for signal in [libc::SIGPIPE, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
        set_action(signal, &mut default_action());
    }
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

/// Ends the process on each of `signals` whose action is the default one, as that action would:
/// the kernel spares the first process of a pid namespace what has no handler. execve(2) takes
/// the handlers away.
#[expect(unsafe_code, reason = "sigaction has no safe wrapper that takes numbers")]
pub fn end_on(signals: &[i32]) {
    let mut action = default_action();
    action.sa_sigaction = end as extern "C" fn(i32) as libc::sighandler_t;
    for &signal in signals {
        let mut former = default_action();
        // SAFETY: with no new action, this writes the old one to `former`, which lives through it.
        unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut former) };
        if former.sa_sigaction == libc::SIG_DFL {
            set_action(signal, &mut action);
        }
    }
}

/// The handler: exit status 128 and the signal, as a shell has it.
#[expect(unsafe_code, reason = "only _exit may be called in a signal handler")]
extern "C" fn end(signal: i32) {
    // SAFETY: _exit(2) is async-signal-safe and doesn't return.
    unsafe { libc::_exit(128 + signal) }
}
