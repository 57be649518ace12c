//! Where chunks may lie: one after the other, each before its file's end, none in another.

use super::{TocEntry, TocError, TocKind};

/// Checks the places of chunks while entries go by in their order.
#[derive(Debug)]
pub(super) struct Order {
    /// Where chunks end at the latest.
    limit: u64,
    /// Where the last chunk begins; 0 before the first, since no chunk begins a blob.
    last: u64,
    /// Bytes before this belong to files that are done with.
    taken: u64,
    /// Where the file at hand ends, if that is told.
    file_end: Option<u64>,
    /// Whether the file at hand has a chunk yet.
    has_chunk: bool,
}

impl Order {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, last: 0, taken: 0, file_end: None, has_chunk: false }
    }

    /// Takes note of an entry; returns where its file ends, if that is told.
    ///
    /// # Errors
    /// [`TocError::Entry`] if its chunk lies where it can't.
    pub(super) fn add(&mut self, entry: &TocEntry) -> Result<Option<u64>, TocError> {
        if entry.kind != TocKind::Chunk {
            let ended = self.file_end.take().filter(|_| self.has_chunk);
            self.taken = self.taken.max(ended.unwrap_or(0));
            self.has_chunk = false;
        }
        if entry.end_offset > 0 {
            self.file_end = Some(entry.end_offset);
        }
        if !entry.has_chunk() {
            return Ok(self.file_end);
        }
        if let Some(reason) = self.refusal(entry) {
            return Err(TocError::entry(&entry.name, reason));
        }
        self.last = entry.offset;
        self.has_chunk = true;
        Ok(self.file_end)
    }

    fn refusal(&self, entry: &TocEntry) -> Option<&'static str> {
        let offset = entry.offset;
        if offset >= self.limit || self.file_end.is_some_and(|end| end > self.limit) {
            return Some("its chunk reaches past the layer's data");
        }
        if self.file_end.is_some_and(|end| end <= offset) {
            return Some("its file ends before its chunk begins");
        }
        if offset < self.last {
            return Some("its chunk lies before one that is listed earlier");
        }
        // Of several in one eStargz member, only the first begins where the member does.
        let shares_member = entry.inner_offset > 0 && offset == self.last;
        if (offset == self.last && !shares_member) || offset < self.taken {
            return Some("its chunk overlaps another one");
        }
        None
    }
}
