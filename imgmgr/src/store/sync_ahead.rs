//! Brings to the disk what is being written while more is written.
//!
//! One thread calls `syncfs(2)` whenever enough has been written since the last time, or somebody
//! waits. Many small files go to the disk in a few long runs that way, where a call a file makes as
//! many requests as there are files; all who wait share one commit of the file system's journal;
//! and little is left for the end, while both disk and processors were busy.

use std::fs::File;
use std::io;
use std::os::linux::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Bytes after which a sync is due, though nobody waits.
const DUE: u64 = 64 << 20;

/// Syncs one file system in the background, until it is dropped.
#[derive(Debug)]
pub struct SyncAhead {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// Opened before anything was written: what fails later is reported to it.
    root: File,
    device: u64,
    /// Bytes written since the last sync began.
    written: AtomicU64,
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Syncs that have begun, and that have ended; one at a time.
    begun: u64,
    ended: u64,
    /// The sync that somebody waits for.
    wanted: u64,
    stop: bool,
    /// The first failure: what was lost does not come back.
    failed: Option<i32>,
}

impl SyncAhead {
    /// Starts it for the file system of `root`.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub(crate) fn start(root: File) -> io::Result<Self> {
        let device = root.metadata()?.st_dev();
        let (written, state, moved) = Default::default();
        let shared = Arc::new(Shared { root, device, written, state, moved });
        let thread = std::thread::Builder::new().name("sync".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.serve()
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Whether `file` lies on the file system that is synced.
    pub(crate) fn covers(&self, file: &File) -> bool {
        file.metadata().is_ok_and(|found| found.st_dev() == self.shared.device)
    }

    /// Notes that so many bytes were written.
    pub(crate) fn note(&self, bytes: u64) {
        let before = self.shared.written.fetch_add(bytes, Ordering::Relaxed);
        if before < DUE && before + bytes >= DUE {
            drop(self.shared.state());
            self.shared.moved.notify_all();
        }
    }

    /// Waits until all that was written before this call is on the disk.
    ///
    /// # Errors
    /// What `syncfs(2)` said, now or before.
    pub(crate) fn settle(&self) -> io::Result<()> {
        let mut state = self.shared.state();
        // One that has begun may have passed what was written last.
        let mine = state.begun + 1;
        state.wanted = state.wanted.max(mine);
        self.shared.moved.notify_all();
        while state.ended < mine && state.failed.is_none() {
            state = self.shared.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.failed.map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
    }
}

impl Drop for SyncAhead {
    fn drop(&mut self) {
        self.shared.state().stop = true;
        self.shared.moved.notify_all();
        if let Some(thread) = self.thread.take() {
            // It does not panic.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut state = self.state();
        loop {
            let due = || self.written.load(Ordering::Relaxed) >= DUE;
            while !state.stop && state.wanted <= state.begun && !due() {
                state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.wanted <= state.begun && state.stop || state.failed.is_some() {
                return;
            }
            state.begun += 1;
            self.written.store(0, Ordering::Relaxed);
            drop(state);
            let synced = rustix::fs::syncfs(&self.root);
            state = self.state();
            state.ended = state.begun;
            state.failed = synced.err().map(rustix::io::Errno::raw_os_error);
            self.moved.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_served_and_the_thread_ends() {
        let directory = tempfile::tempdir().unwrap();
        let ahead = SyncAhead::start(File::open(directory.path()).unwrap()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..4).for_each(|_| ahead.settle().unwrap()));
            }
        });
        let state = ahead.shared.state();
        assert!((4..=32).contains(&state.ended), "{state:?}");
        assert_eq!(state.begun, state.ended);
    }

    #[test]
    fn a_sync_begins_once_enough_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let ahead = SyncAhead::start(File::open(directory.path()).unwrap()).unwrap();
        ahead.note(DUE - 1);
        assert_eq!(ahead.shared.state().begun, 0);
        ahead.note(1);
        let mut state = ahead.shared.state();
        while state.ended == 0 {
            state = ahead.shared.moved.wait(state).unwrap();
        }
        assert_eq!(ahead.shared.written.load(Ordering::Relaxed), 0);
    }
}
