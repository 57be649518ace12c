//! Removal beneath a descriptor, never through a symbolic link.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

use super::path;
use super::tree::{DIR, failed};
use crate::layer::LayerError;
use crate::layer::narrow::Opened;

/// Removes `name` in `dir`, with everything in it.
pub(crate) fn remove(dir: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(e) => return Err(e),
    }
    let (fd, opened) = Opened::directory(dir, name)?;
    opened.keep();
    for child in names(fd.as_fd())? {
        remove(fd.as_fd(), &child)?;
    }
    unlinkat(dir, name, AtFlags::REMOVEDIR)
}

/// Removes from the directory `dir`, which is at `path`, what `is_newer` does not claim.
pub(super) fn remove_older(
    dir: BorrowedFd<'_>,
    path: &[u8],
    is_newer: &dyn Fn(&[u8]) -> bool,
) -> Result<(), LayerError> {
    // The descriptor may be `O_PATH`.
    let dir = openat(dir, ".", OFlags::RDONLY | DIR, Mode::empty())
        .map_err(|e| failed("openat", path, e))?;
    for name in names(dir.as_fd()).map_err(|e| failed("getdents64", path, e))? {
        let mut child = path.to_vec();
        path::push(&mut child, &name);
        if !is_newer(&child) {
            remove(dir.as_fd(), &name).map_err(|e| failed("remove", &child, e))?;
            continue;
        }
        match openat(&dir, name.as_slice(), OFlags::RDONLY | DIR, Mode::empty()) {
            Ok(fd) => remove_older(fd.as_fd(), &child, is_newer)?,
            Err(Errno::NOTDIR | Errno::LOOP) => {}
            Err(e) => return Err(failed("openat", &child, e)),
        }
    }
    Ok(())
}

/// Lists a directory that is open for reading.
pub(super) fn names(dir: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}
