//! The checked container specification: what `config.json` means once everything foreign has
//! been read, limited and validated.
//!
//! ```text
//! config.json -> wire (serde, as written) -> ContainerSpec (this module) -> plan
//! ```
//! Only this directory knows the wire format. Everything later sees these types.

mod ids;
mod mounts;
mod needs;
mod parse;
mod process;
mod resources;
mod seccomp;
mod wire;

pub use ids::*;
pub use mounts::*;
pub use needs::{Feature, LinuxVersion, Need};
pub use parse::{
    ParseOptions, Parsed, Problem, SpecError, SystemdProperties, Warning, WarningReason,
    known_mount_options, limits, zero_pids_are_unset,
};
pub use process::*;
pub use resources::*;
pub use seccomp::*;

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A container as it shall be: the checked form of `config.json` (runtime-spec 1.3, config.md).
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerSpec {
    /// `ociVersion` as written, known to be a version this build can honour.
    pub oci_version: String,
    /// The root file system.
    pub root: Rootfs,
    /// In listed order, which is the order they are mounted in.
    pub mounts: Vec<Mount>,
    /// Absent only in a config that can be created but never started.
    pub process: Option<Process>,
    /// For a new or joined UTS namespace.
    pub hostname: Option<String>,
    /// For a new or joined UTS namespace.
    pub domainname: Option<String>,
    /// Programs to run at the lifecycle's places.
    pub hooks: Hooks,
    /// Free-form keys and values, sorted by key.
    pub annotations: BTreeMap<String, String>,
    /// Which namespaces are new, joined or inherited.
    pub namespaces: Namespaces,
    /// Container to host user ids. Never empty for a new user namespace; for one to join, what the
    /// config repeats of it, which must be what it has; else empty.
    pub uid_map: IdMap,
    /// Container to host group ids, likewise.
    pub gid_map: IdMap,
    /// Clock offsets for a new time namespace.
    pub time_offsets: TimeOffsets,
    /// Device nodes beyond the default ones.
    pub devices: Vec<DeviceNode>,
    /// Network devices to move from the runtime's network namespace.
    pub net_devices: Vec<NetDevice>,
    /// `linux.cgroupsPath` as written; `None` lets the runtime choose.
    pub cgroups_path: Option<String>,
    /// Limits of the container's cgroup. A 0 is `None` wherever runc takes it for "not set".
    pub resources: Resources,
    /// `linux.rootfsPropagation`; `None` is the runtime's default (`rslave` while setting up,
    /// then private).
    pub rootfs_propagation: Option<Propagation>,
    /// The system call filter.
    pub seccomp: Option<SeccompProfile>,
    /// Absolute container paths that shall not be readable.
    pub masked_paths: Vec<ContainerPath>,
    /// Absolute container paths that shall not be writable.
    pub readonly_paths: Vec<ContainerPath>,
    /// SELinux context for the mounts.
    pub mount_label: Option<String>,
    /// Kernel parameters in the container's namespaces, sorted by key, already checked to be
    /// namespaced and to have their namespace.
    pub sysctls: Vec<Sysctl>,
    /// Resource director technology.
    pub intel_rdt: Option<IntelRdt>,
    /// Execution domain.
    pub personality: Option<Personality>,
    /// NUMA memory policy.
    pub memory_policy: Option<MemoryPolicy>,
    /// What the typed annotations of this runtime ask for.
    pub extensions: Extensions,
}

impl ContainerSpec {
    /// Whether its process gets a terminal.
    #[must_use]
    pub fn has_terminal(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.terminal)
    }
}

/// `root` (config.md#root).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rootfs {
    /// Absolute: a relative path has been joined to the bundle.
    pub path: PathBuf,
    /// Whether the container may write.
    pub access: Access,
}

/// Writable or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Access {
    /// Reads and writes.
    #[default]
    ReadWrite,
    /// Reads only.
    ReadOnly,
}

/// What becomes of one namespace kind (config-linux.md#namespaces).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Namespace {
    /// The runtime's own.
    #[default]
    Inherit,
    /// A fresh one.
    New,
    /// An existing one, by an absolute path in the runtime's mount namespace.
    Join(PathBuf),
}

impl Namespace {
    /// True for [`Namespace::New`].
    #[must_use]
    pub fn is_new(&self) -> bool {
        *self == Namespace::New
    }

    /// True for [`Namespace::Inherit`].
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        *self == Namespace::Inherit
    }

    /// The path of a namespace to join.
    #[must_use]
    pub fn path(&self) -> Option<&std::path::Path> {
        match self {
            Namespace::Join(path) => Some(path),
            Namespace::Inherit | Namespace::New => None,
        }
    }
}

/// One entry a kind, so that a duplicate cannot be represented.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names of namespaces(7)")]
pub struct Namespaces {
    pub user: Namespace,
    pub pid: Namespace,
    pub network: Namespace,
    pub mount: Namespace,
    pub ipc: Namespace,
    pub uts: Namespace,
    pub cgroup: Namespace,
    pub time: Namespace,
}

