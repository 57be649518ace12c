//! Why a pull fails.

use crate::digest::Digest;
use crate::image::ConfigError;
use crate::registry::RegistryError;
use crate::store::{MAX_INDEX_DEPTH, StoreError};
use crate::trust::TrustError;

/// Why a pull failed.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The policy, or what it asks for.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The image contradicts itself.
    #[error("image `{digest}` can't be used")]
    Config {
        /// Its manifest.
        digest: Digest,
        /// Why.
        source: ConfigError,
    },
    /// Indexes within indexes, too deep or in a circle.
    #[error("`{name}` nests indexes deeper than {MAX_INDEX_DEPTH}")]
    TooDeep {
        /// The reference.
        name: String,
    },
    /// A layer came whole but could not be unpacked.
    #[error("cannot unpack layer `{digest}`")]
    Layer {
        /// The layer.
        digest: Digest,
        /// Why.
        source: std::io::Error,
    },
    /// Unpacked layers could not be prepared for or kept.
    #[error("cannot keep the layers of `{name}`")]
    Layers {
        /// The reference.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// Another layer failed first, which is what to tell people.
    #[error("the pull ended before `{digest}` was there")]
    Stopped {
        /// The blob.
        digest: Digest,
    },
    /// A thread of ours died.
    #[error("an internal task failed")]
    Task {
        /// How.
        source: tokio::task::JoinError,
    },
}
