//! `run`: exit codes, flags, standard streams, signals.

use std::fs;

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::expect::{contains, equal, holds};
use crate::harness::host::Need;
use crate::harness::scene::Scene;
use crate::harness::sockets::read_fifo;
use crate::suite::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test("run-exit-code", "runc-run(8)", &[], exit_code),
    test("run-killed-by-signal-is-128-plus", "runc-run(8)", &[], killed),
    test("run-killed-from-outside", "runc-run(8)", &[], killed_from_outside),
    test("run-removes-the-container", "runc-run(8)", &[], removes),
    test("run-keep", "runc-run(8) --keep", &[], keep),
    test("run-detach", "runc-run(8) --detach", &[], detach),
    test("run-pid-file", "runc-run(8) --pid-file", &[], run_pid_file),
    test(
        "create-pid-file-over-a-device-refused",
        "runc-create(8) --pid-file",
        &[Need::Root],
        pid_file_device,
    ),
    test("create-pid-file", "runc-create(8) --pid-file", &[], create_pid_file),
    test("pid-file-that-cannot-be-written", "runc-create(8) --pid-file", &[], bad_pid_file),
    test("run-standard-input", "runc-run(8)", &[], standard_input),
    test("run-standard-error", "runc-run(8)", &[], standard_error),
    test("run-large-output", "runc-run(8)", &[], large_output),
    test("run-forwards-signals", "runc-run(8)", &[], forwards_signals),
    test("run-program-not-found", "runc-run(8)", &[], not_found),
    test("run-program-not-executable", "runc-run(8)", &[], not_executable),
    test("run-program-is-a-directory", "runc-run(8)", &[], directory),
    test("run-program-without-format", "execve(2)", &[], no_format),
    test("run-program-relative-to-cwd", "config.md#process args", &[], relative_program),
    test("run-orphans-do-not-keep-it", "runc-run(8)", &[], orphans),
    test("run-no-pivot", "runc-run(8) --no-pivot", &[], no_pivot),
    test("run-no-subreaper", "runc-run(8) --no-subreaper", &[], no_subreaper),
    test("run-without-bundle", "runc-run(8) --bundle", &[], without_bundle),
    test("run-bundle-relative", "runtime.md#state bundle", &[], bundle_relative),
    test("exec-exit-code", "runc-exec(8)", &[], exec_exit_code),
    test("exec-killed-by-signal", "runc-exec(8)", &[], exec_killed),
    test("exec-program-not-found", "runc-exec(8)", &[], exec_not_found),
    test("exec-without-command-fails", "runc-exec(8)", &[], exec_without_command),
    test("exec-standard-input", "runc-exec(8)", &[], exec_standard_input),
    test("exec-detach", "runc-exec(8) --detach", &[], exec_detach),
    test("exec-pid-file", "runc-exec(8) --pid-file", &[], exec_pid_file),
    test("unknown-command-fails", "runc(8)", &[], unknown_command),
    test("unknown-flag-fails", "runc(8)", &[], unknown_flag),
    test("version", "runc(8) --version", &[], version),
    test("help", "runc(8) --help", &[], help),
    test("called-runc-it-speaks-as-runc", "runc-run(8)", &[], called_runc),
];

fn exit_code(scene: &Scene) -> Result<()> {
    for code in [0, 1, 42, 255] {
        let mut bundle = scene.bundle()?;
        scene.run(bundle.sh(&format!("exit {code}")))?.exits(code)?;
    }
    Ok(())
}

fn killed(scene: &Scene) -> Result<()> {
    for signal in [9, 15, 6] {
        let mut bundle = scene.bundle()?;
        // Init of a pid namespace is deaf to its own signals.
        bundle.inherit("pid").sh(&format!("kill -{signal} $$"));
        scene.run(&bundle)?.exits(128 + signal)?;
    }
    Ok(())
}

