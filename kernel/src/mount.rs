//! Mounts by descriptor: fsopen(2), open_tree(2), move_mount(2), mount_setattr(2), and the
//! classic mount(2) where those have no equivalent.

#![expect(unsafe_code, reason = "mount_setattr and pivot_root on descriptors have no safe wrapper")]

use crate::{Errno, Result, check};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
};
use rustix::path::Arg;
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

pub use rustix::mount::MountPropagationFlags as PropagationFlags;

/// A mount that hangs nowhere yet, or the place where it came to hang.
///
/// The descriptor stays usable as a directory after [`attach`].
pub type MountFd = OwnedFd;

/// What to change on a mount (mount_setattr(2)).
#[derive(Clone, Copy, Debug, Default)]
pub struct SetAttributes<'f> {
    /// `MOUNT_ATTR_*` bits to set.
    pub set: u64,
    /// `MOUNT_ATTR_*` bits to clear.
    pub clear: u64,
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE` or `MS_UNBINDABLE`; 0 leaves the propagation.
    pub propagation: u64,
    /// User namespace of an id mapping, with `MOUNT_ATTR_IDMAP` in `set`.
    pub user_namespace: Option<&'f OwnedFd>,
    /// Also on all mounts below.
    pub recursive: bool,
}

/// `struct mount_attr`, version 0.
#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Changes the mount behind `mount`.
///
/// Kernel: mount_setattr(2), Linux 5.12.
///
/// # Errors
/// `ENOSYS` before Linux 5.12, else what mount_setattr(2) says.
pub fn set_attributes(mount: impl AsFd, change: SetAttributes<'_>) -> Result<()> {
    let attr = MountAttr {
        attr_set: change.set,
        attr_clr: change.clear,
        propagation: change.propagation,
        userns_fd: change.user_namespace.map_or(0, |fd| fd.as_raw_fd().cast_unsigned().into()),
    };
    let recursive = if change.recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: `attr` has the layout of `struct mount_attr` and lives through the call.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            &raw const attr,
            std::mem::size_of::<MountAttr>(),
        )
    };
    check(ret).map(drop)
}

/// Starts making a file system instance (fsopen(2)); options follow through the `fsconfig`
/// functions, then [`create`].
///
/// # Errors
/// `ENODEV` for an unknown type, `EPERM` without CAP_SYS_ADMIN in the mount namespace's owner.
pub fn open_filesystem(fstype: impl Arg) -> Result<OwnedFd> {
    rustix::mount::fsopen(fstype, FsOpenFlags::FSOPEN_CLOEXEC)
}

/// Sets a flag option.
///
/// # Errors
/// `EINVAL` if the file system doesn't know it.
pub fn set_flag(context: impl AsFd, key: impl Arg) -> Result<()> {
    rustix::mount::fsconfig_set_flag(context.as_fd(), key)
}

/// Sets an option with a value; the source is the option `source`.
///
/// # Errors
/// `EINVAL` if the file system doesn't know it or refuses the value.
pub fn set_string(context: impl AsFd, key: impl Arg, value: impl Arg) -> Result<()> {
    rustix::mount::fsconfig_set_string(context.as_fd(), key, value)
}

/// Makes the instance and a detached mount of it with the `MOUNT_ATTR_*` bits `attributes`.
///
/// # Errors
/// What fsconfig(2) and fsmount(2) say.
pub fn create(context: impl AsFd, attributes: u64) -> Result<MountFd> {
    rustix::mount::fsconfig_create(context.as_fd())?;
    let attributes =
        MountAttrFlags::from_bits_retain(u32::try_from(attributes).map_err(|_| Errno::INVAL)?);
    rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Reads what a file system context has to say about its failure; empty if nothing.
#[must_use]
pub fn explain_failure(context: impl AsFd) -> String {
    let mut buffer = [0u8; 512];
    let mut lines = Vec::new();
    while let Ok(n @ 1..) = rustix::io::read(&context, &mut buffer) {
        let line = String::from_utf8_lossy(&buffer[..n]);
        lines.push(line.trim_start_matches("e ").trim_end().to_owned());
    }
    lines.join("; ")
}

/// How [`clone_tree`] looks its path up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CloneTree {
    /// With all mounts below.
    pub recursive: bool,
    /// A symlink at the end is cloned itself.
    pub nofollow: bool,
}

/// Makes a detached copy of the mount at `path` beneath `dir`: what a bind mount attaches.
///
/// # Errors
/// What open_tree(2) says.
pub fn clone_tree(dir: BorrowedFd<'_>, path: impl Arg, how: CloneTree) -> Result<MountFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    flags.set(OpenTreeFlags::AT_RECURSIVE, how.recursive);
    flags.set(OpenTreeFlags::AT_SYMLINK_NOFOLLOW, how.nofollow);
    rustix::mount::open_tree(dir, path, flags)
}

/// Makes a detached copy of the mount at the very place `file` is.
///
/// # Errors
/// What open_tree(2) says; `EINVAL` if `file` lies in another mount namespace.
pub fn clone_tree_at(file: impl AsFd, how: CloneTree) -> Result<MountFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    flags.set(OpenTreeFlags::AT_RECURSIVE, how.recursive);
    rustix::mount::open_tree(file.as_fd(), c"", flags)
}

/// Hangs the detached `mount` over the file or directory behind `target`.
///
/// # Errors
/// What move_mount(2) says; `ENOTDIR` if one is a directory and the other is not.
pub fn attach(mount: impl AsFd, target: impl AsFd) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount.as_fd(), c"", target.as_fd(), c"", flags)
}

/// Hangs the detached `mount` over the host path `target`, or over what that leads to.
///
/// # Errors
/// What move_mount(2) says.
pub fn attach_at_path(mount: impl AsFd, target: impl Arg) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
    rustix::mount::move_mount(mount.as_fd(), c"", rustix::fs::CWD, target, flags)
}

/// Moves the mount at the current directory over `/` (`mount --move . /`).
///
/// # Errors
/// What mount(2) says.
pub fn move_current_to_root() -> Result<()> {
    rustix::mount::mount_move(c".", c"/")
}

/// Changes the propagation of the mount at `path` (mount(2) with one of `MS_SHARED` ...).
///
/// # Errors
/// What mount(2) says.
pub fn set_propagation(path: impl Arg, flags: PropagationFlags) -> Result<()> {
    rustix::mount::mount_change(path, flags)
}

/// Changes superblock flags and options of the file system behind `file`
/// (`mount -o remount` without `bind`).
///
/// # Errors
/// What mount(2) says.
pub fn remount_superblock(file: impl AsFd, flags: u64, data: &CStr) -> Result<()> {
    let path = proc_path(file.as_fd());
    let flags = rustix::mount::MountFlags::from_bits_retain(
        u32::try_from(flags).map_err(|_| Errno::INVAL)?,
    );
    rustix::mount::mount_remount(path.as_str(), flags, data)
}

/// Mounts by the classic mount(2) at the place `target` is: for file systems whose options the
/// new interface does not take.
///
/// # Errors
/// What mount(2) says.
pub fn mount_classic(
    source: &CStr,
    target: impl AsFd,
    fstype: &CStr,
    flags: u64,
    data: &CStr,
) -> Result<()> {
    let path = proc_path(target.as_fd());
    let flags = rustix::mount::MountFlags::from_bits_retain(
        u32::try_from(flags).map_err(|_| Errno::INVAL)?,
    );
    rustix::mount::mount(source, path.as_str(), fstype, flags, data)
}

/// A name of an open file for system calls that take only paths; `/proc` must be the host's.
fn proc_path(file: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Makes the current directory, a mount point, the root of the mount namespace; the old root is
/// left mounted over it, for [`detach_current`].
///
/// # Errors
/// What pivot_root(2) says.
pub fn pivot_to_current() -> Result<()> {
    rustix::process::pivot_root(c".", c".")
}

/// Unmounts what hangs over the current directory, lazily.
///
/// # Errors
/// What umount2(2) says.
pub fn detach_current() -> Result<()> {
    rustix::mount::unmount(c".", UnmountFlags::DETACH)
}

/// Unmounts `path` lazily.
///
/// # Errors
/// What umount2(2) says.
pub fn detach(path: impl Arg) -> Result<()> {
    rustix::mount::unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
}

/// Magic number and mount flags of the file system that `file` lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilesystemInfo {
    /// `*_SUPER_MAGIC` of statfs(2).
    pub magic: u64,
    /// `ST_*` flags.
    pub flags: u64,
}

/// `ST_RDONLY`: writes are refused, by the mount or by the file system.
pub const ST_RDONLY: u64 = 1;
/// Magic number of procfs.
pub const PROC_MAGIC: u64 = 0x9fa0;
/// Magic number of cgroup v2.
pub const CGROUP2_MAGIC: u64 = 0x6367_7270;

/// Looks at the file system `file` lies on.
///
/// # Errors
/// What fstatfs(2) says.
pub fn filesystem_info(file: impl AsFd) -> Result<FilesystemInfo> {
    rustix::fs::fstatfs(file).map(|s| info(&s))
}

/// Looks at the file system `path` lies on.
///
/// # Errors
/// What statfs(2) says.
pub fn filesystem_info_at(path: impl Arg) -> Result<FilesystemInfo> {
    rustix::fs::statfs(path).map(|s| info(&s))
}

#[expect(clippy::cast_sign_loss, reason = "statfs has signed fields for bit patterns")]
fn info(stat: &rustix::fs::StatFs) -> FilesystemInfo {
    FilesystemInfo { magic: stat.f_type as u64, flags: stat.f_flags as u64 }
}
