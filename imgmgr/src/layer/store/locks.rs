//! One process at a time makes, checks or removes a layer.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::LayerStore;
use super::error::{self, LayerStoreError};

/// A held lock; dropping it frees it.
#[derive(Debug)]
pub(super) struct LayerLock {
    file: File,
}

impl LayerStore {
    fn lock_path(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(name)
    }

    fn lock_file(&self, name: &str) -> Result<File, LayerStoreError> {
        let path = self.lock_path(name);
        let options = OpenOptions::new().create(true).append(true).open(&path);
        options.map_err(error::io("open", &path))
    }

    /// Waits for the lock of the layer `name`.
    pub(super) fn lock(&self, name: &str) -> Result<LayerLock, LayerStoreError> {
        let path = self.lock_path(name);
        loop {
            let file = self.lock_file(name)?;
            file.lock().map_err(error::io("lock", &path))?;
            let lock = LayerLock { file };
            if lock.is_current(&path) {
                return Ok(lock);
            }
        }
    }

    /// As [`LayerStore::lock`], but `None` if somebody holds it.
    pub(super) fn try_lock(&self, name: &str) -> Result<Option<LayerLock>, LayerStoreError> {
        let path = self.lock_path(name);
        loop {
            let file = self.lock_file(name)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => return Ok(None),
                Err(fs::TryLockError::Error(source)) => {
                    return Err(error::io("lock", &path)(source));
                }
            }
            let lock = LayerLock { file };
            if lock.is_current(&path) {
                return Ok(Some(lock));
            }
        }
    }

    /// Removes the files of locks that nobody holds and that guard nothing.
    pub(super) fn remove_idle_locks(&self) -> Result<(), LayerStoreError> {
        let dir = self.root.join("locks");
        for entry in fs::read_dir(&dir).map_err(error::io("read", &dir))? {
            let name = entry.map_err(error::io("read", &dir))?.file_name();
            let name = name.to_string_lossy();
            let guarded = [self.root.join(&*name), self.root.join("ingest").join(&*name)];
            if guarded.iter().any(|path| path.exists()) {
                continue;
            }
            if let Some(_lock) = self.try_lock(&name)? {
                let path = self.lock_path(&name);
                self.disk.remove_file(&path).map_err(error::io("remove", &path))?;
            }
        }
        Ok(())
    }
}

impl LayerLock {
    /// False if a sweep removed the file between our opening and locking it.
    fn is_current(&self, path: &Path) -> bool {
        match (self.file.metadata(), fs::metadata(path)) {
            (Ok(held), Ok(named)) => held.ino() == named.ino() && held.dev() == named.dev(),
            _ => false,
        }
    }
}
