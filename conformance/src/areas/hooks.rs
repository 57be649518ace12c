//! Hooks: where, when and with what each kind runs, and what a failing one does.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::harness::bundle::Bundle;
use crate::harness::expect::{contains, equal, holds};
use crate::harness::process::wait_ended;
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

const SPEC: &str = "config.md#posix-platform-hooks";
const LIFE: &str = "runtime.md#lifecycle";

/// The kinds, in the order of the lifecycle.
const KINDS: &[&str] =
    &["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
/// The kinds that run in the runtime's namespaces.
const OUTSIDE: &[&str] = &["prestart", "createRuntime", "poststart", "poststop"];

pub(crate) const TESTS: &[Test] = &[
    test("hooks-order", LIFE, &[], order),
    test("hooks-listed-order", SPEC, &[], listed_order),
    test("hooks-state-on-stdin", SPEC, &[], state_on_stdin),
    test("hooks-state-status", LIFE, &[], state_status),
    test("hooks-state-pid", "runtime.md#state pid", &[], state_pid),
    test("hooks-state-annotations", SPEC, &[], state_annotations),
    test("hooks-args", SPEC, &[], args),
    test("hooks-env-is-exact", SPEC, &[], env),
    test("hooks-outside-namespaces", SPEC, &[], outside_namespaces),
    test("hooks-create-container-namespaces", SPEC, &[], create_container_namespaces),
    test("hooks-create-container-before-pivot", SPEC, &[], create_container_pivot),
    test("hooks-start-container-inside", SPEC, &[], start_container_inside),
    test("hook-start-container-filtered", "config-linux.md#seccomp", &[], start_container_filtered),
    test("hooks-create-runtime-before-pivot", SPEC, &[], create_runtime_pivot),
    test("hooks-create-time", LIFE, &[], create_time),
    test("hooks-start-time", LIFE, &[], start_time),
    test("hooks-poststart-before-start-returns", SPEC, &[], poststart_time),
    test("hooks-poststop-at-delete", SPEC, &[], poststop_time),
    test("hooks-poststop-at-delete-force", SPEC, &[], poststop_force),
    test("hooks-not-for-exec", SPEC, &[], not_for_exec),
    test("hooks-network-can-be-configured", SPEC, &[], network),
    test("hooks-fail-prestart", LIFE, &[], |s| fails_create(s, "prestart")),
    test("hooks-fail-create-runtime", LIFE, &[], |s| fails_create(s, "createRuntime")),
    test("hooks-fail-create-container", LIFE, &[], |s| fails_create(s, "createContainer")),
    test("hooks-fail-start-container", LIFE, &[], fails_start_container),
    test("hooks-fail-poststart", LIFE, &[], fails_poststart),
    test("hooks-fail-poststop-is-a-warning", LIFE, &[], fails_poststop),
    test("hooks-fail-runs-poststop", LIFE, &[], fail_runs_poststop),
    test("hooks-late-fail-runs-poststop", LIFE, &[], late_failure_runs_poststop),
    test("hooks-first-failure-stops-the-rest", SPEC, &[], first_failure),
    test("hooks-fail-says-what-they-said", "runc", &[], fail_says),
    test("hooks-timeout", "config.md#posix-platform-hooks timeout", &[], timeout),
    test("hooks-timeout-zero-refused", "config.md#posix-platform-hooks timeout", &[], timeout_zero),
    test("hooks-path-relative-refused", SPEC, &[], path_relative),
    test("hooks-path-missing-fails", SPEC, &[], path_missing),
    test("hooks-killed-by-signal-fails", SPEC, &[], killed),
    test("hooks-large-state-unread", SPEC, &[], unread),
    test("hooks-run-all-kinds", "runc-run(8)", &[], run_all),
];

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A directory for what hooks write, bound into the container at its own path.
fn notes(scene: &Scene, bundle: &mut Bundle) -> Result<std::path::PathBuf> {
    let dir = scene.path("notes");
    fs::create_dir_all(&dir)?;
    bundle.bind(&dir, &dir.to_string_lossy(), &[]);
    Ok(dir)
}

/// Adds a hook of each kind that does `script`, with `$KIND` set. Those in the container run
/// busybox, which lies at the same path inside and outside.
fn all(bundle: &mut Bundle, kinds: &[&str], script: &str) {
    for kind in kinds {
        let inside = *kind == "startContainer";
        bundle.push(&format!("/hooks/{kind}"), json!({
            "path": "/bin/sh",
            "args": ["sh", "-c", script],
            "env": [format!("KIND={kind}"), if inside { "PATH=/bin" } else { "PATH=/usr/bin:/bin" }],
        }));
    }
}

fn order(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let dir = notes(scene, &mut bundle)?;
    all(&mut bundle, KINDS, &format!("echo $KIND >>{}/log", dir.display()));
    bundle.sh(&format!("echo program >>{}/log; sleep 1000000", dir.display()));
    let container = scene.create(&bundle)?;
    equal(
        "after create",
        text(&dir.join("log")).as_str(),
        "prestart\ncreateRuntime\ncreateContainer\n",
    )?;
    container.start()?;
    let log = text(&dir.join("log"));
    holds(
        "startContainer did not run before the program",
        !log.contains("program") || log.find("startContainer") < log.find("program"),
    )?;
    contains("after start", &log, "poststart")?;
    container.stop()?;
    container.delete()?;
    let log = text(&dir.join("log"));
    holds("poststop is not last", log.ends_with("poststop\n"))?;
    equal("lines", log.lines().count(), 7)
}

fn listed_order(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let dir = notes(scene, &mut bundle)?;
    for number in 1..=4 {
        all(
            &mut bundle,
            &["createRuntime", "poststop"],
            &format!("echo {number} >>{}/$KIND", dir.display()),
        );
    }
    scene.run(&bundle)?.ok()?;
    equal("createRuntime", text(&dir.join("createRuntime")).as_str(), "1\n2\n3\n4\n")?;
    equal("poststop", text(&dir.join("poststop")).as_str(), "1\n2\n3\n4\n")
}

/// Runs a container whose hooks of `kinds` save their input; returns the states by kind.
fn states(scene: &Scene, kinds: &[&str], edit: impl FnOnce(&mut Bundle)) -> Result<Vec<Value>> {
    let mut bundle = scene.bundle()?;
    let dir = notes(scene, &mut bundle)?;
    all(&mut bundle, kinds, &format!("cat >{}/$KIND", dir.display()));
    edit(&mut bundle);
    let id = scene.id();
    scene.run_command(&bundle, &id, &[])?.run()?.ok()?;
    kinds
        .iter()
        .map(|kind| {
            let state: Value = serde_json::from_str(&text(&dir.join(kind)))
                .with_context(|| format!("input of {kind}"))?;
            equal(&format!("id for {kind}"), &state["id"], id.as_str())?;
            equal(&format!("bundle for {kind}"), state["bundle"].as_str(), bundle.dir.to_str())?;
            Ok(state)
        })
        .collect()
}

fn state_on_stdin(scene: &Scene) -> Result<()> {
    for state in states(scene, KINDS, |_| {})? {
        holds("no ociVersion", state["ociVersion"].as_str().is_some_and(|v| v.starts_with("1.")))?;
    }
    Ok(())
}

fn state_status(scene: &Scene) -> Result<()> {
    let states = states(scene, KINDS, |_| {})?;
    let words: Vec<&str> = states.iter().filter_map(|state| state["status"].as_str()).collect();
    equal(
        "statuses",
        words,
        vec!["creating", "creating", "creating", "created", "running", "stopped"],
    )
}

fn state_pid(scene: &Scene) -> Result<()> {
    let states = states(scene, &["createRuntime", "poststart"], |_| {})?;
    let pids: Vec<i64> = states.iter().filter_map(|state| state["pid"].as_i64()).collect();
    equal("count", pids.len(), 2)?;
    equal("pid of poststart", pids[1], pids[0])?;
    holds("pid is not the host's", pids[0] > 1)
}

fn state_annotations(scene: &Scene) -> Result<()> {
    let annotations = json!({ "com.example.hook": "yes" });
    let states = states(scene, &["prestart", "startContainer", "poststop"], |b| {
        b.set("/annotations", annotations.clone());
    })?;
    states.iter().try_for_each(|state| equal("annotations", &state["annotations"], &annotations))
}

fn args(scene: &Scene) -> Result<()> {
    let file = scene.path("args");
    let hook = json!({ "path": "/bin/sh", "args": ["other-name", "-c", format!("echo \"$0|$1|$2\" >{}", file.display()), "zero", "a b", ""] });
    let mut bundle = scene.bundle()?;
    scene.run(bundle.push("/hooks/createRuntime", hook))?.ok()?;
    equal("arguments", text(&file).as_str(), "zero|a b|\n")
}

fn env(scene: &Scene) -> Result<()> {
    let file = scene.path("env");
    let hook = json!({ "path": "/usr/bin/env", "args": ["env"], "env": ["ONE=1", "TWO=a b"] });
    let script = format!("/usr/bin/env >{}", file.display());
    let via_shell =
        json!({ "path": "/bin/sh", "args": ["sh", "-c", script], "env": ["ONE=1", "TWO=a b"] });
    let mut bundle = scene.bundle()?;
    bundle.push("/hooks/createRuntime", hook).push("/hooks/createRuntime", via_shell);
    scene.run(&bundle)?.ok()?;
    let seen = text(&file);
    contains("environment", &seen, "ONE=1\n")?;
    contains("environment", &seen, "TWO=a b\n")?;
    holds(
        "the runtime's environment leaks",
        !seen.contains("LC_ALL") && !seen.contains("XDG_RUNTIME_DIR"),
    )
}

const NAMESPACES: &str = "for n in ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done";

fn outside_namespaces(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let dir = notes(scene, &mut bundle)?;
    all(&mut bundle, OUTSIDE, &format!("({NAMESPACES}) >{}/$KIND", dir.display()));
    scene.run(&bundle)?.ok()?;
    let own = scene.shell(NAMESPACES).run()?.ok()?.stdout;
    OUTSIDE.iter().try_for_each(|kind| equal(kind, text(&dir.join(kind)), own.clone()))
}

fn create_container_namespaces(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let dir = notes(scene, &mut bundle)?;
    // /proc may be the host's, which does not know the hook's pid, or the container's.
    let script = format!(
        "for n in ipc mnt net uts; do readlink /proc/self/ns/$n ||
            readlink {}/rootfs/proc/self/ns/$n; done >{}/$KIND 2>/dev/null",
        bundle.dir.display(),
        dir.display()
    );
    all(&mut bundle, &["createContainer"], &script);
    let container = scene.start(bundle.idle())?;
    let pid = container.pid()?;
    let mut want = String::new();
    for kind in ["ipc", "mnt", "net", "uts"] {
        want += &format!("{}\n", fs::read_link(format!("/proc/{pid}/ns/{kind}"))?.display());
    }
    equal("namespaces", text(&dir.join("createContainer")), want)
}

/// The hook's path is of the host, and the container's mounts are already there.
fn create_container_pivot(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let file = scene.path("seen");
    let script = format!(
        "(test -e {0}/config.json && echo host; grep -q ' {0}/rootfs/dev/shm ' /proc/self/mountinfo || grep -q '/rootfs/dev/shm ' {0}/rootfs/proc/self/mountinfo && echo mounted) >{1}",
        bundle.dir.display(),
        file.display()
    );
    scene.run(bundle.hook("createContainer", &script))?.ok()?;
    equal("seen", text(&file).as_str(), "host\nmounted\n")
}

fn start_container_inside(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.file("/mark", "inside\n")?;
    bundle.hook("startContainer", "/bin/cat /mark >/seen; /bin/hostname >>/seen; echo $$ >>/seen");
    scene.run(bundle.sh("head -n 2 /seen"))?.prints("inside\nconformance\n").map(drop)
}

/// The hook is as confined as the program that follows it.
fn start_container_filtered(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.set(
        "/linux/seccomp",
        json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            { "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO" } ] }),
    );
    bundle.hook("startContainer", "/bin/mkdir /made 2>/dev/null; test ! -e /made");
    scene.run(bundle.sh("echo ran"))?.prints("ran\n").map(drop)
}

