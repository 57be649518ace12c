//! Mounting a sealed snapshot: metadata by EROFS, content from the layers' trees, each file by the
//! fs-verity digest that the metadata has of it.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

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
    // A directory of the snapshot's own is there for tables of mounts only: nothing in it shows.
    let is_own = |lower: &&PathBuf| lower.starts_with(&snapshot.dir);
    let own = snapshot.record.lowers.iter().find(is_own);
    let (mut lowers, mut root) = (Vec::with_capacity(snapshot.record.lowers.len()), None);
    for lower in snapshot.record.lowers.iter().filter(|lower| !is_own(lower)) {
        if snapshot.record.root.as_ref() == Some(lower) {
            root = Some(lowers.len());
        }
        lowers.push(layers.sealed(lower).map_err(seal)?);
    }
    let content: Vec<&Path> =
        [layers.root()].into_iter().chain(own.map(PathBuf::as_path)).collect();
    // Overlayfs takes mounts of the caller's namespace only, before Linux 6.15. In one that ends
    // with its thread, nothing stays behind, whatever happens.
    std::thread::scope(|scope| {
        let mounting = scope.spawn(|| mount_in_own_namespace(snapshot, &lowers, root, &content));
        mounting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn name_of(snapshot: &Snapshot) -> String {
    snapshot.dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// `root` is the number of the layer that describes the root, if one does.
fn mount_in_own_namespace(
    snapshot: &Snapshot,
    lowers: &[Sealed],
    root: Option<usize>,
    content: &[&Path],
) -> Result<OwnedFd, SnapshotError> {
    let place = &snapshot.dir;
    let failed = |what: String| {
        move |source| SnapshotError::Mount { at: place.to_owned(), explanation: what, source }
    };
    namespace::unshare(CloneFlags::NEWNS)
        .map_err(failed("cannot have a mount namespace for it".to_owned()))?;
    mount::set_propagation("/", Propagation::PRIVATE | Propagation::REC)
        .map_err(failed("cannot make its mounts private".to_owned()))?;
    let mounted = |sealed: &Sealed| {
        mount_image(sealed).map_err(|(what, errno)| failed(format!("EROFS: {what}"))(errno))
    };
    // The descriptors must stay open until the instance is made.
    let mut images = lowers.iter().map(mounted).collect::<Result<Vec<_>, _>>()?;
    if let Some(described) = root.filter(|root| *root > 0) {
        // overlayfs takes the root's metadata from the topmost layer.
        let sealed = Sealed::of_root(images[described].as_fd(), &place.join("root.erofs"));
        let sealed = sealed.map_err(|source| SnapshotError::Seal {
            id: name_of(snapshot),
            source: Box::new(source),
        })?;
        images.insert(0, mounted(&sealed)?);
    }
    // Anywhere but over what is opened by its path.
    let hidden = content[0].join("ingest");
    let open = |dir: &&Path| Ok(OwnedFd::from(File::open(dir).map_err(error::io("open", dir))?));
    let content = content.iter().map(open).collect::<Result<Vec<_>, SnapshotError>>()?;
    for image in &images {
        mount::attach_at_path(image, hidden.as_path())
            .map_err(failed("cannot attach its metadata".to_owned()))?;
    }
    let context = mount::open_filesystem("overlay")
        .map_err(failed("overlayfs is not to be had".to_owned()))?;
    configure(&context, &images, &content)
        .and_then(|()| mount::create(&context, MOUNT_ATTR_RDONLY))
        .map_err(|errno| failed(mount::explain_failure(&context))(errno))
}

fn configure(context: &OwnedFd, lowers: &[OwnedFd], content: &[OwnedFd]) -> Result<(), Errno> {
    let options =
        [("metacopy", "on"), ("redirect_dir", "on"), ("index", "off"), ("verity", "require")];
    for (key, value) in options {
        mount::set_string(context, key, value)?;
    }
    for lower in lowers {
        set_layer(context, "lowerdir+", lower)?;
    }
    content.iter().try_for_each(|dir| set_layer(context, "datadir+", dir))
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
