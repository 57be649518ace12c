//! Brings to the disk what is being written while more is written.
//!
//! One thread calls `syncfs(2)` whenever as much was written since the last time as is still to
//! come, or somebody has waited for long enough. Many small files go to the disk in a few long runs
//! that way, where a call a file makes as many requests as there are files; all who wait share one
//! commit of the file system's journal; and little is left for the end, while both disk and
//! processors were busy.

use std::fs::File;
use std::io::{self, Read};
use std::os::linux::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Below so many written bytes no sync is due: the file system's journal would be committed for little.
const LEAST: u64 = 64 << 20;
/// With so many a sync is due, whatever is still to come.
const MOST: u64 = 1 << 30;
/// How long those wait who can, so that one sync serves many.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many wait no longer than a sync takes: each has files open.
pub(crate) const CROWD: usize = 32;

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
    /// How long those wait who can.
    patience: Duration,
    written: Written,
    state: Mutex<State>,
    moved: Condvar,
}

/// How much was written, and how much is to be expected.
#[derive(Debug, Default)]
struct Written {
    /// Bytes since the last sync began.
    unsynced: AtomicU64,
    /// Somebody saw that a sync is due since the last one began.
    noticed: AtomicBool,
    /// Bytes since nothing was expected.
    all: AtomicU64,
    /// Bytes of blobs that came in that time, and that are still to come.
    came: AtomicU64,
    left: AtomicU64,
}

impl Written {
    /// Whether as much was written since the last sync began as is still to come, as far as the
    /// blobs that came tell how many bytes a blob's byte becomes.
    fn is_due(&self) -> bool {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (left, all) = (u128::from(read(&self.left)), u128::from(read(&self.all)));
        let to_come = left * all / u128::from(read(&self.came).max(1));
        let enough = u64::try_from(to_come).unwrap_or(MOST).clamp(LEAST, MOST);
        read(&self.unsynced) >= enough
    }
}

#[derive(Debug, Default)]
struct State {
    /// Syncs that have begun, and that have ended; one at a time.
    begun: u64,
    ended: u64,
    /// The sync that somebody waits for.
    wanted: u64,
    /// When one begins for those who can wait.
    wanted_by: Option<Instant>,
    /// Those who can wait, and do.
    patient: usize,
    /// Those who expect something: each has an [`Expected`].
    expecting: usize,
    /// Those who can't go on until another gives something its name, who may wait for us.
    blocked: usize,
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
        Self::start_with(root, PATIENCE)
    }

    fn start_with(root: File, patience: Duration) -> io::Result<Self> {
        let device = root.metadata()?.st_dev();
        let (written, state, moved) = Default::default();
        let shared = Arc::new(Shared { root, device, patience, written, state, moved });
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
        let Written { unsynced, noticed, all, .. } = &self.shared.written;
        unsynced.fetch_add(bytes, Ordering::Relaxed);
        all.fetch_add(bytes, Ordering::Relaxed);
        if self.shared.written.is_due() && !noticed.swap(true, Ordering::Relaxed) {
            drop(self.shared.state());
            self.shared.moved.notify_all();
        }
    }

    /// Announces blobs of so many bytes, whose content will be written as it comes.
    pub(crate) fn expect(self: &Arc<Self>, bytes: u64) -> Expected {
        self.shared.state().expecting += 1;
        self.shared.written.left.fetch_add(bytes, Ordering::Relaxed);
        Expected { ahead: Arc::clone(self), left: AtomicU64::new(bytes) }
    }

    /// Lets nobody here wait longer than a sync takes, as long as the result lives: somebody waits for
    /// another process or thread, which may wait for us.
    pub(crate) fn blocked(self: &Arc<Self>) -> Blocked {
        let mut state = self.shared.state();
        state.blocked += 1;
        self.shared.serve_patient(&mut state);
        Blocked(Arc::clone(self))
    }

    #[cfg(test)]
    pub(crate) fn has_blocked(&self) -> bool {
        self.shared.state().blocked > 0
    }

    /// Waits until all that was written before this call is on the disk.
    ///
    /// # Errors
    /// What `syncfs(2)` said, now or before.
    pub(crate) fn settle(&self) -> io::Result<()> {
        self.wait_for_next(|state| {
            state.wanted = state.begun + 1;
            true
        })
    }

    /// As [`SyncAhead::settle`], for who loses nothing by waiting for a sync that serves others, too:
    /// the next that is due, or one of their own after two seconds, or at once if 32 wait, if somebody is
    /// [blocked](Self::blocked), or if nothing more is expected.
    ///
    /// # Errors
    /// As [`SyncAhead::settle`].
    pub(crate) fn settle_with_others(&self) -> io::Result<()> {
        self.wait_for_next(|state| {
            state.patient += 1;
            if state.expecting == 0 || state.blocked > 0 || state.patient >= CROWD {
                state.wanted = state.begun + 1;
                return true;
            }
            let first = state.wanted_by.is_none();
            state.wanted_by.get_or_insert_with(|| Instant::now() + self.shared.patience);
            first
        })
    }

    /// Waits for the next sync. One that has begun may have passed what was written last.
    /// `ask` returns whether the thread that syncs must be told.
    fn wait_for_next(&self, ask: impl FnOnce(&mut State) -> bool) -> io::Result<()> {
        let mut state = self.shared.state();
        let mine = state.begun + 1;
        if ask(&mut state) {
            self.shared.moved.notify_all();
        }
        while state.ended < mine && state.failed.is_none() {
            state = self.shared.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.failed.map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
    }
}

