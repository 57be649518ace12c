//! Why something about a snapshot failed.

use std::io;
use std::path::{Path, PathBuf};

use crate::layer::store::LayerStoreError;

/// Why something about a snapshot failed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A file operation failed.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The name is taken.
    #[error("snapshot `{id}` exists already")]
    Exists {
        /// The name.
        id: String,
    },
    /// There is none of that name.
    #[error("there is no snapshot `{id}`")]
    NotFound {
        /// The name.
        id: String,
    },
    /// The name can't be one.
    #[error("`{id}` cannot be a snapshot's name")]
    Name {
        /// As given.
        id: String,
    },
    /// The record is damaged or of another version.
    #[error("`{}` is not a snapshot's record of this version", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Where it breaks, if it is no JSON of the right form.
        source: Option<serde_json::Error>,
    },
    /// overlayfs refused.
    #[error("cannot mount `{}`: {explanation}", at.display())]
    Mount {
        /// The snapshot.
        at: PathBuf,
        /// What the kernel says beyond the number; may be empty.
        explanation: String,
        /// The number.
        source: rustix::io::Errno,
    },
    /// A layer of a sealed snapshot is not sealed, or not as it was.
    #[error("snapshot `{id}` can't be trusted")]
    Seal {
        /// Its name.
        id: String,
        /// Why not.
        source: Box<LayerStoreError>,
    },
    /// It would be mounted without its seals.
    #[error("snapshot `{}` is sealed, and mounted by its seals only", at.display())]
    IsSealed {
        /// The snapshot.
        at: PathBuf,
    },
    /// The snapshot is a view, and has no changes.
    #[error("snapshot `{id}` is read-only")]
    ReadOnly {
        /// The name.
        id: String,
    },
}

/// For `map_err`.
pub(super) fn io<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> SnapshotError + use<'a> {
    move |source| SnapshotError::Io { action, path: path.to_owned(), source }
}
