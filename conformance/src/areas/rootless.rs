//! Without root: an unprivileged user, its subordinate ids, no capability anywhere.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use serde_json::{Value, json};

use crate::harness::bundle::Bundle;
use crate::harness::command::Cmd;
use crate::harness::expect::{contains, equal, holds};
use crate::harness::host::Need;
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

const NEEDS: &[Need] = &[Need::Root, Need::Program("newuidmap"), Need::Program("setpriv")];
const SPEC: &str = "runc(8) --rootless";

/// The user that the tests become, and its subordinate ids.
const USER: u32 = 54_321;
const SUB: u32 = 700_000;

pub(crate) const TESTS: &[Test] = &[
    test("rootless-run", SPEC, NEEDS, run),
    test("rootless-exit-code", SPEC, NEEDS, exit_code),
    test("rootless-ids", SPEC, NEEDS, ids),
    test("rootless-single-mapping", SPEC, NEEDS, single),
    test("rootless-subordinate-ids", SPEC, NEEDS, subordinate),
    test("rootless-foreign-ids-refused", SPEC, NEEDS, foreign),
    test("rootless-lifecycle", SPEC, NEEDS, lifecycle),
    test("rootless-exec", SPEC, NEEDS, exec),
    test("rootless-exec-of-its-own-root", SPEC, NEEDS, exec_as_root),
    test("rootless-time-offset-of-its-own-root", SPEC, NEEDS, time_as_root),
    test("rootless-spec-runs", "runc-spec(8) --rootless", NEEDS, spec_runs),
    test("rootless-without-user-namespace-refused", SPEC, NEEDS, without_namespace),
    test("rootless-host-files-keep-their-owner", SPEC, NEEDS, files),
    test("rootless-terminal", SPEC, NEEDS, terminal),
    test("rootless-bind-flags-are-kept", SPEC, NEEDS, bind_flags),
    test("rootless-hooks", SPEC, NEEDS, hooks),
];

