//! Targets of `imgmgr` and `bundles`.

pub(crate) mod archive_load;
pub(crate) mod challenge;
pub(crate) mod docker_logins;
pub(crate) mod image_bundle;
pub(crate) mod image_config;
pub(crate) mod image_manifest;
pub(crate) mod image_reference;
pub(crate) mod layer_convert;
pub(crate) mod layer_tar;
pub(crate) mod layer_unpack;
pub(crate) mod policy;
pub(crate) mod registry_replies;
pub(crate) mod store_records;
pub(crate) mod toc_stargz;
pub(crate) mod toc_zstd_chunked;
