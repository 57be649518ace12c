//! Device nodes and the links beside them.

use super::{Child, StepError, StepResult};
use crate::plan::{DeviceStep, Place, libc_format};
use kernel::mount::{self, CloneTree};
use kernel::rootdir::{self, Missing, RootDir};
use kernel::{Errno, file};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

impl Child<'_> {
    pub(super) fn make_device(&mut self, device: &DeviceStep) -> StepResult {
        if device.bind {
            return self.bind_device(device);
        }
        let base = self.base(&device.at)?;
        let parent = parent_of(base, &device.at.path)?;
        let parent = parent.as_ref().map_or_else(|| base.as_fd(), AsFd::as_fd);
        let name = last_component(&device.at.path);
        let number = file::device_number(device.major, device.minor);
        match rootdir::make_node(parent, name, device.format, device.mode, number) {
            Ok(()) if device.uid == 0 && device.gid == 0 => Ok(()),
            Ok(()) => {
                let node = rootdir::open_component(parent, name)?;
                Ok(rootdir::set_owner(&node, device.uid, device.gid)?)
            }
            Err(Errno::EXIST) => check_same(&rootdir::open_component(parent, name)?, device),
            Err(Errno::PERM) if device.format != libc_format::FIFO => self.bind_device(device),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Binds the host's node of the same path over an empty file.
    fn bind_device(&mut self, device: &DeviceStep) -> StepResult {
        let how = CloneTree { recursive: false, nofollow: false };
        let node = mount::clone_tree(file::CWD, device.at.shown.as_str(), how)
            .map_err(|errno| StepError::new(errno, "the host has no such device to bind"))?;
        check_same(&node, device)?;
        self.leave_peers(&node)?;
        let target = self.base(&device.at)?.open_or_make(&device.at.path, Missing::File)?;
        Ok(mount::attach(&node, &target)?)
    }

    pub(super) fn make_symlink(&mut self, at: &Place, target: &str, replace: bool) -> StepResult {
        let base = self.base(at)?;
        let parent = parent_of(base, &at.path)?;
        let parent = parent.as_ref().map_or_else(|| base.as_fd(), AsFd::as_fd);
        let name = last_component(&at.path);
        let target = CString::new(target).map_err(|_| Errno::INVAL)?;
        match rootdir::make_symlink(parent, name, &target) {
            Err(Errno::EXIST) if replace => match file::unlink(parent, name) {
                Ok(()) => Ok(rootdir::make_symlink(parent, name, &target)?),
                // Somebody mounted something there, and meant it.
                Err(Errno::BUSY) => Ok(()),
                Err(errno) => Err(errno.into()),
            },
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// config-linux.md#devices: a file in the way that is not the device is an error.
fn check_same(node: &OwnedFd, device: &DeviceStep) -> StepResult {
    let kind = file::kind(node)?;
    let number = match device.format {
        libc_format::FIFO => kind.device,
        _ => file::device_number(device.major, device.minor),
    };
    if kind.format == device.format && kind.device == number {
        return Ok(());
    }
    Err(StepError::new(Errno::EXIST, "there is a file which is not that device"))
}

/// Opens or makes the directory of `path`; `None` where that is the base itself.
fn parent_of(base: RootDir<impl AsFd>, path: &str) -> Result<Option<OwnedFd>, Errno> {
    match path.rsplit_once('/') {
        None => Ok(None),
        Some((parent, _)) => base.open_or_make(parent, Missing::Directory).map(Some),
    }
}

fn last_component(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}
