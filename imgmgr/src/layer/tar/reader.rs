//! The streaming reader.

use std::io::{BufRead, ErrorKind};

use super::header::Header;
use super::pax::{PaxFields, Scope};
use super::sparse::{self, Segment};
use super::{BLOCK, Entry, EntryKind, TarError, TarTime};
use crate::layer::limits::{MAX_PATH, MAX_PAX_BYTES};

/// Reads entries one after another from a decompressed stream.
///
/// After [`TarReader::next_entry`] the entry's data, if any, comes as slices of the underlying
/// buffer from [`TarReader::data`]; what is not consumed is skipped by the next call.
#[derive(Debug)]
pub struct TarReader<R> {
    input: R,
    offset: u64,
    block: [u8; BLOCK],
    block_offset: u64,
    entry: Entry,
    data_left: u64,
    padding: u64,
    global: PaxFields,
    max_file_bytes: u64,
    ended: bool,
}

/// What the headers before an entry's own header said.
#[derive(Default)]
struct Preceding {
    pax: Option<PaxFields>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<R: BufRead> TarReader<R> {
    /// Reads from `input`; a file of more than `max_file_bytes`, holes included, is an error.
    pub fn new(input: R, max_file_bytes: u64) -> Self {
        Self {
            input,
            offset: 0,
            block: [0; BLOCK],
            block_offset: 0,
            entry: Entry::default(),
            data_left: 0,
            padding: 0,
            global: PaxFields::default(),
            max_file_bytes,
            ended: false,
        }
    }

    /// Returns the next entry, or `None` at the archive's end.
    ///
    /// The end is two zero blocks, or the stream's end where a header would start. Bytes after
    /// the zero blocks are left unread.
    ///
    /// # Errors
    /// [`TarError`]; the reader is of no use afterwards.
    pub fn next_entry(&mut self) -> Result<Option<&Entry>, TarError> {
        if self.ended {
            return Ok(None);
        }
        self.skip(self.data_left.saturating_add(self.padding))?;
        (self.data_left, self.padding) = (0, 0);
        let mut preceding = Preceding::default();
        loop {
            if !self.read_header_block()? {
                self.ended = true;
                if preceding.pax.is_some() || preceding.long_name.is_some() {
                    return Err(self.invalid("archive ends after an extended header"));
                }
                return Ok(None);
            }
            let header = Header::parse(&self.block);
            let header = header.ok_or_else(|| self.invalid("header checksum is wrong"))?;
            let typeflag = header.typeflag();
            match typeflag {
                b'x' | b'X' => {
                    let body = self.read_body(MAX_PAX_BYTES, "MAX_PAX_BYTES")?;
                    let mut pax = self.global.clone();
                    let invalid = self.invalid_here();
                    pax.apply(&body, Scope::Next, invalid)?;
                    preceding.pax = Some(pax);
                }
                b'g' => {
                    let body = self.read_body(MAX_PAX_BYTES, "MAX_PAX_BYTES")?;
                    let invalid = self.invalid_here();
                    self.global.apply(&body, Scope::Global, invalid)?;
                }
                b'L' => preceding.long_name = Some(self.read_long_text()?),
                b'K' => preceding.long_link = Some(self.read_long_text()?),
                b'V' => {
                    let size = self.unsigned(header.size(), "size is no number")?;
                    self.skip(padded(size))?;
                }
                _ => {
                    self.read_entry(preceding)?;
                    return Ok(Some(&self.entry));
                }
            }
        }
    }

    /// The entry that [`TarReader::next_entry`] returned last.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Returns the next run of the entry's data, empty at its end.
    ///
    /// # Errors
    /// [`TarError`] if the stream fails or ends within the data.
    pub fn data(&mut self) -> Result<&[u8], TarError> {
        if self.data_left == 0 {
            return Ok(&[]);
        }
        let offset = self.offset;
        while let Err(e) = self.input.fill_buf() {
            if e.kind() != ErrorKind::Interrupted {
                return Err(TarError::Read { source: e });
            }
        }
        let run = self.input.fill_buf().map_err(|source| TarError::Read { source })?;
        if run.is_empty() {
            return Err(TarError::Format { offset, reason: "archive ends within a file's data" });
        }
        let len = usize::try_from(self.data_left).map_or(run.len(), |left| run.len().min(left));
        Ok(&run[..len])
    }

    /// Marks `n` bytes of the last [`TarReader::data`] as used.
    pub fn consume(&mut self, n: usize) {
        let taken = u64::try_from(n).unwrap_or(u64::MAX).min(self.data_left);
        self.data_left -= taken;
        self.offset = self.offset.saturating_add(taken);
        self.input.consume(n);
    }

    /// Reads the stream to its end, so that what computes digests below sees every byte.
    ///
    /// # Errors
    /// [`TarError::Read`] if the stream fails.
    pub fn drain(&mut self) -> Result<(), TarError> {
        loop {
            let len = match self.input.fill_buf() {
                Ok(run) => run.len(),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(source) => return Err(TarError::Read { source }),
            };
            if len == 0 {
                return Ok(());
            }
            self.input.consume(len);
            self.offset = self.offset.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        }
    }

    /// What is read from; what is taken from it here is gone for the reader.
    pub(crate) fn input(&mut self) -> &mut R {
        &mut self.input
    }

    /// Bytes read so far.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn invalid(&self, reason: &'static str) -> TarError {
        TarError::Format { offset: self.block_offset, reason }
    }

