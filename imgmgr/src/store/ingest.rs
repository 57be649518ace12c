//! Ingest of a blob whose digest and size are known: resumable, in pieces, in any order.
//!
//! Several writers fill `data` at any offsets, while one reader follows from the start as far as
//! the bytes reach; it hashes and, in a pull, unpacks them. `journal` says which granules are there:
//! ```text
//! 0   8  magic "imgingst"
//! 8   4  version, 1, little endian
//! 12  4  granule size in bytes
//! 16  8  size of the blob
//! 24  .  bitmap: bit n % 8 of byte n / 8 is set once granule n is written
//! ```
//! No hash state is kept: a resumed ingest reads the old bytes again. The unpacker needs them
//! anyway, 1.7 GB/s of hashing is far above any network, and what is verified then is what lies on
//! the disk, so neither `data` nor `journal` need be synced before the end: bytes that a power cut
//! lost show up as a wrong digest, never as a blob.

use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::digest::VerifyReader;
use crate::image::Descriptor;

use super::blobs::WRITEBACK_BYTES;
use super::lock::Lock;
use super::{Result, Store, StoreError, SyncAhead};

/// What a resumed ingest keeps or fetches whole.
pub const GRANULE: u64 = 256 << 10;

const MAGIC: &[u8; 8] = b"imgingst";
const VERSION: u32 = 1;
const HEADER: usize = 24;

/// How an ingest begins.
#[derive(Debug)]
pub enum IngestStart {
    /// The blob is in the store already, perhaps since another process fetched it meanwhile.
    Present,
    /// It is ours to fetch.
    Fetch(Arc<Ingest>),
}

/// How long a blob that is whole waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// No longer than a sync takes.
    ForSync,
    /// Until others want a sync, too, but seconds at most.
    WithOthers,
}

/// A blob being fetched; holds the lock that keeps others from fetching it too.
#[derive(Debug)]
pub struct Ingest {
    store: Store,
    descriptor: Descriptor,
    _lock: Lock,
    directory: PathBuf,
    data: File,
    journal: File,
    /// Told of what is written.
    ahead: Option<Arc<SyncAhead>>,
    progress: Mutex<Progress>,
    moved: Condvar,
}

#[derive(Debug)]
struct Progress {
    bitmap: Vec<u8>,
    /// Granules present from the start without a gap.
    prefix: u64,
    /// Why nothing more will come.
    failed: Option<String>,
}

impl Store {
    /// Takes up the fetch of `descriptor`, waiting while another process or thread is at it.
    ///
    /// What an earlier, interrupted ingest left is kept. Blocks.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn ingest(&self, descriptor: &Descriptor) -> Result<IngestStart> {
        let name =
            format!("ingest/{}-{}", descriptor.digest.algorithm().name(), descriptor.digest.hex());
        let directory = self.private(&name);
        let lock = self.private(&format!("{name}.lock"));
        let lock = match Lock::try_removable(&*self.disk, &lock)? {
            Some(lock) => lock,
            None => {
                // Who holds it may wait for a blob that is here and has no name yet.
                let _blocked = self.sync_ahead().map(|ahead| ahead.blocked());
                Lock::removable(&*self.disk, &lock)?
            }
        };
        if self.has(descriptor)? {
            self.remove_ingest(&directory)?;
            return Ok(IngestStart::Present);
        }
        self.disk.create_dirs(&directory).map_err(StoreError::io("create", &directory))?;
        let open = |name: &str| {
            let path = directory.join(name);
            self.disk.open_rw(&path).map_err(StoreError::io("open", &path))
        };
        let (data, journal) = (open("data")?, open("journal")?);
        let ahead = self.disk.sync_ahead(&data);
        let granules = descriptor.size.div_ceil(GRANULE);
        let bitmap = match read_journal(&journal, descriptor.size)
            .filter(|_| data.metadata().is_ok_and(|m| m.len() == descriptor.size))
        {
            Some(bitmap) => bitmap,
            None => {
                self.start_journal(&data, &journal, descriptor.size)
                    .map_err(StoreError::io("write", &directory))?;
                vec![0; bytes_for(granules)]
            }
        };
        let mut progress = Progress { bitmap, prefix: 0, failed: None };
        progress.advance(granules);
        Ok(IngestStart::Fetch(Arc::new(Ingest {
            store: self.clone(),
            descriptor: descriptor.clone(),
            _lock: lock,
            directory,
            data,
            journal,
            ahead,
            progress: Mutex::new(progress),
            moved: Condvar::new(),
        })))
    }

    fn start_journal(&self, data: &File, journal: &File, size: u64) -> io::Result<()> {
        self.disk.set_len(journal, 0)?;
        self.disk.set_len(data, size)?;
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(GRANULE).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.resize(HEADER + bytes_for(size.div_ceil(GRANULE)), 0);
        self.disk.write_at(journal, &bytes, 0)
    }

    /// Removes an ingest's files; the caller holds its lock.
    fn remove_ingest(&self, directory: &Path) -> Result<()> {
        self.disk.remove_dir_all(directory).map_err(StoreError::io("remove", directory))?;
        let lock = directory.with_extension("lock");
        self.disk.remove_file(&lock).map_err(StoreError::io("remove", &lock))
    }

    /// How many interrupted and running downloads there are, and the bytes they take.
    pub(super) fn download_bytes(&self) -> Result<(usize, u64)> {
        let parent = self.private("ingest");
        let entries = fs::read_dir(&parent).map_err(StoreError::io("read", &parent))?;
        let data = entries.flatten().map(|entry| entry.path().join("data"));
        Ok(data
            .filter(|path| path.exists())
            .fold((0, 0), |(count, bytes), path| (count + 1, bytes + allocated(&path))))
    }

    /// Removes abandoned ingests for which `is_stale` says so, and temporary files of dead writers.
    pub(super) fn sweep_ingests(&self, is_stale: impl Fn(&fs::Metadata) -> bool) -> Result<u64> {
        let parent = self.private("ingest");
        let mut removed = 0;
        for entry in fs::read_dir(&parent).map_err(StoreError::io("read", &parent))? {
            let path = entry.map_err(StoreError::io("read", &parent))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with("tmp-") {
                if let Some(_held) = Lock::try_removable(&*self.disk, &path)? {
                    removed += fs::metadata(&path).map_or(0, |m| m.len());
                    self.disk.remove_file(&path).map_err(StoreError::io("remove", &path))?;
                }
                continue;
            }
            let directory = path.with_extension("");
            let journal = directory.join("journal");
            let stale = fs::metadata(&journal).map_or(true, |m| is_stale(&m));
            if name.ends_with(".lock")
                && stale
                && let Some(_held) = Lock::try_removable(&*self.disk, &path)?
            {
                removed += allocated(&directory.join("data"));
                self.remove_ingest(&directory)?;
            }
        }
        Ok(removed)
    }
}

