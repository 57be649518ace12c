//! What a program has from its caller, and a container must not or need not have.

use std::sync::atomic::{AtomicU64, Ordering};

/// Signals that the caller ignores, a bit for each; all of them if nobody has looked.
static IGNORED_SIGNALS: AtomicU64 = AtomicU64::new(u64::MAX);
/// The bounding set; every capability if nobody has looked.
static BOUNDING: AtomicU64 = AtomicU64::new(u64::MAX);

/// Looks what there is, for processes that have no procfs any more. What can't be found out is taken for
/// everything.
pub fn note() {
    let mut buffer = [0; 8192];
    let status = crate::file::read_into(crate::file::CWD, c"/proc/self/status", &mut buffer);
    let text = status.ok().and_then(|status| std::str::from_utf8(status).ok()).unwrap_or_default();
    for line in text.lines() {
        let place = match line.split_once(':') {
            Some(("SigIgn", mask)) => (&IGNORED_SIGNALS, mask),
            Some(("CapBnd", mask)) => (&BOUNDING, mask),
            _ => continue,
        };
        if let Ok(mask) = u64::from_str_radix(place.1.trim(), 16) {
            place.0.store(mask, Ordering::Relaxed);
        }
    }
}

/// The bounding set that [`note`] found.
#[must_use]
pub fn bounding() -> u64 {
    BOUNDING.load(Ordering::Relaxed)
}

/// Gives SIGPIPE its default action back, and every signal that the caller ignores, as one in the background
/// or under nohup(1) does: what is ignored stays so across execve(2), and no shell can trap it then.
pub fn reset_signals() {
    let ignored = IGNORED_SIGNALS.load(Ordering::Relaxed) | 1 << (libc::SIGPIPE - 1);
    (1..=64)
        .filter(|signal| ignored & (1 << (signal - 1)) != 0)
        .for_each(crate::signal::set_default);
}
