//! What its owner may not read: opened all the same, and left as it was.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, Stat, chmod, fstat, openat};
use rustix::io::Errno;

const DIR: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Permissions to work in a directory, and to read a file.
const DIRECTORY: u32 = 0o700;
const FILE: u32 = 0o400;

/// A file that can be read, or a directory that can be read and searched, until this is dropped.
#[derive(Debug)]
pub(crate) struct Opened {
    /// What is set to which mode in the end.
    narrow: Option<(OwnedFd, Mode)>,
}

impl Opened {
    /// Opens the directory `name` in `dir` for reading; its owner need not be allowed to.
    pub(crate) fn directory(dir: BorrowedFd<'_>, name: &[u8]) -> Result<(OwnedFd, Self), Errno> {
        Self::at(dir, name, DIR, DIRECTORY)
    }

    /// As [`Opened::directory`], for a regular file.
    pub(crate) fn file(dir: BorrowedFd<'_>, name: &[u8]) -> Result<(OwnedFd, Self), Errno> {
        Self::at(dir, name, OFlags::NOFOLLOW | OFlags::CLOEXEC, FILE)
    }

    fn at(
        dir: BorrowedFd<'_>,
        name: &[u8],
        flags: OFlags,
        needed: u32,
    ) -> Result<(OwnedFd, Self), Errno> {
        let fd = openat(dir, name, OFlags::PATH | flags, Mode::empty())?;
        let narrow = widen_by(fd.as_fd(), &fstat(&fd)?, needed)?;
        let opened = Self { narrow: narrow.map(|mode| (fd, mode)) };
        Ok((openat(dir, name, OFlags::RDONLY | flags, Mode::empty())?, opened))
    }

    /// Whether its owner may not open it.
    pub(crate) fn is_by_force(&self) -> bool {
        self.narrow.is_some()
    }

    /// Leaves it open for its owner.
    pub(crate) fn keep(mut self) {
        self.narrow = None;
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some((fd, mode)) = &self.narrow {
            // It is ours, and we could a moment ago.
            let _ = set_mode(fd.as_fd(), *mode);
        }
    }
}

/// Lets the owner, if that is us, work in an open directory with the metadata `stat`; returns the
/// mode that it had if that was narrower. Root needs no permission.
pub(crate) fn widen(dir: BorrowedFd<'_>, stat: &Stat) -> Result<Option<Mode>, Errno> {
    widen_by(dir, stat, DIRECTORY)
}

fn widen_by(fd: BorrowedFd<'_>, stat: &Stat, needed: u32) -> Result<Option<Mode>, Errno> {
    let user = rustix::process::geteuid();
    if user.is_root() || user.as_raw() != stat.st_uid || stat.st_mode & needed == needed {
        return Ok(None);
    }
    let mode = stat.st_mode & 0o7777;
    set_mode(fd, Mode::from_raw_mode(mode | needed))?;
    Ok(Some(Mode::from_raw_mode(mode)))
}

/// Sets the mode of an open file, by the magic link: chmod(2) refuses `O_PATH`.
pub(crate) fn set_mode(dir: BorrowedFd<'_>, mode: Mode) -> Result<(), Errno> {
    chmod(format!("/proc/self/fd/{}", dir.as_raw_fd()), mode)
}
