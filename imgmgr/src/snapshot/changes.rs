//! What differs between two root file systems, path by path, read without a mount.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FileType, Mode, OFlags, Stat, openat, readlinkat};

use super::facts::DirectoryFacts;
use super::flat::Tree;
use super::manifest::join;
use super::tree_tar::is_content;
use crate::layer::limits::MAX_DEPTH;
use crate::layer::store::{MergedChild, MergedDir};
use crate::xattrs::{self, Xattrs};

/// Bytes of two files that are compared at a time.
const BUFFER_BYTES: usize = 128 << 10;

/// How a path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Only in the second tree.
    Added,
    /// In both, but not the same.
    Modified,
    /// Only in the first tree.
    Deleted,
}

/// One path that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Without a leading slash, the root is empty; may hold any byte but NUL.
    pub path: Vec<u8>,
    /// How it differs.
    pub kind: ChangeKind,
    /// Bytes of a regular file in the tree that has it last, else 0.
    pub size: u64,
}

/// Returns what differs between `old` and `new`, in the order of a sorted walk. Modification times
/// alone are no difference, and of a directory that came or went all below it is listed too.
///
/// # Errors
/// Those of reading the trees.
pub fn changes(old: &Tree, new: &Tree) -> io::Result<Vec<Change>> {
    let (first, second) = (MergedDir::open(&old.parts)?, MergedDir::open(&new.parts)?);
    let mut comparison = Comparison { changes: Vec::new() };
    let (before, after) = (File::open(&old.root)?, File::open(&new.root)?);
    if DirectoryFacts::of(before.as_fd())? != DirectoryFacts::of(after.as_fd())? {
        comparison.note(Vec::new(), ChangeKind::Modified, &rustix::fs::fstat(&after)?);
    }
    comparison.directories(&first, &second, b"", 0)?;
    Ok(comparison.changes)
}

struct Comparison {
    changes: Vec<Change>,
}

impl Comparison {
    fn directories(
        &mut self,
        old: &MergedDir,
        new: &MergedDir,
        path: &[u8],
        depth: usize,
    ) -> io::Result<()> {
        check_depth(depth)?;
        // Layers that both images have need no look.
        if old.is_same(new)? {
            return Ok(());
        }
        let mut before = old.children()?;
        let mut after = new.children()?;
        let names: BTreeMap<Vec<u8>, ()> =
            before.keys().chain(after.keys()).map(|name| (name.clone(), ())).collect();
        for name in names.into_keys() {
            let path = join(path, &name);
            match (before.remove(&name), after.remove(&name)) {
                (None, Some(child)) => self.all(child, path, ChangeKind::Added, depth)?,
                (Some(child), None) => self.all(child, path, ChangeKind::Deleted, depth)?,
                (Some(first), Some(second)) => {
                    self.both((old, first), (new, second), &name, path, depth)?;
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn both(
        &mut self,
        old: (&MergedDir, MergedChild),
        new: (&MergedDir, MergedChild),
        name: &[u8],
        path: Vec<u8>,
        depth: usize,
    ) -> io::Result<()> {
        match (old, new) {
            (
                (_, MergedChild::Directory(first, before)),
                (_, MergedChild::Directory(second, after)),
            ) => {
                let attributes =
                    |dir: &MergedDir| xattrs::of_file(dir.part(0)).map(content_attributes);
                let same = metadata(&before) == metadata(&after)
                    && attributes(&first)? == attributes(&second)?;
                if !same {
                    self.note(path.clone(), ChangeKind::Modified, &after);
                }
                self.directories(&first, &second, &path, depth + 1)
            }
            ((first, MergedChild::Other(i, before)), (second, MergedChild::Other(j, after))) => {
                if !same_file((first.part(i), &before), (second.part(j), &after), name)? {
                    self.note(path, ChangeKind::Modified, &after);
                }
                Ok(())
            }
            // A directory became something else, or the reverse: what was below it went or came.
            ((_, MergedChild::Directory(first, _)), (_, MergedChild::Other(_, after))) => {
                self.note(path.clone(), ChangeKind::Modified, &after);
                self.below(&first, &path, ChangeKind::Deleted, depth + 1)
            }
            ((_, MergedChild::Other(..)), (_, MergedChild::Directory(second, after))) => {
                self.note(path.clone(), ChangeKind::Modified, &after);
                self.below(&second, &path, ChangeKind::Added, depth + 1)
            }
        }
    }

    /// Notes a path that only one tree has, and all below it.
    fn all(
        &mut self,
        child: MergedChild,
        path: Vec<u8>,
        kind: ChangeKind,
        depth: usize,
    ) -> io::Result<()> {
        match child {
            MergedChild::Directory(dir, stat) => {
                self.note(path.clone(), kind, &stat);
                self.below(&dir, &path, kind, depth + 1)
            }
            MergedChild::Other(_, stat) => {
                self.note(path, kind, &stat);
                Ok(())
            }
        }
    }

    fn below(
        &mut self,
        dir: &MergedDir,
        path: &[u8],
        kind: ChangeKind,
        depth: usize,
    ) -> io::Result<()> {
        check_depth(depth)?;
        for (name, child) in dir.children()? {
            self.all(child, join(path, &name), kind, depth)?;
        }
        Ok(())
    }

    fn note(&mut self, path: Vec<u8>, kind: ChangeKind, stat: &Stat) {
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let size = if is_file { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
        self.changes.push(Change { path, kind, size });
    }
}

fn check_depth(depth: usize) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(io::Error::other("directories are nested deeper than MAX_DEPTH"));
    }
    Ok(())
}

fn metadata(stat: &Stat) -> (u32, u32, u32, u64) {
    (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev)
}

fn content_attributes(mut xattrs: Xattrs) -> Xattrs {
    xattrs.retain(|(name, _)| is_content(name));
    xattrs.sort_unstable();
    xattrs
}

fn same_file(
    (old, before): (BorrowedFd<'_>, &Stat),
    (new, after): (BorrowedFd<'_>, &Stat),
    name: &[u8],
) -> io::Result<bool> {
    if (before.st_dev, before.st_ino) == (after.st_dev, after.st_ino) {
        return Ok(true);
    }
    if metadata(before) != metadata(after) || before.st_size != after.st_size {
        return Ok(false);
    }
    match FileType::from_raw_mode(before.st_mode) {
        FileType::RegularFile => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let open = |dir| openat(dir, name, flags, Mode::empty()).map(File::from);
            same_content(open(old)?, open(new)?)
        }
        FileType::Symlink => {
            Ok(readlinkat(old, name, Vec::new())? == readlinkat(new, name, Vec::new())?)
        }
        _ => Ok(true),
    }
}

/// Of two files of the same size.
fn same_content(mut old: File, mut new: File) -> io::Result<bool> {
    let attributes = |file: &File| xattrs::of_file(file).map(content_attributes);
    if attributes(&old)? != attributes(&new)? {
        return Ok(false);
    }
    let (mut first, mut second) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    loop {
        let count = old.read(&mut first)?;
        new.read_exact(&mut second[..count])?;
        if count == 0 || first[..count] != second[..count] {
            return Ok(count == 0);
        }
    }
}
