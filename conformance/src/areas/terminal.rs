//! Terminals: over a console socket, and proxied in the foreground.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use anyhow::Result;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetwinsize, tcsetwinsize};
use serde_json::json;

use crate::harness::command::Running;
use crate::harness::expect::{contains, equal};
use crate::harness::scene::Scene;
use crate::harness::sockets::{DescriptorSocket, read_until};
use crate::suite::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test("terminal-by-console-socket", "runc-create(8) --console-socket", &[], by_socket),
    test("terminal-descriptor-is-a-master", "docs/terminals", &[], is_master),
    test("terminal-is-the-console", "config-linux.md#default-devices", &[], is_console),
    test("terminal-is-controlling", "config.md#process terminal", &[], is_controlling),
    test("terminal-console-size", "config.md#process consoleSize", &[], console_size),
    test("terminal-console-size-ignored", "config.md#process consoleSize", &[], size_ignored),
    test("terminal-owned-by-the-user", "runc", &[], owned_by_user),
    test("terminal-in-user-namespace", "config.md#process terminal", &[], in_user_namespace),
    test("terminal-without-devpts-fails-or-works", "runc", &[], without_devpts),
    test("terminal-without-socket-refused", "runc-create(8) --console-socket", &[], without_socket),
    test(
        "socket-without-terminal-refused",
        "runc-create(8) --console-socket",
        &[],
        unneeded_socket,
    ),
    test("socket-missing-refused", "runc-create(8) --console-socket", &[], missing_socket),
    test("no-terminal", "config.md#process terminal", &[], no_terminal),
    test("exec-terminal", "runc-exec(8) --tty --console-socket", &[], exec_terminal),
    test("exec-process-terminal", "runc-exec(8) --process", &[], exec_process_terminal),
    test(
        "exec-tty-without-socket-refused",
        "runc-exec(8) --tty --detach",
        &[],
        exec_without_socket,
    ),
    test("foreground-terminal", "runc-run(8)", &[], foreground),
    test("foreground-terminal-exit-code", "runc-run(8)", &[], foreground_exit),
    test("foreground-terminal-size", "runc-run(8)", &[], foreground_size),
    test("foreground-terminal-resize", "runc-run(8)", &[], foreground_resize),
    test("foreground-terminal-interrupt", "runc-run(8)", &[], foreground_interrupt),
    test("foreground-terminal-newlines", "runc-run(8)", &[], foreground_newlines),
    test("foreground-exec-terminal", "runc-exec(8) --tty", &[], foreground_exec),
];

/// Creates and starts a container with a terminal that runs `script`; returns its master.
fn with_terminal(
    scene: &Scene,
    edit: impl FnOnce(&mut crate::harness::bundle::Bundle),
    script: &str,
) -> Result<OwnedFd> {
    let socket = DescriptorSocket::listen(scene.path("console.sock"))?;
    let mut bundle = scene.bundle()?;
    bundle.set("/process/terminal", json!(true)).sh(script);
    edit(&mut bundle);
    let container = scene.create_with(&bundle, &["--console-socket", &socket.name()])?;
    let master = socket.receive()?.one()?;
    container.start()?;
    Ok(master)
}

fn by_socket(scene: &Scene) -> Result<()> {
    let master = with_terminal(scene, |_| {}, "tty; read line; echo got=$line")?;
    contains("tty", &read_until(&master, "\n")?, "/dev/pts/0")?;
    File::from(master.try_clone()?).write_all(b"typed\n")?;
    read_until(&master, "got=typed").map(drop)
}

fn is_master(scene: &Scene) -> Result<()> {
    let master = with_terminal(scene, |_| {}, "sleep 1000000")?;
    contains("name", &ptsname(&master, Vec::new())?.to_string_lossy(), "/dev/pts/")
}

fn is_console(scene: &Scene) -> Result<()> {
    let script = "test -c /dev/console && test -t 0 && test -t 1 && test -t 2 && echo all; \
        echo through >/dev/console; stat -c %t:%T /dev/console /dev/pts/0; echo end";
    let text = read_until(&with_terminal(scene, |_| {}, script)?, "end")?;
    contains("terminal", &text, "all")?;
    contains("terminal", &text, "through")?;
    contains("terminal", &text, "88:0\r\n88:0")
}

