//! The rootfs: made a mount of its own, held, and in the end the root.

use super::{Child, StepError, StepResult};
use crate::plan::{EnterRootfs, Slot, Step};
use crate::spec::{Propagation, PropagationKind};
use kernel::mount::{self, CloneTree, PropagationFlags, SetAttributes};
use kernel::rootdir::RootDir;
use kernel::{Errno, file};
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::Path;

/// `MOUNT_ATTR_RDONLY`.
const MOUNT_ATTR_RDONLY: u64 = 1;
/// Bytes of `/proc/self/mountinfo` read for `--no-pivot`.
const MAX_MOUNTINFO: usize = 16 << 20;

/// Sets the propagation of what is mounted at `path`.
pub(super) fn set_propagation(path: &CStr, propagation: Propagation) -> kernel::Result<()> {
    let mut flags = propagation_flag(propagation.kind);
    flags.set(PropagationFlags::REC, propagation.recursive);
    mount::set_propagation(path, flags)
}

/// The `MS_*` bit mount_setattr(2) takes.
pub(crate) fn propagation_bit(kind: PropagationKind) -> u64 {
    u64::from(propagation_flag(kind).bits())
}

fn propagation_flag(kind: PropagationKind) -> PropagationFlags {
    match kind {
        PropagationKind::Shared => PropagationFlags::SHARED,
        PropagationKind::Slave => PropagationFlags::DOWNSTREAM,
        PropagationKind::Private => PropagationFlags::PRIVATE,
        PropagationKind::Unbindable => PropagationFlags::UNBINDABLE,
    }
}

