//! Registries, the content store, layers, snapshots and bundles.

#![forbid(unsafe_code)]

pub mod config;
pub mod convert;
pub mod copy;
pub mod digest;
pub mod disk_usage;
pub mod edit;
pub mod erofs;
pub mod image;
pub mod layer;
pub mod progress;
pub mod pull;
pub mod push;
pub mod reference;
pub mod registry;
pub mod repack;
pub mod rfc3339;
pub mod room;
pub mod snapshot;
pub mod store;
pub mod toc;
pub mod trust;
pub mod unpack;
pub mod upkeep;
pub mod whole_file;
mod xattrs;
