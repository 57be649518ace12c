//! Lines of text as the entries of a layer, unpacked for real: nothing beside the destination changes.
//!
//! ```text
//! line  kind path [TAB link or data]      kind: f d s h p c
//! $     in a path or link: the directory that holds the destination
//! ```

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use imgmgr::digest::Digest;
use imgmgr::image::media;
use imgmgr::layer::tar::{Entry, EntryKind, TarWriter};
use imgmgr::layer::{
    Cancel, DeviceNodes, Durability, LayerDescriptor, LayerForm, Ownership, UnpackOptions, Unpacker,
};

/// More make a run slow and show nothing new.
const MAX_ENTRIES: usize = 32;
const SECRET: &[u8] = b"not to be written to";

pub(crate) fn run(bytes: &[u8]) {
    let Some((form, lines)) = bytes.split_first() else { return };
    let form =
        [LayerForm::Overlay, LayerForm::OverlayUserXattr, LayerForm::Flat][usize::from(*form) % 3];
    let outer = tempfile::tempdir().expect("a directory to work in");
    let [secret, kept, into] = ["secret", "kept", "into"].map(|name| outer.path().join(name));
    fs::write(&secret, SECRET).expect("a file");
    fs::create_dir(&kept).expect("a directory");
    fs::create_dir(&into).expect("a directory");
    let before = [&secret, &kept].map(|path| fs::metadata(path).expect("just made"));

    let tar = tar(lines, outer.path());
    let layer = LayerDescriptor {
        media_type: media::OCI_LAYER.to_owned(),
        digest: Digest::of(&tar),
        size: tar.len() as u64,
        diff_id: Some(Digest::of(&tar)),
    };
    let options = UnpackOptions {
        form,
        ownership: Ownership::Caller,
        devices: DeviceNodes::Placeholder,
        durability: Durability::NoSync,
        ..UnpackOptions::default()
    };
    let root = File::open(&into).expect("just made");
    let unpacked =
        Unpacker::new(options).unpack(tar.as_slice(), &layer, root.as_fd(), &Cancel::default());
    if let Ok(unpacked) = unpacked {
        assert_eq!(unpacked.tar_bytes, tar.len() as u64);
        assert!(unpacked.entries <= MAX_ENTRIES as u64);
    }

    assert_eq!(fs::read(&secret).expect("still there"), SECRET);
    let after = [&secret, &kept].map(|path| fs::metadata(path).expect("still there"));
    for (before, after) in before.iter().zip(&after) {
        use std::os::unix::fs::MetadataExt;
        let stamp = |m: &fs::Metadata| (m.ino(), m.mode(), m.nlink(), m.ctime(), m.ctime_nsec());
        assert_eq!(stamp(before), stamp(after));
    }
    let names = fs::read_dir(outer.path()).expect("still there");
    assert_eq!(names.count(), 3, "nothing was made beside the destination");
    assert_eq!(fs::read_dir(&kept).expect("still there").count(), 0);
}

fn tar(lines: &[u8], outer: &Path) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    for line in lines.split(|byte| *byte == b'\n').take(MAX_ENTRIES) {
        let Some((kind, rest)) = line.split_first() else { continue };
        let mut parts = rest.splitn(2, |byte| *byte == b'\t');
        let [path, text] = [0; 2].map(|_| resolved(parts.next().unwrap_or_default(), outer));
        let mut entry = Entry { path, mode: 0o755, ..Entry::default() };
        match kind {
            b'd' => entry.kind = EntryKind::Directory,
            b's' => (entry.kind, entry.link) = (EntryKind::Symlink, text.clone()),
            b'h' => (entry.kind, entry.link) = (EntryKind::HardLink, text.clone()),
            b'p' => entry.kind = EntryKind::Fifo,
            b'c' => (entry.kind, entry.device) = (EntryKind::CharDevice, (1, 3)),
            _ => entry.size = text.len() as u64,
        }
        let data = if entry.kind == EntryKind::Regular { text.as_slice() } else { &[] };
        tar.entry(&entry).expect("memory takes it");
        tar.data(data).expect("memory takes it");
    }
    tar.finish().expect("memory takes it")
}

fn resolved(text: &[u8], outer: &Path) -> Vec<u8> {
    let parts: Vec<&[u8]> = text.split(|byte| *byte == b'$').collect();
    parts.join(outer.as_os_str().as_bytes())
}
