//! Whether two trees are the same, to the last attribute; only change and access times may differ.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};

use crate::layer::limits::MAX_DEPTH;
use crate::xattrs;

const DIR: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Bytes of two files that are compared at a time.
const BUFFER_BYTES: usize = 128 << 10;

/// Returns the first difference between the trees as `<path>: <what>`, `None` if there is none.
///
/// # Errors
/// Those of reading either tree: a bad sector shows up so.
pub(super) fn difference(
    stored: BorrowedFd<'_>,
    fresh: BorrowedFd<'_>,
) -> io::Result<Option<String>> {
    let (mut first, mut second) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    let mut comparison =
        Comparison { path: Vec::new(), links: HashMap::new(), buffers: (&mut first, &mut second) };
    let found = comparison.directory(open_dir(stored, b".")?, open_dir(fresh, b".")?, 0)?;
    Ok(found.map(|what| {
        let path = String::from_utf8_lossy(&comparison.path).into_owned();
        format!("{}: {what}", if path.is_empty() { "/" } else { &path })
    }))
}

/// What differs, `None` if nothing does; the path stays at it.
type Found = io::Result<Option<&'static str>>;

struct Comparison<'b> {
    path: Vec<u8>,
    /// The inode in the fresh tree of each file with several names in the stored one.
    links: HashMap<u64, u64>,
    buffers: (&'b mut [u8], &'b mut [u8]),
}

impl Comparison<'_> {
    fn directory(&mut self, stored: OwnedFd, fresh: OwnedFd, depth: usize) -> Found {
        if depth > MAX_DEPTH {
            return Err(io::Error::other("directories are nested deeper than MAX_DEPTH"));
        }
        let stats = (rustix::fs::fstat(&stored)?, rustix::fs::fstat(&fresh)?);
        if let Some(what) = metadata(&stats.0, &stats.1) {
            return Ok(Some(what));
        }
        if sorted(xattrs::of_file(&stored)?) != sorted(xattrs::of_file(&fresh)?) {
            return Ok(Some("extended attributes differ"));
        }
        let (here, there) = (names(&stored)?, names(&fresh)?);
        let len = self.path.len();
        for name in &here {
            self.enter(name);
            if there.binary_search(name).is_err() {
                return Ok(Some("does not belong there"));
            }
            if let Some(what) = self.child(stored.as_fd(), fresh.as_fd(), name, depth)? {
                return Ok(Some(what));
            }
            self.path.truncate(len);
        }
        match there.into_iter().find(|name| here.binary_search(name).is_err()) {
            Some(name) => {
                self.enter(&name);
                Ok(Some("is missing"))
            }
            None => Ok(None),
        }
    }

    fn enter(&mut self, name: &[u8]) {
        self.path.push(b'/');
        self.path.extend_from_slice(name);
    }

    fn child(
        &mut self,
        stored: BorrowedFd<'_>,
        fresh: BorrowedFd<'_>,
        name: &[u8],
        depth: usize,
    ) -> Found {
        let stats = (
            statat(stored, name, AtFlags::SYMLINK_NOFOLLOW)?,
            statat(fresh, name, AtFlags::SYMLINK_NOFOLLOW)?,
        );
        let kind = FileType::from_raw_mode(stats.0.st_mode);
        if kind != FileType::from_raw_mode(stats.1.st_mode) {
            return Ok(Some("is of another type"));
        }
        if kind == FileType::Directory {
            return self.directory(open_dir(stored, name)?, open_dir(fresh, name)?, depth + 1);
        }
        if let Some(what) = metadata(&stats.0, &stats.1) {
            return Ok(Some(what));
        }
        if stats.0.st_nlink != stats.1.st_nlink {
            return Ok(Some("has another number of names"));
        }
        if stats.0.st_nlink > 1 {
            match self.links.insert(stats.0.st_ino, stats.1.st_ino) {
                Some(inode) if inode != stats.1.st_ino => {
                    return Ok(Some("is a link to another file"));
                }
                // Compared under its first name.
                Some(_) => return Ok(None),
                None => {}
            }
        }
        match kind {
            FileType::RegularFile => self.files(open(stored, name)?, open(fresh, name)?),
            _ if sorted(xattrs::of_child(stored, name)?)
                != sorted(xattrs::of_child(fresh, name)?) =>
            {
                Ok(Some("extended attributes differ"))
            }
            FileType::Symlink
                if readlinkat(stored, name, Vec::new())?
                    != readlinkat(fresh, name, Vec::new())? =>
            {
                Ok(Some("links elsewhere"))
            }
            _ => Ok(None),
        }
    }

    fn files(&mut self, mut stored: File, mut fresh: File) -> Found {
        if sorted(xattrs::of_file(&stored)?) != sorted(xattrs::of_file(&fresh)?) {
            return Ok(Some("extended attributes differ"));
        }
        loop {
            let count = fill(&mut stored, self.buffers.0)?;
            let expected = fill(&mut fresh, self.buffers.1)?;
            if self.buffers.0[..count] != self.buffers.1[..expected] {
                return Ok(Some("content differs"));
            }
            if count == 0 {
                return Ok(None);
            }
        }
    }
}

/// What of owner, mode, time, size and device differs.
fn metadata(stored: &Stat, fresh: &Stat) -> Option<&'static str> {
    let is_dir = FileType::from_raw_mode(fresh.st_mode) == FileType::Directory;
    let time = |stat: &Stat| (stat.st_mtime, i128::from(stat.st_mtime_nsec));
    if stored.st_mode != fresh.st_mode {
        return Some("mode differs");
    }
    if (stored.st_uid, stored.st_gid) != (fresh.st_uid, fresh.st_gid) {
        return Some("owner differs");
    }
    if !is_dir && (stored.st_size, stored.st_rdev) != (fresh.st_size, fresh.st_rdev) {
        return Some("size or device differs");
    }
    // A whiteout means the same whenever it was made.
    let is_whiteout =
        FileType::from_raw_mode(fresh.st_mode) == FileType::CharacterDevice && fresh.st_rdev == 0;
    (!is_whiteout && time(stored) != time(fresh)).then_some("modification time differs")
}

fn sorted(mut xattrs: xattrs::Xattrs) -> xattrs::Xattrs {
    xattrs.sort_unstable();
    xattrs
}

fn open_dir(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    Ok(openat(dir, name, OFlags::RDONLY | DIR, Mode::empty())?)
}

fn open(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(dir, name, flags, Mode::empty())?.into())
}

fn names(dir: &OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