    fn invalid_here(&self) -> impl Fn(&'static str) -> TarError + Copy + use<R> {
        let offset = self.block_offset;
        move |reason| TarError::Format { offset, reason }
    }

    fn unsigned(&self, number: Option<i64>, reason: &'static str) -> Result<u64, TarError> {
        number.and_then(|n| u64::try_from(n).ok()).ok_or_else(|| self.invalid(reason))
    }

    /// Reads up to a header; false at the archive's end.
    fn read_header_block(&mut self) -> Result<bool, TarError> {
        if !self.read_block_or_end()? {
            return Ok(false);
        }
        if self.block.iter().any(|b| *b != 0) {
            return Ok(true);
        }
        if self.read_block_or_end()? && self.block.iter().any(|b| *b != 0) {
            return Err(self.invalid("a single zero block within the archive"));
        }
        Ok(false)
    }

    /// Reads one block; false if the stream ends exactly before it.
    fn read_block_or_end(&mut self) -> Result<bool, TarError> {
        self.block_offset = self.offset;
        let mut filled = 0;
        while filled < BLOCK {
            let run = match self.input.fill_buf() {
                Ok(run) => run,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(source) => return Err(TarError::Read { source }),
            };
            if run.is_empty() {
                if filled == 0 {
                    return Ok(false);
                }
                return Err(self.invalid("archive ends within a block"));
            }
            let n = run.len().min(BLOCK - filled);
            self.block[filled..filled + n].copy_from_slice(&run[..n]);
            self.input.consume(n);
            filled += n;
            self.offset = self.offset.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
        }
        Ok(true)
    }

    fn skip(&mut self, mut left: u64) -> Result<(), TarError> {
        while left > 0 {
            let len = match self.input.fill_buf() {
                Ok(run) => run.len(),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(source) => return Err(TarError::Read { source }),
            };
            if len == 0 {
                let reason = "archive ends within an entry";
                return Err(TarError::Format { offset: self.offset, reason });
            }
            let n = usize::try_from(left).map_or(len, |left| len.min(left));
            self.input.consume(n);
            let taken = u64::try_from(n).unwrap_or(u64::MAX);
            left -= taken;
            self.offset = self.offset.saturating_add(taken);
        }
        Ok(())
    }

    /// Reads the body of the extension header in `self.block`, which stays.
    fn read_body(&mut self, max: u64, limit: &'static str) -> Result<Vec<u8>, TarError> {
        let header = Header::parse(&self.block);
        let size = self.unsigned(header.and_then(|h| h.size()), "size is no number")?;
        if size > max {
            return Err(TarError::Limit { limit, value: max });
        }
        let mut body = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        let mut left = size;
        while left > 0 {
            let run = match self.input.fill_buf() {
                Ok(run) => run,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(source) => return Err(TarError::Read { source }),
            };
            if run.is_empty() {
                return Err(self.invalid("archive ends within an extended header"));
            }
            let n = usize::try_from(left).map_or(run.len(), |left| run.len().min(left));
            body.extend_from_slice(&run[..n]);
            self.input.consume(n);
            let taken = u64::try_from(n).unwrap_or(u64::MAX);
            left -= taken;
            self.offset = self.offset.saturating_add(taken);
        }
        self.skip(padded(size) - size)?;
        Ok(body)
    }

