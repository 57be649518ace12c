//! `exec`: what a further process gets from its flags and from the container's configuration.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::harness::bundle::Bundle;
use crate::harness::expect::equal;
use crate::harness::scene::Scene;
use crate::harness::template;
use crate::suite::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test("exec-cwd", "runc-exec(8) --cwd", &[], cwd),
    test("exec-cwd-missing-fails", "runc-exec(8) --cwd", &[], cwd_missing),
    test("exec-cwd-from-config", "runc-exec(8)", &[], cwd_from_config),
    test("exec-env", "runc-exec(8) --env", &[], env),
    test("exec-env-from-config", "runc-exec(8)", &[], env_from_config),
    test("exec-env-malformed-fails", "runc-exec(8) --env", &[], env_malformed),
    test("exec-cwd-relative-fails", "config.md#process cwd", &[], cwd_relative),
    test("exec-env-overrides", "runc-exec(8) --env", &[], env_overrides),
    test("exec-user", "runc-exec(8) --user", &[], user),
    test("exec-user-and-group", "runc-exec(8) --user", &[], user_and_group),
    test("exec-user-from-config", "runc-exec(8)", &[], user_from_config),
    test("exec-user-bad-fails", "runc-exec(8) --user", &[], user_bad),
    test("exec-additional-gids", "runc-exec(8) --additional-gids", &[], additional_gids),
    test("exec-umask-from-config", "config.md#posix-platform-user umask", &[], umask),
    test("exec-rlimits-from-config", "runc-exec(8)", &[], rlimits),
    test("exec-capabilities-from-config", "runc-exec(8)", &[], capabilities),
    test("exec-cap", "runc-exec(8) --cap", &[], cap),
    test("exec-no-new-privs", "runc-exec(8) --no-new-privs", &[], no_new_privs),
    test("exec-no-new-privs-false", "runc-exec(8) --no-new-privs", &[], no_new_privs_false),
    test("exec-no-new-privs-from-config", "runc-exec(8)", &[], nnp_from_config),
    test("exec-process-file", "runc-exec(8) --process", &[], process_file),
    test("exec-process-file-short", "runc", &[], process_short),
    test("exec-process-file-missing", "runc-exec(8) --process", &[], process_missing),
    test("exec-process-file-not-json", "runc-exec(8) --process", &[], process_not_json),
    test("exec-process-file-without-args", "config.md#process args", &[], process_no_args),
    test("exec-in-the-namespaces", "runc-exec(8)", &[], namespaces),
    test("exec-in-the-root", "runc-exec(8)", &[], root),
    test("exec-after-double-dash", "runc-exec(8)", &[], double_dash),
    test("exec-flags-of-the-program", "runc-exec(8)", &[], program_flags),
    test("exec-many-at-once", "runc-exec(8)", &[], many),
    test("exec-preserve-fds", "runc-exec(8) --preserve-fds", &[], preserve_fds),
    test("exec-in-user-namespace", "runc-exec(8)", &[], in_user_namespace),
    test("exec-leaves-init-alone", "runc-exec(8)", &[], leaves_init),
];

/// Checks what `script` prints when it is executed with `flags` in a container with `edit`.
fn prints(
    scene: &Scene,
    edit: impl FnOnce(&mut Bundle),
    flags: &[&str],
    script: &str,
    want: &str,
) -> Result<()> {
    let container = scene.idle(edit)?;
    container.exec_command(flags, &["sh", "-c", script]).run()?.prints(want).map(drop)
}

fn cwd(scene: &Scene) -> Result<()> {
    prints(scene, |_| {}, &["--cwd", "/etc"], "pwd", "/etc\n")
}

fn cwd_missing(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let output = container.exec_command(&["--cwd", "/nowhere"], &["pwd"]).run()?;
    output.exits(255)?.fails_naming(&["/nowhere", "no such file"]).map(drop)
}

fn cwd_from_config(scene: &Scene) -> Result<()> {
    prints(
        scene,
        |b| {
            b.set("/process/cwd", json!("/tmp"));
        },
        &[],
        "pwd",
        "/tmp\n",
    )
}

fn env(scene: &Scene) -> Result<()> {
    let flags = ["--env", "A=1", "--env", "B=two words", "--env", "C="];
    prints(scene, |_| {}, &flags, "echo \"$A/$B/${C-unset}\"", "1/two words/\n")
}

