//! Where compressed bytes come from: any [`Read`], or a bounded channel of chunks that another
//! thread (a download) fills.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Chunks that may wait between a download and its unpack.
pub const CHUNKS_IN_FLIGHT: usize = 8;

/// A flag that stops an unpack from another thread; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Makes every unpack that holds this flag return soon with
    /// [`LayerErrorKind::Cancelled`](super::LayerErrorKind::Cancelled).
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// True once [`Cancel::cancel`] was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The sending end: `send` blocks while the channel is full and fails once the unpack is over.
/// Dropping it without an error is the end of the stream.
pub type ChunkSender<B> = SyncSender<io::Result<B>>;

/// The receiving end, to be handed to an [`Unpacker`](super::Unpacker).
#[derive(Debug)]
pub struct ChunkSource<B> {
    chunks: Receiver<io::Result<B>>,
    current: Option<B>,
    used: usize,
}

/// Returns the two ends of a channel of at most `depth` chunks.
#[must_use]
pub fn chunk_channel<B: AsRef<[u8]>>(depth: usize) -> (ChunkSender<B>, ChunkSource<B>) {
    let (sender, chunks) = sync_channel(depth);
    (sender, ChunkSource { chunks, current: None, used: 0 })
}

impl<B: AsRef<[u8]>> Read for ChunkSource<B> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(chunk) = &self.current {
                let rest = chunk.as_ref().get(self.used..).unwrap_or_default();
                if !rest.is_empty() {
                    let n = rest.len().min(out.len());
                    out[..n].copy_from_slice(&rest[..n]);
                    self.used += n;
                    return Ok(n);
                }
            }
            match self.chunks.recv() {
                Ok(chunk) => self.current = Some(chunk?),
                Err(_all_sent) => return Ok(0),
            }
            self.used = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_out_in_order_and_end() {
        let (sender, mut source) = chunk_channel::<Vec<u8>>(2);
        let feeder = std::thread::spawn(move || {
            for chunk in [b"ab".to_vec(), Vec::new(), b"cde".to_vec()] {
                sender.send(Ok(chunk)).unwrap();
            }
        });
        let mut all = Vec::new();
        source.read_to_end(&mut all).unwrap();
        feeder.join().unwrap();
        assert_eq!(all, b"abcde");
    }

    #[test]
    fn an_error_of_the_sender_reaches_the_reader() {
        let (sender, mut source) = chunk_channel::<Vec<u8>>(2);
        sender.send(Err(io::Error::other("cut"))).unwrap();
        assert_eq!(source.read(&mut [0; 4]).unwrap_err().to_string(), "cut");
    }
}
