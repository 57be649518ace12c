//! `linux` (config-linux.md) but for `resources` and `seccomp`.

use serde::Deserialize;

use super::{Entries, IdMapping, Resources, Seccomp, Text};

/// config-linux.md
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Linux<'a> {
    pub(in crate::spec) namespaces: Option<Vec<Namespace<'a>>>,
    pub(in crate::spec) uid_mappings: Option<Vec<IdMapping>>,
    pub(in crate::spec) gid_mappings: Option<Vec<IdMapping>>,
    pub(in crate::spec) time_offsets: Option<Entries<'a, TimeOffset>>,
    pub(in crate::spec) devices: Option<Vec<Device<'a>>>,
    pub(in crate::spec) net_devices: Option<Entries<'a, NetDevice<'a>>>,
    pub(in crate::spec) cgroups_path: Option<Text<'a>>,
    pub(in crate::spec) resources: Option<Resources<'a>>,
    pub(in crate::spec) intel_rdt: Option<IntelRdt<'a>>,
    pub(in crate::spec) memory_policy: Option<MemoryPolicy<'a>>,
    pub(in crate::spec) sysctl: Option<Entries<'a, Text<'a>>>,
    pub(in crate::spec) seccomp: Option<Seccomp<'a>>,
    pub(in crate::spec) rootfs_propagation: Option<Text<'a>>,
    pub(in crate::spec) masked_paths: Option<Vec<Text<'a>>>,
    pub(in crate::spec) readonly_paths: Option<Vec<Text<'a>>>,
    pub(in crate::spec) mount_label: Option<Text<'a>>,
    pub(in crate::spec) personality: Option<Personality<'a>>,
}

/// `linux.namespaces[]`
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Namespace<'a> {
    pub(in crate::spec) r#type: Option<Text<'a>>,
    pub(in crate::spec) path: Option<Text<'a>>,
}

/// `linux.timeOffsets.*`
#[derive(Clone, Copy, Debug, Deserialize)]
pub(in crate::spec) struct TimeOffset {
    pub(in crate::spec) secs: Option<i64>,
    pub(in crate::spec) nanosecs: Option<u32>,
}

/// `linux.devices[]`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Device<'a> {
    pub(in crate::spec) r#type: Option<Text<'a>>,
    pub(in crate::spec) path: Option<Text<'a>>,
    pub(in crate::spec) major: Option<i64>,
    pub(in crate::spec) minor: Option<i64>,
    pub(in crate::spec) file_mode: Option<u32>,
    pub(in crate::spec) uid: Option<u32>,
    pub(in crate::spec) gid: Option<u32>,
}

/// `linux.netDevices.*`
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct NetDevice<'a> {
    pub(in crate::spec) name: Option<Text<'a>>,
}

/// `linux.intelRdt`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct IntelRdt<'a> {
    #[serde(rename = "closID")]
    pub(in crate::spec) clos_id: Option<Text<'a>>,
    pub(in crate::spec) schemata: Option<Vec<Text<'a>>>,
    pub(in crate::spec) l3_cache_schema: Option<Text<'a>>,
    pub(in crate::spec) mem_bw_schema: Option<Text<'a>>,
    pub(in crate::spec) enable_monitoring: Option<bool>,
}

/// `linux.memoryPolicy`
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct MemoryPolicy<'a> {
    pub(in crate::spec) mode: Option<Text<'a>>,
    pub(in crate::spec) nodes: Option<Text<'a>>,
    pub(in crate::spec) flags: Option<Vec<Text<'a>>>,
}

/// `linux.personality`
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Personality<'a> {
    pub(in crate::spec) domain: Option<Text<'a>>,
    pub(in crate::spec) flags: Option<Vec<Text<'a>>>,
}