/// The files of `/etc` that newuidmap(1) reads, and what the tests add to them.
fn files_of_etc() -> [(&'static str, String); 3] {
    [
        ("/etc/passwd", format!("conformance:x:{USER}:{USER}::/nonexistent:/bin/sh\n")),
        ("/etc/subuid", format!("conformance:{SUB}:65536\n")),
        ("/etc/subgid", format!("conformance:{SUB}:65536\n")),
    ]
}

/// Prepares the host for the user: files of `/etc` that only this mount namespace sees.
fn prepare(scene: &Scene) -> Result<()> {
    for (target, line) in files_of_etc() {
        let file = scene.path(target.trim_start_matches("/etc/"));
        fs::write(&file, fs::read_to_string(target)? + &line)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
        mount(Some(&file), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    }
    for dir in ["bundles", "xdg", "out"] {
        chown(scene.path(dir), Some(USER), Some(USER))?;
    }
    fs::create_dir_all(scene.root())?;
    chown(scene.root(), Some(USER), Some(USER))?;
    fs::set_permissions(scene.root(), fs::Permissions::from_mode(0o700))?;
    Ok(())
}

fn finish() -> Result<()> {
    files_of_etc().iter().try_for_each(|(target, _)| Ok(nix::mount::umount(*target)?))
}

/// The command as the user, without any privilege.
fn unprivileged(command: Cmd) -> Cmd {
    let user = USER.to_string();
    command.env("HOME", "/nonexistent").under(&[
        "/usr/bin/setpriv",
        "--reuid",
        &user,
        "--regid",
        &user,
        "--clear-groups",
        "--inh-caps=-all",
    ])
}

/// A bundle that belongs to the user, with a user namespace and no cgroup path.
fn bundle(scene: &Scene) -> Result<Bundle> {
    let mut bundle = scene.bundle()?;
    own(&bundle.dir)?;
    bundle
        .namespace("user")
        .inherit("network")
        .unset("/linux/resources")
        .set("/linux/cgroupsPath", Value::Null);
    map(
        &mut bundle,
        &json!([{ "containerID": 0, "hostID": USER, "size": 1 }, { "containerID": 1, "hostID": SUB, "size": 65_535 }]),
    );
    bundle.set(
        "/mounts/2/options",
        json!(["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
    );
    // Without a network namespace of its own the container may not mount sysfs.
    if let Some(mounts) = bundle.config["mounts"].as_array_mut() {
        mounts.retain(|mount| mount["destination"] != "/sys");
    }
    bundle.mount("/sys", "none", "/sys", &["rbind", "nosuid", "noexec", "nodev", "ro"]);
    Ok(bundle)
}

fn map(bundle: &mut Bundle, map: &Value) {
    bundle.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map.clone());
}

/// Gives the directories of a tree to the user; the files are shared with other tests.
fn own(dir: &std::path::Path) -> Result<()> {
    chown(dir, Some(USER), Some(USER))?;
    for entry in fs::read_dir(dir)?.flatten() {
        if entry.file_type()?.is_dir() {
            own(&entry.path())?;
        }
    }
    Ok(())
}

/// Runs `body` with everything prepared.
pub(crate) fn with(scene: &Scene, body: impl FnOnce(Bundle) -> Result<()>) -> Result<()> {
    prepare(scene)?;
    let result = bundle(scene).and_then(body);
    finish()?;
    result
}

pub(crate) fn output(scene: &Scene, bundle: &Bundle) -> Result<crate::harness::command::Output> {
    unprivileged(scene.run_command(bundle, &scene.id(), &[])?).run()
}

fn run(scene: &Scene) -> Result<()> {
    with(scene, |mut bundle| output(scene, bundle.sh("echo ran"))?.prints("ran\n").map(drop))
}

fn exit_code(scene: &Scene) -> Result<()> {
    with(scene, |mut bundle| output(scene, bundle.sh("exit 17"))?.exits(17).map(drop))
}

fn ids(scene: &Scene) -> Result<()> {
    with(scene, |mut bundle| {
        let script = "id -u; awk '{print $1, $2, $3}' /proc/self/uid_map";
        let want = format!("0\n0 {USER} 1\n1 {SUB} 65535\n");
        output(scene, bundle.sh(script))?.prints(&want).map(drop)
    })
}

fn single(scene: &Scene) -> Result<()> {
    with(scene, |mut bundle| {
        map(&mut bundle, &json!([{ "containerID": 0, "hostID": USER, "size": 1 }]));
        output(scene, bundle.sh("cat /proc/self/setgroups; id -u"))?.prints("deny\n0\n").map(drop)
    })
}

fn subordinate(scene: &Scene) -> Result<()> {
    with(scene, |mut bundle| {
        bundle.set("/process/user", json!({ "uid": 33, "gid": 44 }));
        output(scene, bundle.sh("id -u; id -g"))?.prints("33\n44\n").map(drop)
    })
}

fn foreign(scene: &Scene) -> Result<()> {
    with(scene, |mut bundle| {
        map(&mut bundle, &json!([{ "containerID": 0, "hostID": 0, "size": 10 }]));
        output(scene, &bundle)?
            .fails_naming(&["newuidmap", "mapping", "uid_map", "map", "permitted"])
            .map(drop)
    })
}

fn lifecycle(scene: &Scene) -> Result<()> {
    with(scene, |mut bundle| {
        let id = scene.id();
        unprivileged(scene.create_command(bundle.idle(), &id, &[])?).run()?.ok()?;
        for verb in ["start", "state", "kill"] {
            unprivileged(scene.runtime(&[verb, &id])).run()?.ok()?;
        }
        unprivileged(scene.runtime(&["delete", "--force", &id])).run()?.ok()?;
        scene.is_absent(&id)
    })
}

fn exec(scene: &Scene) -> Result<()> {
    with(scene, |mut bundle| {
        let id = scene.id();
        unprivileged(scene.run_command(bundle.idle(), &id, &["--detach"])?).run()?.ok()?;
        let words = ["exec", &id, "sh", "-c", "id -u; exit 6"];
        let output = unprivileged(scene.runtime(&words)).run()?.exits(6)?;
        equal("stdout", output.stdout.as_str(), "0\n")?;
        let words = ["exec", "--user", "12:13", &id, "sh", "-c", "id -u; id -g"];
        unprivileged(scene.runtime(&words)).run()?.prints("12\n13\n")?;
        unprivileged(scene.runtime(&["delete", "--force", &id])).run()?.ok().map(drop)
    })
}

/// As podman does it: the runtime is root of a user namespace, which the container shares.
fn exec_as_root(scene: &Scene) -> Result<()> {
    with(scene, |mut bundle| {
        let id = scene.id();
        bundle.inherit("user").set("/linux/uidMappings", json!([]));
        bundle.set("/linux/gidMappings", json!([]));
        bundle.idle().write()?;
        let script = "\"$0\" --root \"$1\" run -d --bundle \"$2\" \"$3\" </dev/null >/dev/null &&
            \"$0\" --root \"$1\" exec \"$3\" echo ran; \"$0\" --root \"$1\" delete --force \"$3\"";
        let shell = scene.shell(script).arg(&scene.runtime);
        let shell = shell.arg(scene.root()).arg(&bundle.dir).arg(&id);
        let namespace = ["/usr/bin/unshare", "--user", "--map-root-user", "--mount"];
        unprivileged(shell.under(&namespace)).run()?.prints("ran\n").map(drop)
    })
}

/// The runtime, root of a user namespace, can't return to the host's time namespace.
fn time_as_root(scene: &Scene) -> Result<()> {
    with(scene, |mut bundle| {
        bundle.inherit("user").set("/linux/uidMappings", json!([]));
        bundle.set("/linux/gidMappings", json!([])).namespace("time");
        bundle.set("/linux/timeOffsets", json!({ "boottime": { "secs": 1_000_000 } }));
        bundle.sh("tr -s ' ' <  /proc/self/timens_offsets | grep boottime").write()?;
        let namespace = ["/usr/bin/unshare", "--user", "--map-root-user", "--mount"];
        let command = scene.run_command(&bundle, &scene.id(), &[])?.under(&namespace);
        unprivileged(command).run()?.prints("boottime 1000000 0\n").map(drop)
    })
}

fn spec_runs(scene: &Scene) -> Result<()> {
    with(scene, |mut bundle| {
        let command = scene.bare_runtime().args(&["spec", "--rootless"]).cwd(&bundle.dir);
        unprivileged(command).run()?.ok()?;
        bundle.config = serde_json::from_slice(&fs::read(bundle.dir.join("config.json"))?)?;
        equal("mapping", &bundle.config["linux"]["uidMappings"][0]["hostID"], USER)?;
        bundle.set("/process/terminal", json!(false)).set("/linux/cgroupsPath", Value::Null);
        output(scene, bundle.sh("echo ran"))?.prints("ran\n").map(drop)
    })
}

fn without_namespace(scene: &Scene) -> Result<()> {
    with(scene, |mut bundle| {
        bundle.inherit("user").unset("/linux/uidMappings").unset("/linux/gidMappings");
        output(scene, &bundle)?
            .fails_naming(&["user namespace", "rootless", "permitted", "namespace"])
            .map(drop)
    })
}

fn files(scene: &Scene) -> Result<()> {
    with(scene, |mut bundle| {
        use std::os::unix::fs::MetadataExt;
        output(scene, bundle.sh("touch /root/mine"))?.ok()?;
        let file = bundle.host_path("/root/mine");
        equal("owner", fs::metadata(&file)?.uid(), USER)?;
        Ok(fs::remove_file(file)?)
    })
}

fn terminal(scene: &Scene) -> Result<()> {
    with(scene, |mut bundle| {
        let socket = crate::harness::sockets::DescriptorSocket::listen(scene.path("console.sock"))?;
        fs::set_permissions(&socket.path, fs::Permissions::from_mode(0o777))?;
        bundle.set("/process/terminal", json!(true)).sh("tty; echo end; read x");
        let id = scene.id();
        let flags = ["--detach", "--console-socket", &socket.name()];
        unprivileged(scene.run_command(&bundle, &id, &flags)?).run()?.ok()?;
        let master = socket.receive()?.one()?;
        contains("terminal", &crate::harness::sockets::read_until(&master, "end")?, "/dev/pts/0")?;
        unprivileged(scene.runtime(&["delete", "--force", &id])).run()?.ok().map(drop)
    })
}

/// Flags of a host mount are locked in a user namespace: a bind mount that does not ask for them
/// keeps them, instead of failing.
fn bind_flags(scene: &Scene) -> Result<()> {
    with(scene, |mut bundle| {
        let dir = scene.path("locked");
        fs::create_dir(&dir)?;
        mount(
            Some("tmpfs"),
            &dir,
            Some("tmpfs"),
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
            None::<&str>,
        )?;
        bundle
            .bind(&dir, "/home", &["ro"])
            .sh("awk '$5==\"/home\"{print $6}' /proc/self/mountinfo");
        let result = output(scene, &bundle);
        nix::mount::umount(&dir)?;
        let flags = result?.ok()?.stdout;
        for flag in ["ro", "nosuid", "nodev", "noexec"] {
            contains("flags", &flags, flag)?;
        }
        Ok(())
    })
}

fn hooks(scene: &Scene) -> Result<()> {
    with(scene, |mut bundle| {
        let file = bundle.dir.join("hooked");
        bundle.hook("createRuntime", &format!("id -u >{}", file.display()));
        output(scene, &bundle)?.ok()?;
        let text = fs::read_to_string(&file)?;
        holds(
            &format!("the hook ran as {text}"),
            text.trim() == USER.to_string() || text.trim() == "0",
        )?;
        Ok(fs::remove_file(file)?)
    })
}
