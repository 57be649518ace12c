//! Out-of-memory events of a container.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use kernel::cgroupfs::{self, Waited};

use super::handle::{Cgroup, Dir};
use super::stats::flat_value;
use super::{CgroupError, LayoutKind};

/// What a watch saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OomEvent {
    /// The kernel killed for lack of memory.
    Oom,
    /// The container's processes or its cgroup are gone: there will be no more.
    Gone,
    /// The time is over.
    TimedOut,
}

/// Waits for out-of-memory events; made by [`Cgroup::watch_oom`].
#[derive(Debug)]
pub struct OomWatch {
    dir: Dir,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// Counts of version 1; the control file must stay open.
    Counter { counter: OwnedFd, _control: OwnedFd },
    /// Files of version 2 that wake their reader, and the kills seen so far.
    Files { memory: OwnedFd, cgroup: OwnedFd, seen: u64 },
}

impl Cgroup {
    /// Starts watching. Events from before are not reported.
    ///
    /// # Errors
    /// [`CgroupError::NotConfigured`] without a memory controller.
    pub fn watch_oom(&self) -> Result<OomWatch, CgroupError> {
        let missing = CgroupError::NotConfigured { controller: "memory" };
        match self.kind {
            LayoutKind::V2 => self.unified().ok_or(missing)?.watch_files(),
            LayoutKind::V1 | LayoutKind::Hybrid => {
                self.legacy("memory").ok_or(missing)?.watch_counter()
            }
        }
    }

    /// How often the kernel killed one of the container's processes for lack of memory; 0 where it
    /// does not count.
    ///
    /// # Errors
    /// [`CgroupError::Read`], also when the cgroup is gone.
    pub fn oom_kills(&self) -> Result<u64, CgroupError> {
        let (dir, file) = match self.kind {
            LayoutKind::V2 => (self.unified(), "memory.events"),
            LayoutKind::V1 | LayoutKind::Hybrid => (self.legacy("memory"), "memory.oom_control"),
        };
        let Some(dir) = dir else { return Ok(0) };
        Ok(flat_value(&dir.read(file)?, "oom_kill").unwrap_or(0))
    }
}

impl Dir {
    fn open_control(&self, file: &str) -> Result<OwnedFd, CgroupError> {
        cgroupfs::open_file(self.fd()?, file).map_err(|errno| CgroupError::Open {
            cgroup: self.place.dir().join(file),
            source: errno.into(),
        })
    }

    fn watch_counter(&self) -> Result<OomWatch, CgroupError> {
        const FILE: &str = "cgroup.event_control";
        let control = self.open_control("memory.oom_control")?;
        let counter =
            cgroupfs::event_counter().map_err(|errno| self.write_error(FILE, "", errno))?;
        self.write(FILE, &format!("{} {}", counter.as_raw_fd(), control.as_raw_fd()))?;
        let source = Source::Counter { counter, _control: control };
        Ok(OomWatch { dir: Dir::new(self.place.clone()), source })
    }

    fn watch_files(&self) -> Result<OomWatch, CgroupError> {
        let memory = self.open_control("memory.events")?;
        let cgroup = self.open_control("cgroup.events")?;
        let seen = value(&memory, "oom_kill").unwrap_or(0);
        let source = Source::Files { memory, cgroup, seen };
        Ok(OomWatch { dir: Dir::new(self.place.clone()), source })
    }
}

/// A fresh look at an open file; `None` once its cgroup is gone.
fn value(file: &OwnedFd, key: &str) -> Option<u64> {
    let text = cgroupfs::read_value(file.as_fd()).ok()?;
    flat_value(&String::from_utf8_lossy(&text), key)
}

impl OomWatch {
    /// Waits for the next event; `None` waits without end.
    ///
    /// # Errors
    /// [`CgroupError::Read`] if the kernel can't be asked.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<OomEvent, CgroupError> {
        let failed = |errno: kernel::Errno| CgroupError::Read {
            cgroup: self.dir.place.dir(),
            file: "memory.events".to_owned(),
            source: errno.into(),
        };
        match &mut self.source {
            Source::Counter { counter, .. } => {
                let waited = cgroupfs::wait_readable(&[counter.as_fd()], timeout);
                if waited.map_err(failed)? == Waited::TimedOut {
                    return Ok(OomEvent::TimedOut);
                }
                cgroupfs::take_count(counter.as_fd()).map_err(failed)?;
                // Removing the cgroup counts as well.
                let exists = cgroupfs::open_absolute(&self.dir.place.dir()).is_ok();
                Ok(if exists { OomEvent::Oom } else { OomEvent::Gone })
            }
            Source::Files { memory, cgroup, seen } => {
                let end = timeout.map(|timeout| Instant::now() + timeout);
                loop {
                    // Read first: an event between two waits is not lost, and a file is quiet
                    // only once it has been read.
                    let Some(kills) = value(memory, "oom_kill") else { return Ok(OomEvent::Gone) };
                    if kills > std::mem::replace(seen, kills) {
                        return Ok(OomEvent::Oom);
                    }
                    if value(cgroup, "populated") != Some(1) {
                        return Ok(OomEvent::Gone);
                    }
                    let left = end.map(|end| end.saturating_duration_since(Instant::now()));
                    let files = [memory.as_fd(), cgroup.as_fd()];
                    if cgroupfs::wait_changed(&files, left).map_err(failed)? == Waited::TimedOut {
                        return Ok(OomEvent::TimedOut);
                    }
                }
            }
        }
    }
}
