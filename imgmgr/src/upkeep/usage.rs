//! What each part of a store takes.

use std::collections::{BTreeMap, BTreeSet};

use crate::disk_usage::measure;
use crate::layer::store::names_of_chain;
use crate::snapshot::StoredImage;
use crate::store::Usage;

use super::{Upkeep, UpkeepError};

/// What everything takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TotalUsage {
    /// Images, blobs and downloads.
    pub content: Usage,
    /// Bytes of the unpacked layers of each image, in the order of `content.images`.
    pub unpacked: Vec<u64>,
    /// Each unpacked layer, by name.
    pub layers: Vec<LayerUsage>,
    /// Each snapshot, by name.
    pub snapshots: Vec<SnapshotUsage>,
}

/// What one unpacked layer, or something derived from layers, takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerUsage {
    /// Its name in the store.
    pub name: String,
    /// Bytes of blocks.
    pub bytes: u64,
    /// How many images and snapshots use it; what none does, `gc` removes.
    pub users: usize,
}

/// What the changes in one snapshot take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotUsage {
    /// Its name.
    pub id: String,
    /// Bytes of blocks.
    pub bytes: u64,
}

/// A line of a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartUsage {
    /// What it is.
    pub part: &'static str,
    /// How many there are.
    pub count: usize,
    /// Bytes of all.
    pub bytes: u64,
    /// Bytes that `gc` would free.
    pub reclaimable: u64,
}

impl TotalUsage {
    /// One line for each part of the store.
    #[must_use]
    pub fn parts(&self) -> Vec<PartUsage> {
        let layers = |unused: bool| -> u64 {
            let chosen = self.layers.iter().filter(|layer| !unused || layer.users == 0);
            chosen.map(|layer| layer.bytes).sum()
        };
        let part = |part, count, bytes, reclaimable| PartUsage { part, count, bytes, reclaimable };
        let content = &self.content;
        vec![
            part("blobs", content.blob_count, content.blobs, content.reclaimable),
            part("layers", self.layers.len(), layers(false), layers(true)),
            part(
                "snapshots",
                self.snapshots.len(),
                self.snapshots.iter().map(|snapshot| snapshot.bytes).sum(),
                0,
            ),
            part("downloads", content.download_count, content.downloads, content.downloads),
        ]
    }
}

impl Upkeep {
    /// Measures everything.
    ///
    /// # Errors
    /// [`UpkeepError`].
    pub fn usage(&self) -> Result<TotalUsage, UpkeepError> {
        let roots = self.roots()?;
        let content = self.store.usage_with(&roots)?;
        let sizes: BTreeMap<String, u64> = self
            .layers
            .names()?
            .into_iter()
            .map(|name| (name.clone(), self.layer_bytes(&name)))
            .collect();
        let mut users: BTreeMap<&str, usize> = BTreeMap::new();
        let mut unpacked = Vec::new();
        for entry in self.store.entries()? {
            let names = self.layers_of(&entry.target)?;
            let mut bytes = 0;
            for (name, size) in sizes.iter().filter(|(name, _)| names.contains(*name)) {
                bytes += size;
                *users.entry(name).or_default() += 1;
            }
            unpacked.push(bytes);
        }
        for root in &roots {
            let names = self.layers_of(root)?;
            for name in sizes.keys().filter(|name| names.contains(*name)) {
                *users.entry(name).or_default() += 1;
            }
        }
        let mut snapshots = Vec::new();
        for id in self.snapshots.ids()? {
            let bytes = self.snapshots.usage(&id)?.bytes;
            snapshots.push(SnapshotUsage { id, bytes });
        }
        let layers = sizes.iter().map(|(name, bytes)| LayerUsage {
            name: name.clone(),
            bytes: *bytes,
            users: users.get(name.as_str()).copied().unwrap_or(0),
        });
        Ok(TotalUsage { layers: layers.collect(), content, unpacked, snapshots })
    }

    /// The names of the layers that the images below `root` may have unpacked.
    fn layers_of(&self, root: &crate::image::Descriptor) -> Result<BTreeSet<String>, UpkeepError> {
        let mut names = BTreeSet::new();
        for image in self.store.images_of(std::slice::from_ref(root))? {
            // A broken image is told by `fsck`.
            if let Ok(image) = StoredImage::load(&self.store, &image) {
                let diff_ids: Vec<_> =
                    image.layers.iter().map(|layer| layer.diff_id.clone()).collect();
                names.extend(names_of_chain(&diff_ids));
            }
        }
        Ok(names)
    }

    /// Bytes of one unpacked layer; 0 if it goes away meanwhile.
    pub(super) fn layer_bytes(&self, name: &str) -> u64 {
        measure(&self.layers.root().join(name)).map_or(0, |usage| usage.bytes)
    }
}
