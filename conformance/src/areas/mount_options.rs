//! Every option of the table in config.md#linux-mount-options, read back from mountinfo.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount, umount};
use serde_json::json;

use super::mounts::host_dir;
use crate::harness::bundle::Bundle;
use crate::harness::expect::{contains, equal, holds, lacks};
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

const SPEC: &str = "config.md#linux-mount-options";

pub(crate) const TESTS: &[Test] = &[
    test("option-ro", SPEC, &[], |s| shows(s, &["ro"], "ro")),
    test("option-rw", SPEC, &[], |s| shows(s, &["rw"], "rw")),
    test("option-last-wins", SPEC, &[], |s| shows(s, &["ro", "rw"], "rw")),
    test("option-nosuid", SPEC, &[], |s| shows(s, &["nosuid"], "nosuid")),
    test("option-suid", SPEC, &[], |s| hides(s, &["nosuid", "suid"], "nosuid")),
    test("option-nodev", SPEC, &[], |s| shows(s, &["nodev"], "nodev")),
    test("option-dev", SPEC, &[], |s| hides(s, &["nodev", "dev"], "nodev")),
    test("option-noexec", SPEC, &[], |s| shows(s, &["noexec"], "noexec")),
    test("option-exec", SPEC, &[], |s| hides(s, &["noexec", "exec"], "noexec")),
    test("option-noatime", SPEC, &[], |s| shows(s, &["noatime"], "noatime")),
    test("option-atime", SPEC, &[], |s| hides(s, &["noatime", "atime"], "noatime")),
    test("option-nodiratime", SPEC, &[], |s| shows(s, &["nodiratime"], "nodiratime")),
    test("option-diratime", SPEC, &[], |s| hides(s, &["nodiratime", "diratime"], "nodiratime")),
    test("option-relatime", SPEC, &[], |s| shows(s, &["relatime"], "relatime")),
    test("option-strictatime", SPEC, &[], |s| hides(s, &["strictatime"], "relatime")),
    test("option-nostrictatime", SPEC, &[], |s| {
        shows(s, &["strictatime", "nostrictatime"], "relatime")
    }),
    test("option-norelatime", SPEC, &[], |s| works(s, &["norelatime"])),
    test("option-nosymfollow", SPEC, &[], |s| shows(s, &["nosymfollow"], "nosymfollow")),
    test("option-symfollow", SPEC, &[], |s| hides(s, &["nosymfollow", "symfollow"], "nosymfollow")),
    test("option-sync", SPEC, &[], |s| super_shows(s, &["sync"], "sync")),
    test("option-async", SPEC, &[], |s| super_hides(s, &["sync", "async"], "sync")),
    test("option-dirsync", SPEC, &[], |s| super_shows(s, &["dirsync"], "dirsync")),
    test("option-lazytime", SPEC, &[], |s| super_shows(s, &["lazytime"], "lazytime")),
    test("option-nolazytime", SPEC, &[], |s| {
        super_hides(s, &["lazytime", "nolazytime"], "lazytime")
    }),
    test("option-iversion", SPEC, &[], |s| works(s, &["iversion"])),
    test("option-noiversion", SPEC, &[], |s| works(s, &["noiversion"])),
    test("option-mand", SPEC, &[], |s| works(s, &["nomand"])),
    test("option-silent", SPEC, &[], |s| works(s, &["silent"])),
    test("option-loud", SPEC, &[], |s| works(s, &["loud"])),
    test("option-defaults", SPEC, &[], |s| works(s, &["defaults"])),
    test("option-private", SPEC, &[], |s| propagation(s, "private", "")),
    test("option-rprivate", SPEC, &[], |s| propagation(s, "rprivate", "")),
    test("option-shared", SPEC, &[], |s| propagation(s, "shared", "shared:")),
    test("option-rshared", SPEC, &[], |s| propagation(s, "rshared", "shared:")),
    test("option-slave", SPEC, &[], |s| propagation(s, "slave", "master:")),
    test("option-rslave", SPEC, &[], |s| propagation(s, "rslave", "master:")),
    test("option-unbindable", SPEC, &[], |s| propagation(s, "unbindable", "unbindable")),
    test("option-runbindable", SPEC, &[], |s| propagation(s, "runbindable", "unbindable")),
    test("option-remount", SPEC, &[], remount),
    test("option-bind-ro", SPEC, &[], |s| bind_shows(s, &["bind", "ro"], "ro", "rw")),
    test("option-rbind-ro-is-flat", SPEC, &[], |s| bind_shows(s, &["rbind", "ro"], "ro", "rw")),
    test("option-bind-all", SPEC, &[], bind_all),
    test("option-rro", SPEC, &[], |s| bind_shows(s, &["rbind", "rro"], "ro", "ro")),
    test("option-rrw", SPEC, &[], |s| bind_shows(s, &["rbind", "ro", "rrw"], "rw", "rw")),
    test("option-rnosuid", SPEC, &[], |s| bind_shows(s, &["rbind", "rnosuid"], "nosuid", "nosuid")),
    test("option-rsuid", SPEC, &[], |s| bind_lacks(s, &["rbind", "nosuid", "rsuid"], "nosuid")),
    test("option-rnodev", SPEC, &[], |s| bind_shows(s, &["rbind", "rnodev"], "nodev", "nodev")),
    test("option-rdev", SPEC, &[], |s| bind_lacks(s, &["rbind", "nodev", "rdev"], "nodev")),
    test("option-rnoexec", SPEC, &[], |s| bind_shows(s, &["rbind", "rnoexec"], "noexec", "noexec")),
    test("option-rexec", SPEC, &[], |s| bind_lacks(s, &["rbind", "noexec", "rexec"], "noexec")),
    test("option-rnoatime", SPEC, &[], |s| {
        bind_shows(s, &["rbind", "rnoatime"], "noatime", "noatime")
    }),
    test("option-ratime", SPEC, &[], |s| bind_lacks(s, &["rbind", "ratime"], "noatime")),
    test("option-rnodiratime", SPEC, &[], |s| {
        bind_shows(s, &["rbind", "rnodiratime"], "nodiratime", "nodiratime")
    }),
    test("option-rdiratime", SPEC, &[], |s| bind_lacks(s, &["rbind", "rdiratime"], "nodiratime")),
    test("option-rrelatime", SPEC, &[], |s| {
        bind_shows(s, &["rbind", "rrelatime"], "relatime", "relatime")
    }),
    test("option-rstrictatime", SPEC, &[], |s| {
        bind_lacks(s, &["rbind", "rstrictatime"], "relatime")
    }),
    test("option-rnosymfollow", SPEC, &[], |s| {
        bind_shows(s, &["rbind", "rnosymfollow"], "nosymfollow", "nosymfollow")
    }),
    test("option-rsymfollow", SPEC, &[], |s| {
        bind_lacks(s, &["rbind", "rsymfollow"], "nosymfollow")
    }),
    test("option-idmap-of-the-container", SPEC, &[], idmap_container),
    test("option-idmap-of-the-mount", SPEC, &[], idmap_mount),
    test("option-idmap-with-its-mapping", "crun(1)", &[], idmap_option),
    test("option-ridmap", SPEC, &[], ridmap),
    test("option-idmap-without-mapping-refused", SPEC, &[], idmap_without),
    test("option-idmap-half-refused", "config.md#posix-platform-mounts", &[], idmap_half),
];

