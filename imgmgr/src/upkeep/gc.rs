//! Garbage collection of blobs, unpacked layers and leftovers of snapshots, in one go.

use std::collections::BTreeSet;

use crate::image::Descriptor;
use crate::layer::store::{SetAside, Swept, names_of_chain};
use crate::snapshot::SnapshotError;
use crate::store::{DryRun, GcReport, GcRequest, Live, StoreError};

use super::{Upkeep, UpkeepError, mounts, pins};

/// What a collection found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Of the blobs.
    pub blobs: GcReport,
    /// Unpacked layers that went, or would.
    pub layers: Vec<Swept>,
}

impl Upkeep {
    /// Removes what nothing needs any more.
    ///
    /// # Errors
    /// If it can't be told what is needed: then nothing is removed.
    pub fn gc(&self, request: GcRequest) -> Result<Collected, UpkeepError> {
        let mut aside: Vec<SetAside> = Vec::new();
        let mut unneeded = Vec::new();
        let blobs = self.store.collect(request, &|| self.roots(), |live| {
            let needed = self.needed_layers(live)?;
            // Last: a mount that comes later belongs to a snapshot or a lease seen already.
            let mounted = mounts::mounted_layers(self.layers.root(), &self.layers.names()?);
            let is_kept = |name: &str| needed.contains(name) || mounted.contains(name);
            match request.dry_run {
                DryRun::No => aside = self.layers.set_aside(&is_kept)?,
                DryRun::Yes => {
                    unneeded = self.layers.names()?;
                    unneeded.retain(|name| !is_kept(name));
                }
            }
            Ok::<(), UpkeepError>(())
        })?;
        let layers = match request.dry_run {
            DryRun::No => {
                self.snapshots.sweep()?;
                pins::sweep(&self.store)?;
                self.layers.remove_aside(aside)?
            }
            DryRun::Yes => {
                let swept =
                    unneeded.into_iter().map(|name| Swept { bytes: self.layer_bytes(&name), name });
                swept.collect()
            }
        };
        Ok(Collected { blobs, layers })
    }

    /// Removes a snapshot, unless it is mounted.
    ///
    /// # Errors
    /// [`UpkeepError::Mounted`] if it is; those of [`crate::snapshot::Snapshots::remove`].
    pub fn remove_snapshot(&self, id: &str) -> Result<(), UpkeepError> {
        match self.snapshots.get(id) {
            Ok(snapshot) if mounts::is_mounted(&snapshot.own_directories()) => {
                return Err(UpkeepError::Mounted { id: id.to_owned() });
            }
            // There may be something left of it.
            Ok(_) | Err(SnapshotError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.snapshots.remove(id)?)
    }

    /// What must stay besides names and leases: images under snapshots and bundles.
    pub(super) fn roots(&self) -> Result<Vec<Descriptor>, UpkeepError> {
        let mut roots = pins::bases(&self.store)?;
        for snapshot in self.snapshots.all()? {
            roots.extend(snapshot.record().image.clone());
        }
        Ok(roots)
    }

    /// The names of layers that images and snapshots need.
    fn needed_layers(&self, live: &Live) -> Result<BTreeSet<String>, UpkeepError> {
        let mut needed = BTreeSet::new();
        for config in &live.configs {
            match self.store.image_config(config) {
                Ok((_, config)) => needed.extend(names_of_chain(&config.rootfs.diff_ids)),
                // On its way: whoever fetches it asks for the layers again when it is there.
                Err(StoreError::NoBlob { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for snapshot in self.snapshots.all()? {
            let trees = snapshot.record().lowers.iter();
            let names = trees.filter_map(|tree| tree.parent()?.file_name());
            needed.extend(names.map(|name| name.to_string_lossy().into_owned()));
        }
        Ok(needed)
    }
}
