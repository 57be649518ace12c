//! What the tests are written with: bundles, commands, containers, sockets.

pub mod bundle;
pub mod cgroups;
pub mod command;
pub mod container;
pub mod elf;
pub mod expect;
pub mod host;
pub mod leaks;
pub mod patience;
pub mod process;
pub mod rootfs;
pub mod scene;
pub mod sockets;
pub mod template;
