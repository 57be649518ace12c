//! Mounts by descriptor.

use super::{Child, Spent, StepError, StepResult, root};
use crate::plan::{Beneath, MountSource, MountStep, Place, TargetRule};
use crate::spec::{FilesystemOption, MountAttributes};
use kernel::mount::{self, CloneTree, SetAttributes};
use kernel::rootdir::{Missing, RootDir};
use kernel::{Errno, file};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Superblock flags in the words fsconfig(2) has for them (`MS_*` bit, word).
const SUPERBLOCK_WORDS: [(u64, &str); 5] =
    [(1, "ro"), (1 << 4, "sync"), (1 << 7, "dirsync"), (1 << 6, "mand"), (1 << 25, "lazytime")];
/// `MS_I_VERSION`, for which fsconfig(2) has no word.
const MS_I_VERSION: u64 = 1 << 23;
/// `MS_SILENT`, which only mount(2) knows and which changes nothing but the log.
const MS_SILENT: u64 = 1 << 15;
/// The longest value fsconfig(2) takes.
const MAX_FSCONFIG_VALUE: usize = 255;

impl Child<'_> {
    pub(super) fn mount(&mut self, step: &MountStep) -> StepResult {
        let tree = match &step.source {
            MountSource::Filesystem { .. } => return self.mount_filesystem(step),
            MountSource::Bind { source, recursive, nofollow } => {
                let how = CloneTree { recursive: *recursive, nofollow: *nofollow };
                mount::clone_tree(file::CWD, source.as_path(), how)?
            }
            MountSource::Within { from, recursive, nofollow, mapped } => {
                let how = CloneTree { recursive: *recursive, nofollow: *nofollow };
                self.clone_within(from, how, *mapped)?
            }
            MountSource::Prepared { tree, .. } => self.slots[tree.0].take().ok_or(Errno::BADF)?,
        };
        if step.target_rule == TargetRule::ProcOnly
            && mount::filesystem_info(&tree)?.magic != mount::PROC_MAGIC
        {
            let why = "it cannot be mounted because it is not of type proc";
            return Err(StepError::new(Errno::INVAL, why));
        }
        let missing = || match file::kind(&tree) {
            Ok(kind) if !kind.is_dir() => Missing::File,
            _ => Missing::Directory,
        };
        let target =
            open_target(self.base(&step.target)?, &step.target.path, step.target_rule, missing)?;
        set_bind_attributes(tree.as_fd(), step.attributes, step.keeps_locks)?;
        self.finish_mount(step, tree, target.as_fd())?;
        self.spent.add(target);
        Ok(())
    }

    fn clone_within(
        &self,
        from: &Place,
        how: CloneTree,
        mapped: Option<usize>,
    ) -> Result<OwnedFd, StepError> {
        let base = self.base(from)?;
        let place =
            if how.nofollow { base.open_nofollow(&from.path)? } else { base.open(&from.path)? };
        let Some(number) = mapped else { return Ok(mount::clone_tree_at(&place, how)?) };
        let number = u32::try_from(number).map_err(|_| Errno::OVERFLOW)?;
        Ok(super::report::map_tree(&self.socket, number, place.as_fd())?)
    }

    fn mount_filesystem(&mut self, step: &MountStep) -> StepResult {
        let MountSource::Filesystem {
            fstype,
            source,
            options,
            superblock,
            mode_of_target,
            copy_up,
        } = &step.source
        else {
            return Err(Errno::INVAL.into());
        };
        let base = self.base(&step.target)?;
        let (target, existed) = match &step.target {
            // In what was just mounted there is nothing yet.
            Place { beneath: Beneath::Slot(_), path, .. } => base.make_new(path).ok(),
            _ => None,
        }
        .map_or_else(
            || open_or_make_directory(base, &step.target.path, step.target_rule),
            |made| Ok((made, false)),
        )?;
        let mut options = options.clone();
        if *mode_of_target && existed && !options.iter().any(|o| o.key == "mode") {
            let mode = format!("{:o}", file::kind(&target)?.mode);
            options.insert(0, FilesystemOption { key: "mode".into(), value: Some(mode) });
        }
        let needs_classic = superblock & MS_I_VERSION != 0
            || options
                .iter()
                .any(|o| o.value.as_ref().is_some_and(|v| v.len() > MAX_FSCONFIG_VALUE));
        if needs_classic {
            return self.mount_classic(step, &options, target.as_fd());
        }
        // Where something is copied in, read-only comes after that.
        let attributes = if *copy_up { step.attributes.set & !1 } else { step.attributes.set };
        let made =
            new_filesystem(&mut self.spent, fstype, source, &options, *superblock, attributes);
        let tree = match made {
            Err(StepError { errno: Errno::NOSYS, .. }) => {
                return self.mount_classic(step, &options, target.as_fd());
            }
            other => other?,
        };
        if *copy_up {
            super::copy_up::copy(target.as_fd(), tree.as_fd())?;
            set_attributes(tree.as_fd(), step.attributes, false)?;
        }
        self.finish_mount(step, tree, target.as_fd())?;
        self.spent.add(target);
        Ok(())
    }

    /// What the new interface has no words for, and kernels before 5.2.
    fn mount_classic(
        &mut self,
        step: &MountStep,
        options: &[FilesystemOption],
        target: BorrowedFd<'_>,
    ) -> StepResult {
        let MountSource::Filesystem { fstype, source, superblock, .. } = &step.source else {
            return Err(Errno::INVAL.into());
        };
        let c_string = |text: &str| CString::new(text).map_err(|_| Errno::INVAL);
        let data = options
            .iter()
            .map(|o| match &o.value {
                Some(value) => format!("{}={value}", o.key),
                None => o.key.clone(),
            })
            .collect::<Vec<_>>()
            .join(",");
        let name = if source.is_empty() { fstype } else { source };
        mount::mount_classic(
            &c_string(name)?,
            target,
            &c_string(fstype)?,
            *superblock,
            &c_string(&data)?,
        )?;
        // The descriptor of the place is below what has just been mounted: look again.
        let base = self.base(&step.target)?;
        let mounted =
            open_target(base, &step.target.path, step.target_rule, || Missing::Directory)?;
        set_attributes(mounted.as_fd(), step.attributes, false)?;
        self.after_attach(step, mounted)
    }

    fn finish_mount(
        &mut self,
        step: &MountStep,
        tree: OwnedFd,
        target: BorrowedFd<'_>,
    ) -> StepResult {
        set_attributes(tree.as_fd(), step.recursive_attributes, true)?;
        match mount::attach(&tree, target) {
            // What callers look for when a file is to lie over a directory, or the reverse.
            Err(Errno::INVAL) if file::kind(&tree)?.is_dir() != file::kind(target)?.is_dir() => {
                return Err(Errno::NOTDIR.into());
            }
            other => other?,
        }
        self.after_attach(step, tree)
    }

    fn after_attach(&mut self, step: &MountStep, tree: OwnedFd) -> StepResult {
        for propagation in &step.propagation {
            let change = SetAttributes {
                propagation: root::propagation_bit(propagation.kind),
                recursive: propagation.recursive,
                ..SetAttributes::default()
            };
            mount::set_attributes(&tree, change)?;
        }
        if step.target.shown.as_str() == "/" {
            self.root = Some(RootDir::new(tree));
        } else if let Some(slot) = step.keep {
            self.keep(slot, tree);
        } else {
            self.spent.add(tree);
        }
        Ok(())
    }

    pub(super) fn remount(
        &mut self,
        target: &Place,
        attributes: MountAttributes,
        recursive: MountAttributes,
        superblock: Option<&(u64, String)>,
    ) -> StepResult {
        let mounted = self.base(target)?.open(&target.path)?;
        if let Some((flags, data)) = superblock {
            let data = CString::new(data.as_str()).map_err(|_| Errno::INVAL)?;
            mount::remount_superblock(&mounted, *flags, &data)?;
        }
        set_attributes(mounted.as_fd(), attributes, false)?;
        set_attributes(mounted.as_fd(), recursive, true)
    }
}

