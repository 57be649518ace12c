//! Making files, directories, links, devices and pipes in the current directory.

use std::io::BufRead;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::fs::{
    ftruncate, futimens, linkat, makedev, mkdirat, mknodat, openat, statat, symlinkat,
};
use rustix::io::Errno;

use super::below::BelowKind;
use super::metadata::{self, AsCreated, Owner};
use super::tree::{DIR, DirectoryEnd, failed, is_whiteout, refused};
use super::{Extraction, path, remove};
use crate::layer::limits::{MAX_DEVICE_MAJOR, MAX_DEVICE_MINOR};
use crate::layer::narrow::Opened;
use crate::layer::tar::{Entry, EntryKind, TarReader};
use crate::layer::{DeviceNodes, LayerError, LayerForm};

const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The directory of the last hard link's target, kept open: links come in runs.
#[derive(Debug, Default)]
pub(super) struct LinkParent {
    /// As written in the entry, as resolved, and open.
    last: Option<(Vec<u8>, Vec<u8>, OwnedFd)>,
}

impl LinkParent {
    /// Drops what a removal may have made stale.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }
}

impl Extraction<'_> {
    pub(super) fn file<R: BufRead>(
        &mut self,
        name: &[u8],
        reader: &mut TarReader<R>,
    ) -> Result<(), LayerError> {
        let owner = Owner::of(reader.entry(), &self.options.ownership)?;
        let mode = reader.entry().mode;
        // Nobody but us may open it until it has its owner.
        let create_mode =
            if AsCreated::predict(&self.creator, 0).is_owner(owner) { mode & 0o777 } else { 0o600 };
        let fd =
            self.create(name, |dir| openat(dir, name, NEW_FILE, Mode::from_raw_mode(create_mode)))?;
        let sparse = reader.entry().sparse.is_some();
        if sparse {
            self.copy_sparse(fd.as_fd(), reader)?;
        } else {
            self.copy_data(fd.as_fd(), reader)?;
        }
        let created = self.as_created(create_mode);
        let entry = reader.entry();
        metadata::settle(fd.as_fd(), entry, owner, mode, created, self.options)?;
        futimens(&fd, &metadata::timestamps(entry)).map_err(|e| failed("futimens", &entry.path, e))
    }

    fn copy_data<R: BufRead>(
        &self,
        fd: BorrowedFd<'_>,
        reader: &mut TarReader<R>,
    ) -> Result<(), LayerError> {
        loop {
            let run = reader.data()?;
            if run.is_empty() {
                return Ok(());
            }
            let n = rustix::io::write(fd, run);
            let n = n.map_err(|e| failed("write", &reader.entry().path, e))?;
            reader.consume(n);
            if let Some(ahead) = self.ahead {
                ahead.note(n as u64);
            }
        }
    }

    fn copy_sparse<R: BufRead>(
        &self,
        fd: BorrowedFd<'_>,
        reader: &mut TarReader<R>,
    ) -> Result<(), LayerError> {
        let map = reader.entry().sparse.clone().unwrap_or_default();
        for segment in map {
            let mut done = 0u64;
            while done < segment.len {
                let run = reader.data()?;
                let want = usize::try_from(segment.len - done).unwrap_or(usize::MAX);
                let run = &run[..run.len().min(want)];
                let n = rustix::io::pwrite(fd, run, segment.offset + done);
                let n = n.map_err(|e| failed("pwrite64", &reader.entry().path, e))?;
                reader.consume(n);
                done += u64::try_from(n).unwrap_or_default();
            }
        }
        let entry = reader.entry();
        ftruncate(fd, entry.size).map_err(|e| failed("ftruncate", &entry.path, e))
    }

    pub(super) fn directory(&mut self, name: &[u8], entry: &Entry) -> Result<(), LayerError> {
        let owner = Owner::of(entry, &self.options.ownership)?;
        let whole = self.tree.path_of(name);
        let (mode, narrow) = working_mode(entry.mode);
        let create_mode =
            if AsCreated::predict(&self.creator, 0).is_owner(owner) { mode & 0o777 } else { 0o700 };
        let make = || mkdirat(self.tree.current_dir(), name, Mode::from_raw_mode(create_mode));
        let mut created = self.as_created(create_mode);
        match make() {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let opaque = self.is_own_whiteout(name);
                match Opened::directory(self.tree.current_dir(), name) {
                    Ok((fd, opened)) => {
                        opened.keep();
                        metadata::clear_xattrs_unless_opaque(fd.as_fd())
                            .map_err(|e| failed("fremovexattr", &whole, e))?;
                        created = AsCreated::unknown();
                    }
                    Err(Errno::NOTDIR | Errno::LOOP) => {
                        self.replace(name)?;
                        make_in(self.tree.current_dir(), name, create_mode)
                            .map_err(|e| failed("mkdirat", &whole, e))?;
                        if opaque {
                            self.mark_opaque(name, &whole)?;
                        }
                    }
                    Err(e) => return Err(failed("openat", &whole, e)),
                }
            }
            Err(e) => return Err(failed("mkdirat", &whole, e)),
        }
        let fd = openat(self.tree.current_dir(), name, OFlags::RDONLY | DIR, Mode::empty());
        let fd = fd.map_err(|e| failed("openat", &whole, e))?;
        metadata::settle(fd.as_fd(), entry, owner, mode, created, self.options)?;
        self.note_directory(entry);
        self.tree.facts.implied.retain(|dir| *dir != whole);
        let times = metadata::timestamps(entry);
        let end =
            DirectoryEnd { atime: times.last_access, mtime: times.last_modification, mode: narrow };
        self.tree.ends.insert(whole, end);
        self.tree.enter_new(name, fd);
        Ok(())
    }

    /// Sets the metadata of the root itself.
    pub(super) fn describe_root(
        &mut self,
        entry: &Entry,
        root: BorrowedFd<'_>,
    ) -> Result<(), LayerError> {
        if entry.kind != EntryKind::Directory {
            return Err(refused(b"", "the root can only be a directory"));
        }
        let owner = Owner::of(entry, &self.options.ownership)?;
        let (mode, narrow) = working_mode(entry.mode);
        // Those that an earlier entry or layer gave it.
        metadata::clear_xattrs_unless_opaque(root).map_err(|e| failed("fremovexattr", b"", e))?;
        metadata::settle(root, entry, owner, mode, AsCreated::unknown(), self.options)?;
        self.note_directory(entry);
        let times = metadata::timestamps(entry);
        let (atime, mtime) = (times.last_access, times.last_modification);
        self.tree.ends.insert(Vec::new(), DirectoryEnd { atime, mtime, mode: narrow });
        Ok(())
    }

    pub(super) fn hard_link(&mut self, name: &[u8], entry: &Entry) -> Result<(), LayerError> {
        let whole = self.tree.path_of(name);
        let mut target = Vec::new();
        path::clean(&entry.link, &mut target).map_err(|reason| refused(&entry.link, reason))?;
        let (target_dir, target_name) = path::split(&target);
        if target_name.is_empty() {
            return Err(refused(&whole, "hard link to the root"));
        }
        if self.links.last.as_ref().is_none_or(|(written, ..)| written != target_dir) {
            let parent = self.tree.open_parent(&target)?;
            self.links.last = parent.map(|(fd, real)| (target_dir.to_vec(), real, fd));
        }
        let Some((_, real, parent)) = self.links.last.take() else {
            return self.link_below(name, &whole, &target);
        };
        let mut real_target = real.clone();
        path::push(&mut real_target, target_name);
        if real_target == whole {
            // A link to itself changes nothing, but must not remove the file.
            return Ok(());
        }
        let link = |dir: BorrowedFd<'_>| linkat(&parent, target_name, dir, name, AtFlags::empty());
        let linked = match link(self.tree.current_dir()) {
            Err(Errno::EXIST) => {
                statat(&parent, target_name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|e| failed("fstatat", &target, e))?;
                self.replace(name)?;
                link(self.tree.current_dir())
            }
            other => other,
        };
        match linked {
            Ok(()) => {
                self.links.last = Some((target_dir.to_vec(), real, parent));
                Ok(())
            }
            Err(Errno::NOENT) => self.link_below(name, &whole, &real_target),
            Err(Errno::PERM) => Err(refused(&whole, "hard link to a directory")),
            Err(e) => Err(failed("linkat", &whole, e)),
        }
    }

    /// A hard link whose target this layer doesn't have: the file below is copied up into it,
    /// or, while nothing is known below, the link is noted.
    fn link_below(&mut self, name: &[u8], whole: &[u8], target: &[u8]) -> Result<(), LayerError> {
        if self.options.form == LayerForm::Flat {
            return Err(refused(whole, "hard link to a file that isn't there"));
        }
        if !self.tree.knows_below() {
            self.tree.facts.links_below.push((whole.to_vec(), target.to_vec()));
            return Ok(());
        }
        let (target_dir, target_name) = path::split(target);
        let mut target = self.tree.resolve(target_dir)?;
        path::push(&mut target, target_name);
        let target = target.as_slice();
        let BelowKind::File(from, stat) = self.tree.look_below(target)? else {
            return Err(refused(whole, "hard link to a file that isn't there"));
        };
        let (dir, last) = path::split(whole);
        let (target_dir, target_name) = path::split(target);
        self.tree.enter(target_dir)?;
        match openat(self.tree.current_dir(), target_name, NEW_FILE, Mode::from_raw_mode(0o600)) {
            Ok(up) => metadata::copy_file(from.as_fd(), &stat, up.as_fd())
                .map_err(|e| failed("copy up", target, e))?,
            // Copied up before, for another link.
            Err(Errno::EXIST) => {}
            Err(e) => return Err(failed("openat", target, e)),
        }
        let parent = openat(self.tree.current_dir(), ".", OFlags::PATH | DIR, Mode::empty());
        let parent = parent.map_err(|e| failed("openat", target, e))?;
        self.tree.enter(dir)?;
        debug_assert_eq!(last, name);
        self.create(name, |dir| linkat(&parent, target_name, dir, name, AtFlags::empty()))
    }

    pub(super) fn symlink(&mut self, name: &[u8], entry: &Entry) -> Result<(), LayerError> {
        if entry.link.is_empty() {
            return Err(refused(&entry.path, "symbolic link without a target"));
        }
        let owner = Owner::of(entry, &self.options.ownership)?;
        self.create(name, |dir| symlinkat(entry.link.as_slice(), dir, name))?;
        let fd = self.open_made(name, FileType::Symlink)?;
        metadata::settle_path(fd.as_fd(), entry, owner, None, self.options)
    }

    pub(super) fn fifo(&mut self, name: &[u8], entry: &Entry) -> Result<(), LayerError> {
        self.node(name, entry, FileType::Fifo, 0)
    }

    pub(super) fn device(&mut self, name: &[u8], entry: &Entry) -> Result<(), LayerError> {
        let (major, minor) = entry.device;
        if entry.kind == EntryKind::CharDevice && entry.device == (0, 0) {
            let reason =
                "a character device 0:0 is overlayfs' whiteout, and no layer may bring one";
            return Err(refused(&entry.path, reason));
        }
        if major > MAX_DEVICE_MAJOR || minor > MAX_DEVICE_MINOR {
            return Err(refused(&entry.path, "device number is too large"));
        }
        let kind = match (self.options.devices, entry.kind) {
            (DeviceNodes::Placeholder, _) => FileType::RegularFile,
            (DeviceNodes::Create, EntryKind::BlockDevice) => FileType::BlockDevice,
            (DeviceNodes::Create, _) => FileType::CharacterDevice,
        };
        let device = if kind == FileType::RegularFile { 0 } else { makedev(major, minor) };
        self.node(name, entry, kind, device)
    }

    fn node(
        &mut self,
        name: &[u8],
        entry: &Entry,
        kind: FileType,
        device: u64,
    ) -> Result<(), LayerError> {
        let owner = Owner::of(entry, &self.options.ownership)?;
        let mode = Mode::from_raw_mode(entry.mode & 0o600);
        self.create(name, |dir| mknodat(dir, name, kind, mode, device))?;
        let fd = self.open_made(name, kind)?;
        metadata::settle_path(fd.as_fd(), entry, owner, Some(entry.mode), self.options)
    }

    /// Opens what was just made, and sees that it is what was made.
    fn open_made(&self, name: &[u8], kind: FileType) -> Result<OwnedFd, LayerError> {
        let whole = || self.tree.path_of(name);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(self.tree.current_dir(), name, flags, Mode::empty());
        let fd = fd.map_err(|e| failed("openat", &whole(), e))?;
        let stat = rustix::fs::fstat(&fd).map_err(|e| failed("fstat", &whole(), e))?;
        if FileType::from_raw_mode(stat.st_mode) != kind {
            return Err(refused(&whole(), "it was replaced while being made"));
        }
        Ok(fd)
    }

    /// Makes something by `call`; what is in its place goes.
    fn create<T>(
        &mut self,
        name: &[u8],
        call: impl Fn(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T, LayerError> {
        match call(self.tree.current_dir()) {
            Ok(made) => return Ok(made),
            Err(Errno::EXIST) => self.replace(name)?,
            Err(e) => return Err(failed("create", &self.tree.path_of(name), e)),
        }
        call(self.tree.current_dir()).map_err(|e| failed("create", &self.tree.path_of(name), e))
    }

    /// Removes what an earlier entry, or a layer below, put in the place of `name`.
    fn replace(&mut self, name: &[u8]) -> Result<(), LayerError> {
        let whole = self.tree.path_of(name);
        match remove::remove(self.tree.current_dir(), name) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(e) => return Err(failed("remove", &whole, e)),
        }
        self.forget(&whole);
        Ok(())
    }

    fn is_own_whiteout(&self, name: &[u8]) -> bool {
        self.options.form != LayerForm::Flat
            && statat(self.tree.current_dir(), name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| is_whiteout(&stat))
    }

    fn mark_opaque(&mut self, name: &[u8], whole: &[u8]) -> Result<(), LayerError> {
        let fd = openat(self.tree.current_dir(), name, OFlags::RDONLY | DIR, Mode::empty());
        let fd = fd.map_err(|e| failed("openat", whole, e))?;
        metadata::set_opaque(fd.as_fd(), self.options.form)
            .map_err(|e| failed("fsetxattr", whole, e))?;
        self.tree.note_opaque(whole);
        Ok(())
    }

    fn as_created(&self, mode: u32) -> AsCreated {
        if self.plain_parents {
            AsCreated::predict(&self.creator, mode)
        } else {
            AsCreated::unknown()
        }
    }
}

/// The mode for as long as we work in a directory, and the one for the end if that is narrower.
fn working_mode(mode: u32) -> (u32, Option<Mode>) {
    if mode & 0o700 == 0o700 || rustix::process::geteuid().is_root() {
        return (mode, None);
    }
    (mode | 0o700, Some(Mode::from_raw_mode(mode)))
}

fn make_in(dir: BorrowedFd<'_>, name: &[u8], mode: u32) -> Result<(), Errno> {
    mkdirat(dir, name, Mode::from_raw_mode(mode))
}
