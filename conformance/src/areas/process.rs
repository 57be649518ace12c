//! `process`: what the container's program finds itself to be.

use anyhow::Result;
use serde_json::{Value, json};

use crate::harness::command::Cmd;
use crate::harness::expect::{contains, equal, holds, lacks};
use crate::harness::host::Need;
use crate::harness::process::status_of;
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test("args-exact", "config.md#process args", &[], args_exact),
    test("ignored-signals-are-not-inherited", "signal(7)", &[], ignored_signals),
    test("ignored-signals-none-is-inherited", "signal(7)", &[], ignored_signals_all),
    test("ignored-sigchld-of-the-caller", "wait(2)", &[], ignored_sigchld),
    test("args-empty-name", "execvp(3)", &[], args_empty_name),
    test("args-empty-refused", "config.md#process args", &[], args_empty),
    test("args-found-in-path", "config.md#process args", &[], args_path),
    test("env-exact", "config.md#process env", &[], env_exact),
    test("env-home-from-passwd", "runc", &[], env_home),
    test("env-home-without-waiting-for-a-fifo", "fifo(7)", &[], env_home_fifo),
    test("env-home-kept", "runc", &[], env_home_kept),
    test("cwd", "config.md#process cwd", &[], cwd),
    test("cwd-relative-refused", "config.md#process cwd", &[], cwd_relative),
    test("cwd-missing-is-made", "runc", &[], cwd_missing),
    test("cwd-missing-in-a-read-only-root", "runc", &[], cwd_missing_read_only),
    test("cwd-missing-in-what-turns-read-only", "runc", &[], cwd_missing_closed),
    test("cwd-is-a-file-fails", "config.md#process cwd", &[], cwd_file),
    test("cwd-on-a-mount", "config.md#process cwd", &[], cwd_mount),
    test("user-ids", "config.md#posix-platform-user", &[], user_ids),
    test("user-groups-are-exact", "config.md#posix-platform-user", &[], user_groups),
    test("user-umask", "config.md#posix-platform-user umask", &[], user_umask),
    test("user-umask-inherited", "config.md#posix-platform-user umask", &[], umask_inherited),
    test("user-without-passwd", "config.md#posix-platform-user", &[], user_without_passwd),
    test("user-loses-capabilities", "capabilities(7)", &[], user_loses_capabilities),
    test("rlimits", "config.md#posix-process rlimits", &[], rlimits),
    test("rlimit-unknown-refused", "config.md#posix-process rlimits", &[], rlimit_unknown),
    test("rlimit-twice-refused", "config.md#posix-process rlimits", &[], rlimit_twice),
    test("rlimit-soft-above-hard-refused", "setrlimit(2)", &[], rlimit_soft_above),
    test("rlimit-every-kind", "config.md#posix-process rlimits", &[], rlimit_kinds),
    test("capabilities-bounding", "config.md#linux-process", &[], caps_bounding),
    test("capabilities-effective", "config.md#linux-process", &[], caps_effective),
    test("capabilities-inheritable", "config.md#linux-process", &[], caps_inheritable),
    test("capabilities-ambient", "config.md#linux-process", &[], caps_ambient),
    test("capabilities-none", "config.md#linux-process", &[], caps_none),
    test("capability-unknown-is-a-warning", "config.md#linux-process", &[], caps_unknown),
    test("capability-of-user-by-ambient", "capabilities(7)", &[], caps_user_ambient),
    test("no-new-privileges", "config.md#linux-process", &[], nnp),
    test("oom-score-adj", "config.md#linux-process oomScoreAdj", &[], oom_score_adj),
    test("oom-score-adj-unset", "config.md#linux-process oomScoreAdj", &[], oom_score_unset),
    test("oom-score-adj-out-of-range", "proc(5)", &[], oom_score_range),
    test("scheduler-batch", "config.md#linux-process scheduler", &[], scheduler_batch),
    test("scheduler-idle", "config.md#linux-process scheduler", &[], scheduler_idle),
    test(
        "scheduler-fifo",
        "config.md#linux-process scheduler",
        &[Need::Capability(23)],
        scheduler_fifo,
    ),
    test(
        "scheduler-deadline",
        "config.md#linux-process scheduler",
        &[Need::Capability(23)],
        scheduler_deadline,
    ),
    test("scheduler-unknown-refused", "config.md#linux-process scheduler", &[], scheduler_unknown),
    test("scheduler-priority-of-other-refused", "sched(7)", &[], scheduler_priority),
    test("scheduler-exec-inherits", "config.md#linux-process scheduler", &[], scheduler_exec),
    test("io-priority", "config.md#linux-process ioPriority", &[], io_priority),
    test("io-priority-unknown-refused", "config.md#linux-process ioPriority", &[], io_unknown),
    test(
        "exec-cpu-affinity-final",
        "config.md#linux-process execCPUAffinity",
        &[Need::Cpus(2)],
        affinity_final,
    ),
    test(
        "exec-cpu-affinity-not-for-init",
        "config.md#linux-process execCPUAffinity",
        &[Need::Cpus(2)],
        affinity_init,
    ),
    test(
        "exec-cpu-affinity-bad-refused",
        "config.md#linux-process execCPUAffinity",
        &[],
        affinity_bad,
    ),
    test(
        "apparmor-absent-refused",
        "config.md#linux-process",
        &[Need::NoPath("/sys/kernel/security/apparmor")],
        apparmor_absent,
    ),
    test(
        "selinux-absent-refused",
        "config.md#linux-process",
        &[Need::NoPath("/sys/fs/selinux")],
        selinux_absent,
    ),
    test("signals-are-default", "execve(2)", &[], signals),
    test("session-leader", "runc", &[], session_leader),
    test("descriptors-are-three", "runc", &[], descriptors),
    test("session-keyring-is-new", "runc-create(8)", &[Need::Path("/proc/keys")], keyring),
    test(
        "session-keyring-kept",
        "runc-create(8) --no-new-keyring",
        &[Need::Path("/proc/keys")],
        keyring_kept,
    ),
];

