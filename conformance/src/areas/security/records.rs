//! S22, S23, S25, S26, S27: what a container was given is what it has, and keeps.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::harness::bundle::Bundle;
use crate::harness::elf;
use crate::harness::expect::{contains, equal, holds};
use crate::harness::host::Need;
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test("S22", "RUNTIME.md S22", &[Need::Path("/lib64/ld-linux-x86-64.so.2")], filters_not_shared),
    test("S23", "RUNTIME.md S23", &[], exec_like_init),
    test("S23-user-namespace", "RUNTIME.md S23", &[], exec_like_init_userns),
    test("S25", "RUNTIME.md S25", &[Need::Root, Need::Program("unshare")], recycled_pid),
    test("S26", "RUNTIME.md S26", &[], edited_config),
    test("S27", "RUNTIME.md S27", &[], refused_by_name),
];

/// Profiles that differ in one byte, in turn and twice, so that a cache would be asked.
fn filters_not_shared(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.program("/probe", elf::x86_64(102, &[5]))?;
    bundle.args(&["/probe"]);
    for _ in 0..2 {
        for errno in [11, 12, 21, 22] {
            for value in [5, 6] {
                let rule = json!({
                    "names": ["getuid"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno,
                    "args": [{ "index": 0, "value": value, "op": "SCMP_CMP_EQ" }],
                });
                let seccomp = json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [rule] });
                let want = if value == 5 { errno } else { 0 };
                scene.run(bundle.set("/linux/seccomp", seccomp))?.exits(want)?;
            }
        }
    }
    Ok(())
}

/// What must be equal between init and a process beside it.
const LOOK: &str = "for n in cgroup ipc mnt net pid time user uts; do readlink /proc/$P/ns/$n; done
    grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Umask)' /proc/$P/status
    cat /proc/$P/cgroup /proc/$P/oom_score_adj; cat /proc/$P/attr/current 2>/dev/null
    sed 's/  */ /g' /proc/$P/limits; awk '{print $19, $40, $41}' /proc/$P/stat";

fn like_init(scene: &Scene, edit: impl FnOnce(&mut Bundle)) -> Result<()> {
    let container = scene.idle(|b| {
        b.set(
            "/linux/seccomp",
            json!({
                "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                "syscalls": [{ "names": ["personality"], "action": "SCMP_ACT_ERRNO" }],
            }),
        );
        b.set("/process/user", json!({ "uid": 0, "gid": 3, "additionalGids": [7, 9] }));
        b.set("/process/rlimits", json!([{ "type": "RLIMIT_NOFILE", "soft": 77, "hard": 88 }]));
        b.set("/process/oomScoreAdj", json!(123)).namespace("cgroup");
        edit(b);
    })?;
    let of_init = container.sh(&LOOK.replace("$P", "1"))?;
    let own = container.sh(&LOOK.replace("$P", "self"))?;
    contains("status of init", &of_init, "Seccomp:\t2")?;
    for (one, other) in own.lines().zip(of_init.lines()) {
        equal("exec beside init", one, other)?;
    }
    equal("lines", own.lines().count(), of_init.lines().count())
}

fn exec_like_init(scene: &Scene) -> Result<()> {
    like_init(scene, |_| {})
}

fn exec_like_init_userns(scene: &Scene) -> Result<()> {
    like_init(scene, |b| {
        b.user_namespace(100_000, 65_536);
    })
}