/// A mount of `/proc/PID/mountinfo`.
struct Line {
    flags: Vec<String>,
    optional: String,
    superblock: Vec<String>,
}

fn find(mountinfo: &str, at: &str) -> Result<Line> {
    let line = mountinfo.lines().rfind(|line| line.split(' ').nth(4) == Some(at));
    let line = line.with_context(|| format!("no mount at {at} in {mountinfo}"))?;
    let (left, right) = line.split_once(" - ").context("no separator")?;
    let words = |list: Option<&str>| list.unwrap_or("").split(',').map(str::to_owned).collect();
    Ok(Line {
        flags: words(left.split(' ').nth(5)),
        optional: left.split(' ').skip(6).collect::<Vec<_>>().join(" "),
        superblock: words(right.split(' ').nth(2)),
    })
}

fn mountinfo(scene: &Scene, edit: impl FnOnce(&mut Bundle)) -> Result<String> {
    scene.sh(edit, "cat /proc/self/mountinfo")
}

fn tmpfs(scene: &Scene, options: &[&str]) -> Result<Line> {
    find(
        &mountinfo(scene, |b| {
            b.mount("/m", "tmpfs", "tmpfs", options);
        })?,
        "/m",
    )
}

fn shows(scene: &Scene, options: &[&str], flag: &str) -> Result<()> {
    let line = tmpfs(scene, options)?;
    holds(&format!("{flag} is missing in {:?}", line.flags), line.flags.iter().any(|f| f == flag))
}

