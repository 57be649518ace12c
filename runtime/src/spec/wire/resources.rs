//! `linux.resources` (config-linux.md#control-groups), also the whole file of `update -r`.

use serde::Deserialize;

use super::{Entries, Text};

/// `linux.resources`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Resources<'a> {
    pub(in crate::spec) devices: Option<Vec<DeviceRule<'a>>>,
    pub(in crate::spec) memory: Option<Memory>,
    pub(in crate::spec) cpu: Option<Cpu<'a>>,
    /// The same: runc reads names in any case, and what is written for it has this one.
    #[serde(rename = "CPU")]
    pub(in crate::spec) cpu_in_capitals: Option<Cpu<'a>>,
    #[serde(rename = "blockIO")]
    pub(in crate::spec) block_io: Option<BlockIo>,
    pub(in crate::spec) pids: Option<Pids>,
    pub(in crate::spec) hugepage_limits: Option<Vec<HugepageLimit<'a>>>,
    pub(in crate::spec) network: Option<Network<'a>>,
    pub(in crate::spec) rdma: Option<Entries<'a, Rdma>>,
    pub(in crate::spec) unified: Option<Entries<'a, Text<'a>>>,
}

/// `linux.resources.devices[]`
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct DeviceRule<'a> {
    pub(in crate::spec) allow: Option<bool>,
    pub(in crate::spec) r#type: Option<Text<'a>>,
    pub(in crate::spec) major: Option<i64>,
    pub(in crate::spec) minor: Option<i64>,
    pub(in crate::spec) access: Option<Text<'a>>,
}

/// `linux.resources.memory`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::spec) struct Memory {
    pub(in crate::spec) limit: Option<i64>,
    pub(in crate::spec) reservation: Option<i64>,
    pub(in crate::spec) swap: Option<i64>,
    pub(in crate::spec) kernel: Option<i64>,
    #[serde(rename = "kernelTCP")]
    pub(in crate::spec) kernel_tcp: Option<i64>,
    pub(in crate::spec) swappiness: Option<u64>,
    #[serde(rename = "disableOOMKiller")]
    pub(in crate::spec) disable_oom_killer: Option<bool>,
    pub(in crate::spec) use_hierarchy: Option<bool>,
    pub(in crate::spec) check_before_update: Option<bool>,
}

/// `linux.resources.cpu`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Cpu<'a> {
    pub(in crate::spec) shares: Option<u64>,
    pub(in crate::spec) quota: Option<i64>,
    pub(in crate::spec) burst: Option<u64>,
    pub(in crate::spec) period: Option<u64>,
    pub(in crate::spec) realtime_runtime: Option<i64>,
    pub(in crate::spec) realtime_period: Option<u64>,
    #[serde(alias = "Cpus")]
    pub(in crate::spec) cpus: Option<Text<'a>>,
    #[serde(alias = "Mems")]
    pub(in crate::spec) mems: Option<Text<'a>>,
    pub(in crate::spec) idle: Option<i64>,
}

/// `linux.resources.blockIO`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::spec) struct BlockIo {
    pub(in crate::spec) weight: Option<u16>,
    pub(in crate::spec) leaf_weight: Option<u16>,
    pub(in crate::spec) weight_device: Option<Vec<WeightDevice>>,
    pub(in crate::spec) throttle_read_bps_device: Option<Vec<ThrottleDevice>>,
    pub(in crate::spec) throttle_write_bps_device: Option<Vec<ThrottleDevice>>,
    #[serde(rename = "throttleReadIOPSDevice")]
    pub(in crate::spec) throttle_read_iops_device: Option<Vec<ThrottleDevice>>,
    #[serde(rename = "throttleWriteIOPSDevice")]
    pub(in crate::spec) throttle_write_iops_device: Option<Vec<ThrottleDevice>>,
}

/// `linux.resources.blockIO.weightDevice[]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::spec) struct WeightDevice {
    pub(in crate::spec) major: Option<i64>,
    pub(in crate::spec) minor: Option<i64>,
    pub(in crate::spec) weight: Option<u16>,
    pub(in crate::spec) leaf_weight: Option<u16>,
}

/// `linux.resources.blockIO.throttle*Device[]`
#[derive(Clone, Copy, Debug, Deserialize)]
pub(in crate::spec) struct ThrottleDevice {
    pub(in crate::spec) major: Option<i64>,
    pub(in crate::spec) minor: Option<i64>,
    pub(in crate::spec) rate: Option<u64>,
}

/// `linux.resources.pids`
#[derive(Clone, Copy, Debug, Deserialize)]
pub(in crate::spec) struct Pids {
    pub(in crate::spec) limit: Option<i64>,
}

/// `linux.resources.hugepageLimits[]`
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct HugepageLimit<'a> {
    // The lower-case spelling is no property of the specification, but tools that were only ever
    // tried with runc, which ignores case, write it.
    #[serde(rename = "pageSize", alias = "pagesize")]
    pub(in crate::spec) page_size: Option<Text<'a>>,
    pub(in crate::spec) limit: Option<u64>,
}

/// `linux.resources.network`
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Network<'a> {
    #[serde(rename = "classID")]
    pub(in crate::spec) class_id: Option<u32>,
    pub(in crate::spec) priorities: Option<Vec<InterfacePriority<'a>>>,
}

/// `linux.resources.network.priorities[]`
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct InterfacePriority<'a> {
    pub(in crate::spec) name: Option<Text<'a>>,
    pub(in crate::spec) priority: Option<u32>,
}

/// `linux.resources.rdma.*`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::spec) struct Rdma {
    pub(in crate::spec) hca_handles: Option<u32>,
    pub(in crate::spec) hca_objects: Option<u32>,
}
