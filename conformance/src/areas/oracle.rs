//! The same bundles through the runtime and through libcontainer in process: what the program
//! inside sees must be the same, word for word.

use anyhow::Result;
use serde_json::json;

use crate::harness::bundle::Bundle;
use crate::harness::expect::{equal, skip};
use crate::harness::host::Need;
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

const SPEC: &str = "libcontainer 0.7";

pub(crate) const TESTS: &[Test] = &[
    test("same-status", SPEC, &[], |s| same(s, |_| {}, STATUS)),
    test("same-exit-code", SPEC, &[], |s| same(s, |_| {}, "exit 23")),
    test("same-mounts", SPEC, &[], |s| same(s, |_| {}, MOUNTS)),
    test("same-mount-options", SPEC, &[], |s| same(s, various_mounts, MOUNTS)),
    test("same-limits", SPEC, &[], |s| same(s, limits, "cat /proc/self/limits")),
    test("same-capabilities", SPEC, &[], |s| same(s, capabilities, STATUS)),
    test("same-user", SPEC, &[], |s| same(s, user, STATUS)),
    test("same-user-namespace", SPEC, &[], |s| {
        same(s, user_namespace, "cat /proc/self/uid_map /proc/self/gid_map; id")
    }),
    test("same-devices", SPEC, &[], |s| {
        same(s, |_| {}, "for f in /dev/*; do stat -c '%n %F %t:%T %a %u:%g' $f; done")
    }),
    test("same-masked-paths", SPEC, &[], |s| {
        same(
            s,
            |_| {},
            "cat /proc/keys | wc -c; ls /sys/firmware | wc -l; echo 1 2>/dev/null >/proc/sys/kernel/panic || echo ro",
        )
    }),
    test("same-environment", SPEC, &[], |s| same(s, environment, "env | sort; pwd")),
    test("same-sysctl", SPEC, &[], |s| {
        same(s, sysctl, "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax")
    }),
    test("same-hostname", SPEC, &[], |s| {
        same(s, |_| {}, "cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname")
    }),
    test("same-network", SPEC, &[Need::Root], |s| same(s, |_| {}, "ls /sys/class/net")),
    test("same-seccomp", SPEC, &[], |s| {
        same(s, seccomp, "grep Seccomp: /proc/self/status; chmod 777 /tmp; echo $?")
    }),
    test("same-readonly-root", SPEC, &[], |s| {
        same(s, readonly, "touch /x 2>/dev/null || echo ro; touch /dev/shm/x && echo rw")
    }),
    test("same-pids-limit", SPEC, &[Need::Controller("pids")], |s| same(s, pids, "echo ran")),
];

const STATUS: &str = "grep -E '^(Uid|Gid|Groups|Umask|Cap|NoNewPrivs|Seccomp|SigBlk)' /proc/self/status; cat /proc/self/oom_score_adj";
const MOUNTS: &str = "awk '{f=\"\"; for(i=7;$i!=\"-\";i++) f=f $i; print $5, $6, $(i+1)}' /proc/self/mountinfo | sed 's/master:[0-9]*//' | grep -vE '^/(proc|sys)/' | sort";

/// Runs `script` in the same bundle by both, and compares what came out.
fn same(scene: &Scene, edit: impl FnOnce(&mut Bundle), script: &str) -> Result<()> {
    let Some(oracle) = scene.oracle.clone() else { return skip("no --oracle was given") };
    let mut bundle = scene.bundle()?;
    edit(&mut bundle);
    bundle.sh(script);
    let ours = scene.run(&bundle)?;
    let id = scene.id();
    scene.write(&bundle, &id)?;
    let root = scene.path("oracle-root");
    let command = scene.program(&oracle).arg("--root").arg(&root).args(&["run", "--bundle"]);
    let theirs = command.arg(&bundle.dir).arg(&id).run()?;
    equal("exit code beside the oracle's", ours.code(), theirs.code())?;
    for (mine, other) in ours.stdout.lines().zip(theirs.stdout.lines()) {
        equal("line beside the oracle's", mine, other)?;
    }
    equal("lines beside the oracle's", ours.stdout.lines().count(), theirs.stdout.lines().count())
}

fn various_mounts(b: &mut Bundle) {
    b.mount("/a", "tmpfs", "tmpfs", &["ro", "nosuid", "size=64k"]);
    b.mount("/b", "tmpfs", "tmpfs", &["noexec", "nodev", "noatime"]);
    b.mount("/c", "none", "/etc", &["rbind", "ro"]);
}

fn limits(b: &mut Bundle) {
    b.set("/process/rlimits", json!([{ "type": "RLIMIT_NOFILE", "soft": 100, "hard": 200 }, { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 }]));
}

fn capabilities(b: &mut Bundle) {
    b.capabilities(&["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"]);
}

fn user(b: &mut Bundle) {
    b.set(
        "/process/user",
        json!({ "uid": 1000, "gid": 1001, "additionalGids": [5, 7], "umask": 0o027 }),
    );
}

fn user_namespace(b: &mut Bundle) {
    b.user_namespace(100_000, 65_536);
}

fn environment(b: &mut Bundle) {
    b.set("/process/env", json!(["PATH=/bin", "A=1", "HOME=/h"]))
        .set("/process/cwd", json!("/tmp"));
}

fn sysctl(b: &mut Bundle) {
    b.set("/linux/sysctl", json!({ "net.core.somaxconn": "99", "kernel.msgmax": "9999" }));
}

fn seccomp(b: &mut Bundle) {
    b.set(
        "/linux/seccomp",
        json!({
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{ "names": ["chmod", "fchmodat"], "action": "SCMP_ACT_ERRNO" }],
        }),
    );
}

fn readonly(b: &mut Bundle) {
    b.set("/root/readonly", json!(true));
}

fn pids(b: &mut Bundle) {
    b.set("/linux/resources/pids/limit", json!(20));
}
