//! Sealed mounts: what the disk has changed is not read.

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Head, Tar, is_root};
use crate::upkeep::Place;

/// A base, and a layer that hides a file of it.
fn layers() -> Vec<Vec<u8>> {
    let mut base = Tar::default();
    base.add(&Head::new("./", b'5', 0o751), b"");
    base.dir("d").file("d/file", &content()).file("d/gone", b"x").file("e", b"");
    let mut top = Tar::default();
    top.file("d/.wh.gone", b"").file("d/new", b"new");
    vec![base.end(), top.end()]
}

/// Nothing else on a disk looks like it.
fn content() -> Vec<u8> {
    b"What a disk forgets, a seal remembers.\n".repeat(600)
}

#[test]
fn a_file_system_without_verity_says_so() {
    if !is_root() {
        return;
    }
    // tmpfs has none.
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let Some(place) = Place::inside(memory) else { return };
    place.image("a:1", &layers());
    let said = place.fail(&["mount", "--sealed", "a:1", &place.mount_point()]);
    assert!(said.contains("has no fs-verity") && said.contains("tune2fs"), "{said}");
    assert_eq!(place.run(&["snapshot", "list", "--format", "json"]), "[]\n");
    let said = place.fail(&["mount", "--sealed", "--writable", "a:1", &place.mount_point()]);
    assert!(said.contains("cannot be used with"), "{said}");
    place.mount("a:1");
    assert_eq!(fs::read(place.path("m/d/new")).unwrap(), b"new");
    place.umount();
    assert_eq!(place.run(&["fsck"]), "clean\n");
}

/// A disk that does fs-verity, and can be taken away.
struct Disk {
    image: tempfile::NamedTempFile,
    at: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        let disk = Self {
            image: tempfile::NamedTempFile::new().unwrap(),
            at: tempfile::tempdir().unwrap(),
        };
        disk.image.as_file().set_len(64 << 20).unwrap();
        let options = ["-q", "-b", "4096", "-O", "verity"];
        succeeds(Command::new("mkfs.ext4").args(options).arg(disk.image.path()));
        disk.mount();
        disk
    }

    fn mount(&self) {
        succeeds(Command::new("mount").args(["-o", "loop"]).arg(self.image.path()).arg(self.at()));
    }

    fn unmount(&self) {
        succeeds(Command::new("umount").arg(self.at()));
    }

    fn at(&self) -> &Path {
        self.at.path()
    }

    /// Changes one byte of what the disk has of `content`, behind the file system's back.
    fn spoil(&self, content: &[u8]) {
        self.unmount();
        let bytes = fs::read(self.image.path()).unwrap();
        // A file begins at a block, and the blob that has it, too, with a header; what was compared
        // with the file and removed may still be there.
        let places =
            (0..bytes.len()).step_by(4096).filter(|at| bytes[*at..].starts_with(&content[..64]));
        let mut spoilt = 0;
        for at in places {
            self.image.as_file().write_at(b"w", at as u64).unwrap();
            spoilt += 1;
        }
        assert!(spoilt > 0, "the file is on the disk");
        self.image.as_file().sync_all().unwrap();
        self.mount();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = kernel::mount::detach(self.at());
    }
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
}

/// The number of the error that a read ends with; 5 is `EIO`.
fn read_error(path: PathBuf) -> Option<i32> {
    fs::read(path).expect_err("it was read").raw_os_error()
}

#[test]
#[ignore = "needs fs-verity and Linux 6.12: `make vm-verity` runs it in a machine that has both"]
fn what_the_disk_has_changed_is_not_read() {
    let disk = Disk::new();
    let place = Place::inside(tempfile::tempdir_in(disk.at()).unwrap()).expect("root");
    let at = place.mount_point();
    place.image("a:1", &layers());
    let mount = || place.run(&["mount", "--sealed", "a:1", &at]);
    mount();
    assert_eq!(fs::read(place.path("m/d/file")).unwrap(), content());
    assert_eq!(fs::read(place.path("m/d/new")).unwrap(), b"new");
    assert_eq!(fs::read(place.path("m/e")).unwrap(), b"");
    assert!(!place.path("m/d/gone").exists());
    assert_eq!(
        fs::write(place.path("m/x"), b"").unwrap_err().kind(),
        io::ErrorKind::ReadOnlyFilesystem
    );
    let list = place.run(&["snapshot", "list", "--format", "json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list[0]["kind"], "sealed");
    let name = list[0]["name"].as_str().unwrap();
    assert!(place.fail(&["snapshot", "rm", name]).contains("mounted"));
    // The topmost layer does not describe the root, and the snapshot's own directory does not show.
    let own = place.path("d/snapshots").join(name).join("root");
    fs::write(own.join("intruder"), b"x").unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(!place.path("m/intruder").exists());
    assert_eq!(fs::metadata(place.path("m")).unwrap().permissions().mode() & 0o7777, 0o751);
    assert_eq!(place.run(&["fsck"]), "clean\n");
    place.umount();

    // A byte of a file: the file can't be read, and another still can.
    disk.spoil(&content());
    mount();
    assert_eq!(read_error(place.path("m/d/file")), Some(5));
    assert_eq!(fs::read(place.path("m/d/new")).unwrap(), b"new");
    place.umount();
    assert!(place.fail(&["fsck"]).contains("cannot be read"));
    assert!(place.run(&["fsck", "--repair"]).contains("mended layer"));
    mount();
    assert_eq!(fs::read(place.path("m/d/file")).unwrap(), content());
    place.umount();

    // A file changed places with one that has no digest, or another.
    let names = fs::read_dir(place.private("layers")).unwrap();
    let layers: Vec<PathBuf> = names.map(|entry| entry.unwrap().path()).collect();
    let base = layers.iter().find(|layer| layer.join("tree/d/file").exists()).unwrap();
    let (dir, file) = (base.join("tree/d"), base.join("tree/d/file"));
    let times = [&file, &dir].map(|path| fs::metadata(path).unwrap().modified().unwrap());
    fs::remove_file(&file).unwrap();
    fs::write(&file, content()).unwrap();
    for (path, time) in [&file, &dir].into_iter().zip(times) {
        fs::File::open(path).unwrap().set_modified(time).unwrap();
    }
    mount();
    assert_eq!(read_error(place.path("m/d/file")), Some(5));
    place.umount();
    assert!(place.run(&["fsck", "--repair"]).contains("its seal"));

    // The seal itself.
    mount();
    place.umount();
    let seal = base.join("seal.erofs");
    let bytes = fs::read(&seal).unwrap();
    assert!(fs::OpenOptions::new().write(true).open(&seal).is_err(), "it can't be written to");
    fs::remove_file(&seal).unwrap();
    fs::write(&seal, bytes).unwrap();
    let said = place.fail(&["mount", "--sealed", "a:1", &at]);
    assert!(said.contains("another digest") && said.contains("fsck --repair"), "{said}");
    assert!(place.run(&["fsck", "--repair"]).contains("another digest"));
    mount();
    place.umount();
    assert_eq!(place.run(&["fsck"]), "clean\n");
    place.run(&["untag", "a:1"]);
    place.run(&["gc"]);
    assert_eq!(fs::read_dir(place.private("layers")).unwrap().count(), 2, "ingest and locks");
}
