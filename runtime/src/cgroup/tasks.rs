//! The processes of a cgroup: listed, frozen, killed.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kernel::Errno;
use kernel::cgroupfs::{self, Waited};

use super::handle::{Cgroup, Dir};
use super::plan::{Hierarchy, Place};
use super::{CgroupError, CgroupPath};
use crate::spec::HostPid;

/// How long a freeze may take before it is given up and thawed again.
pub(super) const FREEZE_TIMEOUT: Duration = Duration::from_secs(10);
/// Version 1 tells nobody when it is done; a try costs a write and a read.
const FREEZE_PAUSE: Duration = Duration::from_millis(1);
/// Tries between two short thaws: on version 1 a process that forks can keep a freeze from ending.
const TRIES_PER_THAW: u32 = 50;
/// Directories below a cgroup are walked no deeper than this.
pub(super) const MAX_DEPTH: usize = 64;

/// Whether a container's processes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreezerState {
    /// They run.
    Thawed,
    /// They don't, by the container's own cgroup.
    Frozen,
    /// The host has no freezer for it.
    Unknown,
}

/// What became of a [`Cgroup::kill_all`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Killed {
    /// Every process was sent `SIGKILL`.
    All,
    /// The cgroup is gone, and with it every process.
    NoCgroup,
}

impl Cgroup {
    /// Every process of the cgroup and those below it, in no order. On version 1 those of the
    /// devices hierarchy, for that is the one no process leaves.
    ///
    /// # Errors
    /// [`CgroupError::Open`] or [`CgroupError::Read`]; [`CgroupError::is_gone`] tells when there
    /// is no cgroup any more.
    pub fn pids(&self) -> Result<Vec<HostPid>, CgroupError> {
        self.task_dir().map_or(Ok(Vec::new()), Dir::all_pids)
    }

    /// The directory whose members are the container's.
    fn task_dir(&self) -> Option<&Dir> {
        let legacy = self.legacy("devices").or_else(|| self.legacy("pids"));
        legacy.or_else(|| self.unified()).or_else(|| self.dirs.first())
    }

    /// The version 1 directory with the controller `name`.
    pub(super) fn legacy(&self, name: &str) -> Option<&Dir> {
        self.dirs.iter().find(|dir| dir.place.has_legacy(name))
    }

    /// The directory with the freezer: version 1 has it as a controller, version 2 everywhere.
    fn freezer(&self) -> Option<&Dir> {
        self.legacy("freezer").or_else(|| self.unified())
    }

