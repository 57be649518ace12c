//! The bytes of an archive, decompressed and known to be a tar.

use std::cell::Cell;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::rc::Rc;

use crate::layer::limits::MAX_ZSTD_WINDOW_LOG;
use crate::layer::{Compression, LayerLimits};

use super::{CopyError, Result};

/// A block of a tar.
const BLOCK_BYTES: usize = 512;
/// The most bytes between the content of one file and that of the next, long names included.
const MAX_HEADER_BYTES: u64 = 4 << 20;
/// What is decompressed at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// How other programs' files begin that people give for archives.
const REFUSED: [(&[u8], &str); 3] = [
    (b"\xfd7zXZ\0", "it is compressed by xz; decompress it first (`xz -d`)"),
    (b"BZh", "it is compressed by bzip2; decompress it first (`bzip2 -d`)"),
    (b"PK\x03\x04", "it is a zip file"),
];

/// The tar in an archive file, and how much may be read from it.
pub(super) struct ArchiveStream<'s> {
    tar: Box<dyn Read + 's>,
    room: Room,
}

/// How much of a tar may be read before its next file: the parser keeps that in memory.
#[derive(Clone)]
pub(super) struct Room(Rc<Cell<u64>>);

impl Room {
    /// What comes is a file's content, of any length.
    pub(super) fn content(&self) {
        self.0.set(u64::MAX);
    }

    /// What comes are headers.
    pub(super) fn headers(&self) {
        self.0.set(MAX_HEADER_BYTES);
    }
}

impl<'s> ArchiveStream<'s> {
    /// Looks at the first bytes of `from`, which `path` is the name of.
    ///
    /// # Errors
    /// [`CopyError::Archive`] if that is no tar, compressed or not.
    pub(super) fn open(mut from: impl Read + 's, path: &Path) -> Result<Self> {
        let bad =
            |reason: &str| CopyError::Archive { path: path.to_owned(), reason: reason.to_owned() };
        let first = read_start(&mut from).map_err(CopyError::io("read", path))?;
        if let Some((_, reason)) = REFUSED.iter().find(|(magic, _)| first.starts_with(magic)) {
            return Err(bad(reason));
        }
        let compression = Compression::sniff(&first);
        let whole = Cursor::new(first).chain(from);
        let mut tar = decompressed(compression, whole).map_err(CopyError::io("read", path))?;
        let first = read_start(&mut tar).map_err(|error| CopyError::tar(path, error))?;
        if !is_tar(&first) {
            return Err(bad("it is no tar archive, compressed by gzip, by zstd or not at all"));
        }
        let tar = Box::new(Cursor::new(first).chain(tar));
        Ok(Self { tar, room: Room(Rc::new(Cell::new(MAX_HEADER_BYTES))) })
    }

    pub(super) fn room(&self) -> Room {
        self.room.clone()
    }
}

impl Read for ArchiveStream<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let room = self.room.0.get();
        let len = out.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        if len == 0 && !out.is_empty() {
            let reason = format!("headers of more than {MAX_HEADER_BYTES} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        let count = self.tar.read(&mut out[..len])?;
        self.room.0.set(room - count as u64);
        Ok(count)
    }
}

/// The first block, or what there is of it.
fn read_start(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(BLOCK_BYTES);
    from.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut first)?;
    Ok(first)
}

/// Whether a block is a header, or one of those that end an archive.
fn is_tar(first: &[u8]) -> bool {
    if first.len() < BLOCK_BYTES {
        return false;
    }
    let sum = first.iter().enumerate().map(|(at, byte)| match at {
        148..156 => u32::from(b' '),
        _ => u32::from(*byte),
    });
    let said = tar::Header::from_byte_slice(first).cksum();
    first.iter().all(|byte| *byte == 0) || said.is_ok_and(|said| said == sum.sum::<u32>())
}

