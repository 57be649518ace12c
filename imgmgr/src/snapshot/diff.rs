//! The changes of a writable snapshot as a layer: overlayfs' upper directory back to a tar with
//! whiteouts (image-spec layer.md#representing-changes).
//!
//! Entries are sorted by path, so the same changes give the same bytes; with a limit on times
//! (`SOURCE_DATE_EPOCH`) so do the same changes made at another time.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};

use super::manifest::{Manifest, join};
use crate::layer::limits::MAX_DEPTH;
use crate::layer::tar::{Entry, EntryKind, TarTime, TarWriter};
use crate::xattrs::{self, Xattrs};

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
    tar: TarWriter<W>,
    options: DiffOptions,
    /// The first path of each file with several names.
    links: HashMap<u64, Vec<u8>>,
    summary: DiffSummary,
    buffer: Vec<u8>,
}

impl<'b, W: Write> Diff<'b, W> {
    fn new(base: Option<&'b Manifest>, output: W, options: DiffOptions) -> Self {
        Self {
            base,
            tar: TarWriter::new(output),
            options,
            links: HashMap::new(),
            summary: DiffSummary::default(),
            buffer: vec![0; 256 << 10],
        }
    }

    fn run(mut self, root: BorrowedFd<'_>) -> io::Result<(W, DiffSummary)> {
        let root = openat(root, ".", OFlags::RDONLY | DIR, Mode::empty())?;
        self.directory(root, Vec::new(), 0)?;
        Ok((self.tar.finish()?, self.summary))
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
            let mut entry = self.entry(&path, &stat, EntryKind::Directory, xattrs);
            entry.path.push(b'/');
            self.write(&entry)?;
        }
        if opaque {
            self.whiteout(&join(&path, b".wh..wh..opq"))?;
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
            self.whiteout(&join(&path, &[b".wh.", gone].concat()))?;
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
        let file_type = FileType::from_raw_mode(stat.st_mode);
        let kind = match file_type {
            FileType::Directory => {
                let fd = openat(dir, name, OFlags::RDONLY | DIR, Mode::empty())?;
                return self.directory(fd, path, depth + 1);
            }
            _ if self.is_unchanged(&path, &stat) => return Ok(()),
            FileType::CharacterDevice if stat.st_rdev == 0 => {
                return self.whiteout(&join(parent, &[b".wh.", name].concat()));
            }
            FileType::RegularFile => EntryKind::Regular,
            FileType::Symlink => EntryKind::Symlink,
            FileType::CharacterDevice => EntryKind::CharDevice,
            FileType::BlockDevice => EntryKind::BlockDevice,
            FileType::Fifo => EntryKind::Fifo,
            // A socket means nothing without the process that made it.
            FileType::Socket | FileType::Unknown => return Ok(()),
        };
        if stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&stat.st_ino) {
                let link = first.clone();
                let entry =
                    Entry { link, ..self.entry(&path, &stat, EntryKind::HardLink, Vec::new()) };
                return self.write(&entry);
            }
            self.links.insert(stat.st_ino, path.clone());
        }
        if kind == EntryKind::Regular {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = openat(dir, name, flags, Mode::empty())?;
            return self.file(&path, file);
        }
        let xattrs = xattrs::of_child(dir, name)?;
        let mut entry = self.entry(&path, &stat, kind, xattrs);
        if kind == EntryKind::Symlink {
            entry.link = readlinkat(dir, name, Vec::new())?.into_bytes();
        }
        self.write(&entry)
    }

    fn file(&mut self, path: &[u8], file: OwnedFd) -> io::Result<()> {
        let stat = rustix::fs::fstat(&file)?;
        let xattrs = xattrs::of_file(&file)?;
        let entry = self.entry(path, &stat, EntryKind::Regular, xattrs);
        self.write(&entry)?;
        let mut file = std::fs::File::from(file);
        let mut left = entry.size;
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let n = file.read(&mut self.buffer[..want])?;
            if n == 0 {
                return Err(io::Error::other("a file became shorter while it was read"));
            }
            self.tar.data(&self.buffer[..n])?;
            left -= u64::try_from(n).unwrap_or_default();
        }
        self.summary.bytes += entry.size;
        Ok(())
    }

    fn whiteout(&mut self, path: &[u8]) -> io::Result<()> {
        self.summary.whiteouts += 1;
        let mtime = TarTime { secs: self.options.latest.unwrap_or(0), nanos: 0 };
        let entry = Entry { path: path.to_vec(), mode: 0o644, mtime, ..Entry::default() };
        self.write(&entry)
    }

    fn write(&mut self, entry: &Entry) -> io::Result<()> {
        self.summary.entries += 1;
        self.tar.entry(entry)
    }

    fn entry(&self, path: &[u8], stat: &Stat, kind: EntryKind, xattrs: Xattrs) -> Entry {
        let nanos = u32::try_from(stat.st_mtime_nsec).unwrap_or_default();
        let mut mtime = TarTime { secs: stat.st_mtime, nanos };
        if let Some(latest) = self.options.latest {
            mtime = mtime.min(TarTime { secs: latest, nanos: 0 });
        }
        let is_device = matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice);
        let size =
            if kind == EntryKind::Regular { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
        Entry {
            path: path.to_vec(),
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size,
            mtime,
            device: if is_device {
                (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev))
            } else {
                (0, 0)
            },
            xattrs: xattrs.into_iter().filter(|(name, _)| is_content(name)).collect(),
            ..Entry::default()
        }
    }
}

/// False for attributes of overlayfs itself and of the host.
fn is_content(name: &[u8]) -> bool {
    let foreign: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];
    let host: [&[u8]; 3] = [b"security.selinux", b"security.ima", b"security.evm"];
    !foreign.iter().any(|prefix| name.starts_with(prefix)) && !host.contains(&name)
}
