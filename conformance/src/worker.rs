//! Runs one test in two processes.
//!
//! The outer one stands where init stands on a machine: it adopts the orphans of the test and
//! collects them when they end. The inner one runs the test in a mount namespace of its own and
//! then looks for what was left behind.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::io::Errno;
use rustix::process::WaitOptions;

use crate::harness::expect::Skip;
use crate::harness::leaks::Before;
use crate::harness::scene::Scene;
use crate::report::Outcome;
use crate::suite::Test;

/// What the worker is told on its command line.
pub(crate) struct Order<'o> {
    pub(crate) work: &'o Path,
    pub(crate) tag: &'o str,
    pub(crate) runtime: &'o Path,
    pub(crate) name: &'o str,
    pub(crate) rounds: u32,
    pub(crate) oracle: Option<&'o Path>,
}

/// Runs `test` and reports what became of it.
pub(crate) fn run(test: &Test, order: &Order<'_>) -> Outcome {
    match try_run(test, order) {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Failed(format!("suite: {error:#}")),
    }
}

/// Starts this program again with `words`, and reaps everything until that process ends.
///
/// Result: whether it ended well.
pub(crate) fn adopt(words: &[OsString]) -> Result<bool> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let inner = Command::new("/proc/self/exe").args(words).spawn().context("inner worker")?;
    let inner = i32::try_from(inner.id())?;
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == inner => {
                return Ok(status.exit_status() == Some(0));
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).context("wait"),
        }
    }
}

fn try_run(test: &Test, order: &Order<'_>) -> Result<Outcome> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    unshare(CloneFlags::CLONE_NEWNS).context("new mount namespace")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).context("private mounts")?;
    let mut scene = Scene::open(order.work, order.tag, order.runtime, order.name, order.rounds)?;
    scene.oracle = order.oracle.map(Path::to_owned);
    let before = Before::look();
    let result = (test.run)(&scene);
    let leaks = before.leaks(&scene)?;
    fs::remove_dir_all(&scene.dir).context("removing the scene")?;
    Ok(match result {
        Err(error) => match error.downcast::<Skip>() {
            Ok(Skip(why)) => Outcome::Skipped(why),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        },
        Ok(()) if leaks.is_empty() => Outcome::Passed(scene.notes()),
        Ok(()) => Outcome::Failed(format!("left behind: {}", leaks.join("; "))),
    })
}
