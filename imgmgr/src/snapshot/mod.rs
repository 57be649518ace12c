//! Snapshots: writable or read-only views of an image's layers, by overlayfs.
//!
//! ```text
//! snapshots/<id>/record.json     what it stands on (format: [`Record`])
//! snapshots/<id>/upper, work     of a writable one
//! snapshots/<id>/root            of a read-only one whose topmost layer doesn't describe the root, and of a sealed one
//! snapshots/new-<id>, gone-<id>  on the way in and out; of no meaning after a crash
//! snapshots/.lock                flock: held while one of these is there on purpose
//! ```
//! A snapshot appears and disappears by one rename. In this order it reaches the disk:
//! ```text
//! prepare  record.json, fdatasync; upper or root, and the new directory, fsync; rename; fsync of snapshots/
//! remove   rename; fsync of snapshots/; then the files, so that none that lacks some comes back
//! ```
//! What it stands on is durable before (`layer::store`). What is written into `upper` is the
//! writer's: overlayfs passes a container's fsync(2) on. A snapshot of a read-only mount ends with the boot at
//! the latest and is not synced; one whose record a power cut took counts as gone.
//!
//! Layers are shared read-only by all; mounting is apart from preparing, so that a container's own
//! mount namespace can do it.

mod changes;
mod diff;
mod error;
mod facts;
mod flat;
mod ids;
mod image;
mod manifest;
mod mount;
mod open_log;
mod sealed;
mod tree_tar;

pub use changes::{Change, ChangeKind, changes};
pub use diff::{DiffOptions, DiffRefused, DiffSummary, diff, diff_flat};
pub use error::SnapshotError;
pub use flat::{Tree, write_tar};
pub use ids::BundleIds;
pub use image::{StoredImage, StoredImageError, layer_options};
pub use manifest::Manifest;
pub use mount::{IdMapping, Stacking, detached, detached_by};
pub use open_log::OpenLog;
pub use sealed::detached_sealed;

use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::disk_usage::{DiskUsage, measure};
use crate::image::Descriptor;
use crate::layer::copy_directory_metadata;
use crate::layer::store::Chain;
use crate::room::Shortage;
use crate::store::{Disk, Durability, RealDisk};

/// The version of [`Record`] that this build writes.
const RECORD_VERSION: u32 = 3;
/// The versions that it reads: 1 had no `image`, 2 no sealed snapshots.
const RECORD_VERSIONS: std::ops::RangeInclusive<u32> = 1..=RECORD_VERSION;
/// flock: shared by whoever makes or removes a snapshot, exclusive for a sweep.
const LOCK: &str = ".lock";
/// Most bytes of a record: a thousand layers with long paths.
const MAX_RECORD_BYTES: u64 = 8 << 20;
/// Most bytes of a snapshot's name.
const MAX_ID: usize = 128;

/// The directory of snapshots.
#[derive(Clone, Debug)]
pub struct Snapshots {
    root: PathBuf,
    disk: Arc<dyn Disk>,
}

/// Whether a snapshot takes changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotKind {
    /// Changes go to its own directory.
    Active,
    /// Nothing can change.
    View,
    /// Nothing can change, and a read fails where the disk did: all layers are sealed
    /// ([`crate::layer::store::LayerStore::seal`]).
    Sealed,
}

/// `record.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// 3; unknown versions are refused.
    pub version: u32,
    /// Whether it takes changes.
    pub kind: SnapshotKind,
    /// The chain it stands on.
    pub chain_id: crate::digest::Digest,
    /// Lower directories, the topmost first.
    pub lowers: Vec<PathBuf>,
    /// Of a sealed one: the lower directory whose metadata is that of the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// The image's manifest, which stays in the store as long as the snapshot is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Descriptor>,
}

/// One snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    dir: PathBuf,
    record: Record,
}

impl Snapshot {
    /// What it stands on.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The directories of its own that a mount of it uses.
    #[must_use]
    pub fn own_directories(&self) -> Vec<PathBuf> {
        ["upper", "root"].iter().map(|name| self.dir.join(name)).collect()
    }

    /// Where changes go; `None` for a view.
    #[must_use]
    pub fn upper(&self) -> Option<PathBuf> {
        (self.record.kind == SnapshotKind::Active).then(|| self.dir.join("upper"))
    }
}

