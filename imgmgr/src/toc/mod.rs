//! Tables of contents inside layers: zstd:chunked and eStargz.
//!
//! Both are ordinary zstd or gzip layers whose compressor was started anew for every chunk of a
//! file, and which carry at their end a list of these chunks (the TOC) that plain decompressors
//! don't see. Annotations of the layer's descriptor tell the TOC's digest:
//! ```text
//! zstd:chunked  frame* | skippable frame: TOC in zstd | skippable frame: tar-split | footer
//!               manifest-checksum: digest of the TOC as compressed
//!               manifest-position: offset:compressed length:length:1
//! eStargz       member* | member: tar entry `stargz.index.json` | footer of 51 bytes
//!               toc.digest: digest of the TOC's JSON; the footer tells where its member is
//! ```
//! A TOC is a hint, never the truth: the files of a layer come from its tar, whose digest the
//! image configuration has. [`check`] tells where the two differ; [`pieces()`] cuts the blob so
//! that a pull finds the parts that a blob in the store has too.

pub mod check;
mod entry;
mod listing;
mod order;
mod pieces;
mod plain;
mod split;
mod stargz;
mod time;
pub mod write;
mod zstd_chunked;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

pub use entry::{TocEntry, TocKind, parse_entries};
pub use listing::MAX_TOC_MEMORY;
pub use pieces::{MAX_TOC_PIECES, Piece, PieceKey, pieces};

use crate::digest::Digest;
use crate::image::Descriptor;

/// Most bytes of a TOC, compressed or not: some 200,000 files.
pub const MAX_TOC_BYTES: u64 = 64 << 20;
/// Most entries of a TOC.
pub const MAX_TOC_ENTRIES: usize = 1 << 20;
/// Most bytes of one entry's JSON: twice the headers that a tar may have for it, since extended
/// attributes are in base64. No more of a TOC's JSON than this and a buffer is ever in memory.
pub const MAX_TOC_ENTRY_BYTES: u64 = 2 * crate::layer::limits::MAX_PAX_BYTES;
/// The only version of a TOC that there is; estargz.md: "this value MUST be 1".
pub const TOC_VERSION: u64 = 1;

/// Whether an annotation of a layer's descriptor tells of a TOC, by its `key`.
pub(crate) fn is_annotation(key: &str) -> bool {
    // The second is what containers/storage wrote before 2023.
    [
        "io.github.containers.zstd-chunked.",
        "io.containers.zstd-chunked.",
        "containerd.io/snapshot/stargz/",
    ]
    .iter()
    .any(|prefix| key.starts_with(prefix))
}

/// Which layout a layer with a TOC has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TocFormat {
    /// zstd frames, the TOC in a skippable one.
    ZstdChunked,
    /// gzip members, the TOC in the last entry of the tar.
    Stargz,
}

impl std::fmt::Display for TocFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ZstdChunked => "zstd:chunked",
            Self::Stargz => "eStargz",
        })
    }
}

/// Why a TOC can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TocError {
    /// An annotation is not what it should be.
    #[error("annotation `{key}` is `{value}`: {reason}")]
    Annotation {
        /// The annotation.
        key: &'static str,
        /// What it says.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The blob's last bytes are no footer.
    #[error("the footer is not that of {format}")]
    Footer {
        /// What the annotations say that it is.
        format: TocFormat,
    },
    /// The TOC would lie outside the blob, or elsewhere than the annotation says.
    #[error("the table of contents can't lie at {start}..{end} of {size} bytes")]
    Place {
        /// Its first byte.
        start: u64,
        /// The byte after its last.
        end: u64,
        /// The blob's size.
        size: u64,
    },
    /// A limit was met.
    #[error("the table of contents exceeds the limit {limit} of {value}")]
    Limit {
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        value: u64,
    },
    /// It is another one.
    #[error("the table of contents has digest `{found}`, not `{expected}`")]
    Digest {
        /// What the annotation says.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// It is no JSON of the shape.
    #[error("the table of contents is not valid")]
    Json {
        /// What the parser says.
        source: serde_json::Error,
    },
    /// It has a version that nobody has written down; it may mean anything.
    #[error("the table of contents has version {found}, and only {TOC_VERSION} is known")]
    Version {
        /// What it says.
        found: u64,
    },
    /// An entry can't be right.
    #[error("`{name}` in the table of contents: {reason}")]
    Entry {
        /// The entry's name.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The bytes could not be read or decompressed.
    #[error("cannot read the table of contents")]
    Read {
        /// What was said.
        source: io::Error,
    },
}

impl TocError {
    fn entry(name: &str, reason: &'static str) -> Self {
        Self::Entry { name: name.chars().take(200).collect(), reason }
    }

    fn limit(limit: &'static str, value: usize) -> Self {
        Self::Limit { limit, value: value as u64 }
    }
}

/// What a layer's descriptor says of its TOC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TocHint {
    format: TocFormat,
    digest: Digest,
    /// zstd:chunked: where the compressed TOC lies, and its length when decompressed.
    position: Option<(Range<u64>, u64)>,
    size: u64,
}

/// Where a TOC lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TocPlace {
    /// There.
    At(Range<u64>),
    /// A footer tells; it lies there.
    Footer(Range<u64>),
}

