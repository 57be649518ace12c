//! Device nodes, masked paths and read-only paths.

use std::fs;

use anyhow::Result;
use serde_json::{Value, json};

use crate::harness::bundle::Bundle;
use crate::harness::command::Cmd;
use crate::harness::expect::{contains, equal, holds};
use crate::harness::host::Need;
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

const DEVICES: &str = "config-linux.md#devices";
const ALLOWED: &str = "config-linux.md#allowed-device-list";

pub(crate) const TESTS: &[Test] = &[
    test("default-devices", "config-linux.md#default-devices", &[], defaults),
    test("default-devices-work", "config-linux.md#default-devices", &[], defaults_work),
    test("null-streams-are-the-containers-own", "null(4)", &[], null_streams),
    test("default-links", "runc", &[], links),
    test("device-character", DEVICES, &[], character),
    test("device-block", DEVICES, &[], block),
    test("device-fifo", DEVICES, &[], fifo),
    test("device-unbuffered", DEVICES, &[], unbuffered),
    test("device-mode-and-owner", DEVICES, &[], mode_and_owner),
    test("device-outside-dev", DEVICES, &[], outside_dev),
    test("device-in-a-new-directory", DEVICES, &[], new_directory),
    test("device-unknown-type-refused", DEVICES, &[], unknown_type),
    test("device-mode-ignores-umask", DEVICES, &[], umask),
    test("device-in-user-namespace", DEVICES, &[], user_namespace),
    test("device-host-dev-is-bound", "runc", &[], host_dev),
    test("allowed-devices-deny-all", ALLOWED, &[Need::CgroupV1, Need::Path("/dev/fuse")], deny_all),
    test(
        "allowed-devices-defaults-stay",
        ALLOWED,
        &[Need::CgroupV1, Need::Path("/dev/fuse")],
        defaults_stay,
    ),
    test(
        "allowed-devices-allow-one",
        ALLOWED,
        &[Need::CgroupV1, Need::Path("/dev/fuse")],
        allow_one,
    ),
    test("allowed-devices-order", ALLOWED, &[Need::CgroupV1, Need::Path("/dev/fuse")], order),
    test("allowed-devices-access", ALLOWED, &[Need::CgroupV1, Need::Path("/dev/fuse")], access),
    test("allowed-devices-bad-access-refused", ALLOWED, &[], bad_access),
    test("device-ptmx-is-the-containers-own", "config-linux.md#default-devices", &[], ptmx_listed),
    test("masked-file", "config-linux.md#masked-paths", &[], masked_file),
    test(
        "masked-file-guards-the-host",
        "config-linux.md#masked-paths",
        &[Need::Root],
        masked_file_guards_the_host,
    ),
    test("masked-directory", "config-linux.md#masked-paths", &[], masked_directory),
    test("masked-missing-is-passed-over", "config-linux.md#masked-paths", &[], masked_missing),
    test("masked-many", "config-linux.md#masked-paths", &[], masked_many),
    test("masked-relative-refused", "config-linux.md#masked-paths", &[], masked_relative),
    test("masked-default-paths", "runc-spec(8)", &[], masked_default),
    test("readonly-path", "config-linux.md#readonly-paths", &[], readonly_path),
    test("readonly-leaves-mounts-below", "runc", &[], readonly_mounts_below),
    test("readonly-file", "config-linux.md#readonly-paths", &[], readonly_file),
    test(
        "readonly-missing-is-passed-over",
        "config-linux.md#readonly-paths",
        &[],
        readonly_missing,
    ),
    test("readonly-proc-sys", "config-linux.md#readonly-paths", &[], readonly_proc_sys),
    test("readonly-keeps-other-flags", "config-linux.md#readonly-paths", &[], readonly_flags),
    test("paths-need-a-mount-namespace", "runc", &[], need_mount_namespace),
];

/// Whoever has the host's could change its owner and mode.
fn null_streams(scene: &Scene) -> Result<()> {
    let script = "stat -L -c %d:%i /proc/self/fd/0 /proc/self/fd/2 /dev/null | sort -u | wc -l";
    let quiet = |command: Cmd| command.after("exec 2>/dev/null").run()?.prints("1\n").map(drop);
    let mut bundle = scene.bundle()?;
    quiet(scene.run_command(bundle.sh(script), &scene.id(), &[])?)?;
    let container = scene.idle(|_| {})?;
    quiet(container.exec_command(&[], &["sh", "-c", script]))
}

