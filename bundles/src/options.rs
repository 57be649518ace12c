//! What a person can change about an image's way of running.

use std::collections::BTreeMap;

/// Whether the process has a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Terminal {
    /// Pipes or whatever the caller gives.
    #[default]
    No,
    /// A pseudo terminal; `TERM` is set.
    Yes,
}

/// Whether the container may write to its root file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RootAccess {
    /// Reads and writes.
    #[default]
    ReadWrite,
    /// Reads only.
    ReadOnly,
}

/// Everything that goes before what the image says. `None` and empty leave the image's choice.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BundleOptions {
    /// Instead of the image's entrypoint; `Some(vec![])` removes it. The image's command then
    /// falls away.
    pub entrypoint: Option<Vec<String>>,
    /// Instead of the image's command.
    pub command: Option<Vec<String>>,
    /// `NAME=value`, after and instead of the image's of the same name; `NAME` alone removes it.
    pub env: Vec<String>,
    /// `user[:group]`, names or numbers.
    pub user: Option<String>,
    /// Absolute.
    pub working_dir: Option<String>,
    /// Whether the process has a terminal.
    pub terminal: Terminal,
    /// Of the container's UTS namespace.
    pub hostname: Option<String>,
    /// Whether the root file system can be written.
    pub root_access: RootAccess,
    /// Directory of the root file system, relative to the bundle; `rootfs` if empty.
    pub root_path: String,
    /// Instead of those of the same name that the image gives.
    pub annotations: BTreeMap<String, String>,
}
