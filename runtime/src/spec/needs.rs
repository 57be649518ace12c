//! What of the kernel and the host a specification can't do without: the question, as data, that
//! `runt check` answers by comparing with the host.

use std::fmt;

use super::{
    ContainerSpec, Extensions, MountKind, Namespace, Process, Resources, SeccompAction,
    SeccompProfile,
};

/// One thing a specification needs, and the property that needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Path of the property: `linux.namespaces`, `mounts[3]`.
    pub property: String,
    /// What it needs.
    pub feature: Feature,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` needs {}", self.property, self.feature)
    }
}

/// The first Linux that has something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinuxVersion {
    /// `6` of 6.9.
    pub major: u32,
    /// `9` of 6.9.
    pub minor: u32,
}

/// What a kernel or a host may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// user_namespaces(7), not switched off by a sysctl.
    UserNamespaces,
    /// cgroup_namespaces(7).
    CgroupNamespaces,
    /// time_namespaces(7).
    TimeNamespaces,
    /// `MOUNT_ATTR_IDMAP` of mount_setattr(2).
    IdmappedMounts,
    /// `AT_RECURSIVE` of mount_setattr(2).
    RecursiveAttributes,
    /// `MOUNT_ATTR_NOSYMFOLLOW` of mount_setattr(2).
    NoSymFollow,
    /// The file system `overlay`.
    Overlay,
    /// A mounted cgroup2 hierarchy with controllers.
    CgroupV2,
    /// Controllers in cgroup v1 hierarchies.
    CgroupV1,
    /// A controller, of either version.
    Controller(&'static str),
    /// `cpu.max.burst`, `cpu.cfs_burst_us`.
    CpuBurst,
    /// `cpu.idle`.
    CpuIdle,
    /// seccomp(2) with filters.
    SeccompFilter,
    /// `SECCOMP_RET_LOG`, `SECCOMP_RET_KILL_PROCESS`.
    SeccompLogAndKillProcess,
    /// `SECCOMP_RET_USER_NOTIF`.
    SeccompNotify,
    /// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`.
    SeccompWaitKillable,
    /// AppArmor, enabled.
    AppArmor,
    /// SELinux, enabled.
    Selinux,
    /// Landlock, enabled.
    Landlock,
    /// `PR_SCHED_CORE`.
    CoreScheduling,
    /// `SCHED_FLAG_UTIL_CLAMP*`.
    UtilizationClamping,
    /// `MPOL_PREFERRED_MANY`.
    PreferredManyPolicy,
    /// `MPOL_WEIGHTED_INTERLEAVE`.
    WeightedInterleavePolicy,
    /// `MPOL_F_NUMA_BALANCING`.
    NumaBalancingPolicy,
    /// A mounted resctrl file system.
    Resctrl,
    /// rtnetlink, and the right to move devices out of the runtime's network namespace.
    MoveNetworkDevices,
    /// A systemd that can be asked for a scope.
    Systemd,
}

impl Feature {
    /// The first Linux that has it; `None` if that is older than any this runtime runs on, or if
    /// it is no matter of the kernel's version alone.
    #[must_use]
    pub fn since(self) -> Option<LinuxVersion> {
        let (major, minor) = match self {
            Feature::CgroupNamespaces => (4, 6),
            Feature::SeccompLogAndKillProcess => (4, 14),
            Feature::SeccompNotify => (5, 0),
            Feature::UtilizationClamping => (5, 3),
            Feature::TimeNamespaces => (5, 6),
            Feature::IdmappedMounts | Feature::RecursiveAttributes => (5, 12),
            Feature::NumaBalancingPolicy => (5, 12),
            Feature::Landlock => (5, 13),
            Feature::NoSymFollow | Feature::CoreScheduling | Feature::CpuBurst => (5, 14),
            Feature::PreferredManyPolicy | Feature::CpuIdle => (5, 15),
            Feature::SeccompWaitKillable => (5, 19),
            Feature::WeightedInterleavePolicy => (6, 9),
            _ => return None,
        };
        Some(LinuxVersion { major, minor })
    }

