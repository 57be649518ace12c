//! What a layer tells of a directory, beside its time.

use std::io;
use std::os::fd::BorrowedFd;

use super::tree_tar::is_content;
use crate::digest::Digest;
use crate::xattrs;

/// Mode, owner and attributes of a directory, to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DirectoryFacts {
    mode: u32,
    uid: u32,
    gid: u32,
    attributes: Digest,
}

impl DirectoryFacts {
    /// Reads those of an open directory.
    pub(super) fn of(dir: BorrowedFd<'_>) -> io::Result<Self> {
        let stat = rustix::fs::fstat(dir)?;
        let mut xattrs = xattrs::of_file(dir)?;
        xattrs.retain(|(name, _)| is_content(name));
        xattrs.sort_unstable();
        let mut bytes = Vec::new();
        for part in xattrs.iter().flat_map(|(name, value)| [name, value]) {
            bytes.extend_from_slice(&part.len().to_le_bytes());
            bytes.extend_from_slice(part);
        }
        let attributes = Digest::of(&bytes);
        Ok(Self { mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid, attributes })
    }

    /// As in a manifest.
    pub(super) fn to_words(&self) -> String {
        format!("{:o} {} {} {}", self.mode, self.uid, self.gid, self.attributes)
    }

    /// Reads [`DirectoryFacts::to_words`].
    pub(super) fn from_words<'w>(mut words: impl Iterator<Item = &'w str>) -> Option<Self> {
        Some(Self {
            mode: u32::from_str_radix(words.next()?, 8).ok()?,
            uid: words.next()?.parse().ok()?,
            gid: words.next()?.parse().ok()?,
            attributes: words.next()?.parse().ok()?,
        })
    }
}
