//! Any bytes as a layer's tar: entries keep the promises of their type, end, and can be written again.

use imgmgr::layer::tar::{Entry, EntryKind, TarReader, TarWriter};

const MAX_FILE_BYTES: u64 = 1 << 30;
/// Larger files are not written again.
const MAX_WRITTEN_BYTES: u64 = 1 << 13;

pub(crate) fn run(bytes: &[u8]) {
    let mut reader = TarReader::new(bytes, MAX_FILE_BYTES);
    let mut entries = 0;
    while let Ok(Some(entry)) = reader.next_entry() {
        entries += 1;
        assert!(entries * 512 <= bytes.len(), "an entry has a header");
        let entry = entry.clone();
        assert!(!entry.path.is_empty() && !entry.path.contains(&0) && !entry.link.contains(&0));
        assert!(entry.mode <= 0o7777 && entry.mtime.nanos < 1_000_000_000);
        assert!(entry.size <= MAX_FILE_BYTES);
        if let Some(segments) = &entry.sparse {
            let ends =
                segments.iter().map(|s| (s.offset, s.offset.checked_add(s.len).expect("it ends")));
            let ends: Vec<(u64, u64)> = ends.collect();
            assert!(ends.windows(2).all(|pair| pair[0].1 <= pair[1].0));
            assert!(ends.last().is_none_or(|&(_, end)| end <= entry.size));
        }
        check_written(&entry);
        let mut data = 0;
        loop {
            let Ok(run) = reader.data().map(<[u8]>::len) else { return };
            if run == 0 {
                break;
            }
            data += run as u64;
            reader.consume(run);
        }
        assert!(data <= entry.size);
        assert!(data == 0 || entry.kind == EntryKind::Regular);
    }
    let _ = reader.drain();
}

fn check_written(entry: &Entry) {
    if entry.sparse.is_some() || entry.size > MAX_WRITTEN_BYTES {
        return;
    }
    let mut entry = entry.clone();
    if !matches!(entry.kind, EntryKind::HardLink | EntryKind::Symlink) {
        entry.link.clear();
    }
    let mut tar = TarWriter::new(Vec::new());
    tar.entry(&entry).expect("memory takes it");
    let size = usize::try_from(entry.size).expect("below the limit");
    tar.data(&vec![0; size]).expect("memory takes it");
    let tar = tar.finish().expect("memory takes it");
    let mut reader = TarReader::new(tar.as_slice(), MAX_FILE_BYTES);
    assert_eq!(reader.next_entry().expect("just written"), Some(&entry));
}
