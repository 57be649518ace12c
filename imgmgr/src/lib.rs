//! Registries, the content store, layers, snapshots and bundles.

#![forbid(unsafe_code)]

pub mod layer;
