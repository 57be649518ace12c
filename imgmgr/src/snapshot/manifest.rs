//! What a flat root file system was when it was unpacked, so that its changes can be told later
//! without reading a file.
//!
//! A file counts as changed when its inode number or change time differ: the kernel sets the
//! change time at every write, chmod, chown, link and attribute, and nobody can set it back. A
//! root file system that was copied elsewhere therefore counts as changed whole.
//!
//! The format, version 2, is text: a header, how ids were mapped, what the root was, then a line for
//! each path, sorted, with bytes beyond printable ASCII as `%xx`:
//! ```text
//! imgmgr-rootfs 2
//! uid <container> <host> <length>     any number of them, and of `gid`; none: as in the layers
//! caller <uid> <gid>                  instead of them: all belongs to who unpacked it
//! root <mode> <uid> <gid> <digest of its attributes>
//! <inode> <change time, seconds> <nanoseconds> <path>
//! ```
//! Version 1, which is read too, had neither ids nor root.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, statat};

use super::facts::DirectoryFacts;
use super::ids::BundleIds;
use super::open_log::OpenLog;
use crate::layer::limits::MAX_DEPTH;
use crate::layer::{decode_path, encode_path};

const HEADER: &str = "imgmgr-rootfs 2";
const HEADER_1: &str = "imgmgr-rootfs 1";
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
    ids: BundleIds,
    root: Option<DirectoryFacts>,
    stamps: BTreeMap<Vec<u8>, Stamp>,
    /// Some stamp is newer than what the manifest was read from.
    is_newer: bool,
}

impl Manifest {
    /// Reads the stamps of everything beneath `root`, whose owners are those of the layers by `ids`. What is
    /// opened by force is told to `log`.
    ///
    /// # Errors
    /// Those of reading directories.
    pub fn of(root: BorrowedFd<'_>, ids: BundleIds, log: &OpenLog) -> io::Result<Self> {
        let facts = DirectoryFacts::of(root)?;
        let mut manifest =
            Self { ids, root: Some(facts), stamps: BTreeMap::new(), is_newer: false };
        let root = openat(root, ".", OFlags::RDONLY | DIR, Mode::empty())?;
        manifest.add_directory(root, &[], 0, log)?;
        Ok(manifest)
    }

    fn add_directory(
        &mut self,
        dir: OwnedFd,
        path: &[u8],
        depth: usize,
        log: &OpenLog,
    ) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(io::Error::other("directories are nested deeper than MAX_DEPTH"));
        }
        for name in names_of(&dir)? {
            let name = name.as_slice();
            let mut stat = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let child = join(path, name);
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                let (fd, opened) = log.directory(dir.as_fd(), name, &child)?;
                self.add_directory(fd, &child, depth + 1, log)?;
                // It may have been opened by force, which its change time tells.
                drop(opened);
                stat = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            }
            self.stamps.insert(child, Stamp::of(&stat));
        }
        Ok(())
    }

    /// How the owners of files stand for those in the layers.
    #[must_use]
    pub fn ids(&self) -> &BundleIds {
        &self.ids
    }

    /// What the root was; `None` in a manifest of an older version.
    pub(super) fn root(&self) -> Option<&DirectoryFacts> {
        self.root.as_ref()
    }

    /// True if `path` is what it was.
    pub(super) fn is_unchanged(&self, path: &[u8], stat: &Stat) -> bool {
        self.stamps.get(path) == Some(&Stamp::of(stat))
    }

    /// Takes `path` for unchanged as it is now.
    pub(super) fn stamp(&mut self, path: Vec<u8>, stat: &Stat) {
        self.stamps.insert(path, Stamp::of(stat));
        self.is_newer = true;
    }

    /// Whether something was opened by force since it was read, so that it is to be written again.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        self.is_newer
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
        let mut text = format!("{HEADER}\n{}", self.ids.to_lines());
        if let Some(root) = &self.root {
            text.push_str(&format!("root {}\n", root.to_words()));
        }
        for (path, Stamp { inode, changed: (secs, nanos) }) in &self.stamps {
            text.push_str(&format!("{inode} {secs} {nanos} {}\n", encode_path(path)));
        }
        text
    }

    /// Reads the format above; `None` if it is another, or cut off.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if !matches!(lines.next(), Some(HEADER | HEADER_1)) {
            return None;
        }
        let (mut ids, mut root) = (BundleIds::default(), None);
        let mut stamps = BTreeMap::new();
        for line in lines {
            let mut words = line.split(' ');
            let first = words.next()?;
            if first == "root" {
                root = Some(DirectoryFacts::from_words(words)?);
                continue;
            }
            if matches!(first, "uid" | "gid" | "caller") {
                ids.add_line(first, words)?;
                continue;
            }
            let inode = first.parse().ok()?;
            let changed = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            stamps.insert(decode_path(words.next()?)?, Stamp { inode, changed });
        }
        Some(Self { ids, root, stamps, is_newer: false })
    }
}

/// The names in a directory; it is not kept open for it.
pub(super) fn names_of(dir: &OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

pub(super) fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::IdRange;

    #[test]
    fn the_text_keeps_everything() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b c\n")).unwrap();
        std::fs::write(dir.path().join("a/file"), b"x").unwrap();
        std::fs::write(dir.path().join("ab"), b"x").unwrap();
        let root = std::fs::File::open(dir.path()).unwrap();
        let manifest =
            Manifest::of(root.as_fd(), BundleIds::default(), &OpenLog::default()).unwrap();
        assert_eq!(Manifest::parse(&manifest.to_text()), Some(manifest.clone()));
        assert_eq!(manifest.names_in(b""), [&b"a"[..], b"ab"]);
        assert_eq!(manifest.names_in(b"a"), [&b"b c\n"[..], b"file"]);
        let text = manifest.to_text();
        assert_eq!(Manifest::parse(&text[..text.len() - 1]), None);
        let older = text.replace("rootfs 2", "rootfs 1");
        let older: String = older
            .lines()
            .filter(|line| !line.starts_with("root"))
            .map(|line| format!("{line}\n"))
            .collect();
        let expected = Manifest { root: None, ..manifest };
        assert_eq!(Manifest::parse(&older), Some(expected));
        for ids in [
            BundleIds::Caller { uid: 5, gid: 6 },
            BundleIds::Mapped {
                uids: vec![IdRange { container: 0, host: 7, len: 8 }],
                gids: vec![
                    IdRange { container: 1, host: 2, len: 3 },
                    IdRange { container: 9, host: 9, len: 1 },
                ],
            },
        ] {
            let manifest = Manifest::of(root.as_fd(), ids, &OpenLog::default()).unwrap();
            assert_eq!(Manifest::parse(&manifest.to_text()), Some(manifest));
        }
        assert_eq!(Manifest::parse("imgmgr-rootfs 2\ncaller 1\n"), None);
    }
}
