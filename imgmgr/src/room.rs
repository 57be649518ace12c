//! Failures for lack of room: a disk that is full, or a quota that is used up.
//!
//! Both may refuse anything that makes something larger, also a rename: its new name takes room in
//! a directory. Removing always works.

use std::error::Error;
use std::io;

use rustix::io::Errno;

/// What there was no room in; bytes or files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// `ENOSPC`.
    Disk,
    /// `EDQUOT`: of the user, the group, the project or the subvolume.
    Quota,
}

impl Shortage {
    /// Finds the cause of an error, however deep it lies; `None` if it is another one.
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(errno) = error.downcast_ref::<Errno>() {
                return Self::of_errno(*errno);
            }
            next = match error.downcast_ref::<io::Error>() {
                Some(error) if error.raw_os_error().is_some() => {
                    return Errno::from_io_error(error).and_then(Self::of_errno);
                }
                // Its `source` would leave out what it wraps.
                Some(wrapper) => wrapper.get_ref().map(|inner| inner as &(dyn Error + 'static)),
                None => error.source(),
            };
        }
        None
    }

    fn of_errno(errno: Errno) -> Option<Self> {
        match errno {
            Errno::NOSPC => Some(Self::Disk),
            Errno::DQUOT => Some(Self::Quota),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn the_cause_is_found_however_deep_it_lies() {
        let quota = || io::Error::from(Errno::DQUOT);
        let stored = StoreError::Io { action: "write", path: "/d/blob".into(), source: quota() };
        let wrapped = io::Error::other(io::Error::other(stored));
        for error in [quota(), io::Error::other(quota()), wrapped] {
            assert_eq!(Shortage::of(&error), Some(Shortage::Quota), "{error:?}");
        }
        assert_eq!(Shortage::of(&io::Error::other(Errno::NOSPC)), Some(Shortage::Disk));
        for other in [io::Error::other("text"), Errno::ACCESS.into()] {
            assert_eq!(Shortage::of(&other), None);
        }
    }
}