impl TocHint {
    /// Reads the annotations of a layer; `None` if it has no TOC that they vouch for.
    ///
    /// # Errors
    /// [`TocError::Annotation`], [`TocError::Place`] or [`TocError::Limit`].
    pub fn of(layer: &Descriptor) -> Result<Option<Self>, TocError> {
        let found = match (
            layer.annotation(zstd_chunked::CHECKSUM),
            layer.annotation(zstd_chunked::POSITION),
            layer.annotation(stargz::DIGEST),
        ) {
            (Some(checksum), Some(position), None) => {
                let digest = parse_digest(zstd_chunked::CHECKSUM, checksum)?;
                let position = zstd_chunked::parse_position(position, layer.size)?;
                (TocFormat::ZstdChunked, digest, Some(position))
            }
            (None, None, Some(digest)) => {
                (TocFormat::Stargz, parse_digest(stargz::DIGEST, digest)?, None)
            }
            (None, None, None) => return Ok(None),
            (checksum, position, _) => {
                let key = if checksum.is_some() {
                    zstd_chunked::CHECKSUM
                } else {
                    zstd_chunked::POSITION
                };
                let value = checksum.or(position).unwrap_or_default().to_owned();
                let reason = "it comes without its other half, or beside another table of contents";
                return Err(TocError::Annotation { key, value, reason });
            }
        };
        let (format, digest, position) = found;
        Ok(Some(Self { format, digest, position, size: layer.size }))
    }

    /// Which layout the layer has.
    pub fn format(&self) -> TocFormat {
        self.format
    }

    /// Where the TOC lies, or what tells.
    ///
    /// # Errors
    /// [`TocError::Footer`] if the blob is too short for one.
    pub fn place(&self) -> Result<TocPlace, TocError> {
        match &self.position {
            Some((range, _)) => Ok(TocPlace::At(range.clone())),
            None => stargz::footer_range(self.size).map(TocPlace::Footer),
        }
    }

    /// Reads the footer that [`TocPlace::Footer`] asked for.
    ///
    /// # Errors
    /// [`TocError::Footer`], [`TocError::Place`] or [`TocError::Limit`].
    pub fn read_footer(&self, footer: &[u8]) -> Result<Range<u64>, TocError> {
        stargz::parse_footer(footer, self.size)
    }

    /// All that is not cut into pieces, given where the TOC lies: the TOC with what frames it,
    /// to the end of the blob.
    ///
    /// # Errors
    /// [`TocError::Limit`] if that is too much to be kept in memory.
    pub fn tail(&self, toc: &Range<u64>) -> Result<Range<u64>, TocError> {
        let start = self.data_end(toc);
        if self.size - start > MAX_TOC_BYTES {
            return Err(TocError::Limit { limit: "MAX_TOC_BYTES", value: MAX_TOC_BYTES });
        }
        Ok(start..self.size)
    }

    /// Where the compressed tar ends at the latest, given where the TOC lies.
    fn data_end(&self, toc: &Range<u64>) -> u64 {
        let frame = match self.format {
            TocFormat::ZstdChunked => zstd_chunked::SKIPPABLE_HEADER_BYTES,
            TocFormat::Stargz => 0,
        };
        toc.start.saturating_sub(frame)
    }

    /// Verifies a TOC, given the bytes where it lies, and hands out its entries in order.
    /// Those handed out before an error must not be used.
    ///
    /// # Errors
    /// [`TocError`], or what `each` returns.
    pub fn entries(
        &self,
        bytes: &[u8],
        each: &mut dyn FnMut(TocEntry) -> Result<(), TocError>,
    ) -> Result<(), TocError> {
        match &self.position {
            Some((_, length)) => zstd_chunked::entries(bytes, *length, &self.digest, each),
            None => stargz::entries(bytes, &self.digest, each),
        }
    }

    /// Reads the bytes where the TOC of a whole blob lies, and tells where that is.
    ///
    /// # Errors
    /// [`TocError`].
    pub fn read(&self, blob: &File) -> Result<(Range<u64>, Vec<u8>), TocError> {
        let range = match self.place()? {
            TocPlace::At(range) => range,
            TocPlace::Footer(footer) => self.read_footer(&read_range(blob, &footer)?)?,
        };
        let bytes = read_range(blob, &range)?;
        Ok((range, bytes))
    }
}

/// Reads a range that was checked against its limit.
fn read_range(blob: &File, range: &Range<u64>) -> Result<Vec<u8>, TocError> {
    let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or(0)];
    blob.read_exact_at(&mut bytes, range.start).map_err(|source| TocError::Read { source })?;
    Ok(bytes)
}

fn parse_digest(key: &'static str, value: &str) -> Result<Digest, TocError> {
    value.parse().map_err(|_| {
        let value = value.chars().take(100).collect();
        TocError::Annotation { key, value, reason: "not a digest" }
    })
}

/// Checks that a TOC lies within its blob and its limits.
fn checked_place(start: u64, len: u64, size: u64) -> Result<Range<u64>, TocError> {
    let end = start.saturating_add(len);
    if start == 0 || len == 0 || end > size {
        return Err(TocError::Place { start, end, size });
    }
    if len > MAX_TOC_BYTES {
        return Err(TocError::Limit { limit: "MAX_TOC_BYTES", value: MAX_TOC_BYTES });
    }
    Ok(start..end)
}

#[cfg(test)]
mod tests;
