//! SIGKILL at any moment of unpacking: what is there is whole, and the next run finishes.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use imgmgr::layer::store::LayerStore;
use imgmgr::layer::{LayerForm, UnpackOptions};

use crate::support::{
    TAR, Tar, can_run, differences, digest, is_root, record, unpack, write_layout,
};

const KILLS: u32 = 40;

fn imgmgr(root: &Path) -> Command {
    let mut command = Command::new(crate::support::imgmgr());
    command.arg("--root").arg(root).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn layer(number: u32) -> Vec<u8> {
    let mut tar = Tar::default();
    tar.dir("data");
    for i in 0..300 {
        tar.file(format!("data/{number}-{i}"), &vec![b'x'; 2000]);
    }
    tar.end()
}

#[test]
fn a_killed_unpack_leaves_only_whole_layers() {
    let overlay =
        fs::read_to_string("/proc/filesystems").is_ok_and(|text| text.contains("overlay"));
    if !is_root() || !can_run("overlayfs", overlay) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (layout, root, at) =
        (dir.path().join("layout"), dir.path().join("d"), dir.path().join("m"));
    fs::create_dir(&layout).unwrap();
    fs::create_dir(&at).unwrap();
    let layers: Vec<_> = (0..4).map(layer).collect();
    let named: Vec<_> =
        layers.iter().map(|tar| (TAR.to_owned(), tar.clone(), digest(tar))).collect();
    write_layout(&layout, &named, "{}");
    let from = format!("oci:{}:latest", layout.display());
    assert!(imgmgr(&root).args(["copy", &from, "img:1"]).status().unwrap().success());
    // What each layer is when nobody is killed.
    let mut whole = std::collections::BTreeMap::new();
    for tar in &layers {
        let tree = tempfile::tempdir().unwrap();
        let form = LayerForm::Overlay;
        unpack(tar, tree.path(), UnpackOptions { form, ..UnpackOptions::default() }).unwrap();
        whole.insert(digest(tar).replace(':', "-"), record(tree.path()));
    }
    let store = root.join("images/x-imgmgr/layers");
    let mut killed = 0;
    for round in 0..KILLS {
        let mut child = imgmgr(&root).args(["mount", "img:1"]).arg(&at).spawn().unwrap();
        // Later and later, so that every phase has its turn; then from the start again.
        let moment = Duration::from_millis(u64::from(round % 20) * 4);
        let start = Instant::now();
        while start.elapsed() < moment && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        killed += u32::from(!child.wait().unwrap().success());
        let _ = imgmgr(&root).arg("umount").arg(&at).status();
        if store.exists() {
            let names =
                LayerStore::open(&store, UnpackOptions::default()).unwrap().names().unwrap();
            for name in names {
                let found = record(&store.join(&name).join("tree"));
                let wrong = differences(&found, &whole[&name]);
                assert!(wrong.is_empty(), "round {round}, {name}:\n{}", wrong.join("\n"));
            }
        }
        if round % 20 == 19 {
            let _ = fs::remove_dir_all(&store);
        }
    }
    assert!(killed > 0, "nothing was ever killed");
    let last = imgmgr(&root).args(["mount", "img:1"]).arg(&at).output().unwrap();
    assert!(last.status.success(), "{}", String::from_utf8_lossy(&last.stderr));
    assert_eq!(fs::read_dir(at.join("data")).unwrap().count(), 1200);
    assert!(imgmgr(&root).arg("umount").arg(&at).status().unwrap().success());
    assert_eq!(fs::read_dir(store.join("ingest")).unwrap().count(), 0, "nothing is left over");
    let snapshots = imgmgr::snapshot::Snapshots::open(
        root.join("snapshots"),
        imgmgr::store::Durability::NoSync,
    )
    .unwrap();
    assert!(snapshots.ids().unwrap().is_empty());
}
