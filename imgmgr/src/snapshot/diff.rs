//! The changes of a writable snapshot as a layer: overlayfs' upper directory back to a tar with
//! whiteouts (image-spec layer.md#representing-changes).
//!
//! Entries are sorted by path, so the same changes give the same bytes; with a limit on times
//! (`SOURCE_DATE_EPOCH`) so do the same changes made at another time.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, openat, statat};

use super::facts::DirectoryFacts;
use super::manifest::{Manifest, join, names_of};
use super::open_log::OpenLog;
use super::tree_tar::TreeTar;
use crate::layer::limits::MAX_DEPTH;
use crate::xattrs;

const DIR: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// A name that only whiteouts may have (image-spec layer.md#whiteouts).
const RESERVED: &[u8] = b".wh.";
const OPAQUE: [&[u8]; 2] = [b"trusted.overlay.opaque", b"user.overlay.opaque"];

/// How changes become a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiffOptions {
    /// Times after this one become it: `SOURCE_DATE_EPOCH`, seconds since 1970.
    pub latest: Option<i64>,
}

/// What a diff wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiffSummary {
    /// Entries, whiteouts among them.
    pub entries: u64,
    /// Whiteouts and opaque marks.
    pub whiteouts: u64,
    /// Bytes of file data.
    pub bytes: u64,
}

/// What no layer can hold; within an [`io::Error`].
#[derive(Debug, thiserror::Error)]
pub enum DiffRefused {
    /// The name means that something is deleted.
    #[error(
        "`{path}` can't be in a layer: names with `.wh.` first mean deletions; rename or remove it"
    )]
    ReservedName {
        /// Beneath the root.
        path: String,
    },
    /// The device means that something is deleted.
    #[error("`{path}` can't be in a layer: a character device 0:0 means a deletion; remove it")]
    WhiteoutDevice {
        /// Beneath the root.
        path: String,
    },
    /// The bundle's files have owners that its layers can't.
    #[error(
        "the owner of `{path}`, {uid}:{gid}, is not in the bundle's id map; change it to one that is"
    )]
    Unmapped {
        /// Beneath the root; `/` is the root itself.
        path: String,
        /// User id on the host.
        uid: u32,
        /// Group id on the host.
        gid: u32,
    },
}

/// Writes the changes in the overlayfs upper directory `upper` as an uncompressed layer. The root
/// is among them if it isn't as `base_root`, that of the layers below.
///
/// # Errors
/// Those of reading the directory and of `output`; [`DiffRefused`].
pub fn diff<W: Write>(
    upper: BorrowedFd<'_>,
    base_root: BorrowedFd<'_>,
    output: W,
    options: DiffOptions,
) -> io::Result<(W, DiffSummary)> {
    let root = DirectoryFacts::of(base_root)?;
    let out = TreeTar::new(output, options);
    let (reopened, log) = (Vec::new(), Rc::default());
    let diff = Diff { base: None, root: Some(&root), out, reopened, log };
    diff.run(upper).0
}

/// Writes what changed in the flat tree `root` since `base` was taken of it as an uncompressed
/// layer. `log` is told what is opened by force before that is done, and `base` learns the new stamps of it,
/// also when this fails.
///
/// # Errors
/// Those of reading the tree and of `output`; [`DiffRefused`].
pub fn diff_flat<W: Write>(
    root: BorrowedFd<'_>,
    base: &mut Manifest,
    output: W,
    options: DiffOptions,
    log: OpenLog,
) -> io::Result<(W, DiffSummary)> {
    let log = Rc::new(log);
    let out = TreeTar::new(output, options).of_bundle(base.ids(), Rc::clone(&log));
    let diff = Diff { base: Some(base), root: base.root(), out, reopened: Vec::new(), log };
    let (written, reopened) = diff.run(root);
    for (path, stat) in reopened {
        base.stamp(path, &stat);
    }
    written
}

