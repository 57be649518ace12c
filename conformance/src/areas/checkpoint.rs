//! Checkpoint and restore through criu.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::json;

use super::linux::{own_network, tap};
use crate::harness::bundle::Bundle;
use crate::harness::container::Container;
use crate::harness::expect::{equal, holds};
use crate::harness::host::Need;
use crate::harness::scene::Scene;
use crate::harness::sockets::{DescriptorSocket, read_fifo, read_until};
use crate::suite::{Test, test};

const CRIU: &[Need] = &[Need::Root, Need::Criu];
const CHECKPOINT: &str = "runc-checkpoint(8)";
const RESTORE: &str = "runc-restore(8)";

pub(crate) const TESTS: &[Test] = &[
    test("checkpoint-without-criu-fails", CHECKPOINT, &[Need::Root], without_criu),
    test("checkpoint-created-fails", CHECKPOINT, CRIU, created_fails),
    test("checkpoint-stopped-fails", CHECKPOINT, CRIU, stopped_fails),
    test("checkpoint-removes-the-container", CHECKPOINT, CRIU, removes),
    test("checkpoint-leave-running", "runc-checkpoint(8) --leave-running", CRIU, leave_running),
    test("restore-keeps-memory", RESTORE, CRIU, keeps_memory),
    test("restore-twice", RESTORE, CRIU, twice),
    test("restore-under-another-id", RESTORE, CRIU, other_id),
    test("restore-foreground", RESTORE, CRIU, foreground),
    test("restore-terminal", "runc-restore(8) --console-socket", CRIU, terminal),
    test("restore-pid-file", "runc-restore(8) --pid-file", CRIU, pid_file),
    test("restore-exec", RESTORE, CRIU, exec),
    test("restore-pipes", RESTORE, CRIU, pipes),
    test("restore-moved-pipe", RESTORE, CRIU, moved_pipe),
    test("restore-mounts", RESTORE, CRIU, mounts),
    test("restore-joined-network", RESTORE, CRIU, joined_network),
    test("restore-mount-of-the-container", RESTORE, CRIU, mount_within),
    test("restore-read-only-root", RESTORE, CRIU, read_only_root),
    test("restore-masked-paths", "config-linux.md#masked-paths", CRIU, masked),
    test("restore-cgroup", RESTORE, CRIU, cgroup),
    test("restore-hooks", RESTORE, CRIU, hooks),
    test("restore-id-taken-fails", RESTORE, CRIU, id_taken),
    test("restore-without-images-fails", RESTORE, CRIU, without_images),
    test("restore-broken-images-fails", RESTORE, CRIU, broken_images),
    test("restore-systemd", "runc(8) --systemd-cgroup", &[Need::Criu, Need::Systemd], systemd),
    test("pre-dump", "runc-checkpoint(8) --pre-dump", CRIU, pre_dump),
    test("pre-dump-bad-parent-fails", "runc-checkpoint(8) --parent-path", CRIU, bad_parent),
];

/// A container that remembers a word nobody else knows, and tells it on SIGUSR1.
struct Keeper<'s> {
    scene: &'s Scene,
    bundle: Bundle,
    container: Container<'s>,
    fifo: PathBuf,
}

/// Its files are the container's own: those of the host that a test starts it with are out of
/// criu's reach.
const SCRIPT: &str = "exec </dev/null >/dev/null 2>&1; read t </proc/sys/kernel/random/uuid; \
    trap 'echo $t >/fifo' USR1; trap 'exit 7' USR2; echo up >/fifo; \
    while :; do sleep 1000000 & wait; done";