fn args_exact(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let script = "for a; do printf '[%s]' \"$a\"; done";
    bundle.args(&["sh", "-c", script, "name", "a b", "", "\u{e9}\n", "--flag", "$HOME", "*"]);
    scene.run(&bundle)?.prints("[a b][][\u{e9}\n][--flag][$HOME][*]").map(drop)
}

fn args_empty(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.set("/process/args", json!([]));
        },
        &["args"],
    )
}

/// What a caller in the background ignores, the program does not.
fn ignored_signals(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    // What is ignored when a shell starts can't be trapped.
    bundle.sh("trap 'echo trapped' INT HUP QUIT; for s in INT HUP QUIT; do kill -$s $$; done");
    let command = scene.run_command(&bundle, &scene.id(), &[])?.after("trap '' HUP INT QUIT");
    command.run()?.prints("trapped\ntrapped\ntrapped\n").map(drop)
}

const IGNORE: &str = "trap '' HUP INT QUIT USR1 USR2 ALRM TERM CHLD TSTP";

fn ignored_signals_all(scene: &Scene) -> Result<()> {
    let look = ["grep", "SigIgn", "/proc/self/status"];
    // The standard signals; Go keeps one of the others for itself.
    let ignored = |command: Cmd| {
        let output = command.after(IGNORE).run()?.ok()?;
        Ok::<_, anyhow::Error>(hex(output.stdout.trim_start_matches("SigIgn:"))? & 0x7fff_ffff)
    };
    let mut bundle = scene.bundle()?;
    let run = scene.run_command(bundle.args(&look), &scene.id(), &[])?;
    equal("ignored by the program", ignored(run)?, 0)?;
    let container = scene.idle(|_| {})?;
    equal("ignored by what exec runs", ignored(container.exec_command(&[], &look))?, 0)
}

/// Who ignores SIGCHLD is never told how a child ended.
fn ignored_sigchld(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.sh("exit 7");
    let run = scene.run_command(&bundle, &scene.id(), &[])?.after("trap '' CHLD");
    run.run()?.exits(7)?;
    let mut bundle = scene.bundle()?;
    bundle.idle().set("/hooks", json!({ "createRuntime": [{ "path": "/bin/true" }] }));
    let id = scene.id();
    scene.create_command(&bundle, &id, &[])?.after("trap '' CHLD").run()?.ok()?;
    scene.runtime(&["start", &id]).run()?.ok()?;
    let exec = scene.runtime(&["exec", &id, "sh", "-c", "exit 5"]).after("trap '' CHLD");
    exec.run()?.exits(5)?;
    scene.runtime(&["ps", &id]).after("trap '' CHLD").run()?.ok().map(drop)
}

