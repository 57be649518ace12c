//! The destination as a tree of descriptors: a cursor that holds the directory of the current
//! entry and its parents open, makes implied directories, and follows a layer's own symbolic
//! links inside the root.
//!
//! No path string reaches the kernel except single components relative to a directory we hold,
//! and whole paths under `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`. A directory swapped for a
//! symbolic link by a racing process is an error, never a way out.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec};
use rustix::fs::{mkdirat, openat, openat2, readlinkat, statat, unlinkat};
use rustix::io::Errno;

use super::below::{Below, BelowKind};
use super::facts::LayerFacts;
use super::metadata::Owner;
use super::{metadata, path};
use crate::layer::limits::MAX_SYMLINKS;
use crate::layer::narrow;
use crate::layer::{LayerError, LayerForm, Ownership, UnpackOptions};

/// Directories kept open; the outermost are closed first.
const MAX_OPEN_LEVELS: usize = 64;

pub(super) const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
pub(super) const DIR: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// One open directory on the way to the current one.
#[derive(Debug)]
struct Level {
    /// Length of the current path up to and including this directory's name.
    end: usize,
    fd: Option<OwnedFd>,
}

/// What is to be set on a directory when everything in it is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct DirectoryEnd {
    pub(super) atime: Timespec,
    pub(super) mtime: Timespec,
    /// Set where the mode had to be wider meanwhile.
    pub(super) mode: Option<Mode>,
}

/// The destination of one layer.
pub(super) struct Tree<'t> {
    root: BorrowedFd<'t>,
    form: LayerForm,
    ownership: &'t Ownership,
    below: Option<&'t dyn Below>,
    /// The current directory's path, without symbolic links.
    current: Vec<u8>,
    levels: Vec<Level>,
    /// The current directory as an entry wrote it, if that led through a symbolic link.
    alias: Option<Vec<u8>>,
    /// Directories of this layer, or touched by it, by path.
    pub(super) ends: HashMap<Vec<u8>, DirectoryEnd>,
    pub(super) facts: LayerFacts,
    /// Directories that hide what is below them.
    opaque: Vec<Vec<u8>>,
}

/// Why the quick way into a directory ended.
enum Stop {
    /// A symbolic link is on the way.
    Symlink,
    Error(LayerError),
}

impl<'t> Tree<'t> {
    pub(super) fn new(
        root: BorrowedFd<'t>,
        options: &'t UnpackOptions,
        below: Option<&'t dyn Below>,
    ) -> Self {
        Self {
            root,
            form: options.form,
            ownership: &options.ownership,
            below,
            current: Vec::new(),
            levels: Vec::new(),
            alias: None,
            ends: HashMap::new(),
            facts: LayerFacts::default(),
            opaque: Vec::new(),
        }
    }

    /// The directory entered last.
    pub(super) fn current_path(&self) -> &[u8] {
        &self.current
    }