fn create_runtime_pivot(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let file = scene.path("seen");
    // The container's process is stopped before pivot_root: its root is still the host's.
    let script = format!(
        "pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/'); (test -d /proc/$pid/root{} && echo before) >{}",
        scene.dir.display(),
        file.display()
    );
    scene.run(bundle.hook("createRuntime", &script))?.ok()?;
    equal("seen", text(&file).as_str(), "before\n")
}

fn create_time(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let dir = notes(scene, &mut bundle)?;
    all(&mut bundle, KINDS, &format!("touch {}/$KIND", dir.display()));
    scene.create(bundle.idle())?;
    let ran: Vec<&str> = KINDS.iter().copied().filter(|kind| dir.join(kind).exists()).collect();
    equal("ran", ran, vec!["prestart", "createRuntime", "createContainer"])
}

fn start_time(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let dir = notes(scene, &mut bundle)?;
    all(
        &mut bundle,
        &["startContainer", "poststart", "poststop"],
        &format!("touch {}/$KIND", dir.display()),
    );
    scene.start(bundle.idle())?;
    let ran = ["startContainer", "poststart", "poststop"].map(|kind| dir.join(kind).exists());
    equal("ran", ran, [true, true, false])
}

fn poststart_time(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let file = scene.path("late");
    // A slow hook: start must wait for it.
    let container = scene
        .create(bundle.idle().hook("poststart", &format!("sleep 0.3; touch {}", file.display())))?;
    container.start()?;
    holds("start returned before the hook ended", file.exists())
}

