//! Limits of a control group (config-linux.md#control-groups). Every field that is `None` or
//! empty leaves the kernel's value alone.

use std::collections::BTreeMap;

/// `linux.resources`, checked; also what `update` carries.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Resources {
    /// Device rules in listed order, the last match wins; `None` where the config has none.
    pub devices: Vec<DeviceRule>,
    /// Memory.
    pub memory: Memory,
    /// CPU time and placement.
    pub cpu: Cpu,
    /// Block I/O.
    pub block_io: BlockIo,
    /// Tasks: `Some(-1)` is unlimited, `Some(0)` is zero.
    pub pids_limit: Option<i64>,
    /// Page size as in the control file's name (`2MB`), bytes.
    pub hugepages: Vec<(String, u64)>,
    /// `net_cls.classid`.
    pub net_class_id: Option<u32>,
    /// `net_prio.ifpriomap`: interface, priority.
    pub net_priorities: Vec<(String, u32)>,
    /// Device to (handles, objects).
    pub rdma: BTreeMap<String, (Option<u32>, Option<u32>)>,
    /// File name in the cgroup v2 directory to text, checked: no slash, no dot-dot.
    pub unified: BTreeMap<String, String>,
}

/// One rule of the allowed device list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceRule {
    /// Allow or deny.
    pub allow: bool,
    /// Character, block, or both.
    pub kind: DeviceRuleKind,
    /// `None` is every major number.
    pub major: Option<u32>,
    /// `None` is every minor number.
    pub minor: Option<u32>,
    /// What is allowed or denied.
    pub access: DeviceAccess,
}

/// Which devices a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceRuleKind {
    /// `a`
    All,
    /// `c`
    Char,
    /// `b`
    Block,
}

/// `r`, `w`, `m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the three letters of the devices controller")]
pub struct DeviceAccess {
    pub read: bool,
    pub write: bool,
    pub mknod: bool,
}

/// Bytes throughout, -1 for unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names of the specification")]
pub struct Memory {
    pub limit: Option<i64>,
    pub reservation: Option<i64>,
    pub swap: Option<i64>,
    pub kernel: Option<i64>,
    pub kernel_tcp: Option<i64>,
    pub swappiness: Option<u64>,
    pub disable_oom_killer: Option<bool>,
    pub use_hierarchy: Option<bool>,
    pub check_before_update: Option<bool>,
}

/// Microseconds throughout.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names of the specification")]
pub struct Cpu {
    pub shares: Option<u64>,
    pub quota: Option<i64>,
    pub burst: Option<u64>,
    pub period: Option<u64>,
    pub realtime_runtime: Option<i64>,
    pub realtime_period: Option<u64>,
    pub cpus: Option<String>,
    pub mems: Option<String>,
    pub idle: Option<i64>,
}

/// `linux.resources.blockIO`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names of the specification")]
pub struct BlockIo {
    pub weight: Option<u16>,
    pub leaf_weight: Option<u16>,
    pub weight_devices: Vec<WeightDevice>,
    pub read_bps: Vec<ThrottleDevice>,
    pub write_bps: Vec<ThrottleDevice>,
    pub read_iops: Vec<ThrottleDevice>,
    pub write_iops: Vec<ThrottleDevice>,
}

/// Weight of one block device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the specification")]
pub struct WeightDevice {
    pub major: u32,
    pub minor: u32,
    pub weight: Option<u16>,
    pub leaf_weight: Option<u16>,
}

/// Limit of one block device: bytes or operations a second; 0 lifts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the specification")]
pub struct ThrottleDevice {
    pub major: u32,
    pub minor: u32,
    pub rate: u64,
}
