//! Any bytes as a layer's tar: entries keep the promises of their type, and end.

#![no_main]

use imgmgr::layer::tar::{EntryKind, TarReader};
use libfuzzer_sys::fuzz_target;

const MAX_FILE_BYTES: u64 = 1 << 30;

fuzz_target!(|bytes: &[u8]| {
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
            let ends = segments.iter().map(|s| (s.offset, s.offset.checked_add(s.len).unwrap()));
            let ends: Vec<(u64, u64)> = ends.collect();
            assert!(ends.windows(2).all(|pair| pair[0].1 <= pair[1].0));
            assert!(ends.last().is_none_or(|&(_, end)| end <= entry.size));
        }
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
});
