//! The stages before extraction, on a thread of their own: read, digest, inflate, digest.
//!
//! ```text
//! producer: source -> Compressed (counts, digests) -> decoder -> digest -> chunk --+
//! consumer: tar reader <- Chunks (BufRead) <------------------ bounded channel <---+
//!                           `- emptied chunks go back ------------------------------>
//! ```

use std::io::{self, BufRead, ErrorKind, Read};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::compression::{Compression, MAGIC_BYTES};
use super::limits::MAX_ZSTD_WINDOW_LOG;
use super::{Cancel, LayerDescriptor, LayerError, LayerLimits};
use crate::digest::{Algorithm, Digest, Hasher};

/// Bytes of one decompressed chunk; small enough to stay in a core's cache on its way.
const CHUNK_BYTES: usize = 256 << 10;
/// Decompressed chunks that may wait.
const CHUNKS_WAITING: usize = 6;
/// Bytes read from the source at once.
const READ_BYTES: usize = 128 << 10;

/// What the producer shall do once nobody takes its chunks.
#[derive(Debug, Default)]
struct Verdict(AtomicU8);

impl Verdict {
    const ABORT: u8 = 0;
    const VERIFY: u8 = 1;

    /// The extraction met an error that damaged bytes would explain: read on, to tell damage
    /// from a layer that is wrong.
    fn verify_rest(&self) {
        self.0.store(Self::VERIFY, Ordering::Release);
    }

    fn wants_rest(&self) -> bool {
        self.0.load(Ordering::Acquire) != Self::ABORT
    }
}

/// What the producer found.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(super) diff_id: Digest,
    pub(super) tar_bytes: u64,
}

/// The producer's end of the channel.
#[derive(Debug)]
struct ChunkOutput {
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
}

/// The consumer's end: the decompressed stream.
#[derive(Debug)]
pub(crate) struct Chunks {
    full: Receiver<Vec<u8>>,
    empty: SyncSender<Vec<u8>>,
    current: Vec<u8>,
    used: usize,
}

/// Returns both ends of the channel of decompressed chunks.
fn chunks() -> (ChunkOutput, Chunks) {
    let (full_in, full) = sync_channel(CHUNKS_WAITING);
    let (empty, empty_out) = sync_channel(CHUNKS_WAITING + 2);
    let output = ChunkOutput { full: full_in, empty: empty_out };
    (output, Chunks { full, empty, current: Vec::new(), used: 0 })
}

impl BufRead for Chunks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used == self.current.len() {
            if let Ok(next) = self.full.recv() {
                let spent = std::mem::replace(&mut self.current, next);
                // Without a taker the buffer is simply freed.
                let _ = self.empty.try_send(spent);
            } else {
                self.current.clear();
            }
            self.used = 0;
        }
        Ok(&self.current[self.used..])
    }

    fn consume(&mut self, n: usize) {
        self.used = (self.used + n).min(self.current.len());
    }
}

impl Read for Chunks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let run = self.fill_buf()?;
        let n = run.len().min(out.len());
        out[..n].copy_from_slice(&run[..n]);
        self.consume(n);
        Ok(n)
    }
}

/// Hands the decompressed stream of a layer to `consume`, while it is read, decompressed and verified on
/// another thread. What `consume` meets first may be the consequence of damage: if `is_invalid` says that
/// damaged bytes would explain its error, the rest is verified, and damage is reported instead.
///
/// # Errors
/// [`LayerError`], or that of `consume`.
pub(crate) fn follow<R: Read + Send, T, E: From<LayerError>>(
    source: R,
    layer: &LayerDescriptor,
    limits: &LayerLimits,
    cancel: &Cancel,
    consume: impl FnOnce(&mut Chunks) -> Result<T, E>,
    is_invalid: impl Fn(&E) -> bool,
) -> Result<(Verified, T), E> {
    let (output, mut chunks) = chunks();
    let verdict = Verdict::default();
    let (produced, consumed) = std::thread::scope(|scope| {
        let verdict = &verdict;
        let producer = scope.spawn(move || produce(source, layer, limits, output, verdict, cancel));
        let consumed = consume(&mut chunks);
        if consumed.as_ref().is_err_and(&is_invalid) {
            verdict.verify_rest();
        }
        drop(chunks);
        (producer.join().expect("the producer does not panic"), consumed)
    });
    match (produced, consumed) {
        (Ok(verified), Ok(consumed)) => Ok((verified, consumed)),
        // Of a stream that was cut off, whatever is said of its end means that.
        (Err(LayerError::Cancelled), Err(error)) if cancel.is_cancelled() && is_invalid(&error) => {
            Err(LayerError::Cancelled.into())
        }
        (Ok(_) | Err(LayerError::Cancelled), Err(error)) => Err(error),
        (Err(error), Ok(_)) => Err(error.into()),
        (Err(found), Err(error)) => Err(if is_invalid(&error) { found.into() } else { error }),
    }
}

