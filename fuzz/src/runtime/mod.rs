//! Targets of `runt`.

pub(crate) mod cgroup_files;
pub(crate) mod cgroup_names;
pub(crate) mod checkpoint;
pub(crate) mod config;
pub(crate) mod id_maps;
pub(crate) mod mount_options;
pub(crate) mod process;
pub(crate) mod seccomp;
pub(crate) mod sockets;
pub(crate) mod state;
pub(crate) mod systemd_values;