fn poststop_time(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let file = scene.path("gone");
    let root = scene.root();
    let id = scene.id();
    let script = format!("ls {} 2>/dev/null | grep -c {id} >{}", root.display(), file.display());
    scene.create_command(bundle.idle().hook("poststop", &script), &id, &[])?.run()?.ok()?;
    let state = scene.runtime(&["state", &id]).run()?.json()?;
    let pid = i32::try_from(state["pid"].as_i64().context("pid")?)?;
    scene.runtime(&["kill", &id, "KILL"]).run()?.ok()?;
    holds("init lives", wait_ended(pid, crate::harness::patience::seconds(10))?)?;
    holds("poststop ran at kill", !file.exists())?;
    scene.runtime(&["delete", "--force", &id]).run()?.ok()?;
    holds("poststop did not run", file.exists())
}

fn poststop_force(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let file = scene.path("gone");
    let container =
        scene.start(bundle.idle().hook("poststop", &format!("touch {}", file.display())))?;
    container.command("delete", &["--force"]).run()?.ok()?;
    holds("poststop did not run", file.exists())
}

fn not_for_exec(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let dir = notes(scene, &mut bundle)?;
    all(&mut bundle, KINDS, &format!("echo x >>{}/log", dir.display()));
    let container = scene.start(bundle.idle())?;
    let before = text(&dir.join("log"));
    container.exec(&["true"])?.ok()?;
    equal("log", text(&dir.join("log")), before)
}

