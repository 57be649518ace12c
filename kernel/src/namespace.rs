//! Namespaces: joining, leaving, and telling what kind one is.

#![expect(
    unsafe_code,
    reason = "setns(2) with a mask of flags and ioctl_ns(2) have no safe wrapper"
)]

use crate::process::CloneFlags;
use crate::{Result, check};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::OnceLock;

/// Moves the caller into the namespace behind `file`, which must be of the kind `kind`.
///
/// # Errors
/// `EINVAL` if it is of another kind, `EPERM` without the capability over it.
pub fn join(file: impl AsFd, kind: CloneFlags) -> Result<()> {
    let kind = i32::try_from(kind.bits()).map_err(|_| crate::Errno::INVAL)?;
    // SAFETY: two integers go in; namespaces are a thread's own, so no other sees a change.
    check(unsafe { libc::setns(file.as_fd().as_raw_fd(), kind) }.into()).map(drop)
}

/// Moves the caller into all namespaces of `kinds` of the process behind `pidfd`.
///
/// Kernel: setns(2) on a pidfd, Linux 5.8.
///
/// # Errors
/// As [`join`]; `ESRCH` if the process has ended.
pub fn join_process(pidfd: impl AsFd, kinds: CloneFlags) -> Result<()> {
    join(pidfd, kinds)
}

/// Moves the caller into new namespaces.
///
/// # Errors
/// What unshare(2) says.
pub fn unshare(kinds: CloneFlags) -> Result<()> {
    let kinds = i32::try_from(kinds.bits()).map_err(|_| crate::Errno::INVAL)?;
    // SAFETY: no CLONE_FILES, CLONE_FS or CLONE_VM is among `CloneFlags`: only namespaces change.
    check(unsafe { libc::unshare(kinds) }.into()).map(drop)
}

/// The `CLONE_NEW*` flag of the namespace behind `file`.
///
/// # Errors
/// `ENOTTY` if it is no namespace.
pub fn kind(file: impl AsFd) -> Result<CloneFlags> {
    const NS_GET_NSTYPE: libc::Ioctl = 0xb703;
    // SAFETY: this ioctl takes no argument.
    let kind = check(unsafe { libc::ioctl(file.as_fd().as_raw_fd(), NS_GET_NSTYPE) }.into())?;
    Ok(CloneFlags::from_bits_retain(kind.cast_unsigned()))
}

/// Names the caller's UTS namespace's host.
///
/// # Errors
/// What sethostname(2) says.
pub fn set_hostname(name: &str) -> Result<()> {
    rustix::system::sethostname(name.as_bytes())
}

/// Names the caller's UTS namespace's NIS domain.
///
/// # Errors
/// What setdomainname(2) says.
pub fn set_domainname(name: &str) -> Result<()> {
    rustix::system::setdomainname(name.as_bytes())
}

/// Whether the program was started in a user namespace other than the initial one, which has a fixed inode
/// number (`PROC_USER_INIT_INO`).
#[must_use]
pub fn in_user_namespace() -> bool {
    const PROC_USER_INIT_INO: u64 = 0xEFFF_FFFD;
    static IN_ONE: OnceLock<bool> = OnceLock::new();
    *IN_ONE.get_or_init(|| {
        rustix::fs::stat(c"/proc/self/ns/user").is_ok_and(|stat| stat.st_ino != PROC_USER_INIT_INO)
    })
}
