//! Owner, mode, attributes and times, by descriptor.

use std::borrow::Cow;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::fs::{chmod, setxattr, utimensat};
use rustix::fs::{chownat, fchmod, fchown, fgetxattr, flistxattr, fremovexattr, fsetxattr, fstat};
use rustix::io::Errno;

use super::tree::{failed, refused, times};
use crate::layer::limits::MAX_XATTR_VALUE;
use crate::layer::tar::{Entry, TarTime};
use crate::layer::{LayerError, LayerForm, Ownership, UnpackOptions, rootless_owner};

/// Bytes of a list of attribute names that we read.
const XATTR_LIST_BYTES: usize = 64 << 10;

/// What the kernel gives a new file of ours, so that calls which change nothing are left out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Creator {
    uid: Uid,
    gid: Gid,
    /// `None` if it can't be read.
    umask: Option<u32>,
}

impl Creator {
    /// Reads the identity of this process, and its umask without changing it.
    pub(super) fn probe() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        let umask = umask.and_then(|text| u32::from_str_radix(text.trim(), 8).ok());
        Self { uid: rustix::process::geteuid(), gid: rustix::process::getegid(), umask }
    }
}

/// The owner that an entry shall have on the host; `None` leaves it as created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
}

impl Owner {
    /// Maps an entry's owner.
    pub(super) fn of(entry: &Entry, ownership: &Ownership) -> Result<Option<Self>, LayerError> {
        Self::of_ids((entry.uid, entry.gid), &entry.path, ownership)
    }

    /// Maps the owner of a directory that no entry describes, which is root; `None` leaves it as
    /// created, which is right where nothing is mapped.
    pub(super) fn of_implied(
        path: &[u8],
        ownership: &Ownership,
    ) -> Result<Option<Self>, LayerError> {
        match ownership {
            Ownership::Map { .. } => Self::of_ids((0, 0), path, ownership),
            Ownership::Keep | Ownership::Caller => Ok(None),
        }
    }

    fn of_ids(
        (uid, gid): (u32, u32),
        path: &[u8],
        ownership: &Ownership,
    ) -> Result<Option<Self>, LayerError> {
        let unmapped =
            |id| LayerError::Unmapped { path: String::from_utf8_lossy(path).into_owned(), id };
        let Some((uid, gid)) = ownership.host_owner(uid, gid).map_err(unmapped)? else {
            return Ok(None);
        };
        // 2^32 - 1 means "leave as it is" to chown(2).
        if uid == u32::MAX || gid == u32::MAX {
            return Err(refused(path, "its owner is no valid id"));
        }
        Ok(Some(Self { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid) }))
    }
}

/// What a new object is known to have, as far as the kernel's rules tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct AsCreated {
    owner: Option<Owner>,
    mode: Option<u32>,
}

impl AsCreated {
    /// For an object just created with `mode` in a directory that passes nothing on.
    pub(super) fn predict(creator: &Creator, mode: u32) -> Self {
        let owner = Some(Owner { uid: creator.uid, gid: creator.gid });
        Self { owner, mode: creator.umask.map(|umask| mode & !umask) }
    }

    /// True if nothing needs to be done to give it `owner`.
    pub(super) fn is_owner(&self, owner: Option<Owner>) -> bool {
        owner.is_none() || self.owner == owner
    }

    /// For an object of any history.
    pub(super) fn unknown() -> Self {
        Self { owner: None, mode: None }
    }

    /// For an object whose state was read.
    pub(super) fn read(stat: &Stat) -> Self {
        let owner = Owner { uid: Uid::from_raw(stat.st_uid), gid: Gid::from_raw(stat.st_gid) };
        Self { owner: Some(owner), mode: Some(stat.st_mode & 0o7777) }
    }
}

/// Sets owner, mode and attributes of a file or directory that is open for reading or writing,
/// in the order that lets each survive the next.
pub(super) fn settle(
    fd: BorrowedFd<'_>,
    entry: &Entry,
    owner: Option<Owner>,
    mode: u32,
    created: AsCreated,
    options: &UnpackOptions,
) -> Result<(), LayerError> {
    let mut known_mode = created.mode;
    if let Some(owner) = owner.filter(|owner| created.owner != Some(*owner)) {
        fchown(fd, Some(owner.uid), Some(owner.gid))
            .map_err(|e| failed("fchown", &entry.path, e))?;
        known_mode = known_mode.filter(|mode| mode & 0o6000 == 0);
    }
    if known_mode != Some(mode) {
        let mode = Mode::from_raw_mode(mode);
        fchmod(fd, mode).map_err(|e| failed("fchmod", &entry.path, e))?;
    }
    for (name, value) in stored_xattrs(entry, options) {
        let mut set = fsetxattr(fd, &name, &value, XattrFlags::empty());
        if set == Err(Errno::ACCESS) {
            // Attributes of users need the permission to write, unlike modes and times.
            set = fchmod(fd, Mode::from_raw_mode(mode | 0o600))
                .and_then(|()| fsetxattr(fd, &name, &value, XattrFlags::empty()))
                .and(fchmod(fd, Mode::from_raw_mode(mode)));
        }
        tolerate(set, &name).map_err(|e| failed("fsetxattr", &entry.path, e))?;
    }
    Ok(())
}