fn env_from_config(scene: &Scene) -> Result<()> {
    let env = json!(["PATH=/bin", "FROM=config"]);
    prints(
        scene,
        |b| {
            b.set("/process/env", env);
        },
        &[],
        "echo $FROM",
        "config\n",
    )
}

fn env_malformed(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    for variable in ["NAME", "=value", ""] {
        let output = container.exec_command(&["--env", variable], &["env"]).run()?;
        output.exits(255)?.fails_naming(&["environment variable", "NAME=value"])?;
    }
    Ok(())
}

fn cwd_relative(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let output = container.exec_command(&["--cwd", "tmp"], &["pwd"]).run()?;
    output.exits(255)?.fails_naming(&["absolute"]).map(drop)
}

fn env_overrides(scene: &Scene) -> Result<()> {
    let env = json!(["PATH=/bin", "A=config"]);
    prints(
        scene,
        |b| {
            b.set("/process/env", env);
        },
        &["-e", "A=flag"],
        "echo $A",
        "flag\n",
    )
}

fn user(scene: &Scene) -> Result<()> {
    prints(scene, |_| {}, &["--user", "1234"], "id -u; id -g", "1234\n0\n")
}

fn user_and_group(scene: &Scene) -> Result<()> {
    prints(scene, |_| {}, &["--user", "1234:567"], "id -u; id -g", "1234\n567\n")
}

fn user_from_config(scene: &Scene) -> Result<()> {
    let user = json!({ "uid": 11, "gid": 12, "additionalGids": [13] });
    let script =
        "grep -E '^(Uid|Gid|Groups)' /proc/self/status | tr -s '\\t ' ' ' | cut -d ' ' -f 1,2";
    prints(
        scene,
        |b| {
            b.set("/process/user", user);
        },
        &[],
        script,
        "Uid: 11\nGid: 12\nGroups: 13\n",
    )
}

fn user_bad(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    for user in ["root", "1:two", "1.5"] {
        container.exec_command(&["--user", user], &["id"]).run()?.fails()?;
    }
    Ok(())
}

fn additional_gids(scene: &Scene) -> Result<()> {
    let flags = ["--additional-gids", "100", "--additional-gids", "65534"];
    prints(scene, |_| {}, &flags, "grep Groups /proc/self/status", "Groups:\t100 65534 \n")
}

fn umask(scene: &Scene) -> Result<()> {
    prints(
        scene,
        |b| {
            b.set("/process/user/umask", json!(0o027));
        },
        &[],
        "umask",
        "0027\n",
    )
}

fn rlimits(scene: &Scene) -> Result<()> {
    let limits = json!([{ "type": "RLIMIT_NOFILE", "soft": 99, "hard": 101 }]);
    prints(
        scene,
        |b| {
            b.set("/process/rlimits", limits);
        },
        &[],
        "ulimit -Sn; ulimit -Hn",
        "99\n101\n",
    )
}

const CAPABILITIES: &str = "grep -E 'Cap(Prm|Eff|Bnd)' /proc/self/status | cut -f 2 | sort -u";

fn capabilities(scene: &Scene) -> Result<()> {
    prints(
        scene,
        |b| {
            b.capabilities(&["CAP_KILL"]);
        },
        &[],
        CAPABILITIES,
        "0000000000000020\n",
    )
}

fn cap(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.capabilities(&["CAP_KILL"]);
    };
    prints(scene, edit, &["--cap", "CAP_CHOWN"], CAPABILITIES, "0000000000000021\n")
}

const NO_NEW_PRIVS: &str = "grep NoNewPrivs /proc/self/status";

fn no_new_privs(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.set("/process/noNewPrivileges", json!(false));
    };
    prints(scene, edit, &["--no-new-privs"], NO_NEW_PRIVS, "NoNewPrivs:\t1\n")
}

fn no_new_privs_false(scene: &Scene) -> Result<()> {
    prints(scene, |_| {}, &["--no-new-privs=false"], NO_NEW_PRIVS, "NoNewPrivs:\t0\n")?;
    prints(scene, |_| {}, &["--no-new-privs=true"], NO_NEW_PRIVS, "NoNewPrivs:\t1\n")
}

fn nnp_from_config(scene: &Scene) -> Result<()> {
    prints(scene, |_| {}, &[], NO_NEW_PRIVS, "NoNewPrivs:\t1\n")
}