fn killed_from_outside(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let id = scene.id();
    let fifo = fifo(&bundle.host_path("/ready"))?;
    bundle.sh("echo up >/ready; sleep 1000000");
    let running = scene.run_command(&bundle, &id, &[])?.spawn()?;
    read_fifo(&fifo)?;
    scene.runtime(&["kill", &id, "KILL"]).run()?.ok()?;
    running.wait()?.exits(137).map(drop)
}

fn fifo(path: &std::path::Path) -> Result<std::path::PathBuf> {
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    rustix::fs::mkfifoat(rustix::fs::CWD, path, mode)?;
    Ok(path.to_owned())
}

fn removes(scene: &Scene) -> Result<()> {
    let id = scene.id();
    scene.run_command(&scene.bundle()?, &id, &[])?.run()?.ok()?;
    scene.is_absent(&id)?;
    holds("the state directory is left", !scene.root().join(&id).exists())
}

fn keep(scene: &Scene) -> Result<()> {
    let id = scene.id();
    let mut bundle = scene.bundle()?;
    scene.run_command(bundle.sh("exit 3"), &id, &["--keep"])?.run()?.exits(3)?;
    let state = scene.runtime(&["state", &id]).run()?.json()?;
    equal("status", &state["status"], "stopped")?;
    scene.runtime(&["delete", &id]).run()?.ok().map(drop)
}

fn detach(scene: &Scene) -> Result<()> {
    let id = scene.id();
    let mut bundle = scene.bundle()?;
    scene.run_command(bundle.idle(), &id, &["--detach"])?.run()?.ok()?;
    let state = scene.runtime(&["state", &id]).run()?.json()?;
    equal("status", &state["status"], "running")
}

fn run_pid_file(scene: &Scene) -> Result<()> {
    pid_file_of(scene, "run", &["--detach"])
}

fn create_pid_file(scene: &Scene) -> Result<()> {
    pid_file_of(scene, "create", &[])
}

fn pid_file_of(scene: &Scene, verb: &str, flags: &[&str]) -> Result<()> {
    let id = scene.id();
    let mut bundle = scene.bundle()?;
    let file = scene.path("pid");
    scene.write(bundle.idle(), &id)?;
    scene
        .runtime(&[verb, "--bundle"])
        .arg(&bundle.dir)
        .arg("--pid-file")
        .arg(&file)
        .args(flags)
        .arg(&id)
        .run()?
        .ok()?;
    let state = scene.runtime(&["state", &id]).run()?.json()?;
    equal("pid file", fs::read_to_string(file)?, state["pid"].to_string())
}

/// A file in the place of `/dev/null` would break the host.
fn pid_file_device(scene: &Scene) -> Result<()> {
    let fifo = fifo(&scene.path("fifo"))?;
    let null = scene.path("null");
    let (mode, device) = (rustix::fs::Mode::from_raw_mode(0o666), rustix::fs::makedev(1, 3));
    let kind = rustix::fs::FileType::CharacterDevice;
    rustix::fs::mknodat(rustix::fs::CWD, &null, kind, mode, device)?;
    for place in [&fifo, &null] {
        let (mut bundle, id) = (scene.bundle()?, scene.id());
        let flags = ["--pid-file", &place.to_string_lossy()];
        let output = scene.create_command(bundle.idle(), &id, &flags)?.run()?;
        holds("it was replaced", !fs::symlink_metadata(place)?.is_file())?;
        output.fails_naming(&["pid file"])?;
        scene.is_absent(&id)?;
    }
    Ok(())
}

fn bad_pid_file(scene: &Scene) -> Result<()> {
    let id = scene.id();
    let mut bundle = scene.bundle()?;
    let flags = ["--pid-file", "/nonexistent/dir/pid"];
    scene.create_command(bundle.idle(), &id, &flags)?.run()?.fails_naming(&["/nonexistent"])?;
    scene.is_absent(&id)
}

fn standard_input(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let command = scene.run_command(bundle.args(&["cat"]), &scene.id(), &[])?;
    command.stdin_bytes("through").run()?.prints("through").map(drop)
}

fn standard_error(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let output = scene.run(bundle.sh("echo out; echo err >&2"))?.prints("out\n")?;
    equal("stderr", output.stderr.as_str(), "err\n")
}

