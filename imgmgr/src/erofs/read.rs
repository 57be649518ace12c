//! Reads a tree's metadata.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::node::{Content, FileBacking, MAX_XATTR_BYTES, Node, TreeError, Xattr};
use crate::layer::limits::{LayerLimits, MAX_PATH};
use crate::xattrs;

/// The [`TreeError::Io`] action of a [`Backing`] that failed.
pub const SEAL: &str = "seal";

/// A tree that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The root first, then level by level, each directory's children sorted.
    pub(super) nodes: Vec<Node>,
}

/// Says where the content of the regular file is that is open, by its path below the root.
pub type Backing<'b> = dyn FnMut(&[u8], &File) -> Result<FileBacking, Errno> + 'b;

/// Reads the tree below `root`, which nobody changes meanwhile. Empty files have no backing.
///
/// # Errors
/// [`TreeError`].
pub fn read_tree(root: BorrowedFd<'_>, backing: &mut Backing<'_>) -> Result<Tree, TreeError> {
    let mut reader = Reader { nodes: read_root(root)?.nodes, seen: BTreeMap::new(), backing };
    let mut left = VecDeque::from([(0, Vec::new())]);
    while let Some((index, path)) = left.pop_front() {
        reader.read_directory(root, index, &path, &mut left)?;
    }
    Ok(Tree { nodes: reader.nodes })
}

/// The directory `root` itself, as one that has nothing in it.
///
/// # Errors
/// [`TreeError`].
pub fn read_root(root: BorrowedFd<'_>) -> Result<Tree, TreeError> {
    // A mount's descriptor is one that nothing can be read from.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(root, c".", flags, Mode::empty()).map_err(io("open", b""))?;
    let stat = rustix::fs::fstat(&root).map_err(io("look at", b""))?;
    let attributes = xattrs::of_file(&root).map_err(|source| read_error(b"", source))?;
    let content = Content::Directory { parent: 0, entries: Vec::new() };
    Ok(Tree { nodes: vec![Node { content, links: 2, ..node(&stat, split(b"", attributes)?) }] })
}

struct Reader<'r, 'b> {
    nodes: Vec<Node>,
    /// Files with several names, by device and inode number.
    seen: BTreeMap<(u64, u64), usize>,
    backing: &'r mut Backing<'b>,
}

impl Reader<'_, '_> {
    fn read_directory(
        &mut self,
        root: BorrowedFd<'_>,
        index: usize,
        path: &[u8],
        left: &mut VecDeque<(usize, Vec<u8>)>,
    ) -> Result<(), TreeError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let at = if path.is_empty() { b"." } else { path };
        let dir = openat(root, at, flags, Mode::empty()).map_err(io("open", path))?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&dir).map_err(io("read", path))? {
            let entry = entry.map_err(io("read", path))?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            let mut below = path.to_owned();
            if !below.is_empty() {
                below.push(b'/');
            }
            below.extend_from_slice(&name);
            if below.len() >= MAX_PATH {
                return Err(refused(path, format!("a path below it has {} bytes", below.len())));
            }
            let child = self.read_child(dir.as_fd(), index, &name, &below)?;
            if matches!(self.nodes[child].content, Content::Directory { .. }) {
                left.push_back((child, below));
            }
            entries.push((name, child));
        }
        self.nodes[index].content = match self.nodes[index].content {
            Content::Directory { parent, .. } => Content::Directory { parent, entries },
            _ => return Err(refused(path, "it was a directory before".to_owned())),
        };
        Ok(())
    }

    fn read_child(
        &mut self,
        dir: BorrowedFd<'_>,
        parent: usize,
        name: &[u8],
        path: &[u8],
    ) -> Result<usize, TreeError> {
        let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(io("look at", path))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory {
            self.nodes[parent].links += 1;
        } else if let Some(index) = self.seen.get(&(stat.st_dev, stat.st_ino)) {
            self.nodes[*index].links += 1;
            return Ok(*index);
        }
        let limit = LayerLimits::default().max_entries;
        if self.nodes.len() as u64 > limit {
            return Err(TreeError::TooMany { limit });
        }
        let attributes = xattrs::of_child(dir, name).map_err(|source| read_error(path, source))?;
        let mut attributes = split(path, attributes)?;
        let content = match kind {
            FileType::Directory => Content::Directory { parent, entries: Vec::new() },
            FileType::Symlink => {
                let target = readlinkat(dir, name, Vec::new()).map_err(io("read", path))?;
                Content::Symlink(target.into_bytes())
            }
            FileType::RegularFile => {
                let bytes = u64::try_from(stat.st_size)
                    .map_err(|_| refused(path, "its size is negative".to_owned()))?;
                if bytes > 0 {
                    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let file = openat(dir, name, flags, Mode::empty()).map_err(io("open", path))?;
                    let backing = (self.backing)(path, &File::from(file));
                    let backing = backing.map_err(io(SEAL, path))?;
                    // overlayfs looks it up as one path.
                    if backing.redirect.len() >= MAX_PATH {
                        let bytes = backing.redirect.len();
                        return Err(refused(path, format!("the path to it has {bytes} bytes")));
                    }
                    attributes.extend(backing.xattrs());
                }
                Content::Regular(bytes)
            }
            FileType::CharacterDevice | FileType::BlockDevice => Content::Device {
                major: rustix::fs::major(stat.st_rdev),
                minor: rustix::fs::minor(stat.st_rdev),
            },
            FileType::Fifo | FileType::Socket => Content::Empty,
            FileType::Unknown => return Err(refused(path, "its type is unknown".to_owned())),
        };
        attributes.sort_unstable();
        if attributes.iter().map(Xattr::bytes).sum::<usize>() > MAX_XATTR_BYTES {
            let what = format!("its attributes have more than {MAX_XATTR_BYTES} bytes");
            return Err(refused(path, what));
        }
        let index = self.nodes.len();
        if stat.st_nlink > 1 && kind != FileType::Directory {
            self.seen.insert((stat.st_dev, stat.st_ino), index);
        }
        self.nodes.push(Node { content, ..node(&stat, attributes) });
        Ok(index)
    }
}

/// Without its content.
fn node(stat: &Stat, xattrs: Vec<Xattr>) -> Node {
    let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    Node {
        // Type and permissions: no more bits are in use.
        mode: u16::try_from(stat.st_mode).unwrap_or(0),
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        links: if is_directory { 2 } else { 1 },
        xattrs,
        content: Content::Empty,
    }
}

fn split(path: &[u8], attributes: xattrs::Xattrs) -> Result<Vec<Xattr>, TreeError> {
    let mut all = Vec::with_capacity(attributes.len());
    for (name, value) in attributes {
        let text = || String::from_utf8_lossy(&name).into_owned();
        let attribute = Xattr::new(&name, value);
        let refuse = || refused(path, format!("EROFS has no place for its attribute `{}`", text()));
        all.push(attribute.ok_or_else(refuse)?);
    }
    all.sort_unstable();
    Ok(all)
}

fn refused(path: &[u8], what: String) -> TreeError {
    TreeError::Refused { path: shown(path), what }
}

fn read_error(path: &[u8], source: std::io::Error) -> TreeError {
    TreeError::Io { action: "read the attributes of", path: shown(path), source }
}

fn io<'p>(action: &'static str, path: &'p [u8]) -> impl FnOnce(Errno) -> TreeError + use<'p> {
    move |errno| TreeError::Io { action, path: shown(path), source: errno.into() }
}

fn shown(path: &[u8]) -> String {
    if path.is_empty() { "/".to_owned() } else { String::from_utf8_lossy(path).into_owned() }
}