    /// Reads the body of a GNU `L` or `K` header: a path that ends in NUL.
    fn read_long_text(&mut self) -> Result<Vec<u8>, TarError> {
        let max = u64::try_from(MAX_PATH).unwrap_or(u64::MAX) + 1;
        let mut text = self.read_body(max, "MAX_PATH")?;
        if let Some(end) = text.iter().position(|b| *b == 0) {
            text.truncate(end);
        }
        Ok(text)
    }

    /// Fills `self.entry` from the header in `self.block` and what preceded it.
    fn read_entry(&mut self, preceding: Preceding) -> Result<(), TarError> {
        let Preceding { pax, long_name, long_link } = preceding;
        let mut pax = match pax {
            Some(pax) => pax,
            None => self.global.clone(),
        };
        let block = self.block;
        let header = Header::parse(&block).ok_or_else(|| self.invalid("header checksum"))?;
        let stored = match pax.size {
            Some(size) => size,
            None => self.unsigned(header.size(), "size is no number or negative")?,
        };
        self.entry.path.clear();
        match (pax.sparse.name.take().or(pax.path.take()), long_name) {
            (Some(path), _) | (None, Some(path)) => self.entry.path = path,
            (None, None) => header.append_path(&mut self.entry.path),
        }
        self.entry.link.clear();
        match (pax.link.take(), long_link) {
            (Some(link), _) | (None, Some(link)) => self.entry.link = link,
            (None, None) => self.entry.link.extend_from_slice(header.link()),
        }
        let longest = self.entry.path.len().max(self.entry.link.len());
        if longest > MAX_PATH {
            let value = u64::try_from(MAX_PATH).unwrap_or(u64::MAX);
            return Err(TarError::Limit { limit: "MAX_PATH", value });
        }
        if self.entry.path.is_empty() {
            return Err(self.invalid("entry without a name"));
        }
        self.entry.kind = self.entry_kind(header.typeflag())?;
        self.read_numbers(&header, &pax)?;
        self.entry.xattrs = std::mem::take(&mut pax.xattrs);
        self.entry.sparse = None;
        self.entry.size = 0;
        (self.data_left, self.padding) = (0, 0);
        // POSIX: a link or device has no data whatever its size says; a directory's size is a
        // reservation. GNU dump directories (`D`) do store a list.
        if self.entry.kind == EntryKind::Regular {
            self.entry.size = stored;
            self.data_left = stored;
            self.padding = padded(stored).saturating_sub(stored);
            if stored > self.max_file_bytes {
                return Err(self.file_limit());
            }
            if header.typeflag() == b'S' {
                self.read_gnu_sparse(&header)?;
            } else if pax.sparse.is_sparse() {
                self.read_pax_sparse(&mut pax)?;
            }
        } else if header.typeflag() == b'D' {
            self.skip(padded(stored))?;
        }
        Ok(())
    }

    fn entry_kind(&self, typeflag: u8) -> Result<EntryKind, TarError> {
        Ok(match typeflag {
            // Before POSIX a directory was a file whose name ends in a slash.
            b'0' | 0 | b'7' | b'S' if !self.entry.path.ends_with(b"/") => EntryKind::Regular,
            b'0' | 0 | b'5' | b'D' => EntryKind::Directory,
            b'1' => EntryKind::HardLink,
            b'2' => EntryKind::Symlink,
            b'3' => EntryKind::CharDevice,
            b'4' => EntryKind::BlockDevice,
            b'6' => EntryKind::Fifo,
            b'M' => return Err(self.invalid("continued from another volume")),
            _ => return Err(self.invalid("entry of an unknown type")),
        })
    }

    fn read_numbers(&mut self, header: &Header<'_>, pax: &PaxFields) -> Result<(), TarError> {
        let id = |pax: Option<u32>, number: Option<i64>, reason| match pax {
            Some(id) => Ok(id),
            None => number.and_then(|n| u32::try_from(n).ok()).ok_or_else(|| self.invalid(reason)),
        };
        let uid = id(pax.uid, header.uid(), "owner is no 32-bit number")?;
        let gid = id(pax.gid, header.gid(), "group is no 32-bit number")?;
        let mode = self.unsigned(header.mode(), "mode is no number")?;
        let mtime = match pax.mtime {
            Some(mtime) => mtime,
            None => {
                let secs = header.mtime().ok_or_else(|| self.invalid("mtime is no number"))?;
                TarTime { secs, nanos: 0 }
            }
        };
        let is_device = matches!(self.entry.kind, EntryKind::CharDevice | EntryKind::BlockDevice);
        let device = if is_device {
            let reason = "device number is no number";
            let (major, minor) = header.device().ok_or_else(|| self.invalid(reason))?;
            (id(pax.device.0, Some(major), reason)?, id(pax.device.1, Some(minor), reason)?)
        } else {
            (0, 0)
        };
        let mode = u32::try_from(mode & 0o7777).unwrap_or_default();
        let entry = &mut self.entry;
        (entry.uid, entry.gid, entry.mode, entry.mtime) = (uid, gid, mode, mtime);
        (entry.atime, entry.device) = (pax.atime, device);
        Ok(())
    }