fn large_output(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let output = scene.run(bundle.sh("dd if=/dev/zero bs=65536 count=40 2>/dev/null"))?.ok()?;
    equal("bytes", output.stdout.len(), 40 * 65536)
}

fn forwards_signals(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let fifo = fifo(&bundle.host_path("/ready"))?;
    bundle.sh("trap 'echo hup; exit 7' HUP; echo up >/ready; while :; do sleep 0.05; done");
    let running = scene.run_command(&bundle, &scene.id(), &[])?.spawn()?;
    read_fifo(&fifo)?;
    if let Some(pid) = Pid::from_raw(running.pid()) {
        kill_process(pid, Signal::HUP)?;
    }
    running.wait()?.exits(7).and_then(|output| equal("stdout", output.stdout.as_str(), "hup\n"))
}

fn not_found(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    for program in ["no-such-program", "/no/such/program"] {
        let output = scene.run(bundle.args(&[program]))?;
        output.exits(1)?.fails_naming(&["not found", "no such file"])?;
    }
    Ok(())
}

fn not_executable(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.file("/plain", "#!/bin/sh\n")?;
    let output = scene.run(bundle.args(&["/plain"]))?;
    output.exits(1)?.fails_naming(&["permission denied"]).map(drop)
}

fn directory(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let output = scene.run(bundle.args(&["/etc"]))?;
    output.exits(1)?.fails_naming(&["is a directory", "permission denied"]).map(drop)
}

fn no_format(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.program("/odd", "neither ELF nor script")?;
    scene.run(bundle.args(&["/odd"]))?.exits(1)?.fails_naming(&["exec format"]).map(drop)
}

fn relative_program(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.program("/work/here", "#!/bin/sh\necho here\n")?;
    bundle.set("/process/cwd", "/work".into()).args(&["./here"]);
    scene.run(&bundle)?.prints("here\n").map(drop)
}

fn orphans(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    scene.run(bundle.sh("sleep 1000000 >/dev/null 2>&1 & exit 5"))?.exits(5).map(drop)
}

fn no_pivot(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.sh("test -x /bin/busybox && ! test -e /usr/bin/env && echo inside");
    let command = scene.run_command(&bundle, &scene.id(), &["--no-pivot"])?;
    command.run()?.prints("inside\n").map(drop)
}

fn no_subreaper(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let command = scene.run_command(bundle.sh("exit 4"), &scene.id(), &["--no-subreaper"])?;
    command.run()?.exits(4).map(drop)
}

fn without_bundle(scene: &Scene) -> Result<()> {
    let id = scene.id();
    let output = scene.runtime(&["run", &id]).cwd(&scene.dir).run()?;
    output.exits(1)?.fails_naming(&["config.json"])?;
    scene.is_absent(&id)
}

fn bundle_relative(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let id = scene.id();
    scene.write(bundle.idle(), &id)?;
    let name = bundle.dir.file_name().unwrap_or_default().to_owned();
    let parent = bundle.dir.parent().unwrap_or(&bundle.dir);
    let command = scene.runtime(&["create", "--bundle"]).arg(name).arg(&id).cwd(parent);
    command.run()?.ok()?;
    let state = scene.runtime(&["state", &id]).run()?.json()?;
    equal("bundle", state["bundle"].as_str(), bundle.dir.to_str())
}

fn exec_exit_code(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    for code in [0, 1, 42, 254] {
        container.exec(&["sh", "-c", &format!("exit {code}")])?.exits(code)?;
    }
    Ok(())
}

fn exec_killed(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    for signal in [9, 15] {
        container.exec(&["sh", "-c", &format!("kill -{signal} $$")])?.exits(128 + signal)?;
    }
    Ok(())
}

fn exec_not_found(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let output = container.exec(&["no-such-program"])?;
    output.exits(255)?.fails_naming(&["not found", "no such file"])?;
    container.is("running")
}

fn exec_without_command(scene: &Scene) -> Result<()> {
    scene.idle(|_| {})?.exec(&[])?.fails().map(drop)
}

