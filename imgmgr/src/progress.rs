//! What long operations tell while they run. A library only counts; the command draws.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::image::Descriptor;

/// Where a blob is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobState {
    /// It was there already.
    Present,
    /// It was mounted from another repository.
    Mounted,
    /// Somebody else fetches it, or all lanes are taken.
    Waiting,
    /// Bytes are on their way; so many were there from an earlier try.
    Moving {
        /// Bytes that need not move again.
        resumed: u64,
    },
    /// It is there and verified.
    Done,
    /// It came to nothing.
    Failed,
}

/// Hears about blobs. `()` ignores everything.
pub trait Progress: Send + Sync {
    /// A blob was found to be needed; the counter is advanced by the bytes that move.
    fn counter(&self, blob: &Descriptor) -> Arc<AtomicU64> {
        let _ = blob;
        Arc::default()
    }

    /// A blob changed its state.
    fn state(&self, blob: &Descriptor, state: BlobState) {
        let _ = (blob, state);
    }
}

impl Progress for () {}

/// A blob that tells how much of it was read.
pub(crate) struct Counted<R> {
    blob: R,
    counter: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    pub(crate) fn new(blob: R, counter: Arc<AtomicU64>) -> Self {
        Self { blob, counter }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.blob.read(out)?;
        self.counter.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
