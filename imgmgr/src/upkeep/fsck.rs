//! Checks unpacked layers beside the blobs.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::layer::Cancel;
use crate::layer::store::{Checked, LayerProblem, Mend};
use crate::snapshot::{SnapshotKind, StoredImage};

use super::{Upkeep, UpkeepError, mounts};

impl Upkeep {
    /// Compares every unpacked layer of every image with its blob, and with `repair` replaces
    /// those that differ.
    ///
    /// # Errors
    /// [`UpkeepError`]; images that are broken themselves are left to [`crate::store::Store::fsck`].
    pub fn check_layers(
        &self,
        repair: Repair,
        cancel: &Cancel,
    ) -> Result<Vec<LayerProblem>, UpkeepError> {
        let is_mounted = |name: &str| {
            let tree = self.layers.root().join(name).join("tree");
            // Asked now: comparing takes its time. What can't be read is taken for mounted.
            self.sealed_layers().is_none_or(|sealed| sealed.contains(&tree))
                || !mounts::mounted_layers(self.layers.root(), &[name.to_owned()]).is_empty()
        };
        let mend = match repair {
            Repair::No => Mend::No,
            Repair::Yes => Mend::Unless(&is_mounted),
        };
        let mut roots = self.roots()?;
        roots.extend(self.store.entries()?.into_iter().map(|entry| entry.target));
        let lease = self.store.lease()?;
        let (mut checked, mut problems) = (Checked::default(), Vec::new());
        for root in roots {
            lease.take(&root)?;
            let Ok(images) = self.store.images_of(std::slice::from_ref(&root)) else { continue };
            for image in images {
                let Ok(image) = StoredImage::load(&self.store, &image) else { continue };
                let blobs = |layer: &crate::layer::LayerDescriptor| image.open_blob(layer);
                let found = self.layers.check(&image.layers, &blobs, &mut checked, mend, cancel)?;
                problems.extend(found);
            }
        }
        Ok(problems)
    }

    /// The trees that sealed snapshots stand on: no table of mounts tells which are mounted.
    fn sealed_layers(&self) -> Option<BTreeSet<PathBuf>> {
        let snapshots =
            self.snapshots.all().ok()?.into_iter().map(|snapshot| snapshot.record().clone());
        let sealed = snapshots.filter(|record| record.kind == SnapshotKind::Sealed);
        Some(sealed.flat_map(|record| record.lowers).collect())
    }
}

/// Whether damage is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// It is only told.
    No,
    /// It is.
    Yes,
}
