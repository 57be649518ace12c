//! S3 to S9: what an image puts in the way of a mount, a device or a write to /proc.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use super::while_exchanging;
use crate::harness::bundle::Bundle;
use crate::harness::expect::{contains, equal};
use crate::harness::scene::Scene;
use crate::harness::sockets::{DescriptorSocket, read_until};
use crate::suite::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test("S3-symlink", "CVE-2019-19921", &[], proc_symlink),
    test("S3-volume", "CVE-2023-27561", &[], proc_volume),
    test("S3-raced", "CVE-2025-52881", &[], proc_raced),
    test("S4", "CVE-2025-31133", &[], null_swapped),
    test("S4-symlink", "CVE-2025-31133", &[], null_symlink),
    test("S5", "CVE-2025-52565", &[], console_swapped),
    test("S5-symlink", "CVE-2025-52565", &[], console_symlink),
    test("S6", "CVE-2021-30465", &[], target_raced),
    test("S7", "CVE-2024-45310", &[], target_file_raced),
    test("S8-proc", "CVE-2019-18837", &[], |s| linked_away(s, "/proc")),
    test("S8-sys", "CVE-2019-18837", &[], |s| linked_away(s, "/sys")),
    test("S8-dev", "CVE-2019-18837", &[], |s| linked_away(s, "/dev")),
    test("S8-dev-pts", "CVE-2019-18837", &[], |s| linked_away(s, "/dev/pts")),
    test("S8-dev-fd", "CVE-2019-18837", &[], |s| linked_away(s, "/dev/fd")),
    test("S9-parent", "CVE-2019-18837", &[], parent_linked_away),
    test("S9-device-file", "CVE-2019-18837", &[], device_file),
    test("S9-masked-path", "CVE-2019-18837", &[], masked_linked_away),
];

/// How many containers are made against a racing thread.
const ROUNDS: u32 = 25;

