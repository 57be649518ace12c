//! The content store: an OCI image layout that others read as it stands.
//!
//! ```text
//! oci-layout                     {"imageLayoutVersion":"1.0.0"}
//! index.json                     every reference: the one truth about names
//! blobs/<alg>/<hex>              immutable, verified before they get this name
//! x-imgmgr/version               the version of what lies below
//!          index.lock            flock: one writer of index.json at a time
//!          gc.lock               flock: shared by whoever takes up a blob, exclusive for a sweep
//!          ingest/<alg>-<hex>.lock     flock: one process at a time fetches a blob
//!          ingest/<alg>-<hex>/data     the bytes that are there, at their offsets
//!          ingest/<alg>-<hex>/journal  which bytes these are (format: `ingest`)
//!          ingest/tmp-*                files on their way; flock held while their writer lives
//!          leases/*              flock held: blobs that a living process needs
//!          uploads/<key>         where the upload of a blob to a repository goes on
//!          uploads/<key>.lock    flock: one process at a time sends it
//! ```
//! `index.json` alone holds the names, rather than a file for each reference with the index derived
//! from them: one rename is atomic, two are not, and a foreign writer's tag (umoci, skopeo) counts
//! like one of ours. A thousand references parse in about a millisecond.
//!
//! Order on the disk, which makes a crash at any point harmless: data, `fdatasync` (during a
//! pull a `syncfs` that all who wait share: `sync_ahead`), rename to its digest, `fsync` of the blob directory, `index.json` by the same steps. A name therefore never
//! points at a blob that is not there and whole.

mod blobs;
mod disk;
mod error;
mod fsck;
mod gc;
mod index;
mod ingest;
mod lease;
mod lock;
mod sync_ahead;
mod uploads;
mod validate;
mod walk;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use blobs::{BlobWriter, VerifiedBlob};
pub use disk::{Disk, Durability, RealDisk};
pub use error::{Result, StoreError};
pub use fsck::{ImageUsage, Problem, Usage};
pub use gc::{DryRun, GcReport, GcRequest, Live};
pub use index::{ImageEntry, MAX_STORE_INDEX_BYTES};
pub(crate) use ingest::Wait;
pub use ingest::{GRANULE, Ingest, IngestReader, IngestStart, IngestWriter};
pub use lease::Lease;
pub use sync_ahead::SyncAhead;
pub(crate) use sync_ahead::{CROWD, Counting, Expected};
pub use uploads::Upload;
pub use validate::Finding;
pub use walk::{MAX_INDEX_DEPTH, Visit, Wanted};

use lock::Lock;

const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const EMPTY_INDEX: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
const PRIVATE: &str = "x-imgmgr";
const PRIVATE_VERSION: &str = "1\n";

/// An open store; cheap to clone, usable from several threads.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    disk: Arc<dyn Disk>,
}

impl Store {
    /// Opens the layout at `root` and makes it if there is none.
    ///
    /// A layout of somebody else's becomes a store by this: only `x-imgmgr/` is added.
    ///
    /// # Errors
    /// If `root` holds something that is no image layout, or one from the future.
    pub fn open(root: &Path, disk: Arc<dyn Disk>) -> Result<Self> {
        let store = Self { root: root.to_owned(), disk };
        let version = store.private("version");
        match fs::read_to_string(&version) {
            Ok(text) if text == PRIVATE_VERSION => Ok(store),
            Ok(text) => Err(StoreError::Version { path: version, version: text.trim().to_owned() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                store.create()?;
                Ok(store)
            }
            Err(source) => Err(StoreError::Io { action: "read", path: version, source }),
        }
    }

    /// Opens the store at `root` on the real disk.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_real(root: &Path, durability: Durability) -> Result<Self> {
        Self::open(root, Arc::new(RealDisk::new(durability)))
    }

    /// The directory of the layout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Announces that blobs of so many bytes come, so that what is written is brought to the disk
    /// when it fits best. `None` where nothing is done ahead.
    pub(crate) fn expect(&self, bytes: u64) -> Option<Expected> {
        Some(self.sync_ahead()?.expect(bytes))
    }

    /// What brings to the disk what is written. Without it everything works, only slower.
    fn sync_ahead(&self) -> Option<Arc<SyncAhead>> {
        self.disk.sync_ahead(&fs::File::open(&self.root).ok()?)
    }

