//! Whether a TOC says what its layer is.
//!
//! Clients that read the TOC and clients that read the tar must see the same files, or a layer
//! could be one thing to a scanner and another where it runs. Everything is compared: names in
//! their order, all metadata, the digest of each file, and the chunks at their places in the blob.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;

use base64::Engine;

use super::listing::Listing;
use super::order::Order;
use super::time::seconds;
use super::{TocEntry, TocError, TocFormat, TocHint, TocKind, stargz};
use crate::digest::{Digest, Hasher};
use crate::image::Descriptor;
use crate::layer::LayerLimits;
use crate::layer::limits::MAX_ZSTD_WINDOW_LOG;
use crate::layer::tar::{Entry, EntryKind, TarReader};

/// Most findings that one layer gives.
pub const MAX_FINDINGS: usize = 16;

/// Compares the TOC of a layer, if it has one, with the layer; the result is empty if both agree.
///
/// # Errors
/// [`TocError`] if there should be a TOC but it can't be read.
pub fn check(blob: &File, layer: &Descriptor) -> Result<Vec<String>, TocError> {
    let Some(hint) = TocHint::of(layer)? else { return Ok(Vec::new()) };
    let (place, bytes) = hint.read(blob)?;
    let mut entries = Listing::default();
    let mut order = Some(Order::new(hint.data_end(&place)));
    let mut out_of_order = None;
    hint.entries(&bytes, &mut |entry| {
        // One that lies wrong makes those after it seem wrong.
        if let Some(Err(error)) = order.as_mut().map(|order| order.add(&entry)) {
            out_of_order = Some(error.to_string());
            order = None;
        }
        entries.push(entry)
    })?;
    drop(bytes);
    let findings = out_of_order.into_iter().collect();
    let mut check = Check { format: hint.format(), entries, findings };
    check.chunks_in_place(blob, layer.size)?;
    check.files(blob)?;
    Ok(check.findings)
}

struct Check {
    format: TocFormat,
    entries: Listing,
    findings: Vec<String>,
}

/// A reader of a part of a blob.
struct At<'f> {
    file: &'f File,
    position: u64,
    end: u64,
}

impl Read for At<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let n = out.len().min(left);
        let n = self.file.read_at(&mut out[..n], self.position)?;
        self.position += n as u64;
        Ok(n)
    }
}

fn decoder<'r>(
    format: TocFormat,
    packed: impl BufRead + 'r,
    members: Members,
) -> io::Result<Box<dyn Read + 'r>> {
    Ok(match (format, members) {
        (TocFormat::Stargz, Members::All) => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        (TocFormat::Stargz, Members::First) => Box::new(flate2::bufread::GzDecoder::new(packed)),
        (TocFormat::ZstdChunked, members) => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
            match members {
                Members::All => Box::new(decoder),
                Members::First => Box::new(decoder.single_frame()),
            }
        }
    })
}

/// How many members or frames a decoder reads.
#[derive(Clone, Copy)]
enum Members {
    All,
    First,
}

impl Check {
    fn add(&mut self, name: &str, reason: impl std::fmt::Display) {
        if self.findings.len() < MAX_FINDINGS {
            let name: String = name.chars().take(200).collect();
            self.findings.push(format!("the table of contents lies about `{name}`: {reason}"));
        }
    }

    /// Decompresses each chunk from where the TOC has it.
    fn chunks_in_place(&mut self, blob: &File, end: u64) -> Result<(), TocError> {
        let mut wrong = Vec::new();
        let (mut file_size, mut total) = (0, 0u64);
        let limit = LayerLimits::default().max_unpacked_bytes;
        for entry in self.entries.iter() {
            if entry.kind != TocKind::Chunk {
                file_size = entry.size;
            }
            let Some(digest) = entry.chunk_digest.as_ref().or(entry.digest.as_ref()) else {
                continue;
            };
            if !entry.has_chunk() {
                continue;
            }
            let size = chunk_size(entry, file_size);
            // What lies before it in its member is decompressed, too.
            total = total.saturating_add(entry.inner_offset).saturating_add(size);
            if total > limit {
                return Err(TocError::Limit { limit: "max_unpacked_bytes", value: limit });
            }
            match digest_at(self.format, blob, entry, end, size, digest) {
                Ok(true) => {}
                Ok(false) => wrong.push((entry.name.clone(), "its chunk has another digest")),
                Err(error) if is_damage(&error) => {
                    wrong.push((entry.name.clone(), "there is no chunk at its offset"));
                }
                Err(source) => return Err(TocError::Read { source }),
            }
            if wrong.len() > MAX_FINDINGS {
                break;
            }
        }
        wrong.iter().for_each(|(name, reason)| self.add(name, reason));
        Ok(())
    }