fn defaults(scene: &Scene) -> Result<()> {
    let script =
        "for d in null zero full random urandom tty; do stat -c '%n %F %t:%T %a' /dev/$d; done";
    let numbers = [
        ("null", "1:3"),
        ("zero", "1:5"),
        ("full", "1:7"),
        ("random", "1:8"),
        ("urandom", "1:9"),
        ("tty", "5:0"),
    ];
    let want: String = numbers
        .iter()
        .map(|(name, number)| format!("/dev/{name} character special file {number} 666\n"))
        .collect();
    scene.prints(|_| {}, script, &want)
}

fn defaults_work(scene: &Scene) -> Result<()> {
    let script = "echo x >/dev/null && cat /dev/null; head -c 2 /dev/zero | od -An -tx1; head -c 9 /dev/urandom | wc -c; echo x 2>/dev/null >/dev/full || echo full";
    let text = scene.sh(|_| {}, script)?;
    equal("words", text.split_whitespace().collect::<Vec<_>>(), vec!["00", "00", "9", "full"])
}

fn links(scene: &Scene) -> Result<()> {
    let script = "for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done";
    scene.prints(
        |_| {},
        script,
        "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n",
    )
}

fn with(device: Value) -> impl FnOnce(&mut Bundle) {
    move |b| {
        b.push("/linux/devices", device);
    }
}