fn is_controlling(scene: &Scene) -> Result<()> {
    let master = with_terminal(scene, |_| {}, "echo hello >/dev/tty; echo end")?;
    contains("terminal", &read_until(&master, "end")?, "hello")
}

fn console_size(scene: &Scene) -> Result<()> {
    let size = json!({ "height": 21, "width": 55 });
    let master = with_terminal(
        scene,
        |b| {
            b.set("/process/consoleSize", size);
        },
        "stty size; echo end",
    )?;
    contains("size", &read_until(&master, "end")?, "21 55")?;
    let size = tcgetwinsize(&master)?;
    equal("size of the master", (size.ws_row, size.ws_col), (21, 55))
}

fn size_ignored(scene: &Scene) -> Result<()> {
    let size = json!({ "height": 21, "width": 55 });
    scene.prints(
        |b| {
            b.set("/process/consoleSize", size);
        },
        "echo ran",
        "ran\n",
    )
}

fn owned_by_user(scene: &Scene) -> Result<()> {
    let user = json!({ "uid": 1000, "gid": 1000 });
    let master = with_terminal(
        scene,
        |b| {
            b.set("/process/user", user);
        },
        "stat -c %u $(tty); echo end",
    )?;
    contains("owner", &read_until(&master, "end")?, "1000")
}

fn in_user_namespace(scene: &Scene) -> Result<()> {
    let edit = |b: &mut crate::harness::bundle::Bundle| {
        b.user_namespace(100_000, 65_536);
    };
    let master = with_terminal(scene, edit, "tty; stat -c owner=%u $(tty); echo end")?;
    contains("terminal", &read_until(&master, "end")?, "owner=0")
}

/// Without a devpts of its own the container gets a host terminal or an error, but no hang.
fn without_devpts(scene: &Scene) -> Result<()> {
    let socket = DescriptorSocket::listen(scene.path("console.sock"))?;
    let mut bundle = scene.bundle()?;
    bundle.set("/process/terminal", json!(true)).sh("test -t 1 && echo yes");
    if let Some(mounts) = bundle.config["mounts"].as_array_mut() {
        mounts.retain(|mount| mount["destination"] != "/dev/pts");
    }
    let id = scene.id();
    let output =
        scene.create_command(&bundle, &id, &["--console-socket", &socket.name()])?.run()?;
    if output.code() != 0 {
        output.fails()?;
        return scene.is_absent(&id);
    }
    let master = socket.receive()?.one()?;
    scene.runtime(&["start", &id]).run()?.ok()?;
    read_until(&master, "yes").map(drop)
}

fn without_socket(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.set("/process/terminal", json!(true));
        },
        &["console socket", "console-socket"],
    )
}

fn unneeded_socket(scene: &Scene) -> Result<()> {
    let socket = DescriptorSocket::listen(scene.path("console.sock"))?;
    let id = scene.id();
    let command =
        scene.create_command(&scene.bundle()?, &id, &["--console-socket", &socket.name()])?;
    command.run()?.fails_naming(&["console", "tty", "terminal"])?;
    scene.is_absent(&id)
}

fn missing_socket(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.set("/process/terminal", json!(true));
    let id = scene.id();
    let flags = ["--console-socket", "/nonexistent.sock"];
    scene
        .create_command(&bundle, &id, &flags)?
        .run()?
        .fails_naming(&["/nonexistent.sock", "no such file"])?;
    scene.is_absent(&id)
}

fn no_terminal(scene: &Scene) -> Result<()> {
    scene
        .prints(
            |_| {},
            "tty; test -e /dev/console || echo none; test -t 1 || echo no",
            "not a tty\nnone\nno\n",
        )
        .map(drop)
}

fn exec_terminal(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let socket = DescriptorSocket::listen(scene.path("exec.sock"))?;
    let flags = ["--tty", "--detach", "--console-socket", &socket.name()];
    container
        .exec_command(&flags, &["sh", "-c", "tty; test -t 0 && echo is-tty; read x"])
        .run()?
        .ok()?;
    let master = socket.receive()?.one()?;
    contains("tty", &read_until(&master, "is-tty")?, "/dev/pts/0")
}