    pub(crate) fn private(&self, name: &str) -> PathBuf {
        self.root.join(PRIVATE).join(name)
    }

    fn index_path(&self) -> PathBuf {
        self.root.join("index.json")
    }

    /// Makes what is missing; `version` comes last, so that a crash before it starts over.
    fn create(&self) -> Result<()> {
        let layout = self.root.join("oci-layout");
        let mut entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries.filter_map(std::result::Result::ok).count(),
            Err(_) => 0,
        };
        if self.root.join(PRIVATE).exists() {
            entries = 0; // a creation that was cut short: everything else in there is ours
        }
        if entries > 0 && !layout.exists() {
            return Err(StoreError::NotALayout { path: self.root.clone() });
        }
        for path in ["ingest", "leases"].map(|name| self.private(name)) {
            self.disk.create_dirs(&path).map_err(StoreError::io("create", &path))?;
        }
        let _writer = Lock::exclusive(&*self.disk, &self.private("index.lock"))?;
        let sha256 = self.root.join("blobs/sha256");
        self.disk.create_dirs(&sha256).map_err(StoreError::io("create", &sha256))?;
        if !layout.exists() {
            self.replace_file(&layout, LAYOUT)?;
        }
        if !self.index_path().exists() {
            self.replace_file(&self.index_path(), EMPTY_INDEX)?;
        }
        self.replace_file(&self.private("version"), PRIVATE_VERSION.as_bytes())
    }

    /// Opens a layout for reading only: nothing is added to it.
    ///
    /// # Errors
    /// [`StoreError::NotALayout`] if there is none.
    pub fn view(root: &Path) -> Result<Self> {
        if !root.join("oci-layout").exists() || !root.join("index.json").exists() {
            return Err(StoreError::NotALayout { path: root.to_owned() });
        }
        Ok(Self { root: root.to_owned(), disk: Arc::new(RealDisk::new(Durability::NoSync)) })
    }

    /// Keeps a small private file, which a crash may lose. A view keeps nothing.
    pub(crate) fn keep_note(&self, path: &Path, text: &str) -> std::io::Result<()> {
        if !self.private("version").exists() {
            return Ok(());
        }
        self.disk.create_dirs(path.parent().unwrap_or(&self.root))?;
        let file = self.disk.open_rw(path)?;
        self.disk.set_len(&file, text.len() as u64)?;
        self.disk.write_at(&file, text.as_bytes(), 0)
    }

    /// Removes what [`Store::keep_note`] kept.
    pub(crate) fn drop_note(&self, path: &Path) -> std::io::Result<()> {
        self.disk.remove_file(path)
    }

    /// Replaces a small file so that a crash leaves the old or the new one, whole.
    pub(crate) fn replace_file(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let (temporary, file) = self.create_temporary()?;
        let directory = path.parent().unwrap_or(&self.root);
        let written = (|| {
            self.disk.create_dirs(directory)?;
            self.disk.write_at(&file, bytes, 0)?;
            self.disk.sync_data(&file)?;
            self.disk.rename(&temporary, path)?;
            self.disk.sync_dir(directory)
        })();
        written.map_err(|source| {
            let _ = self.disk.remove_file(&temporary);
            StoreError::Io { action: "replace", path: path.to_owned(), source }
        })
    }

    /// Creates `ingest/tmp-*` with its flock held: a sweep removes it once that is free.
    fn create_temporary(&self) -> Result<(PathBuf, fs::File)> {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("ingest/tmp-{}-{number}", std::process::id());
            let path = self.private(&name);
            match self.disk.create_new(&path) {
                // A sweep may see the file before it is locked, and take it for a dead writer's.
                Ok(file) => match (file.try_lock(), file.metadata()) {
                    (Ok(()), Ok(metadata)) if metadata.nlink() > 0 => return Ok((path, file)),
                    (Ok(()) | Err(fs::TryLockError::WouldBlock), Ok(_)) => {}
                    (Err(fs::TryLockError::Error(source)), _) | (_, Err(source)) => {
                        return Err(StoreError::Io { action: "lock", path, source });
                    }
                },
                // Left by a killed process that had our number.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(StoreError::Io { action: "create", path, source }),
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod crash_tests;
#[cfg(test)]
mod tests;
