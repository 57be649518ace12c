//! Read-only and masked paths, and Landlock.

use super::root::propagation_bit;
use super::{Child, Spent, StepError, StepResult, mount::new_filesystem};
use crate::plan::Place;
use crate::spec::{FilesystemOption, Landlock, PropagationKind};
use kernel::landlock::{self, FsAccess, Handled, NetAccess, Scope};
use kernel::mount::{self, CloneTree, SetAttributes};
use kernel::{Errno, file};
use std::os::fd::OwnedFd;

/// `MOUNT_ATTR_RDONLY`.
const MOUNT_ATTR_RDONLY: u64 = 1;
/// `MOUNT_ATTR_NOSUID`.
const MOUNT_ATTR_NOSUID: u64 = 2;
/// `MOUNT_ATTR_NOEXEC`.
const MOUNT_ATTR_NOEXEC: u64 = 8;

/// What hides things: one node and one directory for all of them.
#[derive(Debug, Default)]
pub(super) struct Masks {
    null: Option<Mask>,
    empty: Option<Mask>,
}

/// A mount that hides others.
#[derive(Debug)]
struct Mask {
    mount: OwnedFd,
    is_attached: bool,
}

impl Masks {
    /// Takes the host's `/dev/null`, seen to be that. The mount is read-only: what is written goes
    /// to the device all the same, but nobody changes owner, mode or times of the host's node.
    fn hold_null(&mut self) -> Result<(), StepError> {
        let null = mount::clone_tree(file::CWD, c"/dev/null", CloneTree::default())?;
        if !file::kind(&null)?.is_char_device(1, 3) {
            let why = "`/dev/null` of the host is not character device 1:3";
            return Err(StepError::new(Errno::NODEV, why));
        }
        let set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
        // Nor does what is mounted over it come to lie over the host's.
        let propagation = propagation_bit(PropagationKind::Private);
        let change = SetAttributes { set, propagation, ..SetAttributes::default() };
        mount::set_attributes(&null, change)?;
        self.null = Some(Mask { mount: null, is_attached: false });
        Ok(())
    }
}

impl Child<'_> {
    /// Makes what lies there read-only, but no other mount below it: whoever mounts
    /// `/proc/sys/kernel/ns_last_pid` writable means it (runc).
    pub(super) fn make_read_only(&mut self, place: &Place) -> StepResult {
        let target = match self.base(place)?.open(&place.path) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            other => other?,
        };
        let tree = mount::clone_tree_at(&target, CloneTree { recursive: true, nofollow: false })?;
        let read_only = SetAttributes { set: MOUNT_ATTR_RDONLY, ..SetAttributes::default() };
        mount::set_attributes(&tree, read_only)?;
        mount::attach(&tree, &target)?;
        self.spent.add(tree);
        self.spent.add(target);
        Ok(())
    }

    pub(super) fn mask(&mut self, place: &Place) -> StepResult {
        let target = match self.base(place)?.open(&place.path) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            other => other?,
        };
        if file::kind(&target)?.is_dir() {
            if self.masks.empty.is_none() {
                let mount = empty_dir(&mut self.spent)?;
                self.masks.empty = Some(Mask { mount, is_attached: false });
            }
            cover(self.masks.empty.as_mut(), &target, &mut self.spent)?;
        } else {
            cover(self.masks.null.as_mut(), &target, &mut self.spent)?;
        }
        self.spent.add(target);
        Ok(())
    }

    /// Takes hold of the host's `/dev/null` before the container's is in its place.
    pub(super) fn hold_null(&mut self) -> StepResult {
        self.masks.hold_null()
    }
}

/// Attaches the mask itself the first time, and clones of it afterwards.
///
/// Kernel: a mount that is nowhere attached can be cloned since Linux 6.15; before, `EINVAL`.
fn cover(mask: Option<&mut Mask>, target: &OwnedFd, spent: &mut Spent) -> StepResult {
    let mask = mask.ok_or(Errno::BADF)?;
    if mask.is_attached {
        let clone = mount::clone_tree_at(&mask.mount, CloneTree::default())?;
        mount::attach(&clone, target)?;
        spent.add(clone);
        return Ok(());
    }
    mount::attach(&mask.mount, target)?;
    mask.is_attached = true;
    Ok(())
}

/// Makes a directory that is empty, read-only and takes no memory.
fn empty_dir(spent: &mut Spent) -> Result<OwnedFd, StepError> {
    let option =
        |key: &str, value: &str| FilesystemOption { key: key.into(), value: Some(value.into()) };
    let options = [option("nr_blocks", "1"), option("nr_inodes", "1")];
    new_filesystem(spent, "tmpfs", "tmpfs", &options, 0, MOUNT_ATTR_RDONLY)
}

/// Leaves the process only what is beneath the listed paths of the container, as they are now.
pub(super) fn restrict_paths(paths: &Landlock) -> StepResult {
    let abi = landlock::probe_abi()
        .map_err(|errno| StepError::new(errno, "this kernel has no Landlock"))?;
    let write = FsAccess::known_to(abi);
    let read = FsAccess::EXECUTE | FsAccess::READ_FILE | FsAccess::READ_DIR;
    let handled = Handled { fs: write, net: NetAccess::empty(), scope: Scope::empty() };
    let ruleset = landlock::create_ruleset(handled)?;
    let read = paths.read.iter().map(|path| (path, read));
    let write = paths.write.iter().map(|path| (path, write));
    for (path, access) in read.chain(write) {
        let failed = |errno| StepError::new(errno, format!("`{path}`"));
        let place = file::open_path(file::CWD, path.as_str()).map_err(failed)?;
        let is_dir = file::kind(&place).map_err(failed)?.is_dir();
        let access = if is_dir { access } else { access & FsAccess::ON_FILES };
        landlock::allow_beneath(&ruleset, &place, access).map_err(failed)?;
    }
    Ok(landlock::restrict_self(&ruleset)?)
}
