//! Why the store of unpacked layers failed.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::erofs::TreeError;
use crate::layer::LayerError;

/// Why a layer could not be kept, found or composed.
#[derive(Debug, thiserror::Error)]
pub enum LayerStoreError {
    /// A file operation of the store itself failed.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A layer's facts are not in their format: `fsck` removes such a layer.
    #[error("`{}` is not in its format", path.display())]
    Facts {
        /// The file.
        path: PathBuf,
    },
    /// A layer could not be unpacked.
    #[error("cannot unpack layer `{diff_id}`")]
    Layer {
        /// Which one.
        diff_id: String,
        /// Why not.
        source: LayerError,
    },
    /// The file system below the store, or the kernel, has no fs-verity.
    #[error(
        "cannot seal `{}`: the file system has no fs-verity with blocks of 4,096 bytes (ext4 and f2fs: \
         `tune2fs -O verity` or `mkfs -O verity`; btrfs: Linux 5.15)",
        path.display()
    )]
    NoVerity {
        /// What was to be sealed.
        path: PathBuf,
        /// What the kernel says.
        source: Errno,
    },
    /// EROFS can't describe a layer.
    #[error("cannot seal `{}`", path.display())]
    Tree {
        /// The layer.
        path: PathBuf,
        /// Why not.
        source: TreeError,
    },
    /// A sealed mount stands on a layer that is not sealed any more.
    #[error("layer `{}` is not sealed: make the snapshot again", path.display())]
    NotSealed {
        /// The layer.
        path: PathBuf,
    },
    /// The disk has changed what was sealed.
    #[error("the seal `{}` is broken: {why}; `imgmgr fsck --repair` removes it", path.display())]
    BrokenSeal {
        /// The record.
        path: PathBuf,
        /// How.
        why: &'static str,
    },
    /// A chain names a layer that isn't there.
    #[error("layer `{diff_id}` is not unpacked")]
    Missing {
        /// Which one.
        diff_id: String,
    },
    /// The lowest layer links to a file below it.
    #[error("layer `{diff_id}` links to `{target}`, which is in no layer below it")]
    DanglingLink {
        /// Which one.
        diff_id: String,
        /// What the link names.
        target: String,
    },
}

/// For `map_err`.
pub(super) fn io<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> LayerStoreError + use<'a> {
    move |source| LayerStoreError::Io { action, path: path.to_owned(), source }
}

/// For `map_err`.
pub(super) fn errno<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(Errno) -> LayerStoreError + use<'a> {
    move |source| LayerStoreError::Io { action, path: path.to_owned(), source: source.into() }
}
