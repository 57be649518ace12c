//! eStargz: where its TOC lies, and how it is packed.

use std::io::{self, Read};
use std::ops::Range;

use super::{MAX_TOC_BYTES, TocEntry, TocError, TocFormat, checked_place, parse_entries};
use crate::digest::{Digest, Hasher};
use crate::layer::tar::TarReader;

/// Digest of the TOC's JSON.
pub(super) const DIGEST: &str = "containerd.io/snapshot/stargz/toc.digest";
/// The tar entry that is the TOC.
pub(super) const TOC_NAME: &[u8] = b"stargz.index.json";

/// An empty gzip member whose extra field `SG` holds `<16 hexadecimal digits>STARGZ`.
const FOOTER_BYTES: usize = 51;
/// A gzip header with an extra field of 26 bytes, up to the digits; `None` may be anything.
const FOOTER_START: [Option<u8>; 16] = [
    Some(0x1f),
    Some(0x8b),
    Some(8),
    Some(4),
    None,
    None,
    None,
    None,
    None,
    None,
    Some(26),
    Some(0),
    Some(b'S'),
    Some(b'G'),
    Some(22),
    Some(0),
];

/// Where the footer of a blob of `size` bytes lies.
pub(super) fn footer_range(size: u64) -> Result<Range<u64>, TocError> {
    let start = size.checked_sub(FOOTER_BYTES as u64);
    let start = start.ok_or(TocError::Footer { format: TocFormat::Stargz })?;
    Ok(start..size)
}

/// Reads where the member with the TOC lies.
pub(super) fn parse_footer(footer: &[u8], size: u64) -> Result<Range<u64>, TocError> {
    let no_footer = TocError::Footer { format: TocFormat::Stargz };
    let fits = footer.len() == FOOTER_BYTES
        && FOOTER_START
            .iter()
            .zip(footer)
            .all(|(want, byte)| want.is_none_or(|want| want == *byte))
        && &footer[32..38] == b"STARGZ";
    let digits =
        footer.get(16..32).filter(|_| fits).and_then(|text| std::str::from_utf8(text).ok());
    let Some(start) = digits
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .and_then(|text| u64::from_str_radix(text, 16).ok())
    else {
        return Err(no_footer);
    };
    checked_place(start, footer_range(size)?.start.saturating_sub(start), size)
}

/// Verifies the TOC in its member and hands out its entries.
pub(super) fn entries(
    member: &[u8],
    digest: &Digest,
    each: &mut dyn FnMut(TocEntry) -> Result<(), TocError>,
) -> Result<(), TocError> {
    let decoder = flate2::bufread::GzDecoder::new(member);
    let limited = io::BufReader::with_capacity(64 << 10, decoder.take(MAX_TOC_BYTES));
    let mut tar = TarReader::new(limited, MAX_TOC_BYTES);
    let unreadable =
        |error| TocError::Read { source: io::Error::new(io::ErrorKind::InvalidData, error) };
    let first = tar.next_entry().map_err(unreadable)?;
    if first.is_none_or(|entry| entry.path != TOC_NAME) {
        return Err(TocError::Footer { format: TocFormat::Stargz });
    }
    let mut json = Json { tar, hasher: Hasher::new(digest.algorithm()) };
    let parsed = parse_entries(&mut json, each);
    // Other bytes explain whatever the parser did not like.
    io::copy(&mut json, &mut io::sink()).map_err(|source| TocError::Read { source })?;
    let found = json.hasher.finish();
    if found != *digest {
        return Err(TocError::Digest { expected: digest.clone(), found });
    }
    parsed
}

/// The data of the tar's entry, digested as it is read.
struct Json<R> {
    tar: TarReader<R>,
    hasher: Hasher,
}

impl<R: io::BufRead> Read for Json<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let run = self.tar.data().map_err(invalid)?;
        let n = run.len().min(out.len());
        out[..n].copy_from_slice(&run[..n]);
        self.hasher.update(&out[..n]);
        self.tar.consume(n);
        Ok(n)
    }
}