/// Offsets of a new time namespace (time_namespaces(7)); `None` leaves the clock alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TimeOffsets {
    /// `CLOCK_MONOTONIC`.
    pub monotonic: Option<ClockOffset>,
    /// `CLOCK_BOOTTIME`.
    pub boottime: Option<ClockOffset>,
}

/// Seconds and nanoseconds added to a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names of the specification")]
pub struct ClockOffset {
    pub secs: i64,
    pub nanosecs: u32,
}

/// `linux.devices[]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceNode {
    /// Where in the container.
    pub path: ContainerPath,
    /// Which device.
    pub kind: DeviceKind,
    /// Permission bits; `None` is 0666.
    pub mode: Option<u32>,
    /// Owner in the container; `None` is root.
    pub uid: Option<ContainerUid>,
    /// Group in the container; `None` is root.
    pub gid: Option<ContainerGid>,
}

/// The kinds of node mknod(2) makes for a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// `c` and `u`.
    Char {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// `b`.
    Block {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// `p`.
    Fifo,
}

/// `linux.netDevices`: one device to move, up and with its global permanent addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetDevice {
    /// Name in the runtime's network namespace.
    pub host_name: String,
    /// Name in the container's: at most 15 bytes, may end in `%d`.
    pub name: String,
}

/// A sysctl whose key is dotted and known to be namespaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// With `/` for dots, as beneath `/proc/sys`: `net/ipv4/ip_forward`.
    pub path: String,
    /// Written as it is.
    pub value: String,
}

/// `linux.intelRdt`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct IntelRdt {
    /// Directory name below resctrl; `None` means the container id.
    pub clos_id: Option<String>,
    /// `l3CacheSchema`, one line.
    pub l3_cache_schema: Option<String>,
    /// `memBwSchema`, one line.
    pub mem_bw_schema: Option<String>,
    /// `schemata`, a line each.
    pub schemata: Vec<String>,
    /// Whether a monitoring group is made for the container.
    pub monitoring: bool,
}

/// `linux.personality.domain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Personality {
    /// `LINUX`
    Linux,
    /// `LINUX32`
    Linux32,
}

/// `linux.memoryPolicy` (set_mempolicy(2)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPolicy {
    /// `MPOL_*` with its `MPOL_F_*` flags or'ed in, as the system call takes it.
    pub mode: u32,
    /// NUMA nodes.
    pub nodes: NumberSet,
}

/// A list such as `0-3,7`, kept sorted and merged, each number below [`NumberSet::MAX`].
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NumberSet(pub Vec<std::ops::RangeInclusive<u32>>);

impl NumberSet {
    /// Numbers of CPUs and NUMA nodes stay below this.
    pub const MAX: u32 = 65_536;
}

/// `hooks` (config.md#posix-platform-hooks), each list in the order it runs in.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Hooks {
    /// Deprecated place: after the namespaces, before `createRuntime`.
    pub prestart: Vec<Hook>,
    /// In the runtime namespace, after the namespaces exist, before pivot_root.
    pub create_runtime: Vec<Hook>,
    /// In the container namespace, before pivot_root.
    pub create_container: Vec<Hook>,
    /// In the container namespace, before the user's program.
    pub start_container: Vec<Hook>,
    /// In the runtime namespace, after the user's program started.
    pub poststart: Vec<Hook>,
    /// In the runtime namespace, after delete.
    pub poststop: Vec<Hook>,
}

/// One program of a hook list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Absolute.
    pub path: PathBuf,
    /// With `argv[0]`; empty means the path alone.
    pub args: Vec<String>,
    /// `KEY=value` strings: the whole environment.
    pub env: Vec<String>,
    /// At least one second where set.
    pub timeout: Option<std::time::Duration>,
}

/// What annotations under this runtime's prefix ask for (docs/annotations.md).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Extensions {
    /// Landlock rules applied before the program starts.
    pub landlock: Option<Landlock>,
    /// Whether the container gets a core-scheduling cookie of its own.
    pub core_scheduling: bool,
    /// `memory.high` in bytes (cgroup v2).
    pub memory_high: Option<u64>,
    /// `memory.min` in bytes (cgroup v2).
    pub memory_min: Option<u64>,
    /// `memory.low` in bytes (cgroup v2).
    pub memory_low: Option<u64>,
    /// Properties of the systemd scope, name and GVariant text, from `org.systemd.property.*`.
    pub systemd_properties: Vec<(String, String)>,
}

/// Paths a container may use; everything else beneath the rootfs is refused by the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Landlock {
    /// Read and execute beneath these.
    pub read: Vec<ContainerPath>,
    /// Read, write, create and remove beneath these.
    pub write: Vec<ContainerPath>,
}