impl Child<'_> {
    /// Makes the mount private that `path` lies in.
    pub(super) fn isolate_rootfs(&mut self, path: &Path) -> StepResult {
        self.has_peers = true;
        let real = file::path_of(file::open_path(file::CWD, path)?)?;
        for place in real.ancestors() {
            match mount::set_propagation(place, PropagationFlags::PRIVATE) {
                // No mount point.
                Err(Errno::INVAL) => {}
                other => return Ok(other?),
            }
        }
        Err(Errno::INVAL.into())
    }

    /// A tree that the runtime itself brings is no peer of the host's, where others are.
    pub(super) fn leave_peers(&self, tree: &OwnedFd) -> kernel::Result<()> {
        if !self.has_peers {
            return Ok(());
        }
        let propagation = propagation_bit(PropagationKind::Private);
        let change = SetAttributes { propagation, recursive: true, ..SetAttributes::default() };
        mount::set_attributes(tree, change)
    }

    pub(super) fn set_root_propagation(&mut self, propagation: Propagation) -> StepResult {
        Ok(set_propagation(c"/", propagation)?)
    }

    pub(super) fn bind_rootfs(&mut self, path: &Path, prepared: Option<Slot>) -> StepResult {
        let tree = match prepared {
            Some(slot) => self.slots[slot.0].take().ok_or(Errno::BADF)?,
            None => {
                mount::clone_tree(file::CWD, path, CloneTree { recursive: true, nofollow: false })?
            }
        };
        self.leave_peers(&tree)?;
        match mount::attach_at_path(&tree, path) {
            Ok(()) => {}
            // Nobody on the host can't reach the path; over the root it hangs as well.
            Err(Errno::ACCESS) if prepared.is_some() => mount::attach_at_path(&tree, c"/")?,
            Err(errno) => return Err(errno.into()),
        }
        self.root = Some(RootDir::new(tree));
        Ok(())
    }

    /// Takes hold of what of the host is needed once `/` is the container's: a procfs, seen to
    /// be one, where labels or kernel parameters are written.
    pub(super) fn hold_host(&mut self, steps: &[Step]) -> StepResult {
        let writes_proc = |step: &Step| {
            matches!(step, Step::WriteSysctl { .. } | Step::SetAppArmor(_) | Step::SetSelinux(_))
        };
        self.wants_masks = steps.iter().any(|step| matches!(step, Step::MaskPath(_)));
        if !steps.iter().any(writes_proc) {
            return Ok(());
        }
        let proc = file::open_path(file::CWD, c"/proc")?;
        if mount::filesystem_info(&proc)?.magic != mount::PROC_MAGIC {
            return Err(StepError::new(Errno::NODEV, "`/proc` is no procfs"));
        }
        self.proc = Some(proc);
        Ok(())
    }

    fn host_proc(&self) -> Result<&OwnedFd, StepError> {
        self.proc.as_ref().ok_or_else(|| Errno::BADF.into())
    }

    /// Takes the root of another process, by its pidfd and never by a path of the container.
    pub(super) fn enter_root_of(&mut self, process: Slot) -> StepResult {
        let pid = kernel::process::pid_of(self.slot(process)?)?;
        let root = file::open_dir_place(file::CWD, format!("/proc/{pid}/root"))?;
        file::enter_dir(&root)?;
        file::chroot_here()?;
        Ok(())
    }

    pub(super) fn enter_rootfs(&mut self, how: EnterRootfs) -> StepResult {
        if self.wants_masks {
            self.hold_null()?;
        }
        let root = self.root.as_ref().ok_or(Errno::BADF)?;
        let shared = matches!(how, EnterRootfs::Pivot { shared: true });
        let old = shared.then(|| file::open_path(file::CWD, c"/")).transpose()?;
        file::enter_dir(root)?;
        match how {
            EnterRootfs::Pivot { .. } => {
                mount::pivot_to_current()?;
                if let Some(old) = old {
                    // What is unmounted of a peer is unmounted on the host.
                    file::enter_dir(&old)?;
                    let slave = PropagationFlags::DOWNSTREAM | PropagationFlags::REC;
                    mount::set_propagation(c".", slave)?;
                }
                mount::detach_current()?;
            }
            EnterRootfs::Move => {
                hide_foreign_kernel_mounts()?;
                file::enter_dir(self.root.as_ref().ok_or(Errno::BADF)?)?;
                mount::move_current_to_root()?;
                file::chroot_here()?;
            }
            EnterRootfs::Chroot => file::chroot_here()?,
        }
        file::change_dir(c"/")?;
        Ok(())
    }

    pub(super) fn make_root_read_only(&mut self) -> StepResult {
        let read_only = SetAttributes { set: MOUNT_ATTR_RDONLY, ..SetAttributes::default() };
        Ok(mount::set_attributes(self.root.as_ref().ok_or(Errno::BADF)?, read_only)?)
    }

    pub(super) fn write_sysctl(&mut self, path: &str, value: &str) -> StepResult {
        let proc = self.host_proc()?;
        let target = kernel::rootdir::open_write_same_filesystem(proc, &format!("sys/{path}"))?;
        Ok(file::write_all(target, value.as_bytes())?)
    }

    /// Writes a security label: to `attr/<first>`, or `attr/<second>` where the kernel has no
    /// directory per module.
    pub(super) fn write_label(&mut self, first: &str, second: &str, label: &str) -> StepResult {
        let proc = self.host_proc()?;
        let open = |name: &str| {
            kernel::rootdir::open_write_same_filesystem(proc, &format!("thread-self/attr/{name}"))
        };
        let target = match open(first) {
            Err(Errno::NOENT) => open(second)?,
            other => other?,
        };
        Ok(file::write_all(target, label.as_bytes())?)
    }
}

/// With the old root still underneath, its procfs and sysfs would let the container see more
/// than its own: takes them away.
fn hide_foreign_kernel_mounts() -> Result<(), StepError> {
    let text = file::read_limited(file::CWD, c"/proc/self/mountinfo", MAX_MOUNTINFO)?;
    let text = String::from_utf8_lossy(&text);
    let own = std::env::current_dir().map_err(|_| Errno::NOENT)?;
    let mut places: Vec<&str> = text
        .lines()
        .filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let fstype = after.split(' ').next()?;
            let place = before.split(' ').nth(4)?;
            let foreign = !Path::new(place).starts_with(&own);
            (matches!(fstype, "proc" | "sysfs") && foreign).then_some(place)
        })
        .collect();
    places.reverse();
    for place in places {
        match mount::detach(place) {
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
            Err(errno) => {
                return Err(StepError::new(errno, format!("cannot unmount `{place}`")));
            }
        }
    }
    Ok(())
}