/// Directories, and how they are after they were opened by force.
type Reopened = Vec<(Vec<u8>, Stat)>;

struct Diff<'b, W: Write> {
    /// What a flat tree was; `None` where everything in the directory is a change.
    base: Option<&'b Manifest>,
    /// What the root was; `None` where nobody knows.
    root: Option<&'b DirectoryFacts>,
    out: TreeTar<W>,
    reopened: Reopened,
    log: Rc<OpenLog>,
}

impl<W: Write> Diff<'_, W> {
    fn run(mut self, root: BorrowedFd<'_>) -> (io::Result<(W, DiffSummary)>, Reopened) {
        let walked = self.walk(root);
        (walked.and_then(|()| self.out.finish()), self.reopened)
    }

    fn walk(&mut self, root: BorrowedFd<'_>) -> io::Result<()> {
        let root = openat(root, ".", OFlags::RDONLY | DIR, Mode::empty())?;
        let stat = rustix::fs::fstat(&root)?;
        self.directory(root, &stat, Vec::new(), 0)
    }

    fn is_unchanged_directory(&self, dir: &OwnedFd, path: &[u8], stat: &Stat) -> io::Result<bool> {
        if !path.is_empty() {
            return Ok(self.is_unchanged(path, stat));
        }
        // Its time changes with every name in it, and is no change of its own.
        self.root.map_or(Ok(true), |was| Ok(*was == DirectoryFacts::of(dir.as_fd())?))
    }

    fn is_unchanged(&self, path: &[u8], stat: &Stat) -> bool {
        self.base.is_some_and(|base| base.is_unchanged(path, stat))
    }

    fn directory(
        &mut self,
        dir: OwnedFd,
        stat: &Stat,
        path: Vec<u8>,
        depth: usize,
    ) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(io::Error::other("directories are nested deeper than MAX_DEPTH"));
        }
        let xattrs = xattrs::of_file(&dir)?;
        let opaque = xattrs.iter().any(|(name, _)| OPAQUE.contains(&name.as_slice()));
        if !self.is_unchanged_directory(&dir, &path, stat)? {
            self.out.directory(&path, stat, xattrs)?;
        }
        if opaque {
            self.out.whiteout(&join(&path, b".wh..wh..opq"))?;
        }
        let mut names = names_of(&dir)?;
        names.sort_unstable();
        let was = self.base.map_or_else(Vec::new, |base| base.names_in(&path));
        for gone in
            was.into_iter().filter(|was| names.binary_search_by(|n| n.as_slice().cmp(was)).is_err())
        {
            self.out.whiteout(&join(&path, &[b".wh.", gone].concat()))?;
        }
        for name in names {
            self.child(dir.as_fd(), &name, &path, depth)?;
        }
        Ok(())
    }

    fn child(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        parent: &[u8],
        depth: usize,
    ) -> io::Result<()> {
        let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let path = join(parent, name);
        let shown = || String::from_utf8_lossy(&path).into_owned();
        if name.starts_with(RESERVED) {
            return Err(io::Error::other(DiffRefused::ReservedName { path: shown() }));
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let (fd, opened) = self.log.directory(dir, name, &path)?;
                let is_reopened = opened.is_by_force() && self.is_unchanged(&path, &stat);
                let walked = self.directory(fd, &stat, path.clone(), depth + 1);
                drop(opened);
                if is_reopened {
                    let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    self.reopened.push((path, stat));
                }
                walked
            }
            _ if self.is_unchanged(&path, &stat) => Ok(()),
            FileType::CharacterDevice if stat.st_rdev == 0 => {
                if self.base.is_some() {
                    return Err(io::Error::other(DiffRefused::WhiteoutDevice { path: shown() }));
                }
                self.out.whiteout(&join(parent, &[b".wh.", name].concat()))
            }
            _ => self.out.child(dir, name, &path, &stat),
        }
    }
}