    fn file_limit(&self) -> TarError {
        TarError::Limit { limit: "max_file_bytes", value: self.max_file_bytes }
    }

    fn read_gnu_sparse(&mut self, header: &Header<'_>) -> Result<(), TarError> {
        let (pairs, mut extended, real_size) = header.gnu_sparse();
        let real_size = self.unsigned(real_size, "real size of a sparse file is no number")?;
        let mut map = Vec::new();
        let invalid = self.invalid_here();
        sparse::push_gnu(&mut map, pairs, invalid)?;
        while extended {
            if !self.read_block_or_end()? {
                return Err(self.invalid("archive ends within a sparse map"));
            }
            extended = self.block[504] != 0;
            sparse::push_gnu(&mut map, &self.block[..504], invalid)?;
        }
        self.finish_sparse(map, real_size)
    }

    fn read_pax_sparse(&mut self, pax: &mut PaxFields) -> Result<(), TarError> {
        let real_size = pax.sparse.real_size.take();
        let real_size = real_size.ok_or_else(|| self.invalid("sparse file without real size"))?;
        if pax.sparse.is_incomplete() {
            return Err(self.invalid("GNU.sparse.offset without a length"));
        }
        let map = match (pax.sparse.map.take(), pax.sparse.major_minor) {
            (Some(map), _) => map,
            (None, (Some(1), Some(0))) => self.read_map_1_0()?,
            (None, _) => return Err(self.invalid("sparse file of an unknown format version")),
        };
        self.finish_sparse(map, real_size)
    }

    fn finish_sparse(&mut self, map: Vec<Segment>, real_size: u64) -> Result<(), TarError> {
        if real_size > self.max_file_bytes {
            return Err(self.file_limit());
        }
        sparse::check(&map, real_size, self.data_left).map_err(|reason| self.invalid(reason))?;
        self.entry.size = real_size;
        self.entry.sparse = Some(map);
        Ok(())
    }

    /// Reads the map of format 1.0 from the start of the data: decimal lines, padded to a block.
    fn read_map_1_0(&mut self) -> Result<Vec<Segment>, TarError> {
        let mut at = BLOCK;
        let pairs = self.read_map_number(&mut at)?;
        let mut map = Vec::new();
        for _ in 0..pairs {
            let offset = self.read_map_number(&mut at)?;
            let len = self.read_map_number(&mut at)?;
            sparse::push(&mut map, Segment { offset, len })?;
        }
        Ok(map)
    }

    fn read_map_number(&mut self, at: &mut usize) -> Result<u64, TarError> {
        let mut value = 0u64;
        for digits in 0..=20 {
            if *at == BLOCK {
                let bytes = u64::try_from(BLOCK).unwrap_or_default();
                let left = self.data_left.checked_sub(bytes);
                self.data_left = left.ok_or_else(|| self.invalid("sparse map beyond the data"))?;
                if !self.read_block_or_end()? {
                    return Err(self.invalid("archive ends within a sparse map"));
                }
                *at = 0;
            }
            let byte = self.block[*at];
            *at += 1;
            match byte {
                b'0'..=b'9' => {
                    let next =
                        value.checked_mul(10).and_then(|v| v.checked_add(u64::from(byte - b'0')));
                    value =
                        next.ok_or_else(|| self.invalid("number in a sparse map is too large"))?;
                }
                b'\n' if digits > 0 => return Ok(value),
                _ => break,
            }
        }
        Err(self.invalid("sparse map holds no number"))
    }
}

/// Rounds up to whole blocks.
fn padded(size: u64) -> u64 {
    size.checked_next_multiple_of(512).unwrap_or(u64::MAX)
}
