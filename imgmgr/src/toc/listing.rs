//! The entries of a TOC that are kept in memory, as a check of the layer needs them.

use std::collections::VecDeque;

use super::{TocEntry, TocError};

/// Most bytes of memory that the entries of one TOC take: those of some 400,000 files.
pub const MAX_TOC_MEMORY: usize = 256 << 20;

/// Bytes of the list for an entry, while it grows to twice its room.
const LIST_BYTES: usize = 3 * size_of::<usize>();
/// Bytes of a node of the map of attributes, for which there are at least so many besides the
/// first node.
const XATTR_NODE: (usize, usize) = (656, 5);

/// Entries in their order, whose memory has a limit.
#[derive(Debug, Default)]
pub(super) struct Listing {
    entries: VecDeque<Box<TocEntry>>,
    memory: usize,
}

impl Listing {
    /// Appends an entry.
    ///
    /// # Errors
    /// [`TocError::Limit`] if that would be too much.
    pub(super) fn push(&mut self, entry: TocEntry) -> Result<(), TocError> {
        self.memory = self.memory.saturating_add(memory(&entry));
        if self.memory > MAX_TOC_MEMORY {
            return Err(TocError::limit("MAX_TOC_MEMORY", MAX_TOC_MEMORY));
        }
        self.entries.push_back(Box::new(entry));
        Ok(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &TocEntry> {
        self.entries.iter().map(Box::as_ref)
    }

    pub(super) fn front(&self) -> Option<&TocEntry> {
        self.entries.front().map(Box::as_ref)
    }

    pub(super) fn pop_front(&mut self) -> Option<Box<TocEntry>> {
        self.entries.pop_front()
    }
}

/// Bytes of memory that an entry takes in a [`Listing`]: never less, and seldom much more.
pub(super) fn memory(entry: &TocEntry) -> usize {
    let texts = [
        &entry.name,
        &entry.link_name,
        &entry.user_name,
        &entry.group_name,
        &entry.mod_time,
        &entry.chunk_type,
    ];
    let digests = [&entry.digest, &entry.chunk_digest];
    let xattrs = entry.xattrs.iter().flat_map(|(name, value)| [name, value]);
    LIST_BYTES
        + block(size_of::<TocEntry>())
        + texts.into_iter().chain(xattrs).map(|text| block(text.capacity())).sum::<usize>()
        + digests.into_iter().flatten().map(|digest| block(digest.hex().len())).sum::<usize>()
        + entry.xattrs.len().div_ceil(XATTR_NODE.1) * XATTR_NODE.0
}

/// Bytes that an allocator takes for `bytes`.
fn block(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + size_of::<usize>()).next_multiple_of(16).max(32) }
}
