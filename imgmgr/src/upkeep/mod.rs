//! Looks after a store as a whole: blobs, unpacked layers, snapshots, and what holds on to them.
//!
//! | what stays | because |
//! |---|---|
//! | blobs, and the layers of the images among them | a name, a lease, a snapshot or a bundle needs them |
//! | an unpacked layer | its image stays, a snapshot stands on it, or it is mounted anywhere |
//! | a snapshot | nobody removed it |
//!
//! A layer that is needed but gone is unpacked again from its blob, so only a snapshot's layers
//! must never go before the snapshot.

mod fsck;
mod gc;
mod mounts;
mod pins;
mod usage;

pub use fsck::Repair;
pub use gc::Collected;
pub use mounts::{MountedOn, mounted_on};
pub use pins::{BASE, pin_bundle};
pub use usage::{LayerUsage, PartUsage, SnapshotUsage, TotalUsage};

use crate::layer::store::{LayerStore, LayerStoreError};
use crate::snapshot::{SnapshotError, Snapshots, StoredImageError};
use crate::store::{Store, StoreError};

/// A store with everything that belongs to it.
#[derive(Clone, Debug)]
pub struct Upkeep {
    /// The blobs.
    pub store: Store,
    /// The unpacked layers.
    pub layers: LayerStore,
    /// The snapshots.
    pub snapshots: Snapshots,
}

/// Why a store could not be looked after.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// The blobs.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The unpacked layers.
    #[error(transparent)]
    Layers(#[from] LayerStoreError),
    /// The snapshots.
    #[error(transparent)]
    Snapshots(#[from] SnapshotError),
    /// The snapshot is in use.
    #[error("snapshot `{id}` is mounted")]
    Mounted {
        /// Its name.
        id: String,
    },
    /// An image.
    #[error(transparent)]
    Image(#[from] StoredImageError),
}

#[cfg(test)]
mod crash_tests;
