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

use sha2::{Digest as _, Sha256};

use super::order::Order;
use super::{TocEntry, TocError, TocHint, TocKind};
use crate::digest::Digest;

/// Most pieces of one blob: 16 MiB of memory. A file has two, its headers and its content.
pub const MAX_TOC_PIECES: usize = 1 << 19;

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
/// [`TocError`] of the TOC, also if chunks are out of order, overlap or lie past it, and
/// [`TocError::Limit`] if there are more pieces than [`MAX_TOC_PIECES`].
pub fn pieces(hint: &TocHint, toc: &Range<u64>, bytes: &[u8]) -> Result<Vec<Piece>, TocError> {
    let end = hint.tail(toc)?.start;
    let mut cutter = Cutter::new(end);
    hint.entries(bytes, &mut |entry| cutter.add(&entry))?;
    cutter.cut(end)?;
    Ok(cutter.pieces)
}

struct Cutter {
    order: Order,
    pieces: Vec<Piece>,
    /// The pieces reach up to here.
    position: u64,
    /// Bytes of the file at hand.
    file_size: u64,
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
    fn new(end: u64) -> Self {
        Self {
            order: Order::new(end),
            pieces: Vec::new(),
            position: 0,
            file_size: 0,
            chunk: None,
            headers: Sha256::new(),
        }
    }

    fn add(&mut self, entry: &TocEntry) -> Result<(), TocError> {
        if entry.kind != TocKind::Chunk {
            add_metadata(&mut self.headers, entry);
            self.file_size = entry.size;
        }
        let file_end = self.order.add(entry)?;
        if !entry.has_chunk() {
            return Ok(());
        }
        if entry.inner_offset > 0 {
            // One of several in a member: the member's first one decides.
            self.headers.update(entry.inner_offset.to_le_bytes());
            if let Some(digest) = &entry.chunk_digest {
                add_text(&mut self.headers, digest.hex());
            }
            return Ok(());
        }
        let content = entry.chunk_digest.as_ref().or(entry.digest.as_ref());
        let content =
            content.ok_or_else(|| TocError::entry(&entry.name, "its chunk has no digest"))?.clone();
        self.cut(entry.offset)?;
        let (size, file_size) = (entry.chunk_size, self.file_size);
        self.chunk = Some(Chunk { content, size, file_end, file_size });
        Ok(())
    }

    /// Makes pieces of everything up to `offset`.
    fn cut(&mut self, offset: u64) -> Result<(), TocError> {
        let mut headers = std::mem::take(&mut self.headers);
        if let Some(chunk) = self.chunk.take() {
            headers.update((chunk.file_size % 512).to_le_bytes());
            let mut key = Sha256::new();
            add_text(&mut key, chunk.content.hex());
            key.update(chunk.size.to_le_bytes());
            match chunk.file_end {
                Some(end) if end < offset => self.push(end, key)?,
                Some(_) => return self.push(offset, key),
                // The next headers are in it.
                None => {
                    key.update(headers.finalize());
                    return self.push(offset, key);
                }
            }
        }
        self.push(offset, headers)
    }

    fn push(&mut self, end: u64, mut key: Sha256) -> Result<(), TocError> {
        let range = self.position..end;
        self.position = end;
        if range.is_empty() {
            return Ok(());
        }
        if self.pieces.len() >= MAX_TOC_PIECES {
            return Err(TocError::limit("MAX_TOC_PIECES", MAX_TOC_PIECES));
        }
        key.update((range.end - range.start).to_le_bytes());
        let digest = key.finalize();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        self.pieces.push(Piece { range, key: PieceKey(half) });
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_pieces_has_a_limit() {
        let json = format!(r#"{{"name":"","type":"reg","digest":"{}"}}"#, Digest::of(b""));
        let mut entry: TocEntry = serde_json::from_str(&json).unwrap();
        let mut cutter = Cutter::new(u64::MAX);
        let mut files = 0;
        let refused = loop {
            files += 1;
            (entry.offset, entry.end_offset) = (2 * files, 2 * files + 1);
            if let Err(error) = cutter.add(&entry) {
                break error;
            }
        };
        assert!(matches!(refused, TocError::Limit { limit: "MAX_TOC_PIECES", .. }), "{refused:?}");
        // What is before the first, and two for each file whose end is known by the next one.
        assert_eq!(cutter.pieces.len(), MAX_TOC_PIECES);
        assert_eq!(files, MAX_TOC_PIECES as u64 / 2 + 1);
        assert!(cutter.pieces.capacity() * size_of::<Piece>() <= 16 << 20);
    }
}
