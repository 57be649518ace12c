//! A quota that is used up at any write: to whoever meets it, a disk that is full (`full.rs`).
//!
//! btrfs has quotas of its own, by subvolume; other file systems need a kernel with `CONFIG_QFMT_V2`
//! or `CONFIG_TMPFS_QUOTA`. Its metadata counts, so the sizes at which a command fails are coarse.

use std::path::Path;
use std::process::Command;

use super::full::{
    Sources, check_failure, check_leftovers, copy, inside, many_files, plain, run, words,
};
use super::registry::{Registry, have};
use super::support::{Place, layout, succeeds, tar};

const QUOTA: (&str, &str) =
    ("Disk quota exceeded", "hint: the quota on this disk is used up: make room");
/// The file system, of which little is ever used.
const DISK_BYTES: u64 = 512 << 20;
/// The first amount that is tried beside what is used, and the step of the others.
const STEP_BYTES: u64 = 128 << 10;
/// Enough for every command.
const ROOM_BYTES: u64 = 64 << 20;
/// The file system's own subvolume.
const GROUP: &str = "0/5";

fn has_btrfs() -> bool {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap();
    if !known.lines().any(|line| line.trim() == "btrfs") {
        eprintln!("skipped: the kernel has no btrfs");
        assert!(std::env::var_os("REQUIRE_ALL").is_none(), "btrfs is required");
        return false;
    }
    have("mkfs.btrfs") && have("btrfs")
}

/// A btrfs on a loop device with the command's data directory.
struct Disk<'p> {
    image: &'p Path,
    at: &'p Path,
}

impl Disk<'_> {
    /// Makes it anew, with `content` on it and, where told, no more than `more` bytes left.
    fn mount(&self, content: &Path, more: Option<u64>) {
        let (image, at) = (self.image.to_str().unwrap(), self.at.to_str().unwrap());
        std::fs::File::create(self.image).unwrap().set_len(DISK_BYTES).unwrap();
        run("mkfs.btrfs", &["--quiet", "--force", image]);
        std::fs::create_dir_all(self.at).unwrap();
        run("mount", &["-o", "loop", image, at]);
        copy(content, self.at);
        run("btrfs", &["quota", "enable", at]);
        run("btrfs", &["quota", "rescan", "-w", at]);
        if let Some(more) = more {
            run("btrfs", &["qgroup", "limit", &(self.used() + more).to_string(), GROUP, at]);
        }
    }

    fn used(&self) -> u64 {
        let mut show = Command::new("btrfs");
        show.args(["qgroup", "show", "--raw", "--sync"]).arg(self.at);
        let table = succeeds(&mut show);
        let row = table.lines().find(|line| line.starts_with(GROUP)).expect("no such group");
        row.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Takes the limit away: setting another one may itself be more than the quota allows.
    fn unlimit(&self) {
        run("btrfs", &["quota", "disable", self.at.to_str().unwrap()]);
    }

    fn unmount(&self) {
        run("umount", &["-R", self.at.to_str().unwrap()]);
    }
}

/// Tries a command with `more` bytes than are used; true if it succeeded.
fn attempt(place: &Place, disk: &Disk, args: &[String], more: u64) -> bool {
    let context = format!("{args:?} with {more} bytes");
    disk.mount(&place.path("kept"), Some(more));
    let output = plain(place, args);
    let succeeded = output.status.success();
    if !succeeded {
        check_failure(&output, QUOTA, &context);
        check_leftovers(disk.at, &context);
    }
    disk.unlimit();
    if disk.at.join("images/oci-layout").exists() {
        assert_eq!(place.run(&["fsck"]), "clean\n", "{context}");
    }
    if !succeeded {
        let again = plain(place, args);
        let stderr = String::from_utf8_lossy(&again.stderr);
        assert!(again.status.success(), "{context}, then with room: {stderr}");
        assert_eq!(place.run(&["fsck"]), "clean\n", "{context}, then with room");
    }
    disk.unmount();
    succeeded
}

/// Keeps the state in which a command starts.
fn prepare(place: &Place, disk: &Disk, setup: &[String]) {
    let kept = place.path("kept");
    let _ = std::fs::remove_dir_all(&kept);
    std::fs::create_dir(&kept).unwrap();
    disk.mount(&kept, None);
    for command in setup {
        let output = plain(place, &words(command));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {stderr}");
    }
    let upper = disk.at.join("snapshots/s/upper");
    if upper.exists() {
        for n in 0..20 {
            std::fs::write(upper.join(format!("new-{n}")), vec![b'n'; 6000]).unwrap();
        }
    }
    copy(disk.at, &kept);
    disk.unmount();
}

#[test]
fn a_used_up_quota_spoils_nothing() {
    if !inside("quota::a_used_up_quota_spoils_nothing") {
        return;
    }
    if !has_btrfs() {
        return;
    }
    let Some(registry) = Registry::open() else { return };
    let place = Place::new();
    let Sources { name, archive, .. } = Sources::make(&place, &registry);
    let (image, at) = (place.path("disk.img"), place.path("data"));
    let _ = std::fs::remove_dir_all(&at);
    let disk = Disk { image: &image, at: &at };
    let pull = format!("pull --unpack {name}");
    let prepared = [pull.clone(), format!("snapshot prepare {name} s")];
    let cases: [(&[String], String); 4] = [
        (&[], pull.clone()),
        (&[], format!("load --input {}", archive.display())),
        (&prepared[..1], format!("unpack {name} {} sh", at.join("bundle").display())),
        (&prepared, "commit snapshot:s new:1".to_owned()),
    ];
    for (setup, command) in cases {
        let args = words(&command);
        prepare(&place, &disk, setup);
        let (mut more, mut failures) = (0, 0);
        while !attempt(&place, &disk, &args, more) {
            failures += 1;
            more += STEP_BYTES.max(more / 2);
            assert!(more < ROOM_BYTES, "{command}: no quota is enough");
        }
        eprintln!("{command}: {failures} failures for lack of quota");
        assert!(failures > 0, "{command}: no quota was ever used up");
    }
}

#[test]
fn a_used_up_quota_can_be_cleared() {
    if !inside("quota::a_used_up_quota_can_be_cleared") {
        return;
    }
    if !has_btrfs() {
        return;
    }
    let place = Place::new();
    layout(&place.path("in"), &[tar("a", 400_000), many_files()]);
    let (image, at) = (place.path("disk.img"), place.path("data"));
    let disk = Disk { image: &image, at: &at };
    let setup = [
        format!("copy oci:{}:v1 r.io/a:1", place.path("in").display()),
        "snapshot prepare r.io/a:1 s".to_owned(),
        "untag r.io/a:1".to_owned(),
    ];
    prepare(&place, &disk, &setup);
    disk.mount(&place.path("kept"), Some(0));
    // Nothing can be made, so that even a rename is refused.
    assert!(std::fs::rename(at.join("snapshots/s"), at.join("snapshots/t")).is_err());
    place.run(&["snapshot", "rm", "s"]);
    place.run(&["gc", "--keep-downloads", "0s"]);
    for (dir, left) in [("images/blobs/sha256", 0), ("images/x-imgmgr/layers", 2), ("snapshots", 1)]
    {
        assert_eq!(std::fs::read_dir(at.join(dir)).unwrap().count(), left, "{dir}");
    }
    disk.unlimit();
    assert_eq!(place.run(&["fsck"]), "clean\n");
    disk.unmount();
}
