//! Bind mounts whose source lies in the container's own tree, and what a source's mount forbids.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::PathBuf;

use anyhow::Result;
use nix::mount::{MsFlags, mount, umount};
use serde_json::json;

use super::mounts::host_dir;
use crate::harness::bundle::Bundle;
use crate::harness::command::Output;
use crate::harness::expect::equal;
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

const ORDER: &str = "config.md#mounts";
const OPTIONS: &str = "config.md#linux-mount-options";

pub(crate) const TESTS: &[Test] = &[
    test("mount-source-in-the-container", ORDER, &[], |s| within(s, Ids::Host, &[])),
    test("mount-source-in-the-container-userns", ORDER, &[], |s| within(s, Ids::Shifted, &[])),
    test("mount-source-in-the-container-idmap", ORDER, &[], |s| within(s, Ids::Host, &["idmap"])),
    test("mount-source-in-the-container-userns-idmap", ORDER, &[], |s| {
        within(s, Ids::Shifted, &["idmap"])
    }),
    test("mount-source-symlink-stays-inside", ORDER, &[], link_stays_inside),
    test("mount-destination-with-rootfs-path", "runc", &[], rootfs_path),
    test("mount-read-only-dev", OPTIONS, &[], read_only_dev),
    test("mount-bind-keeps-access-times", "mount(2)", &[], keeps_access_times),
    test("mount-bind-clears-what-is-not-named", "mount(2)", &[], |s| {
        locked(s, Ids::Host, &["nodev"], Some("rw,nodev"))
    }),
    test("mount-bind-userns-keeps-locks", "mount_namespaces(7)", &[], |s| {
        locked(s, Ids::Shifted, &["nodev"], Some("ro,nosuid,nodev"))
    }),
    test("mount-bind-userns-unlocking-refused", "mount_namespaces(7)", &[], |s| {
        locked(s, Ids::Shifted, &["rw"], None)
    }),
    test("mount-many-idmaps-few-files", "setrlimit(2)", &[], many_idmaps),
    test("mount-bind-ignores-data", "mount(2)", &[], ignores_data),
];

/// Whose ids the container has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ids {
    Host,
    Shifted,
}

/// The first id of containers with ids of their own.
const FIRST: u32 = 100_000;

fn bundle_of(scene: &Scene, ids: Ids) -> Result<Bundle> {
    let mut bundle = scene.bundle()?;
    if ids == Ids::Shifted {
        bundle.user_namespace(FIRST, 65_536);
        chown(bundle.rootfs(), Some(FIRST), Some(FIRST))?;
    }
    Ok(bundle)
}

/// A host directory is mounted, another into it, and what has come of that in a third place: the
/// source of the last is a path of the bundle's rootfs, where the host has nothing.
fn within(scene: &Scene, ids: Ids, more: &[&str]) -> Result<()> {
    let (a, b) = (host_dir(scene, "a")?, host_dir(scene, "b")?);
    fs::create_dir(a.join("inner"))?;
    let mut bundle = bundle_of(scene, ids)?;
    let source = bundle.host_path("/mnt");
    bundle.bind(&a, "/mnt", &[]).bind(&b, "/mnt/inner", &[]);
    let map = json!([{ "containerID": 0, "hostID": 0, "size": 65_536 }]);
    let mut last = json!({ "destination": "/end", "type": "none", "source": source,
        "options": ["rbind"] });
    if more.contains(&"idmap") {
        last["options"] = json!(["rbind", "idmap"]);
        last["uidMappings"] = json!([{ "containerID": 0, "hostID": 7000, "size": 10 }]);
        last["gidMappings"] = map;
    }
    bundle.push("/mounts", last);
    let owner = match (ids, more.is_empty()) {
        // Shifted ids see the host's root as nobody, and 7000 likewise.
        (Ids::Shifted, _) => "65534",
        (Ids::Host, true) => "0",
        (Ids::Host, false) => "7000",
    };
    bundle.sh("cat /end/a /end/inner/b; stat -c %u /end/a");
    scene.run(&bundle)?.prints(&format!("a\nb\n{owner}\n")).map(drop)
}