/// A directory of the host that nothing may enter.
fn outside(scene: &Scene) -> Result<PathBuf> {
    let dir = scene.path("outside");
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

fn is_empty(dir: &Path) -> Result<()> {
    let names: Vec<_> = fs::read_dir(dir)?.flatten().map(|entry| entry.file_name()).collect();
    equal("entries outside", names, Vec::<std::ffi::OsString>::new())
}

/// Without what is mounted below `at`, so that the image's own files are used there.
fn unmounted(bundle: &mut Bundle, at: &str) {
    if let Some(mounts) = bundle.config["mounts"].as_array_mut() {
        mounts.retain(|mount| !mount["destination"].as_str().unwrap_or("").starts_with(at));
    }
}

/// A tree that looks like procfs to whoever does not check, with the sysctl of the tests.
fn fake_proc(bundle: &Bundle) -> Result<PathBuf> {
    bundle.file("/fake/self/attr/exec", "unwritten")?;
    bundle.file("/fake/self/attr/apparmor/exec", "unwritten")?;
    bundle.file("/fake/sys/net/core/somaxconn", "unwritten")
}

fn with_sysctl(bundle: &mut Bundle) {
    bundle.set("/linux/sysctl", json!({ "net.core.somaxconn": "77" }));
    bundle.set("/linux/maskedPaths", json!([])).set("/linux/readonlyPaths", json!([]));
    bundle.sh("cat /proc/sys/net/core/somaxconn");
}

/// The container saw the real value or was refused, and the fake was not written.
fn reached_real_proc(scene: &Scene, bundle: &Bundle, fake: &Path) -> Result<()> {
    let output = scene.run(bundle)?;
    equal("the fake sysctl", fs::read_to_string(fake)?.as_str(), "unwritten")?;
    if output.code() == 0 {
        equal("value seen", output.stdout.trim(), "77")?;
    }
    Ok(())
}

fn proc_symlink(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let fake = fake_proc(&bundle)?;
    fs::remove_dir(bundle.host_path("/proc"))?;
    symlink("/fake", bundle.host_path("/proc"))?;
    with_sysctl(&mut bundle);
    reached_real_proc(scene, &bundle, &fake)
}

fn proc_volume(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let fake = fake_proc(&bundle)?;
    let source = bundle.host_path("/fake");
    bundle.bind(&source, "/proc", &["rw"]);
    with_sysctl(&mut bundle);
    scene.run(&bundle)?.fails_naming(&["proc"])?;
    equal("the fake sysctl", fs::read_to_string(&fake)?.as_str(), "unwritten")
}

fn proc_raced(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let fake = fake_proc(&bundle)?;
    symlink("/fake", bundle.host_path("/other"))?;
    with_sysctl(&mut bundle);
    while_exchanging(&bundle.host_path("/proc"), &bundle.host_path("/other"), || {
        (0..ROUNDS).try_for_each(|_| {
            scene.run(&bundle)?;
            equal("the fake sysctl", fs::read_to_string(&fake)?.as_str(), "unwritten")
        })
    })
}

/// An image with its own `/dev`, and a file to be masked.
fn own_dev(scene: &Scene) -> Result<Bundle> {
    let mut bundle = scene.bundle()?;
    unmounted(&mut bundle, "/dev");
    bundle.file("/secret", "secret")?;
    bundle.file("/public", "public")?;
    bundle.set("/linux/maskedPaths", json!(["/secret"]));
    bundle.sh("stat -c '%F %t:%T' /secret; head -c 100 /secret");
    Ok(bundle)
}

/// A container that started has the null device where the secret was.
fn is_masked(scene: &Scene, bundle: &Bundle) -> Result<()> {
    let output = scene.run(bundle)?;
    if output.code() == 0 || !output.stdout.is_empty() {
        equal("the masked file", output.stdout.as_str(), "character special file 1:3\n")?;
    }
    Ok(())
}

fn null_swapped(scene: &Scene) -> Result<()> {
    let bundle = own_dev(scene)?;
    symlink("/public", bundle.host_path("/dev/evil"))?;
    // The first run makes the nodes.
    is_masked(scene, &bundle)?;
    while_exchanging(&bundle.host_path("/dev/null"), &bundle.host_path("/dev/evil"), || {
        (0..ROUNDS).try_for_each(|_| is_masked(scene, &bundle))
    })
}

fn null_symlink(scene: &Scene) -> Result<()> {
    let bundle = own_dev(scene)?;
    symlink("/public", bundle.host_path("/dev/null"))?;
    is_masked(scene, &bundle)
}

/// The console that a container shows is a pty, if there is a container.
fn console_is_a_pty(scene: &Scene, bundle: &Bundle, round: u32) -> Result<()> {
    let socket = DescriptorSocket::listen(scene.path("console.sock"))?;
    let id = scene.id();
    let output = scene.create_command(bundle, &id, &["--console-socket", &socket.name()])?.run()?;
    if output.code() != 0 {
        return scene.is_absent(&id);
    }
    let master = socket.receive()?.one()?;
    if scene.runtime(&["start", &id]).run()?.code() == 0 {
        let text = read_until(&master, "end")?;
        contains(&format!("console in round {round}"), &text, "console=88")?;
    }
    scene.runtime(&["delete", "--force", &id]).run()?.ok().map(drop)
}

/// An image whose `/dev/pts` is its own, with something at the names that a pty would get.
fn own_pts(scene: &Scene) -> Result<Bundle> {
    let mut bundle = scene.bundle()?;
    bundle.file("/public", "public")?;
    bundle
        .set("/process/terminal", json!(true))
        .sh("stat -c console=%t /dev/console; echo end; read x");
    unmounted(&mut bundle, "/dev");
    fs::create_dir(bundle.host_path("/dev/pts"))?;
    Ok(bundle)
}

fn console_swapped(scene: &Scene) -> Result<()> {
    let bundle = own_pts(scene)?;
    fs::write(bundle.host_path("/dev/console"), "")?;
    symlink("/public", bundle.host_path("/dev/evil"))?;
    while_exchanging(&bundle.host_path("/dev/console"), &bundle.host_path("/dev/evil"), || {
        (0..ROUNDS).try_for_each(|round| console_is_a_pty(scene, &bundle, round))
    })
}

fn console_symlink(scene: &Scene) -> Result<()> {
    let bundle = own_pts(scene)?;
    for number in 0..64 {
        symlink("/public", bundle.host_path(&format!("/dev/pts/{number}")))?;
    }
    console_is_a_pty(scene, &bundle, 0)
}

/// A volume whose target's parent is at times a symlink to a directory of the host.
fn target_raced(scene: &Scene) -> Result<()> {
    let outside = outside(scene)?;
    let volume = crate::areas::mounts::host_dir(scene, "a")?;
    let mut bundle = scene.bundle()?;
    fs::create_dir(bundle.host_path("/way"))?;
    symlink(&outside, bundle.host_path("/trap"))?;
    bundle.bind(&volume, "/way/in/side", &[]).sh("cat /way/in/side/a");
    while_exchanging(&bundle.host_path("/way"), &bundle.host_path("/trap"), || {
        (0..ROUNDS).try_for_each(|_| {
            scene.run(&bundle)?;
            is_empty(&outside)
        })
    })
}

fn target_file_raced(scene: &Scene) -> Result<()> {
    let outside = outside(scene)?;
    let file = crate::areas::mounts::host_dir(scene, "a")?.join("a");
    let mut bundle = scene.bundle()?;
    fs::create_dir(bundle.host_path("/way"))?;
    symlink(&outside, bundle.host_path("/trap"))?;
    bundle.bind(&file, "/way/file", &[]).sh("cat /way/file");
    while_exchanging(&bundle.host_path("/way"), &bundle.host_path("/trap"), || {
        (0..ROUNDS).try_for_each(|_| {
            scene.run(&bundle)?;
            is_empty(&outside)
        })
    })
}

/// `path` of the image is a symlink to a directory of the host, in which lie files with the names
/// that a runtime makes or replaces.
fn linked_away(scene: &Scene, path: &str) -> Result<()> {
    let outside = outside(scene)?;
    let names = ["ptmx", "fd", "null", "console", "stdin"];
    for name in names {
        fs::write(outside.join(name), name)?;
    }
    let mut bundle = scene.bundle()?;
    if path.starts_with("/dev/") {
        unmounted(&mut bundle, "/dev");
    }
    let _ = fs::remove_dir(bundle.host_path(path));
    symlink(&outside, bundle.host_path(path))?;
    let _ = scene.run(bundle.sh("true"))?;
    for name in names {
        let text = fs::read_to_string(outside.join(name)).unwrap_or_else(|error| error.to_string());
        equal(&format!("`{name}` outside"), text.as_str(), name)?;
    }
    equal("entries outside", fs::read_dir(&outside)?.count(), names.len())
}

fn parent_linked_away(scene: &Scene) -> Result<()> {
    let outside = outside(scene)?;
    let volume = crate::areas::mounts::host_dir(scene, "a")?;
    let mut bundle = scene.bundle()?;
    symlink(&outside, bundle.host_path("/link"))?;
    bundle.bind(&volume, "/link/deep/er", &[]);
    bundle.push(
        "/linux/devices",
        json!({ "path": "/link/node", "type": "c", "major": 1, "minor": 3 }),
    );
    let _ = scene.run(bundle.set("/process/cwd", json!("/link/cwd")).sh("true"))?;
    is_empty(&outside)
}

/// A device of the image at the name of a default one is replaced or refused, never followed.
fn device_file(scene: &Scene) -> Result<()> {
    let outside = outside(scene)?;
    let target = outside.join("file");
    fs::write(&target, "intact")?;
    let mut bundle = scene.bundle()?;
    unmounted(&mut bundle, "/dev");
    for name in ["null", "zero", "ptmx", "console", "tty"] {
        symlink(&target, bundle.host_path(&format!("/dev/{name}")))?;
    }
    let _ = scene.run(bundle.sh("echo written >/dev/null; echo written >/dev/zero"))?;
    equal("file outside", fs::read_to_string(&target)?.as_str(), "intact")?;
    equal("entries outside", fs::read_dir(&outside)?.count(), 1)
}

fn masked_linked_away(scene: &Scene) -> Result<()> {
    let outside = outside(scene)?;
    fs::write(outside.join("file"), "visible")?;
    let mut bundle = scene.bundle()?;
    symlink(&outside, bundle.host_path("/link"))?;
    bundle.set("/linux/maskedPaths", json!(["/link/file"]));
    bundle.set("/linux/readonlyPaths", json!(["/link"]));
    let _ = scene.run(bundle.sh("true"))?;
    equal("file outside", fs::read_to_string(outside.join("file"))?.as_str(), "visible")?;
    fs::write(outside.join("file"), "still writable")?;
    Ok(())
}