fn exec_process_terminal(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let socket = DescriptorSocket::listen(scene.path("exec.sock"))?;
    let mut process = crate::harness::template::process(&["sh", "-c", "stty size; read x"]);
    process["terminal"] = json!(true);
    process["consoleSize"] = json!({ "height": 11, "width": 22 });
    let file = scene.path("process.json");
    std::fs::write(&file, serde_json::to_vec(&process)?)?;
    let file = file.to_string_lossy().into_owned();
    let flags = ["--detach", "--process", &file, "--console-socket", &socket.name()];
    container.exec_command(&flags, &[]).run()?.ok()?;
    read_until(&socket.receive()?.one()?, "11 22").map(drop)
}

fn exec_without_socket(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let output = container.exec_command(&["--tty", "--detach"], &["true"]).run()?;
    output.fails_naming(&["console socket", "console-socket"]).map(drop)
}

/// A new terminal of the host: master and slave.
fn terminal() -> Result<(OwnedFd, OwnedFd)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
    let slave = rustix::fs::open(name, flags, rustix::fs::Mode::empty())?;
    Ok((master, slave))
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

/// Starts `run` of `script` on a terminal of its own; returns it and the terminal's master.
fn in_foreground(scene: &Scene, script: &str) -> Result<(Running, OwnedFd)> {
    let (master, slave) = terminal()?;
    tcsetwinsize(&master, size(33, 77))?;
    let mut bundle = scene.bundle()?;
    bundle.set("/process/terminal", json!(true)).sh(script);
    let command = scene.run_command(&bundle, &scene.id(), &[])?;
    Ok((command.on_terminal(slave).spawn()?, master))
}

fn foreground(scene: &Scene) -> Result<()> {
    let (running, master) = in_foreground(scene, "tty; echo ready; read line; echo got=$line")?;
    contains("tty", &read_until(&master, "ready")?, "/dev/pts/0")?;
    File::from(master.try_clone()?).write_all(b"typed\n")?;
    read_until(&master, "got=typed")?;
    running.wait()?.ok().map(drop)
}

fn foreground_exit(scene: &Scene) -> Result<()> {
    let (running, master) = in_foreground(scene, "echo bye; exit 9")?;
    read_until(&master, "bye")?;
    running.wait()?.exits(9).map(drop)
}

/// The caller's terminal turns newlines into what it needs; where there is none they stay.
fn foreground_newlines(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.set("/process/terminal", json!(true)).args(&["echo", "line"]);
    scene.run(&bundle)?.prints("line\n").map(drop)
}

/// The size is copied at or after the start, so that the program looks until there is one.
fn foreground_size(scene: &Scene) -> Result<()> {
    let script = "until stty size 2>/dev/null | grep -v '^0 0'; do sleep 0.05; done; echo end";
    let (running, master) = in_foreground(scene, script)?;
    contains("size", &read_until(&master, "end")?, "33 77")?;
    running.wait()?.ok().map(drop)
}

fn foreground_resize(scene: &Scene) -> Result<()> {
    let script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done";
    let (running, master) = in_foreground(scene, script)?;
    read_until(&master, "ready")?;
    tcsetwinsize(&master, size(40, 100))?;
    read_until(&master, "40 100")?;
    drop(running);
    Ok(())
}

fn foreground_interrupt(scene: &Scene) -> Result<()> {
    // The line discipline discards output once it has sent the signal, that of a quick trap too.
    let script = "stty noflsh; trap 'echo interrupted; exit 3' INT; echo ready
        while :; do sleep 0.05; done";
    let (running, master) = in_foreground(scene, script)?;
    read_until(&master, "ready")?;
    File::from(master.try_clone()?).write_all(&[3])?;
    read_until(&master, "interrupted")?;
    running.wait()?.exits(3).map(drop)
}

fn foreground_exec(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let (master, slave) = terminal()?;
    let command =
        container.exec_command(&["--tty"], &["sh", "-c", "tty; echo ready; read x; exit 4"]);
    let running = command.on_terminal(slave).spawn()?;
    contains("tty", &read_until(&master, "ready")?, "/dev/pts/")?;
    File::from(master.try_clone()?).write_all(b"\n")?;
    running.wait()?.exits(4).map(drop)
}