impl<'s> Keeper<'s> {
    fn start(scene: &'s Scene, edit: impl FnOnce(&mut Bundle)) -> Result<Keeper<'s>> {
        let mut bundle = scene.bundle()?;
        bundle.sh(SCRIPT);
        edit(&mut bundle);
        let fifo = bundle.host_path("/fifo");
        mkfifoat(CWD, &fifo, Mode::from_raw_mode(0o666))?;
        let container = scene.start(&bundle)?;
        equal("first word", read_fifo(&fifo)?.as_str(), "up\n")?;
        Ok(Keeper { scene, bundle, container, fifo })
    }

    fn word(&self) -> Result<String> {
        self.container.kill("USR1")?;
        let word = read_fifo(&self.fifo)?;
        holds(&format!("no word but {word:?}"), word.trim().len() == 36)?;
        Ok(word)
    }

    fn images(&self) -> String {
        self.scene.path("images").to_string_lossy().into_owned()
    }

    fn work(&self) -> String {
        self.scene.path("work").to_string_lossy().into_owned()
    }

    fn checkpoint(&self, flags: &[&str]) -> Result<()> {
        let (images, work) = (self.images(), self.work());
        let all = [&["--image-path", &images, "--work-path", &work], flags].concat();
        self.container.command("checkpoint", &all).run()?.ok().map(drop)
    }

    fn restore_command(&self, id: &str, flags: &[&str]) -> Result<crate::harness::command::Cmd> {
        let (images, work) = (self.images(), self.work());
        let all = [&["--image-path", &images, "--work-path", &work], flags].concat();
        self.scene.write(&self.bundle, id)?;
        let command = self.scene.runtime(&["restore"]).args(&all);
        Ok(command.arg("--bundle").arg(&self.bundle.dir).arg(id))
    }

    fn restore(&self, flags: &[&str]) -> Result<()> {
        let flags = [&["--detach"], flags].concat();
        self.restore_command(&self.container.id, &flags)?.run()?.ok()?;
        self.container.is("running")
    }
}

fn without_criu(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let images = scene.path("images").to_string_lossy().into_owned();
    container
        .command("checkpoint", &["--image-path", &images])
        .env("PATH", "/nonexistent")
        .run()?
        .fails_naming(&["criu"])?;
    container.is("running")
}

fn created_fails(scene: &Scene) -> Result<()> {
    let container = scene.create(scene.bundle()?.idle())?;
    container.command("checkpoint", &[]).cwd(&scene.dir).run()?.fails_naming(&["created"])?;
    container.is("created")
}

fn stopped_fails(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.stop()?;
    let output = container.command("checkpoint", &[]).cwd(&scene.dir).run()?;
    output.fails_naming(&["stopped"]).map(drop)
}

fn removes(scene: &Scene) -> Result<()> {
    let keeper = Keeper::start(scene, |_| {})?;
    let cgroup = keeper.container.cgroup_dir("")?;
    keeper.checkpoint(&[])?;
    scene.is_absent(&keeper.container.id)?;
    holds("no image", scene.path("images/inventory.img").is_file())?;
    holds("no log", scene.path("work/dump.log").is_file())?;
    holds("the cgroup is left", !cgroup.exists())
}

fn leave_running(scene: &Scene) -> Result<()> {
    let keeper = Keeper::start(scene, |_| {})?;
    let word = keeper.word()?;
    keeper.checkpoint(&["--leave-running"])?;
    keeper.container.is("running")?;
    equal("word", keeper.word()?, word)
}

fn keeps_memory(scene: &Scene) -> Result<()> {
    let keeper = Keeper::start(scene, |_| {})?;
    let word = keeper.word()?;
    keeper.checkpoint(&[])?;
    keeper.restore(&[])?;
    equal("word", keeper.word()?, word)?;
    keeper.container.stop()?;
    keeper.container.delete()
}

/// criu must leave the host as it is: its cgroup mounts among the rest.
fn twice(scene: &Scene) -> Result<()> {
    let mounts = || fs::read_to_string("/proc/mounts").context("/proc/mounts");
    let before = mounts()?;
    let keeper = Keeper::start(scene, |_| {})?;
    let word = keeper.word()?;
    for _ in 0..2 {
        keeper.checkpoint(&[])?;
        keeper.restore(&[])?;
    }
    equal("word", keeper.word()?, word)?;
    equal("mounts of the host", mounts()?, before)
}

fn other_id(scene: &Scene) -> Result<()> {
    let keeper = Keeper::start(scene, |_| {})?;
    let word = keeper.word()?;
    keeper.checkpoint(&[])?;
    let id = scene.id();
    keeper.restore_command(&id, &["--detach"])?.run()?.ok()?;
    scene.runtime(&["kill", &id, "USR1"]).run()?.ok()?;
    equal("word", read_fifo(&keeper.fifo)?, word)?;
    scene.is_absent(&keeper.container.id)
}

fn foreground(scene: &Scene) -> Result<()> {
    let keeper = Keeper::start(scene, |_| {})?;
    let word = keeper.word()?;
    keeper.checkpoint(&[])?;
    let pid_file = scene.path("pid").to_string_lossy().into_owned();
    let ready = scene.path("ready");
    mkfifoat(CWD, &ready, Mode::from_raw_mode(0o600))?;
    let command = keeper.restore_command(&keeper.container.id, &["--pid-file", &pid_file])?;
    let running = command.spawn()?;
    // The pid file comes when the container runs.
    let watch = format!("until test -s {pid_file}; do sleep 0.1; done; echo >{}", ready.display());
    let watcher = scene.shell(&watch).spawn()?;
    read_fifo(&ready)?;
    watcher.wait()?.ok()?;
    equal("word", keeper.word()?, word)?;
    keeper.container.kill("USR2")?;
    running.wait()?.exits(7)?;
    scene.is_absent(&keeper.container.id)
}

fn terminal(scene: &Scene) -> Result<()> {
    use std::io::Write;
    let socket = DescriptorSocket::listen(scene.path("console.sock"))?;
    let name = socket.name();
    let mut bundle = scene.bundle()?;
    let script = "n=7; echo ready; while read line; do echo \"got=$line$n\"; done";
    bundle.set("/process/terminal", json!(true)).sh(script);
    let container = scene.create_with(&bundle, &["--console-socket", &name])?;
    let master = socket.receive()?.one()?;
    container.start()?;
    read_until(&master, "ready")?;
    let fifo = bundle.host_path("/fifo");
    let keeper = Keeper { scene, bundle, container, fifo };
    keeper.checkpoint(&[])?;
    drop(master);
    keeper.restore(&["--console-socket", &name])?;
    let master = socket.receive()?.one()?;
    fs::File::from(master.try_clone()?).write_all(b"typed\n")?;
    read_until(&master, "got=typed7").map(drop)
}

fn pid_file(scene: &Scene) -> Result<()> {
    let keeper = Keeper::start(scene, |_| {})?;
    keeper.checkpoint(&[])?;
    let file = scene.path("pid");
    keeper.restore(&["--pid-file", &file.to_string_lossy()])?;
    equal("pid", fs::read_to_string(file)?, keeper.container.pid()?.to_string())
}

fn exec(scene: &Scene) -> Result<()> {
    let keeper = Keeper::start(scene, |b| {
        b.namespace("cgroup");
    })?;
    keeper.checkpoint(&[])?;
    keeper.restore(&[])?;
    let script = "for n in mnt net ipc uts pid cgroup time; do \
        test \"$(readlink /proc/1/ns/$n)\" = \"$(readlink /proc/self/ns/$n)\" || echo $n; done; \
        cat /proc/self/cgroup";
    let text = keeper.container.sh(script)?;
    equal("differing namespaces, and the cgroup", text.as_str(), "0::/\n")
}

/// Pipes of standard streams are those of `restore`.
fn pipes(scene: &Scene) -> Result<()> {
    gets_pipes(scene, "echo up >/fifo; while read line; do echo \"got $line\"; done; echo end")
}

/// So they are where the program has moved them.
fn moved_pipe(scene: &Scene) -> Result<()> {
    let moved = "exec 8<&0 9>&1 </dev/null >/dev/null 2>&1; echo up >/fifo
        while read line <&8; do echo \"got $line\" >&9; done; echo end >&9";
    gets_pipes(scene, moved)
}

/// `script` reads and answers lines, before and after.
fn gets_pipes(scene: &Scene, script: &str) -> Result<()> {
    use std::io::Write;
    let bundle = scene.bundle_with(|b| {
        b.sh(script);
    })?;
    let id = scene.id();
    scene.write(&bundle, &id)?;
    let fifo = bundle.host_path("/fifo");
    mkfifoat(CWD, &fifo, Mode::from_raw_mode(0o666))?;
    let runtime = format!("{} --root {}", scene.runtime.display(), scene.root().display());
    // Files of the host would be out of criu's reach: cat(1) takes what comes.
    let piped = |command: &str| scene.shell(&format!("{runtime} {command} 2>&1 | cat"));

    let (input, mut typed) = std::io::pipe()?;
    let run = format!("run --detach --bundle {} {id}", bundle.dir.display());
    let first = piped(&run).stdin(input).spawn()?;
    equal("first word", read_fifo(&fifo)?.as_str(), "up\n")?;
    typed.write_all(b"one\n")?;
    let container = Container::new(scene, id.clone(), scene.runtime(&["state", &id]).run()?);
    let keeper = Keeper { scene, bundle, container, fifo };
    keeper.checkpoint(&[])?;
    let before = first.wait()?.ok()?.stdout;

    let (input, mut typed) = std::io::pipe()?;
    let restore = format!(
        "restore --detach --image-path {} --bundle {} {id}",
        keeper.images(),
        keeper.bundle.dir.display()
    );
    let second = piped(&restore).stdin(input).spawn()?;
    typed.write_all(b"two\n")?;
    drop(typed);
    let after = second.wait()?.ok()?.stdout;
    // What was typed first may have been read before or after.
    equal("output", before + &after, "got one\ngot two\nend\n".to_owned())
}

/// Bind mounts come from the host again: of directories, of a file, one in another, and where a
/// symlink of the image leads.
fn mounts(scene: &Scene) -> Result<()> {
    let dirs = ["outer", "inner", "linked"].map(|name| scene.path(name));
    for dir in &dirs {
        fs::create_dir(dir)?;
        let name = dir.file_name().unwrap_or_default();
        fs::write(dir.join("name"), name.to_string_lossy().as_bytes())?;
    }
    let file = scene.path("file");
    fs::write(&file, "file")?;
    let [outer, inner, linked] = &dirs;
    let keeper = Keeper::start(scene, |b| {
        let _ = fs::create_dir_all(b.host_path("/real/conf"));
        let _ = std::os::unix::fs::symlink("/real/conf", b.host_path("/conf"));
        b.bind(outer, "/outer", &[]).bind(inner, "/outer/in", &["ro"]);
        // As a bundle's `.` is taken for the bundle.
        b.bind(&linked.join("."), "/conf", &[]);
        b.bind(&file, "/etc/file", &["ro"]);
    })?;
    keeper.checkpoint(&[])?;
    // The places for mounts are made anew.
    fs::remove_dir(outer.join("in"))?;
    keeper.restore(&[])?;
    let script =
        "cat /outer/name /outer/in/name /conf/name /etc/file; touch /outer/in/x || echo ro";
    let text = keeper.container.exec(&["sh", "-c", script])?.ok()?.stdout;
    equal("files", text.as_str(), "outerinnerlinkedfilero\n")
}

/// A namespace that is joined stays, and the devices in it.
fn joined_network(scene: &Scene) -> Result<()> {
    own_network(scene, &tap("cf0"))?;
    let holder = scene.idle(|_| {})?;
    let path = format!("/proc/{}/ns/net", holder.pid()?);
    let keeper = Keeper::start(scene, |b| {
        b.join("network", &path).set("/linux/netDevices", json!({ "cf0": {} }));
    })?;
    let has_device = || keeper.container.sh("ip link show cf0").map(drop);
    has_device()?;
    keeper.checkpoint(&[])?;
    keeper.restore(&[])?;
    has_device()
}

/// A bind mount of what an earlier one has brought.
fn mount_within(scene: &Scene) -> Result<()> {
    let data = scene.path("data");
    fs::create_dir_all(data.join("sub"))?;
    fs::write(data.join("sub/name"), "sub")?;
    let keeper = Keeper::start(scene, |b| {
        let within = b.host_path("/data/sub");
        b.bind(&data, "/data", &[]).bind(&within, "/again", &[]);
    })?;
    let name = || keeper.container.sh("cat /again/name");
    equal("before", name()?.as_str(), "sub")?;
    keeper.checkpoint(&[])?;
    keeper.restore(&[])?;
    equal("after", name()?.as_str(), "sub")
}

fn read_only_root(scene: &Scene) -> Result<()> {
    let keeper = Keeper::start(scene, |b| {
        b.set("/root/readonly", json!(true));
    })?;
    keeper.checkpoint(&[])?;
    keeper.restore(&[])?;
    let output = keeper.container.exec(&["touch", "/new"])?;
    holds("the root is writable", output.code() != 0)
}

fn masked(scene: &Scene) -> Result<()> {
    let keeper = Keeper::start(scene, |b| {
        b.set("/linux/maskedPaths", json!(["/proc/kcore", "/proc/acpi", "/sys/firmware"]));
        b.set("/linux/readonlyPaths", json!(["/proc/sys"]));
    })?;
    keeper.checkpoint(&[])?;
    keeper.restore(&[])?;
    let text = keeper.container.sh(
        "stat -c %t:%T /proc/kcore; ls /sys/firmware; echo 1 >/proc/sys/kernel/sysrq || echo ro",
    )?;
    equal("masked", text.as_str(), "1:3\nro\n")
}

fn cgroup(scene: &Scene) -> Result<()> {
    let mut keeper = Keeper::start(scene, |b| {
        b.set("/linux/resources/pids/limit", json!(55));
    })?;
    let old = keeper.container.cgroup_dir("")?;
    keeper.checkpoint(&["--manage-cgroups-mode", "ignore"])?;
    holds("the old cgroup is left", !old.exists())?;
    let path = format!("/{}-other/leaf", scene.tag);
    keeper.bundle.set("/linux/cgroupsPath", json!(path));
    keeper.restore(&["--manage-cgroups-mode", "ignore"])?;
    equal("path", keeper.container.cgroups()?.remove(""), Some(path))?;
    equal("pids.max", keeper.container.cgroup_file("", "pids.max")?.as_str(), "55")?;
    holds("the old cgroup is back", !old.exists())?;
    keeper.container.command("delete", &["--force"]).run()?.ok()?;
    crate::harness::cgroups::tagged(&scene.tag)
        .iter()
        .rev()
        .for_each(|dir| crate::harness::cgroups::destroy(dir));
    Ok(())
}

fn hooks(scene: &Scene) -> Result<()> {
    let told = scene.path("told");
    let keeper = Keeper::start(scene, |b| {
        b.hook("createRuntime", &format!("cat >{}", told.display()));
        b.hook("poststop", &format!("touch {}", scene.path("stopped").display()));
    })?;
    keeper.checkpoint(&[])?;
    holds("no poststop hook at the checkpoint", scene.path("stopped").exists())?;
    fs::remove_file(&told)?;
    keeper.restore(&[])?;
    let state: serde_json::Value = serde_json::from_slice(&fs::read(&told)?)?;
    equal("pid", state["pid"].as_i64(), Some(keeper.container.pid()?.into()))?;
    equal("id", state["id"].as_str(), Some(keeper.container.id.as_str()))
}

fn id_taken(scene: &Scene) -> Result<()> {
    let keeper = Keeper::start(scene, |_| {})?;
    keeper.checkpoint(&["--leave-running"])?;
    keeper
        .restore_command(&keeper.container.id, &["--detach"])?
        .run()?
        .fails_naming(&["exists"])?;
    keeper.container.is("running")
}

fn without_images(scene: &Scene) -> Result<()> {
    let keeper = Keeper::start(scene, |_| {})?;
    let id = scene.id();
    keeper.restore_command(&id, &["--detach"])?.run()?.fails_naming(&["images"])?;
    scene.is_absent(&id)
}

/// What criu had made by then is gone again.
fn broken_images(scene: &Scene) -> Result<()> {
    let keeper = Keeper::start(scene, |_| {})?;
    keeper.checkpoint(&[])?;
    for entry in fs::read_dir(scene.path("images"))?.flatten() {
        // Not the pages: criu 3.17 waits without end for what is missing of them.
        if entry.file_name().to_string_lossy().starts_with("mm-") {
            fs::write(entry.path(), "")?;
        }
    }
    let output = keeper.restore_command(&keeper.container.id, &["--detach"])?.run()?;
    output.fails_naming(&["criu"])?;
    scene.is_absent(&keeper.container.id)?;
    holds("a cgroup is left", crate::harness::cgroups::tagged(&scene.tag).is_empty())
}

fn systemd(scene: &Scene) -> Result<()> {
    let id = scene.id();
    let mut bundle = scene.bundle()?;
    bundle.sh(SCRIPT).set("/linux/cgroupsPath", json!(format!("system.slice:cr:{id}")));
    bundle.set("/linux/resources/pids/limit", json!(66));
    let fifo = bundle.host_path("/fifo");
    mkfifoat(CWD, &fifo, Mode::from_raw_mode(0o666))?;
    bundle.write()?;
    let images = scene.path("images").to_string_lossy().into_owned();
    let dir = bundle.dir.to_string_lossy().into_owned();
    let run = |words: &[&str]| {
        scene.runtime(&["--systemd-cgroup"]).args(words).arg(&id).run()?.ok().map(drop)
    };
    run(&["run", "--detach", "--bundle", &dir])?;
    read_fifo(&fifo)?;
    run(&["checkpoint", "--image-path", &images])?;
    run(&["restore", "--detach", "--image-path", &images, "--bundle", &dir])?;
    let container = Container::new(scene, id.clone(), scene.runtime(&["state", &id]).run()?);
    let path = container.cgroups()?.remove("").context("no cgroup")?;
    equal("cgroup", path, format!("/system.slice/cr-{id}.scope"))?;
    equal("pids.max", container.cgroup_file("", "pids.max")?.as_str(), "66")?;
    container.kill("USR1")?;
    read_fifo(&fifo).map(drop)
}

fn pre_dump(scene: &Scene) -> Result<()> {
    let keeper = Keeper::start(scene, |_| {})?;
    let word = keeper.word()?;
    let parent = scene.path("parent").to_string_lossy().into_owned();
    keeper.container.command("checkpoint", &["--pre-dump", "--image-path", &parent]).run()?.ok()?;
    keeper.container.is("running")?;
    keeper.checkpoint(&["--parent-path", "../parent"])?;
    holds("no parent", scene.path("images/parent").exists())?;
    keeper.restore(&[])?;
    equal("word", keeper.word()?, word)
}

fn bad_parent(scene: &Scene) -> Result<()> {
    let keeper = Keeper::start(scene, |_| {})?;
    let (images, absolute) = (keeper.images(), scene.dir.to_string_lossy().into_owned());
    for parent in [absolute.as_str(), "../absent"] {
        let flags = ["--image-path", &images, "--parent-path", parent];
        let output = keeper.container.command("checkpoint", &flags).run()?;
        output.fails_naming(&["--parent-path"])?;
    }
    keeper.container.is("running")
}