    fn words(self) -> &'static str {
        match self {
            Feature::UserNamespaces => "user namespaces",
            Feature::CgroupNamespaces => "cgroup namespaces",
            Feature::TimeNamespaces => "time namespaces",
            Feature::IdmappedMounts => "id-mapped mounts",
            Feature::RecursiveAttributes => "recursive mount attributes",
            Feature::NoSymFollow => "mounts with `nosymfollow`",
            Feature::Overlay => "overlayfs",
            Feature::CgroupV2 => "cgroup v2",
            Feature::CgroupV1 => "cgroup v1",
            Feature::Controller(_) => "the cgroup controller",
            Feature::CpuBurst => "bursts of the CPU controller",
            Feature::CpuIdle => "idle cgroups of the CPU controller",
            Feature::SeccompFilter => "seccomp filters",
            Feature::SeccompLogAndKillProcess => "the seccomp actions log and kill process",
            Feature::SeccompNotify => "seccomp notification",
            Feature::SeccompWaitKillable => "killable waits of seccomp notification",
            Feature::AppArmor => "AppArmor",
            Feature::Selinux => "SELinux",
            Feature::Landlock => "Landlock",
            Feature::CoreScheduling => "core scheduling",
            Feature::UtilizationClamping => "utilization clamping",
            Feature::PreferredManyPolicy => "the memory policy `MPOL_PREFERRED_MANY`",
            Feature::WeightedInterleavePolicy => "the memory policy `MPOL_WEIGHTED_INTERLEAVE`",
            Feature::NumaBalancingPolicy => "the memory policy flag `MPOL_F_NUMA_BALANCING`",
            Feature::Resctrl => "a mounted resctrl file system",
            Feature::MoveNetworkDevices => "the right to move network devices",
            Feature::Systemd => "systemd",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())?;
        if let Feature::Controller(name) = self {
            write!(f, " `{name}`")?;
        }
        match self.since() {
            Some(LinuxVersion { major, minor }) => write!(f, " (Linux {major}.{minor})"),
            None => Ok(()),
        }
    }
}

impl ContainerSpec {
    /// What this specification needs of the host, in the order of its properties; nothing that
    /// every Linux has.
    #[must_use]
    pub fn needs(&self) -> Vec<Need> {
        let mut needs = Needs::default();
        needs.of_namespaces(self);
        needs.of_mounts(self);
        if let Some(process) = &self.process {
            needs.of_process(process);
        }
        needs.of_resources(&self.resources);
        if let Some(seccomp) = &self.seccomp {
            needs.of_seccomp(seccomp);
        }
        needs.add_if(self.mount_label.is_some(), "linux.mountLabel", Feature::Selinux);
        needs.add_if(self.intel_rdt.is_some(), "linux.intelRdt", Feature::Resctrl);
        let moved = !self.net_devices.is_empty();
        needs.add_if(moved, "linux.netDevices", Feature::MoveNetworkDevices);
        needs.of_memory_policy(self);
        needs.of_extensions(&self.extensions);
        needs.0
    }
}

#[derive(Default)]
struct Needs(Vec<Need>);

impl Needs {
    fn add_if(&mut self, needed: bool, property: &str, feature: Feature) {
        if needed {
            self.0.push(Need { property: property.to_owned(), feature });
        }
    }

    fn of_namespaces(&mut self, spec: &ContainerSpec) {
        let namespaces = &spec.namespaces;
        let kinds: [(&Namespace, Feature); 3] = [
            (&namespaces.user, Feature::UserNamespaces),
            (&namespaces.cgroup, Feature::CgroupNamespaces),
            (&namespaces.time, Feature::TimeNamespaces),
        ];
        for (namespace, feature) in kinds {
            self.add_if(!namespace.is_inherited(), "linux.namespaces", feature);
        }
    }

    fn of_mounts(&mut self, spec: &ContainerSpec) {
        for (index, mount) in spec.mounts.iter().enumerate() {
            let property = format!("mounts[{index}]");
            let all = mount.recursive_attributes;
            self.add_if(mount.idmap.is_some(), &property, Feature::IdmappedMounts);
            self.add_if(!all.is_empty(), &property, Feature::RecursiveAttributes);
            let links = (mount.attributes.set | all.set) & NOSYMFOLLOW != 0;
            self.add_if(links, &property, Feature::NoSymFollow);
            let overlay =
                matches!(&mount.kind, MountKind::Filesystem(fs) if fs.fstype == "overlay");
            self.add_if(overlay, &property, Feature::Overlay);
        }
    }