fn args_empty_name(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.args(&[""]);
    scene.run(&bundle)?.exits(1)?.fails_naming(&["executable file not found"]).map(drop)
}

fn args_path(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.program("/opt/one/tool", "#!/bin/sh\necho one\n")?;
    bundle.program("/opt/two/tool", "#!/bin/sh\necho two\n")?;
    bundle.set("/process/env", json!(["PATH=/nowhere:/opt/two:/opt/one:/bin"]));
    scene.run(bundle.args(&["tool"]))?.prints("two\n").map(drop)
}

fn env_exact(scene: &Scene) -> Result<()> {
    let env = json!(["PATH=/bin", "A=1", "EMPTY=", "HOME=/h", "WITH=a=b c", "U=\u{e9}"]);
    let mut bundle = scene.bundle()?;
    bundle.set("/process/env", env).args(&["env"]);
    scene.run(&bundle)?.prints("PATH=/bin\nA=1\nEMPTY=\nHOME=/h\nWITH=a=b c\nU=\u{e9}\n").map(drop)
}

fn env_home(scene: &Scene) -> Result<()> {
    let edit = |b: &mut crate::harness::bundle::Bundle| {
        b.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    };
    let bundle = scene.bundle_with(|b| {
        edit(b);
        b.sh("echo $HOME");
    })?;
    bundle.file("/etc/passwd", "root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/srv/web:/bin/sh\n")?;
    scene.run(&bundle)?.prints("/srv/web\n").map(drop)
}

/// Of an image, or made by the container before an exec.
fn env_home_fifo(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let passwd = bundle.host_path("/etc/passwd");
    let _ = std::fs::remove_file(&passwd);
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mkfifoat(rustix::fs::CWD, &passwd, mode)?;
    let container = scene.start(bundle.idle())?;
    container.exec(&["sh", "-c", "echo $HOME"])?.prints("/\n").map(drop)
}

fn env_home_kept(scene: &Scene) -> Result<()> {
    let env = json!(["PATH=/bin", "HOME=/elsewhere"]);
    scene.prints(
        |b| {
            b.set("/process/env", env);
        },
        "echo $HOME",
        "/elsewhere\n",
    )
}

fn cwd(scene: &Scene) -> Result<()> {
    scene.prints(
        |b| {
            b.set("/process/cwd", json!("/etc"));
        },
        "pwd",
        "/etc\n",
    )
}

fn cwd_relative(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.set("/process/cwd", json!("etc"));
        },
        &["cwd"],
    )
}

fn cwd_missing(scene: &Scene) -> Result<()> {
    scene.prints(
        |b| {
            b.set("/process/cwd", json!("/made/here"));
        },
        "pwd",
        "/made/here\n",
    )
}

fn cwd_missing_read_only(scene: &Scene) -> Result<()> {
    scene.prints(
        |b| {
            b.set("/process/cwd", json!("/made/here")).set("/root/readonly", json!(true));
        },
        "pwd; touch x 2>/dev/null || echo read-only",
        "/made/here\nread-only\n",
    )?;
    let root = |b: &mut crate::harness::bundle::Bundle| {
        b.set("/process/cwd", json!("//")).set("/root/readonly", json!(true));
    };
    scene.prints(root, "pwd", "/\n")
}

/// It is made while that can still be done: all mounts are there, none is closed yet.
fn cwd_missing_closed(scene: &Scene) -> Result<()> {
    let script = "pwd; touch x 2>/dev/null || echo read-only";
    let path = |b: &mut crate::harness::bundle::Bundle| {
        b.set("/process/cwd", json!("/tmp/made")).set("/linux/readonlyPaths", json!(["/tmp"]));
    };
    scene.prints(path, script, "/tmp/made\nread-only\n")?;
    let mut bundle = scene.bundle()?;
    std::os::unix::fs::symlink("tmp", bundle.host_path("/link"))?;
    bundle.set("/process/cwd", json!("/link/made")).set("/linux/readonlyPaths", json!(["/tmp"]));
    scene.run(bundle.sh(script))?.prints("/tmp/made\nread-only\n")?;
    let volume = scene.path("volume");
    std::fs::create_dir(&volume)?;
    let bind = |b: &mut crate::harness::bundle::Bundle| {
        b.bind(&volume, "/data", &[]).set("/process/cwd", json!("/data/made"));
        b.set("/linux/readonlyPaths", json!(["/data"]));
    };
    scene.prints(bind, script, "/data/made\nread-only\n")?;
    holds("it was made in the volume", volume.join("made").is_dir())?;
    let tmpfs = |b: &mut crate::harness::bundle::Bundle| {
        b.mount("/data", "tmpfs", "tmpfs", &["ro"]).set("/process/cwd", json!("/data/made"));
    };
    scene.prints(tmpfs, script, "/data/made\nread-only\n")
}

