//! The limits on a configuration, each larger than any honest one.
//!
//! Depth has none of its own: known properties are as deep as their types, and what is unknown is
//! skipped without recursion.

/// Bytes of a `config.json`, `process.json` or `resources.json`.
pub const MAX_CONFIG_BYTES: usize = 16 << 20;

/// `mounts`.
pub const MAX_MOUNTS: usize = 10_000;

/// Options of one mount.
pub const MAX_MOUNT_OPTIONS: usize = 1024;

/// Bytes of a path: the kernel's `PATH_MAX`, its NUL not counted.
pub const MAX_PATH_BYTES: usize = 4095;

/// Bytes of `args` and `env` together, NULs counted: three quarters of the kernel's `_STK_LIM`.
pub const MAX_ARGS_BYTES: usize = 6 << 20;

/// Bytes of one argument: the kernel's `MAX_ARG_STRLEN`, its NUL not counted.
pub const MAX_ARG_BYTES: usize = (128 << 10) - 1;

/// Supplementary groups: the kernel's `NGROUPS_MAX`.
pub const MAX_GROUPS: usize = 65_536;

/// Lines of a uid_map or gid_map: the kernel's `UID_GID_MAP_MAX_EXTENTS` (Linux 4.15).
pub const MAX_ID_MAPPINGS: usize = 340;

/// `linux.devices` and `linux.resources.devices`.
pub const MAX_DEVICES: usize = 16_384;

/// `linux.netDevices`.
pub const MAX_NET_DEVICES: usize = 1024;

/// `linux.maskedPaths` and `linux.readonlyPaths`, each.
pub const MAX_PATHS: usize = 10_000;

/// Hooks of one kind.
pub const MAX_HOOKS: usize = 1024;

/// `linux.sysctl`.
pub const MAX_SYSCTLS: usize = 4096;

/// `linux.seccomp.syscalls`.
pub const MAX_SECCOMP_RULES: usize = 4096;

/// Names of all `linux.seccomp.syscalls` together.
pub const MAX_SECCOMP_NAMES: usize = 65_536;

/// Conditions of one seccomp rule.
pub const MAX_SECCOMP_ARGS: usize = 256;

/// Entries of any other list or map of the configuration.
pub const MAX_ENTRIES: usize = 4096;

/// Bytes of a host or domain name: the kernel's `__NEW_UTS_LEN`.
pub const MAX_HOSTNAME_BYTES: usize = 64;

/// Bytes of a network device's name: the kernel's `IFNAMSIZ`, its NUL not counted.
pub const MAX_INTERFACE_NAME_BYTES: usize = 15;

/// Largest major number of a device (12 bits of `dev_t`).
pub const MAX_MAJOR: u32 = 0xfff;

/// Largest minor number of a device (20 bits of `dev_t`).
pub const MAX_MINOR: u32 = 0xf_ffff;