fn decompressed<'s>(
    compression: Compression,
    from: impl Read + 's,
) -> io::Result<Box<dyn Read + 's>> {
    let taken = Rc::new(Cell::new(0));
    let from = Taken { from, count: Rc::clone(&taken) };
    let from = BufReader::with_capacity(BUFFER_BYTES, from);
    let unpacked: Box<dyn Read + 's> = match compression {
        Compression::None => return Ok(Box::new(from)),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(from)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(from)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
    };
    Ok(Box::new(Unpacked { from: unpacked, taken, given: 0, limits: LayerLimits::default() }))
}

/// Counts what was read.
struct Taken<R> {
    from: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Taken<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(out)?;
        self.count.set(self.count.get().saturating_add(count as u64));
        Ok(count)
    }
}

/// What came out of a decompressor, within the limits of a layer.
struct Unpacked<'s> {
    from: Box<dyn Read + 's>,
    taken: Rc<Cell<u64>>,
    given: u64,
    limits: LayerLimits,
}

impl Read for Unpacked<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(out)?;
        self.given = self.given.saturating_add(count as u64);
        let LayerLimits { max_unpacked_bytes, max_ratio, .. } = self.limits;
        let (given, taken) = (self.given, self.taken.get());
        let refuse = |reason| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        if given > max_unpacked_bytes {
            return refuse(format!("more than {max_unpacked_bytes} bytes come out of it"));
        }
        if given > LayerLimits::RATIO_FREE_BYTES && given / max_ratio > taken {
            return refuse(format!("more than {max_ratio} bytes come out of one of it"));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(bytes: &[u8]) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut stream = ArchiveStream::open(bytes, Path::new("a.tar"))?;
        stream.read_to_end(&mut all).map_err(|error| CopyError::tar(Path::new("a.tar"), error))?;
        Ok(all)
    }

    fn tar_of(content: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_data(&mut header, "a", content).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn a_tar_is_found_in_its_wrapping() {
        let tar = tar_of(b"x");
        let gzip = {
            let mut encoder = crate::layer::gzip_encoder(Vec::new());
            io::Write::write_all(&mut encoder, &tar).unwrap();
            encoder.finish().unwrap()
        };
        let zstd = zstd::encode_all(&*tar, 1).unwrap();
        for wrapped in [&tar, &gzip, &zstd] {
            assert_eq!(opened(wrapped).unwrap(), tar);
        }
        assert!(opened(&gzip[..gzip.len() / 2]).is_err());
        assert_eq!(opened(&[0; 1024]).unwrap(), [0; 1024]);
    }

    #[test]
    fn what_is_no_tar_is_refused_by_name() {
        let zipped = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
        for (bytes, reason) in [
            (b"\xfd7zXZ\0abc".to_vec(), "xz"),
            (b"BZh91AY".to_vec(), "bzip2"),
            (b"PK\x03\x04".to_vec(), "zip"),
            (b"root:x:0:0:root:/root:/bin/bash\n".repeat(99), "no tar archive"),
            (vec![0xff; 4096], "no tar archive"),
            (Vec::new(), "no tar archive"),
            (zipped(&[7; 4096]), "no tar archive"),
            (zipped(&zipped(&tar_of(b"x"))), "no tar archive"),
        ] {
            let error = opened(&bytes).unwrap_err().to_string();
            assert!(error.contains(reason) && !error.contains("root"), "{error}");
        }
    }

    #[test]
    fn limits_hold_after_decompression() {
        let bomb = zstd::encode_all(&*tar_of(&vec![0; 300 << 20]), 1).unwrap();
        let mut stream = ArchiveStream::open(&*bomb, Path::new("a.tar")).unwrap();
        stream.room().content();
        let error = io::copy(&mut stream, &mut io::sink()).unwrap_err().to_string();
        assert!(error.contains("more than 400 bytes"), "{error}");
        // The name of a file, which a parser would keep in memory.
        let mut name = tar::Header::new_gnu();
        name.set_entry_type(tar::EntryType::GNULongName);
        name.set_size(100 << 20);
        name.set_cksum();
        let long = [name.as_bytes().to_vec(), vec![b'a'; 100 << 20]].concat();
        let error = opened(&zstd::encode_all(&*long, 1).unwrap()).unwrap_err().to_string();
        assert!(error.contains("headers of more than"), "{error}");
    }
}