fn character(scene: &Scene) -> Result<()> {
    let device = json!({ "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o600, "uid": 0, "gid": 0 });
    scene.prints(with(device), "stat -c '%F %t:%T' /dev/fuse", "character special file a:e5\n")
}

fn block(scene: &Scene) -> Result<()> {
    let device = json!({ "path": "/dev/blk", "type": "b", "major": 7, "minor": 300 });
    scene.prints(with(device), "stat -c '%F %t:%T' /dev/blk", "block special file 7:12c\n")
}

fn fifo(scene: &Scene) -> Result<()> {
    let device = json!({ "path": "/dev/pipe", "type": "p", "fileMode": 0o622 });
    scene.prints(with(device), "stat -c '%F %a' /dev/pipe", "fifo 622\n")
}

fn unbuffered(scene: &Scene) -> Result<()> {
    let device = json!({ "path": "/dev/u", "type": "u", "major": 1, "minor": 3 });
    scene.prints(with(device), "stat -c '%F %t:%T' /dev/u", "character special file 1:3\n")
}

fn mode_and_owner(scene: &Scene) -> Result<()> {
    let device = json!({ "path": "/dev/d", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 12, "gid": 34 });
    scene.prints(with(device), "stat -c '%a %u %g' /dev/d", "640 12 34\n")
}

fn outside_dev(scene: &Scene) -> Result<()> {
    let device =
        json!({ "path": "/home/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666 });
    scene.prints(
        with(device),
        "stat -c %t:%T /home/null; echo x >/home/null && echo ok",
        "1:3\nok\n",
    )
}

fn new_directory(scene: &Scene) -> Result<()> {
    let device = json!({ "path": "/dev/net/tun", "type": "c", "major": 10, "minor": 200 });
    scene.prints(with(device), "stat -c %t:%T /dev/net/tun", "a:c8\n")
}

fn unknown_type(scene: &Scene) -> Result<()> {
    let device = json!({ "path": "/dev/d", "type": "x", "major": 1, "minor": 3 });
    scene.refuses(with(device), &["device", "type"])
}

fn umask(scene: &Scene) -> Result<()> {
    let device =
        json!({ "path": "/dev/d", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666 });
    let mut bundle = scene.bundle()?;
    bundle.push("/linux/devices", device).sh("stat -c %a /dev/d /dev/zero");
    let command = scene.run_command(&bundle, &scene.id(), &[])?;
    command.after("umask 077").run()?.prints("666\n666\n").map(drop)
}

/// A user namespace has no `mknod`; the host's nodes are bound instead.
fn user_namespace(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.user_namespace(100_000, 65_536);
    };
    scene.prints(
        edit,
        "stat -c '%F %t:%T' /dev/null; echo x >/dev/null && echo ok",
        "character special file 1:3\nok\n",
    )
}

/// With `/dev` bound from the host, no node is made in it.
fn host_dev(scene: &Scene) -> Result<()> {
    let before = std::fs::read_dir("/dev")?.count();
    let mut bundle = scene.bundle()?;
    if let Some(mounts) = bundle.config["mounts"].as_array_mut() {
        mounts.retain(|mount| !mount["destination"].as_str().unwrap_or("").starts_with("/dev"));
    }
    bundle.mount("/dev", "bind", "/dev", &["rbind", "rw"]).sh("test -c /dev/null && echo ok");
    scene.run(&bundle)?.prints("ok\n")?;
    equal("entries of the host's /dev", std::fs::read_dir("/dev")?.count(), before)
}

/// Denies every device, then applies `rules`; `script` may make nodes.
fn ruled(scene: &Scene, rules: &[Value], script: &str) -> Result<String> {
    let mut all = vec![json!({ "allow": false, "access": "rwm" })];
    all.extend_from_slice(rules);
    let edit = |b: &mut Bundle| {
        b.set("/linux/resources/devices", json!(all))
            .capabilities(&["CAP_MKNOD", "CAP_DAC_OVERRIDE"]);
        // /dev carries nodev in some images; a plain tmpfs does not.
        b.mount("/n", "tmpfs", "tmpfs", &[]);
    };
    scene.sh(edit, script)
}

/// A device that every kernel with FUSE has, no container gets by default, and anyone may open.
const FUSE: &str = "mknod /n/f c 10 229 2>/dev/null && echo made; (: </n/f) 2>/dev/null && echo read; \
    (: >>/n/f) 2>/dev/null && echo write; echo end";

fn fuse(access: &str, allow: Allow) -> Value {
    json!({ "allow": allow == Allow::Yes, "type": "c", "major": 10, "minor": 229, "access": access })
}

#[derive(PartialEq)]
enum Allow {
    Yes,
    No,
}

/// Making nodes stays allowed, as runc has it; opening them does not.
fn deny_all(scene: &Scene) -> Result<()> {
    equal("output", ruled(scene, &[], FUSE)?.as_str(), "made\nend\n")
}

fn defaults_stay(scene: &Scene) -> Result<()> {
    let script = "while read name major minor; do mknod /n/$name c $major $minor && : </n/$name && echo $name; done <<E
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
E";
    equal("made", ruled(scene, &[], script)?.as_str(), "null\nzero\nfull\nrandom\nurandom\n")
}

fn allow_one(scene: &Scene) -> Result<()> {
    let text = ruled(scene, &[fuse("rwm", Allow::Yes)], FUSE)?;
    equal("output", text.as_str(), "made\nread\nwrite\nend\n")
}

fn order(scene: &Scene) -> Result<()> {
    let text = ruled(scene, &[fuse("rwm", Allow::Yes), fuse("w", Allow::No)], FUSE)?;
    equal("output", text.as_str(), "made\nread\nend\n")
}

fn access(scene: &Scene) -> Result<()> {
    equal("output", ruled(scene, &[fuse("r", Allow::Yes)], FUSE)?.as_str(), "made\nread\nend\n")?;
    equal("output", ruled(scene, &[fuse("w", Allow::Yes)], FUSE)?.as_str(), "made\nwrite\nend\n")
}

fn bad_access(scene: &Scene) -> Result<()> {
    let rule = json!([{ "allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwx" }]);
    scene.refuses(
        |b| {
            b.set("/linux/resources/devices", rule);
        },
        &["access", "permission", "invalid argument", "device"],
    )
}

fn mask(paths: &[&str]) -> impl FnOnce(&mut Bundle) {
    let paths = json!(paths);
    move |b| {
        b.set("/linux/maskedPaths", paths);
    }
}

fn masked_file(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.file("/secret", "secret")?;
    mask(&["/secret"])(&mut bundle);
    scene
        .run(bundle.sh("wc -c </secret; echo x >/secret; stat -c %t:%T /secret"))?
        .prints("0\n1:3\n")
        .map(drop)
}

/// It is the container's own, whatever is asked for.
fn ptmx_listed(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.user_namespace(100_000, 65_536);
    let ptmx = json!({ "path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2 });
    bundle.set("/linux/devices", json!([ptmx]));
    scene.run(bundle.sh(": </dev/ptmx && readlink /dev/ptmx"))?.prints("pts/ptmx\n").map(drop)
}

/// A mask may be the host's own `/dev/null`: its owner, mode and times are the host's.
fn masked_file_guards_the_host(scene: &Scene) -> Result<()> {
    use std::time::{Duration, SystemTime};
    let modified = || fs::metadata("/dev/null")?.modified();
    let before = modified()?;
    let mut bundle = scene.bundle()?;
    bundle.file("/secret", "secret")?;
    mask(&["/secret"])(&mut bundle);
    let output =
        scene.run(bundle.sh("touch -d @86400 /secret; echo x >/secret && echo written"))?;
    let changed = modified()? == SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
    if changed {
        fs::File::open("/dev/null")?.set_modified(before)?;
    }
    holds("the host's /dev/null is what it was", !changed)?;
    equal("output", output.stdout.as_str(), "written\n")
}

fn masked_directory(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.file("/secrets/one", "secret")?;
    mask(&["/secrets"])(&mut bundle);
    scene
        .run(
            bundle
                .sh("ls /secrets; touch /secrets/x 2>/dev/null || echo ro; stat -f -c %T /secrets"),
        )?
        .prints("ro\ntmpfs\n")
        .map(drop)
}

fn masked_missing(scene: &Scene) -> Result<()> {
    scene.prints(mask(&["/no/such/path"]), "test -e /no || echo absent", "absent\n")
}

fn masked_many(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let names: Vec<String> = (0..40).map(|n| format!("/d{n}")).collect();
    for name in &names {
        bundle.file(&format!("{name}/f"), "x")?;
    }
    bundle
        .set("/linux/maskedPaths", json!(names))
        .sh("cat /d*/f 2>/dev/null | wc -c; mkdir /d7/x 2>/dev/null || echo ro");
    scene.run(&bundle)?.prints("0\nro\n").map(drop)
}

fn masked_relative(scene: &Scene) -> Result<()> {
    scene.refuses(mask(&["etc/passwd"]), &["maskedPaths", "masked", "absolute", "etc/passwd"])
}

fn masked_default(scene: &Scene) -> Result<()> {
    scene.prints(
        |_| {},
        "cat /proc/kcore 2>/dev/null | wc -c; ls /sys/firmware | wc -l; cat /proc/keys | wc -c",
        "0\n0\n0\n",
    )
}

fn readonly(paths: &[&str]) -> impl FnOnce(&mut Bundle) {
    let paths = json!(paths);
    move |b| {
        b.set("/linux/readonlyPaths", paths);
    }
}

fn readonly_path(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.file("/data/f", "x\n")?;
    readonly(&["/data"])(&mut bundle);
    scene
        .run(
            bundle.sh("cat /data/f; touch /data/g 2>/dev/null || echo ro; touch /other && echo rw"),
        )?
        .prints("x\nro\nrw\n")
        .map(drop)
}

/// As lxcfs and criu in a container need it: `/proc/sys/kernel/ns_last_pid` below `/proc/sys`.
fn readonly_mounts_below(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.mount("/t", "tmpfs", "tmpfs", &[]).mount("/t/below", "tmpfs", "tmpfs", &[]);
        b.mount("/t/closed", "tmpfs", "tmpfs", &["ro"]);
        b.set("/linux/readonlyPaths", json!(["/t"]));
    };
    let script = "for d in /t /t/below /t/closed; do touch $d/x 2>/dev/null && echo $d; done";
    scene.prints(edit, &format!("{script}; true"), "/t/below\n")
}

fn readonly_file(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.file("/f", "x\n")?;
    readonly(&["/f"])(&mut bundle);
    scene.run(bundle.sh("cat /f; echo y >/f || echo ro"))?.prints("x\nro\n").map(drop)
}

fn readonly_missing(scene: &Scene) -> Result<()> {
    scene.prints(readonly(&["/no/such/path"]), "test -e /no || echo absent", "absent\n")
}

fn readonly_proc_sys(scene: &Scene) -> Result<()> {
    scene.prints(
        |_| {},
        "echo x >/proc/sys/kernel/hostname || echo ro; cat /proc/sys/kernel/hostname",
        "ro\nconformance\n",
    )
}

fn readonly_flags(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.mount("/t", "tmpfs", "tmpfs", &["nosuid", "nodev", "noexec"]);
        b.set("/linux/readonlyPaths", json!(["/t"]));
    };
    let text = scene.sh(edit, "awk '$5==\"/t\"{f=$6} END{print f}' /proc/self/mountinfo")?;
    for flag in ["ro", "nosuid", "nodev", "noexec"] {
        contains("flags", &text, flag)?;
    }
    Ok(())
}

fn need_mount_namespace(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.inherit("mount");
        },
        &["mount", "namespace"],
    )
}
