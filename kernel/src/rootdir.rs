//! A root directory held by descriptor, beneath which foreign paths are resolved.
//!
//! Nothing here ever follows a path outside: `..` and absolute symlinks stay inside the root, and
//! magic links (those of `/proc`) are refused. Who may change the tree meanwhile doesn't matter.

use crate::{Errno, Result};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use std::collections::VecDeque;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Symlinks followed while a missing path is made; the kernel's own limit.
pub const MAX_SYMLINKS: usize = 40;

/// What is made at the end of a path that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A directory, mode 0755.
    Directory,
    /// An empty file, mode 0644.
    File,
}

/// A directory that is `/` to everything resolved beneath it.
#[derive(Clone, Copy, Debug)]
pub struct RootDir<F> {
    fd: F,
}

impl<F: AsFd> AsFd for RootDir<F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<F: AsFd> RootDir<F> {
    /// Takes an open directory as root.
    #[must_use]
    pub fn new(fd: F) -> RootDir<F> {
        RootDir { fd }
    }

    /// Opens `path` as a mere place (`O_PATH`), following symlinks inside the root.
    ///
    /// # Errors
    /// `ELOOP` for a magic link, else what openat2(2) says.
    pub fn open(&self, path: &str) -> Result<OwnedFd> {
        self.open_with(path, OFlags::PATH, ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
    }

    /// Opens `path` as a mere place; a symlink at its end is opened itself.
    ///
    /// # Errors
    /// What openat2(2) says.
    pub fn open_nofollow(&self, path: &str) -> Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        self.open_with(path, OFlags::PATH | OFlags::NOFOLLOW, resolve)
    }

    /// Opens `path` as a mere place, refusing any symlink on the way.
    ///
    /// # Errors
    /// `ELOOP` for a symlink, else what openat2(2) says.
    pub fn open_without_symlinks(&self, path: &str) -> Result<OwnedFd> {
        let resolve =
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
        self.open_with(path, OFlags::PATH, resolve)
    }

    /// Opens the directory `path` as a mere place.
    ///
    /// # Errors
    /// `ENOTDIR` if it is none, else what openat2(2) says.
    pub fn open_dir(&self, path: &str) -> Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        self.open_with(path, OFlags::PATH | OFlags::DIRECTORY, resolve)
    }

    /// Opens the file `path` for reading.
    ///
    /// # Errors
    /// What openat2(2) says.
    pub fn open_read(&self, path: &str) -> Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        self.open_with(path, OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK, resolve)
    }

    fn open_with(&self, path: &str, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd> {
        loop {
            let flags = flags | OFlags::CLOEXEC;
            match rustix::fs::openat2(self.fd.as_fd(), path, flags, Mode::empty(), resolve) {
                // A rename or mount elsewhere on the system raced with `..`: openat2(2).
                Err(Errno::AGAIN) => {}
                other => return other,
            }
        }
    }

    /// Opens `path` as a mere place, making what is missing of it.
    ///
    /// # Errors
    /// `ELOOP` past [`MAX_SYMLINKS`], `ENOTDIR` if a file is in the way, else what openat2(2)
    /// and mkdirat(2) say.
    pub fn open_or_make(&self, path: &str, missing: Missing) -> Result<OwnedFd> {
        match self.open(path) {
            Err(Errno::NOENT) => self.make(path, missing),
            other => other,
        }
    }

    /// Makes the directory `path` if it is a single name that is not there yet.
    ///
    /// # Errors
    /// `EEXIST` if it is there or leads further down, else what mkdirat(2) and openat2(2) say.
    pub fn make_new(&self, path: &str) -> Result<OwnedFd> {
        if path.contains('/') || path == "." {
            return Err(Errno::EXIST);
        }
        rustix::fs::mkdirat(&self.fd, path, Mode::from_raw_mode(0o755))?;
        self.open_without_symlinks(path)
    }

    /// Makes `path`, which is missing: at once where it is a single name, else by walking it
    /// component by component, each opened beneath the one before.
    ///
    /// # Errors
    /// As [`RootDir::open_or_make`].
    pub fn make(&self, path: &str, missing: Missing) -> Result<OwnedFd> {
        if missing == Missing::Directory {
            match self.make_new(path) {
                Err(Errno::EXIST) => {}
                other => return other,
            }
        }
        let mut queue: VecDeque<Vec<u8>> = components(path.as_bytes());
        let mut above: Vec<OwnedFd> = Vec::new();
        let mut links = 0;
        while let Some(name) = queue.pop_front() {
            if name == b".." {
                above.pop();
                continue;
            }
            let at = above.last().map_or_else(|| self.fd.as_fd(), AsFd::as_fd);
            let last = queue.is_empty();
            match open_or_make_component(
                at,
                &name,
                if last { missing } else { Missing::Directory },
            )? {
                Component::Place(place) => above.push(place),
                Component::Symlink(target) => {
                    links += 1;
                    if links > MAX_SYMLINKS {
                        return Err(Errno::LOOP);
                    }
                    if target.first() == Some(&b'/') {
                        above.clear();
                    }
                    for part in components(&target).into_iter().rev() {
                        queue.push_front(part);
                    }
                }
            }
        }
        match above.pop() {
            Some(place) => Ok(place),
            None => self.open("."),
        }
    }
}

