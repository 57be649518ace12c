//! S24: thousands of short containers under load.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, anyhow};

use crate::harness::command::Cmd;
use crate::harness::expect::equal;
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

/// How many commands are under way at once: more than there are processors.
const AT_ONCE: u32 = 4;

pub(crate) const TESTS: &[Test] =
    &[test("S24-run", "RUNTIME.md S24", &[], runs), test("S24-exec", "RUNTIME.md S24", &[], execs)];

/// Runs the commands of `make`, several at once, until the rounds are over; each must exit with
/// the code that its number stands for.
fn all_exit(scene: &Scene, make: impl Fn(u32) -> Result<Cmd>) -> Result<()> {
    let mut commands = Vec::new();
    for round in 0..scene.rounds {
        commands.push(std::sync::Mutex::new(Some(make(round)?)));
    }
    let next = AtomicU32::new(0);
    let worker = || -> Result<()> {
        loop {
            let round = next.fetch_add(1, Ordering::Relaxed);
            let Some(slot) = commands.get(usize::try_from(round)?) else { return Ok(()) };
            let command = slot.lock().map_err(|_| anyhow!("a thread panicked"))?.take();
            let command = command.context("command taken twice")?;
            command.run()?.exits(code_of(round)).with_context(|| format!("round {round}"))?;
        }
    };
    std::thread::scope(|threads| {
        let handles: Vec<_> = (0..AT_ONCE).map(|_| threads.spawn(worker)).collect();
        handles
            .into_iter()
            .try_for_each(|handle| handle.join().map_err(|_| anyhow!("a thread panicked"))?)
    })?;
    scene.note(format!("{} rounds, {AT_ONCE} at once", scene.rounds));
    Ok(())
}

/// The exit code of a round: not always the same, so that codes can't be mixed up unseen.
fn code_of(round: u32) -> i32 {
    i32::try_from(round % 7).unwrap_or(0)
}

fn script(round: u32) -> String {
    format!("exit {}", code_of(round))
}

fn runs(scene: &Scene) -> Result<()> {
    // One bundle per exit code; containers may share a bundle.
    let mut bundles = Vec::new();
    for round in 0..7 {
        let mut bundle = scene.bundle()?;
        bundle.unset("/linux/cgroupsPath").sh(&script(round));
        bundle.write()?;
        bundles.push(bundle);
    }
    all_exit(scene, |round| {
        let bundle = bundles.get(usize::try_from(round % 7)?).context("bundle")?;
        Ok(scene.runtime(&["run", "--bundle"]).arg(&bundle.dir).arg(scene.id()))
    })?;
    equal("left in the state root", std::fs::read_dir(scene.root())?.count(), 0)
}

fn execs(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    all_exit(scene, |round| Ok(container.exec_command(&[], &["sh", "-c", &script(round)])))?;
    let text = container.sh(
        "ls -d /proc/[0-9]* | wc -l; grep -l 'State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l",
    )?;
    // init, the shell, ls and wc.
    let words: Vec<&str> = text.split_whitespace().collect();
    equal("zombies inside", words.get(1).copied(), Some("0"))
}
