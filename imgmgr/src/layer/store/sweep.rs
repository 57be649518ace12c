//! Removing layers: first out of sight, which is quick, then from the disk, which is not.

use std::fs;
use std::path::PathBuf;

use super::LayerStore;
use super::error::{self, LayerStoreError};
use super::locks::LayerLock;
use crate::disk_usage::measure;
use crate::room::Shortage;

/// A layer that no name leads to any more; its lock is held until it is gone.
#[derive(Debug)]
pub struct SetAside {
    name: String,
    path: PathBuf,
    _lock: LayerLock,
}

/// A layer that went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Its name in the store.
    pub name: String,
    /// What it took.
    pub bytes: u64,
}

impl LayerStore {
    /// Takes every layer, and everything derived, out of sight whose name `is_kept` does not
    /// claim. What somebody makes or checks just now stays.
    ///
    /// The caller keeps new users of a layer away meanwhile; not while
    /// [`LayerStore::remove_aside`] does the long part.
    ///
    /// # Errors
    /// [`LayerStoreError::Io`].
    pub fn set_aside(
        &self,
        is_kept: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<SetAside>, LayerStoreError> {
        let mut aside = Vec::new();
        for name in self.names()? {
            if is_kept(&name) {
                continue;
            }
            let Some(lock) = self.try_lock(&name)? else { continue };
            let path = self.put_aside(&name)?;
            aside.push(SetAside { name, path, _lock: lock });
        }
        Ok(aside)
    }

    /// Takes one layer out of sight, and returns where it is now.
    fn put_aside(&self, name: &str) -> Result<PathBuf, LayerStoreError> {
        let (dir, path) = (self.root.join(name), self.root.join("ingest").join(name));
        self.remove_all(&path)?;
        match self.disk.rename(&dir, &path) {
            Ok(()) => Ok(path),
            // Who makes room may find none for the new name. Without facts it is no layer either.
            Err(error) if Shortage::of(&error).is_some() => {
                let facts = dir.join("facts");
                self.disk.remove_file(&facts).map_err(error::io("remove", &facts))?;
                self.disk.sync_dir(&dir).map_err(error::io("sync", &dir))?;
                Ok(dir)
            }
            Err(source) => Err(error::io("rename", &dir)(source)),
        }
    }

    /// Removes what was set aside, and what killed processes left half made.
    ///
    /// # Errors
    /// [`LayerStoreError::Io`]; what is left then goes at the next sweep.
    pub fn remove_aside(&self, aside: Vec<SetAside>) -> Result<Vec<Swept>, LayerStoreError> {
        if !aside.is_empty() {
            // Or a power cut might bring back a layer that lacks some of its files.
            for dir in [self.root.join("ingest"), self.root.clone()] {
                self.disk.sync_dir(&dir).map_err(error::io("sync", &dir))?;
            }
        }
        let mut swept = Vec::with_capacity(aside.len());
        for SetAside { name, path, _lock } in aside {
            let bytes = measure(&path).map_or(0, |usage| usage.bytes);
            self.remove_all(&path)?;
            swept.push(Swept { name, bytes });
        }
        let ingest = self.root.join("ingest");
        for entry in fs::read_dir(&ingest).map_err(error::io("read", &ingest))? {
            let path = entry.map_err(error::io("read", &ingest))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some(_lock) = self.try_lock(&name)? {
                self.remove_all(&path)?;
            }
        }
        self.remove_idle_locks()?;
        Ok(swept)
    }

    /// Both steps at once.
    ///
    /// # Errors
    /// [`LayerStoreError::Io`].
    pub fn sweep(&self, is_kept: impl Fn(&str) -> bool) -> Result<Vec<Swept>, LayerStoreError> {
        let aside = self.set_aside(&is_kept)?;
        self.remove_aside(aside)
    }
}