fn cwd_file(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.set("/process/cwd", json!("/etc/passwd"));
        },
        &["/etc/passwd", "not a directory"],
    )
}

fn cwd_mount(scene: &Scene) -> Result<()> {
    let edit = |b: &mut crate::harness::bundle::Bundle| {
        b.mount("/data", "tmpfs", "tmpfs", &[]).set("/process/cwd", json!("/data"));
    };
    scene.prints(edit, "pwd; stat -f -c %T .", "/data\ntmpfs\n")
}

fn user_ids(scene: &Scene) -> Result<()> {
    let edit = |b: &mut crate::harness::bundle::Bundle| {
        b.set("/process/user", json!({ "uid": 1234, "gid": 567 }));
    };
    scene.prints(
        edit,
        "grep -E '^(Uid|Gid)' /proc/self/status",
        "Uid:\t1234\t1234\t1234\t1234\nGid:\t567\t567\t567\t567\n",
    )
}

fn user_groups(scene: &Scene) -> Result<()> {
    let edit = |b: &mut crate::harness::bundle::Bundle| {
        b.set("/process/user", json!({ "uid": 1, "gid": 2, "additionalGids": [5, 77, 4000000] }));
    };
    scene.prints(edit, "grep Groups /proc/self/status", "Groups:\t5 77 4000000 \n")
}

fn user_umask(scene: &Scene) -> Result<()> {
    let edit = |b: &mut crate::harness::bundle::Bundle| {
        b.set("/process/user/umask", json!(0o077));
    };
    scene.prints(edit, "umask; touch /f; stat -c %a /f", "0077\n600\n")
}

fn umask_inherited(scene: &Scene) -> Result<()> {
    scene.prints(|_| {}, "umask", "0022\n")
}

fn user_without_passwd(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    std::fs::remove_file(bundle.host_path("/etc/passwd"))?;
    std::fs::remove_file(bundle.host_path("/etc/group"))?;
    bundle.set("/process/user", json!({ "uid": 4242, "gid": 4343 }));
    scene.run(bundle.sh("id -u; id -g"))?.prints("4242\n4343\n").map(drop)
}

fn user_loses_capabilities(scene: &Scene) -> Result<()> {
    let edit = |b: &mut crate::harness::bundle::Bundle| {
        b.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    };
    scene.prints(
        edit,
        "grep -E 'Cap(Prm|Eff)' /proc/self/status",
        "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n",
    )
}

fn rlimits(scene: &Scene) -> Result<()> {
    let limits = json!([
        { "type": "RLIMIT_NOFILE", "soft": 123, "hard": 456 },
        { "type": "RLIMIT_CORE", "soft": 0, "hard": 4096 },
    ]);
    scene.prints(
        |b| {
            b.set("/process/rlimits", limits);
        },
        "ulimit -Sn; ulimit -Hn; grep core /proc/self/limits | awk '{print $5,$6}'",
        "123\n456\n0 4096\n",
    )
}

fn rlimit_unknown(scene: &Scene) -> Result<()> {
    let limits = json!([{ "type": "RLIMIT_FROBS", "soft": 1, "hard": 1 }]);
    scene.refuses(
        |b| {
            b.set("/process/rlimits", limits);
        },
        &["RLIMIT_FROBS", "rlimit"],
    )
}

fn rlimit_twice(scene: &Scene) -> Result<()> {
    let one = json!({ "type": "RLIMIT_NOFILE", "soft": 64, "hard": 64 });
    scene.refuses(
        |b| {
            b.set("/process/rlimits", json!([one, one]));
        },
        &["rlimit"],
    )
}