    /// The directory entered last, good for `*at` calls.
    pub(super) fn current_dir(&self) -> BorrowedFd<'_> {
        self.levels.last().and_then(|level| level.fd.as_ref()).map_or(self.root, AsFd::as_fd)
    }

    /// The destination itself.
    pub(super) fn root(&self) -> BorrowedFd<'t> {
        self.root
    }

    /// Makes `dir`, which has no symbolic link and exists, the current directory.
    pub(super) fn enter_existing(&mut self, dir: &[u8]) -> Result<(), LayerError> {
        self.enter_plain(dir).map_err(|stop| match stop {
            Stop::Error(error) => error,
            Stop::Symlink => refused(dir, "a directory became a symbolic link"),
        })
    }

    /// The path of `name` in the current directory.
    pub(super) fn path_of(&self, name: &[u8]) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.current.len() + name.len() + 1);
        whole.extend_from_slice(&self.current);
        path::push(&mut whole, name);
        whole
    }

    /// Makes `dir` the current directory; what is missing of it becomes implied directories.
    pub(super) fn enter(&mut self, dir: &[u8]) -> Result<(), LayerError> {
        if self.alias.as_deref() == Some(dir) {
            return Ok(());
        }
        match self.enter_plain(dir) {
            Ok(()) => {
                self.alias = None;
                Ok(())
            }
            Err(Stop::Error(error)) => Err(error),
            Err(Stop::Symlink) => {
                let real = self.resolve(dir)?;
                self.enter_plain(&real).map_err(|stop| match stop {
                    Stop::Error(error) => error,
                    // It was none a moment ago: someone swaps directories for links.
                    Stop::Symlink => refused(dir, "a directory became a symbolic link"),
                })?;
                self.alias = Some(dir.to_vec());
                Ok(())
            }
        }
    }

    /// Makes the just created directory `name`, open as `fd`, the current one.
    pub(super) fn enter_new(&mut self, name: &[u8], fd: OwnedFd) {
        self.alias = None;
        path::push(&mut self.current, name);
        self.push_level(fd);
    }

    /// Forgets a path that a later entry replaced, and everything known beneath it.
    pub(super) fn forget(&mut self, gone: &[u8]) {
        self.alias = None;
        if path::is_beneath(&self.current, gone) {
            self.truncate(path::split(gone).0.len());
        }
        self.ends.retain(|dir, _| !path::is_beneath(dir, gone));
        self.facts.implied.retain(|dir| !path::is_beneath(dir, gone));
        self.opaque.retain(|dir| !path::is_beneath(dir, gone));
    }

    /// Forgets what was removed from `within`: all that `is_newer` does not claim.
    pub(super) fn forget_older(&mut self, within: &[u8], is_newer: impl Fn(&[u8]) -> bool) {
        self.ends.retain(|dir, _| {
            dir == within || !path::is_beneath(dir, within) || is_newer(dir.as_slice())
        });
    }

    /// Notes that `dir` hides what is below it.
    pub(super) fn note_opaque(&mut self, dir: &[u8]) {
        self.facts.opaque_root |= dir.is_empty();
        self.opaque.push(dir.to_vec());
    }

    /// Looks below the layer, unless a directory of it hides `path`.
    pub(super) fn look_below(&self, path: &[u8]) -> Result<BelowKind, LayerError> {
        match self.below {
            Some(below) if !self.opaque.iter().any(|dir| path::is_beneath(path, dir)) => {
                below.look_up(path).map_err(|e| failed("look up below", path, e))
            }
            _ => Ok(BelowKind::Absent),
        }
    }

    /// True if layers below are known while this one is extracted.
    pub(super) fn knows_below(&self) -> bool {
        self.below.is_some()
    }

    /// Opens the parent of an existing path for `linkat(2)`; `None` if it isn't there.
    pub(super) fn open_parent(&self, of: &[u8]) -> Result<Option<(OwnedFd, Vec<u8>)>, LayerError> {
        let (dir, _) = path::split(of);
        match self.open_dir(dir) {
            Ok(fd) => Ok(Some((fd, dir.to_vec()))),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => {
                let real = self.resolve(dir)?;
                match self.open_dir(&real) {
                    Ok(fd) => Ok(Some((fd, real))),
                    Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
                    Err(e) => Err(failed("openat2", dir, e)),
                }
            }
            Err(e) => Err(failed("openat2", dir, e)),
        }
    }

    fn open_dir(&self, dir: &[u8]) -> Result<OwnedFd, Errno> {
        let dir = if dir.is_empty() { b"." } else { dir };
        openat2(self.root, dir, OFlags::PATH | DIR, Mode::empty(), BENEATH)
    }

    fn truncate(&mut self, len: usize) {
        while self.levels.last().is_some_and(|level| level.end > len) {
            self.levels.pop();
        }
        let end = self.levels.last().map_or(0, |level| level.end);
        self.current.truncate(end);
    }

    fn push_level(&mut self, fd: OwnedFd) {
        self.levels.push(Level { end: self.current.len(), fd: Some(fd) });
        if let Some(outer) = self.levels.len().checked_sub(MAX_OPEN_LEVELS + 1) {
            self.levels[outer].fd = None;
        }
    }

    /// The quick way: keeps the common part of the old and the new directory open.
    fn enter_plain(&mut self, dir: &[u8]) -> Result<(), Stop> {
        self.truncate(common_dir(&self.current, dir));
        if self.levels.last().is_some_and(|level| level.fd.is_none()) {
            let fd = self.open_dir(&self.current);
            let fd = fd.map_err(|e| Stop::Error(failed("openat2", &self.current, e)))?;
            if let Some(level) = self.levels.last_mut() {
                level.fd = Some(fd);
            }
        }
        let known = self.current.len();
        let rest = dir[known..].strip_prefix(b"/").unwrap_or(&dir[known..]);
        for name in rest.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
            self.step(name)?;
        }
        Ok(())
    }

    fn step(&mut self, name: &[u8]) -> Result<(), Stop> {
        let fd = match openat(self.current_dir(), name, OFlags::PATH | DIR, Mode::empty()) {
            Ok(fd) => {
                self.note_existing(name, fd.as_fd()).map_err(Stop::Error)?;
                fd
            }
            Err(Errno::NOENT) => self.make_implied(name, false)?,
            Err(Errno::NOTDIR | Errno::LOOP) => {
                let path = self.path_of(name);
                let stat = statat(self.current_dir(), name, AtFlags::SYMLINK_NOFOLLOW);
                let stat = stat.map_err(|e| Stop::Error(failed("fstatat", &path, e)))?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                    return Err(Stop::Symlink);
                }
                if self.form == LayerForm::Flat || !is_whiteout(&stat) {
                    let reason = "a parent of it is no directory";
                    return Err(Stop::Error(refused(&path, reason)));
                }
                unlinkat(self.current_dir(), name, AtFlags::empty())
                    .map_err(|e| Stop::Error(failed("unlinkat", &path, e)))?;
                self.make_implied(name, true)?
            }
            Err(e) => return Err(Stop::Error(failed("openat", &self.path_of(name), e))),
        };
        path::push(&mut self.current, name);
        self.push_level(fd);
        Ok(())
    }

    /// Makes a directory that no entry has described yet.
    fn make_implied(&mut self, name: &[u8], opaque: bool) -> Result<OwnedFd, Stop> {
        let whole = self.path_of(name);
        let model = if opaque {
            None
        } else {
            match self.look_below(&whole).map_err(Stop::Error)? {
                BelowKind::Symlink(_) => return Err(Stop::Symlink),
                BelowKind::Directory(fd) => Some(fd),
                BelowKind::Absent | BelowKind::File(..) | BelowKind::Other => None,
            }
        };
        self.make_directory(name, &whole, model, opaque).map_err(Stop::Error)
    }

    fn make_directory(
        &mut self,
        name: &[u8],
        whole: &[u8],
        model: Option<OwnedFd>,
        opaque: bool,
    ) -> Result<OwnedFd, LayerError> {
        let mode = Mode::from_raw_mode(0o755);
        mkdirat(self.current_dir(), name, mode).map_err(|e| failed("mkdirat", whole, e))?;
        let fd = openat(self.current_dir(), name, OFlags::RDONLY | DIR, Mode::empty())
            .map_err(|e| failed("openat", whole, e))?;
        rustix::fs::fchmod(&fd, mode).map_err(|e| failed("fchmod", whole, e))?;
        if let Some(Owner { uid, gid }) = Owner::of_implied(whole, self.ownership)? {
            rustix::fs::fchown(&fd, Some(uid), Some(gid))
                .map_err(|e| failed("fchown", whole, e))?;
        }
        let mut end = DirectoryEnd { atime: EPOCH, mtime: EPOCH, mode: None };
        if let Some(model) = model {
            let times = metadata::copy_directory(model.as_fd(), fd.as_fd());
            (end.atime, end.mtime) = times.map_err(|e| failed("copy metadata to", whole, e))?;
        } else if !self.knows_below() && !opaque && self.form != LayerForm::Flat {
            self.facts.implied.push(whole.to_vec());
        }
        if opaque {
            metadata::set_opaque(fd.as_fd(), self.form)
                .map_err(|e| failed("fsetxattr", whole, e))?;
            self.note_opaque(whole);
        }
        self.ends.insert(whole.to_vec(), end);
        Ok(fd)
    }

    /// A directory of a layer below keeps its times when something changes in it.
    fn note_existing(&mut self, name: &[u8], fd: BorrowedFd<'_>) -> Result<(), LayerError> {
        if self.form != LayerForm::Flat {
            return Ok(());
        }
        let whole = self.path_of(name);
        self.keep_times(whole, fd)
    }

    /// As found now, unless the layer has said otherwise before.
    pub(super) fn keep_times(
        &mut self,
        dir: Vec<u8>,
        fd: BorrowedFd<'_>,
    ) -> Result<(), LayerError> {
        if self.ends.contains_key(&dir) {
            return Ok(());
        }
        let stat = rustix::fs::fstat(fd).map_err(|e| failed("fstat", &dir, e))?;
        let (atime, mtime) = times(&stat);
        // An earlier layer may have left it so that its owner can't work in it.
        let mode = narrow::widen(fd, &stat).map_err(|e| failed("chmod", &dir, e))?;
        self.ends.insert(dir, DirectoryEnd { atime, mtime, mode });
        Ok(())
    }

    /// Dates the root as every directory that no entry describes, until one does.
    pub(super) fn date_root_at_epoch(&mut self) {
        self.ends.insert(Vec::new(), DirectoryEnd { atime: EPOCH, mtime: EPOCH, mode: None });
    }

    /// Follows the symbolic links of a directory path, each inside the root: the result has none.
    pub(super) fn resolve(&self, dir: &[u8]) -> Result<Vec<u8>, LayerError> {
        let mut pending: Vec<Vec<u8>> = components(dir);
        let mut real = Vec::new();
        let mut followed = 0;
        while let Some(name) = pending.pop() {
            if name == b".." {
                path::pop(&mut real);
                continue;
            }
            match self.read_link(&real, &name)? {
                None => path::push(&mut real, &name),
                Some(target) => {
                    followed += 1;
                    if followed > MAX_SYMLINKS {
                        return Err(refused(dir, "more than MAX_SYMLINKS symbolic links"));
                    }
                    if target.starts_with(b"/") {
                        real.clear();
                    }
                    pending.extend(components(&target));
                }
            }
        }
        Ok(real)
    }

    /// The target of `name` in `dir` if it is a symbolic link here, or below.
    fn read_link(&self, dir: &[u8], name: &[u8]) -> Result<Option<Vec<u8>>, LayerError> {
        let here = match self.open_dir(dir) {
            Ok(fd) => readlinkat(&fd, name, Vec::new()),
            Err(e) => Err(e),
        };
        let mut whole = dir.to_vec();
        path::push(&mut whole, name);
        match here {
            Ok(target) => Ok(Some(target.into_bytes())),
            Err(Errno::INVAL) => Ok(None),
            Err(Errno::NOENT) => Ok(match self.look_below(&whole)? {
                BelowKind::Symlink(target) => Some(target),
                _ => None,
            }),
            Err(e) => Err(failed("readlinkat", &whole, e)),
        }
    }
}

