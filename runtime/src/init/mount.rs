//! Mounts by descriptor.

use super::{Child, StepError, StepResult, root};
use crate::plan::{MountSource, MountStep, Place, TargetRule};
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
        set_bind_attributes(tree.as_fd(), step.attributes)?;
        self.finish_mount(step, tree, target.as_fd())
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
        let (target, existed) = open_or_make_directory(base, &step.target.path, step.target_rule)?;
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
        let tree = match new_filesystem(fstype, source, &options, *superblock, attributes) {
            Err(StepError { errno: Errno::NOSYS, .. }) => {
                return self.mount_classic(step, &options, target.as_fd());
            }
            other => other?,
        };
        if *copy_up {
            super::copy_up::copy(target.as_fd(), tree.as_fd())?;
            set_attributes(tree.as_fd(), step.attributes, false)?;
        }
        self.finish_mount(step, tree, target.as_fd())
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
        mount::attach(&tree, target)?;
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
/// named are cleared, unless the user namespace's owner has locked them.
fn set_bind_attributes(tree: BorrowedFd<'_>, wanted: MountAttributes) -> StepResult {
    /// `MOUNT_ATTR_` RDONLY, NOSUID, NODEV, NOEXEC, NODIRATIME, NOSYMFOLLOW.
    const SWITCHES: u64 = 0x1 | 0x2 | 0x4 | 0x8 | 0x80 | 0x0020_0000;
    if wanted.is_empty() {
        return Ok(());
    }
    let clear = wanted.clear | (SWITCHES & !wanted.set);
    match set_attributes(tree, MountAttributes { set: wanted.set, clear }, false) {
        Err(StepError { errno: Errno::PERM, .. }) => set_attributes(tree, wanted, false),
        other => other,
    }
}

/// Makes a file system instance, mounted nowhere yet.
pub(super) fn new_filesystem(
    fstype: &str,
    source: &str,
    options: &[FilesystemOption],
    superblock: u64,
    attributes: u64,
) -> Result<OwnedFd, StepError> {
    let context = mount::open_filesystem(fstype)?;
    configure(&context, source, options, superblock & !MS_SILENT)
        .and_then(|()| mount::create(&context, attributes))
        .map_err(|errno| StepError::new(errno, mount::explain_failure(&context)))
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
