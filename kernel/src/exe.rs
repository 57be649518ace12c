//! Keeps the program's own file out of a container's reach.
//!
//! A container process can come to run this very file (`#!/proc/self/exe` as entrypoint), and its
//! `/proc/PID/exe` then leads to the file on the host. What it leads to must not be writable
//! through it (CVE-2019-5736).

use crate::mount::{CloneTree, SetAttributes};
use crate::process::StringVector;
use crate::{Errno, Result};
use rustix::fs::{MemfdFlags, SealFlags};
use std::os::fd::{AsFd, OwnedFd};

/// `MOUNT_ATTR_RDONLY`.
const MOUNT_ATTR_RDONLY: u64 = 1;

/// Makes sure that `/proc/self/exe` is not writable by anybody: at once where it lies on a
/// read-only mount or is a sealed memory file, else by executing itself again from a detached
/// read-only mount of its file.
///
/// Returns when protected. `args` and `env` are the program's own.
///
/// Kernel: open_tree(2) and mount_setattr(2), Linux 5.12. Fallback, also without the privilege:
/// a sealed copy in memory.
///
/// # Errors
/// What the last fallback says. A program that goes on without protection must say so.
pub fn protect(args: &StringVector, env: &StringVector) -> Result<()> {
    let own = crate::mount::filesystem_info_at(c"/proc/self/exe")?;
    if own.flags & crate::mount::ST_RDONLY != 0 {
        return Ok(());
    }
    if let Ok(mount) = read_only_clone() {
        return Err(crate::process::fexecve(mount.as_fd(), args, env));
    }
    let exe = crate::file::open_read(rustix::fs::CWD, c"/proc/self/exe")?;
    if rustix::fs::fcntl_get_seals(&exe).is_ok_and(|seals| seals.contains(SealFlags::WRITE)) {
        return Ok(());
    }
    let copy = sealed_copy(exe)?;
    Err(crate::process::fexecve(copy.as_fd(), args, env))
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

fn sealed_copy(mut exe: OwnedFd) -> Result<OwnedFd> {
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