fn exec_standard_input(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let command = container.exec_command(&[], &["cat"]).stdin_bytes("through");
    command.run()?.prints("through").map(drop)
}

fn exec_detach(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let fifo = fifo(&bundle.host_path("/ready"))?;
    let container = scene.start(bundle.idle())?;
    let words = ["sh", "-c", "echo up >/ready; sleep 1000000"];
    container.exec_command(&["--detach"], &words).run()?.ok()?;
    equal("fifo", read_fifo(&fifo)?.as_str(), "up\n")
}

fn exec_pid_file(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let file = scene.path("exec.pid");
    let name = file.to_string_lossy().into_owned();
    let flags = ["--detach", "--pid-file", &name];
    container.exec_command(&flags, &["sleep", "7654321"]).run()?.ok()?;
    let pid = fs::read_to_string(file)?;
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline"))?;
    contains("command line", &line, "7654321")
}

fn unknown_command(scene: &Scene) -> Result<()> {
    let output = scene.runtime(&["frobnicate"]).run()?;
    holds("an unknown command succeeded", output.code() != 0)
}

fn unknown_flag(scene: &Scene) -> Result<()> {
    for words in [&["run", "--frobnicate", "x"][..], &["state", "--frobnicate", "x"]] {
        holds("an unknown flag was accepted", scene.runtime(words).run()?.code() != 0)?;
    }
    Ok(())
}

fn version(scene: &Scene) -> Result<()> {
    let output = scene.bare_runtime().arg("--version").run()?.ok()?;
    contains("first line", output.stdout.lines().next().unwrap_or(""), " version ")?;
    contains("version", &output.stdout, "spec: 1.")
}

fn help(scene: &Scene) -> Result<()> {
    let output = scene.bare_runtime().arg("--help").run()?.ok()?;
    let verbs = ["create", "start", "state", "kill", "delete", "run", "exec", "list"];
    for verb in verbs.iter().chain(&["ps", "pause", "resume", "update", "spec"]) {
        contains("help", &output.stdout, verb)?;
    }
    Ok(())
}

/// Programs around runc look for its words in errors.
fn called_runc(scene: &Scene) -> Result<()> {
    let runc = scene.path("runc");
    std::os::unix::fs::symlink(&scene.runtime, &runc)?;
    let mut bundle = scene.bundle()?;
    bundle.mount("/nowhere", "nosuchfs", "none", &[]);
    let id = scene.id();
    scene.write(&bundle, &id)?;
    let run = |log: &[&str]| {
        let program = scene.program(&runc).arg("--root").arg(scene.root()).args(log);
        program.args(&["run", "--bundle"]).arg(&bundle.dir).arg(&id).run()
    };
    let help = scene.program(&runc).args(&["checkpoint", "--help"]).run()?.ok()?;
    contains("second line", help.stdout.lines().nth(1).unwrap_or(""), "runc checkpoint")?;
    let opening = "runc run failed: unable to start container process: error during container init: \
                   error mounting";
    let output = run(&[])?.exits(1)?;
    contains("standard error", &output.stderr, opening)?;
    contains("standard error", &output.stderr, "no such device")?;
    contains("standard error", &output.stderr, "level=error")?;
    let log = scene.path("log");
    let output = run(&["--log", &log.display().to_string(), "--log-format", "json"])?.exits(1)?;
    holds("standard error has its own words", output.stderr.starts_with(opening))?;
    contains("log", &fs::read_to_string(&log)?, &format!("\"msg\":\"{opening}"))?;
    // The failure of the program's own execution is told as the program would have.
    let mut bundle = scene.bundle()?;
    bundle.program("/odd", "#!/nowhere\n")?;
    let id = scene.id();
    scene.write(bundle.args(&["/odd"]), &id)?;
    let program = scene.program(&runc).arg("--root").arg(scene.root());
    let output = program.args(&["run", "--bundle"]).arg(&bundle.dir).arg(&id).run()?.exits(1)?;
    equal("standard error", output.stderr.as_str(), "exec /odd: no such file or directory\n")
}