fn components(path: &[u8]) -> VecDeque<Vec<u8>> {
    path.split(|&b| b == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .map(<[u8]>::to_vec)
        .collect()
}

enum Component {
    Place(OwnedFd),
    Symlink(Vec<u8>),
}

fn open_or_make_component(at: BorrowedFd<'_>, name: &[u8], missing: Missing) -> Result<Component> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Bounded: each turn needs somebody to remove what was just seen or made.
    for _ in 0..128 {
        match rustix::fs::openat(at, name, flags, Mode::empty()) {
            Ok(place) => {
                let format = crate::file::kind(&place)?.format;
                if format != libc::S_IFLNK {
                    return Ok(Component::Place(place));
                }
                let target = rustix::fs::readlinkat(&place, c"", Vec::new())?;
                return Ok(Component::Symlink(target.into_bytes()));
            }
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        let made = match missing {
            Missing::Directory => rustix::fs::mkdirat(at, name, Mode::from_raw_mode(0o755)),
            Missing::File => rustix::fs::openat(
                at,
                name,
                OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC,
                Mode::from_raw_mode(0o644),
            )
            .map(drop),
        };
        match made {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::AGAIN)
}

/// Makes a device node or fifo `name` in `dir`; `format` is its `S_IFMT` bits.
///
/// # Errors
/// `EEXIST` if the name is taken, `EPERM` without CAP_MKNOD, else what mknodat(2) says.
pub fn make_node(dir: impl AsFd, name: &str, format: u32, mode: u32, device: u64) -> Result<()> {
    let kind = rustix::fs::FileType::from_raw_mode(format);
    rustix::fs::mknodat(dir, name, kind, Mode::from_raw_mode(mode), device)
}

/// Makes the symlink `name` in `dir`.
///
/// # Errors
/// `EEXIST` if the name is taken, else what symlinkat(2) says.
pub fn make_symlink(dir: impl AsFd, name: &str, target: &CStr) -> Result<()> {
    rustix::fs::symlinkat(target, dir, name)
}

/// Gives the file behind `file` an owner.
///
/// # Errors
/// What fchownat(2) says.
pub fn set_owner(file: impl AsFd, uid: u32, gid: u32) -> Result<()> {
    use rustix::process::{Gid, Uid};
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    rustix::fs::chownat(file, c"", uid, gid, AtFlags::EMPTY_PATH)
}

/// Gives the file behind `file` to user `uid`; its group stays.
///
/// # Errors
/// What fchownat(2) says.
pub fn set_owner_of_user(file: impl AsFd, uid: u32) -> Result<()> {
    let uid = Some(rustix::process::Uid::from_raw(uid));
    rustix::fs::chownat(file, c"", uid, None, AtFlags::EMPTY_PATH)
}

/// Opens `name`, a single component, in `dir` without following a symlink.
///
/// # Errors
/// What openat(2) says.
pub fn open_component(dir: impl AsFd, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

/// Opens `path` for writing beneath `dir`, through no symlink but those of procfs's own `self`
/// and never onto another file system.
///
/// # Errors
/// `EXDEV` if the path leads off the file system, else what openat2(2) says.
pub fn open_write_same_filesystem(dir: impl AsFd, path: &str) -> Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(dir, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn root() -> (tempfile::TempDir, RootDir<OwnedFd>) {
        let dir = tempfile::tempdir().unwrap();
        let fd = crate::file::open_dir(crate::file::CWD, dir.path()).unwrap();
        (dir, RootDir::new(fd))
    }

    #[test]
    fn makes_missing_directories_and_files() {
        let (dir, root) = root();
        root.open_or_make("a/b/c", Missing::File).unwrap();
        root.open_or_make("a/d", Missing::Directory).unwrap();
        assert!(dir.path().join("a/b/c").is_file());
        assert!(dir.path().join("a/d").is_dir());
    }

    #[test]
    fn dangling_links_are_made_inside_the_root() {
        let (dir, root) = root();
        symlink("/run", dir.path().join("var-run")).unwrap();
        symlink("../../../../etc/x", dir.path().join("up")).unwrap();
        root.open_or_make("var-run/secrets", Missing::Directory).unwrap();
        root.open_or_make("up", Missing::File).unwrap();
        assert!(dir.path().join("run/secrets").is_dir());
        assert!(dir.path().join("etc/x").is_file());
    }

    #[test]
    fn link_loops_and_magic_links_end_in_eloop() {
        let (dir, root) = root();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a/x", dir.path().join("b")).unwrap();
        assert_eq!(root.open_or_make("a/y", Missing::File).err(), Some(Errno::LOOP));
        let proc = RootDir::new(crate::file::open_dir(crate::file::CWD, "/proc").unwrap());
        assert_eq!(proc.open("self/root/etc").err(), Some(Errno::LOOP));
    }
}
