//! Stops the store at its n-th file operation, for every n, and opens it again.
//!
//! Two kinds of end: the process is killed (what was written stays), and the power fails (files
//! not synced lose their second half, renames in directories not synced are undone).

#![expect(clippy::cast_possible_truncation, reason = "test sizes are small")]

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::*;
use crate::image::{Descriptor, ImageManifest, media};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Killed,
    PowerCut,
}

/// The real disk until its budget of operations is used up.
#[derive(Debug)]
pub(crate) struct StoppingDisk {
    real: RealDisk,
    state: Mutex<State>,
}

/// From, to, and what was there.
type Rename = (PathBuf, PathBuf, Option<Vec<u8>>);

#[derive(Debug, Default)]
struct State {
    left: u64,
    stopped: bool,
    /// Inodes with data that no sync covered.
    dirty: HashSet<u64>,
    /// Renames by directory that no sync covered, with what they replaced.
    renames: HashMap<PathBuf, Vec<Rename>>,
}

impl StoppingDisk {
    pub(crate) fn new(budget: u64) -> Arc<Self> {
        let state = State { left: budget, ..State::default() };
        let real = RealDisk::new(Durability::NoSync);
        Arc::new(Self { real, state: Mutex::new(state) })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the budget was used up.
    pub(crate) fn stopped(&self) -> bool {
        self.state().stopped
    }

    /// How many operations there may still be.
    pub(crate) fn left(&self) -> u64 {
        self.state().left
    }

    fn step(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.left == 0 {
            state.stopped = true;
            return Err(io::Error::other("stopped"));
        }
        state.left -= 1;
        Ok(())
    }

    fn touched(&self, file: &fs::File) {
        let inode = file.metadata().unwrap().ino();
        self.state().dirty.insert(inode);
    }

    /// Loses what the power cut loses.
    pub(crate) fn cut_power(&self, root: &Path) {
        let mut state = self.state();
        // First, since files made below may get the inodes of files that are gone.
        for entry in walkdir::WalkDir::new(root).into_iter().flatten() {
            let metadata = entry.metadata().unwrap();
            if metadata.is_file() && state.dirty.contains(&metadata.ino()) {
                let file = fs::OpenOptions::new().write(true).open(entry.path()).unwrap();
                file.set_len(metadata.len() / 2).unwrap();
                file.set_len(metadata.len()).unwrap();
            }
        }
        for (from, to, replaced) in state.renames.drain().flat_map(|(_, renames)| renames).rev_all()
        {
            let _ = fs::rename(&to, &from);
            if let Some(bytes) = replaced {
                fs::write(&to, bytes).unwrap();
            }
        }
    }
}

trait RevAll: Iterator + Sized {
    fn rev_all(self) -> std::iter::Rev<std::vec::IntoIter<Self::Item>> {
        self.collect::<Vec<_>>().into_iter().rev()
    }
}

impl<I: Iterator> RevAll for I {}

impl Disk for StoppingDisk {
    fn create_dirs(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.real.create_dirs(path)
    }

