//! A root file system as one tar, read from its layers without a mount.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::manifest::join;
use super::tree_tar::TreeTar;
use super::{DiffOptions, DiffSummary, Snapshot};
use crate::layer::limits::MAX_DEPTH;
use crate::layer::store::{Chain, MergedChild, MergedDir};
use crate::xattrs;

/// The directories that make up a root file system, an image's or a snapshot's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The topmost first.
    pub(super) parts: Vec<PathBuf>,
    /// Has the metadata of the root.
    pub(super) root: PathBuf,
}

impl Tree {
    /// What `chain` stacks.
    #[must_use]
    pub fn of_chain(chain: &Chain) -> Self {
        Self { parts: chain.lowers.clone(), root: chain.root.clone() }
    }

    /// What `snapshot` shows where it is mounted.
    #[must_use]
    pub fn of_snapshot(snapshot: &Snapshot) -> Self {
        let lowers = snapshot.record().lowers.clone();
        let parts: Vec<PathBuf> = snapshot.upper().into_iter().chain(lowers).collect();
        Self { root: parts.first().cloned().unwrap_or_else(|| Path::new("/").to_owned()), parts }
    }
}

/// Writes everything in `tree`, sorted by path; the same tree gives the same bytes.
///
/// # Errors
/// Those of reading the tree and of `output`.
pub fn write_tar<W: Write>(
    tree: &Tree,
    output: W,
    options: DiffOptions,
) -> io::Result<(W, DiffSummary)> {
    let (top, root) = (MergedDir::open(&tree.parts)?, File::open(&tree.root)?);
    let mut out = TreeTar::new(output, options);
    out.directory(b"", &rustix::fs::fstat(&root)?, xattrs::of_file(&root)?)?;
    write_directory(&mut out, &top, b"", 0)?;
    out.finish()
}

fn write_directory<W: Write>(
    out: &mut TreeTar<W>,
    dir: &MergedDir,
    path: &[u8],
    depth: usize,
) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(io::Error::other("directories are nested deeper than MAX_DEPTH"));
    }
    for (name, child) in dir.children()? {
        let path = join(path, &name);
        match child {
            MergedChild::Directory(child, stat) => {
                out.directory(&path, &stat, xattrs::of_file(child.part(0))?)?;
                write_directory(out, &child, &path, depth + 1)?;
            }
            MergedChild::Other(index, stat) => out.child(dir.part(index), &name, &path, &stat)?,
        }
    }
    Ok(())
}
