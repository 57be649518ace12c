//! Mounting a sealed snapshot: metadata by EROFS, content from the layers' trees, each file by the
//! fs-verity digest that the metadata has of it.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use kernel::mount;
use kernel::namespace;
use kernel::process::CloneFlags;
use rustix::io::Errno;
use rustix::mount::MountPropagationFlags as Propagation;

use super::Snapshot;
use super::error::{self, SnapshotError};
use super::mount::{MOUNT_ATTR_RDONLY, set_layer};
use crate::layer::store::{LayerStore, Sealed};

/// Mounts a sealed snapshot without a place; [`kernel::mount::attach_at_path`] gives it one.
///
/// Kernel: EROFS from a file and `datadir+`, Linux 6.12; `verity`, Linux 6.6. Root only. There is
/// no fallback: without them nothing would be checked.
///
/// # Errors
/// [`SnapshotError::Seal`] if a layer is not sealed, or not as it was; [`SnapshotError::Mount`]
/// with the kernel's explanation.
pub fn detached_sealed(snapshot: &Snapshot, layers: &LayerStore) -> Result<OwnedFd, SnapshotError> {
    let seal = |source| SnapshotError::Seal { id: name_of(snapshot), source: Box::new(source) };
    let mut lowers = Vec::with_capacity(snapshot.record.lowers.len());
    for lower in &snapshot.record.lowers {
        // A root directory of the snapshot's own has nothing in it.
        let is_own = lower.starts_with(&snapshot.dir);
        lowers.push(match is_own {
            true => Lower::Directory(lower),
            false => Lower::Sealed(layers.sealed(lower).map_err(seal)?),
        });
    }
    // Overlayfs takes mounts of the caller's namespace only, before Linux 6.15. In one that ends
    // with its thread, nothing stays behind, whatever happens.
    std::thread::scope(|scope| {
        let mounting =
            scope.spawn(|| mount_in_own_namespace(&snapshot.dir, &lowers, layers.root()));
        mounting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn name_of(snapshot: &Snapshot) -> String {
    snapshot.dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

enum Lower<'s> {
    Sealed(Sealed),
    Directory(&'s Path),
}

fn mount_in_own_namespace(
    place: &Path,
    lowers: &[Lower<'_>],
    content: &Path,
) -> Result<OwnedFd, SnapshotError> {
    let failed = |what: String| {
        move |source| SnapshotError::Mount { at: place.to_owned(), explanation: what, source }
    };
    namespace::unshare(CloneFlags::NEWNS)
        .map_err(failed("cannot have a mount namespace for it".to_owned()))?;
    mount::set_propagation("/", Propagation::PRIVATE | Propagation::REC)
        .map_err(failed("cannot make its mounts private".to_owned()))?;
    // The descriptors must stay open until the instance is made.
    let mut open = Vec::with_capacity(lowers.len());
    for lower in lowers {
        open.push(match lower {
            Lower::Directory(dir) => {
                OwnedFd::from(File::open(dir).map_err(error::io("open", dir))?)
            }
            Lower::Sealed(sealed) => {
                let image = mount_image(sealed)
                    .map_err(|(what, errno)| failed(format!("EROFS: {what}"))(errno))?;
                mount::attach_at_path(&image, place)
                    .map_err(failed("cannot attach its metadata".to_owned()))?;
                image
            }
        });
    }
    let content = OwnedFd::from(File::open(content).map_err(error::io("open", content))?);
    let context = mount::open_filesystem("overlay")
        .map_err(failed("overlayfs is not to be had".to_owned()))?;
    configure(&context, &open, &content)
        .and_then(|()| mount::create(&context, MOUNT_ATTR_RDONLY))
        .map_err(|errno| failed(mount::explain_failure(&context))(errno))
}

fn configure(context: &OwnedFd, lowers: &[OwnedFd], content: &OwnedFd) -> Result<(), Errno> {
    let options =
        [("metacopy", "on"), ("redirect_dir", "on"), ("index", "off"), ("verity", "require")];
    for (key, value) in options {
        mount::set_string(context, key, value)?;
    }
    for lower in lowers {
        set_layer(context, "lowerdir+", lower)?;
    }
    set_layer(context, "datadir+", content)
}

fn mount_image(sealed: &Sealed) -> Result<OwnedFd, (String, Errno)> {
    let context = mount::open_filesystem("erofs")
        .map_err(|errno| ("the kernel has none".to_owned(), errno))?;
    let made = mount::set_string(&context, "source", sealed.image_path())
        .and_then(|()| mount::create(&context, MOUNT_ATTR_RDONLY));
    made.map_err(|errno| match errno {
        Errno::NOTBLK => ("the kernel mounts none from a file (Linux 6.12)".to_owned(), errno),
        _ => (mount::explain_failure(&context), errno),
    })
}