fn rlimit_soft_above(scene: &Scene) -> Result<()> {
    let limits = json!([{ "type": "RLIMIT_NOFILE", "soft": 65, "hard": 64 }]);
    scene.refuses(
        |b| {
            b.set("/process/rlimits", limits);
        },
        &["rlimit", "invalid argument"],
    )
}

fn rlimit_kinds(scene: &Scene) -> Result<()> {
    // Only lowering is possible everywhere.
    let kinds = [
        ("AS", "address space", 1 << 40),
        ("CORE", "core file", 100),
        ("CPU", "cpu time", 1000),
        ("DATA", "data size", 1 << 40),
        ("FSIZE", "file size", 1 << 40),
        ("LOCKS", "file locks", 1000),
        ("MEMLOCK", "locked memory", 4096),
        ("MSGQUEUE", "msgqueue", 1000),
        ("NICE", "nice", 0),
        ("NOFILE", "open files", 100),
        ("NPROC", "processes", 1000),
        ("RSS", "resident", 1 << 40),
        ("RTPRIO", "realtime priority", 0),
        ("RTTIME", "realtime timeout", 100_000_000_i64),
        ("SIGPENDING", "pending signals", 100),
        ("STACK", "stack", 8_000_000),
    ];
    let limits: Vec<Value> = kinds.iter().map(|(kind, _, value)| json!({ "type": format!("RLIMIT_{kind}"), "soft": value, "hard": value })).collect();
    let text = scene.sh(
        |b| {
            b.set("/process/rlimits", json!(limits));
        },
        "cat /proc/self/limits",
    )?;
    for (kind, words, value) in kinds {
        let line = text.lines().find(|line| line.to_lowercase().contains(words)).unwrap_or("");
        let twice = format!(" {value} ");
        holds(&format!("RLIMIT_{kind} is not {value}: {line:?}"), line.contains(&twice))?;
    }
    Ok(())
}

/// The five sets of the program, as hexadecimal, in the order inheritable, permitted, effective,
/// bounding, ambient.
fn sets(scene: &Scene, edit: impl FnOnce(&mut crate::harness::bundle::Bundle)) -> Result<Vec<u64>> {
    let text = scene.sh(edit, "grep ^Cap /proc/self/status")?;
    text.split_whitespace()
        .filter(|word| !word.starts_with("Cap"))
        .map(|hex| Ok(u64::from_str_radix(hex, 16)?))
        .collect()
}

const NET_BIND: u64 = 1 << 10;
const KILL: u64 = 1 << 5;
const CHOWN: u64 = 1;

fn caps_bounding(scene: &Scene) -> Result<()> {
    let caps = json!({ "bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"] });
    equal(
        "bounding",
        sets(scene, |b| {
            b.set("/process/capabilities", caps);
        })?
        .get(3)
        .copied(),
        Some(KILL | CHOWN),
    )
}

