//! Uploads from a store: one process at a time sends a blob to a repository, and the next one
//! knows where it goes on.

use std::fs;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::registry::ResumeSlot;

use super::lock::Lock;
use super::{Result, Store, StoreError};

const DIRECTORY: &str = "uploads";

/// The upload of one blob to one repository; nobody else who uses the store is at it.
#[derive(Debug)]
pub struct Upload {
    store: Store,
    /// The file with the address.
    note: PathBuf,
    /// Absent where the store can't be written to.
    lock: Option<Lock>,
    waited: bool,
}

impl Store {
    /// Takes up the upload of the blob `digest` to `repository`. Blocks while another process is at
    /// it, which may be one that lets its last chunk end after it was told to stop.
    ///
    /// A view keeps no address and locks nothing; neither does a disk that refuses to.
    pub(crate) fn upload(&self, repository: &str, digest: &Digest) -> Upload {
        let key = Digest::of(format!("{repository} {digest}").as_bytes());
        let note = self.private(DIRECTORY).join(key.hex());
        let (lock, waited) = self.lock_upload(&note).map_or((None, false), |(l, w)| (Some(l), w));
        Upload { store: self.clone(), note, lock, waited }
    }

    fn lock_upload(&self, note: &Path) -> Option<(Lock, bool)> {
        if !self.private("version").exists() {
            return None;
        }
        self.disk.create_dirs(&self.private(DIRECTORY)).ok()?;
        let path = lock_path(note);
        match Lock::try_removable(&*self.disk, &path).ok()? {
            Some(lock) => Some((lock, false)),
            None => Some((Lock::removable(&*self.disk, &path).ok()?, true)),
        }
    }

    /// Removes addresses for which `is_stale` says so, and locks of dead processes.
    pub(super) fn sweep_uploads(&self, is_stale: impl Fn(&fs::Metadata) -> bool) -> Result<()> {
        let parent = self.private(DIRECTORY);
        let entries = match fs::read_dir(&parent) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(StoreError::io("read", &parent))?,
        };
        for entry in entries {
            let note = entry.map_err(StoreError::io("read", &parent))?.path().with_extension("");
            let lock = lock_path(&note);
            if fs::metadata(&note).is_ok_and(|m| !is_stale(&m)) {
                continue;
            }
            if let Some(_held) = Lock::try_removable(&*self.disk, &lock)? {
                for path in [note, lock] {
                    self.disk.remove_file(&path).map_err(StoreError::io("remove", &path))?;
                }
            }
        }
        Ok(())
    }
}

fn lock_path(note: &Path) -> PathBuf {
    note.with_extension("lock")
}

impl Upload {
    /// Whether another process was at it: the blob may be there by now.
    pub(crate) fn waited(&self) -> bool {
        self.waited
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // Left behind, it goes with the next sweep.
            let _ = self.store.disk.remove_file(&lock_path(&self.note));
        }
    }
}

impl ResumeSlot for Upload {
    fn load(&self) -> Option<String> {
        fs::read_to_string(&self.note).ok()
    }

    /// A lost address costs an upload from its start, so failures here are no errors.
    fn save(&self, location: Option<&str>) {
        let _ = match location {
            Some(location) => self.store.keep_note(&self.note, location),
            None => self.store.drop_note(&self.note),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::store::{Durability, GcRequest, RealDisk};

    fn names(store: &Store) -> Vec<String> {
        let entries = fs::read_dir(store.private(DIRECTORY)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn addresses_nobody_asks_for_go() {
        let place = tempfile::tempdir().unwrap();
        let disk = Arc::new(RealDisk::new(Durability::NoSync));
        let store = Store::open(place.path(), disk).unwrap();
        let digests = ["old", "new", "busy"].map(|text| Digest::of(text.as_bytes()));
        let [old, new, busy] = digests.each_ref().map(|digest| store.upload("a.test/b", digest));
        for upload in [&old, &new, &busy] {
            upload.save(Some("https://a.test/v2/b/blobs/uploads/1"));
        }
        let long_ago = SystemTime::now() - GcRequest::KEEP_INGESTS - Duration::from_secs(60);
        for upload in [&old, &busy] {
            File::options().write(true).open(&upload.note).unwrap().set_modified(long_ago).unwrap();
        }
        drop((old, new));
        // A process was killed before it had an address.
        File::create(store.private(DIRECTORY).join("dead.lock")).unwrap();
        store.gc(GcRequest::default()).unwrap();
        assert!(busy.load().is_some());
        assert_eq!(names(&store).len(), 3, "new, busy and its lock: {:?}", names(&store));
        assert!(store.upload("a.test/b", &digests[1]).load().is_some());
    }
}
