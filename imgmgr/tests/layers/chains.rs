//! Layers kept by diff ID and stacked for an image: the mount shows the tree that applying the
//! layers one after another gives, also where a layer depends on those below it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use imgmgr::layer::store::{Chain, ChainLayer, LayerStore, LayerStoreError};
use imgmgr::layer::{Cancel, LayerDescriptor, LayerForm, UnpackOptions};
use imgmgr::snapshot::{
    DiffOptions, IdMapping, SnapshotKind, Snapshots, Stacking, detached, detached_by, diff,
};
use imgmgr::store::Durability;
use std::os::fd::AsFd;

use crate::support::{
    Head, Record, TAR, Tar, can_run, descriptor, differences, is_linux, is_root, os, record, unpack,
};

/// A store, its snapshots, and the blobs that it was filled from.
struct Fixture {
    dir: tempfile::TempDir,
    layers: LayerStore,
    snapshots: Snapshots,
    blobs: BTreeMap<String, Vec<u8>>,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layers = LayerStore::open(dir.path().join("layers"), UnpackOptions::default()).unwrap();
        let snapshots = Snapshots::open(dir.path().join("snapshots"), Durability::NoSync).unwrap();
        Self { dir, layers, snapshots, blobs: BTreeMap::new() }
    }

    /// Unpacks layers in the reverse order, so that nothing can depend on the order.
    fn add(&mut self, layers: &[Vec<u8>]) -> Vec<ChainLayer> {
        let chain: Vec<_> = layers.iter().map(|tar| chain_layer(tar)).collect();
        for (tar, layer) in layers.iter().zip(&chain).rev() {
            self.blobs.insert(layer.descriptor.digest.to_string(), tar.clone());
            let source = || Ok(tar.as_slice());
            self.layers
                .ensure(&layer.diff_id, source, &layer.descriptor, &Cancel::default())
                .unwrap();
        }
        chain
    }

    fn compose(&self, layers: &[ChainLayer]) -> Result<Chain, LayerStoreError> {
        let blobs = |layer: &LayerDescriptor| -> io::Result<Box<dyn Read + Send>> {
            let bytes = self.blobs.get(&layer.digest.to_string()).ok_or(io::ErrorKind::NotFound)?;
            Ok(Box::new(io::Cursor::new(bytes.clone())))
        };
        self.layers.compose(layers, &blobs, &Cancel::default())
    }

    fn mounted<T>(&self, id: &str, read: impl FnOnce(&Path) -> T) -> T {
        let snapshot = self.snapshots.get(id).unwrap();
        let mount = detached(&snapshot, IdMapping::None).unwrap();
        let at = self.dir.path().join("mnt");
        fs::create_dir_all(&at).unwrap();
        kernel::mount::attach_at_path(&mount, at.as_path()).unwrap();
        drop(mount);
        let result = read(&at);
        kernel::mount::detach(at.as_path()).unwrap();
        result
    }
}

#[test]
fn a_list_of_layers_shows_the_same_as_one_by_one() {
    if !overlay_is_there() {
        return;
    }
    let mut layers = vec![base()];
    for i in 0..249 {
        let mut tar = Tar::default();
        tar.dir("opt").file(format!("opt/file-{i}"), format!("{i}").as_bytes());
        layers.push(tar.end());
    }
    let mut fixture = Fixture::new();
    let chain = fixture.add(&layers);
    let few = fixture.compose(&chain[..120]).unwrap();
    for (id, kind) in [("active", SnapshotKind::Active), ("view", SnapshotKind::View)] {
        let snapshot = fixture.snapshots.prepare(id, &few, kind).unwrap();
        let one_by_one = fixture.mounted(id, record);
        let mount = detached_by(&snapshot, IdMapping::None, Stacking::List).unwrap();
        let at = fixture.dir.path().join("mnt");
        kernel::mount::attach_at_path(&mount, at.as_path()).unwrap();
        drop(mount);
        let listed = record(&at);
        let written = fs::write(at.join("new"), b"");
        kernel::mount::detach(at.as_path()).unwrap();
        assert!(differences(&listed, &one_by_one).is_empty());
        assert_eq!(written.is_ok(), kind == SnapshotKind::Active, "{id}");
    }
    // More than a page of options is refused, not cut.
    let all = fixture.compose(&chain).unwrap();
    let snapshot = fixture.snapshots.prepare("all", &all, SnapshotKind::View).unwrap();
    let error = detached_by(&snapshot, IdMapping::None, Stacking::List).unwrap_err();
    assert!(error.to_string().contains("layers as one list"), "{error}");
    fixture.mounted("all", |at| assert_eq!(fs::read_dir(at.join("opt")).unwrap().count(), 249));
}

