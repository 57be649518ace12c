//! An OCI runtime: `config.json` to a checked [`spec::ContainerSpec`], to a plan, to a running init.

#![forbid(unsafe_code)]

pub mod cgroup;
pub mod cli;
pub mod container_id;
pub mod criu;
pub mod foreground;
pub mod hooks;
pub mod init;
pub mod journal;
pub mod lifecycle;
pub mod plan;
pub mod request;
pub mod resctrl;
pub mod seccomp;
pub mod spec;
pub mod state;