    fn of_process(&mut self, process: &Process) {
        let profiled = process.apparmor_profile.is_some();
        self.add_if(profiled, "process.apparmorProfile", Feature::AppArmor);
        self.add_if(process.selinux_label.is_some(), "process.selinuxLabel", Feature::Selinux);
        let clamps = process.scheduler.is_some_and(|scheduler| scheduler.flags & UTIL_CLAMP != 0);
        self.add_if(clamps, "process.scheduler.flags", Feature::UtilizationClamping);
    }

    fn of_resources(&mut self, resources: &Resources) {
        let Resources {
            devices: _, // either a controller or a program of ours, which every host can load
            memory,
            cpu,
            block_io,
            pids_limit,
            hugepages,
            net_class_id,
            net_priorities,
            rdma,
            unified,
        } = resources;
        let limited = memory.limit.or(memory.reservation).or(memory.swap).is_some();
        let cpuset = cpu.cpus.as_ref().or(cpu.mems.as_ref()).is_some();
        let cpu_time = cpu.shares.or(cpu.period).is_some() || cpu.quota.is_some();
        let realtime = cpu.realtime_runtime.is_some() || cpu.realtime_period.is_some();
        let legacy_memory = memory.swappiness.is_some() || memory.disable_oom_killer == Some(true);
        let network = net_class_id.is_some() || !net_priorities.is_empty();
        let of = |name| Feature::Controller(name);
        self.add_if(limited, "linux.resources.memory", of("memory"));
        self.add_if(legacy_memory, "linux.resources.memory", Feature::CgroupV1);
        self.add_if(cpu_time, "linux.resources.cpu", of("cpu"));
        self.add_if(cpuset, "linux.resources.cpu", of("cpuset"));
        let bursts = cpu.burst.is_some_and(|burst| burst != 0);
        self.add_if(bursts, "linux.resources.cpu.burst", Feature::CpuBurst);
        self.add_if(cpu.idle.is_some(), "linux.resources.cpu.idle", Feature::CpuIdle);
        self.add_if(realtime, "linux.resources.cpu", Feature::CgroupV1);
        self.add_if(*block_io != Default::default(), "linux.resources.blockIO", of("io"));
        self.add_if(pids_limit.is_some(), "linux.resources.pids", of("pids"));
        self.add_if(!hugepages.is_empty(), "linux.resources.hugepageLimits", of("hugetlb"));
        self.add_if(network, "linux.resources.network", Feature::CgroupV1);
        self.add_if(!rdma.is_empty(), "linux.resources.rdma", of("rdma"));
        self.add_if(!unified.is_empty(), "linux.resources.unified", Feature::CgroupV2);
    }

    fn of_seccomp(&mut self, seccomp: &SeccompProfile) {
        let at = "linux.seccomp";
        let rules = seccomp.rules.iter().map(|rule| rule.action);
        let actions: Vec<_> = rules.chain([seccomp.default_action]).collect();
        let newer = [SeccompAction::Log, SeccompAction::KillProcess];
        self.add_if(true, at, Feature::SeccompFilter);
        let has_newer = actions.iter().any(|action| newer.contains(action));
        self.add_if(has_newer, at, Feature::SeccompLogAndKillProcess);
        self.add_if(actions.contains(&SeccompAction::Notify), at, Feature::SeccompNotify);
        let killable = seccomp.flags & WAIT_KILLABLE_RECV != 0;
        self.add_if(killable, "linux.seccomp.flags", Feature::SeccompWaitKillable);
    }

    fn of_memory_policy(&mut self, spec: &ContainerSpec) {
        let Some(policy) = &spec.memory_policy else { return };
        let at = "linux.memoryPolicy";
        let mode = policy.mode & !MPOL_MODE_FLAGS;
        self.add_if(mode == MPOL_PREFERRED_MANY, at, Feature::PreferredManyPolicy);
        self.add_if(mode == MPOL_WEIGHTED_INTERLEAVE, at, Feature::WeightedInterleavePolicy);
        let balancing = policy.mode & MPOL_F_NUMA_BALANCING != 0;
        self.add_if(balancing, at, Feature::NumaBalancingPolicy);
    }