fn set_attributes(tree: BorrowedFd<'_>, change: MountAttributes, recursive: bool) -> StepResult {
    if change.is_empty() {
        return Ok(());
    }
    let change = SetAttributes {
        set: change.set,
        clear: change.clear,
        recursive,
        ..SetAttributes::default()
    };
    Ok(mount::set_attributes(tree, change)?)
}

/// On a bind mount, an attribute that is asked for sets all of them, as mount(2) does: those not
/// named are cleared, but for the modes of access times, which stand for themselves, and for what
/// the user namespace's owner has locked.
fn set_bind_attributes(
    tree: BorrowedFd<'_>,
    wanted: MountAttributes,
    keeps_locks: bool,
) -> StepResult {
    if wanted.is_empty() {
        return Ok(());
    }
    let mut change = wanted;
    change.clear |= attr::SWITCHES & !wanted.set;
    if keeps_locks {
        let held = attributes_of(mount::filesystem_info(tree)?.flags);
        let asks_atime = wanted.clear & attr::ATIME != 0;
        let atime = attr::ATIME | attr::NODIRATIME;
        if held & wanted.clear & attr::LOCKABLE != 0
            || asks_atime && held & atime != wanted.set & atime
        {
            let why = "the mount of the source has an attribute that the container's user \
                       namespace may not take away";
            return Err(StepError::new(Errno::PERM, why));
        }
        change.clear &= !(held & attr::LOCKABLE);
    }
    match set_attributes(tree, change, false) {
        Err(StepError { errno: Errno::PERM, .. }) => set_attributes(tree, wanted, false),
        other => other,
    }
}

