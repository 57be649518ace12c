//! Copying a directory tree by descriptor.

use crate::{Errno, Result};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Timespec, Timestamps};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What a copy may come to before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files, directories and links.
    pub entries: usize,
    /// Directories within directories.
    pub depth: usize,
}

/// Copies what the directory `from` holds into the directory `to`: files, directories, symlinks,
/// nodes, with owner, mode and modification time. Mounts below `from` are not entered.
///
/// # Errors
/// `E2BIG` past a limit, else what the copying calls say.
pub fn copy_contents(from: BorrowedFd<'_>, to: BorrowedFd<'_>, limits: Limits) -> Result<()> {
    let mut left = limits.entries;
    copy_level(from, to, limits.depth, &mut left)
}

fn copy_level(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    depth: usize,
    left: &mut usize,
) -> Result<()> {
    if depth == 0 {
        return Err(Errno::TOOBIG);
    }
    let from = crate::file::open_dir(from, c".")?;
    for entry in Dir::read_from(&from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        *left = left.checked_sub(1).ok_or(Errno::TOOBIG)?;
        copy_entry(from.as_fd(), to, name, depth, left)?;
    }
    Ok(())
}

fn copy_entry(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    name: &CStr,
    depth: usize,
    left: &mut usize,
) -> Result<()> {
    let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
    let no_follow = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            rustix::fs::mkdirat(to, name, mode)?;
            let open = |at| {
                let flags = OFlags::DIRECTORY | OFlags::RDONLY | no_follow;
                rustix::fs::openat(at, name, flags, Mode::empty())
            };
            copy_level(open(from)?.as_fd(), open(to)?.as_fd(), depth - 1, left)?;
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(from, name, Vec::new())?;
            rustix::fs::symlinkat(target.as_c_str(), to, name)?;
        }
        FileType::RegularFile => {
            let source = rustix::fs::openat(from, name, OFlags::RDONLY | no_follow, Mode::empty())?;
            let create = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | no_follow;
            let copy = rustix::fs::openat(to, name, create, Mode::RUSR | Mode::WUSR)?;
            copy_bytes(source, &copy)?;
        }
        kind => rustix::fs::mknodat(to, name, kind, mode, stat.st_rdev)?,
    }
    let owner = rustix::process::Uid::from_raw(stat.st_uid);
    let group = rustix::process::Gid::from_raw(stat.st_gid);
    rustix::fs::chownat(to, name, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        rustix::fs::chmodat(to, name, mode, AtFlags::empty())?;
    }
    let times = Timestamps {
        last_access: timespec(stat.st_atime, stat.st_atime_nsec),
        last_modification: timespec(stat.st_mtime, stat.st_mtime_nsec),
    };
    rustix::fs::utimensat(to, name, &times, AtFlags::SYMLINK_NOFOLLOW)
}

fn timespec(seconds: impl TryInto<i64>, nanoseconds: impl TryInto<i64>) -> Timespec {
    Timespec {
        tv_sec: seconds.try_into().unwrap_or_default(),
        tv_nsec: nanoseconds.try_into().unwrap_or_default(),
    }
}

fn copy_bytes(mut source: OwnedFd, copy: &OwnedFd) -> Result<()> {
    loop {
        match rustix::fs::sendfile(copy, &mut source, None, 1 << 20) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}
