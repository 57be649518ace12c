//! Manifests, indexes and image configurations: foreign JSON to checked values.
//!
//! Wire types are our own rather than `oci-spec`'s: the bytes of a manifest are its identity, so
//! they are kept as they came ([`Manifest::parse`] only looks), docker's extra configuration
//! fields survive an edit, and a digest or size that is not one is refused while parsing.

mod config;
mod descriptor;
mod manifest;
pub mod media;
mod platform;

pub use config::{ConfigError, History, ImageConfig, MAX_CONFIG_BYTES, RunConfig};
pub use descriptor::{Annotations, Descriptor};
pub use manifest::{
    EMPTY_JSON, ImageManifest, Index, MAX_INDEX_ENTRIES, MAX_LAYERS, MAX_MANIFEST_BYTES, Manifest,
    ManifestError,
};
pub use platform::{Platform, PlatformError};
