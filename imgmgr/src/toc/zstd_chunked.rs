//! zstd:chunked: where its TOC lies, and how it is packed.

use std::io::{self, Read};
use std::ops::Range;

use super::{TocEntry, TocError, checked_place, parse_entries};
use crate::digest::{Digest, Hasher};

/// Digest of the TOC as compressed.
pub(super) const CHECKSUM: &str = "io.github.containers.zstd-chunked.manifest-checksum";
/// `offset:compressed length:length:type` of the TOC.
pub(super) const POSITION: &str = "io.github.containers.zstd-chunked.manifest-position";
/// `offset:compressed length:length` of what the tar has besides files.
pub(super) const TAR_SPLIT: &str = "io.github.containers.zstd-chunked.tarsplit-position";
/// Bytes before the TOC: magic and length of its skippable frame.
pub(super) const SKIPPABLE_HEADER_BYTES: u64 = 8;
/// The only type of a TOC that there is.
pub(super) const TYPE_CRFS: u64 = 1;
/// Largest window of a TOC's frame, as a power of two: no TOC is longer.
const MAX_TOC_WINDOW_LOG: u32 = super::MAX_TOC_BYTES.ilog2();

/// Reads [`POSITION`]: where the compressed TOC lies, and its length when decompressed.
pub(super) fn parse_position(text: &str, size: u64) -> Result<(Range<u64>, u64), TocError> {
    let invalid = |reason| {
        let value = text.chars().take(100).collect();
        TocError::Annotation { key: POSITION, value, reason }
    };
    let numbers: Option<Vec<u64>> = text.split(':').take(5).map(|word| word.parse().ok()).collect();
    let Some(&[start, packed, length, kind]) = numbers.as_deref() else {
        return Err(invalid("not four numbers"));
    };
    if kind != TYPE_CRFS {
        return Err(invalid("the type is unknown"));
    }
    if length > super::MAX_TOC_BYTES {
        let value = super::MAX_TOC_BYTES;
        return Err(TocError::Limit { limit: "MAX_TOC_BYTES", value });
    }
    Ok((checked_place(start, packed, size)?, length))
}

/// Verifies the compressed TOC and hands out its entries.
pub(super) fn entries(
    packed: &[u8],
    length: u64,
    digest: &Digest,
    each: &mut dyn FnMut(TocEntry) -> Result<(), TocError>,
) -> Result<(), TocError> {
    let mut hasher = Hasher::new(digest.algorithm());
    hasher.update(packed);
    let found = hasher.finish();
    if found != *digest {
        return Err(TocError::Digest { expected: digest.clone(), found });
    }
    let unreadable = |source| TocError::Read { source };
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(unreadable)?;
    decoder.window_log_max(MAX_TOC_WINDOW_LOG).map_err(unreadable)?;
    let mut json = decoder.take(length);
    parse_entries(&mut json, each)?;
    let rest = json.limit();
    let more = json.into_inner().read(&mut [0]).map_err(unreadable)?;
    if rest > 0 || more > 0 {
        let reason = "not as long as its position says";
        return Err(TocError::Read { source: io::Error::new(io::ErrorKind::InvalidData, reason) });
    }
    Ok(())
}
