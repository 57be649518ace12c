//! Locks: `flock(2)` on files of the store, free again when their holder dies.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Disk, Result, StoreError};

/// A held lock; dropping it frees it.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Waits for the lock that nobody else may share.
    pub(super) fn exclusive(disk: &dyn Disk, path: &Path) -> Result<Self> {
        let file = disk.open_rw(path).map_err(StoreError::io("open", path))?;
        file.lock().map_err(StoreError::io("lock", path))?;
        Ok(Self { file })
    }

    /// Waits until nobody holds the lock exclusively.
    pub(super) fn shared(disk: &dyn Disk, path: &Path) -> Result<Self> {
        let file = disk.open_rw(path).map_err(StoreError::io("open", path))?;
        file.lock_shared().map_err(StoreError::io("lock", path))?;
        Ok(Self { file })
    }

    /// Waits for a lock whose file its holder may remove: what was locked must still be what the
    /// name says, or another process would lock a different file.
    pub(super) fn removable(disk: &dyn Disk, path: &Path) -> Result<Self> {
        loop {
            let lock = Self::exclusive(disk, path)?;
            if lock.is_current(path) {
                return Ok(lock);
            }
        }
    }

    /// As [`Lock::removable`], but `None` if somebody holds it.
    pub(super) fn try_removable(disk: &dyn Disk, path: &Path) -> Result<Option<Self>> {
        loop {
            let file = disk.open_rw(path).map_err(StoreError::io("open", path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => return Ok(None),
                Err(fs::TryLockError::Error(source)) => {
                    return Err(StoreError::Io { action: "lock", path: path.to_owned(), source });
                }
            }
            let lock = Self { file };
            if lock.is_current(path) {
                return Ok(Some(lock));
            }
        }
    }

    fn is_current(&self, path: &Path) -> bool {
        match (self.file.metadata(), fs::metadata(path)) {
            (Ok(held), Ok(named)) => held.ino() == named.ino() && held.dev() == named.dev(),
            _ => false,
        }
    }
}
