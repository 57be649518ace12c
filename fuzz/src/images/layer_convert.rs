//! Any bytes as the tar of a layer that becomes a zstd:chunked one: what is written decompresses to the
//! same tar, and its table of contents tells the truth.

use std::io::Write;

use imgmgr::digest::Digest;
use imgmgr::image::{Descriptor, media};
use imgmgr::toc::check::check;
use imgmgr::toc::write::write_zstd_chunked;
use imgmgr::toc::{TocHint, pieces};

const MAX_FILE_BYTES: u64 = 1 << 30;

pub(crate) fn run(bytes: &[u8]) {
    let Ok((blob, annotations)) = write_zstd_chunked(bytes, MAX_FILE_BYTES, Vec::new()) else {
        return;
    };
    assert!(zstd::decode_all(blob.as_slice()).expect("it was just compressed") == bytes);
    let mut layer = Descriptor::new(media::OCI_LAYER_ZSTD, Digest::of(&blob), blob.len() as u64);
    layer.annotations = Some(annotations);
    let mut file = tempfile::tempfile().expect("a directory to work in");
    file.write_all(&blob).expect("memory takes it");
    let findings = check(&file, &layer).expect("it has a table of contents");
    assert!(findings.is_empty(), "{findings:?}");
    let hint = TocHint::of(&layer).expect("annotations of ours").expect("they are there");
    let (place, toc) = hint.read(&file).expect("a file in memory");
    pieces(&hint, &place, &toc).expect("chunks in order");
}