fn hides(scene: &Scene, options: &[&str], flag: &str) -> Result<()> {
    let line = tmpfs(scene, options)?;
    holds(&format!("{flag} in {:?}", line.flags), !line.flags.iter().any(|f| f == flag))
}

fn super_shows(scene: &Scene, options: &[&str], flag: &str) -> Result<()> {
    let line = tmpfs(scene, options)?;
    holds(
        &format!("{flag} is missing in {:?}", line.superblock),
        line.superblock.iter().any(|f| f == flag),
    )
}

fn super_hides(scene: &Scene, options: &[&str], flag: &str) -> Result<()> {
    let line = tmpfs(scene, options)?;
    holds(&format!("{flag} in {:?}", line.superblock), !line.superblock.iter().any(|f| f == flag))
}

/// The option is taken and not handed to the file system, which would refuse it.
fn works(scene: &Scene, options: &[&str]) -> Result<()> {
    tmpfs(scene, options).map(drop)
}

/// Mounts a shared host directory with `option` and looks for `field` in the optional fields.
fn propagation(scene: &Scene, option: &str, field: &str) -> Result<()> {
    let dir = host_dir(scene, "a")?;
    mount(Some(&dir), &dir, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    mount(None::<&str>, &dir, None::<&str>, MsFlags::MS_SHARED, None::<&str>)?;
    let text = mountinfo(scene, |b| {
        b.bind(&dir, "/m", &[option]);
    });
    umount(&dir)?;
    let line = find(&text?, "/m")?;
    if field.is_empty() {
        return equal("optional fields", line.optional.as_str(), "");
    }
    contains("optional fields", &line.optional, field)?;
    if field == "master:" {
        lacks("optional fields", &line.optional, "shared:")?;
    }
    Ok(())
}

fn remount(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.mount("/m", "tmpfs", "tmpfs", &[]).mount("/m", "tmpfs", "tmpfs", &["remount", "ro"]);
    };
    scene.prints(
        edit,
        "grep -c ' /m ' /proc/self/mountinfo; touch /m/x 2>/dev/null || echo no",
        "1\nno\n",
    )
}

