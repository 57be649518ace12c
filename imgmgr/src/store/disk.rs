//! The few file operations that a store is made of, behind a trait so that a test can stop at any.
//!
//! Reading needs no trait: a crash changes nothing for a reader. Every operation that changes
//! the disk goes through [`Disk`], in the order in which it must reach the disk.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::SyncAhead;

/// What changes files. Real ones underneath in every implementation.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Makes a directory and its parents; existing ones are fine.
    fn create_dirs(&self, path: &Path) -> io::Result<()>;
    /// Opens for reading and writing, and creates if absent; never truncates.
    fn open_rw(&self, path: &Path) -> io::Result<File>;
    /// Creates a file that must not exist.
    fn create_new(&self, path: &Path) -> io::Result<File>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Sets the length; what is added is a hole.
    fn set_len(&self, file: &File, len: u64) -> io::Result<()>;
    /// `fdatasync(2)`.
    fn sync_data(&self, file: &File) -> io::Result<()>;
    /// As [`Disk::sync_data`]; may wait for seconds, for a sync that serves others, too.
    fn sync_data_with_others(&self, file: &File) -> io::Result<()> {
        self.sync_data(file)
    }
    /// Starts writing a part of a file to the disk without waiting; a hint.
    fn start_writeback(&self, file: &File, offset: u64, len: u64) {
        let _ = (file, offset, len);
    }
    /// Brings what is written on the file system of `file` to the disk early, as long as the
    /// result lives: [`Disk::sync_data`] and [`Disk::sync_all`] have less to do then. `None` where
    /// that is not to be had.
    fn sync_ahead(&self, file: &File) -> Option<Arc<SyncAhead>> {
        let _ = file;
        None
    }
    /// Makes everything on the file system of `directory` durable.
    fn sync_all(&self, directory: &File) -> io::Result<()>;
    /// Makes the data of several files of one file system durable.
    fn sync_files(&self, files: &[&File]) -> io::Result<()> {
        files.iter().try_for_each(|file| self.sync_data(file))
    }
    /// `rename(2)`, replacing what is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// `link(2)`; fails if `to` exists.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// `unlink(2)`; absence is success.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory with everything in it; absence is success.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes renames and creations in a directory durable: `fsync(2)` on it.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// The real file system.
#[derive(Debug)]
pub struct RealDisk {
    durability: Durability,
    ahead: Mutex<Weak<SyncAhead>>,
}

/// Whether a store waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// What was reported done survives a power cut.
    #[default]
    Sync,
    /// For throw-away stores (`--no-sync`): still consistent after a killed process.
    NoSync,
}

impl RealDisk {
    /// The real disk, with or without waiting for it.
    pub fn new(durability: Durability) -> Self {
        Self { durability, ahead: Mutex::default() }
    }

    /// What syncs the file system of `file` ahead, if anything does.
    fn ahead_of(&self, file: &File) -> Option<Arc<SyncAhead>> {
        let ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        ahead.filter(|ahead| ahead.covers(file))
    }
}

impl Disk for RealDisk {
    fn create_dirs(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn open_rw(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o644).open(path)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        match self.durability {
            Durability::Sync => {
                self.ahead_of(file).map_or_else(|| file.sync_data(), |ahead| ahead.settle())
            }
            Durability::NoSync => Ok(()),
        }
    }

    fn sync_data_with_others(&self, file: &File) -> io::Result<()> {
        match (self.durability, self.ahead_of(file)) {
            (Durability::NoSync, _) => Ok(()),
            (Durability::Sync, Some(ahead)) => ahead.settle_with_others(),
            (Durability::Sync, None) => file.sync_data(),
        }
    }

    fn sync_ahead(&self, file: &File) -> Option<Arc<SyncAhead>> {
        if self.durability == Durability::NoSync {
            return None;
        }
        let mut current = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ahead) = current.upgrade() {
            return Some(ahead).filter(|ahead| ahead.covers(file));
        }
        // Without it everything works, only slower.
        let ahead = Arc::new(SyncAhead::start(file.try_clone().ok()?).ok()?);
        *current = Arc::downgrade(&ahead);
        Some(ahead)
    }

    fn sync_all(&self, directory: &File) -> io::Result<()> {
        match (self.durability, self.ahead_of(directory)) {
            (Durability::NoSync, _) => Ok(()),
            (Durability::Sync, Some(ahead)) => ahead.settle(),
            (Durability::Sync, None) => Ok(rustix::fs::syncfs(directory)?),
        }
    }

    fn start_writeback(&self, file: &File, offset: u64, len: u64) {
        if self.durability == Durability::Sync && self.ahead_of(file).is_none() {
            let _ = kernel::writeback::start_writeback(file, offset, len);
        }
    }

    fn sync_files(&self, files: &[&File]) -> io::Result<()> {
        match (self.durability, files) {
            (Durability::NoSync, _) | (_, []) => Ok(()),
            // One commit of the file system's journal instead of one for each file.
            (Durability::Sync, [first, _, ..]) => Ok(rustix::fs::syncfs(first)?),
            (Durability::Sync, [only]) => only.sync_data(),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        absent_is_fine(fs::remove_file(path))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        absent_is_fine(fs::remove_dir_all(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match self.durability {
            Durability::Sync => File::open(path)?.sync_all(),
            Durability::NoSync => Ok(()),
        }
    }
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