fn chain_layer(tar: &[u8]) -> ChainLayer {
    let descriptor = descriptor(TAR, tar, tar);
    ChainLayer { diff_id: descriptor.diff_id.clone().unwrap(), descriptor }
}

fn overlay_is_there() -> bool {
    let known = fs::read_to_string("/proc/filesystems").is_ok_and(|text| text.contains("overlay"));
    is_root() && can_run("overlayfs", known)
}

fn flat(layers: &[Vec<u8>]) -> BTreeMap<PathBuf, Record> {
    let dir = tempfile::tempdir().unwrap();
    for tar in layers {
        let form = LayerForm::Flat;
        unpack(tar, dir.path(), UnpackOptions { form, ..UnpackOptions::default() }).unwrap();
    }
    record(dir.path())
}

fn check_same(layers: &[Vec<u8>]) {
    let mut fixture = Fixture::new();
    let chain = fixture.add(layers);
    let chain = fixture.compose(&chain).unwrap();
    let flat = flat(layers);
    for (id, kind) in [("active", SnapshotKind::Active), ("view", SnapshotKind::View)] {
        fixture.snapshots.prepare(id, &chain, kind).unwrap();
        let shown = fixture.mounted(id, record);
        let differences = differences(&shown, &flat);
        assert!(differences.is_empty(), "{id}: {}", differences.join("\n"));
    }
}

/// A usr-merged base with directories whose metadata matters.
fn base() -> Vec<u8> {
    let mut base = Tar::default();
    base.add(&Head::new("./", b'5', 0o755).mtime(1_000_000_000), b"");
    base.add(&Head::new("tmp", b'5', 0o1777).mtime(1_100_000_000), b"");
    base.add(&Head::new("root", b'5', 0o700).owner(0, 7).mtime(1_100_000_001), b"");
    base.dir("usr").dir("usr/lib").file("usr/lib/old.so", b"old").symlink("lib", "usr/lib");
    base.symlink("lib64", "/lib").dir("etc").dir("etc/a").dir("etc/a/b").file("etc/a/b/c", b"c");
    base.end()
}

#[test]
fn implied_directories_keep_what_is_below() {
    if !overlay_is_there() {
        return;
    }
    let mut next = Tar::default();
    next.file("tmp/new", b"n").file("root/.profile", b"p").file("etc/a/b/d", b"d");
    next.file("new/implied/file", b"in directories that nobody describes");
    let mut last = Tar::default();
    last.add(&Head::new("root", b'5', 0o750).mtime(1_200_000_000), b"").file("tmp/.wh.new", b"");
    check_same(&[base(), next.end(), last.end()]);
}

#[test]
fn entries_follow_a_symbolic_link_below() {
    if !overlay_is_there() {
        return;
    }
    let mut next = Tar::default();
    next.file("lib/new.so", b"new")
        .file("lib64/sub/newer.so", b"newer")
        .file("lib/.wh.old.so", b"");
    check_same(&[base(), next.end()]);
}

#[test]
fn a_hard_link_reaches_a_file_below() {
    if !overlay_is_there() {
        return;
    }
    let mut next = Tar::default();
    next.hard_link("usr/lib/same.so", "usr/lib/old.so").hard_link("other", "lib/old.so");
    check_same(&[base(), next.end()]);
}

#[test]
fn hiding_and_making_anew() {
    if !overlay_is_there() {
        return;
    }
    let mut next = Tar::default();
    next.file(".wh.etc", b"").file(".wh.lib", b"").dir("lib").file("lib/own", b"");
    let mut last = Tar::default();
    last.dir("etc").file("etc/fresh", b"").file("lib/more", b"").file("usr/.wh..wh..opq", b"");
    check_same(&[base(), next.end(), last.end()]);
}

#[test]
fn one_tree_serves_every_image_that_does_not_differ() {
    if !overlay_is_there() {
        return;
    }
    let mut shared = Tar::default();
    shared.dir("opt").file("opt/app", b"app");
    let mut fixture = Fixture::new();
    let first = fixture.add(&[base(), shared.end()]);
    let second = fixture.add(&[shared.end()]);
    let (first, second) = (fixture.compose(&first).unwrap(), fixture.compose(&second).unwrap());
    assert_eq!(first.lowers[0], second.lowers[0]);
    assert_eq!(fixture.layers.names().unwrap().len(), 2);
}