/// Something that is to be written; dropped once all of it was, or nothing more comes.
#[derive(Debug)]
pub(crate) struct Expected {
    ahead: Arc<SyncAhead>,
    /// Bytes of blobs that have not come.
    left: AtomicU64,
}

impl Expected {
    /// Notes that so many bytes of what is expected are through; what comes twice counts once.
    pub(crate) fn came(&self, bytes: u64) {
        let written = &self.ahead.shared.written;
        let less = |left: u64| Some(left.saturating_sub(bytes));
        let before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        let count = before.unwrap_or_default().min(bytes);
        written.left.fetch_sub(count, Ordering::Relaxed);
        written.came.fetch_add(count, Ordering::Relaxed);
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        let Shared { written, .. } = &*self.ahead.shared;
        let mut state = self.ahead.shared.state();
        written.left.fetch_sub(self.left.load(Ordering::Relaxed), Ordering::Relaxed);
        state.expecting -= 1;
        if state.expecting == 0 {
            written.came.store(0, Ordering::Relaxed);
            written.all.store(0, Ordering::Relaxed);
        }
        // Among those who wait may be whoever expects nothing more.
        self.ahead.shared.serve_patient(&mut state);
    }
}

/// Somebody who can't go on.
#[derive(Debug)]
pub(crate) struct Blocked(Arc<SyncAhead>);

impl Drop for Blocked {
    fn drop(&mut self) {
        self.0.shared.state().blocked -= 1;
    }
}

