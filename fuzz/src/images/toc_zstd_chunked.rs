//! Any bytes as a zstd:chunked table of contents, as JSON and as compressed: what is accepted
//! cuts the blob without gaps.

use imgmgr::digest::Digest;
use imgmgr::image::{Descriptor, media};
use imgmgr::toc::{TocHint, pieces};

const BLOB_BYTES: u64 = 1 << 20;
const TOC_AT: u64 = 1 << 19;

fn cut(packed: &[u8], length: u64) {
    let mut layer = Descriptor::new(media::OCI_LAYER_ZSTD, Digest::of(b""), BLOB_BYTES);
    let key = |name| format!("io.github.containers.zstd-chunked.manifest-{name}");
    let position = format!("{TOC_AT}:{}:{length}:1", packed.len());
    let checksum = Digest::of(packed).to_string();
    layer.annotations = Some([(key("checksum"), checksum), (key("position"), position)].into());
    let Ok(Some(hint)) = TocHint::of(&layer) else { return };
    let toc = TOC_AT..TOC_AT + packed.len() as u64;
    let Ok(pieces) = pieces(&hint, &toc, packed) else { return };
    let mut position = 0;
    for piece in pieces {
        assert!(piece.range.start == position && piece.range.end > position);
        position = piece.range.end;
    }
    assert_eq!(position, hint.tail(&toc).expect("within the limit").start);
}

pub(crate) fn run(bytes: &[u8]) {
    cut(bytes, 1000);
    if let Ok(packed) = zstd::encode_all(bytes, 1) {
        cut(&packed, bytes.len() as u64);
    }
    // Annotations are foreign text too.
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some((checksum, position)) = text.split_once('\n')
    {
        let mut layer = Descriptor::new(media::OCI_LAYER_ZSTD, Digest::of(b""), BLOB_BYTES);
        let key = |name| format!("io.github.containers.zstd-chunked.manifest-{name}");
        let both = [(key("checksum"), checksum.to_owned()), (key("position"), position.to_owned())];
        layer.annotations = Some(both.into());
        let _ = TocHint::of(&layer).map(|hint| hint.map(|hint| hint.place()));
    }
}
