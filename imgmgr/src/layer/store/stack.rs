//! The merged view of stacked layers, read without a mount: overlayfs' rules for whiteouts,
//! opaque directories and what hides what.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fgetxattr, openat, readlinkat, statat};
use rustix::io::Errno;

use super::super::extract::{Below, BelowKind};

pub(super) const DIR: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Layers, the topmost first.
#[derive(Debug)]
pub struct Stack {
    roots: Vec<OwnedFd>,
}

/// One directory in the merged view: where its parts are.
pub(super) struct Merged {
    /// Index of the layer and the directory in it, the topmost first.
    pub(super) parts: Vec<(usize, OwnedFd)>,
}

/// What an opaque directory means where a path ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtEnd {
    StopAtOpaque,
    PassOpaque,
}

/// What a name in a merged directory is.
pub(super) enum Found {
    Absent,
    Directory(Merged),
    Other { dir: OwnedFd, kind: FileType },
}

impl Stack {
    /// Opens the layers' trees, the topmost first; layers under an opaque root must be left out.
    ///
    /// # Errors
    /// That of the first tree that can't be opened.
    pub fn open(trees: &[PathBuf]) -> std::io::Result<Self> {
        let roots = trees.iter().map(|tree| File::open(tree).map(OwnedFd::from));
        Ok(Self { roots: roots.collect::<Result<_, _>>()? })
    }

    pub(super) fn roots(&self) -> &[OwnedFd] {
        &self.roots
    }

    /// Returns the layers that have a say on the directory at `path` itself, the topmost first,
    /// with the directory in each; empty if there is no directory.
    ///
    /// An opaque directory hides what is in those below it, not what they say of it.
    pub(super) fn directory_parts(&self, path: &[u8]) -> Result<Vec<(usize, OwnedFd)>, Errno> {
        match self.walk(path, AtEnd::PassOpaque)? {
            Found::Directory(merged) => Ok(merged.parts),
            Found::Absent | Found::Other { .. } => Ok(Vec::new()),
        }
    }

    pub(super) fn walk(&self, path: &[u8], at_end: AtEnd) -> Result<Found, Errno> {
        let mut parts = Vec::with_capacity(self.roots.len());
        for (layer, root) in self.roots.iter().enumerate() {
            parts.push((layer, openat(root, ".", OFlags::RDONLY | DIR, Mode::empty())?));
        }
        let mut here = Merged { parts };
        let mut names = path.split(|b| *b == b'/').filter(|name| !name.is_empty()).peekable();
        while let Some(name) = names.next() {
            let last = names.peek().is_none();
            match here.look_up(name, if last { at_end } else { AtEnd::StopAtOpaque })? {
                Found::Directory(next) => here = next,
                other if last => return Ok(other),
                _ => return Ok(Found::Absent),
            }
        }
        Ok(Found::Directory(here))
    }
}

impl Merged {
    fn look_up(self, name: &[u8], at_opaque: AtEnd) -> Result<Found, Errno> {
        let mut parts = Vec::new();
        for (layer, dir) in self.parts {
            match says(&dir, name)? {
                Says::Nothing => continue,
                Says::Directory => {}
                Says::Other(kind) if parts.is_empty() => return Ok(Found::Other { dir, kind }),
                Says::Other(_) | Says::Whiteout => break,
            }
            let fd = openat(&dir, name, OFlags::RDONLY | DIR, Mode::empty())?;
            let opaque = at_opaque == AtEnd::StopAtOpaque && is_opaque(&fd)?;
            parts.push((layer, fd));
            if opaque {
                break;
            }
        }
        Ok(if parts.is_empty() { Found::Absent } else { Found::Directory(Self { parts }) })
    }
}

/// What one layer says of a path.
pub(super) enum Says {
    Nothing,
    Directory,
    /// Nothing below shows.
    Whiteout,
    Other(FileType),
}

/// Asks the layer that has the directory `dir` for `path` in it.
pub(super) fn says(dir: &OwnedFd, path: &[u8]) -> Result<Says, Errno> {
    let stat = match statat(dir, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(Says::Nothing),
        Err(errno) => return Err(errno),
    };
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Says::Directory,
        FileType::CharacterDevice if stat.st_rdev == 0 => Says::Whiteout,
        kind => Says::Other(kind),
    })
}

pub(super) fn is_opaque(dir: &OwnedFd) -> Result<bool, Errno> {
    for name in [c"trusted.overlay.opaque", c"user.overlay.opaque"] {
        match fgetxattr(dir, name, &mut [0u8; 4][..]) {
            Ok(_) => return Ok(true),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(false)
}

impl Below for Stack {
    fn look_up(&self, path: &[u8]) -> Result<BelowKind, Errno> {
        let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
        Ok(match self.walk(path, AtEnd::StopAtOpaque)? {
            Found::Absent => BelowKind::Absent,
            Found::Directory(merged) => match merged.parts.into_iter().next() {
                Some((_, fd)) => BelowKind::Directory(fd),
                None => BelowKind::Absent,
            },
            Found::Other { dir, kind: FileType::Symlink } => {
                BelowKind::Symlink(readlinkat(&dir, name, Vec::new())?.into_bytes())
            }
            Found::Other { dir, kind: FileType::RegularFile } => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = openat(&dir, name, flags, Mode::empty())?;
                let stat = rustix::fs::fstat(fd.as_fd())?;
                BelowKind::File(fd, Box::new(stat))
            }
            Found::Other { .. } => BelowKind::Other,
        })
    }
}
