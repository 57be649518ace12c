//! An image to a bundle that the runtimes run, and its changes back to a layer.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use bundles::BundleOptions;
use imgmgr::layer::store::ChainLayer;
use imgmgr::layer::{Cancel, Durability, LayerDescriptor, LayerForm, Ownership, UnpackOptions};
use imgmgr::snapshot::DiffOptions;
use imgmgr::unpack::{UnpackError, UnpackImage, refresh_bundle, repack_bundle, unpack_bundle};

use crate::support::{
    Head, TAR, Tar, descriptor, differences, has, has_static_busybox, is_root, record, unpack,
};

const CONFIG: &str = r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},
    "config":{"Cmd":["/bin/busybox","echo","hello from the image"],"Env":["A=b"]}}"#;

/// Layers with a busybox, as the image of the tests.
fn layers() -> Vec<Vec<u8>> {
    let busybox = fs::read("/bin/busybox").unwrap_or_default();
    let mut base = Tar::default();
    base.dir("bin").add(&Head::new("bin/busybox", b'0', 0o755), &busybox);
    base.dir("etc").file("etc/passwd", b"root:x:0:0::/root:/bin/sh\n").file("etc/old", b"old");
    base.dir("srv").file("srv/a", b"a").file("srv/b", b"b").hard_link("srv/c", "srv/b");
    for dir in ["proc", "sys", "dev"] {
        base.dir(dir);
    }
    let mut next = Tar::default();
    next.file("etc/.wh.old", b"").file("etc/new", b"new");
    vec![base.end(), next.end()]
}

fn unpack_image(layers: &[Vec<u8>], bundle: &Path) -> Result<(), UnpackError> {
    unpack_image_for(layers, bundle, Ownership::Keep)
}

fn unpack_image_for(
    layers: &[Vec<u8>],
    bundle: &Path,
    ownership: Ownership,
) -> Result<(), UnpackError> {
    let chain: Vec<_> = layers
        .iter()
        .map(|tar| {
            let descriptor = descriptor(TAR, tar, tar);
            ChainLayer { diff_id: descriptor.diff_id.clone().unwrap(), descriptor }
        })
        .collect();
    let blobs = |layer: &LayerDescriptor| -> io::Result<Box<dyn Read + Send>> {
        let found = chain.iter().position(|known| known.descriptor.digest == layer.digest);
        let bytes = layers[found.ok_or(io::ErrorKind::NotFound)?].clone();
        Ok(Box::new(io::Cursor::new(bytes)))
    };
    let image = UnpackImage { config: CONFIG.as_bytes(), layers: &chain, blobs: &blobs, pin: None };
    let options =
        UnpackOptions { ownership, durability: Durability::NoSync, ..UnpackOptions::default() };
    unpack_bundle(&image, bundle, &options, &BundleOptions::default(), &Cancel::default())
}

#[test]
fn a_runtime_runs_the_bundle() {
    if !is_root() || !has("runc") || !has_static_busybox() {
        return;
    }
    let _alone = crate::upkeep::no_mounts();
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle");
    unpack_image(&layers(), &bundle).unwrap();
    // As it stands the configuration wants a network and a cgroup namespace; runc makes them.
    let id = format!("imgmgr-test-{}", std::process::id());
    let out = Command::new("runc")
        .arg("--root")
        .arg(dir.path().join("state"))
        .args(["run", "--no-pivot", "--bundle"])
        .arg(&bundle)
        .arg(&id)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{text}");
    assert_eq!(out.stdout, b"hello from the image\n");
}

#[test]
fn a_bundle_is_made_once_and_whole_or_not_at_all() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle");
    let mut broken = layers();
    broken[1].truncate(700);
    let mut lying = layers();
    lying[1] = b"not a tar at all, and not a multiple of anything".to_vec();
    for layers in [broken, lying] {
        unpack_image(&layers, &bundle).unwrap_err();
        assert!(!bundle.exists());
    }
    unpack_image(&layers(), &bundle).unwrap();
    let again = unpack_image(&layers(), &bundle).unwrap_err();
    assert!(matches!(again, UnpackError::Exists { .. }), "{again}");
    assert!(bundle.join("config.json").exists());
}

