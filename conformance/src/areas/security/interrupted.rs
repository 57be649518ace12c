//! S28: the runtime is killed at its N-th system call, for many N; what is left can be removed.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::harness::cgroups;
use crate::harness::command::Cmd;
use crate::harness::host::Need;
use crate::harness::patience;
use crate::harness::process::{children, command_line, wait_ended};
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

const NEEDS: &[Need] = &[Need::Program("strace")];
/// Rounds of the whole suite per kill point of these tests.
const ROUNDS_PER_POINT: u32 = 5;
/// How long a process may take to notice that its runtime is gone.
const END_LIMIT: u64 = 3;

pub(crate) const TESTS: &[Test] = &[
    test("S28-create", "RUNTIME.md S28", NEEDS, at_create),
    test("S28-exec", "RUNTIME.md S28", NEEDS, at_exec),
    test("S28-delete", "RUNTIME.md S28", NEEDS, at_delete),
];

/// Kills the first process of `command` at its `n`-th system call.
fn killed_at(command: Cmd, n: u32) -> Cmd {
    let inject = format!("inject=all:signal=SIGKILL:when={n}");
    command.under(&["/usr/bin/strace", "-o", "/dev/null", "-e", "trace=all", "-e", &inject])
}

/// Counts the system calls of the first process of `command`.
fn count(scene: &Scene, command: Cmd) -> Result<u32> {
    let log = scene.path("strace.log");
    let name = log.to_string_lossy().into_owned();
    command.under(&["/usr/bin/strace", "-o", &name]).run()?.ok()?;
    let calls = fs::read_to_string(&log)?.lines().filter(|line| line.contains('(')).count();
    u32::try_from(calls).context("system calls")
}

/// The system calls at which to kill: all of them, or a sample spread evenly.
fn points(scene: &Scene, total: u32) -> Vec<u32> {
    let wanted = (scene.rounds / ROUNDS_PER_POINT).max(1);
    let step = (total / wanted).max(1);
    let points: Vec<u32> = (1..=total).step_by(usize::try_from(step).unwrap_or(1)).collect();
    scene.note(format!("killed at {} of {total} system calls", points.len()));
    points
}

/// `delete --force`, after which nothing of the container may be left.
fn is_removable(scene: &Scene, id: &str, n: u32) -> Result<()> {
    scene
        .runtime(&["delete", "--force", id])
        .run()?
        .ok()
        .with_context(|| format!("killed at {n}"))?;
    let own = i32::try_from(std::process::id())?;
    for pid in children(std::os::unix::process::parent_id()).into_iter().filter(|pid| *pid != own) {
        if !wait_ended(pid, patience::seconds(END_LIMIT))? {
            bail!("killed at {n}: process {pid} `{}` is left", command_line(pid));
        }
    }
    if let Some(dir) = cgroups::tagged(&scene.tag).first() {
        bail!("killed at {n}: cgroup {} is left", dir.display());
    }
    let left = fs::read_dir(scene.root()).into_iter().flatten().flatten().next();
    if let Some(entry) = left {
        bail!("killed at {n}: {} is left", entry.path().display());
    }
    Ok(())
}

fn at_create(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.idle();
    let id = scene.id();
    let total = count(scene, scene.create_command(&bundle, &id, &[])?)?;
    scene.runtime(&["delete", "--force", &id]).run()?.ok()?;
    for n in points(scene, total) {
        let id = scene.id();
        let _ = killed_at(scene.create_command(&bundle, &id, &[])?, n).run()?;
        is_removable(scene, &id, n)?;
    }
    Ok(())
}

fn at_exec(scene: &Scene) -> Result<()> {
    let total = {
        let container = scene.idle(|_| {})?;
        let total = count(scene, container.exec_command(&[], &["true"]))?;
        container.command("delete", &["--force"]).run()?.ok()?;
        total
    };
    for n in points(scene, total) {
        let container = scene.idle(|_| {})?;
        let _ = killed_at(container.exec_command(&[], &["true"]), n).run()?;
        container.is("running").with_context(|| format!("killed at {n}"))?;
        container.exec(&["true"])?.ok().with_context(|| format!("after a kill at {n}"))?;
        is_removable(scene, &container.id, n)?;
    }
    Ok(())
}

fn at_delete(scene: &Scene) -> Result<()> {
    let total = {
        let container = scene.idle(|_| {})?;
        container.stop()?;
        count(scene, container.command("delete", &[]))?
    };
    for n in points(scene, total) {
        let container = scene.idle(|_| {})?;
        container.stop()?;
        let _ = killed_at(container.command("delete", &[]), n).run()?;
        is_removable(scene, &container.id, n)?;
    }
    Ok(())
}