fn caps_effective(scene: &Scene) -> Result<()> {
    let got = sets(scene, |b| {
        b.capabilities(&["CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    })?;
    equal("sets", got, vec![0, KILL | NET_BIND, KILL | NET_BIND, KILL | NET_BIND, 0])
}

fn caps_inheritable(scene: &Scene) -> Result<()> {
    let got = sets(scene, |b| {
        b.capabilities(&["CAP_KILL"]).set("/process/capabilities/inheritable", json!(["CAP_KILL"]));
    })?;
    equal("sets", got, vec![KILL, KILL, KILL, KILL, 0])
}

fn caps_ambient(scene: &Scene) -> Result<()> {
    let got = sets(scene, |b| {
        b.capabilities(&["CAP_KILL"]);
        b.set("/process/capabilities/inheritable", json!(["CAP_KILL"]));
        b.set("/process/capabilities/ambient", json!(["CAP_KILL"]));
        b.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    })?;
    equal("sets", got, vec![KILL, KILL, KILL, KILL, KILL])
}

fn caps_none(scene: &Scene) -> Result<()> {
    let got = sets(scene, |b| {
        b.set("/process/capabilities", json!({}));
    })?;
    equal("sets", got, vec![0, 0, 0, 0, 0])
}

fn caps_unknown(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.capabilities(&["CAP_KILL", "CAP_OF_TOMORROW"]).sh("echo ran");
    let output = scene.run(&bundle)?.prints("ran\n")?;
    contains("stderr", &output.stderr, "CAP_OF_TOMORROW")
}

fn caps_user_ambient(scene: &Scene) -> Result<()> {
    let edit = |b: &mut crate::harness::bundle::Bundle| {
        b.capabilities(&["CAP_CHOWN"]);
        for set in ["inheritable", "ambient"] {
            b.set(&format!("/process/capabilities/{set}"), json!(["CAP_CHOWN"]));
        }
        b.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    };
    scene.prints(edit, "touch /tmp/f && chown 5 /tmp/f && stat -c %u /tmp/f", "5\n")
}

fn nnp(scene: &Scene) -> Result<()> {
    for (value, want) in [(true, "NoNewPrivs:\t1\n"), (false, "NoNewPrivs:\t0\n")] {
        scene.prints(
            |b| {
                b.set("/process/noNewPrivileges", json!(value));
            },
            "grep NoNewPrivs /proc/self/status",
            want,
        )?;
    }
    Ok(())
}

fn oom_score_adj(scene: &Scene) -> Result<()> {
    scene.prints(
        |b| {
            b.set("/process/oomScoreAdj", json!(321));
        },
        "cat /proc/self/oom_score_adj",
        "321\n",
    )
}

fn oom_score_unset(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.args(&["cat", "/proc/self/oom_score_adj"]);
    let command = scene.run_command(&bundle, &scene.id(), &[])?;
    command.after("echo 77 >/proc/self/oom_score_adj").run()?.prints("77\n").map(drop)
}

fn oom_score_range(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.set("/process/oomScoreAdj", json!(1001));
        },
        &["oom"],
    )
}

/// Nice value, realtime priority and policy of the process that asks.
const SCHEDULING: &str = "awk '{print $19, $40, $41}' /proc/self/stat";

fn scheduled(scene: &Scene, scheduler: Value, want: &str) -> Result<()> {
    scene.prints(
        |b| {
            b.set("/process/scheduler", scheduler);
        },
        SCHEDULING,
        want,
    )
}

fn scheduler_batch(scene: &Scene) -> Result<()> {
    scheduled(scene, json!({ "policy": "SCHED_BATCH", "nice": 7 }), "7 0 3\n")
}

fn scheduler_idle(scene: &Scene) -> Result<()> {
    scheduled(scene, json!({ "policy": "SCHED_IDLE" }), "0 0 5\n")
}

fn scheduler_fifo(scene: &Scene) -> Result<()> {
    scheduled(scene, json!({ "policy": "SCHED_FIFO", "priority": 3 }), "0 3 1\n")
}

fn scheduler_deadline(scene: &Scene) -> Result<()> {
    let scheduler = json!({
        "policy": "SCHED_DEADLINE", "runtime": 1_000_000, "deadline": 20_000_000, "period": 40_000_000,
    });
    // A deadline task may not fork, so the program itself looks.
    let mut bundle = scene.bundle()?;
    bundle.set("/process/scheduler", scheduler).args(&["awk", "{print $41}", "/proc/self/stat"]);
    scene.run(&bundle)?.prints("6\n").map(drop)
}

fn scheduler_unknown(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.set("/process/scheduler", json!({ "policy": "SCHED_FAIR" }));
        },
        &["scheduler", "SCHED_FAIR", "policy"],
    )
}

fn scheduler_priority(scene: &Scene) -> Result<()> {
    let scheduler = json!({ "policy": "SCHED_OTHER", "priority": 5 });
    scene.refuses(
        |b| {
            b.set("/process/scheduler", scheduler);
        },
        &["scheduler", "priority", "sched_setattr"],
    )
}

fn scheduler_exec(scene: &Scene) -> Result<()> {
    let scheduler = json!({ "policy": "SCHED_BATCH", "nice": 4 });
    let container = scene.idle(|b| {
        b.set("/process/scheduler", scheduler);
    })?;
    equal("scheduling", container.sh(SCHEDULING)?.as_str(), "4 0 3\n")
}

fn io_priority(scene: &Scene) -> Result<()> {
    let io = json!({ "class": "IOPRIO_CLASS_BE", "priority": 6 });
    scene.prints(
        |b| {
            b.set("/process/ioPriority", io);
        },
        "ionice -p $$",
        "best-effort: prio 6\n",
    )
}