impl Snapshots {
    /// Opens, and makes where missing, the directory of snapshots.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn open(root: impl Into<PathBuf>, durability: Durability) -> Result<Self, SnapshotError> {
        Self::open_on(root, Arc::new(RealDisk::new(durability)))
    }

    /// As [`Snapshots::open`], on a disk of the caller's. What is made before it has its name goes
    /// past it, but for the record.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn open_on(root: impl Into<PathBuf>, disk: Arc<dyn Disk>) -> Result<Self, SnapshotError> {
        let root = root.into();
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&root).map_err(error::io("create", &root))?;
        Ok(Self { root, disk })
    }

    /// Makes the snapshot `id` on top of `chain`.
    ///
    /// # Errors
    /// [`SnapshotError::Exists`] if the name is taken, [`SnapshotError::Name`] if it is none.
    pub fn prepare(
        &self,
        id: &str,
        chain: &Chain,
        kind: SnapshotKind,
    ) -> Result<Snapshot, SnapshotError> {
        check_id(id)?;
        let _no_sweep = self.lock()?;
        let dir = self.root.join(id);
        if dir.exists() {
            if !is_lost(&dir) {
                return Err(SnapshotError::Exists { id: id.to_owned() });
            }
            self.discard(id)?;
        }
        let new = self.create_new(id)?;
        let mut lowers = chain.lowers.clone();
        let mut own = None;
        match kind {
            SnapshotKind::Active => {
                own = Some(make_root(new.join("upper"), &chain.root)?);
                let work = new.join("work");
                fs::create_dir(&work).map_err(error::io("create", &work))?;
            }
            SnapshotKind::View if lowers.first() == Some(&chain.root) => {}
            // Tables of mounts show no layer of a sealed one: it is known to be mounted by a
            // directory of its own.
            SnapshotKind::View | SnapshotKind::Sealed => {
                own = Some(make_root(new.join("root"), &chain.root)?);
                lowers.insert(0, dir.join("root"));
            }
        }
        let record = Record {
            version: RECORD_VERSION,
            kind,
            chain_id: chain.chain_id.clone(),
            lowers,
            root: (kind == SnapshotKind::Sealed).then(|| chain.root.clone()),
            image: chain.image.clone(),
        };
        let text = serde_json::to_vec(&record).expect("a record has no map with odd keys");
        self.write_record(&new.join("record.json"), &text)?;
        for dir in own.iter().chain([&new]) {
            self.disk.sync_dir(dir).map_err(error::io("sync", dir))?;
        }
        // Fails if another process took the name: a directory with content is never replaced.
        self.disk.rename(&new, &dir).map_err(|source| match source.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                SnapshotError::Exists { id: id.to_owned() }
            }
            _ => error::io("rename", &new)(source),
        })?;
        self.sync_root()?;
        Ok(Snapshot { dir, record })
    }

    fn write_record(&self, path: &Path, text: &[u8]) -> Result<(), SnapshotError> {
        let file = self.disk.create_new(path).map_err(error::io("create", path))?;
        self.disk.write_at(&file, text, 0).map_err(error::io("write", path))?;
        self.disk.sync_data(&file).map_err(error::io("sync", path))
    }

    fn sync_root(&self) -> Result<(), SnapshotError> {
        self.disk.sync_dir(&self.root).map_err(error::io("sync", &self.root))
    }

    /// Returns the snapshot `id`.
    ///
    /// # Errors
    /// [`SnapshotError::NotFound`], also if a power cut took its record; [`SnapshotError::Record`].
    pub fn get(&self, id: &str) -> Result<Snapshot, SnapshotError> {
        check_id(id)?;
        let dir = self.root.join(id);
        let path = dir.join("record.json");
        // Opened once: it may go away meanwhile.
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(SnapshotError::NotFound { id: id.to_owned() });
            }
            Err(source) => return Err(error::io("read", &path)(source)),
        };
        let mut text = Vec::new();
        file.take(MAX_RECORD_BYTES + 1).read_to_end(&mut text).map_err(error::io("read", &path))?;
        if text.is_empty() {
            return Err(SnapshotError::NotFound { id: id.to_owned() });
        }
        if text.len() as u64 > MAX_RECORD_BYTES {
            return Err(SnapshotError::Record { path, source: None });
        }
        match serde_json::from_slice::<Record>(&text) {
            Ok(record) if RECORD_VERSIONS.contains(&record.version) => Ok(Snapshot { dir, record }),
            Ok(_) => Err(SnapshotError::Record { path, source: None }),
            Err(source) => Err(SnapshotError::Record { path, source: Some(source) }),
        }
    }

    /// Lists the names of all snapshots, sorted.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn ids(&self) -> Result<Vec<String>, SnapshotError> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(error::io("read", &self.root))? {
            let name = entry.map_err(error::io("read", &self.root))?.file_name();
            let name = name.to_string_lossy().into_owned();
            if check_id(&name).is_ok() {
                ids.push(name);
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// Returns all snapshots; one that goes away meanwhile is left out, and so is one whose record
    /// a power cut took.
    ///
    /// # Errors
    /// As [`Snapshots::get`].
    pub fn all(&self) -> Result<Vec<Snapshot>, SnapshotError> {
        let mut all = Vec::new();
        for id in self.ids()? {
            match self.get(&id) {
                Ok(snapshot) => all.push(snapshot),
                Err(SnapshotError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// Removes the snapshot `id` and everything in it; it must not be mounted any more.
    ///
    /// # Errors
    /// [`SnapshotError::NotFound`], [`SnapshotError::Io`].
    pub fn remove(&self, id: &str) -> Result<(), SnapshotError> {
        check_id(id)?;
        let _no_sweep = self.lock()?;
        self.discard(id)
    }

    /// Removes a directory; the caller holds the lock.
    fn discard(&self, id: &str) -> Result<(), SnapshotError> {
        let (dir, gone) = (self.root.join(id), self.root.join(format!("gone-{id}")));
        self.remove_all(&gone)?;
        match self.disk.rename(&dir, &gone) {
            Ok(()) => {}
            // Who makes room may find none for the new name. Without a record it is gone, too.
            Err(error) if Shortage::of(&error).is_some() => {
                let record = dir.join("record.json");
                self.disk.remove_file(&record).map_err(error::io("remove", &record))?;
                self.disk.sync_dir(&dir).map_err(error::io("sync", &dir))?;
                return self.remove_all(&dir);
            }
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                return Err(SnapshotError::NotFound { id: id.to_owned() });
            }
            Err(source) => return Err(error::io("rename", &dir)(source)),
        }
        self.sync_root()?;
        self.remove_all(&gone)
    }

    /// Removes a tree; overlayfs leaves a directory without permissions in `work`.
    fn remove_all(&self, dir: &Path) -> Result<(), SnapshotError> {
        match self.disk.remove_dir_all(dir) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() != io::ErrorKind::PermissionDenied => {
                return Err(error::io("remove", dir)(e));
            }
            Err(_) => {}
        }
        let inner = dir.join("work/work");
        let _ = fs::set_permissions(&inner, fs::Permissions::from_mode(0o700));
        self.disk.remove_dir_all(dir).map_err(error::io("remove", dir))
    }

    /// Removes what was on its way in or out when its maker was killed; nothing if somebody makes
    /// or removes a snapshot just now.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn sweep(&self) -> Result<(), SnapshotError> {
        match self.lock_file()?.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(()),
            Err(fs::TryLockError::Error(source)) => {
                return Err(error::io("lock", &self.root.join(LOCK))(source));
            }
        }
        for entry in fs::read_dir(&self.root).map_err(error::io("read", &self.root))? {
            let entry = entry.map_err(error::io("read", &self.root))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("new-") || name.starts_with("gone-") {
                self.remove_all(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Makes a directory that no other process or thread makes.
    fn create_new(&self, id: &str) -> Result<PathBuf, SnapshotError> {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let new = self.root.join(format!("new-{}-{number}-{id}", std::process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&new) {
                Ok(()) => return Ok(new),
                // Left by a killed process that had our number.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(error::io("create", &new)(source)),
            }
        }
    }

    fn lock_file(&self) -> Result<fs::File, SnapshotError> {
        let path = self.root.join(LOCK);
        let file = fs::OpenOptions::new().create(true).append(true).open(&path);
        file.map_err(error::io("open", &path))
    }

    fn lock(&self) -> Result<fs::File, SnapshotError> {
        let file = self.lock_file()?;
        file.lock_shared().map_err(error::io("lock", &self.root.join(LOCK)))?;
        Ok(file)
    }

    /// Measures what the snapshot `id` holds itself, without its layers.
    ///
    /// # Errors
    /// [`SnapshotError::NotFound`], [`SnapshotError::Io`].
    pub fn usage(&self, id: &str) -> Result<DiskUsage, SnapshotError> {
        let snapshot = self.get(id)?;
        match snapshot.upper() {
            Some(upper) => measure(&upper).map_err(error::io("measure", &upper)),
            None => Ok(DiskUsage::default()),
        }
    }
}

/// A name that is one harmless path component and none of our own prefixes.
fn check_id(id: &str) -> Result<(), SnapshotError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let fine = !id.is_empty()
        && id.len() <= MAX_ID
        && id.bytes().all(plain)
        && !id.starts_with(['.', '-'])
        && !id.starts_with("new-")
        && !id.starts_with("gone-");
    if fine { Ok(()) } else { Err(SnapshotError::Name { id: id.to_owned() }) }
}

/// Makes a directory with the metadata of the image's root, and returns it.
fn make_root(dir: PathBuf, model: &Path) -> Result<PathBuf, SnapshotError> {
    fs::create_dir(&dir).map_err(error::io("create", &dir))?;
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&dir, mode).map_err(error::io("chmod", &dir))?;
    let from = fs::File::open(model).map_err(error::io("open", model))?;
    let to = fs::File::open(&dir).map_err(error::io("open", &dir))?;
    copy_directory_metadata(from.as_fd(), to.as_fd())
        .map_err(|errno| error::io("copy metadata to", &dir)(errno.into()))?;
    Ok(dir)
}

/// Whether a snapshot has no record any more, so that it counts as gone.
fn is_lost(dir: &Path) -> bool {
    match fs::metadata(dir.join("record.json")) {
        Ok(record) => record.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_harmless_component() {
        for id in ["a", "web-1", "A_b.c", &"x".repeat(MAX_ID)] {
            assert!(check_id(id).is_ok(), "{id}");
        }
        for id in
            ["", ".", "..", "a/b", "new-a", "gone-a", "-a", "a b", "a\0", &"x".repeat(MAX_ID + 1)]
        {
            assert!(check_id(id).is_err(), "{id}");
        }
    }
}
