//! Extended attributes of a file, all at once.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{fgetxattr, flistxattr, lgetxattr, llistxattr};
use rustix::io::Errno;

use crate::layer::limits::MAX_XATTR_VALUE;

/// Bytes of names that the kernel gives out at most: `XATTR_LIST_MAX`.
const LIST_BYTES: usize = 64 << 10;

/// Names and values, in the order of the kernel.
pub(crate) type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// Reads those of an open file.
pub(crate) fn of_file(file: impl AsFd) -> io::Result<Xattrs> {
    let names = list(|list| flistxattr(file.as_fd(), list))?;
    values(names, |name, value| fgetxattr(file.as_fd(), name, value))
}

/// Reads those of `name` in `dir`, without following it if it is a link.
pub(crate) fn of_child(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<Xattrs> {
    // There is no `lgetxattrat` before Linux 6.13.
    let at = format!("/proc/self/fd/{}", dir.as_raw_fd());
    let at = [at.as_bytes(), b"/", name].concat();
    let names = list(|list| llistxattr(at.as_slice(), list))?;
    values(names, |name, value| lgetxattr(at.as_slice(), name, value))
}

fn list(read: impl FnOnce(&mut [u8]) -> Result<usize, Errno>) -> io::Result<Vec<CString>> {
    let mut list = vec![0; LIST_BYTES];
    let len = match read(&mut list) {
        Ok(len) => len,
        Err(Errno::OPNOTSUPP) => 0,
        Err(e) => return Err(e.into()),
    };
    let names = list[..len].split(|b| *b == 0).filter(|name| !name.is_empty());
    Ok(names.filter_map(|name| CString::new(name).ok()).collect())
}

fn values(
    names: Vec<CString>,
    read: impl Fn(&CString, &mut [u8]) -> Result<usize, Errno>,
) -> io::Result<Xattrs> {
    let mut xattrs = Vec::with_capacity(names.len());
    let mut value = if names.is_empty() { Vec::new() } else { vec![0; MAX_XATTR_VALUE] };
    for name in names {
        let len = read(&name, &mut value)?;
        xattrs.push((name.into_bytes(), value[..len].to_vec()));
    }
    Ok(xattrs)
}
