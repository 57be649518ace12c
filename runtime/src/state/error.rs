//! Why a container's state can't be used.

use super::RECORD_VERSION;
use std::io;
use std::path::PathBuf;

/// Why a container's state can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// There is no such container.
    #[error("container does not exist: `{id}`")]
    NotFound {
        /// As given.
        id: String,
    },
    /// The id is taken.
    #[error("container with given ID already exists: `{id}`")]
    Exists {
        /// As given.
        id: String,
    },
    /// The root can't be made or opened.
    #[error("cannot use the state directory `{}`", path.display())]
    Root {
        /// `--root`.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the container can't be written.
    #[error("cannot write `{name}` of container `{id}`")]
    Write {
        /// The file.
        name: &'static str,
        /// The container.
        id: String,
        /// Why.
        source: io::Error,
    },
    /// A file of the container can't be read.
    #[error("cannot read `{name}` of container `{id}`")]
    Read {
        /// The file.
        name: &'static str,
        /// The container.
        id: String,
        /// Why.
        source: io::Error,
    },
    /// `state.json` is not what this build writes.
    #[error("`state.json` of container `{id}` is not valid")]
    Invalid {
        /// The container.
        id: String,
        /// Where and what.
        source: serde_json::Error,
    },
    /// `state.json` is of another version.
    #[error(
        "`state.json` of container `{id}` has version {version}, this build knows {RECORD_VERSION}"
    )]
    Version {
        /// The container.
        id: String,
        /// Found.
        version: u32,
    },
    /// The directory can't be removed.
    #[error("cannot remove the state of container `{id}`")]
    Remove {
        /// The container.
        id: String,
        /// Why.
        source: io::Error,
    },
}
