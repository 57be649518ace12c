//! Lines of text as an archive of images, loaded for real: what is accepted is whole, and what isn't
//! leaves nothing that a sweep doesn't take.
//!
//! ```text
//! line  kind path [TAB link or data]      kind: f d s h
//! $a    in a path or link or data: the digest, in hex, of the first line's data; $b of the second's, ...
//! #a    the same: the number of its bytes
//! ```

use std::path::Path;
use std::sync::Arc;

use imgmgr::copy;
use imgmgr::digest::Digest;
use imgmgr::layer::tar::{Entry, EntryKind, TarWriter};
use imgmgr::store::{Durability, GcRequest, RealDisk, Store};

/// More make a run slow and show nothing new.
const MAX_ENTRIES: usize = 16;

pub(crate) fn run(bytes: &[u8]) {
    let archive = archive(bytes);
    let place = tempfile::tempdir().expect("a directory to work in");
    let disk = Arc::new(RealDisk::new(Durability::NoSync));
    let store = Store::open(place.path(), disk).expect("an empty directory");
    let lease = store.lease().expect("a new store");
    let loaded = copy::load(&store, &lease, archive.as_slice(), Path::new("archive.tar"));
    for image in loaded.iter().flatten() {
        store.tag(image).expect("what was loaded is there");
    }
    drop(lease);
    assert_eq!(store.fsck().expect("a store that can be read"), []);
    let named = loaded.is_ok_and(|images| !images.is_empty());
    let swept = store.gc(GcRequest::default()).expect("a store that can be read");
    assert!(named || swept.kept == 0, "{swept:?}");
}

fn archive(lines: &[u8]) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    let mut known: Vec<(String, usize)> = Vec::new();
    for line in lines.split(|byte| *byte == b'\n').take(MAX_ENTRIES) {
        let Some((kind, rest)) = line.split_first() else { continue };
        let mut parts = rest.splitn(2, |byte| *byte == b'\t');
        let [path, text] = [0; 2].map(|_| resolved(parts.next().unwrap_or_default(), &known));
        known.push((Digest::of(&text).hex().to_owned(), text.len()));
        let mut entry = Entry { path, mode: 0o644, ..Entry::default() };
        match kind {
            b'd' => entry.kind = EntryKind::Directory,
            b's' => (entry.kind, entry.link) = (EntryKind::Symlink, text.clone()),
            b'h' => (entry.kind, entry.link) = (EntryKind::HardLink, text.clone()),
            _ => entry.size = text.len() as u64,
        }
        let data = if entry.kind == EntryKind::Regular { text.as_slice() } else { &[] };
        tar.entry(&entry).expect("memory takes it");
        tar.data(data).expect("memory takes it");
    }
    tar.finish().expect("memory takes it")
}

fn resolved(text: &[u8], known: &[(String, usize)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let line = |letter: &u8| known.get(usize::from(letter.wrapping_sub(b'a')));
        match (byte, bytes.peek().and_then(line)) {
            (b'$', Some((hex, _))) => out.extend_from_slice(hex.as_bytes()),
            (b'#', Some((_, length))) => out.extend_from_slice(length.to_string().as_bytes()),
            _ => {
                out.push(byte);
                continue;
            }
        }
        bytes.next();
    }
    out
}