/// Runs the producer to the source's end.
fn produce<R: Read>(
    source: R,
    layer: &LayerDescriptor,
    limits: &LayerLimits,
    output: ChunkOutput,
    verdict: &Verdict,
    cancel: &Cancel,
) -> Result<Verified, LayerError> {
    let declared = Compression::of_media_type(&layer.media_type)?;
    let mut diff = Hasher::new(layer.diff_id.as_ref().map_or(Algorithm::Sha256, Digest::algorithm));
    let mut compressed = Compressed::new(source, layer, cancel);
    let found = Compression::sniff(compressed.peek()?);
    if found != declared {
        // Whether the registry or the manifest is wrong shows in the digest.
        compressed.verify_rest()?;
        let media_type = layer.media_type.clone();
        return Err(LayerError::Magic { media_type, found: found.describe() });
    }
    let mut decoder = Decoder::new(found, compressed)?;
    let mut tar_bytes = 0u64;
    let stopped = loop {
        let mut chunk = output.empty.try_recv().unwrap_or_default();
        let n = match decoder.fill(&mut chunk) {
            Ok(n) => n,
            Err(source) => break Some(LayerError::Decompress { source }),
        };
        if n == 0 {
            break None;
        }
        tar_bytes += u64::try_from(n).unwrap_or(u64::MAX);
        if let Err(limit) = check_limits(tar_bytes, decoder.compressed().count, limits) {
            break Some(limit);
        }
        diff.update(&chunk);
        if output.full.send(chunk).is_err() {
            if !verdict.wants_rest() {
                return Err(LayerError::Cancelled);
            }
            break Some(LayerError::Cancelled);
        }
    };
    drop(output);
    let mut compressed = decoder.into_compressed();
    if let Some(failure) = compressed.failure.take() {
        return Err(failure);
    }
    compressed.verify_rest()?;
    if let Some(error) = stopped {
        return Err(error);
    }
    let found = diff.finish();
    match &layer.diff_id {
        Some(expected) if *expected != found => {
            Err(LayerError::DiffId { expected: expected.clone(), found })
        }
        _ => Ok(Verified { diff_id: found, tar_bytes }),
    }
}

fn check_limits(out: u64, read: u64, limits: &LayerLimits) -> Result<(), LayerError> {
    if out > limits.max_unpacked_bytes {
        let value = limits.max_unpacked_bytes;
        return Err(LayerError::Limit { limit: "max_unpacked_bytes", value });
    }
    if out > LayerLimits::RATIO_FREE_BYTES && out / limits.max_ratio.max(1) > read {
        return Err(LayerError::Limit { limit: "max_ratio", value: limits.max_ratio });
    }
    Ok(())
}

/// The source, counted and digested as it is read.
struct Compressed<'l, R> {
    source: R,
    layer: &'l LayerDescriptor,
    cancel: &'l Cancel,
    hasher: Option<Hasher>,
    count: u64,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Why `fill_buf` failed: decoders pass only an `io::Error` on.
    failure: Option<LayerError>,
}