fn network(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let script = "pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/'); nsenter -t $pid -n ip link set lo mtu 1234";
    let output = scene.run(bundle.hook("createRuntime", script).sh("cat /sys/class/net/lo/mtu"))?;
    output.prints("1234\n").map(drop)
}

fn fails_create(scene: &Scene, kind: &str) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.hook(kind, "exit 7").sh("touch /ran");
    let id = scene.id();
    scene.write(&bundle, &id)?;
    scene.refuses_bundle(&bundle, &id, &["hook"])?;
    holds("the program ran", !bundle.host_path("/ran").exists())
}

fn fails_start_container(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let container = scene.create(bundle.hook("startContainer", "exit 7").sh("touch /ran"))?;
    let pid = container.pid()?;
    container.command("start", &[]).run()?.fails()?;
    container.wait_pid(pid)?;
    holds("the program ran", !bundle.host_path("/ran").exists())
}

fn fails_poststart(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let container = scene.create(bundle.idle().hook("poststart", "exit 7"))?;
    let pid = container.pid()?;
    container.command("start", &[]).run()?.fails_naming(&["hook"])?;
    container.wait_pid(pid)
}

fn fails_poststop(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let file = scene.path("second");
    bundle.hook("poststop", "exit 7").hook("poststop", &format!("touch {}", file.display()));
    let container = scene.start(bundle.idle())?;
    container.stop()?;
    container.delete()?;
    holds("the hook after the failing one did not run", file.exists())?;
    scene.is_absent(&container.id)
}

