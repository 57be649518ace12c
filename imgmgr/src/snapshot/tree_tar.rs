//! Files of a tree as entries of a tar, with everything that a layer can tell of them.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{FileType, Stat, readlinkat};

use super::diff::DiffRefused;
use super::ids::BundleIds;
use super::open_log::OpenLog;
use super::{DiffOptions, DiffSummary};
use crate::layer::tar::{Entry, EntryKind, TarTime, TarWriter};
use crate::xattrs::{self, Xattrs};

/// Bytes of a file that are copied at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// User and group id, as a layer tells them.
type LayerOwner = (u32, u32);

/// Writes files, directories and whiteouts in the order given.
pub(super) struct TreeTar<W: Write> {
    tar: TarWriter<W>,
    options: DiffOptions,
    ids: BundleIds,
    /// The first path of each file with several names, and its owner in the layer, by device and
    /// inode.
    links: HashMap<(u64, u64), (Vec<u8>, LayerOwner)>,
    summary: DiffSummary,
    buffer: Vec<u8>,
    log: Rc<OpenLog>,
}

impl<W: Write> TreeTar<W> {
    pub(super) fn new(output: W, options: DiffOptions) -> Self {
        Self {
            tar: TarWriter::new(output),
            options,
            ids: BundleIds::Same,
            links: HashMap::new(),
            summary: DiffSummary::default(),
            buffer: vec![0; BUFFER_BYTES],
            log: Rc::default(),
        }
    }

    /// Takes the owners of files for those of a bundle, and tells `log` what it opens by force.
    pub(super) fn of_bundle(self, ids: &BundleIds, log: Rc<OpenLog>) -> Self {
        Self { ids: ids.clone(), log, ..self }
    }

    pub(super) fn finish(self) -> io::Result<(W, DiffSummary)> {
        Ok((self.tar.finish()?, self.summary))
    }

    /// Writes a directory; the root is the empty path.
    pub(super) fn directory(&mut self, path: &[u8], stat: &Stat, xattrs: Xattrs) -> io::Result<()> {
        let mut entry = self.entry(path, stat, EntryKind::Directory, xattrs)?;
        if path.is_empty() {
            entry.path.push(b'.');
        }
        entry.path.push(b'/');
        self.write(&entry)
    }

    /// Writes `name` of `dir`, which is no directory, as `path`.
    pub(super) fn child(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        stat: &Stat,
    ) -> io::Result<()> {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => EntryKind::Regular,
            FileType::Symlink => EntryKind::Symlink,
            FileType::CharacterDevice => EntryKind::CharDevice,
            FileType::BlockDevice => EntryKind::BlockDevice,
            FileType::Fifo => EntryKind::Fifo,
            // A socket means nothing without the process that made it.
            FileType::Directory | FileType::Socket | FileType::Unknown => return Ok(()),
        };
        let link_of = (stat.st_nlink > 1).then_some((stat.st_dev, stat.st_ino));
        if let Some((first, owner)) = link_of.and_then(|file| self.links.get(&file)) {
            let (link, (uid, gid)) = (first.clone(), *owner);
            // Who unpacks it may set the owner of each name: that of the last one counts.
            let entry = self.entry(path, stat, EntryKind::HardLink, Vec::new())?;
            return self.write(&Entry { link, uid, gid, ..entry });
        }
        let owner = self.first(dir, name, path, stat, kind)?;
        if let Some(file) = link_of {
            self.links.insert(file, (path.to_vec(), owner));
        }
        Ok(())
    }

    /// Writes a file by its first name, and returns its owner in the layer.
    fn first(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        stat: &Stat,
        kind: EntryKind,
    ) -> io::Result<LayerOwner> {
        if kind == EntryKind::Regular {
            let (file, _until_read) = self.log.file(dir, name, path)?;
            return self.file(path, file, stat);
        }
        let mut entry = self.entry(path, stat, kind, xattrs::of_child(dir, name)?)?;
        if kind == EntryKind::Symlink {
            entry.link = readlinkat(dir, name, Vec::new())?.into_bytes();
        }
        self.write(&entry)?;
        Ok((entry.uid, entry.gid))
    }

    /// Writes the mark that hides `path`'s last component.
    pub(super) fn whiteout(&mut self, path: &[u8]) -> io::Result<()> {
        self.summary.whiteouts += 1;
        let mtime = TarTime { secs: self.options.latest.unwrap_or(0), nanos: 0 };
        let entry = Entry { path: path.to_vec(), mode: 0o644, mtime, ..Entry::default() };
        self.write(&entry)
    }

    fn file(&mut self, path: &[u8], file: OwnedFd, found: &Stat) -> io::Result<LayerOwner> {
        let mut stat = rustix::fs::fstat(&file)?;
        // It may be opened by force.
        stat.st_mode = found.st_mode;
        let entry = self.entry(path, &stat, EntryKind::Regular, xattrs::of_file(&file)?)?;
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
        Ok((entry.uid, entry.gid))
    }

    fn write(&mut self, entry: &Entry) -> io::Result<()> {
        self.summary.entries += 1;
        self.tar.entry(entry)
    }

    fn entry(
        &self,
        path: &[u8],
        stat: &Stat,
        kind: EntryKind,
        mut xattrs: Xattrs,
    ) -> io::Result<Entry> {
        let owner = self.ids.to_layer((stat.st_uid, stat.st_gid), &mut xattrs);
        let (uid, gid) = owner.ok_or_else(|| {
            let path = if path.is_empty() { b"/" } else { path };
            let path = String::from_utf8_lossy(path).into_owned();
            io::Error::other(DiffRefused::Unmapped { path, uid: stat.st_uid, gid: stat.st_gid })
        })?;
        let nanos = u32::try_from(stat.st_mtime_nsec).unwrap_or_default();
        let mut mtime = TarTime { secs: stat.st_mtime, nanos };
        if let Some(latest) = self.options.latest {
            mtime = mtime.min(TarTime { secs: latest, nanos: 0 });
        }
        let is_device = matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice);
        let size =
            if kind == EntryKind::Regular { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
        Ok(Entry {
            path: path.to_vec(),
            kind,
            mode: stat.st_mode & 0o7777,
            uid,
            gid,
            size,
            mtime,
            device: if is_device {
                (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev))
            } else {
                (0, 0)
            },
            xattrs: xattrs.into_iter().filter(|(name, _)| is_content(name)).collect(),
            ..Entry::default()
        })
    }
}

/// False for attributes of overlayfs itself and of the host.
pub(super) fn is_content(name: &[u8]) -> bool {
    let foreign: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];
    let host: [&[u8]; 3] = [b"security.selinux", b"security.ima", b"security.evm"];
    !foreign.iter().any(|prefix| name.starts_with(prefix)) && !host.contains(&name)
}
