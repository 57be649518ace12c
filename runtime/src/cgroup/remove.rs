//! Removing a container's cgroup and everything below it.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use kernel::Errno;
use kernel::cgroupfs;

use super::CgroupError;
use super::handle::{Cgroup, Dir};
use super::plan::Hierarchy;
use super::tasks::MAX_DEPTH;

/// How long dying processes may hold a cgroup.
pub(super) const REMOVE_TIMEOUT: Duration = Duration::from_secs(5);
/// The first pause of version 1, which tells nobody when a cgroup is empty; each next one doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

impl Cgroup {
    /// Removes the container's directories, those below them first, and stops the unit. What is
    /// gone already is fine.
    ///
    /// # Errors
    /// [`CgroupError::Remove`] if processes stay: the first, after all were tried.
    pub fn remove(&mut self) -> Result<(), CgroupError> {
        let stopped = self.unit.as_mut().map_or(Ok(()), super::systemd::Unit::stop);
        let removed = self.dirs.iter().map(Dir::remove);
        removed.fold(stopped, |first, next| first.and(next))
    }
}

impl Dir {
    fn remove(&self) -> Result<(), CgroupError> {
        self.remove_down(0)
    }

    fn remove_down(&self, depth: usize) -> Result<(), CgroupError> {
        if self.try_remove()? {
            return Ok(());
        }
        // Busy: by directories below, by processes that are about to go, or both.
        if depth < MAX_DEPTH {
            self.children()?.iter().try_for_each(|child| child.remove_down(depth + 1))?;
        }
        let end = Instant::now() + REMOVE_TIMEOUT;
        let mut pause = FIRST_PAUSE;
        while !self.try_remove()? {
            if Instant::now() >= end {
                return Err(self.remove_error(Errno::BUSY));
            }
            self.wait_for_tasks_to_go(pause, end);
            pause *= 2;
        }
        Ok(())
    }

    /// `false` if the directory is busy.
    fn try_remove(&self) -> Result<bool, CgroupError> {
        match cgroupfs::remove_dir(cgroupfs::CWD, self.place.dir()) {
            Ok(()) | Err(Errno::NOENT | Errno::NODEV) => Ok(true),
            Err(Errno::BUSY | Errno::NOTEMPTY) => Ok(false),
            // A read-only mount says so even for a directory that does not exist.
            Err(Errno::ROFS) if self.fd().is_err_and(|error| error.is_gone()) => Ok(true),
            Err(errno) => Err(self.remove_error(errno)),
        }
    }

    fn remove_error(&self, errno: Errno) -> CgroupError {
        CgroupError::Remove { cgroup: self.place.dir(), source: errno.into() }
    }

    /// Version 2 wakes its reader when the last process has gone; version 1 is asked again later.
    fn wait_for_tasks_to_go(&self, pause: Duration, end: Instant) {
        let left = end.saturating_duration_since(Instant::now());
        let events = match self.place.hierarchy {
            Hierarchy::Unified => self.fd().ok().and_then(|fd| {
                let events = cgroupfs::open_file(fd, "cgroup.events").ok()?;
                let text = cgroupfs::read_value(events.as_fd()).ok()?;
                let text = String::from_utf8_lossy(&text);
                (super::stats::flat_value(&text, "populated") == Some(1)).then_some(events)
            }),
            Hierarchy::Legacy(_) => None,
        };
        match events {
            // Whatever it says, the directory is tried again.
            Some(events) => drop(cgroupfs::wait_changed(&[events.as_fd()], Some(left))),
            None => std::thread::sleep(pause.min(left)),
        }
    }
}