fn fail_runs_poststop(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let file = scene.path("after");
    bundle.hook("createRuntime", "exit 7").hook("poststop", &format!("touch {}", file.display()));
    let id = scene.id();
    scene.create_command(&bundle, &id, &[])?.run()?.fails()?;
    holds("poststop did not run", file.exists())
}

fn late_failure_runs_poststop(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let (before, after) = (scene.path("before"), scene.path("after"));
    bundle
        .hook("createRuntime", &format!("touch {}", before.display()))
        .hook("poststop", &format!("touch {}", after.display()));
    let id = scene.id();
    let nowhere = scene.path("absent/pid").display().to_string();
    scene.create_command(&bundle, &id, &["--pid-file", &nowhere])?.run()?.fails()?;
    holds("createRuntime did not run", before.exists())?;
    holds("poststop did not run", after.exists())
}

fn first_failure(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let file = scene.path("second");
    bundle
        .hook("createRuntime", "exit 7")
        .hook("createRuntime", &format!("touch {}", file.display()));
    let id = scene.id();
    scene.create_command(&bundle, &id, &[])?.run()?.fails()?;
    holds("the hook after the failing one ran", !file.exists())
}

fn fail_says(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let id = scene.id();
    bundle.hook("createRuntime", "echo my own words >&2; exit 7");
    scene.create_command(&bundle, &id, &[])?.run()?.fails_naming(&["my own words"]).map(drop)
}

fn timeout(scene: &Scene) -> Result<()> {
    let hook = json!({ "path": "/bin/sleep", "args": ["sleep", "1000000"], "timeout": 1 });
    let start = std::time::Instant::now();
    scene.refuses(
        |b| {
            b.push("/hooks/createRuntime", hook);
        },
        &["hook", "timeout", "deadline"],
    )?;
    holds("the timeout was not kept", start.elapsed() < crate::harness::patience::seconds(10))
}

fn timeout_zero(scene: &Scene) -> Result<()> {
    for timeout in [0, -1] {
        let hook = json!({ "path": "/bin/true", "timeout": timeout });
        scene.refuses(
            |b| {
                b.push("/hooks/createRuntime", hook);
            },
            &["hook", "timeout"],
        )?;
    }
    Ok(())
}

fn path_relative(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.push("/hooks/createRuntime", json!({ "path": "bin/true" }));
        },
        &["bin/true", "hook"],
    )
}

fn path_missing(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.push("/hooks/prestart", json!({ "path": "/nonexistent/hook" }));
        },
        &["/nonexistent/hook", "hook"],
    )
}

fn killed(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.hook("createRuntime", "kill -9 $$");
        },
        &["hook", "signal"],
    )
}

/// A hook that never reads must not make the runtime fail with a broken pipe.
fn unread(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.set("/annotations", json!({ "com.example.big": "x".repeat(200_000) }));
    bundle.push("/hooks/createRuntime", json!({ "path": "/bin/true" })).sh("echo ran");
    scene.run(&bundle)?.prints("ran\n").map(drop)
}

fn run_all(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let dir = notes(scene, &mut bundle)?;
    all(&mut bundle, KINDS, &format!("touch {}/$KIND", dir.display()));
    scene.run(bundle.sh("exit 5"))?.exits(5)?;
    KINDS.iter().try_for_each(|kind| holds(&format!("{kind} did not run"), dir.join(kind).exists()))
}