/// `MOUNT_ATTR_*` of mount_setattr(2).
mod attr {
    const RDONLY: u64 = 0x01;
    const NOSUID: u64 = 0x02;
    const NODEV: u64 = 0x04;
    const NOEXEC: u64 = 0x08;
    const NOSYMFOLLOW: u64 = 0x0020_0000;
    const NOATIME: u64 = 0x10;
    const STRICTATIME: u64 = 0x20;
    pub(super) const NODIRATIME: u64 = 0x80;
    pub(super) const ATIME: u64 = 0x70;
    /// What another user namespace can't take away (`MNT_LOCK_*`), beside access times.
    pub(super) const LOCKABLE: u64 = RDONLY | NOSUID | NODEV | NOEXEC;
    /// What is on or off.
    pub(super) const SWITCHES: u64 = LOCKABLE | NOSYMFOLLOW;
    /// `ST_*` of statvfs(3) and what it is here.
    pub(super) const HELD: [(u64, u64); 6] = [
        (0x1, RDONLY),
        (0x2, NOSUID),
        (0x4, NODEV),
        (0x8, NOEXEC),
        (0x400, NOATIME),
        (0x800, NODIRATIME),
    ];
    /// `ST_RELATIME`; a mount with neither it nor `ST_NOATIME` is strict.
    const ST_RELATIME: u64 = 0x1000;

    /// The mode of access times where it is not [`NOATIME`].
    pub(super) fn strictness(flags: u64) -> u64 {
        if flags & (ST_RELATIME | 0x400) == 0 { STRICTATIME } else { 0 }
    }
}

/// The attributes of a mount from its `ST_*` flags.
fn attributes_of(flags: u64) -> u64 {
    let named = attr::HELD.iter().filter(|(flag, _)| flags & flag != 0);
    named.fold(attr::strictness(flags), |all, (_, bit)| all | bit)
}

/// Makes a file system instance, mounted nowhere yet.
pub(super) fn new_filesystem(
    spent: &mut Spent,
    fstype: &str,
    source: &str,
    options: &[FilesystemOption],
    superblock: u64,
    attributes: u64,
) -> Result<OwnedFd, StepError> {
    let context = mount::open_filesystem(fstype)?;
    let tree = configure(&context, source, options, superblock & !MS_SILENT)
        .and_then(|()| mount::create(&context, attributes))
        .map_err(|errno| StepError::new(errno, mount::explain_failure(&context)))?;
    spent.add(context);
    Ok(tree)
}

fn configure(
    context: &OwnedFd,
    source: &str,
    options: &[FilesystemOption],
    superblock: u64,
) -> kernel::Result<()> {
    if !source.is_empty() {
        mount::set_string(context, "source", source)?;
    }
    for (bit, word) in SUPERBLOCK_WORDS {
        if superblock & bit != 0 {
            mount::set_flag(context, word)?;
        }
    }
    for option in options {
        match &option.value {
            Some(value) => mount::set_string(context, option.key.as_str(), value.as_str())?,
            None => mount::set_flag(context, option.key.as_str())?,
        }
    }
    Ok(())
}

fn open_target(
    base: RootDir<BorrowedFd<'_>>,
    path: &str,
    rule: TargetRule,
    missing: impl FnOnce() -> Missing,
) -> Result<OwnedFd, Errno> {
    match try_open(base, path, rule) {
        Err(Errno::NOENT) => base.make(path, missing()),
        other => other,
    }
}

fn try_open(base: RootDir<BorrowedFd<'_>>, path: &str, rule: TargetRule) -> Result<OwnedFd, Errno> {
    match rule {
        TargetRule::Follow => base.open(path),
        TargetRule::NoFollow => base.open_nofollow(path),
        TargetRule::NoSymlinks | TargetRule::ProcOnly => base.open_without_symlinks(path),
    }
}

/// The directory, and whether it was there before.
fn open_or_make_directory(
    base: RootDir<BorrowedFd<'_>>,
    path: &str,
    rule: TargetRule,
) -> Result<(OwnedFd, bool), StepError> {
    match try_open(base, path, rule) {
        Ok(target) => Ok((target, true)),
        Err(Errno::NOENT) => Ok((base.make(path, Missing::Directory)?, false)),
        Err(Errno::LOOP) if rule == TargetRule::NoSymlinks => {
            let why =
                "it must be mounted on ordinary directory, and a symlink in the image leads there";
            Err(StepError::new(Errno::LOOP, why))
        }
        Err(errno) => Err(errno.into()),
    }
}