/// As [`settle`], with times, for what can't be opened: links, devices, pipes. `fd` is `O_PATH`.
pub(super) fn settle_path(
    fd: BorrowedFd<'_>,
    entry: &Entry,
    owner: Option<Owner>,
    mode: Option<u32>,
    options: &UnpackOptions,
) -> Result<(), LayerError> {
    let stat = fstat(fd).map_err(|e| failed("fstat", &entry.path, e))?;
    // What we just made has one name; another one was put in its place.
    if stat.st_nlink != 1 {
        return Err(refused(&entry.path, "it was replaced while being made"));
    }
    let now = AsCreated::read(&stat);
    if let Some(owner) = owner.filter(|owner| now.owner != Some(*owner)) {
        let (uid, gid) = (Some(owner.uid), Some(owner.gid));
        chownat(fd, "", uid, gid, AtFlags::EMPTY_PATH)
            .map_err(|e| failed("fchownat", &entry.path, e))?;
    }
    // The only way by descriptor: chmod and setxattr refuse `O_PATH`, but not its magic link.
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    if let Some(mode) = mode.filter(|mode| now.mode != Some(*mode)) {
        chmod(&link, Mode::from_raw_mode(mode)).map_err(|e| failed("chmod", &entry.path, e))?;
    }
    for (name, value) in stored_xattrs(entry, options) {
        let mut set = setxattr(&link, &name, &value, XattrFlags::empty());
        if let (Err(Errno::ACCESS), Some(mode)) = (set, mode) {
            set = chmod(&link, Mode::from_raw_mode(mode | 0o600))
                .and_then(|()| setxattr(&link, &name, &value, XattrFlags::empty()))
                .and(chmod(&link, Mode::from_raw_mode(mode)));
        }
        tolerate(set, &name).map_err(|e| failed("setxattr", &entry.path, e))?;
    }
    let times = timestamps(entry);
    utimensat(fd, "", &times, AtFlags::EMPTY_PATH).map_err(|e| failed("utimensat", &entry.path, e))
}

/// Access and modification time of an entry; without its own, the access time is the other.
pub(super) fn timestamps(entry: &Entry) -> Timestamps {
    let spec = |time: TarTime| Timespec { tv_sec: time.secs, tv_nsec: i64::from(time.nanos) };
    Timestamps {
        last_access: spec(entry.atime.unwrap_or(entry.mtime)),
        last_modification: spec(entry.mtime),
    }
}

/// The attributes that are set for an entry: its own, and the owner that it can't have.
fn stored_xattrs<'e>(
    entry: &'e Entry,
    options: &UnpackOptions,
) -> impl Iterator<Item = (CString, Cow<'e, [u8]>)> {
    let tells_owner = options.form == LayerForm::Flat && options.ownership == Ownership::Caller;
    let told = tells_owner && (entry.uid, entry.gid) != (0, 0);
    let told = told.then(|| rootless_owner::attribute(entry.uid, entry.gid));
    let told = told.and_then(|(name, value)| Some((CString::new(name).ok()?, value.into())));
    let form = options.form;
    let own =
        entry.xattrs.iter().filter(move |(name, _)| !tells_owner || name != rootless_owner::NAME);
    let own = own
        .filter_map(move |(name, value)| Some((stored_name(name, form)?, value.as_slice().into())));
    own.chain(told)
}

/// The name under which an attribute is stored; `None` for those that describe the host.
///
/// Attributes of overlayfs itself are escaped as the kernel does it for nested mounts, so that
/// a layer can't redirect or hide anything in the mount that we make of it.
fn stored_name(name: &[u8], form: LayerForm) -> Option<CString> {
    let prefix = match form {
        LayerForm::Overlay => &b"trusted.overlay."[..],
        LayerForm::OverlayUserXattr => b"user.overlay.",
        LayerForm::Flat => b"",
    };
    if matches!(name, b"security.selinux" | b"security.ima" | b"security.evm" | b"system.nfs4_acl")
    {
        return None;
    }
    let stored = match name.strip_prefix(prefix) {
        Some(rest) if !prefix.is_empty() => [prefix, b"overlay.", rest].concat(),
        _ => name.to_vec(),
    };
    CString::new(stored).ok()
}