/// The image cannot send a source that lies in it out to the host.
fn link_stays_inside(scene: &Scene) -> Result<()> {
    let a = host_dir(scene, "a")?;
    let mut bundle = scene.bundle()?;
    std::os::unix::fs::symlink(&a, bundle.host_path("/out"))?;
    let source = bundle.host_path("/out");
    bundle.bind(&source, "/m", &[]).sh("cat /m/a");
    let output = scene.run(&bundle)?;
    equal("what was read", output.stdout.as_str(), "")
}

fn rootfs_path(scene: &Scene) -> Result<()> {
    let a = host_dir(scene, "a")?;
    let mut bundle = scene.bundle()?;
    let at = bundle.host_path("/m").to_string_lossy().into_owned();
    bundle.bind(&a, &at, &[]).sh("cat /m/a");
    scene.run(&bundle)?.prints("a\n").map(drop)
}

fn read_only_dev(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        if let Some(mounts) = b.config["mounts"].as_array_mut() {
            for mount in mounts.iter_mut().filter(|mount| mount["destination"] == "/dev") {
                mount["options"] = json!(["nosuid", "mode=755", "ro"]);
            }
        }
    };
    let script = "test -c /dev/null && test -c /dev/zero && echo there; \
        touch /dev/x 2>/dev/null || echo read-only; echo discarded >/dev/null && echo works";
    scene.prints(edit, script, "there\nread-only\nworks\n")
}

/// A tmpfs on the host whose mount is read-only, nosuid and noatime, and is bound with `options`.
fn restricted(scene: &Scene, ids: Ids, options: &[&str]) -> Result<Output> {
    let dir = host_dir(scene, "held")?;
    mount(Some("tmpfs"), &dir, Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT;
    let held = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NOATIME;
    let output = mount(None::<&str>, &dir, None::<&str>, flags | held, None::<&str>)
        .map_err(anyhow::Error::from)
        .and_then(|()| {
            let mut bundle = bundle_of(scene, ids)?;
            bundle.bind(&dir, "/m", options);
            bundle.sh("awk '$2 == \"/m\" { print $4 }' /proc/self/mounts");
            scene.run(&bundle)
        });
    umount(&dir)?;
    output
}

/// Compares the attributes of the bound mount, or expects a refusal.
fn locked(scene: &Scene, ids: Ids, options: &[&str], want: Option<&str>) -> Result<()> {
    let output = restricted(scene, ids, options)?;
    match want {
        None => output.fails().map(drop),
        Some(want) => {
            let output = output.ok()?;
            let shown: Vec<&str> = output.stdout.trim().split(',').collect();
            let of_mount = |word: &&&str| ["ro", "rw", "nosuid", "nodev", "noexec"].contains(*word);
            let shown: Vec<&str> = shown.iter().filter(of_mount).copied().collect();
            equal("attributes", shown.join(",").as_str(), want)
        }
    }
}

fn keeps_access_times(scene: &Scene) -> Result<()> {
    let output = restricted(scene, Ids::Host, &["nodev"])?.ok()?;
    equal("noatime", output.stdout.contains("noatime"), true)
}

/// The limit of open files is the program's: the mounts before it need more.
fn many_idmaps(scene: &Scene) -> Result<()> {
    let mut bundle = bundle_of(scene, Ids::Shifted)?;
    let map = json!([{ "containerID": 0, "hostID": FIRST, "size": 65_536 }]);
    let sources: Vec<PathBuf> = vec![host_dir(scene, "a")?];
    for number in 0..30 {
        bundle.push(
            "/mounts",
            json!({
                "destination": format!("/m{number}"), "type": "none", "source": sources[0],
                "options": ["bind"], "uidMappings": map, "gidMappings": map,
            }),
        );
    }
    bundle.push("/process/rlimits", json!({ "type": "RLIMIT_NOFILE", "soft": 16, "hard": 16 }));
    bundle.sh("stat -c %u /m29/a; ulimit -n");
    scene.run(&bundle)?.prints("0\n16\n")?;
    equal("owner on the host", fs::metadata(sources[0].join("a"))?.uid(), 0)
}

/// mount(2) does not look at its last argument for a bind mount, and configurations say it.
fn ignores_data(scene: &Scene) -> Result<()> {
    let a = host_dir(scene, "a")?;
    let edit = |b: &mut Bundle| {
        b.bind(&a, "/m", &["mode=755"]);
    };
    scene.prints(edit, "cat /m/a", "a\n")
}
