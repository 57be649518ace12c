//! Unpacked layers, kept by diff ID and shared by every image that has them.
//!
//! ```text
//! layers/<alg>-<hex>/tree       the layer in overlayfs form, immutable
//! layers/<alg>-<hex>/facts      where it depends on layers below (format: [`facts`])
//! layers/<alg>-<hex>/seal       sealed by fs-verity, with `seal.erofs` (format: [`seal`])
//! layers/<alg>-<hex>/unsynced   the boot in which it was made, if that was without sync
//! layers/<alg>-<hex>@<chain>/   the same layer above a certain chain, where it must differ
//! layers/seam@<chain>/tree      directories whose metadata a whole chain decides
//! layers/stack@<chain>/stack    which of these a chain needs
//! layers/ingest/<name>/         on its way; whoever holds the lock may remove it
//! layers/locks/<name>           flock: one process at a time makes a layer
//! ```
//! A layer appears by rename, after one `syncfs` for all layers of a pull. So a name that is
//! there is whole, and a crash leaves nothing but what `ingest/` holds.
//!
//! Lock order: all layers of an image, sorted by name, before any lock on a blob.

mod chain;
mod check;
mod compare;
mod error;
pub mod facts;
mod locks;
mod merged;
mod record;
mod seal;
mod stack;
mod sweep;
mod walk;

pub(crate) use facts::{decode_path, encode_path};

pub use chain::{BlobSource, Chain, ChainLayer, names_of_chain};
pub use check::{Checked, LayerProblem, Mend};
pub use error::LayerStoreError;
use facts::{Head, Start};
pub use merged::{MergedChild, MergedDir};
pub use seal::Sealed;
pub use stack::Stack;
pub use sweep::{SetAside, Swept};

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::extract::Below;
use super::{Cancel, Durability, LayerDescriptor, LayerFacts, UnpackOptions, Unpacked, Unpacker};
use crate::digest::Digest;
use crate::store::{Disk, Expected, RealDisk, SyncAhead};
use locks::LayerLock;

/// The directory of unpacked layers.
#[derive(Clone, Debug)]
pub struct LayerStore {
    root: PathBuf,
    options: UnpackOptions,
    disk: Arc<dyn Disk>,
}

/// A layer that is there, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLayer {
    dir: PathBuf,
    head: Head,
    /// Read already, as most are: they fit in what is read for the head.
    facts: Option<Arc<LayerFacts>>,
}

impl StoredLayer {
    /// The layer's files, in overlayfs form.
    #[must_use]
    pub fn tree(&self) -> PathBuf {
        self.dir.join("tree")
    }

    /// Where the layer depends on the layers below it.
    ///
    /// # Errors
    /// [`LayerStoreError`] if the file of the facts can't be read.
    pub fn facts(&self) -> Result<Arc<LayerFacts>, LayerStoreError> {
        if let Some(facts) = &self.facts {
            return Ok(Arc::clone(facts));
        }
        let path = self.dir.join("facts");
        let file = File::open(&path).map_err(error::io("open", &path))?;
        let text = facts::read(file).map_err(error::io("read", &path))?;
        let facts = facts::parse(&text).ok_or(LayerStoreError::Facts { path })?;
        Ok(Arc::new(facts))
    }
}

/// What [`LayerStore::reserve`] found for one diff ID.
#[derive(Debug)]
pub enum Slot {
    /// It is there.
    Present(StoredLayer),
    /// It is this process's to make.
    Reserved(Reserved),
}

/// The right to make one layer, held until it is published or dropped. What was made until then
/// goes with it: no later try uses it.
#[derive(Debug)]
pub struct Reserved {
    name: String,
    ingest: PathBuf,
    disk: Arc<dyn Disk>,
    _lock: LayerLock,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        // Absent once it is published. What can't be removed now is removed by the next who
        // takes the lock, or by a sweep.
        let _ = self.disk.remove_dir_all(&self.ingest);
    }
}

/// A layer that is unpacked but not published.
#[derive(Debug)]
pub struct Made {
    reserved: Reserved,
    unpacked: Unpacked,
    _ahead: Option<Arc<SyncAhead>>,
}

impl Made {
    /// What the unpack said.
    #[must_use]
    pub fn unpacked(&self) -> &Unpacked {
        &self.unpacked
    }
}

impl LayerStore {
    /// Opens, and makes where missing, the store in the directory `root`.
    ///
    /// # Errors
    /// [`LayerStoreError::Io`].
    pub fn open(root: impl Into<PathBuf>, options: UnpackOptions) -> Result<Self, LayerStoreError> {
        let durability = match options.durability {
            Durability::NoSync => crate::store::Durability::NoSync,
            Durability::Durable | Durability::CallerSyncs => crate::store::Durability::Sync,
        };
        Self::open_on(root, options, Arc::new(RealDisk::new(durability)))
    }