    /// Goes through tar and TOC side by side.
    fn files(&mut self, blob: &File) -> Result<(), TocError> {
        let unreadable = |source| TocError::Read { source };
        let limits = LayerLimits::default();
        let packed =
            BufReader::with_capacity(128 << 10, At { file: blob, position: 0, end: u64::MAX });
        let stream = decoder(self.format, packed, Members::All).map_err(unreadable)?;
        let stream = BufReader::with_capacity(128 << 10, stream.take(limits.max_unpacked_bytes));
        let mut tar = TarReader::new(stream, limits.max_file_bytes);
        let invalid = |error| unreadable(io::Error::new(io::ErrorKind::InvalidData, error));
        while let Some(entry) = tar.next_entry().map_err(invalid)? {
            let entry = entry.clone();
            if self.findings.len() >= MAX_FINDINGS {
                return Ok(());
            }
            if self.format == TocFormat::Stargz && entry.path == stargz::TOC_NAME {
                continue;
            }
            let name = String::from_utf8_lossy(&entry.path).into_owned();
            let Some(toc) = self.entries.pop_front() else {
                self.add(&name, "it is not listed");
                continue;
            };
            if clean(toc.name.as_bytes()) != clean(&entry.path) {
                // What follows would differ in all.
                self.add(&name, format_args!("`{}` is listed in its place", toc.name));
                return Ok(());
            }
            if let Some(what) = difference(&toc, &entry) {
                self.add(&name, format_args!("its {what} differs"));
            }
            let mut chunks = vec![toc];
            while self.entries.front().is_some_and(|next| next.kind == TocKind::Chunk) {
                chunks.extend(self.entries.pop_front());
            }
            let has_data = entry.kind == EntryKind::Regular && entry.size > 0;
            let what = if entry.sparse.is_some() {
                Some("it is sparse, which no table of contents can say")
            } else if !has_data {
                (chunks.len() > 1).then_some("it has chunks but no data")
            } else {
                self.content(&mut tar, &entry, &chunks).map_err(invalid)?
            };
            if let Some(what) = what {
                self.add(&name, what);
            }
        }
        while let Some(extra) = self.entries.pop_front() {
            self.add(&extra.name, "it is not in the layer");
        }
        Ok(())
    }

    /// Digests a file's data, whole and in chunks.
    fn content<R: BufRead>(
        &self,
        tar: &mut TarReader<R>,
        entry: &Entry,
        chunks: &[Box<TocEntry>],
    ) -> Result<Option<&'static str>, crate::layer::tar::TarError> {
        let mut whole = chunks[0].digest.as_ref().map(|digest| Hasher::new(digest.algorithm()));
        let mut rest = chunks.iter();
        let mut chunk = rest.next().map(|first| (first, Start::of(first, entry.size)));
        let mut problem = whole.is_none().then_some("it has no digest");
        if chunks[0].chunk_offset != 0 {
            problem = problem.or(Some("its chunks have gaps"));
        }
        if chunks.iter().any(|chunk| chunk.chunk_type != "zeros" && !chunk.has_chunk()) {
            problem = problem.or(Some("a chunk of it has no place"));
        }
        if chunks.len() > 1 && chunks.iter().any(|chunk| chunk.chunk_digest.is_none()) {
            problem = problem.or(Some("a chunk of it has no digest"));
        }
        let mut position = 0u64;
        loop {
            let run = tar.data()?;
            if run.is_empty() {
                break;
            }
            let mut n = run.len();
            if chunk.is_none() {
                problem = problem.or(Some("its chunks are not as long as the file"));
            }
            if let Some((_, start)) = &chunk {
                n = n.min(usize::try_from(start.left).unwrap_or(usize::MAX).max(1));
            }
            if let Some(hasher) = &mut whole {
                hasher.update(&run[..n]);
            }
            if let Some((toc, start)) = &mut chunk {
                if toc.chunk_type == "zeros" && run[..n].iter().any(|byte| *byte != 0) {
                    problem = problem.or(Some("a hole of it has data"));
                }
                start.hasher.update(&run[..n]);
                start.left = start.left.saturating_sub(n as u64);
            }
            tar.consume(n);
            position += n as u64;
            if chunk.as_ref().is_some_and(|(_, start)| start.left == 0) {
                let (toc, start) = chunk.take().expect("looked at just before");
                let found = start.hasher.finish();
                let listed = toc.chunk_digest.as_ref().is_none_or(|digest| *digest == found);
                if !listed && toc.chunk_type != "zeros" {
                    problem = problem.or(Some("a chunk of it has another digest"));
                }
                chunk = rest.next().map(|next| (next, Start::of(next, entry.size)));
                if chunk.as_ref().is_some_and(|(next, _)| next.chunk_offset != position) {
                    problem = problem.or(Some("its chunks have gaps"));
                }
            }
        }
        if chunk.is_some() || rest.next().is_some() {
            problem = problem.or(Some("its chunks are not as long as the file"));
        }
        if whole.map(Hasher::finish) != chunks[0].digest {
            problem = Some("its digest differs");
        }
        Ok(problem)
    }
}

