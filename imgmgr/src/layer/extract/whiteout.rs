//! Whiteouts: names by which a layer hides what is below it (image-spec layer.md#whiteouts).

use rustix::fs::{AtFlags, FileType, Mode, OFlags, mknodat, openat, statat};
use rustix::io::Errno;

use super::tree::{DIR, failed};
use super::{Extraction, metadata, path, remove};
use crate::layer::{LayerError, LayerForm};

const PREFIX: &[u8] = b".wh.";
const AUFS_PREFIX: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What the last component of an entry's path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name<'n> {
    /// An object of that name.
    Plain(&'n [u8]),
    /// The object of that name in the layers below is gone.
    Whiteout(&'n [u8]),
    /// Everything of the layers below in this directory is gone.
    Opaque,
    /// A leaving of aufs without meaning.
    AufsMetadata,
}

/// Classifies a component; a whiteout of nothing, `.` or `..` is an error.
pub(super) fn classify(name: &[u8]) -> Result<Name<'_>, &'static str> {
    if name == OPAQUE {
        return Ok(Name::Opaque);
    }
    if name.starts_with(AUFS_PREFIX) {
        return Ok(Name::AufsMetadata);
    }
    match name.strip_prefix(PREFIX) {
        None => Ok(Name::Plain(name)),
        Some(b"" | b"." | b"..") => Err("whiteout of no name"),
        Some(hidden) => Ok(Name::Whiteout(hidden)),
    }
}

/// True for a component that only whiteouts may have.
pub(super) fn is_reserved(component: &[u8]) -> bool {
    component.starts_with(PREFIX)
}

/// True for a path in a directory of aufs' own, such as `.wh..wh.plnk`.
pub(super) fn is_aufs_directory(dir: &[u8]) -> bool {
    dir.split(|b| *b == b'/').any(|component| component.starts_with(AUFS_PREFIX))
}

impl Extraction<'_> {
    /// Hides `name` of the layers below, in the current directory.
    pub(super) fn whiteout(&mut self, name: &[u8]) -> Result<(), LayerError> {
        match self.options.form {
            LayerForm::Flat => self.apply_whiteout(name),
            LayerForm::Overlay | LayerForm::OverlayUserXattr => self.make_whiteout(name),
        }
    }

    /// Hides everything of the layers below in the current directory.
    pub(super) fn opaque(&mut self) -> Result<(), LayerError> {
        let dir = self.tree.current_path().to_vec();
        if self.options.form == LayerForm::Flat {
            let newer = |path: &[u8]| self.created.has(path);
            remove::remove_older(self.tree.current_dir(), &dir, &newer)?;
            self.tree.forget_older(&dir, newer);
            return Ok(());
        }
        let fd = openat(self.tree.current_dir(), ".", OFlags::RDONLY | DIR, Mode::empty());
        let fd = fd.map_err(|e| failed("openat", &dir, e))?;
        metadata::set_opaque(std::os::fd::AsFd::as_fd(&fd), self.options.form)
            .map_err(|e| failed("fsetxattr", &dir, e))?;
        self.tree.note_opaque(&dir);
        Ok(())
    }

    fn make_whiteout(&mut self, name: &[u8]) -> Result<(), LayerError> {
        let whole = self.tree.path_of(name);
        let dir = self.tree.current_dir();
        match mknodat(dir, name, FileType::CharacterDevice, Mode::empty(), 0) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST) => {}
            Err(e) => return Err(failed("mknodat", &whole, e)),
        }
        // The layer itself has the name: only what is below it goes.
        let Ok(fd) = openat(dir, name, OFlags::RDONLY | DIR, Mode::empty()) else {
            return Ok(());
        };
        metadata::set_opaque(std::os::fd::AsFd::as_fd(&fd), self.options.form)
            .map_err(|e| failed("fsetxattr", &whole, e))?;
        self.tree.note_opaque(&whole);
        // Nothing is below it any more that could describe it.
        self.tree.facts.implied.retain(|dir| *dir != whole);
        Ok(())
    }

    fn apply_whiteout(&mut self, name: &[u8]) -> Result<(), LayerError> {
        let whole = self.tree.path_of(name);
        let dir = self.tree.current_dir();
        let stat = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            Err(e) => return Err(failed("fstatat", &whole, e)),
        };
        let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if !self.created.has(&whole) {
            remove::remove(dir, name).map_err(|e| failed("remove", &whole, e))?;
            if is_dir {
                self.forget(&whole);
            }
        } else if is_dir {
            let fd = openat(dir, name, OFlags::RDONLY | DIR, Mode::empty());
            let fd = fd.map_err(|e| failed("openat", &whole, e))?;
            let newer = |path: &[u8]| self.created.has(path);
            remove::remove_older(std::os::fd::AsFd::as_fd(&fd), &whole, &newer)?;
            self.tree.forget_older(&whole, newer);
        }
        Ok(())
    }

    /// Forgets what is known of a removed path.
    pub(super) fn forget(&mut self, gone: &[u8]) {
        self.tree.forget(gone);
        self.links.forget();
        debug_assert!(!path::is_beneath(self.tree.current_path(), gone));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whiteout_never_names_its_own_directory() {
        assert_eq!(classify(b".wh.a"), Ok(Name::Whiteout(b"a")));
        assert_eq!(classify(b".wh..a"), Ok(Name::Whiteout(b".a")));
        assert_eq!(classify(b".wh..wh..opq"), Ok(Name::Opaque));
        assert_eq!(classify(b".wh..wh.plnk"), Ok(Name::AufsMetadata));
        assert_eq!(classify(b".whatever"), Ok(Name::Plain(b".whatever")));
        for name in [&b".wh."[..], b".wh..", b".wh..."] {
            assert!(classify(name).is_err(), "{name:?}");
        }
    }
}