    /// Freezes every process and waits until all have stopped.
    ///
    /// # Errors
    /// [`CgroupError::NotConfigured`] without a freezer; [`CgroupError::FreezeTimeout`] if it
    /// takes too long, and then it is thawed again.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        let missing = CgroupError::NotConfigured { controller: "freezer" };
        let dir = self.freezer().ok_or(missing)?;
        let frozen = match dir.place.hierarchy {
            Hierarchy::Unified => dir.freeze_v2(),
            Hierarchy::Legacy(_) => dir.freeze_v1(),
        };
        if frozen.is_err() {
            // Half frozen is worse than either; the first error is the one to report.
            let _ = dir.thaw();
        }
        frozen
    }

    /// Lets every process run again; without a freezer there is nothing to do.
    ///
    /// # Errors
    /// [`CgroupError::Write`].
    pub fn thaw(&self) -> Result<(), CgroupError> {
        self.freezer().map_or(Ok(()), Dir::thaw)
    }

    /// Lets every process run again where one that is killed must run to die: with version 1.
    ///
    /// # Errors
    /// As [`Cgroup::thaw`].
    pub fn thaw_v1(&self) -> Result<(), CgroupError> {
        let v1 = |dir: &&Dir| matches!(dir.place.hierarchy, Hierarchy::Legacy(_));
        self.freezer().filter(v1).map_or(Ok(()), Dir::thaw)
    }

    /// Whether the container's own cgroup is frozen. A freeze under way is waited for.
    ///
    /// # Errors
    /// [`CgroupError::Read`]; a cgroup that is gone is [`FreezerState::Unknown`].
    pub fn freezer_state(&self) -> Result<FreezerState, CgroupError> {
        let Some(dir) = self.freezer() else { return Ok(FreezerState::Unknown) };
        match dir.is_frozen() {
            Ok(true) => Ok(FreezerState::Frozen),
            Ok(false) => Ok(FreezerState::Thawed),
            Err(error) if error.is_gone() => Ok(FreezerState::Unknown),
            Err(error) => Err(error),
        }
    }

    /// The container's cgroup, if one above it is frozen, and so holds its processes, too.
    ///
    /// # Errors
    /// [`CgroupError::Read`]; of a cgroup that is gone nothing is held.
    pub fn frozen_from_above(&self) -> Result<Option<PathBuf>, CgroupError> {
        let Some(dir) = self.freezer() else { return Ok(None) };
        match dir.is_held() {
            Ok(held) => Ok(held.then(|| dir.place.dir())),
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Kills every process of the cgroup: by `cgroup.kill`, else one after the other while they
    /// are frozen, so that none can fork away.
    ///
    /// # Errors
    /// [`CgroupError::Write`] and [`CgroupError::Signal`]. Processes may be left.
    pub fn kill_all(&self) -> Result<Killed, CgroupError> {
        if self.dirs.is_empty() {
            return Ok(Killed::NoCgroup);
        }
        let by_file = self.unified().map(|dir| {
            let killed = dir.write_by_path("cgroup.kill", "1");
            killed.map_err(|errno| dir.write_error("cgroup.kill", "1", errno))
        });
        match by_file {
            // On a hybrid host a process may have left the unified cgroup; look below too.
            Some(Ok(())) if self.legacy("devices").is_none() => return Ok(Killed::All),
            Some(Err(error)) if !error.is_gone() => return Err(error),
            _ => {}
        }
        self.signal_all(SIGKILL)
    }

    /// Sends `signal` to every process of the cgroup while they are frozen.
    ///
    /// # Errors
    /// The first of [`CgroupError::Signal`], after all were tried.
    pub fn signal_all(&self, signal: i32) -> Result<Killed, CgroupError> {
        // A host without a freezer, or a freeze that does not end, is no reason to kill nobody.
        let _ = self.freeze();
        let result = self.signal_each(signal);
        let thawed = self.thaw();
        match result {
            Err(error) if error.is_gone() => Ok(Killed::NoCgroup),
            Err(error) => Err(error),
            Ok(()) => match thawed {
                Err(error) if !error.is_gone() => Err(error),
                _ => Ok(Killed::All),
            },
        }
    }

    fn signal_each(&self, signal: i32) -> Result<(), CgroupError> {
        let mut first = Ok(());
        for pid in self.pids()? {
            match kernel::cgroupfs::send_signal(pid.0, signal) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(errno) if first.is_ok() => {
                    let cgroup = self.task_dir().map(|dir| dir.place.dir()).unwrap_or_default();
                    first = Err(CgroupError::Signal { cgroup, pid: pid.0, source: errno.into() });
                }
                Err(_) => {}
            }
        }
        first
    }
}

const SIGKILL: i32 = 9;

impl Dir {
    /// This directory's tasks and those of every directory below it. One below that goes away
    /// meanwhile is left out.
    pub(super) fn all_pids(&self) -> Result<Vec<HostPid>, CgroupError> {
        let mut pids = self.own_pids()?;
        self.walk(&mut |child| {
            match child.own_pids() {
                Ok(more) => pids.extend(more),
                Err(error) if error.is_gone() => {}
                Err(error) => return Err(error),
            }
            Ok(())
        })?;
        Ok(pids)
    }