/// A host directory with a tmpfs on `sub`.
fn nested(scene: &Scene) -> Result<PathBuf> {
    let dir = host_dir(scene, "top")?;
    fs::create_dir_all(dir.join("sub"))?;
    mount(Some("tmpfs"), &dir.join("sub"), Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
    Ok(dir)
}

/// The mounts at `/m` and `/m/sub` of a recursive bind mount.
fn bound(scene: &Scene, options: &[&str]) -> Result<(Line, Line)> {
    let dir = nested(scene)?;
    let name = dir.to_string_lossy().into_owned();
    let text = mountinfo(scene, |b| {
        b.mount("/m", "none", &name, options);
    });
    umount(&dir.join("sub"))?;
    let text = text?;
    let top = find(&text, "/m")?;
    let sub = if options.contains(&"bind") { find(&text, "/m")? } else { find(&text, "/m/sub")? };
    Ok((top, sub))
}

/// The top mount has `top`; the one below, if the bind mount is recursive, has `sub`.
fn bind_shows(scene: &Scene, options: &[&str], top: &str, sub: &str) -> Result<()> {
    let (upper, lower) = bound(scene, options)?;
    holds(
        &format!("{top} is missing at /m: {:?}", upper.flags),
        upper.flags.iter().any(|f| f == top),
    )?;
    if options.contains(&"bind") {
        return Ok(());
    }
    holds(
        &format!("{sub} is missing at /m/sub: {:?}", lower.flags),
        lower.flags.iter().any(|f| f == sub),
    )
}

fn bind_lacks(scene: &Scene, options: &[&str], flag: &str) -> Result<()> {
    let (upper, lower) = bound(scene, options)?;
    for line in [upper, lower] {
        holds(&format!("{flag} in {:?}", line.flags), !line.flags.iter().any(|f| f == flag))?;
    }
    Ok(())
}

fn bind_all(scene: &Scene) -> Result<()> {
    let dir = host_dir(scene, "a")?;
    let text = mountinfo(scene, |b| {
        b.bind(&dir, "/m", &["ro", "nosuid", "nodev", "noexec", "noatime"]);
    })?;
    let line = find(&text, "/m")?;
    equal("flags", line.flags.join(",").as_str(), "ro,nosuid,nodev,noexec,noatime")
}

fn idmap_container(scene: &Scene) -> Result<()> {
    let dir = host_dir(scene, "a")?;
    let edit = |b: &mut Bundle| {
        b.user_namespace(100_000, 65_536).bind(&dir, "/home", &["idmap"]);
    };
    scene.prints(edit, "stat -c %u /home/a; touch /home/new", "0\n")?;
    equal("owner on the host", fs::metadata(dir.join("new"))?.uid(), 0)
}

fn mapped(scene: &Scene, option: &str) -> Result<(PathBuf, Bundle)> {
    let dir = host_dir(scene, "a")?;
    let map = json!([{ "containerID": 0, "hostID": 5000, "size": 10 }]);
    let mut bundle = scene.bundle()?;
    bundle.push(
        "/mounts",
        json!({
            "destination": "/m", "type": "none", "source": dir, "options": ["rbind", option],
            "uidMappings": map, "gidMappings": map,
        }),
    );
    Ok((dir, bundle))
}

fn idmap_mount(scene: &Scene) -> Result<()> {
    let (_dir, mut bundle) = mapped(scene, "idmap")?;
    scene.run(bundle.sh("stat -c %u:%g /m/a"))?.prints("5000:5000\n").map(drop)
}

/// One that isn't honoured must not be lost.
fn idmap_option(scene: &Scene) -> Result<()> {
    let dir = host_dir(scene, "a")?;
    let mut bundle = scene.bundle()?;
    bundle.bind(&dir, "/m", &["idmap=uids=0-5000-10#10-6000-1;gids=0-7000-10"]);
    let run = scene.run(bundle.sh("stat -c %u:%g /m/a"))?;
    if run.code() == 0 {
        return run.prints("5000:7000\n").map(drop);
    }
    run.fails_naming(&["idmap"]).map(drop)
}

fn ridmap(scene: &Scene) -> Result<()> {
    let (dir, mut bundle) = mapped(scene, "ridmap")?;
    fs::create_dir(dir.join("sub"))?;
    // Of the same file system: tmpfs takes id mappings only since Linux 6.3.
    let other = host_dir(scene, "other")?;
    mount(Some(&other), &dir.join("sub"), None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    let output = scene.run(bundle.sh("stat -c %u /m/a /m/sub"));
    umount(&dir.join("sub"))?;
    output?.prints("5000\n5000\n").map(drop)
}

fn idmap_without(scene: &Scene) -> Result<()> {
    let dir = host_dir(scene, "a")?;
    scene.refuses(
        |b| {
            b.bind(&dir, "/m", &["idmap"]);
        },
        &["idmap", "mapping"],
    )
}

fn idmap_half(scene: &Scene) -> Result<()> {
    let dir = host_dir(scene, "a")?;
    let map = json!([{ "containerID": 0, "hostID": 5000, "size": 10 }]);
    let mount = json!({
        "destination": "/m", "type": "none", "source": dir, "options": ["bind", "idmap"], "uidMappings": map,
    });
    scene.refuses(
        |b| {
            b.push("/mounts", mount);
        },
        &["mapping"],
    )
}
