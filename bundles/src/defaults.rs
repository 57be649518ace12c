//! What a container gets that nobody asked for: the defaults of Docker and podman.

use std::path::PathBuf;

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Capability, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, Mount, MountBuilder,
};

use crate::options::UserNamespace;

/// `PATH` where the image has none.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What root in a container may do.
pub const DEFAULT_CAPABILITIES: [Capability; 14] = [
    Capability::AuditWrite,
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Mknod,
    Capability::NetBindService,
    Capability::NetRaw,
    Capability::Setfcap,
    Capability::Setgid,
    Capability::Setpcap,
    Capability::Setuid,
    Capability::SysChroot,
];

/// Paths that tell about the host, hidden.
pub const MASKED_PATHS: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Paths that reach the host, not to be written.
pub const READONLY_PATHS: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Destination, type, source and options of each mount, in order.
const MOUNTS: [(&str, &str, &str, &[&str]); 7] = [
    ("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
    ("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
    (
        "/dev/pts",
        "devpts",
        "devpts",
        &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    ),
    ("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
    ("/sys/fs/cgroup", "cgroup", "cgroup", &["ro", "nosuid", "noexec", "nodev"]),
    ("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
];

/// What runs where neither image nor options name a program, as umoci has it.
pub(crate) const DEFAULT_ARGS: [&str; 1] = ["sh"];

/// The group of terminals, as an option of devpts.
const TERMINAL_GROUP: u32 = 5;
const TERMINAL_GROUP_OPTION: &str = "gid=5";

/// The mounts of every container, in the order they are to be made.
pub(crate) fn mounts(namespace: &UserNamespace) -> Result<Vec<Mount>, OciSpecError> {
    let mounts = MOUNTS.iter().map(|&(destination, kind, source, options)| {
        // Without a network namespace of its own a container can't mount a sysfs.
        let is_bind = kind == "sysfs" && namespace.is_rootless();
        let (kind, source) = if is_bind { ("none", "/sys") } else { (kind, source) };
        let has_group = namespace.has_group(TERMINAL_GROUP);
        let options = options.iter().filter(|o| has_group || **o != TERMINAL_GROUP_OPTION);
        let options = is_bind.then_some(&"rbind").into_iter().chain(options);
        MountBuilder::default()
            .destination(PathBuf::from(destination))
            .typ(kind)
            .source(PathBuf::from(source))
            .options(options.map(|&o| o.to_owned()).collect::<Vec<_>>())
            .build()
    });
    mounts.collect()
}

/// No device but those the runtime always allows.
pub(crate) fn device_rules() -> Result<Vec<LinuxDeviceCgroup>, OciSpecError> {
    Ok(vec![LinuxDeviceCgroupBuilder::default().allow(false).access("rwm").build()?])
}