/// In a pid namespace of its own: the container ends, and another process gets its pid.
const RECYCLE: &str = r#"
set -u
$RT create --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 || { echo "create failed"; exit 9; }
$RT start "$ID" || { echo "start failed"; exit 9; }
pid=$($RT state "$ID" | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
kill -9 "$pid"
while kill -0 "$pid" 2>/dev/null; do /bin/true; done
tries=0
victim=0
while test "$victim" != "$pid" && test $tries -lt 200; do
  echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
  sleep 1000000 & victim=$!
  test "$victim" = "$pid" || kill -9 "$victim"
  tries=$((tries + 1))
done
test "$victim" = "$pid" || { echo "pid was not recycled"; exit 8; }
$RT state "$ID" | sed -n 's/.*"status": *"\([a-z]*\)".*/status=\1/p'
$RT kill "$ID" KILL 2>/dev/null && echo "kill succeeded"
$RT exec "$ID" true 2>/dev/null && echo "exec succeeded"
$RT delete "$ID" 2>/dev/null || echo "delete failed"
kill -0 "$victim" && echo "victim lives"
kill -9 "$victim"
"#;

fn recycled_pid(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let id = scene.id();
    scene.write(bundle.idle(), &id)?;
    let runtime = format!("{} --root {}", scene.runtime.display(), scene.root().display());
    let command = scene.program("/usr/bin/unshare").args(&[
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
        "/bin/sh",
        "-c",
        RECYCLE,
    ]);
    let output = command.env("RT", runtime).env("BUNDLE", &bundle.dir).env("ID", &id).run()?;
    equal("what was seen", output.stdout.as_str(), "status=stopped\nvictim lives\n")
        .with_context(|| output.stderr)
}

fn edited_config(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.set("/process/env", json!(["PATH=/bin", "WHO=original"])).sh("echo $WHO; sleep 1000000");
    bundle.set("/annotations", json!({ "com.example.who": "original" }));
    let container = scene.create(&bundle)?;
    bundle.set("/process/env", json!(["PATH=/bin", "WHO=edited"])).sh("echo intruder");
    bundle.set("/annotations", json!({ "com.example.who": "edited" }));
    bundle.set("/process/user", json!({ "uid": 5, "gid": 5 }));
    bundle.hook("poststop", "exit 1");
    bundle.write()?;
    container.start()?;
    equal("environment of exec", container.sh("echo $WHO; id -u")?.as_str(), "original\n0\n")?;
    equal("annotations", &container.state()?["annotations"]["com.example.who"], "original")?;
    // A configuration that is gone changes nothing either.
    std::fs::remove_file(bundle.dir.join("config.json"))?;
    container.exec(&["true"])?.ok()?;
    container.stop()?;
    equal("output", container.stdout().as_str(), "original\n")?;
    container.delete()
}

/// A property with a value that nothing here can honour, and how the refusal may name it.
type Impossible = (&'static str, Value, &'static [&'static str]);

fn impossible() -> Vec<Impossible> {
    vec![
        (
            "/process/scheduler",
            json!({ "policy": "SCHED_ISO" }),
            &["SCHED_ISO", "scheduler", "policy"],
        ),
        (
            "/process/rlimits",
            json!([{ "type": "RLIMIT_FROB", "soft": 1, "hard": 1 }]),
            &["RLIMIT_FROB", "rlimit"],
        ),
        (
            "/linux/personality",
            json!({ "domain": "LINUX", "flags": ["FROB"] }),
            &["personality", "FROB"],
        ),
        (
            "/linux/memoryPolicy",
            json!({ "mode": "MPOL_BIND", "nodes": "500" }),
            &["memory", "MPOL", "nodes"],
        ),
        ("/linux/resources/rdma", json!({ "mlx5_1": { "hcaHandles": 3 } }), &["rdma"]),
        (
            "/linux/resources/hugepageLimits",
            json!([{ "pageSize": "3MB", "limit": 1 }]),
            &["huge", "3MB"],
        ),
        ("/linux/intelRdt", json!({ "closID": "x/y" }), &["rdt", "closID", "resctrl"]),
        ("/linux/timeOffsets", json!({ "monotonic": { "secs": 1 } }), &["time"]),
        ("/linux/netDevices", json!({ "no-such-dev": {} }), &["no-such-dev"]),
        ("/linux/rootfsPropagation", json!("frob"), &["propagation"]),
        (
            "/linux/seccomp",
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "flags": ["FROB"] }),
            &["FROB", "flag"],
        ),
    ]
}

/// Every one must be refused; the failure names those that were not.
fn refused_by_name(scene: &Scene) -> Result<()> {
    let mut wrong = Vec::new();
    for (path, value, parts) in impossible() {
        if let Err(error) = scene.refuses(
            |b| {
                b.set(path, value);
            },
            parts,
        ) {
            wrong.push(format!("{path}: {error:#}"));
        }
    }
    holds(&wrong.join("; "), wrong.is_empty())
}
