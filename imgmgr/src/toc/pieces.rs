//! A blob cut into pieces that another blob may have too, byte for byte.
//!
//! ```text
//! zstd:chunked  | headers | chunk of a | padding, headers | chunk of b | ...
//! eStargz       | headers | chunk of a, padding, headers  | chunk of b, ...
//! ```
//! Each piece has a key: the digest of all that the TOC says of what is in it, and its length.
//! Compressors being deterministic, equal keys nearly always mean equal bytes. Nearly: what is
//! put together by keys must still be verified against the digest of the whole blob.

use std::ops::Range;

use super::{TocEntry, TocError, TocHint, TocKind};
use crate::digest::Digest;
use sha2::{Digest as _, Sha256};

/// What is in a piece; half a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PieceKey([u8; 16]);

/// A part of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it lies.
    pub range: Range<u64>,
    /// What is in it.
    pub key: PieceKey,
}

/// Verifies a TOC that lies at `toc` of its blob, and cuts what is before the
/// [tail](TocHint::tail) into pieces: in order and without gaps.
///
/// # Errors
/// [`TocError`] of the TOC, or if chunks are not in order or past the TOC.
pub fn pieces(hint: &TocHint, toc: &Range<u64>, bytes: &[u8]) -> Result<Vec<Piece>, TocError> {
    let end = hint.tail(toc)?.start;
    let mut cutter =
        Cutter { end, pieces: Vec::new(), position: 0, chunk: None, headers: Sha256::new() };
    hint.entries(bytes, &mut |entry| cutter.add(&entry))?;
    cutter.cut(end);
    Ok(cutter.pieces)
}

struct Cutter {
    /// Where chunks end at the latest.
    end: u64,
    pieces: Vec<Piece>,
    /// The pieces reach up to here.
    position: u64,
    /// The chunk that begins at `position`.
    chunk: Option<Chunk>,
    /// What was said of the headers since.
    headers: Sha256,
}

struct Chunk {
    content: Digest,
    size: u64,
    /// Where its file ends, if that is told.
    file_end: Option<u64>,
    file_size: u64,
}

impl Cutter {
    fn add(&mut self, entry: &TocEntry) -> Result<(), TocError> {
        if entry.kind != TocKind::Chunk {
            add_metadata(&mut self.headers, entry);
        }
        if !entry.has_chunk() {
            return Ok(());
        }
        let invalid = |reason| TocError::Entry { name: shorten(&entry.name), reason };
        if entry.inner_offset > 0 {
            // One of several in a member: the member's first one decides.
            self.headers.update(entry.inner_offset.to_le_bytes());
            if let Some(digest) = &entry.chunk_digest {
                add_text(&mut self.headers, digest.hex());
            }
            return Ok(());
        }
        let content = entry.chunk_digest.as_ref().or(entry.digest.as_ref());
        let content = content.ok_or_else(|| invalid("a chunk without a digest"))?.clone();
        if entry.offset < self.position || entry.offset >= self.end {
            return Err(invalid("a chunk out of order"));
        }
        let same_file = entry.kind == TocKind::Chunk;
        let before = self.chunk.as_ref();
        let file_size = if same_file { before.map_or(0, |c| c.file_size) } else { entry.size };
        let file_end = match entry.end_offset {
            0 if same_file => before.and_then(|c| c.file_end),
            0 => None,
            end if end <= self.end && end > entry.offset => Some(end),
            _ => return Err(invalid("it ends where it can't")),
        };
        self.cut(entry.offset);
        self.chunk = Some(Chunk { content, size: entry.chunk_size, file_end, file_size });
        Ok(())
    }

    /// Makes pieces of everything up to `offset`.
    fn cut(&mut self, offset: u64) {
        let mut headers = std::mem::take(&mut self.headers);
        if let Some(chunk) = self.chunk.take() {
            headers.update((chunk.file_size % 512).to_le_bytes());
            let mut key = Sha256::new();
            add_text(&mut key, chunk.content.hex());
            key.update(chunk.size.to_le_bytes());
            match chunk.file_end {
                Some(end) if end < offset => self.push(end, key),
                Some(_) => return self.push(offset, key),
                // The next headers are in it.
                None => {
                    key.update(headers.finalize());
                    return self.push(offset, key);
                }
            }
        }
        self.push(offset, headers);
    }

    fn push(&mut self, end: u64, mut key: Sha256) {
        let range = self.position..end;
        self.position = end;
        if range.is_empty() {
            return;
        }
        key.update((range.end - range.start).to_le_bytes());
        let digest = key.finalize();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        self.pieces.push(Piece { range, key: PieceKey(half) });
    }
}

fn shorten(name: &str) -> String {
    name.chars().take(200).collect()
}

fn add_text(key: &mut Sha256, text: &str) {
    key.update((text.len() as u64).to_le_bytes());
    key.update(text);
}

/// Adds all that a tar header has.
fn add_metadata(key: &mut Sha256, entry: &TocEntry) {
    key.update([entry.kind as u8]);
    for text in
        [&entry.name, &entry.link_name, &entry.user_name, &entry.group_name, &entry.mod_time]
    {
        add_text(key, text);
    }
    key.update(entry.mode.to_le_bytes());
    let numbers = [entry.size, entry.uid, entry.gid, entry.dev_major, entry.dev_minor];
    numbers.iter().for_each(|number| key.update(number.to_le_bytes()));
    for (name, value) in &entry.xattrs {
        add_text(key, name);
        add_text(key, value);
    }
}