#[test]
fn a_missing_layer_is_named() {
    let fixture = Fixture::new();
    let error = fixture.compose(&[chain_layer(&base())]).unwrap_err();
    assert!(matches!(error, LayerStoreError::Missing { .. }), "{error}");
}

#[test]
fn a_failed_unpack_leaves_nothing() {
    if !is_root() {
        return;
    }
    let fixture = Fixture::new();
    let tar = base();
    let layer = chain_layer(&tar);
    let cut = &tar[..tar.len() / 2];
    let cancel = Cancel::default();
    fixture.layers.ensure(&layer.diff_id, || Ok(cut), &layer.descriptor, &cancel).unwrap_err();
    assert!(fixture.layers.names().unwrap().is_empty());
    assert!(fs::read_dir(fixture.dir.path().join("layers/ingest")).unwrap().next().is_none());
    fixture.layers.ensure(&layer.diff_id, || Ok(&tar[..]), &layer.descriptor, &cancel).unwrap();
    assert!(fixture.layers.get(&layer.diff_id).unwrap().is_some());
}

#[test]
fn a_layer_in_the_making_is_made_once() {
    if !is_root() {
        return;
    }
    let mut fixture = Fixture::new();
    let tar = base();
    let layer = chain_layer(&tar);
    let opened = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let source = || {
                    opened.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    Ok(&tar[..])
                };
                // A handle of its own, as another process would have.
                let root = fixture.dir.path().join("layers");
                let store = LayerStore::open(root, UnpackOptions::default()).unwrap();
                store
                    .ensure(&layer.diff_id, source, &layer.descriptor, &Cancel::default())
                    .unwrap();
            });
        }
    });
    assert_eq!(opened.into_inner(), 1);
    assert_eq!(fixture.add(std::slice::from_ref(&tar)).len(), 1);
}

#[test]
fn sweeping_spares_what_is_kept_and_what_is_being_made() {
    if !is_root() {
        return;
    }
    let mut fixture = Fixture::new();
    let mut other = Tar::default();
    other.file("x", b"");
    let layers = fixture.add(&[base(), other.end()]);
    let mut third = Tar::default();
    third.file("y", b"");
    let third = chain_layer(&third.end());
    let reserved = fixture.layers.reserve(std::slice::from_ref(&third.diff_id)).unwrap();
    let kept = layers[0].diff_id.hex().to_owned();
    let removed = fixture.layers.sweep(|name| name.contains(&kept)).unwrap();
    assert_eq!(removed.len(), 1);
    assert!(removed[0].name.contains(layers[1].diff_id.hex()));
    assert!(fixture.layers.get(&layers[0].diff_id).unwrap().is_some());
    assert_eq!(fs::read_dir(fixture.dir.path().join("layers/ingest")).unwrap().count(), 1);
    drop(reserved);
    fixture.layers.sweep(|_| true).unwrap();
    assert_eq!(fs::read_dir(fixture.dir.path().join("layers/ingest")).unwrap().count(), 0);
}

#[test]
fn changes_become_a_layer_that_makes_them_again() {
    if !overlay_is_there() {
        return;
    }
    let mut fixture = Fixture::new();
    let layers = fixture.add(&[base()]);
    let chain = fixture.compose(&layers).unwrap();
    let snapshot = fixture.snapshots.prepare("c", &chain, SnapshotKind::Active).unwrap();
    let shown = fixture.mounted("c", |at| {
        fs::remove_dir_all(at.join("etc")).unwrap();
        fs::create_dir(at.join("etc")).unwrap();
        fs::write(at.join("etc/new"), b"new").unwrap();
        fs::remove_file(at.join("usr/lib/old.so")).unwrap();
        fs::write(at.join("tmp/a"), b"one file").unwrap();
        fs::hard_link(at.join("tmp/a"), at.join("tmp/b")).unwrap();
        std::os::unix::fs::symlink("a", at.join("tmp/link")).unwrap();
        rustix::fs::setxattr(at.join("tmp/a"), "user.k", b"v", rustix::fs::XattrFlags::empty())
            .unwrap();
        record(at)
    });
    let upper = fs::File::open(snapshot.upper().unwrap()).unwrap();
    let root = fs::File::open(&chain.root).unwrap();
    let (tar, summary) =
        diff(upper.as_fd(), root.as_fd(), Vec::new(), DiffOptions::default()).unwrap();
    assert_eq!(summary.whiteouts, 2, "one file, one opaque directory");
    let layers = fixture.add(&[base(), tar]);
    let chain = fixture.compose(&layers).unwrap();
    fixture.snapshots.prepare("again", &chain, SnapshotKind::View).unwrap();
    let differences = differences(&fixture.mounted("again", record), &shown);
    // The root's time changed with what is in it, and a layer doesn't tell the root.
    let differences: Vec<_> = differences.iter().filter(|line| !line.starts_with("\"\"")).collect();
    assert!(differences.is_empty(), "{differences:?}");
    let at_epoch = |_: ()| {
        let options = DiffOptions { latest: Some(1_000_000_000) };
        diff(upper.as_fd(), root.as_fd(), Vec::new(), options).unwrap().0
    };
    let first = at_epoch(());
    fixture.mounted("c", |at| fs::write(at.join("tmp/a"), b"one file").unwrap());
    assert_eq!(first, at_epoch(()), "the same changes at another time");
}

