//! A process that swaps directories for symbolic links while a layer is extracted.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use imgmgr::layer::{Durability, LayerForm, UnpackOptions};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::support::{Head, Tar, is_root, record, unpack};

/// Exchanges `a` and `b` until `stop`; returns how often it did.
fn swap(a: &Path, b: &Path, stop: &AtomicBool) -> u32 {
    let mut swaps = 0;
    while !stop.load(Ordering::Relaxed) {
        swaps += u32::from(renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).is_ok());
    }
    swaps
}

#[test]
fn a_racing_process_gets_nothing_outside() {
    if !is_root() {
        return;
    }
    let mut tar = Tar::default();
    tar.dir("d").dir("d/e");
    for i in 0..300 {
        // Away and back, so that directories are opened again and again.
        tar.add(&Head::new(format!("d/e/file-{i}"), b'0', 0o4777).owner(1, 1), b"data");
        tar.symlink(format!("d/e/link-{i}"), "x")
            .hard_link(format!("d/e/hard-{i}"), format!("d/e/file-{i}"));
        tar.dir(format!("other-{i}")).file("d/e/.wh.victim", b"").file("d/.wh.e-victim", b"");
    }
    let tar = tar.end();
    let mut swaps = 0;
    for round in 0..40 {
        let root = tempfile::tempdir().unwrap();
        let (inside, outside) = (root.path().join("inside"), root.path().join("outside"));
        fs::create_dir_all(inside.join("d/e")).unwrap();
        fs::create_dir_all(outside.join("e")).unwrap();
        for victim in ["victim", "e/victim", "e-victim", "e/file-1"] {
            fs::write(outside.join(victim), b"precious").unwrap();
        }
        let before = record(&outside);
        // Swap the outer or the inner directory for a link out.
        let (victim, link) = match round % 2 {
            0 => (inside.join("d"), root.path().join("link")),
            _ => (inside.join("d/e"), root.path().join("link")),
        };
        symlink(if round % 2 == 0 { &outside } else { root.path() }, &link).unwrap();
        let stop = AtomicBool::new(false);
        swaps += std::thread::scope(|scope| {
            let attacker = scope.spawn(|| swap(&victim, &link, &stop));
            let (form, durability) = (LayerForm::Flat, Durability::NoSync);
            // Refusing is fine, and so is succeeding: changing what is outside is not.
            let _ = unpack(
                &tar,
                &inside,
                UnpackOptions { form, durability, ..UnpackOptions::default() },
            );
            stop.store(true, Ordering::Relaxed);
            attacker.join().unwrap()
        });
        assert_eq!(record(&outside), before, "round {round}");
        let mut top: Vec<_> =
            fs::read_dir(root.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        top.sort();
        assert_eq!(top, ["inside", "link", "outside"], "round {round}");
    }
    assert!(swaps > 100, "the attacker hardly ran: {swaps} swaps");
}