const EPOCH: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// A stack of components: the first is on top.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|b| *b == b'/').rev();
    names.filter(|name| !matches!(*name, b"" | b".")).map(<[u8]>::to_vec).collect()
}

/// Length of the longest directory that both paths are in or are.
fn common_dir(a: &[u8], b: &[u8]) -> usize {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let ends = |path: &[u8]| path.get(same).is_none_or(|b| *b == b'/');
    if ends(a) && ends(b) {
        return same;
    }
    a[..same].iter().rposition(|b| *b == b'/').unwrap_or(0)
}

/// True for overlayfs' whiteout: a character device 0:0.
pub(super) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Access and modification time of a `stat`.
pub(in crate::layer) fn times(stat: &Stat) -> (Timespec, Timespec) {
    let time =
        |tv_sec, nanos| Timespec { tv_sec, tv_nsec: i64::try_from(nanos).unwrap_or_default() };
    (time(stat.st_atime, stat.st_atime_nsec), time(stat.st_mtime, stat.st_mtime_nsec))
}

pub(super) fn failed(call: &'static str, path: &[u8], source: Errno) -> LayerError {
    LayerError::Destination { call, path: path::display(path), source }
}

pub(super) fn refused(path: &[u8], reason: &'static str) -> LayerError {
    LayerError::Refused { path: path::display(path), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_directories_end_at_component_borders() {
        assert_eq!(common_dir(b"a/b/c", b"a/b/d"), 3);
        assert_eq!(common_dir(b"a/bc", b"a/bd"), 1);
        assert_eq!(common_dir(b"a/b", b"a/b/c"), 3);
        assert_eq!(common_dir(b"a/b/c", b"a/b"), 3);
        assert_eq!(common_dir(b"abc", b"abd"), 0);
        assert_eq!(common_dir(b"", b"a"), 0);
    }
}
