//! Read-only and masked paths, and Landlock.

use super::{Child, StepError, StepResult, mount::new_filesystem};
use crate::plan::Place;
use crate::spec::{FilesystemOption, Landlock};
use kernel::mount::{self, CloneTree, SetAttributes};
use kernel::{Errno, file};
use std::os::fd::OwnedFd;

/// `MOUNT_ATTR_RDONLY`.
const MOUNT_ATTR_RDONLY: u64 = 1;

/// What hides things: one node and one directory for all of them.
#[derive(Debug, Default)]
pub(super) struct Masks {
    null: Option<OwnedFd>,
    empty: Option<OwnedFd>,
}

impl Masks {
    /// Takes the host's `/dev/null`, seen to be that.
    fn hold_null(&mut self) -> Result<(), StepError> {
        let null = mount::clone_tree(file::CWD, c"/dev/null", CloneTree::default())?;
        if !file::kind(&null)?.is_char_device(1, 3) {
            let why = "`/dev/null` of the host is not character device 1:3";
            return Err(StepError::new(Errno::NODEV, why));
        }
        self.null = Some(null);
        Ok(())
    }
}

impl Child<'_> {
    pub(super) fn make_read_only(&mut self, place: &Place) -> StepResult {
        let target = match self.base(place)?.open(&place.path) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            other => other?,
        };
        let tree = mount::clone_tree_at(&target, CloneTree { recursive: true, nofollow: false })?;
        let read_only =
            SetAttributes { set: MOUNT_ATTR_RDONLY, recursive: true, ..SetAttributes::default() };
        mount::set_attributes(&tree, read_only)?;
        Ok(mount::attach(&tree, &target)?)
    }

    pub(super) fn mask(&mut self, place: &Place) -> StepResult {
        let target = match self.base(place)?.open(&place.path) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            other => other?,
        };
        let mask = if file::kind(&target)?.is_dir() { self.empty_dir()? } else { self.null()? };
        Ok(mount::attach(&mask, &target)?)
    }

    /// Takes hold of the host's `/dev/null` before the container's is in its place.
    pub(super) fn hold_null(&mut self) -> StepResult {
        self.masks.hold_null()
    }

    fn null(&mut self) -> Result<OwnedFd, StepError> {
        let null = self.masks.null.as_ref().ok_or(Errno::BADF)?;
        Ok(mount::clone_tree_at(null, CloneTree::default())?)
    }

    /// The first one is attached itself, the others are clones of it.
    fn empty_dir(&mut self) -> Result<OwnedFd, StepError> {
        if let Some(empty) = &self.masks.empty {
            return Ok(mount::clone_tree_at(empty, CloneTree::default())?);
        }
        let option = |key: &str, value: &str| FilesystemOption {
            key: key.into(),
            value: Some(value.into()),
        };
        let options = [option("nr_blocks", "1"), option("nr_inodes", "1")];
        let empty = new_filesystem("tmpfs", "tmpfs", &options, 0, MOUNT_ATTR_RDONLY)?;
        let clone = mount::clone_tree_at(&empty, CloneTree::default())?;
        self.masks.empty = Some(empty);
        Ok(clone)
    }
}

pub(super) fn restrict_paths(_landlock: &Landlock) -> StepResult {
    Err(StepError::new(Errno::NOSYS, "Landlock is not built in"))
}
