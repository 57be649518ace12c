//! `kill`: signals by name and number, to init or to all, in every state.

use anyhow::Result;

use crate::harness::container::Container;
use crate::harness::expect::equal;
use crate::harness::host::Need;
use crate::harness::process::wait_ended;
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

const STRACE: &[Need] = &[Need::Program("strace")];

pub(crate) const TESTS: &[Test] = &[
    test("kill-default-is-term", "runc-kill(8)", &[], default_is_term),
    test("kill-by-name", "runc-kill(8)", &[], by_name),
    test("kill-by-name-with-sig", "runc-kill(8)", &[], by_sig_name),
    test("kill-by-lower-case-name", "runc-kill(8)", &[], by_lower_case),
    test("kill-by-number", "runc-kill(8)", &[], by_number),
    test("kill-by-realtime-number", "runc-kill(8)", &[], by_realtime_number),
    test("kill-unknown-signal-fails", "runc-kill(8)", &[], unknown_signal),
    test("kill-created", "runtime.md#kill", &[], created),
    test("kill-created-by-term", "runtime.md#kill", &[], created_by_term),
    test("kill-created-whose-maker-ignores-it", "signal(7)", &[], created_ignoring),
    test("kill-just-created-by-term", "runtime.md#kill", STRACE, just_created_by_term),
    test("kill-stopped-fails", "runtime.md#kill", &[], stopped),
    test("kill-missing-fails", "runtime.md#kill", &[], missing),
    test("kill-all-in-host-pid-namespace", "runc-kill(8) --all", &[], all_in_host_pid),
    test("kill-all-reaches-every-process", "runc-kill(8) --all", &[], all_reaches_every),
    test("kill-init-ends-the-pid-namespace", "pid_namespaces(7)", &[], ends_namespace),
    test("kill-in-host-pid-namespace-leaves-the-rest", "runc-kill(8)", &[], leaves_rest),
];

/// A container that prints the name of each signal it gets, and ends on TERM.
fn trapping(scene: &Scene) -> Result<Container<'_>> {
    let mut bundle = scene.bundle()?;
    let script = "for s in TERM HUP USR1 35; do trap \"echo got $s; exit 0\" $s; done
        echo ready >/ready; while :; do sleep 0.05; done";
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        bundle.host_path("/ready"),
        rustix::fs::Mode::from_raw_mode(0o600),
    )?;
    let container = scene.start(bundle.sh(script))?;
    crate::harness::sockets::read_fifo(&bundle.host_path("/ready"))?;
    Ok(container)
}

fn kills(scene: &Scene, signal: &[&str], want: &str) -> Result<()> {
    let container = trapping(scene)?;
    let pid = container.pid()?;
    container.command("kill", &[]).args(signal).run()?.ok()?;
    container.wait_pid(pid)?;
    equal("output", container.stdout(), format!("got {want}\n"))
}

fn default_is_term(scene: &Scene) -> Result<()> {
    kills(scene, &[], "TERM")
}

fn by_name(scene: &Scene) -> Result<()> {
    kills(scene, &["HUP"], "HUP")
}

fn by_sig_name(scene: &Scene) -> Result<()> {
    kills(scene, &["SIGUSR1"], "USR1")
}

fn by_lower_case(scene: &Scene) -> Result<()> {
    kills(scene, &["usr1"], "USR1")
}

fn by_number(scene: &Scene) -> Result<()> {
    kills(scene, &["1"], "HUP")
}

fn by_realtime_number(scene: &Scene) -> Result<()> {
    kills(scene, &["35"], "35")
}

fn unknown_signal(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    for signal in ["FOO", "SIGFOO", "9x", "-9"] {
        container.command("kill", &[]).arg(signal).run()?.fails()?;
    }
    container.is("running")
}

fn created(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let container = scene.create(bundle.idle())?;
    container.stop()?;
    container.is("stopped")
}

/// Init has no handler yet, and the kernel would spare the first process of a pid namespace.
fn created_by_term(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let container = scene.create(bundle.idle())?;
    let pid = container.pid()?;
    container.command("kill", &[]).arg("TERM").run()?.ok()?;
    container.wait_pid(pid)?;
    container.is("stopped")
}

fn created_ignoring(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let id = scene.id();
    let create = scene.create_command(bundle.idle(), &id, &[])?.after("trap '' TERM");
    let container = Container::new(scene, id, create.run()?.ok()?);
    let pid = container.pid()?;
    container.command("kill", &[]).arg("TERM").run()?.ok()?;
    container.wait_pid(pid)
}

/// However long init takes for what it still does after `create` has returned.
fn just_created_by_term(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let id = scene.id();
    let late = "inject=close_range:delay_enter=300000";
    // Detached, strace goes on with init when the runtime has ended.
    let strace = ["/usr/bin/strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=close_range"];
    let create = scene.create_command(bundle.idle(), &id, &[])?;
    let created = create.under(&[&strace[..], &["-e", late]].concat()).run()?.ok()?;
    let container = Container::new(scene, id, created);
    let pid = container.pid()?;
    container.command("kill", &[]).arg("TERM").run()?.ok()?;
    container.wait_pid(pid)
}

fn stopped(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.stop()?;
    let output = container.command("kill", &[]).arg("KILL").run()?;
    output.fails_naming(&["not running", "stopped"])?;
    container.is("stopped")
}

fn missing(scene: &Scene) -> Result<()> {
    scene.runtime(&["kill", "no-such-container", "KILL"]).run()?.fails_naming(&["exist"]).map(drop)
}

/// Whose pid namespace a container lives in.
#[derive(PartialEq)]
enum Shared {
    Host,
    Own,
}

/// Starts a container with a second process, in the host's pid namespace or its own; returns
/// the host's pid of that process.
fn with_second(scene: &Scene, pid_namespace: Shared) -> Result<(Container<'_>, i32)> {
    let container = scene.idle(|b| {
        if pid_namespace == Shared::Host {
            b.inherit("pid");
        }
    })?;
    let file = scene.path("second.pid");
    let name = file.to_string_lossy().into_owned();
    let flags = ["--detach", "--pid-file", name.as_str()];
    container.exec_command(&flags, &["sleep", "1000000"]).run()?.ok()?;
    let pid = std::fs::read_to_string(file)?.trim().parse()?;
    Ok((container, pid))
}

fn all_in_host_pid(scene: &Scene) -> Result<()> {
    let (container, second) = with_second(scene, Shared::Host)?;
    let init = container.pid()?;
    container.command("kill", &["--all"]).arg("KILL").run()?.ok()?;
    container.wait_pid(init)?;
    container.wait_pid(second)
}

fn all_reaches_every(scene: &Scene) -> Result<()> {
    let (container, second) = with_second(scene, Shared::Own)?;
    container.command("kill", &["--all"]).arg("KILL").run()?.ok()?;
    container.wait_pid(second)
}

fn ends_namespace(scene: &Scene) -> Result<()> {
    let (container, second) = with_second(scene, Shared::Own)?;
    container.stop()?;
    container.wait_pid(second)
}

/// Only init is signalled; `delete` then removes the rest with the cgroup.
fn leaves_rest(scene: &Scene) -> Result<()> {
    let (container, second) = with_second(scene, Shared::Host)?;
    let init = container.pid()?;
    container.kill("USR1")?;
    container.wait_pid(init)?;
    equal("second ended", wait_ended(second, std::time::Duration::ZERO)?, false)?;
    container.command("delete", &["--force"]).run()?.ok()?;
    container.wait_pid(second)
}
