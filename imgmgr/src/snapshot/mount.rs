//! Mounting a snapshot with overlayfs, layer by layer through descriptors, so that neither a
//! page of options nor the length of paths limits the number of layers.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use kernel::mount;
use rustix::io::Errno;
use rustix::mount::fsconfig_set_fd;

use super::error::{self, SnapshotError};
use super::{Snapshot, SnapshotKind};

/// `MOUNT_ATTR_RDONLY`.
const MOUNT_ATTR_RDONLY: u64 = 0x1;
/// `MOUNT_ATTR_IDMAP`.
const MOUNT_ATTR_IDMAP: u64 = 0x10_0000;

/// How ids in the layers look through the mount.
#[derive(Clone, Copy, Debug, Default)]
pub enum IdMapping<'u> {
    /// As they are.
    #[default]
    None,
    /// Through the maps of this user namespace, without changing a file.
    UserNamespace(&'u OwnedFd),
}

/// Mounts a snapshot without a place; [`kernel::mount::attach_at_path`] gives it one.
///
/// Kernel: `lowerdir+` as descriptor, Linux 6.13; as `/proc/self/fd/N`, Linux 6.8. Id mapping of
/// detached layers, Linux 6.15.
///
/// # Errors
/// [`SnapshotError::Mount`] with the kernel's explanation.
pub fn detached(snapshot: &Snapshot, ids: IdMapping<'_>) -> Result<OwnedFd, SnapshotError> {
    let context = mount::open_filesystem("overlay").map_err(|source| SnapshotError::Mount {
        at: snapshot.dir.clone(),
        explanation: "overlayfs is not to be had".to_owned(),
        source,
    })?;
    let failed = |source: Errno| SnapshotError::Mount {
        at: snapshot.dir.clone(),
        explanation: mount::explain_failure(&context),
        source,
    };
    // What the kernel was built with must not change what a diff finds.
    for (key, value) in [("redirect_dir", "off"), ("metacopy", "off"), ("index", "off")] {
        mount::set_string(&context, key, value).map_err(failed)?;
    }
    // A descriptor must stay open until the instance is made.
    let mut layers = Vec::new();
    for lower in &snapshot.record.lowers {
        let layer = open_layer(lower, ids)?;
        set_layer(&context, "lowerdir+", &layer).map_err(failed)?;
        layers.push(layer);
    }
    if layers.len() == 1 && snapshot.record.kind == SnapshotKind::View {
        // overlayfs wants two directories; a view of one layer is a bind mount of it.
        let single =
            mount::clone_tree_at(&layers[0], mount::CloneTree::default()).map_err(failed)?;
        let change = mount::SetAttributes { set: MOUNT_ATTR_RDONLY, ..Default::default() };
        mount::set_attributes(&single, change).map_err(failed)?;
        return Ok(single);
    }
    let attributes = match snapshot.record.kind {
        SnapshotKind::View => MOUNT_ATTR_RDONLY,
        SnapshotKind::Active => {
            let own = open_layer(&snapshot.dir, ids)?;
            for (key, name) in [("upperdir", "upper"), ("workdir", "work")] {
                let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
                let dir = rustix::fs::openat(&own, name, flags, rustix::fs::Mode::empty());
                let dir = dir.map_err(failed)?;
                set_layer(&context, key, &dir).map_err(failed)?;
                layers.push(dir);
            }
            layers.push(own);
            0
        }
    };
    mount::create(&context, attributes).map_err(failed)
}

/// Opens a layer, as a mount of its own if its ids are to be mapped.
fn open_layer(dir: &Path, ids: IdMapping<'_>) -> Result<OwnedFd, SnapshotError> {
    let fd = OwnedFd::from(File::open(dir).map_err(error::io("open", dir))?);
    let IdMapping::UserNamespace(namespace) = ids else { return Ok(fd) };
    let clone = mount::clone_tree_at(fd.as_fd(), mount::CloneTree::default());
    let clone = clone.map_err(|e| error::io("clone the mount of", dir)(e.into()))?;
    let change = mount::SetAttributes {
        set: MOUNT_ATTR_IDMAP,
        user_namespace: Some(namespace),
        ..Default::default()
    };
    mount::set_attributes(&clone, change)
        .map_err(|e| error::io("map the ids of", dir)(e.into()))?;
    Ok(clone)
}

/// Names a layer by descriptor, or for older kernels by the descriptor's magic link.
fn set_layer(context: &OwnedFd, key: &str, layer: &OwnedFd) -> Result<(), Errno> {
    match fsconfig_set_fd(context, key, layer) {
        Err(Errno::INVAL) => {
            mount::set_string(context, key, format!("/proc/self/fd/{}", layer.as_raw_fd()))
        }
        other => other,
    }
}
