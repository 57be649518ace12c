//! Any bytes as an eStargz footer, member and table of contents: what is accepted cuts the blob
//! without gaps.

use std::io::Write;

use imgmgr::digest::Digest;
use imgmgr::image::{Descriptor, media};
use imgmgr::layer::tar::{Entry, TarWriter};
use imgmgr::toc::{TocHint, pieces};

const BLOB_BYTES: u64 = 1 << 20;
const TOC_AT: u64 = 1 << 19;

fn hint(json: &[u8]) -> TocHint {
    let mut layer = Descriptor::new(media::OCI_LAYER_GZIP, Digest::of(b""), BLOB_BYTES);
    let key = "containerd.io/snapshot/stargz/toc.digest".to_owned();
    layer.annotations = Some([(key, Digest::of(json).to_string())].into());
    TocHint::of(&layer).expect("annotations that are right").expect("and there")
}

pub(crate) fn run(bytes: &[u8]) {
    let hint = hint(bytes);
    let toc = TOC_AT..BLOB_BYTES - 51;
    // The bytes as a footer, as a member, and as what a member holds.
    if let Ok(range) = hint.read_footer(bytes) {
        assert!(range.start > 0 && range.end == BLOB_BYTES - 51 && range.start < range.end);
    }
    let _ = pieces(&hint, &toc, bytes);
    let mut tar = TarWriter::new(Vec::new());
    let path = b"stargz.index.json".to_vec();
    let entry = Entry { path, mode: 0o444, size: bytes.len() as u64, ..Entry::default() };
    tar.entry(&entry).expect("memory takes it");
    tar.data(bytes).expect("memory takes it");
    let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    member.write_all(&tar.finish().expect("memory takes it")).expect("memory takes it");
    let member = member.finish().expect("memory takes it");
    let Ok(pieces) = pieces(&hint, &toc, &member) else { return };
    let mut position = 0;
    for piece in pieces {
        assert!(piece.range.start == position && piece.range.end > position);
        position = piece.range.end;
    }
    assert_eq!(position, TOC_AT);
}