/// A file system or a caller without a kind of attribute loses it, as with every peer.
fn tolerate(set: Result<(), Errno>, name: &CString) -> Result<(), Errno> {
    match set {
        Err(Errno::OPNOTSUPP) => Ok(()),
        Err(Errno::PERM) if name.as_bytes().starts_with(b"user.") => Ok(()),
        Err(Errno::PERM) if !rustix::process::geteuid().is_root() => Ok(()),
        other => other,
    }
}

/// Marks a directory so that nothing of the layers below shows in it.
pub(super) fn set_opaque(dir: BorrowedFd<'_>, form: LayerForm) -> Result<(), Errno> {
    let name = match form {
        LayerForm::Overlay => c"trusted.overlay.opaque",
        LayerForm::OverlayUserXattr => c"user.overlay.opaque",
        LayerForm::Flat => return Ok(()),
    };
    fsetxattr(dir, name, b"y", XattrFlags::empty())
}

/// Removes the attributes of a directory that a layer describes anew, but not our own mark.
pub(super) fn clear_xattrs_unless_opaque(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    for name in list_xattrs(fd)? {
        let kept: [&[u8]; 3] =
            [b"security.selinux", b"trusted.overlay.opaque", b"user.overlay.opaque"];
        if !kept.contains(&name.as_bytes()) {
            tolerate(fremovexattr(fd, &name), &name)?;
        }
    }
    Ok(())
}

/// Lists the attributes of an open file, or none where the file system has none.
pub(super) fn list_xattrs(fd: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
    let mut list = vec![0; XATTR_LIST_BYTES];
    let len = match flistxattr(fd, &mut list[..]) {
        Ok(len) => len,
        Err(Errno::OPNOTSUPP) => 0,
        Err(e) => return Err(e),
    };
    let names = list[..len].split(|b| *b == 0).filter(|name| !name.is_empty());
    Ok(names.filter_map(|name| CString::new(name).ok()).collect())
}

/// Copies owner, mode and attributes of one directory to another; returns the times.
pub(super) fn copy_directory(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
) -> Result<(Timespec, Timespec), Errno> {
    // `O_PATH` descriptors can't be listed.
    let from = rustix::fs::openat(
        from,
        ".",
        rustix::fs::OFlags::RDONLY | super::tree::DIR,
        Mode::empty(),
    )?;
    let stat = fstat(&from)?;
    fchown(to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    copy_xattrs(from.as_fd(), to)?;
    Ok(times(&stat))
}

/// As [`copy_directory`], with the times: nothing may change in `to` afterwards.
pub(crate) fn copy_directory_and_times(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
) -> Result<(), Errno> {
    let (last_access, last_modification) = copy_directory(from, to)?;
    rustix::fs::futimens(to, &Timestamps { last_access, last_modification })
}

/// Copies the data, owner, mode, attributes and times of a file that is open for reading.
pub(super) fn copy_file(
    from: BorrowedFd<'_>,
    stat: &Stat,
    to: BorrowedFd<'_>,
) -> Result<(), Errno> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        let n = rustix::io::read(from, &mut buffer[..])?;
        let mut rest = &buffer[..n];
        while !rest.is_empty() {
            let written = rustix::io::write(to, rest)?;
            rest = &rest[written..];
        }
        if n == 0 {
            break;
        }
    }
    fchown(to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    copy_xattrs(from, to)?;
    let (last_access, last_modification) = times(stat);
    rustix::fs::futimens(to, &Timestamps { last_access, last_modification })
}

/// Copies all attributes but those of overlayfs and the host.
pub(super) fn copy_xattrs(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut value = vec![0; MAX_XATTR_VALUE];
    for name in list_xattrs(from)? {
        let bytes = name.as_bytes();
        let of_overlay =
            bytes.starts_with(b"trusted.overlay.") || bytes.starts_with(b"user.overlay.");
        if of_overlay || bytes == b"security.selinux" {
            continue;
        }
        let len = fgetxattr(from, &name, &mut value[..])?;
        tolerate(fsetxattr(to, &name, &value[..len], XattrFlags::empty()), &name)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_cannot_speak_to_overlayfs() {
        let stored = |form| stored_name(b"trusted.overlay.redirect", form).unwrap();
        assert_eq!(stored(LayerForm::Overlay), c"trusted.overlay.overlay.redirect".to_owned());
        assert_eq!(stored(LayerForm::Flat), c"trusted.overlay.redirect".to_owned());
        assert_eq!(stored_name(b"security.selinux", LayerForm::Flat), None);
    }
}