fn allocated(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).map_or(0, |metadata| metadata.blocks() * 512)
}

fn bytes_for(granules: u64) -> usize {
    usize::try_from(granules.div_ceil(8)).unwrap_or(usize::MAX)
}

/// Returns the bitmap of a journal that belongs to a blob of `size` bytes.
fn read_journal(mut journal: &File, size: u64) -> Option<Vec<u8>> {
    let expected = HEADER + bytes_for(size.div_ceil(GRANULE));
    if journal.metadata().ok()?.len() != expected as u64 {
        return None;
    }
    let mut bytes = Vec::with_capacity(expected);
    journal.read_to_end(&mut bytes).ok()?;
    let header = bytes.get(..HEADER)?;
    let ours = header.starts_with(MAGIC)
        && header[8..12] == VERSION.to_le_bytes()
        && u64::from(u32::from_le_bytes(header[12..16].try_into().ok()?)) == GRANULE
        && header[16..24] == size.to_le_bytes();
    ours.then(|| bytes.split_off(HEADER))
}

impl Progress {
    fn has(&self, granule: u64) -> bool {
        let byte = usize::try_from(granule / 8).ok().and_then(|index| self.bitmap.get(index));
        byte.is_some_and(|byte| byte & (1 << (granule % 8)) != 0)
    }

    fn advance(&mut self, granules: u64) {
        while self.prefix < granules && self.has(self.prefix) {
            self.prefix += 1;
        }
    }
}

impl Ingest {
    /// What is being fetched.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The byte ranges that are not there yet, in order, each at most `longest` bytes.
    pub fn missing(&self, longest: u64) -> Vec<Range<u64>> {
        let progress = self.progress();
        let longest = (longest / GRANULE).max(1);
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for granule in 0..self.descriptor.size.div_ceil(GRANULE) {
            if progress.has(granule) {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if last.end == granule && granule - last.start < longest => {
                    last.end = granule + 1;
                }
                _ => ranges.push(granule..granule + 1),
            }
        }
        let size = self.descriptor.size;
        ranges.into_iter().map(|r| r.start * GRANULE..(r.end * GRANULE).min(size)).collect()
    }

    /// Bytes that are there already.
    pub fn present(&self) -> u64 {
        let missing: u64 = self.missing(u64::MAX).iter().map(|range| range.end - range.start).sum();
        self.descriptor.size - missing
    }

    /// Starts writing at `start`, which must be the start of a missing range.
    pub fn writer(self: &Arc<Self>, start: u64) -> IngestWriter {
        let marked = start / GRANULE;
        IngestWriter { ingest: Arc::clone(self), marked, position: start, started: start }
    }

    /// Makes readers fail, for the first reason given: nothing more will come. What is there
    /// stays for a resume.
    pub fn fail(&self, reason: &str) {
        self.progress().failed.get_or_insert_with(|| reason.to_owned());
        self.moved.notify_all();
    }

    /// Reads the blob from its start, waiting for bytes that are on their way. The reader fails
    /// at the end if the bytes are not those of the descriptor.
    pub fn reader(self: &Arc<Self>) -> VerifyReader<IngestReader> {
        let raw = IngestReader { ingest: Arc::clone(self), position: 0 };
        VerifyReader::new(raw, self.descriptor.digest.clone(), self.descriptor.size)
    }