    /// As [`LayerStore::open`], on a disk of the caller's. The files of a layer, written before
    /// it has its name, go past it.
    ///
    /// # Errors
    /// [`LayerStoreError::Io`].
    pub fn open_on(
        root: impl Into<PathBuf>,
        options: UnpackOptions,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, LayerStoreError> {
        let root = root.into();
        for dir in [&root, &root.join("ingest"), &root.join("locks")] {
            disk.create_dirs(dir).map_err(error::io("create", dir))?;
        }
        Ok(Self { root, options, disk })
    }

    /// The directory that the store is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the layer with this diff ID, if it is there.
    ///
    /// # Errors
    /// [`LayerStoreError`] if it is there but can't be read.
    pub fn get(&self, diff_id: &Digest) -> Result<Option<StoredLayer>, LayerStoreError> {
        self.get_named(&layer_name(diff_id))
    }

    /// Locks every layer of `diff_ids` that isn't there, waiting for processes that are making
    /// one of them.
    ///
    /// # Errors
    /// [`LayerStoreError::Io`].
    pub fn reserve(&self, diff_ids: &[Digest]) -> Result<BTreeMap<Digest, Slot>, LayerStoreError> {
        // Sorted by the map's key: two processes with layers in common never wait for each other.
        let mut slots: BTreeMap<_, _> = diff_ids.iter().map(|id| (id.clone(), None)).collect();
        for (diff_id, slot) in &mut slots {
            *slot = Some(self.reserve_named(layer_name(diff_id))?);
        }
        Ok(slots.into_iter().filter_map(|(id, slot)| Some((id, slot?))).collect())
    }

    /// Announces that layers whose blobs have so many bytes are unpacked, as
    /// [`Store::expect`](crate::store::Store).
    pub(crate) fn expect(&self, bytes: u64) -> Option<Expected> {
        let root = File::open(&self.root).ok()?;
        Some(self.disk.sync_ahead(&root)?.expect(bytes))
    }

    /// Unpacks a reserved layer; it is not yet durable and not yet visible.
    ///
    /// # Errors
    /// [`LayerStoreError::Layer`], after which the reservation is gone and so is what was made.
    pub fn unpack<R: Read + Send>(
        &self,
        reserved: Reserved,
        source: R,
        layer: &LayerDescriptor,
        cancel: &Cancel,
    ) -> Result<Made, LayerStoreError> {
        self.unpack_above(reserved, source, layer, None, cancel)
    }

    /// Makes unpacked layers durable, with one `syncfs` for all, and then visible.
    ///
    /// # Errors
    /// [`LayerStoreError::Io`]; layers published before the error stay.
    pub fn publish(&self, made: Vec<Made>) -> Result<Vec<StoredLayer>, LayerStoreError> {
        if made.is_empty() {
            return Ok(Vec::new());
        }
        self.finish(&made)?;
        let mut stored = Vec::with_capacity(made.len());
        for Made { reserved, unpacked, .. } in made {
            let dir = self.root.join(&reserved.name);
            self.disk.rename(&reserved.ingest, &dir).map_err(error::io("rename", &dir))?;
            let head = Head::of(&unpacked.facts);
            stored.push(StoredLayer { dir, head, facts: Some(Arc::new(unpacked.facts)) });
        }
        self.disk.sync_dir(&self.root).map_err(error::io("sync", &self.root))?;
        Ok(stored)
    }

    /// Writes what belongs to layers besides their trees, and makes all of it durable.
    fn finish(&self, made: &[Made]) -> Result<(), LayerStoreError> {
        for layer in made {
            let dir = &layer.reserved.ingest;
            let text = facts::format(&layer.unpacked.facts);
            fs::write(dir.join("facts"), text).map_err(error::io("write", dir))?;
            if self.options.durability == Durability::NoSync {
                fs::write(dir.join("unsynced"), boot_id()).map_err(error::io("write", dir))?;
            }
        }
        if self.options.durability == Durability::NoSync {
            return Ok(());
        }
        let root = File::open(&self.root).map_err(error::io("open", &self.root))?;
        self.disk.sync_all(&root).map_err(error::io("sync", &self.root))
    }

    /// Reserves, unpacks and publishes one layer, unless it is there.
    ///
    /// # Errors
    /// As the three.
    pub fn ensure<R: Read + Send>(
        &self,
        diff_id: &Digest,
        source: impl FnOnce() -> io::Result<R>,
        layer: &LayerDescriptor,
        cancel: &Cancel,
    ) -> Result<StoredLayer, LayerStoreError> {
        match self.reserve_named(layer_name(diff_id))? {
            Slot::Present(layer) => Ok(layer),
            Slot::Reserved(reserved) => {
                let source = source().map_err(error::io("open the blob for", &reserved.ingest))?;
                let made = self.unpack(reserved, source, layer, cancel)?;
                let stored = self.publish(vec![made])?;
                Ok(stored.into_iter().next().expect("one was published"))
            }
        }
    }

    /// Lists the names of all layers and what was derived from them, sorted.
    ///
    /// # Errors
    /// [`LayerStoreError::Io`].
    pub fn names(&self) -> Result<Vec<String>, LayerStoreError> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(error::io("read", &self.root))? {
            let entry = entry.map_err(error::io("read", &self.root))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.contains(['-', '@']) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn unpack_above<R: Read + Send>(
        &self,
        reserved: Reserved,
        source: R,
        layer: &LayerDescriptor,
        below: Option<&dyn Below>,
        cancel: &Cancel,
    ) -> Result<Made, LayerStoreError> {
        let tree = reserved.ingest.join("tree");
        fs::create_dir_all(&tree).map_err(error::io("create", &tree))?;
        // What no entry says of the root, a lower layer or this decides.
        set_mode(&tree, 0o755)?;
        let into = File::open(&tree).map_err(error::io("open", &tree))?;
        let durability = match self.options.durability {
            Durability::Durable => Durability::CallerSyncs,
            other => other,
        };
        let ahead = match durability {
            Durability::NoSync => None,
            Durability::CallerSyncs | Durability::Durable => self.disk.sync_ahead(&into),
        };
        let unpacker = Unpacker::new(UnpackOptions { durability, ..self.options.clone() })
            .syncing_ahead(ahead.clone());
        match unpacker.unpack_above(source, layer, into.as_fd(), below, cancel) {
            Ok(unpacked) => Ok(Made { reserved, unpacked, _ahead: ahead }),
            Err(source) => Err(LayerStoreError::Layer { diff_id: reserved.name.clone(), source }),
        }
    }

    fn get_named(&self, name: &str) -> Result<Option<StoredLayer>, LayerStoreError> {
        let dir = self.root.join(name);
        let path = dir.join("facts");
        let start = match File::open(&path) {
            Ok(file) => facts::read_start(file).map_err(error::io("read", &path))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(error::io("open", &path)(source)),
        };
        let invalid = || LayerStoreError::Facts { path: path.clone() };
        let (head, facts) = match start {
            // A power cut took them, of a layer that was made without sync in an earlier boot.
            Start::Whole(text) if text.is_empty() && self.is_lost(&dir) => return Ok(None),
            Start::Whole(text) => {
                let facts = facts::parse(&text).ok_or_else(invalid)?;
                (Head::of(&facts), Some(Arc::new(facts)))
            }
            Start::Part(text) => (facts::parse_head(&text).ok_or_else(invalid)?, None),
        };
        if self.is_lost(&dir) {
            return Ok(None);
        }
        Ok(Some(StoredLayer { dir, head, facts }))
    }

    /// Whether a layer was made without sync before the last boot: nobody knows what of it reached
    /// the disk.
    fn is_lost(&self, dir: &Path) -> bool {
        fs::read_to_string(dir.join("unsynced")).is_ok_and(|boot| boot != boot_id())
    }

    fn reserve_named(&self, name: String) -> Result<Slot, LayerStoreError> {
        if let Some(layer) = self.get_named(&name)? {
            return Ok(Slot::Present(layer));
        }
        let lock = self.lock(&name)?;
        // Another process may have made it while we waited.
        if let Some(layer) = self.get_named(&name)? {
            return Ok(Slot::Present(layer));
        }
        // Unsynced, of an earlier boot.
        self.remove_all(&self.root.join(&name))?;
        self.start(name, lock).map(Slot::Reserved)
    }

    /// Makes the place where the layer `name`, which is locked, comes to be.
    fn start(&self, name: String, lock: LayerLock) -> Result<Reserved, LayerStoreError> {
        let ingest = self.root.join("ingest").join(&name);
        self.remove_all(&ingest)?;
        self.disk.create_dirs(&ingest).map_err(error::io("create", &ingest))?;
        set_mode(&ingest, 0o700)?;
        Ok(Reserved { name, ingest, disk: Arc::clone(&self.disk), _lock: lock })
    }

    fn remove_all(&self, dir: &Path) -> Result<(), LayerStoreError> {
        self.disk.remove_dir_all(dir).map_err(error::io("remove", dir))
    }
}

fn layer_name(diff_id: &Digest) -> String {
    format!("{}-{}", diff_id.algorithm().name(), diff_id.hex())
}

fn set_mode(dir: &Path, mode: u32) -> Result<(), LayerStoreError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(dir, fs::Permissions::from_mode(mode)).map_err(error::io("chmod", dir))
}

/// Names the time since the last boot; empty where the kernel doesn't tell.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}
