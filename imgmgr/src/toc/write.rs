//! Writes zstd:chunked layers.
//!
//! The tar stays what it is, byte for byte, and with it the layer's diff ID. Every file's content,
//! MiB by MiB, is a zstd frame of its own; what is between files is a frame, too. The TOC and a
//! tar-split follow in frames that decompressors skip, so that `podman` and `buildah` can put a
//! layer together from files that they have. Where the tar's headers have more than a TOC can say
//! (`toc::plain` tells which) there is no tar-split, and they fetch the layer whole.

use std::io::{self, BufRead, Read, Write};

use super::listing::{self, MAX_TOC_MEMORY};
use super::plain::{self, Paths};
use super::split::{Crc64, Split};
use super::{
    MAX_TOC_BYTES, MAX_TOC_ENTRIES, MAX_TOC_ENTRY_BYTES, TOC_VERSION, TocEntry, TocKind, time,
    zstd_chunked,
};
use crate::digest::{Algorithm, Digest, Hasher};
use crate::image::Annotations;
use crate::layer::tar::{BLOCK, Entry, TarError, TarReader};

/// Bytes of a chunk: larger files have several.
pub const CHUNK_BYTES: usize = 1 << 20;
/// Most bytes between the contents of two files: more headers than the reader takes for one.
pub const MAX_BETWEEN: usize = 16 << 20;
/// What a chunk takes in a TOC besides its name, at least.
const CHUNK_JSON_BYTES: u64 = 150;
/// What zstd's own tool has.
pub(crate) const LEVEL: i32 = 3;
/// The start of a frame that decompressors skip.
const SKIPPABLE: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];
/// The end of the footer.
const MAGIC: &[u8; 8] = b"GNUlInUx";

/// Why a layer can't be written with a TOC.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The tar can't be read.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// No TOC can say what an entry is.
    #[error("`{name}` can't be listed in a table of contents: {reason}")]
    Entry {
        /// The entry's name, lossily.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The TOC would be larger than any reader takes, or a part of the tar is.
    #[error("a table of contents would exceed the limit {limit} of {value}")]
    Limit {
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        value: u64,
    },
    /// The layer can't be written.
    #[error("cannot write the layer")]
    Write {
        /// Why not.
        #[from]
        source: io::Error,
    },
}

/// Writes the layer whose uncompressed tar is `tar`, and returns `out` with the annotations that its
/// descriptor must have. The same tar gives the same bytes. No file may have more than
/// `max_file_bytes`.
///
/// # Errors
/// [`WriteError`]; `out` then holds a part.
pub fn write_zstd_chunked<R: BufRead, W: Write>(
    tar: R,
    max_file_bytes: u64,
    out: W,
) -> Result<(W, Annotations), WriteError> {
    let zstd = zstd::bulk::Compressor::new(LEVEL)?;
    let frames = Frames { out, offset: 0, zstd };
    let split = Some((Split::new()?, Paths::default()));
    let mut layer = Writer { frames, toc: Listed::new()?, split, padding: 0 };
    let mut tar = TarReader::new(Kept { tar, kept: Vec::new() }, max_file_bytes);
    // Bytes that are kept and in the tar-split already.
    let mut told = 0;
    loop {
        let more = match tar.next_entry().map(|entry| entry.is_some()) {
            Ok(more) => more,
            Err(_) if tar.input().kept.len() > MAX_BETWEEN => {
                return Err(WriteError::Limit { limit: "MAX_BETWEEN", value: MAX_BETWEEN as u64 });
            }
            Err(error) => return Err(error.into()),
        };
        if !more {
            layer.segment(&tar.input().kept[told..])?;
            break;
        }
        layer.entry(&mut tar, told)?;
        let kept = &mut tar.input().kept;
        if kept.len() >= CHUNK_BYTES {
            layer.frames.add(kept)?;
        }
        told = kept.len();
    }
    let Kept { tar: rest, kept } = tar.input();
    // What comes after the end, without end perhaps.
    loop {
        if kept.len() >= CHUNK_BYTES {
            layer.frames.add(kept)?;
        }
        let run = rest.fill_buf().map_err(|source| TarError::Read { source })?;
        if run.is_empty() {
            break;
        }
        let count = run.len();
        layer.segment(run)?;
        kept.extend_from_slice(run);
        rest.consume(count);
    }
    layer.frames.add(kept)?;
    layer.finish()
}

/// Keeps what is read.
struct Kept<R> {
    tar: R,
    kept: Vec<u8>,
}

impl<R: BufRead> Read for Kept<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let run = self.fill_buf()?;
        let count = run.len().min(out.len());
        out[..count].copy_from_slice(&run[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Kept<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.kept.len() > MAX_BETWEEN {
            return Err(io::Error::other("MAX_BETWEEN"));
        }
        self.tar.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        // What is consumed was in the buffer, so that nothing is read here.
        if let Ok(run) = self.tar.fill_buf() {
            self.kept.extend_from_slice(&run[..count.min(run.len())]);
        }
        self.tar.consume(count);
    }
}