#[test]
fn thirty_layers_and_more_can_be_mounted() {
    if !overlay_is_there() {
        return;
    }
    let mut layers = vec![base()];
    for i in 0..119 {
        let mut tar = Tar::default();
        tar.dir("opt").file(format!("opt/file-{i}"), format!("{i}").as_bytes());
        layers.push(tar.end());
    }
    let mut fixture = Fixture::new();
    let chain = fixture.add(&layers);
    let thirty = fixture.compose(&chain[..30]).unwrap();
    let start = Instant::now();
    fixture.snapshots.prepare("thirty", &thirty, SnapshotKind::Active).unwrap();
    fixture.mounted("thirty", |at| assert!(at.join("opt/file-28").exists()));
    eprintln!("prepare, mount and unmount of 30 layers: {:?}", start.elapsed());
    let all = fixture.compose(&chain).unwrap();
    fixture.snapshots.prepare("all", &all, SnapshotKind::Active).unwrap();
    fixture.mounted("all", |at| assert_eq!(fs::read_dir(at.join("opt")).unwrap().count(), 119));
    assert_eq!(fixture.snapshots.ids().unwrap(), ["all", "thirty"]);
    fixture.snapshots.remove("thirty").unwrap();
    assert_eq!(fixture.snapshots.ids().unwrap(), ["all"]);
    assert_eq!(fixture.snapshots.usage("all").unwrap().inodes, 1);
}

#[test]
fn ids_are_mapped_without_touching_a_file() {
    if !overlay_is_there() || !can_run("mapped detached layers", is_linux((6, 15))) {
        return;
    }
    // A process in a user namespace of the test's own, whose maps the mount takes.
    let mut child =
        std::process::Command::new("unshare").args(["--user", "sleep", "60"]).spawn().unwrap();
    let path = format!("/proc/{}/ns/user", child.id());
    let own = fs::read_link("/proc/self/ns/user").unwrap();
    // unshare(1) makes the namespace before it executes sleep.
    let comm = format!("/proc/{}/comm", child.id());
    let ready = |_: &()| fs::read_to_string(&comm).is_ok_and(|name| name == "sleep\n");
    while !ready(&()) && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    for map in ["uid_map", "gid_map"] {
        // Where this is not allowed the namespace has no map, and the mount is refused.
        let _ = fs::write(format!("/proc/{}/{map}", child.id()), "0 100000 65536");
    }
    let usable = fs::read_link(&path).is_ok_and(|namespace| namespace != own);
    if can_run("user namespaces", usable) {
        let namespace = fs::File::open(&path).unwrap().into();
        let mut fixture = Fixture::new();
        let layers = fixture.add(&[base()]);
        let chain = fixture.compose(&layers).unwrap();
        let snapshot = fixture.snapshots.prepare("mapped", &chain, SnapshotKind::Active).unwrap();
        let mount = detached(&snapshot, IdMapping::UserNamespace(&namespace)).unwrap();
        let at = fixture.dir.path().join("mnt");
        fs::create_dir(&at).unwrap();
        kernel::mount::attach_at_path(&mount, at.as_path()).unwrap();
        let shown = record(&at);
        kernel::mount::detach(at.as_path()).unwrap();
        let stored = record(&fixture.layers.get(&layers[0].diff_id).unwrap().unwrap().tree());
        assert_eq!(shown[&os(b"root")].owner, (100_000, 100_007));
        assert_eq!(stored[&os(b"root")].owner, (0, 7));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