    fn own_pids(&self) -> Result<Vec<HostPid>, CgroupError> {
        let text = match self.read_tasks("cgroup.procs") {
            // A threaded cgroup lists threads only.
            Err(CgroupError::Read { source, .. })
                if source.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) =>
            {
                self.read_tasks("cgroup.threads")?
            }
            text => text?,
        };
        Ok(text.lines().filter_map(|line| line.parse().ok()).map(HostPid).collect())
    }

    /// Visits every directory below this one, parents first.
    fn walk(
        &self,
        visit: &mut impl FnMut(&Dir) -> Result<(), CgroupError>,
    ) -> Result<(), CgroupError> {
        self.walk_down(visit, 0)
    }

    fn walk_down(
        &self,
        visit: &mut impl FnMut(&Dir) -> Result<(), CgroupError>,
        depth: usize,
    ) -> Result<(), CgroupError> {
        for child in self.children()? {
            visit(&child)?;
            if depth < MAX_DEPTH {
                child.walk_down(visit, depth + 1)?;
            }
        }
        Ok(())
    }

    /// The directories right below; none if this one is gone.
    pub(super) fn children(&self) -> Result<Vec<Dir>, CgroupError> {
        let names = match self.fd() {
            Ok(fd) => cgroupfs::child_dirs(fd),
            Err(error) if error.is_gone() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let names = match names {
            Err(Errno::NOENT | Errno::NODEV) => Vec::new(),
            names => names.map_err(|errno| CgroupError::Open {
                cgroup: self.place.dir(),
                source: errno.into(),
            })?,
        };
        let child = |name: std::ffi::OsString| {
            let below = CgroupPath::parse(name.to_str()?).ok()?;
            let path = self.place.path.join(&below);
            Some(Dir::new(Place { path, ..self.place.clone() }))
        };
        Ok(names.into_iter().filter_map(child).collect())
    }

    fn thaw(&self) -> Result<(), CgroupError> {
        let (file, value) = match self.place.hierarchy {
            Hierarchy::Unified => ("cgroup.freeze", "0"),
            Hierarchy::Legacy(_) => ("freezer.state", "THAWED"),
        };
        self.write_by_path(file, value).map_err(|errno| self.write_error(file, value, errno))
    }

    /// Whether it is frozen itself. With version 1 a freeze under way is waited for.
    pub(super) fn is_frozen(&self) -> Result<bool, CgroupError> {
        match self.place.hierarchy {
            Hierarchy::Unified => Ok(self.read("cgroup.freeze")?.trim() == "1"),
            Hierarchy::Legacy(_) => self.is_frozen_v1(),
        }
    }

    /// Whether it is held by one above it that is frozen. With version 2, which tells of its own and of
    /// those above as one, only where nobody froze it itself.
    fn is_held(&self) -> Result<bool, CgroupError> {
        match self.place.hierarchy {
            Hierarchy::Unified => {
                let frozen = super::stats::flat_value(&self.read("cgroup.events")?, "frozen");
                Ok(frozen == Some(1) && !self.is_frozen()?)
            }
            Hierarchy::Legacy(_) => Ok(self.read("freezer.parent_freezing")?.trim() == "1"),
        }
    }

    fn freeze_v2(&self) -> Result<(), CgroupError> {
        let read_error = |errno: Errno| CgroupError::Read {
            cgroup: self.place.dir(),
            file: "cgroup.events".to_owned(),
            source: errno.into(),
        };
        // Opened and read before the write, so that no change goes unseen.
        let events = cgroupfs::open_file(self.fd()?, "cgroup.events").map_err(read_error)?;
        self.write("cgroup.freeze", "1")?;
        let end = Instant::now() + FREEZE_TIMEOUT;
        loop {
            let text = cgroupfs::read_value(events.as_fd()).map_err(read_error)?;
            if super::stats::flat_value(&String::from_utf8_lossy(&text), "frozen") == Some(1) {
                return Ok(());
            }
            let left = end.saturating_duration_since(Instant::now());
            let waited = cgroupfs::wait_changed(&[events.as_fd()], Some(left));
            if waited.map_err(read_error)? == Waited::TimedOut {
                return Err(self.freeze_timeout());
            }
        }
    }

    fn freeze_timeout(&self) -> CgroupError {
        CgroupError::FreezeTimeout {
            cgroup: self.place.dir(),
            wanted: "frozen",
            seconds: FREEZE_TIMEOUT.as_secs(),
        }
    }

    /// Writes again and again: while processes fork, one write may not catch them all.
    fn freeze_v1(&self) -> Result<(), CgroupError> {
        let end = Instant::now() + FREEZE_TIMEOUT;
        let mut tries = 0u32;
        while Instant::now() < end {
            tries += 1;
            if tries.is_multiple_of(TRIES_PER_THAW) {
                self.thaw()?;
                std::thread::sleep(FREEZE_PAUSE);
            }
            self.write("freezer.state", "FROZEN")?;
            if self.read("freezer.state")?.trim() == "FROZEN" {
                return Ok(());
            }
            std::thread::sleep(FREEZE_PAUSE / 10);
        }
        Err(self.freeze_timeout())
    }

    /// Whether this directory itself, and not one above it, holds its tasks.
    fn is_frozen_v1(&self) -> Result<bool, CgroupError> {
        let end = Instant::now() + FREEZE_TIMEOUT;
        loop {
            match self.read("freezer.state")?.trim() {
                "THAWED" => return Ok(false),
                "FREEZING" if Instant::now() < end => std::thread::sleep(FREEZE_PAUSE),
                _ => return Ok(self.read("freezer.self_freezing")?.trim() == "1"),
            }
        }
    }
}