/// A chunk that is being digested.
struct Start {
    hasher: Hasher,
    left: u64,
}

impl Start {
    fn of(chunk: &TocEntry, file_size: u64) -> Self {
        let algorithm = chunk.chunk_digest.as_ref().map(Digest::algorithm);
        Self {
            hasher: Hasher::new(algorithm.unwrap_or(crate::digest::Algorithm::Sha256)),
            left: chunk_size(chunk, file_size),
        }
    }
}

/// The bytes of a chunk; one without a size goes to the end of its file.
fn chunk_size(chunk: &TocEntry, file_size: u64) -> u64 {
    match chunk.chunk_size {
        0 => file_size.saturating_sub(chunk.chunk_offset),
        size => size,
    }
}

fn digest_at(
    format: TocFormat,
    blob: &File,
    entry: &TocEntry,
    end: u64,
    size: u64,
    digest: &Digest,
) -> io::Result<bool> {
    let position = entry.offset.min(end);
    let packed = BufReader::with_capacity(16 << 10, At { file: blob, position, end });
    let mut decoder = decoder(format, packed, Members::First)?;
    io::copy(&mut decoder.by_ref().take(entry.inner_offset), &mut io::sink())?;
    let mut hasher = Hasher::new(digest.algorithm());
    let mut buffer = vec![0; 64 << 10];
    let mut left = size;
    while left > 0 {
        let n = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = decoder.read(&mut buffer[..n])?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
        left -= n as u64;
    }
    Ok(left == 0 && hasher.finish() == *digest)
}

/// Whether the bytes are at fault rather than the disk.
fn is_damage(error: &io::Error) -> bool {
    error.raw_os_error().is_none()
}

/// Names what differs between an entry of the TOC and one of the tar.
fn difference(toc: &TocEntry, entry: &Entry) -> Option<&'static str> {
    let kind = TocKind::from(entry.kind);
    if toc.kind != kind {
        return Some("type");
    }
    if toc.mode & 0o7777 != i64::from(entry.mode) {
        return Some("mode");
    }
    if (toc.uid, toc.gid) != (u64::from(entry.uid), u64::from(entry.gid)) {
        return Some("owner");
    }
    if kind == TocKind::Reg && toc.size != entry.size {
        return Some("size");
    }
    let link = toc.link_name.as_bytes();
    let same_link = match kind {
        TocKind::Symlink => link == entry.link,
        TocKind::Hardlink => clean(link) == clean(&entry.link),
        _ => true,
    };
    if !same_link {
        return Some("link");
    }
    let device = (u64::from(entry.device.0), u64::from(entry.device.1));
    if matches!(kind, TocKind::Char | TocKind::Block) && (toc.dev_major, toc.dev_minor) != device {
        return Some("device number");
    }
    // eStargz rounds to seconds.
    let rounded = entry.mtime.secs + i64::from(entry.mtime.nanos >= 500_000_000);
    if seconds(&toc.mod_time).is_none_or(|secs| secs != entry.mtime.secs && secs != rounded) {
        return Some("modification time");
    }
    let decode = |text: &String| base64::engine::general_purpose::STANDARD.decode(text).ok();
    let ours: BTreeMap<_, _> =
        entry.xattrs.iter().map(|(k, v)| (k.as_slice(), Some(v.clone()))).collect();
    let theirs: BTreeMap<_, _> =
        toc.xattrs.iter().map(|(k, v)| (k.as_bytes(), decode(v))).collect();
    (ours != theirs).then_some("set of extended attributes")
}

/// The components of a path that name something.
pub(super) fn clean(path: &[u8]) -> Vec<&[u8]> {
    path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect()
}
