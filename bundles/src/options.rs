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

/// Whose ids the container's are on the host.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum UserNamespace {
    /// The host's: there is no namespace.
    #[default]
    Host,
    /// A namespace with these ranges.
    Mapped {
        /// For user ids.
        uids: Vec<IdRange>,
        /// For group ids.
        gids: Vec<IdRange>,
    },
    /// A namespace whose root is a user without privileges, who runs the container: it has what that
    /// user can give, the host's network and no limits among it.
    Rootless {
        /// The user.
        uid: u32,
        /// Their group.
        gid: u32,
    },
}

/// `len` ids from `container` on are `host` and following.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// First id in the container.
    pub container: u32,
    /// First id on the host.
    pub host: u32,
    /// How many.
    pub len: u32,
}

impl UserNamespace {
    /// The ranges of user and of group ids.
    pub(crate) fn ranges(&self) -> Option<(Vec<IdRange>, Vec<IdRange>)> {
        let alone = |host| vec![IdRange { container: 0, host, len: 1 }];
        match self {
            Self::Host => None,
            Self::Mapped { uids, gids } => Some((uids.clone(), gids.clone())),
            Self::Rootless { uid, gid } => Some((alone(*uid), alone(*gid))),
        }
    }

    pub(crate) fn is_rootless(&self) -> bool {
        matches!(self, Self::Rootless { .. })
    }

    /// Whether the container has the group `gid`.
    pub(crate) fn has_group(&self, gid: u32) -> bool {
        self.ranges().is_none_or(|(_, gids)| holds(&gids, gid))
    }
}

/// Whether `id` is one of the container's.
pub(crate) fn holds(ranges: &[IdRange], id: u32) -> bool {
    ranges.iter().any(|r| id.checked_sub(r.container).is_some_and(|d| d < r.len))
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
    /// Whose ids the container's are on the host.
    pub user_namespace: UserNamespace,
    /// Instead of those of the same name that the image gives.
    pub annotations: BTreeMap<String, String>,
}