/// A blob that is expected, if something is; counts what is read of it.
#[derive(Debug)]
pub(crate) struct Counting<'e, R> {
    pub(crate) blob: R,
    pub(crate) expected: Option<&'e Expected>,
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.blob.read(out)?;
        if let Some(expected) = self.expected {
            expected.came(count as u64);
        }
        Ok(count)
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

    /// Begins a sync for those who could wait, if there are any.
    fn serve_patient(&self, state: &mut State) {
        if state.wanted_by.is_some() {
            state.wanted = state.begun + 1;
            self.moved.notify_all();
        }
    }

    fn serve(&self) {
        let mut state = self.state();
        loop {
            let noticed = || self.written.noticed.load(Ordering::Relaxed);
            while !state.stop && state.wanted <= state.begun && !noticed() {
                let left = state.wanted_by.map(|by| by.saturating_duration_since(Instant::now()));
                if left == Some(Duration::ZERO) {
                    break;
                }
                let left = left.unwrap_or(Duration::MAX);
                let woken = self.moved.wait_timeout(state, left);
                state = woken.unwrap_or_else(PoisonError::into_inner).0;
            }
            let waiting = state.wanted > state.begun || state.wanted_by.is_some();
            if state.stop && !waiting || state.failed.is_some() {
                return;
            }
            state.begun += 1;
            (state.wanted_by, state.patient) = (None, 0);
            self.written.unsynced.store(0, Ordering::Relaxed);
            self.written.noticed.store(false, Ordering::Relaxed);
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

    /// Waits for the end of a sync that nobody asked for.
    fn next_end(ahead: &SyncAhead, after: u64) -> u64 {
        let mut state = ahead.shared.state();
        while state.ended <= after {
            state = ahead.shared.moved.wait(state).unwrap();
        }
        state.ended
    }

    #[test]
    fn a_sync_begins_once_enough_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let ahead = SyncAhead::start(File::open(directory.path()).unwrap()).unwrap();
        ahead.note(LEAST - 1);
        assert_eq!(ahead.shared.state().begun, 0);
        ahead.note(1);
        next_end(&ahead, 0);
        assert_eq!(ahead.shared.written.unsynced.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_still_to_come_decides_when_a_sync_is_due() {
        let directory = tempfile::tempdir().unwrap();
        let ahead = Arc::new(SyncAhead::start(File::open(directory.path()).unwrap()).unwrap());
        let expected = ahead.expect(40 * LEAST);
        let another = ahead.expect(0);
        // Five bytes of blobs become one; eight LEAST in all, written by halves of one.
        let (mut due_at, mut ended) = (Vec::new(), 0);
        for half in 1..=16 {
            expected.came(40 * LEAST / 16);
            ahead.note(LEAST / 2);
            if ahead.shared.written.noticed.load(Ordering::Relaxed)
                || ahead.shared.state().begun > ended
            {
                ended = next_end(&ahead, ended);
                due_at.push(half);
            }
        }
        assert_eq!(due_at, [8, 12, 14, 16]);
        let left = || ahead.shared.written.left.load(Ordering::Relaxed);
        let given_up = ahead.expect(5);
        given_up.came(3);
        assert_eq!(left(), 2);
        given_up.came(4);
        assert_eq!(left(), 0, "what comes twice counts once");
        another.came(1);
        drop(ahead.expect(7));
        assert_eq!(left(), 0);
    }

    #[test]
    fn who_can_wait_does_so_as_long_as_something_is_expected_and_nobody_is_blocked() {
        let directory = tempfile::tempdir().unwrap();
        let root = || File::open(directory.path()).unwrap();
        let hour = Duration::from_secs(3600);
        let ahead = Arc::new(SyncAhead::start_with(root(), hour).unwrap());
        let while_one_waits = |serve: &mut dyn FnMut()| {
            let before = ahead.shared.state().begun;
            std::thread::scope(|scope| {
                let patient = scope.spawn(|| ahead.settle_with_others().unwrap());
                while ahead.shared.state().wanted_by.is_none() {
                    assert!(!patient.is_finished());
                    std::thread::yield_now();
                }
                assert_eq!(ahead.shared.state().begun, before);
                serve();
            });
            assert_eq!(ahead.shared.state().begun, before + 1);
        };
        let (expected, mut another) = (ahead.expect(1), Some(ahead.expect(1)));
        while_one_waits(&mut || ahead.settle().unwrap());
        let mut blocked = None;
        while_one_waits(&mut || blocked = Some(ahead.blocked()));
        ahead.settle_with_others().unwrap();
        drop(blocked);
        while_one_waits(&mut || drop(another.take()));
        while_one_waits(&mut || {
            std::thread::scope(|scope| {
                (1..CROWD).for_each(|_| drop(scope.spawn(|| ahead.settle_with_others())));
            });
        });
        drop(expected);
        ahead.settle_with_others().unwrap();

        let moment = Duration::from_millis(20);
        let ahead = Arc::new(SyncAhead::start_with(root(), moment).unwrap());
        let _expected = ahead.expect(1);
        let start = Instant::now();
        ahead.settle_with_others().unwrap();
        assert!(start.elapsed() >= moment);
    }
}