fn io_unknown(scene: &Scene) -> Result<()> {
    for io in [
        json!({ "class": "IOPRIO_CLASS_BEST", "priority": 1 }),
        json!({ "class": "IOPRIO_CLASS_BE", "priority": 8 }),
    ] {
        scene.refuses(
            |b| {
                b.set("/process/ioPriority", io);
            },
            &["ioPriority", "ioprio", "priority"],
        )?;
    }
    Ok(())
}

const AFFINITY: &str = "grep Cpus_allowed_list /proc/self/status | cut -f 2";

fn affinity_final(scene: &Scene) -> Result<()> {
    let affinity = json!({ "initial": "0", "final": "1" });
    let container = scene.idle(|b| {
        b.set("/process/execCPUAffinity", affinity);
    })?;
    equal("affinity", container.sh(AFFINITY)?.as_str(), "1\n")
}

fn affinity_init(scene: &Scene) -> Result<()> {
    let plain = scene.sh(|_| {}, AFFINITY)?;
    let affinity = json!({ "initial": "0", "final": "1" });
    scene.prints(
        |b| {
            b.set("/process/execCPUAffinity", affinity);
        },
        AFFINITY,
        &plain,
    )
}

fn affinity_bad(scene: &Scene) -> Result<()> {
    for list in ["a", "1-", "5-2", "-1"] {
        let affinity = json!({ "initial": list });
        scene.refuses(
            |b| {
                b.set("/process/execCPUAffinity", affinity);
            },
            &["affinity"],
        )?;
    }
    Ok(())
}

fn apparmor_absent(scene: &Scene) -> Result<()> {
    let output =
        scene.run(scene.bundle()?.set("/process/apparmorProfile", json!("some-profile")))?;
    output.fails_naming(&["apparmor"]).map(drop)
}

fn selinux_absent(scene: &Scene) -> Result<()> {
    let label = json!("system_u:system_r:svirt_lxc_net_t:s0:c124,c675");
    scene.refuses(
        |b| {
            b.set("/process/selinuxLabel", label);
        },
        &["selinux", "label"],
    )
}

/// No signal is blocked, and none is ignored that the runtime's caller did not ignore.
fn signals(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.args(&["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]);
    let own = i32::try_from(std::process::id())?;
    // Our own runtime library ignores SIGPIPE, but not for the commands that it starts.
    let inherited = hex(&status_of(own, "SigIgn")?)? & !(1 << 12);
    let text = scene.run(&bundle)?.ok()?.stdout;
    let masks: Vec<u64> =
        text.lines().filter_map(|line| hex(line.split('\t').nth(1)?).ok()).collect();
    equal("blocked signals", masks.first().copied(), Some(0))?;
    equal("ignored signals", masks.get(1).map(|ignored| ignored & !inherited), Some(0))
}

fn hex(text: &str) -> Result<u64> {
    Ok(u64::from_str_radix(text.trim(), 16)?)
}

fn session_leader(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.args(&["awk", "{print $1, $5, $6}", "/proc/self/stat"]);
    scene.run(&bundle)?.prints("1 1 1\n").map(drop)
}

fn descriptors(scene: &Scene) -> Result<()> {
    let text = scene.sh(|_| {}, "ls /proc/$$/fd; true")?;
    // Descriptor 10 and up would be the shell's own.
    equal(
        "descriptors",
        text.split_whitespace().filter(|fd| fd.len() == 1).collect::<Vec<_>>(),
        vec!["0", "1", "2"],
    )
}

fn keys(scene: &Scene, flags: &[&str]) -> Result<(String, String)> {
    let mut bundle = scene.bundle()?;
    bundle.set("/linux/maskedPaths", json!([])).args(&["cat", "/proc/keys"]);
    let id = scene.id();
    let output = scene.run_command(&bundle, &id, flags)?.run()?.ok()?;
    Ok((id, output.stdout))
}

fn keyring(scene: &Scene) -> Result<()> {
    let (id, text) = keys(scene, &[])?;
    contains("keys", &text, &format!("_ses.{id}"))
}

fn keyring_kept(scene: &Scene) -> Result<()> {
    let (_, text) = keys(scene, &["--no-new-keyring"])?;
    lacks("keys", &text, &scene.tag)
}