    fn open_rw(&self, path: &Path) -> io::Result<fs::File> {
        self.step()?;
        self.real.open_rw(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<fs::File> {
        self.step()?;
        self.real.create_new(path)
    }

    fn write_at(&self, file: &fs::File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.touched(file);
        let first_refusal = !self.state().stopped;
        if let Err(stopped) = self.step() {
            if first_refusal {
                // The last write is torn.
                self.real.write_at(file, &bytes[..bytes.len() / 2], offset)?;
            }
            return Err(stopped);
        }
        self.real.write_at(file, bytes, offset)
    }

    fn set_len(&self, file: &fs::File, len: u64) -> io::Result<()> {
        self.step()?;
        self.touched(file);
        self.real.set_len(file, len)
    }

    fn sync_data(&self, file: &fs::File) -> io::Result<()> {
        self.step()?;
        let inode = file.metadata()?.ino();
        self.state().dirty.remove(&inode);
        Ok(())
    }

    fn sync_all(&self, _directory: &fs::File) -> io::Result<()> {
        self.step()?;
        self.state().dirty.clear();
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        let replaced = fs::read(to).ok();
        self.real.rename(from, to)?;
        let parent = to.parent().unwrap().to_owned();
        let rename = (from.to_owned(), to.to_owned(), replaced);
        self.state().renames.entry(parent).or_default().push(rename);
        Ok(())
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        self.real.hard_link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        if let Ok(metadata) = fs::metadata(path) {
            self.state().dirty.remove(&metadata.ino());
        }
        self.real.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.real.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.state().renames.remove(path);
        Ok(())
    }
}

const LAYER: &[u8] = &[7; GRANULE as usize + 1000];

/// A pull as the store sees it, a second name, the loss of the first, and a sweep.
fn work(root: &Path, disk: Arc<dyn Disk>) -> Result<()> {
    let store = Store::open(root, disk)?;
    let lease = store.lease()?;
    let layer = Descriptor::of(media::OCI_LAYER, LAYER);
    if !lease.take(&layer)?
        && let IngestStart::Fetch(ingest) = store.ingest(&layer)?
    {
        for range in ingest.missing(u64::MAX) {
            let mut writer = ingest.writer(range.start);
            for piece in LAYER[range.start as usize..range.end as usize].chunks(100_000) {
                writer.write(piece)?;
            }
        }
        match ingest.reader().finish() {
            Ok(()) => ingest.publish(Wait::WithOthers)?,
            // Half of what an earlier try left was lost with the power: start over.
            Err(_) => {
                ingest.discard()?;
                drop(ingest);
                drop(lease);
                return work(root, Arc::clone(&store.disk));
            }
        }
    }
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        layer.digest
    );
    let config_descriptor = Descriptor::of(media::OCI_CONFIG, config.as_bytes());
    lease.take(&config_descriptor)?;
    store.put_verified(&config_descriptor.digest, config.as_bytes())?;
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: Some(media::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config: config_descriptor,
        layers: vec![layer],
        subject: None,
        annotations: None,
    };
    let bytes = manifest.to_bytes();
    let target = Descriptor::of(media::OCI_MANIFEST, &bytes);
    lease.take(&target)?;
    store.put_verified(&target.digest, &bytes)?;
    store.tag(&ImageEntry::new("r.io/a:1", target.clone()))?;
    drop(lease);
    store.tag(&ImageEntry::new("r.io/b:1", target))?;
    store.put_blob("application/octet-stream", b"garbage")?;
    store.untag("r.io/a:1")?;
    store.gc(GcRequest::default()).map(drop)
}

fn stop_everywhere(end: End) {
    for budget in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("store");
        let disk = StoppingDisk::new(budget);
        let result = work(&root, Arc::clone(&disk) as Arc<dyn Disk>);
        let stopped = disk.state().stopped;
        assert_eq!(result.is_err(), stopped, "only a stop makes it fail: {result:?}");
        if end == End::PowerCut {
            disk.cut_power(&root);
        }
        let real: Arc<dyn Disk> = Arc::new(RealDisk::new(Durability::NoSync));
        let store = Store::open(&root, Arc::clone(&real)).unwrap();
        assert_eq!(store.fsck().unwrap(), [], "{end:?} at operation {budget}");
        work(&root, real).unwrap_or_else(|error| panic!("{end:?} at operation {budget}: {error}"));
        let names: Vec<String> = store.list().unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["r.io/b:1"], "{end:?} at operation {budget}");
        store.gc(GcRequest { keep_ingests: Duration::ZERO, dry_run: DryRun::No }).unwrap();
        assert_eq!(store.fsck().unwrap(), []);
        for place in ["ingest", "leases"] {
            let left = fs::read_dir(store.private(place)).unwrap().count();
            assert_eq!(left, 0, "{place} after {end:?} at operation {budget}");
        }
        if !stopped {
            assert!(budget > 50, "the work has only {budget} operations");
            return;
        }
    }
}

#[test]
fn a_killed_process_leaves_a_store_that_goes_on() {
    stop_everywhere(End::Killed);
}

#[test]
fn a_power_cut_leaves_a_store_that_goes_on() {
    stop_everywhere(End::PowerCut);
}
