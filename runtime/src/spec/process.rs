//! The process to run (config.md#process).

use super::{ContainerGid, ContainerUid, NumberSet};

/// `process`, checked.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Process {
    /// Whether stdio is a new pseudo-terminal.
    pub terminal: bool,
    /// Initial size of that terminal.
    pub console_size: Option<ConsoleSize>,
    /// Ids the process runs with.
    pub user: User,
    /// At least one, without NUL bytes.
    pub args: Vec<String>,
    /// `KEY=value`, without NUL bytes; of a key that repeats, the last one counts.
    pub env: Vec<String>,
    /// Absolute.
    pub cwd: String,
    /// Capability sets; `None` where the config has none, which means no capability at all.
    pub capabilities: Option<Capabilities>,
    /// In listed order, no type twice.
    pub rlimits: Vec<Rlimit>,
    /// no_new_privs.
    pub no_new_privileges: bool,
    /// AppArmor profile name.
    pub apparmor_profile: Option<String>,
    /// SELinux context.
    pub selinux_label: Option<String>,
    /// -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// Scheduling policy and parameters.
    pub scheduler: Option<Scheduler>,
    /// I/O priority.
    pub io_priority: Option<IoPriority>,
    /// For exec only.
    pub exec_cpu_affinity: ExecCpuAffinity,
}

/// Characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the specification")]
pub struct ConsoleSize {
    pub width: u16,
    pub height: u16,
}

/// `process.user`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct User {
    /// User id in the container.
    pub uid: ContainerUid,
    /// Group id in the container.
    pub gid: ContainerGid,
    /// Nine permission bits; `None` means 022, as runc does.
    pub umask: Option<u32>,
    /// Exactly the supplementary groups.
    pub additional_gids: Vec<ContainerGid>,
}

/// A set of capabilities, bit n for capability number n (capabilities(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CapabilitySet(pub u64);

/// The five sets of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names of capabilities(7)")]
pub struct Capabilities {
    pub bounding: CapabilitySet,
    pub effective: CapabilitySet,
    pub inheritable: CapabilitySet,
    pub permitted: CapabilitySet,
    pub ambient: CapabilitySet,
}

/// One rlimit: `resource` is the kernel's number (`RLIMIT_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of getrlimit(2)")]
pub struct Rlimit {
    pub resource: u32,
    pub soft: u64,
    pub hard: u64,
}

/// `process.scheduler` as sched_setattr(2) takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Scheduler {
    /// `SCHED_*` number.
    pub policy: u32,
    /// `SCHED_FLAG_*` bits.
    pub flags: u64,
    /// -20 to 19.
    pub nice: i32,
    /// For the real-time policies.
    pub priority: u32,
    /// Nanoseconds.
    pub runtime: u64,
    /// Nanoseconds.
    pub deadline: u64,
    /// Nanoseconds.
    pub period: u64,
}

/// `process.ioPriority`: class 1 real-time, 2 best-effort, 3 idle; level 0 (highest) to 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of ioprio_set(2)")]
pub struct IoPriority {
    pub class: u8,
    pub level: u8,
}

/// `process.execCPUAffinity`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ExecCpuAffinity {
    /// Before the process enters the container's cgroup.
    pub initial: Option<NumberSet>,
    /// After it.
    pub r#final: Option<NumberSet>,
}
