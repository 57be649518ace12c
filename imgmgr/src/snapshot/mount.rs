//! Mounting a snapshot with overlayfs, layer by layer through descriptors, so that neither a
//! page of options nor the length of paths limits the number of layers.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use kernel::mount;
use rustix::io::Errno;
use rustix::mount::fsconfig_set_fd;

use super::error::{self, SnapshotError};
use super::{Snapshot, SnapshotKind};

/// `MOUNT_ATTR_RDONLY`.
pub(super) const MOUNT_ATTR_RDONLY: u64 = 0x1;
/// `MOUNT_ATTR_IDMAP`.
const MOUNT_ATTR_IDMAP: u64 = 0x10_0000;

/// What the kernel was built with must not change what a diff finds.
fn fixed_options() -> &'static [(&'static str, &'static str)] {
    // With `userxattr` redirects are off, and overlayfs refuses to hear so.
    if kernel::namespace::in_user_namespace() {
        &[("metacopy", "off"), ("index", "off")]
    } else {
        &[("redirect_dir", "off"), ("metacopy", "off"), ("index", "off")]
    }
}

/// How ids in the layers look through the mount.
#[derive(Clone, Copy, Debug, Default)]
pub enum IdMapping<'u> {
    /// As they are.
    #[default]
    None,
    /// Through the maps of this user namespace, without changing a file.
    UserNamespace(&'u OwnedFd),
}

/// How overlayfs is told its lower directories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stacking {
    /// One by one, where the kernel can; else as a list.
    #[default]
    BestKnown,
    /// As one option of mount(2), as before Linux 6.8.
    List,
}

/// Mounts a snapshot without a place; [`kernel::mount::attach_at_path`] gives it one.
///
/// Kernel: `lowerdir+` as descriptor, Linux 6.13; as `/proc/self/fd/N`, Linux 6.8. Id mapping of
/// detached layers, Linux 6.15. `userxattr`, which a user namespace needs, Linux 5.11.
/// Fallback: [`Stacking::List`], for as many layers as a page has room for.
///
/// # Errors
/// [`SnapshotError::Mount`] with the kernel's explanation; [`SnapshotError::IsSealed`].
pub fn detached(snapshot: &Snapshot, ids: IdMapping<'_>) -> Result<OwnedFd, SnapshotError> {
    detached_by(snapshot, ids, Stacking::BestKnown)
}

/// As [`detached`], with a choice that is otherwise the kernel's.
///
/// # Errors
/// As [`detached`].
pub fn detached_by(
    snapshot: &Snapshot,
    ids: IdMapping<'_>,
    stacking: Stacking,
) -> Result<OwnedFd, SnapshotError> {
    if snapshot.record.kind == SnapshotKind::Sealed {
        return Err(SnapshotError::IsSealed { at: snapshot.dir.clone() });
    }
    // The descriptors must stay open until the instance is made.
    let lowers = snapshot.record.lowers.iter().map(|lower| open_layer(lower, ids));
    let lowers: Vec<OwnedFd> = lowers.collect::<Result<_, _>>()?;
    let failed = |explanation: String, source: Errno| SnapshotError::Mount {
        at: snapshot.dir.clone(),
        explanation,
        source,
    };
    if let ([single], SnapshotKind::View) = (&lowers[..], snapshot.record.kind) {
        // overlayfs wants two directories; a view of one layer is a bind mount of it.
        let failed = |source| failed("cannot bind its only layer".to_owned(), source);
        let mount = mount::clone_tree_at(single, mount::CloneTree::default()).map_err(failed)?;
        let change = mount::SetAttributes { set: MOUNT_ATTR_RDONLY, ..Default::default() };
        mount::set_attributes(&mount, change).map_err(failed)?;
        return Ok(mount);
    }
    let (own, _own_mount) = match snapshot.record.kind {
        SnapshotKind::View | SnapshotKind::Sealed => (Vec::new(), None),
        SnapshotKind::Active => {
            let mount = open_layer(&snapshot.dir, ids)?;
            (open_own(snapshot, &mount)?, Some(mount))
        }
    };
    let layers = Layers { lowers, own };
    if stacking == Stacking::BestKnown {
        let context = mount::open_filesystem("overlay")
            .map_err(|e| failed("overlayfs is not to be had".to_owned(), e))?;
        match layers.configure(&context) {
            Ok(Configured::Yes) => {
                let made = mount::create(&context, layers.attributes());
                return made.map_err(|e| failed(mount::explain_failure(&context), e));
            }
            Ok(Configured::NoSuchOption) => {}
            Err(e) => return Err(failed(mount::explain_failure(&context), e)),
        }
    }
    layers.mount_by_list(&snapshot.dir).map_err(|e| {
        let count = layers.lowers.len();
        failed(format!("with its {count} layers as one list"), e)
    })
}

