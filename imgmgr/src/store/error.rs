//! Why the store could not do something.

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::{Digest, Mismatch};
use crate::image::{ConfigError, ManifestError};

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// As a verb: `open`, `write`, `rename`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The directory is something else.
    #[error("`{}` is not an OCI image layout", path.display())]
    NotALayout {
        /// The directory.
        path: PathBuf,
    },
    /// The layout or our part of it is from a version we don't know.
    #[error("`{}` has version `{version}`, which is not supported", path.display())]
    Version {
        /// The file that says so.
        path: PathBuf,
        /// What it says.
        version: String,
    },
    /// A file of the store is not what it must be.
    #[error("`{}` is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        source: serde_json::Error,
    },
    /// No such image.
    #[error("no image `{name}` in the store")]
    NoImage {
        /// As it was asked for.
        name: String,
    },
    /// An abbreviated digest fits several images.
    #[error("`{name}` fits {count} images")]
    AmbiguousImage {
        /// As it was asked for.
        name: String,
        /// How many.
        count: usize,
    },
    /// A blob that something refers to is absent.
    #[error("blob `{digest}` is not in the store")]
    NoBlob {
        /// The blob.
        digest: Digest,
    },
    /// A blob is larger than its kind may be.
    #[error("blob `{digest}` has {size} bytes; the limit for it is {limit}")]
    TooLarge {
        /// The blob.
        digest: Digest,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// A blob's bytes are not what its digest says.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// A blob is no manifest.
    #[error("`{digest}` is not a usable manifest")]
    Manifest {
        /// The blob.
        digest: Digest,
        /// Why.
        source: ManifestError,
    },
    /// A blob is no image configuration.
    #[error("`{digest}` is not a usable image configuration")]
    Config {
        /// The blob.
        digest: Digest,
        /// Why.
        source: ConfigError,
    },
    /// Indexes within indexes, too deep or in a circle.
    #[error("`{digest}` nests indexes deeper than {limit}")]
    TooDeep {
        /// Where it was noticed.
        digest: Digest,
        /// How deep is allowed.
        limit: usize,
    },
    /// The index has no image for the platform.
    #[error("`{name}` has no image for {platform}; it has {available}")]
    NoPlatform {
        /// The image.
        name: String,
        /// What was wanted.
        platform: String,
        /// What there is.
        available: String,
    },
}

impl StoreError {
    /// Wraps an I/O error: `.map_err(StoreError::io("open", &path))`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Whether the blob must be thrown away and fetched again.
    pub fn is_corruption(&self) -> bool {
        matches!(self, Self::Mismatch(_))
    }
}

/// The store's results.
pub type Result<T> = std::result::Result<T, StoreError>;
