//! The top of the file (config.md).

use serde::Deserialize;

use super::{Entries, Linux, Process, Text};

/// `config.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Config<'a> {
    pub(in crate::spec) oci_version: Option<Text<'a>>,
    pub(in crate::spec) root: Option<Root<'a>>,
    pub(in crate::spec) mounts: Option<Vec<Mount<'a>>>,
    pub(in crate::spec) process: Option<Process<'a>>,
    pub(in crate::spec) hostname: Option<Text<'a>>,
    pub(in crate::spec) domainname: Option<Text<'a>>,
    pub(in crate::spec) hooks: Option<Hooks<'a>>,
    pub(in crate::spec) annotations: Option<Entries<'a, Text<'a>>>,
    pub(in crate::spec) linux: Option<Linux<'a>>,
}

/// config.md#root
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Root<'a> {
    pub(in crate::spec) path: Option<Text<'a>>,
    pub(in crate::spec) readonly: Option<bool>,
}

/// config.md#mounts
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Mount<'a> {
    pub(in crate::spec) destination: Option<Text<'a>>,
    pub(in crate::spec) source: Option<Text<'a>>,
    pub(in crate::spec) r#type: Option<Text<'a>>,
    pub(in crate::spec) options: Option<Vec<Text<'a>>>,
    pub(in crate::spec) uid_mappings: Option<Vec<IdMapping>>,
    pub(in crate::spec) gid_mappings: Option<Vec<IdMapping>>,
}

/// config-linux.md#user-namespace-mappings
#[derive(Clone, Copy, Debug, Deserialize)]
pub(in crate::spec) struct IdMapping {
    #[serde(rename = "containerID")]
    pub(in crate::spec) container_id: Option<u32>,
    #[serde(rename = "hostID")]
    pub(in crate::spec) host_id: Option<u32>,
    pub(in crate::spec) size: Option<u32>,
}

/// config.md#posix-platform-hooks
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Hooks<'a> {
    pub(in crate::spec) prestart: Option<Vec<Hook<'a>>>,
    pub(in crate::spec) create_runtime: Option<Vec<Hook<'a>>>,
    pub(in crate::spec) create_container: Option<Vec<Hook<'a>>>,
    pub(in crate::spec) start_container: Option<Vec<Hook<'a>>>,
    pub(in crate::spec) poststart: Option<Vec<Hook<'a>>>,
    pub(in crate::spec) poststop: Option<Vec<Hook<'a>>>,
}

/// One hook.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Hook<'a> {
    pub(in crate::spec) path: Option<Text<'a>>,
    pub(in crate::spec) args: Option<Vec<Text<'a>>>,
    pub(in crate::spec) env: Option<Vec<Text<'a>>>,
    pub(in crate::spec) timeout: Option<i64>,
}
