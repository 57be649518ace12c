//! The security statements, each a test by its number; where a statement has parts, the part
//! follows the number. An attacker is a racing thread, a hostile image, or a program inside.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use rustix::fs::{CWD, RenameFlags, renameat_with};

pub(crate) mod descriptors;
pub(crate) mod identity;
pub(crate) mod interrupted;
pub(crate) mod load;
pub(crate) mod paths;
pub(crate) mod records;

/// Runs `body` while a thread exchanges the files `a` and `b` without pause.
pub(crate) fn while_exchanging<T>(
    a: &Path,
    b: &Path,
    body: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE);
            }
        });
        let result = body();
        stop.store(true, Ordering::Relaxed);
        result
    })
}