impl<'l, R: Read> Compressed<'l, R> {
    fn new(source: R, layer: &'l LayerDescriptor, cancel: &'l Cancel) -> Self {
        Self {
            source,
            layer,
            cancel,
            hasher: Some(Hasher::new(layer.digest.algorithm())),
            count: 0,
            buffer: vec![0; READ_BYTES],
            start: 0,
            end: 0,
            failure: None,
        }
    }

    /// Reads once more behind what is buffered; false at the end.
    fn read_more(&mut self) -> Result<bool, LayerError> {
        loop {
            if self.cancel.is_cancelled() {
                return Err(LayerError::Cancelled);
            }
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(n) => {
                    if let Some(hasher) = &mut self.hasher {
                        hasher.update(&self.buffer[self.end..self.end + n]);
                    }
                    self.end += n;
                    self.count += u64::try_from(n).unwrap_or(u64::MAX);
                    if self.count > self.layer.size {
                        let (expected, found) = (self.layer.size, self.count);
                        return Err(LayerError::Size { expected, found });
                    }
                    return Ok(n > 0);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(LayerError::Source { source }),
            }
        }
    }

    /// The first bytes, without taking them.
    fn peek(&mut self) -> Result<&[u8], LayerError> {
        while self.end - self.start < MAGIC_BYTES && self.read_more()? {}
        Ok(&self.buffer[self.start..self.end])
    }

    /// Reads to the end and compares size and digest.
    fn verify_rest(&mut self) -> Result<(), LayerError> {
        loop {
            (self.start, self.end) = (0, 0);
            if !self.read_more()? {
                break;
            }
        }
        if self.count != self.layer.size {
            return Err(LayerError::Size { expected: self.layer.size, found: self.count });
        }
        let found = self.hasher.take().map(Hasher::finish);
        match found {
            Some(found) if found != self.layer.digest => {
                Err(LayerError::Digest { expected: self.layer.digest.clone(), found })
            }
            _ => Ok(()),
        }
    }
}

impl<R: Read> BufRead for Compressed<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if let Err(failure) = self.read_more() {
                let text = failure.to_string();
                self.failure = Some(failure);
                return Err(io::Error::other(text));
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
    }
}

impl<R: Read> Read for Compressed<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let run = self.fill_buf()?;
        let n = run.len().min(out.len());
        out[..n].copy_from_slice(&run[..n]);
        self.consume(n);
        Ok(n)
    }
}

/// The decompressor of one layer.
enum Decoder<'l, R: Read> {
    Plain(Compressed<'l, R>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<Compressed<'l, R>>>),
    Zstd(zstd::stream::read::Decoder<'static, Compressed<'l, R>>),
}

impl<'l, R: Read> Decoder<'l, R> {
    fn new(compression: Compression, compressed: Compressed<'l, R>) -> Result<Self, LayerError> {
        Ok(match compression {
            Compression::None => Self::Plain(compressed),
            Compression::Gzip => {
                Self::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(compressed)))
            }
            Compression::Zstd => {
                let invalid = |source| LayerError::Decompress { source };
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(compressed).map_err(invalid)?;
                decoder.window_log_max(MAX_ZSTD_WINDOW_LOG).map_err(invalid)?;
                Self::Zstd(decoder)
            }
        })
    }

    /// Fills a chunk as far as the stream goes; 0 at its end.
    fn fill(&mut self, chunk: &mut Vec<u8>) -> io::Result<usize> {
        chunk.resize(CHUNK_BYTES, 0);
        let mut filled = 0;
        while filled < CHUNK_BYTES {
            let out = &mut chunk[filled..];
            let n = match self {
                Self::Plain(decoder) => decoder.read(out),
                Self::Gzip(decoder) => decoder.read(out),
                Self::Zstd(decoder) => decoder.read(out),
            };
            match n {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        chunk.truncate(filled);
        Ok(filled)
    }

    fn compressed(&self) -> &Compressed<'l, R> {
        match self {
            Self::Plain(compressed) => compressed,
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Zstd(decoder) => decoder.get_ref(),
        }
    }

    fn into_compressed(self) -> Compressed<'l, R> {
        match self {
            Self::Plain(compressed) => compressed,
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish(),
        }
    }
}
