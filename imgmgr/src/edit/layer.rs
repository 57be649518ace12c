//! A layer on its way from a stream into the store.

use std::io::{self, BufReader, Read, Write};

use super::{EditError, Result};
use crate::digest::{Algorithm, Digest, Hasher};
use crate::layer::limits::MAX_ZSTD_WINDOW_LOG;
use crate::layer::{Compression, LayerError, LayerLimits, scan};
use crate::store::{Lease, Store};

/// What is read at a time.
const BUFFER_BYTES: usize = 256 << 10;
/// The first bytes by which a compression is known.
const MAGIC_BYTES: u64 = 6;
/// Compressions that tars often have, and layers can't.
const FOREIGN: [(&[u8], &str); 2] = [(b"\xfd7zXZ\0", "xz"), (b"BZh", "bzip2")];

/// A layer that is in the store.
pub(super) struct NewLayer {
    pub(super) compression: Compression,
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) diff_id: Digest,
}

/// Puts a tar stream, plain, gzip or zstd, into the store as it is, if it can be a layer.
pub(super) fn take_in(store: &Store, lease: &Lease, mut layer: impl Read) -> Result<NewLayer> {
    let unreadable = |source| EditError::Layer { source: LayerError::Source { source } };
    let mut start = Vec::new();
    layer.by_ref().take(MAGIC_BYTES).read_to_end(&mut start).map_err(unreadable)?;
    if start.is_empty() {
        return Err(EditError::EmptyLayer);
    }
    if let Some((_, name)) = FOREIGN.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Err(EditError::Compression { name });
    }
    let mut writer = store.blob_writer()?;
    let mut tee = Tee { inner: start.as_slice().chain(layer), writer: &mut writer };
    let compression = Compression::sniff(&start);
    let diff_id = match compression {
        Compression::None => check_tar(&mut tee)?,
        Compression::Gzip => check_tar(flate2::read::MultiGzDecoder::new(&mut tee))?,
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(&mut tee).map_err(unreadable)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG).map_err(unreadable)?;
            check_tar(decoder)?
        }
    };
    // A decompressor may stop before the end of its source.
    io::copy(&mut tee, &mut io::sink()).map_err(unreadable)?;
    let (digest, size) = lease.publish(writer)?;
    Ok(NewLayer { compression, digest, size, diff_id })
}

/// Reads a tar to the stream's end, and returns its digest.
fn check_tar(stream: impl Read) -> Result<Digest> {
    let mut hashed = Hashed { inner: stream, hasher: Hasher::new(Algorithm::Sha256) };
    let tar = BufReader::with_capacity(BUFFER_BYTES, &mut hashed);
    scan(tar, &LayerLimits::default()).map_err(|source| EditError::Layer { source })?;
    Ok(hashed.hasher.finish())
}

/// Digests what is read through it.
struct Hashed<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.hasher.update(&out[..count]);
        Ok(count)
    }
}

/// Writes what is read through it.
struct Tee<'a, R, W> {
    inner: R,
    writer: &'a mut W,
}

impl<R: Read, W: Write> Read for Tee<'_, R, W> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.writer.write_all(&out[..count])?;
        Ok(count)
    }
}
