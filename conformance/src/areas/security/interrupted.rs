//! S28: the runtime is killed at its N-th system call, for many N; what is left can be removed.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::harness::cgroups;
use crate::harness::command::Cmd;
use crate::harness::expect::holds;
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

/// The system calls of the first process of a command, by name, in their order.
struct Calls(Vec<String>);

impl Calls {
    fn of(scene: &Scene, command: Cmd) -> Result<Calls> {
        let log = scene.path("strace.log");
        let name = log.to_string_lossy().into_owned();
        command.under(&["/usr/bin/strace", "-o", &name]).run()?.ok()?;
        let text = fs::read_to_string(&log)?;
        let names = text.lines().filter_map(|line| line.split_once('('));
        let names: Vec<String> = names.map(|(name, _)| name.to_owned()).collect();
        holds("no system calls", !names.is_empty())?;
        Ok(Calls(names))
    }

    /// The calls at which to kill: all of them, or a sample spread evenly. Not the first, which is
    /// the execve(2) of strace itself.
    fn points(&self, scene: &Scene) -> Vec<usize> {
        let wanted = usize::try_from(scene.rounds / ROUNDS_PER_POINT).unwrap_or(1).max(3);
        let step = (self.0.len() / wanted).max(1);
        (2..=self.0.len()).step_by(step).collect()
    }

    /// Runs `command` and kills its first process at its `n`-th call; whether that call came.
    fn kill_at(&self, command: Cmd, n: usize) -> Result<bool> {
        let name = &self.0[n - 1];
        // strace counts the calls of each name by themselves.
        let nth = self.0[..n].iter().filter(|other| *other == name).count();
        let inject = format!("inject={name}:signal=SIGKILL:when={nth}");
        let trace = format!("trace={name}");
        let strace = ["/usr/bin/strace", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        Ok(command.under(&strace).run()?.ok().is_err())
    }
}

/// Says how many kills came; a run takes about the same way as the one that was counted, and one
/// in ten, of few one at all, may take another.
fn most_were_killed(scene: &Scene, killed: usize, points: usize) -> Result<()> {
    scene.note(format!("killed at {killed} of {points} system calls"));
    holds("most runs went on to their end", killed * 10 >= points * 9 || killed + 1 == points)
}

/// `delete --force`, after which nothing of the container may be left.
fn is_removable(scene: &Scene, id: &str, n: usize) -> Result<()> {
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
    let calls = Calls::of(scene, scene.create_command(&bundle, &id, &[])?)?;
    scene.runtime(&["delete", "--force", &id]).run()?.ok()?;
    let (points, mut killed) = (calls.points(scene), 0);
    for n in &points {
        let id = scene.id();
        killed += usize::from(calls.kill_at(scene.create_command(&bundle, &id, &[])?, *n)?);
        is_removable(scene, &id, *n)?;
    }
    most_were_killed(scene, killed, points.len())
}

fn at_exec(scene: &Scene) -> Result<()> {
    let calls = {
        let container = scene.idle(|_| {})?;
        let calls = Calls::of(scene, container.exec_command(&[], &["true"]))?;
        container.command("delete", &["--force"]).run()?.ok()?;
        calls
    };
    let (points, mut killed) = (calls.points(scene), 0);
    for n in &points {
        let container = scene.idle(|_| {})?;
        killed += usize::from(calls.kill_at(container.exec_command(&[], &["true"]), *n)?);
        container.is("running").with_context(|| format!("killed at {n}"))?;
        container.exec(&["true"])?.ok().with_context(|| format!("after a kill at {n}"))?;
        is_removable(scene, &container.id, *n)?;
    }
    most_were_killed(scene, killed, points.len())
}

fn at_delete(scene: &Scene) -> Result<()> {
    let calls = {
        let container = scene.idle(|_| {})?;
        container.stop()?;
        Calls::of(scene, container.command("delete", &[]))?
    };
    let (points, mut killed) = (calls.points(scene), 0);
    for n in &points {
        let container = scene.idle(|_| {})?;
        container.stop()?;
        killed += usize::from(calls.kill_at(container.command("delete", &[]), *n)?);
        is_removable(scene, &container.id, *n)?;
    }
    most_were_killed(scene, killed, points.len())
}