/// The layer's frames.
struct Frames<W> {
    out: W,
    /// Bytes written.
    offset: u64,
    zstd: zstd::bulk::Compressor<'static>,
}

impl<W: Write> Frames<W> {
    /// Writes `bytes`, if any, as one frame, and empties them.
    fn add(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        if !bytes.is_empty() {
            let packed = self.zstd.compress(bytes)?;
            self.write(&packed)?;
            bytes.clear();
        }
        Ok(())
    }

    /// Writes bytes that decompressors skip, and returns where they begin.
    fn add_skipped(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.write(&SKIPPABLE)?;
        self.write(&length.to_le_bytes())?;
        let at = self.offset;
        self.write(bytes)?;
        Ok(at)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

/// A text that is kept compressed.
pub(super) struct Packed {
    encoder: zstd::stream::write::Encoder<'static, Vec<u8>>,
    length: u64,
}

impl Packed {
    pub(super) fn new() -> io::Result<Self> {
        let encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL)?;
        Ok(Self { encoder, length: 0 })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.length += bytes.len() as u64;
        self.encoder.write_all(bytes)
    }

    /// Returns the compressed text, and its length before.
    pub(super) fn finish(self) -> io::Result<(Vec<u8>, u64)> {
        Ok((self.encoder.finish()?, self.length))
    }
}

/// The TOC.
struct Listed {
    packed: Packed,
    entries: usize,
    /// What a reader of ours needs for them.
    memory: usize,
}

impl Listed {
    fn new() -> io::Result<Self> {
        let mut packed = Packed::new()?;
        packed.write(format!(r#"{{"version":{TOC_VERSION},"entries":["#).as_bytes())?;
        Ok(Self { packed, entries: 0, memory: 0 })
    }

    fn add(&mut self, entry: &TocEntry) -> Result<(), WriteError> {
        if self.entries > 0 {
            self.packed.write(b",")?;
        }
        self.entries += 1;
        self.memory = self.memory.saturating_add(listing::memory(entry));
        limited(self.memory as u64, "MAX_TOC_MEMORY", MAX_TOC_MEMORY as u64)?;
        let json = serde_json::to_vec(entry).map_err(io::Error::from)?;
        limited(json.len() as u64, "MAX_TOC_ENTRY_BYTES", MAX_TOC_ENTRY_BYTES)?;
        self.packed.write(&json)?;
        limited(self.entries as u64, "MAX_TOC_ENTRIES", MAX_TOC_ENTRIES as u64)?;
        limited(self.packed.length, "MAX_TOC_BYTES", MAX_TOC_BYTES)
    }
}

fn limited(found: u64, limit: &'static str, value: u64) -> Result<(), WriteError> {
    if found > value { Err(WriteError::Limit { limit, value }) } else { Ok(()) }
}

struct Writer<W> {
    frames: Frames<W>,
    toc: Listed,
    /// Until something comes that it may not have.
    split: Option<(Split, Paths)>,
    /// Bytes after the data of the file before.
    padding: usize,
}

/// A part of a file, as it lies in the layer.
struct Chunk {
    offset: u64,
    size: u64,
    digest: Digest,
}

impl<W: Write> Writer<W> {
    fn segment(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.split.as_mut().map_or(Ok(()), |(split, _)| split.segment(bytes))
    }

    /// Adds the entry at which `tar` stands, with its data. Of what is kept, `told` bytes are in the
    /// tar-split.
    fn entry<R: BufRead>(
        &mut self,
        tar: &mut TarReader<Kept<R>>,
        told: usize,
    ) -> Result<(), WriteError> {
        let mut first = listed(tar.entry())?;
        let between = &tar.input().kept[told..];
        if let Some((split, paths)) = &mut self.split
            && let Some(mode) = plain::mode(between, self.padding, first.kind)
            && paths.add(&first.name)
        {
            split.segment(between)?;
            first.mode = mode;
        } else {
            self.split = None;
        }
        let has_data = first.kind == TocKind::Reg && first.size > 0;
        self.padding = if has_data { padding(first.size) } else { 0 };
        let checksum = if has_data { Some(self.data(tar, first.clone())?) } else { None };
        if let Some((split, _)) = &mut self.split {
            split.file(&first.name, checksum.map(|checksum| (first.size, checksum)))?;
        }
        if has_data { Ok(()) } else { self.toc.add(&first) }
    }

    /// Adds a file's data.
    fn data<R: BufRead>(
        &mut self,
        tar: &mut TarReader<Kept<R>>,
        mut first: TocEntry,
    ) -> Result<Crc64, WriteError> {
        self.frames.add(&mut tar.input().kept)?;
        let (mut whole, mut checksum) = (Hasher::new(Algorithm::Sha256), Crc64::new());
        let mut chunks: Vec<Chunk> = Vec::new();
        loop {
            let room = CHUNK_BYTES - tar.input().kept.len();
            let run = tar.data()?;
            let count = run.len().min(room);
            whole.update(&run[..count]);
            checksum.update(&run[..count]);
            tar.consume(count);
            let kept = &mut tar.input().kept;
            if kept.len() < CHUNK_BYTES && count > 0 {
                continue;
            }
            if !kept.is_empty() {
                let (offset, size) = (self.frames.offset, kept.len() as u64);
                chunks.push(Chunk { offset, size, digest: Digest::of(kept) });
                self.frames.add(kept)?;
                let bytes = chunks.len() as u64 * (first.name.len() as u64 + CHUNK_JSON_BYTES);
                limited(self.toc.packed.length + bytes, "MAX_TOC_BYTES", MAX_TOC_BYTES)?;
            }
            if count == 0 {
                break;
            }
        }
        (first.end_offset, first.digest) = (self.frames.offset, Some(whole.finish()));
        let name = first.name.clone();
        let mut entry = Some(first);
        let mut position = 0;
        for Chunk { offset, size, digest } in chunks {
            let mut entry = entry.take().unwrap_or_else(|| {
                let (kind, name) = (TocKind::Chunk, name.clone());
                TocEntry { kind, name, ..TocEntry::default() }
            });
            (entry.offset, entry.chunk_offset) = (offset, position);
            (entry.chunk_size, entry.chunk_digest) = (size, Some(digest));
            self.toc.add(&entry)?;
            position += size;
        }
        Ok(checksum)
    }

    /// Writes what comes after the tar.
    fn finish(self) -> Result<(W, Annotations), WriteError> {
        let Self { mut frames, mut toc, split, padding: _ } = self;
        let split = split.map(|(split, _)| split.finish()).transpose()?;
        let end = match &split {
            Some((split, _)) => format!(r#"],"tarSplitDigest":"{}"}}"#, Digest::of(split)),
            None => "]}".to_owned(),
        };
        toc.packed.write(end.as_bytes())?;
        let (toc, toc_length) = toc.packed.finish()?;
        let tail = toc.len() + split.as_ref().map_or(0, |(split, _)| split.len()) + 256;
        limited(toc_length.max(tail as u64), "MAX_TOC_BYTES", MAX_TOC_BYTES)?;
        let (at, packed, kind) =
            (frames.add_skipped(&toc)?, toc.len() as u64, zstd_chunked::TYPE_CRFS);
        let mut annotations: Annotations = [
            (zstd_chunked::CHECKSUM, Digest::of(&toc).to_string()),
            (zstd_chunked::POSITION, format!("{at}:{packed}:{toc_length}:{kind}")),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        let mut footer = vec![at, packed, toc_length, kind];
        match split {
            Some((split, length)) => {
                let (at, packed) = (frames.add_skipped(&split)?, split.len() as u64);
                footer.extend([at, packed, length]);
                let place = format!("{at}:{packed}:{length}");
                annotations.insert(zstd_chunked::TAR_SPLIT.to_owned(), place);
            }
            None => footer.extend([0; 3]),
        }
        let mut footer: Vec<u8> = footer.iter().flat_map(|number| number.to_le_bytes()).collect();
        footer.extend_from_slice(MAGIC);
        frames.add_skipped(&footer)?;
        Ok((frames.out, annotations))
    }
}

/// Bytes from the end of a file's data to the next header.
fn padding(size: u64) -> usize {
    let block = BLOCK as u64;
    usize::try_from(size.next_multiple_of(block) - size).unwrap_or(0)
}

/// What a TOC says of an entry, without its data.
fn listed(entry: &Entry) -> Result<TocEntry, WriteError> {
    use base64::Engine as _;
    let refuse = |reason| {
        let name = String::from_utf8_lossy(&entry.path).chars().take(200).collect();
        WriteError::Entry { name, reason }
    };
    let text = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).map(str::to_owned);
        text.map_err(|_| refuse("a name in it is not UTF-8"))
    };
    if entry.sparse.is_some() {
        return Err(refuse("it is sparse"));
    }
    let kind = TocKind::from(entry.kind);
    let mod_time = time::rfc3339(entry.mtime.secs, entry.mtime.nanos);
    let encode = |value: &Vec<u8>| base64::engine::general_purpose::STANDARD.encode(value);
    let xattrs = entry.xattrs.iter().map(|(name, value)| Ok((text(name)?, encode(value))));
    Ok(TocEntry {
        link_name: text(&entry.link)?,
        mode: i64::from(entry.mode),
        size: if kind == TocKind::Reg { entry.size } else { 0 },
        uid: entry.uid.into(),
        gid: entry.gid.into(),
        mod_time: mod_time.ok_or_else(|| refuse("its time is before year 0 or after 9999"))?,
        dev_major: entry.device.0.into(),
        dev_minor: entry.device.1.into(),
        xattrs: xattrs.collect::<Result<_, WriteError>>()?,
        name: text(&entry.path)?,
        kind,
        ..TocEntry::default()
    })
}