    fn of_extensions(&mut self, extensions: &Extensions) {
        let Extensions {
            landlock,
            core_scheduling,
            memory_high,
            memory_min,
            memory_low,
            systemd_properties,
        } = extensions;
        let at = "annotations";
        self.add_if(landlock.is_some(), at, Feature::Landlock);
        self.add_if(*core_scheduling, at, Feature::CoreScheduling);
        let memory = memory_high.or(*memory_min).or(*memory_low).is_some();
        self.add_if(memory, at, Feature::CgroupV2);
        self.add_if(!systemd_properties.is_empty(), at, Feature::Systemd);
    }
}

/// `MOUNT_ATTR_NOSYMFOLLOW`.
const NOSYMFOLLOW: u64 = 0x0020_0000;

/// `SCHED_FLAG_UTIL_CLAMP`.
const UTIL_CLAMP: u64 = 0x60;

/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`.
const WAIT_KILLABLE_RECV: u64 = 1 << 5;

const MPOL_PREFERRED_MANY: u32 = 5;
const MPOL_WEIGHTED_INTERLEAVE: u32 = 6;
const MPOL_F_NUMA_BALANCING: u32 = 1 << 13;
const MPOL_MODE_FLAGS: u32 = 0b111 << 13;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::ContainerSpec;

    /// The needs of a configuration, a line each.
    fn check(json: &str, expected: &[&str]) {
        let spec = ContainerSpec::from_json(json.as_bytes(), Path::new("/b")).unwrap().spec;
        let lines: Vec<String> = spec.needs().iter().map(ToString::to_string).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_smallest_configuration_needs_nothing() {
        check(r#"{"ociVersion":"1.3.0","root":{"path":"r"}}"#, &[]);
    }

    #[test]
    fn every_need_names_its_property() {
        let full = include_str!("../../tests/data/full.json");
        check(
            full,
            &[
                "`linux.namespaces` needs user namespaces",
                "`linux.namespaces` needs cgroup namespaces (Linux 4.6)",
                "`linux.namespaces` needs time namespaces (Linux 5.6)",
                "`mounts[0]` needs id-mapped mounts (Linux 5.12)",
                "`process.apparmorProfile` needs AppArmor",
                "`process.selinuxLabel` needs SELinux",
                "`linux.resources.memory` needs the cgroup controller `memory`",
                "`linux.resources.memory` needs cgroup v1",
                "`linux.resources.cpu` needs the cgroup controller `cpu`",
                "`linux.resources.cpu` needs the cgroup controller `cpuset`",
                "`linux.resources.cpu.burst` needs bursts of the CPU controller (Linux 5.14)",
                "`linux.resources.cpu.idle` needs idle cgroups of the CPU controller (Linux 5.15)",
                "`linux.resources.cpu` needs cgroup v1",
                "`linux.resources.blockIO` needs the cgroup controller `io`",
                "`linux.resources.pids` needs the cgroup controller `pids`",
                "`linux.resources.hugepageLimits` needs the cgroup controller `hugetlb`",
                "`linux.resources.network` needs cgroup v1",
                "`linux.resources.rdma` needs the cgroup controller `rdma`",
                "`linux.resources.unified` needs cgroup v2",
                "`linux.seccomp` needs seccomp filters",
                "`linux.seccomp` needs seccomp notification (Linux 5.0)",
                "`linux.mountLabel` needs SELinux",
                "`linux.intelRdt` needs a mounted resctrl file system",
                "`linux.netDevices` needs the right to move network devices",
            ],
        );
    }

    #[test]
    fn newer_features_name_the_first_linux_that_has_them() {
        check(
            r#"{"ociVersion":"1.3.0","root":{"path":"r"},
                "mounts":[{"destination":"/a","source":"/b","options":["rbind","rnosymfollow"]}],
                "linux":{"memoryPolicy":{"mode":"MPOL_WEIGHTED_INTERLEAVE","nodes":"0"}},
                "annotations":{"io.tug.runt.landlock.read":"/","io.tug.runt.memory.low":"1G",
                    "io.tug.runt.core-scheduling":"true"}}"#,
            &[
                "`mounts[0]` needs recursive mount attributes (Linux 5.12)",
                "`mounts[0]` needs mounts with `nosymfollow` (Linux 5.14)",
                "`linux.memoryPolicy` needs the memory policy `MPOL_WEIGHTED_INTERLEAVE` (Linux 6.9)",
                "`annotations` needs Landlock (Linux 5.13)",
                "`annotations` needs core scheduling (Linux 5.14)",
                "`annotations` needs cgroup v2",
            ],
        );
    }
}
