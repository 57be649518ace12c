//! Keeps the program's own file out of a container's reach.
//!
//! A container process can come to run this very file (`#!/proc/self/exe` as entrypoint), and its
//! `/proc/PID/exe` then leads to the file on the host. What it leads to must not be writable
//! through it (CVE-2019-5736).

#![expect(unsafe_code, reason = "arguments go on as the pointers they came as")]

use crate::mount::{CloneTree, SetAttributes};
use crate::{Errno, Result};
use rustix::fs::{MemfdFlags, SealFlags};
use std::ffi::c_char;
use std::os::fd::{AsFd, OwnedFd};

/// `TMPFS_MAGIC`: what a file in memory lies on.
const TMPFS_MAGIC: u64 = 0x0102_1994;
/// `MOUNT_ATTR_RDONLY`.
const MOUNT_ATTR_RDONLY: u64 = 1;

/// Whether the program's file can't be written by anybody: it lies on a read-only mount, as that
/// of `protect`, or is a sealed file in memory.
///
/// # Errors
/// What statfs(2) of `/proc/self/exe` says.
pub fn is_protected() -> Result<bool> {
    let own = crate::mount::filesystem_info_at(c"/proc/self/exe")?;
    if own.flags & crate::mount::ST_RDONLY != 0 {
        return Ok(true);
    }
    if own.magic != TMPFS_MAGIC {
        return Ok(false);
    }
    let exe = crate::file::open_read(rustix::fs::CWD, c"/proc/self/exe")?;
    Ok(rustix::fs::fcntl_get_seals(&exe).is_ok_and(|seals| seals.contains(SealFlags::WRITE)))
}

/// Executes the program again from a detached read-only mount of its file; returns only on
/// failure.
///
/// Kernel: open_tree(2) and mount_setattr(2), Linux 5.12. Fallback, also without the privilege:
/// a sealed copy in memory.
///
/// The error is that of the fallback. A program that would go on without protection must not.
///
/// # Safety
/// `arguments` and `variables`, the program's own, are arrays of strings that end in null.
#[must_use]
pub(crate) unsafe fn protect(
    arguments: *const *const c_char,
    variables: *const *const c_char,
) -> Errno {
    match read_only_clone().or_else(|_| sealed_copy()) {
        // SAFETY: the caller vouches for both arrays.
        Ok(file) => unsafe { crate::process::fexecve(file.as_fd(), arguments, variables) },
        Err(errno) => errno,
    }
}

fn read_only_clone() -> Result<OwnedFd> {
    let mount = crate::mount::clone_tree(
        rustix::fs::CWD,
        c"/proc/self/exe",
        CloneTree { recursive: false, nofollow: false },
    )?;
    let read_only = SetAttributes { set: MOUNT_ATTR_RDONLY, ..SetAttributes::default() };
    crate::mount::set_attributes(&mount, read_only)?;
    Ok(mount)
}

fn sealed_copy() -> Result<OwnedFd> {
    let mut exe = crate::file::open_read(rustix::fs::CWD, c"/proc/self/exe")?;
    let copy = rustix::fs::memfd_create(c"runt", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    loop {
        match rustix::fs::sendfile(&copy, &mut exe, None, 1 << 20) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&copy, seals)?;
    Ok(copy)
}
