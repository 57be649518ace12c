//! Walking the merged view of stacked trees without a mount: what overlayfs would show.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, statat};

use super::stack::is_opaque;

const DIR: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A directory of the merged view.
#[derive(Debug)]
pub struct MergedDir {
    /// The directory in each tree that has a part of it, the topmost first.
    parts: Vec<OwnedFd>,
}

/// What a name in a merged directory is.
#[derive(Debug)]
pub enum MergedChild {
    /// A directory, perhaps of several trees.
    Directory(MergedDir, Stat),
    /// Anything else, in the part of this index.
    Other(usize, Stat),
}

impl MergedDir {
    /// Opens the root of the view of `trees`, the topmost first.
    ///
    /// # Errors
    /// That of the first tree that can't be opened.
    pub fn open(trees: &[PathBuf]) -> io::Result<Self> {
        let open = |tree: &PathBuf| File::open(tree).map(OwnedFd::from);
        Ok(Self { parts: trees.iter().map(open).collect::<io::Result<_>>()? })
    }

    /// The part with this index; the first one has the directory's metadata.
    #[must_use]
    pub fn part(&self, index: usize) -> BorrowedFd<'_> {
        self.parts[index].as_fd()
    }

    /// True if both are the very same directories of the same trees.
    ///
    /// # Errors
    /// Those of fstat(2).
    pub fn is_same(&self, other: &Self) -> io::Result<bool> {
        Ok(identities(&self.parts)? == identities(&other.parts)?)
    }

    /// Everything that the view shows in this directory, sorted by name.
    ///
    /// # Errors
    /// Those of reading the parts.
    pub fn children(&self) -> io::Result<BTreeMap<Vec<u8>, MergedChild>> {
        // `None` for what a whiteout hides, whatever comes below it.
        let mut found: BTreeMap<Vec<u8>, Option<MergedChild>> = BTreeMap::new();
        // Directories that nothing above ends yet.
        let mut open_ended: BTreeMap<Vec<u8>, bool> = BTreeMap::new();
        for (index, part) in self.parts.iter().enumerate() {
            for entry in Dir::read_from(part)? {
                let entry = entry?;
                let name = entry.file_name().to_bytes();
                if name == b"." || name == b".." {
                    continue;
                }
                let known = found.contains_key(name);
                if known && open_ended.get(name) != Some(&true) {
                    continue;
                }
                let stat = statat(part, name, AtFlags::SYMLINK_NOFOLLOW)?;
                let kind = FileType::from_raw_mode(stat.st_mode);
                if kind == FileType::Directory {
                    let fd = openat(part, name, OFlags::RDONLY | DIR, Mode::empty())?;
                    open_ended.insert(name.to_vec(), !is_opaque(&fd)?);
                    match found.get_mut(name) {
                        Some(Some(MergedChild::Directory(dir, _))) => dir.parts.push(fd),
                        _ => {
                            let dir = Self { parts: vec![fd] };
                            found.insert(name.to_vec(), Some(MergedChild::Directory(dir, stat)));
                        }
                    }
                    continue;
                }
                open_ended.insert(name.to_vec(), false);
                if !known {
                    let whiteout = kind == FileType::CharacterDevice && stat.st_rdev == 0;
                    let child = (!whiteout).then_some(MergedChild::Other(index, stat));
                    found.insert(name.to_vec(), child);
                }
            }
        }
        Ok(found.into_iter().filter_map(|(name, child)| Some((name, child?))).collect())
    }
}

fn identities(parts: &[OwnedFd]) -> io::Result<Vec<(u64, u64)>> {
    let identity = |part: &OwnedFd| {
        let stat = rustix::fs::fstat(part)?;
        Ok((stat.st_dev, stat.st_ino))
    };
    parts.iter().map(identity).collect()
}
