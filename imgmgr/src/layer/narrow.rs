//! What its owner may not read: opened all the same, and left as it was.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, Stat, chmod, fstat, openat};
use rustix::io::Errno;

const DIR: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Permissions to work in a directory, to look into one, and to read a file.
const WORK: u32 = 0o700;
const LOOK: u32 = 0o500;
const READ: u32 = 0o400;

/// A file that can be read, or a directory that can be read and searched, until this is dropped.
#[derive(Debug)]
pub(crate) struct Opened {
    /// What is set to which mode in the end.
    narrow: Option<(OwnedFd, Mode)>,
}

impl Opened {
    /// Opens the directory `name` in `dir` for reading; its owner need not be allowed to.
    pub(crate) fn directory(dir: BorrowedFd<'_>, name: &[u8]) -> Result<(OwnedFd, Self), Errno> {
        Self::at(dir, name, DIR, WORK, |_| Ok(()))
    }

    /// Opens a directory to look into it alone, and tells the mode that it has before it gets another.
    pub(crate) fn directory_after(
        dir: BorrowedFd<'_>,
        name: &[u8],
        note: impl FnOnce(Mode) -> io::Result<()>,
    ) -> io::Result<(OwnedFd, Self)> {
        Self::at(dir, name, DIR, LOOK, note)
    }

    /// As [`Opened::directory_after`], for a regular file.
    pub(crate) fn file_after(
        dir: BorrowedFd<'_>,
        name: &[u8],
        note: impl FnOnce(Mode) -> io::Result<()>,
    ) -> io::Result<(OwnedFd, Self)> {
        Self::at(dir, name, OFlags::NOFOLLOW | OFlags::CLOEXEC, READ, note)
    }

    fn at<E: From<Errno>>(
        dir: BorrowedFd<'_>,
        name: &[u8],
        flags: OFlags,
        needed: u32,
        note: impl FnOnce(Mode) -> Result<(), E>,
    ) -> Result<(OwnedFd, Self), E> {
        let fd = openat(dir, name, OFlags::PATH | flags, Mode::empty())?;
        let stat = fstat(&fd)?;
        let mut opened = Self { narrow: None };
        if let Some(mode) = narrower(&stat, needed) {
            note(mode)?;
            set_mode(fd.as_fd(), mode | Mode::from_raw_mode(needed))?;
            opened.narrow = Some((fd, mode));
        }
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
    let narrow = narrower(stat, WORK);
    if let Some(mode) = narrow {
        set_mode(dir, mode | Mode::from_raw_mode(WORK))?;
    }
    Ok(narrow)
}

/// The permissions that are needed to look into a file.
pub(crate) fn needed(kind: FileType) -> u32 {
    if kind.is_dir() { LOOK } else { READ }
}

/// The mode of what is ours and lacks a permission that is needed.
fn narrower(stat: &Stat, needed: u32) -> Option<Mode> {
    let user = rustix::process::geteuid();
    let is_open = user.is_root() || user.as_raw() != stat.st_uid || stat.st_mode & needed == needed;
    (!is_open).then(|| Mode::from_raw_mode(stat.st_mode & 0o7777))
}

/// Sets the mode of an open file, by the magic link: chmod(2) refuses `O_PATH`.
pub(crate) fn set_mode(dir: BorrowedFd<'_>, mode: Mode) -> Result<(), Errno> {
    chmod(format!("/proc/self/fd/{}", dir.as_raw_fd()), mode)
}
