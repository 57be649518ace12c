//! What a flat root file system was when it was unpacked, so that its changes can be told later
//! without reading a file.
//!
//! A file counts as changed when its inode number or change time differ: the kernel sets the
//! change time at every write, chmod, chown, link and attribute, and nobody can set it back. A
//! root file system that was copied elsewhere therefore counts as changed whole.
//!
//! The format, version 1, is text: a header, then a line for each path, sorted, with bytes beyond
//! printable ASCII as `%xx`:
//! ```text
//! imgmgr-rootfs 1
//! <inode> <change time, seconds> <nanoseconds> <path>
//! ```

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, statat};

use crate::layer::limits::MAX_DEPTH;
use crate::layer::{decode_path, encode_path};

const HEADER: &str = "imgmgr-rootfs 1";
const DIR: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What tells a changed file from an unchanged one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    changed: (i64, u64),
}

impl Stamp {
    fn of(stat: &Stat) -> Self {
        let nanos = u64::from(u32::try_from(stat.st_ctime_nsec).unwrap_or_default());
        Self { inode: stat.st_ino, changed: (stat.st_ctime, nanos) }
    }
}

/// The stamps of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    stamps: BTreeMap<Vec<u8>, Stamp>,
}

impl Manifest {
    /// Reads the stamps of everything beneath `root`.
    ///
    /// # Errors
    /// Those of reading directories.
    pub fn of(root: BorrowedFd<'_>) -> io::Result<Self> {
        let mut manifest = Self::default();
        let root = openat(root, ".", OFlags::RDONLY | DIR, Mode::empty())?;
        manifest.add_directory(root, &[], 0)?;
        Ok(manifest)
    }

    fn add_directory(&mut self, dir: OwnedFd, path: &[u8], depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(io::Error::other("directories are nested deeper than MAX_DEPTH"));
        }
        for entry in Dir::read_from(&dir)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let stat = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let child = join(path, name);
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                let fd = openat(dir.as_fd(), name, OFlags::RDONLY | DIR, Mode::empty())?;
                self.add_directory(fd, &child, depth + 1)?;
            }
            self.stamps.insert(child, Stamp::of(&stat));
        }
        Ok(())
    }

    /// True if `path` is what it was.
    pub(super) fn is_unchanged(&self, path: &[u8], stat: &Stat) -> bool {
        self.stamps.get(path) == Some(&Stamp::of(stat))
    }

    /// The names that were in the directory `dir`, sorted.
    pub(super) fn names_in(&self, dir: &[u8]) -> Vec<&[u8]> {
        let start = if dir.is_empty() { Vec::new() } else { [dir, b"/"].concat() };
        let within = self.stamps.range(start.clone()..);
        let paths = within.map(|(path, _)| path.as_slice());
        let below = paths.map_while(|path| path.strip_prefix(start.as_slice()));
        below.filter(|rest| !rest.is_empty() && !rest.contains(&b'/')).collect()
    }

    /// Writes the format above.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for (path, Stamp { inode, changed: (secs, nanos) }) in &self.stamps {
            text.push_str(&format!("{inode} {secs} {nanos} {}\n", encode_path(path)));
        }
        text
    }

    /// Reads the format above; `None` if it is another, or cut off.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next() != Some(HEADER) {
            return None;
        }
        let mut stamps = BTreeMap::new();
        for line in lines {
            let mut words = line.split(' ');
            let inode = words.next()?.parse().ok()?;
            let changed = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            stamps.insert(decode_path(words.next()?)?, Stamp { inode, changed });
        }
        Some(Self { stamps })
    }
}

pub(super) fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_keeps_everything() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b c\n")).unwrap();
        std::fs::write(dir.path().join("a/file"), b"x").unwrap();
        std::fs::write(dir.path().join("ab"), b"x").unwrap();
        let root = std::fs::File::open(dir.path()).unwrap();
        let manifest = Manifest::of(root.as_fd()).unwrap();
        assert_eq!(Manifest::parse(&manifest.to_text()), Some(manifest.clone()));
        assert_eq!(manifest.names_in(b""), [&b"a"[..], b"ab"]);
        assert_eq!(manifest.names_in(b"a"), [&b"b c\n"[..], b"file"]);
        let text = manifest.to_text();
        assert_eq!(Manifest::parse(&text[..text.len() - 1]), None);
    }
}
