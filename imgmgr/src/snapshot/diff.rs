//! The changes of a writable snapshot as a layer: overlayfs' upper directory back to a tar with
//! whiteouts (image-spec layer.md#representing-changes).
//!
//! Entries are sorted by path, so the same changes give the same bytes; with a limit on times
//! (`SOURCE_DATE_EPOCH`) so do the same changes made at another time.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, statat};

use super::manifest::{Manifest, join};
use super::tree_tar::TreeTar;
use crate::layer::limits::MAX_DEPTH;
use crate::xattrs;

const DIR: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
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

/// Writes the changes in the overlayfs upper directory `upper` as an uncompressed layer.
///
/// # Errors
/// Those of reading the directory and of `output`.
pub fn diff<W: Write>(
    upper: BorrowedFd<'_>,
    output: W,
    options: DiffOptions,
) -> io::Result<(W, DiffSummary)> {
    Diff::new(None, output, options).run(upper)
}

/// Writes what changed in the flat tree `root` since `base` was taken of it as an uncompressed
/// layer.
///
/// # Errors
/// Those of reading the tree and of `output`.
pub fn diff_flat<W: Write>(
    root: BorrowedFd<'_>,
    base: &Manifest,
    output: W,
    options: DiffOptions,
) -> io::Result<(W, DiffSummary)> {
    Diff::new(Some(base), output, options).run(root)
}

struct Diff<'b, W: Write> {
    /// What a flat tree was; `None` where everything in the directory is a change.
    base: Option<&'b Manifest>,
    out: TreeTar<W>,
}

impl<'b, W: Write> Diff<'b, W> {
    fn new(base: Option<&'b Manifest>, output: W, options: DiffOptions) -> Self {
        Self { base, out: TreeTar::new(output, options) }
    }

    fn run(mut self, root: BorrowedFd<'_>) -> io::Result<(W, DiffSummary)> {
        let root = openat(root, ".", OFlags::RDONLY | DIR, Mode::empty())?;
        self.directory(root, Vec::new(), 0)?;
        self.out.finish()
    }

    fn is_unchanged(&self, path: &[u8], stat: &Stat) -> bool {
        self.base.is_some_and(|base| base.is_unchanged(path, stat))
    }

    fn directory(&mut self, dir: OwnedFd, path: Vec<u8>, depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(io::Error::other("directories are nested deeper than MAX_DEPTH"));
        }
        let xattrs = xattrs::of_file(&dir)?;
        let opaque = xattrs.iter().any(|(name, _)| OPAQUE.contains(&name.as_slice()));
        let stat = rustix::fs::fstat(&dir)?;
        if !path.is_empty() && !self.is_unchanged(&path, &stat) {
            self.out.directory(&path, &stat, xattrs)?;
        }
        if opaque {
            self.out.whiteout(&join(&path, b".wh..wh..opq"))?;
        }
        let mut names = Vec::new();
        for entry in Dir::read_from(&dir)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(name);
            }
        }
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
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let fd = openat(dir, name, OFlags::RDONLY | DIR, Mode::empty())?;
                self.directory(fd, path, depth + 1)
            }
            _ if self.is_unchanged(&path, &stat) => Ok(()),
            FileType::CharacterDevice if stat.st_rdev == 0 => {
                self.out.whiteout(&join(parent, &[b".wh.", name].concat()))
            }
            _ => self.out.child(dir, name, &path, &stat),
        }
    }
}