fn write_process(scene: &Scene, process: &Value) -> Result<String> {
    let path = scene.path("process.json");
    std::fs::write(&path, serde_json::to_vec(process)?)?;
    Ok(path.to_string_lossy().into_owned())
}

fn process_file(scene: &Scene) -> Result<()> {
    let mut process = template::process(&["sh", "-c", "echo $A; pwd; id -u"]);
    process["env"] = json!(["PATH=/bin", "A=file"]);
    process["cwd"] = json!("/tmp");
    process["user"] = json!({ "uid": 55, "gid": 55 });
    let file = write_process(scene, &process)?;
    let container = scene.idle(|_| {})?;
    container.exec_command(&["--process", &file], &[]).run()?.prints("file\n/tmp\n55\n").map(drop)
}

/// What the file leaves out is as in the container.
fn process_short(scene: &Scene) -> Result<()> {
    let script = format!("{CAPABILITIES}; cat /proc/self/oom_score_adj");
    let mut process = template::process(&["sh", "-c", &script]);
    let process = process.as_object_mut().context("no object")?;
    process.remove("capabilities");
    process.remove("oomScoreAdj");
    let file = write_process(scene, &json!(process))?;
    let container = scene.idle(|b| {
        b.capabilities(&["CAP_KILL"]).set("/process/oomScoreAdj", json!(222));
    })?;
    let output = container.exec_command(&["--process", &file], &[]).run()?;
    output.prints("0000000000000020\n222\n").map(drop)
}

fn process_missing(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let output = container.exec_command(&["--process", "/nonexistent.json"], &[]).run()?;
    output.fails_naming(&["/nonexistent.json"]).map(drop)
}

fn process_not_json(scene: &Scene) -> Result<()> {
    let path = scene.path("process.json");
    std::fs::write(&path, "{ not json")?;
    let container = scene.idle(|_| {})?;
    let output = container.exec_command(&["--process", &path.to_string_lossy()], &[]).run()?;
    output.fails().map(drop)
}

fn process_no_args(scene: &Scene) -> Result<()> {
    let file = write_process(scene, &template::process(&[]))?;
    let container = scene.idle(|_| {})?;
    container.exec_command(&["--process", &file], &[]).run()?.fails_naming(&["args"]).map(drop)
}

fn namespaces(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let kinds = "for n in cgroup ipc mnt net pid time user uts; do readlink /proc/$P/ns/$n; done";
    let of_init = container.sh(&kinds.replace("$P", "1"))?;
    equal("namespaces", container.sh(&kinds.replace("$P", "self"))?, of_init)
}

fn root(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.file("/mark", "inside")?;
    let container = scene.start(bundle.idle())?;
    equal("file", container.sh("cat /mark")?.as_str(), "inside")
}

fn double_dash(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.exec(&["--", "echo", "a"])?.prints("a\n").map(drop)
}

fn program_flags(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.exec(&["echo", "--user", "-t", "--help"])?.prints("--user -t --help\n").map(drop)
}

fn many(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let mut running = Vec::new();
    for code in 10..22 {
        let script = format!("exit {code}");
        running.push((code, container.exec_command(&[], &["sh", "-c", &script]).spawn()?));
    }
    running.into_iter().try_for_each(|(code, process)| process.wait()?.exits(code).map(drop))
}

fn preserve_fds(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let file = scene.path("kept");
    std::fs::write(&file, "kept\n")?;
    let setup = format!("exec 3<{0} 4<{0} 5<{0}", file.display());
    let script = "cat <&3; ls /proc/$$/fd; true";
    let command = container.exec_command(&["--preserve-fds", "1"], &["sh", "-c", script]);
    command.after(&setup).run()?.prints("kept\n0\n1\n2\n3\n").map(drop)
}

fn in_user_namespace(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.user_namespace(100_000, 65_536);
    };
    prints(
        scene,
        edit,
        &["--user", "7"],
        "id -u; awk '{print $2}' /proc/self/uid_map",
        "7\n100000\n",
    )
}

fn leaves_init(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let before = (container.pid()?, container.proc("status")?.lines().count());
    container.exec(&["false"])?.exits(1)?;
    equal("init", (container.pid()?, container.proc("status")?.lines().count()), before)
}
