//! Mounts with their options decoded (config.md#mounts).

use super::{ContainerPath, IdMap};
use std::path::{Path, PathBuf};

/// One entry of `mounts`, its option strings decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where in the container.
    pub destination: ContainerPath,
    /// What is mounted.
    pub kind: MountKind,
    /// Attributes of this mount alone, set after it is made.
    pub attributes: MountAttributes,
    /// Attributes of this mount and all below it (`rro`, `rnosuid`, ...).
    pub recursive_attributes: MountAttributes,
    /// Propagation changes, in the order listed.
    pub propagation: Vec<Propagation>,
    /// An id mapping for this mount.
    pub idmap: Option<MountIdMap>,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountKind {
    /// `bind` or `rbind`.
    Bind {
        /// Absolute: a relative path has been joined to the bundle.
        source: PathBuf,
        /// With the mounts below it.
        recursive: bool,
        /// `src-nofollow`: a symlink as source is bound itself.
        nofollow: bool,
        /// `dest-nofollow`: a symlink as destination is mounted over.
        dest_nofollow: bool,
        /// File system specific options that a bind mount can't honour are refused when parsed.
        remount: bool,
    },
    /// A new instance of a file system.
    Filesystem(Filesystem),
    /// The container's cgroup tree (`type: cgroup` or `cgroup2`).
    Cgroup {
        /// File system options beyond the attributes, such as `nsdelegate`.
        options: Vec<FilesystemOption>,
    },
    /// `remount` without `bind`: change what is mounted at the destination.
    Remount {
        /// File system options to change.
        options: Vec<FilesystemOption>,
        /// Superblock flags to change.
        superblock: SuperblockFlags,
    },
}

/// A file system instance made by fsopen(2), or mount(2) before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filesystem {
    /// As in `/proc/filesystems`: `proc`, `tmpfs`, `overlay`, ...
    pub fstype: String,
    /// A device or a dummy; empty where none was given.
    pub source: String,
    /// Options the file system itself understands, in listed order.
    pub options: Vec<FilesystemOption>,
    /// `sync`, `dirsync`, `lazytime`, `iversion`, `mand`, `silent`, and `ro` for the superblock.
    pub superblock: SuperblockFlags,
    /// `tmpcopyup`: what the image has at the destination is copied into the tmpfs.
    pub copy_up: bool,
}

/// `key` or `key=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesystemOption {
    /// Before the first `=`.
    pub key: String,
    /// After it; `None` for a flag.
    pub value: Option<String>,
}

/// Superblock flags in the kernel's `SB_*`/`MS_*` bits: those to set and those to clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SuperblockFlags {
    /// `MS_*` bits to set.
    pub set: u64,
    /// `MS_*` bits to clear.
    pub clear: u64,
}

/// Mount attributes in the bits of mount_setattr(2) (`MOUNT_ATTR_*`): those to set and to clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MountAttributes {
    /// `MOUNT_ATTR_*` bits to set.
    pub set: u64,
    /// `MOUNT_ATTR_*` bits to clear; holds all of `MOUNT_ATTR__ATIME` where an atime mode is set.
    pub clear: u64,
}

impl Mount {
    /// A destination that repeats the path of the rootfs on the host lies beneath it, as for runc.
    pub(super) fn strip_rootfs(&mut self, rootfs: &Path) {
        let destination = Path::new(self.destination.as_str());
        if let Some(inside) = ContainerPath::of_host(destination, rootfs) {
            self.destination = inside;
        }
    }
}

impl MountAttributes {
    /// True if nothing is changed.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.set == 0 && self.clear == 0
    }
}

/// `shared`, `rslave` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Propagation {
    /// Which.
    pub kind: PropagationKind,
    /// With all mounts below (`r...`).
    pub recursive: bool,
}

/// The four propagation types of mount_namespaces(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of mount_namespaces(7)")]
pub enum PropagationKind {
    Shared,
    Slave,
    Private,
    Unbindable,
}

/// `idmap` and `ridmap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountIdMap {
    /// `ridmap`.
    pub recursive: bool,
    /// The mount's own mapping, `None` for the container's user namespace.
    pub mapping: Option<(IdMap, IdMap)>,
}