#[test]
fn a_repacked_layer_makes_the_same_changes() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle");
    unpack_image(&layers(), &bundle).unwrap();
    let root = bundle.join("rootfs");
    let options = DiffOptions { latest: Some(1_700_000_000) };
    let repack = || repack_bundle(&bundle, Vec::new(), options, Durability::NoSync).unwrap();
    assert_eq!(repack().1.entries, 0, "nothing changed");
    fs::write(root.join("etc/new"), b"changed").unwrap();
    fs::remove_dir_all(root.join("srv")).unwrap();
    fs::remove_file(root.join("etc/passwd")).unwrap();
    fs::create_dir_all(root.join("opt/deep")).unwrap();
    fs::write(root.join("opt/deep/file"), b"deep").unwrap();
    fs::hard_link(root.join("opt/deep/file"), root.join("opt/link")).unwrap();
    let (tar, summary) = repack();
    assert_eq!(tar, repack().0, "the same bytes again");
    assert_eq!(summary.whiteouts, 2, "srv and etc/passwd");
    let applied = tempfile::tempdir().unwrap();
    for layer in [layers(), vec![tar]].concat() {
        let form = LayerForm::Flat;
        unpack(&layer, applied.path(), UnpackOptions { form, ..UnpackOptions::default() }).unwrap();
    }
    let (mut ours, mut theirs) = (record(applied.path()), record(&root));
    for record in ours.values_mut().chain(theirs.values_mut()) {
        record.mtime = (0, 0);
    }
    let differences = differences(&ours, &theirs);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    refresh_bundle(&bundle, Durability::NoSync).unwrap();
    assert_eq!(repack().1.entries, 0, "the base is the present state");
}

#[test]
fn every_name_of_a_file_has_its_owner_in_a_repacked_layer() {
    let mut base = Tar::default();
    base.dir("srv").add(&Head::new("srv/a", b'0', 0o644).owner(33, 300), b"a");
    base.hard_link("srv/b", "srv/a").hard_link("srv/c", "srv/a");
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle");
    unpack_image_for(&[base.end()], &bundle, Ownership::Caller).unwrap();
    fs::set_permissions(bundle.join("rootfs/srv/b"), fs::Permissions::from_mode(0o600)).unwrap();
    let (tar, _) =
        repack_bundle(&bundle, Vec::new(), DiffOptions::default(), Durability::NoSync).unwrap();
    let archive = dir.path().join("layer.tar");
    fs::write(&archive, tar).unwrap();
    let out = Command::new("tar").args(["--numeric-owner", "-tvf"]).arg(archive).output().unwrap();
    let list = String::from_utf8(out.stdout).unwrap();
    let lines: Vec<_> = list.lines().filter(|line| line.contains("srv/a")).collect();
    assert_eq!(lines.len(), 3, "{list}");
    assert!(lines.iter().all(|line| line.contains(" 33/300 ")), "{list}");
}

#[test]
fn a_root_keeps_no_owner_of_an_earlier_layer() {
    let layer = |owner: (u64, u64), name: &str| {
        let mut tar = Tar::default();
        tar.add(&Head::new("./", b'5', 0o755).owner(owner.0, owner.1), b"").file(name, b"");
        tar.end()
    };
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle");
    let layers = [layer((33, 33), "a"), layer((0, 0), "b")];
    unpack_image_for(&layers, &bundle, Ownership::Caller).unwrap();
    let root = &record(&bundle.join("rootfs"))[Path::new("")];
    assert!(!root.xattrs.contains_key("user.rootlesscontainers"), "{root:?}");
}