    /// As [`Ingest::reader`], for a consumer that verifies digest and size itself.
    pub fn unverified_reader(self: &Arc<Self>) -> IngestReader {
        IngestReader { ingest: Arc::clone(self), position: 0 }
    }

    /// Makes the blob durable, which may take seconds while more is expected
    /// ([`Store::expect`]) and `wait` allows it, and gives it its name. Only for bytes that were read
    /// to the end and verified.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn publish(&self, wait: Wait) -> Result<()> {
        let from = self.directory.join("data");
        let synced = match wait {
            Wait::ForSync => self.store.disk.sync_data(&self.data),
            Wait::WithOthers => self.store.disk.sync_data_with_others(&self.data),
        };
        synced.map_err(StoreError::io("sync", &from))?;
        self.store.name_file(&from, &self.descriptor.digest)?;
        self.store.remove_ingest(&self.directory)
    }

    /// Throws away what `parts` touch, because it is not what was promised; the rest stays.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn forget(&self, parts: impl IntoIterator<Item = Range<u64>>) -> Result<()> {
        let mut progress = self.progress();
        let size = self.descriptor.size;
        let granules = parts
            .into_iter()
            .flat_map(|part| part.start / GRANULE..part.end.min(size).div_ceil(GRANULE));
        for granule in granules {
            let byte = usize::try_from(granule / 8).ok();
            if let Some(byte) = byte.and_then(|index| progress.bitmap.get_mut(index)) {
                *byte &= !(1 << (granule % 8));
            }
            progress.prefix = progress.prefix.min(granule);
        }
        self.store
            .disk
            .write_at(&self.journal, &progress.bitmap, HEADER as u64)
            .map_err(StoreError::io("write", &self.directory))
    }

    /// Throws away what is there, because it is not what was promised.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn discard(&self) -> Result<()> {
        self.store.remove_ingest(&self.directory)
    }
}

/// Writes one range of an [`Ingest`], front to back.
#[derive(Debug)]
pub struct IngestWriter {
    ingest: Arc<Ingest>,
    marked: u64,
    position: u64,
    /// Up to here write-back has started.
    started: u64,
}

impl IngestWriter {
    /// Where the next byte goes.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Writes the next bytes and marks the granules that they complete.
    ///
    /// # Errors
    /// If the disk refuses, or the bytes go past the blob's end.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Ingest { store, descriptor, directory, data, journal, ahead, .. } = &*self.ingest;
        let end = self.position + bytes.len() as u64;
        if end > descriptor.size {
            return Err(StoreError::Mismatch(crate::digest::Mismatch::Size {
                digest: descriptor.digest.clone(),
                expected: descriptor.size,
                actual: end,
            }));
        }
        store
            .disk
            .write_at(data, bytes, self.position)
            .map_err(StoreError::io("write", directory))?;
        self.position = end;
        if let Some(ahead) = ahead {
            ahead.note(bytes.len() as u64);
        } else if end - self.started >= WRITEBACK_BYTES {
            store.disk.start_writeback(data, self.started, end - self.started);
            self.started = end;
        }
        let complete = if end == descriptor.size { end.div_ceil(GRANULE) } else { end / GRANULE };
        if complete <= self.marked {
            return Ok(());
        }
        let mut progress = self.ingest.progress();
        for granule in self.marked..complete {
            if let Some(byte) =
                usize::try_from(granule / 8).ok().and_then(|i| progress.bitmap.get_mut(i))
            {
                *byte |= 1 << (granule % 8);
            }
        }
        let touched = usize::try_from(self.marked / 8).unwrap_or(0)..bytes_for(complete);
        let bits = progress.bitmap.get(touched.clone()).unwrap_or_default();
        let offset = (HEADER + touched.start) as u64;
        store.disk.write_at(journal, bits, offset).map_err(StoreError::io("write", directory))?;
        self.marked = complete;
        progress.advance(descriptor.size.div_ceil(GRANULE));
        drop(progress);
        self.ingest.moved.notify_all();
        Ok(())
    }
}

/// Follows an [`Ingest`] from its start.
#[derive(Debug)]
pub struct IngestReader {
    ingest: Arc<Ingest>,
    position: u64,
}

impl Read for IngestReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let size = self.ingest.descriptor.size;
        if self.position >= size {
            return Ok(0);
        }
        let mut progress = self.ingest.progress();
        let end = loop {
            let end = (progress.prefix * GRANULE).min(size);
            if end > self.position {
                break end;
            }
            if let Some(reason) = &progress.failed {
                return Err(io::Error::other(reason.clone()));
            }
            progress = self.ingest.moved.wait(progress).unwrap_or_else(PoisonError::into_inner);
        };
        drop(progress);
        let available = usize::try_from(end - self.position).unwrap_or(usize::MAX);
        let count = out.len().min(available);
        let count = self.ingest.data.read_at(&mut out[..count], self.position)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += count as u64;
        Ok(count)
    }
}