/// What overlayfs is made of: each layer by descriptor.
struct Layers {
    /// The topmost first.
    lowers: Vec<OwnedFd>,
    /// By the option's name; empty for a view.
    own: Vec<(&'static str, OwnedFd)>,
}

/// Whether the kernel knows `lowerdir+`.
enum Configured {
    Yes,
    NoSuchOption,
}

impl Layers {
    fn attributes(&self) -> u64 {
        if self.own.is_empty() { MOUNT_ATTR_RDONLY } else { 0 }
    }

    fn configure(&self, context: &OwnedFd) -> Result<Configured, Errno> {
        for (key, value) in fixed_options() {
            mount::set_string(context, *key, *value)?;
        }
        if kernel::namespace::in_user_namespace() {
            mount::set_flag(context, "userxattr")?;
        }
        for (index, layer) in self.lowers.iter().enumerate() {
            match set_layer(context, "lowerdir+", layer) {
                Err(Errno::INVAL) if index == 0 => return Ok(Configured::NoSuchOption),
                other => other?,
            }
        }
        for (key, dir) in &self.own {
            set_layer(context, key, dir)?;
        }
        Ok(Configured::Yes)
    }

    /// The options of mount(2), each directory by the name that `name` has for it.
    fn as_list(&self, name: impl Fn(&OwnedFd) -> String) -> String {
        let lowers: Vec<String> = self.lowers.iter().map(&name).collect();
        let mut options = format!("lowerdir={}", lowers.join(":"));
        for (key, dir) in &self.own {
            options.push_str(&format!(",{key}={}", name(dir)));
        }
        for (key, value) in fixed_options() {
            options.push_str(&format!(",{key}={value}"));
        }
        if kernel::namespace::in_user_namespace() {
            options.push_str(",userxattr");
        }
        options
    }

    /// Mounts by mount(2), whose options are a page of text, for a moment on `at`.
    fn mount_by_list(&self, at: &Path) -> Result<OwnedFd, Errno> {
        let fits = |options: &String| options.len() < rustix::param::page_size();
        // By path if there is room for it, so that tables of mounts say what is mounted.
        let by_path = |dir: &OwnedFd| {
            let listable = path_of(dir).filter(|path| !path.contains([':', ',']));
            listable.unwrap_or_else(|| magic_link(dir))
        };
        let options = Some(self.as_list(by_path)).filter(fits);
        let options = options.or_else(|| Some(self.as_list(magic_link)).filter(fits));
        let options = CString::new(options.ok_or(Errno::TOOBIG)?).map_err(|_| Errno::INVAL)?;
        let place = File::open(at).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
        mount::mount_classic(c"overlay", &place, c"overlay", 0, &options)?;
        let detached = OwnedFd::from(
            File::open(at).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?,
        );
        let detached = mount::clone_tree_at(&detached, mount::CloneTree::default());
        mount::detach(at)?;
        let detached = detached?;
        if self.own.is_empty() {
            let change = mount::SetAttributes { set: MOUNT_ATTR_RDONLY, ..Default::default() };
            mount::set_attributes(&detached, change)?;
        }
        Ok(detached)
    }
}

/// Opens what a writable snapshot has of its own, within the mount `own` of its directory.
fn open_own(
    snapshot: &Snapshot,
    own: &OwnedFd,
) -> Result<Vec<(&'static str, OwnedFd)>, SnapshotError> {
    let open = |(key, name): (&'static str, &str)| {
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
        let dir = rustix::fs::openat(own, name, flags, rustix::fs::Mode::empty());
        Ok((key, dir.map_err(|e| error::io("open", &snapshot.dir.join(name))(e.into()))?))
    };
    [("upperdir", "upper"), ("workdir", "work")].into_iter().map(open).collect()
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

/// Names a layer by descriptor, or for older kernels by its path or the descriptor's magic link.
pub(super) fn set_layer(context: &OwnedFd, key: &str, layer: &OwnedFd) -> Result<(), Errno> {
    match fsconfig_set_fd(context, key, layer) {
        // An O_PATH descriptor is none to those.
        Err(Errno::INVAL | Errno::BADF) => {
            mount::set_string(context, key, path_of(layer).unwrap_or_else(|| magic_link(layer)))
        }
        other => other,
    }
}

fn magic_link(dir: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", dir.as_raw_fd())
}

/// The path of an open directory, if it has one in this mount namespace that overlayfs reads as it
/// is; a list of options can hold no colon and no comma either.
fn path_of(dir: &OwnedFd) -> Option<String> {
    let path = kernel::file::path_of(dir).ok()?.into_os_string().into_string().ok()?;
    let (named, open) = (rustix::fs::stat(&path).ok()?, rustix::fs::fstat(dir).ok()?);
    let is_same = named.st_ino == open.st_ino && named.st_dev == open.st_dev;
    (is_same && !path.contains('\\')).then_some(path)
}
