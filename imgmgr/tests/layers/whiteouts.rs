//! Whiteouts: applied as umoci applies them, and as overlayfs lower directories that mount to
//! the same tree.

use std::fs;
use std::path::Path;
use std::process::Command;

use imgmgr::layer::{LayerForm, UnpackOptions};

use crate::support::{Head, Tar, can_run, differences, has, is_root, os, record, umoci, unpack};

fn options(form: LayerForm) -> UnpackOptions {
    UnpackOptions { form, ..UnpackOptions::default() }
}

/// A base and changes with every kind of whiteout; each layer describes every directory.
fn layers() -> Vec<Vec<u8>> {
    let mut base = Tar::default();
    base.add(&Head::new("./", b'5', 0o755), b"");
    for dir in
        ["keep", "gone", "opaque", "opaque/sub", "opaque/stay", "replaced", "late", "dir-to-file"]
    {
        base.add(&Head::new(dir, b'5', 0o755).mtime(1_300_000_000), b"");
        base.file(format!("{dir}/old"), b"old").file(format!("{dir}/both"), b"old");
    }
    base.file("file", b"old").file("file-to-dir", b"old").symlink("link", "keep");
    base.file("hard-a", b"one").hard_link("hard-b", "hard-a");
    let mut next = Tar::default();
    next.add(&Head::new("./", b'5', 0o755), b"");
    next.add(&Head::new("keep", b'5', 0o700).mtime(1_310_000_000), b"").file("keep/.wh.old", b"");
    next.file("keep/both", b"new, longer");
    next.file(".wh.gone", b"").file(".wh.file", b"").file(".wh.never-was", b"");
    next.dir("opaque").file("opaque/.wh..wh..opq", b"").file("opaque/new", b"n");
    next.dir("opaque/stay").file("opaque/stay/new", b"n");
    // A name that the layer both hides and has: what is below goes, its own stays.
    next.file(".wh.replaced", b"").dir("replaced").file("replaced/new", b"n");
    next.dir("late").file("late/new", b"n").file(".wh.late", b"");
    next.file("dir-to-file", b"now a file").dir("file-to-dir").file("file-to-dir/x", b"x");
    next.file(".wh.link", b"").file(".wh.hard-a", b"");
    let mut last = Tar::default();
    last.add(&Head::new("./", b'5', 0o750).mtime(1_320_000_000), b"");
    last.dir("gone").file("gone/again", b"a").symlink("link", "opaque");
    last.dir("keep").file("keep/.wh.both", b"").file("keep/both-2", b"");
    vec![base.end(), next.end(), last.end()]
}

#[test]
fn applied_whiteouts_are_those_of_umoci() {
    if !is_root() || !has("umoci") {
        return;
    }
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for layer in layers() {
        unpack(&layer, ours.path(), options(LayerForm::Flat)).unwrap();
    }
    umoci(&layers(), &theirs.path().join("rootfs")).unwrap();
    let (mut ours, mut theirs) = (record(ours.path()), record(&theirs.path().join("rootfs")));
    // umoci changes these once more after setting their time.
    for dir in ["", "late"] {
        for records in [&mut ours, &mut theirs] {
            records.get_mut(&os(dir.as_bytes())).unwrap().mtime = (0, 0);
        }
    }
    let differences = differences(&ours, &theirs);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    for gone in [
        "keep/old",
        "keep/both",
        "gone/old",
        "opaque/old",
        "opaque/sub",
        "opaque/stay/old",
        "replaced/old",
        "late/old",
        "file",
        "hard-a",
    ] {
        assert!(!ours.contains_key(&os(gone.as_bytes())), "{gone}");
    }
}

/// Mounts layers, lowest first, and records what shows; `None` if overlayfs can't be mounted.
fn record_overlay(
    layers: &[impl AsRef<Path>],
) -> Option<std::collections::BTreeMap<std::path::PathBuf, crate::support::Record>> {
    let at = tempfile::tempdir().unwrap();
    let lower: Vec<_> = layers.iter().rev().map(|dir| dir.as_ref().display().to_string()).collect();
    // One layer alone is no overlay: an empty directory lies beneath it.
    let empty = tempfile::tempdir().unwrap();
    let option = format!("lowerdir={}:{}", lower.join(":"), empty.path().display());
    let mount = Command::new("mount")
        .args(["-t", "overlay", "overlay", "-o", &option])
        .arg(at.path())
        .status();
    if !mount.unwrap().success() {
        return None;
    }
    let records = record(at.path());
    assert!(Command::new("umount").arg(at.path()).status().unwrap().success());
    Some(records)
}

#[test]
fn overlay_layers_mount_to_the_flat_tree() {
    if !is_root() {
        return;
    }
    let flat = tempfile::tempdir().unwrap();
    let mut lowers = Vec::new();
    for layer in layers() {
        unpack(&layer, flat.path(), options(LayerForm::Flat)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        unpack(&layer, dir.path(), options(LayerForm::Overlay)).unwrap();
        lowers.push(dir);
    }
    let overlay = record_overlay(&lowers);
    if !can_run("overlayfs", overlay.is_some()) {
        return;
    }
    let (mut flat, mut overlay) = (record(flat.path()), overlay.unwrap());
    // A hard link whose other name is hidden keeps its count in an overlay.
    for records in [&mut flat, &mut overlay] {
        records.get_mut(&os(b"hard-b")).unwrap().links = 0;
    }
    let differences = differences(&overlay, &flat);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_layer_that_speaks_overlayfs_is_not_heard() {
    if !is_root() {
        return;
    }
    let mut base = Tar::default();
    base.dir("secret").file("secret/file", b"s").dir("d");
    let mut next = Tar::default();
    for key in ["redirect", "opaque", "metacopy", "origin"] {
        let key = format!("SCHILY.xattr.trusted.overlay.{key}");
        next.pax(b'x', &[(&key, b"/secret")]).dir("d");
    }
    let mut lowers = Vec::new();
    for layer in [base.end(), next.end()] {
        let dir = tempfile::tempdir().unwrap();
        unpack(&layer, dir.path(), options(LayerForm::Overlay)).unwrap();
        lowers.push(dir);
    }
    let attributes = &record(lowers[1].path())[&os(b"d")].xattrs;
    assert!(
        attributes.keys().all(|name| name.starts_with("trusted.overlay.overlay.")),
        "{attributes:?}"
    );
    let Some(records) = record_overlay(&lowers) else {
        can_run("overlayfs", false);
        return;
    };
    assert!(!records.contains_key(&os(b"d/file")));
    assert!(fs::metadata(lowers[0].path().join("secret/file")).is_ok());
}

#[test]
fn dependence_on_layers_below_is_noted() {
    if !is_root() {
        return;
    }
    let mut t = Tar::default();
    t.file("a/b/file", b"").hard_link("a/link", "usr/target").dir("a");
    let dir = tempfile::tempdir().unwrap();
    let facts = unpack(&t.end(), dir.path(), options(LayerForm::Overlay)).unwrap().facts;
    assert_eq!(facts.implied, [&b""[..], b"a/b"]);
    assert_eq!(facts.links_below, [(b"a/link".to_vec(), b"usr/target".to_vec())]);
    assert!(!facts.opaque_root);
}
