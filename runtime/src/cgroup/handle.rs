//! The container's cgroup as this process holds it: made, joined, limited, removed.

use std::cell::OnceCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use kernel::Errno;
use kernel::cgroupfs;

use super::devices::DeviceFilter;
use super::plan::{Controller, Driver, Hierarchy, Place, Step};
use super::systemd::Unit;
use super::{CgroupError, CgroupPath, CgroupPlan, CgroupRecord, LayoutKind, steps};
use crate::spec::{HostPid, HostUid};

/// A task that is still being made refuses to be moved; how often and how long to wait for it.
const ATTACH_TRIES: u32 = 5;
const ATTACH_PAUSE: Duration = Duration::from_millis(30);

/// Files a delegated cgroup's owner gets where the kernel has no list of its own (Linux < 4.15).
const DELEGATED: &str = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";
const DELEGATE_LIST: &str = "/sys/kernel/cgroup/delegate";

/// There where systemd is process 1 (sd_booted(3)).
const BOOTED_BY_SYSTEMD: &str = "/run/systemd/system";

/// The container's cgroup.
#[derive(Debug)]
pub struct Cgroup {
    pub(super) kind: LayoutKind,
    /// Empty for a rootless container without any cgroup.
    pub(super) dirs: Vec<Dir>,
    pub(super) unit: Option<Unit>,
    /// What the plan leaves to [`Cgroup::apply_limits`]; nothing in a cgroup opened later.
    pending: Pending,
}

/// The container's directory in one hierarchy, opened when first needed.
#[derive(Debug)]
pub(super) struct Dir {
    pub(super) place: Place,
    fd: OnceCell<OwnedFd>,
    /// The directories this process made for it, from the top down.
    made: Vec<PathBuf>,
}

#[derive(Debug, Default)]
struct Pending {
    limits: Vec<Step>,
    devices: DeviceFilter,
    devices_optional: bool,
    controllers: Vec<Controller>,
    prepare: Vec<Step>,
    owner: Option<HostUid>,
}

/// Where a new process already is when it is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClonedInto {
    /// In [`Cgroup::clone_target`].
    Target,
    /// In the runtime's own cgroups.
    Own,
}

impl Dir {
    pub(super) fn new(place: Place) -> Dir {
        Dir { place, fd: OnceCell::new(), made: Vec::new() }
    }

    /// Points to another directory of the same hierarchy.
    pub(super) fn relocate(&mut self, path: CgroupPath) {
        *self = Dir::new(Place { path, ..self.place.clone() });
    }

    /// The directory, opened at first use.
    pub(super) fn fd(&self) -> Result<BorrowedFd<'_>, CgroupError> {
        if let Some(fd) = self.fd.get() {
            return Ok(fd.as_fd());
        }
        let dir = self.place.dir();
        let fd = cgroupfs::open_absolute(&dir)
            .map_err(|errno| CgroupError::Open { cgroup: dir, source: errno.into() })?;
        Ok(self.fd.get_or_init(|| fd).as_fd())
    }

    /// A file that the kernel prints in one go: every one but the lists of tasks.
    pub(super) fn read(&self, file: &str) -> Result<String, CgroupError> {
        self.text(file, cgroupfs::read_file(self.fd()?, file))
    }

    /// A list of tasks, which the kernel prints piece by piece.
    pub(super) fn read_tasks(&self, file: &str) -> Result<String, CgroupError> {
        self.text(file, cgroupfs::read_list(self.fd()?, file))
    }

    fn text(&self, file: &str, bytes: kernel::Result<Vec<u8>>) -> Result<String, CgroupError> {
        let bytes = bytes.map_err(|errno| CgroupError::Read {
            cgroup: self.place.dir(),
            file: file.to_owned(),
            source: errno.into(),
        })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(super) fn write(&self, file: &str, value: &str) -> Result<(), CgroupError> {
        cgroupfs::write_file(self.fd()?, file, value.as_bytes())
            .map_err(|errno| self.write_error(file, value, errno))
    }

    pub(super) fn write_error(&self, file: &str, value: &str, errno: Errno) -> CgroupError {
        CgroupError::Write {
            cgroup: self.place.dir(),
            file: file.to_owned(),
            value: value.to_owned(),
            source: errno.into(),
        }
    }

    /// Makes the directory and what is missing above it. `true` if it did not exist.
    fn make(&mut self) -> Result<bool, CgroupError> {
        let dir = self.place.dir();
        match cgroupfs::make_dir(cgroupfs::CWD, &dir) {
            Ok(()) => {
                self.made.push(dir);
                Ok(true)
            }
            Err(Errno::EXIST) => Ok(false),
            Err(Errno::NOENT) => self.make_from_the_top().map(|()| true),
            Err(errno) => Err(CgroupError::Make { cgroup: dir, source: errno.into() }),
        }
    }

    fn make_from_the_top(&mut self) -> Result<(), CgroupError> {
        for path in self.place.path.ancestors_down() {
            let dir = self.place.mount.join(&path[1..]);
            match cgroupfs::make_dir(cgroupfs::CWD, &dir) {
                Ok(()) => self.made.push(dir),
                Err(Errno::EXIST) => {}
                Err(errno) => {
                    return Err(CgroupError::Make { cgroup: dir, source: errno.into() });
                }
            }
        }
        Ok(())
    }

    /// Removes what [`Dir::make`] made, as far as it goes.
    fn unmake(&mut self) {
        for dir in self.made.drain(..).rev() {
            // An undo has no one to tell; a directory that another container uses now stays.
            let _ = cgroupfs::remove_dir(cgroupfs::CWD, &dir);
        }
    }

    /// Writes one file of a directory that may not be open, and need not be for that.
    pub(super) fn write_by_path(&self, file: &str, value: &str) -> kernel::Result<()> {
        match self.fd.get() {
            Some(fd) => cgroupfs::write_file(fd.as_fd(), file, value.as_bytes()),
            None => {
                let path = self.place.dir().join(file);
                cgroupfs::write_file(cgroupfs::CWD, path, value.as_bytes())
            }
        }
    }

    /// Moves a process here; `EINVAL` says that it is still being made.
    fn attach(&self, pid: HostPid) -> Result<(), CgroupError> {
        let value = pid.0.to_string();
        let mut tries = 0;
        loop {
            match self.write_by_path("cgroup.procs", &value) {
                Ok(()) => return Ok(()),
                Err(Errno::INVAL) if tries < ATTACH_TRIES => {
                    tries += 1;
                    std::thread::sleep(ATTACH_PAUSE);
                }
                Err(errno) => {
                    let (pid, cgroup) = (pid.0, self.place.dir());
                    return Err(CgroupError::Attach { pid, cgroup, source: errno.into() });
                }
            }
        }
    }
}

impl Cgroup {
    /// Makes the planned directories, enables controllers, and does what must precede the first
    /// process. With the systemd driver that waits for [`Cgroup::attach`]: a scope can't be empty.
    ///
    /// # Errors
    /// By directory and file. What was made is removed again.
    pub fn create(plan: &CgroupPlan) -> Result<Cgroup, CgroupError> {
        if plan.unit.is_some() && cgroupfs::exists(cgroupfs::CWD, BOOTED_BY_SYSTEMD) != Ok(true) {
            return Err(CgroupError::NoSystemd);
        }
        let mut cgroup = Cgroup {
            kind: plan.kind,
            dirs: plan.places.iter().cloned().map(Dir::new).collect(),
            unit: plan.unit.as_ref().map(Unit::new),
            pending: Pending {
                limits: plan.limits.clone(),
                devices: plan.devices.clone(),
                devices_optional: plan.devices_optional,
                controllers: plan.controllers.clone(),
                prepare: plan.prepare.clone(),
                owner: plan.owner,
            },
        };
        if plan.driver == Driver::Cgroupfs {
            let made = cgroup.make_dirs(plan).and_then(|()| cgroup.prepare());
            if let Err(error) = made {
                cgroup.undo();
                return Err(error);
            }
        } else {
            cgroup.dirs.iter().try_for_each(|dir| dir.check_unused())?;
        }
        Ok(cgroup)
    }

    /// Opens the cgroup of an existing container; its directories are opened when needed.
    #[must_use]
    pub fn open(record: &CgroupRecord) -> Cgroup {
        Cgroup {
            kind: record.layout,
            dirs: record.places.iter().cloned().map(Dir::new).collect(),
            unit: Unit::of_record(record),
            pending: Pending::default(),
        }
    }

    fn make_dirs(&mut self, plan: &CgroupPlan) -> Result<(), CgroupError> {
        let mut at = 0;
        while at < self.dirs.len() {
            match self.dirs[at].make() {
                Ok(true) => at += 1,
                Ok(false) => {
                    self.dirs[at].check_unused()?;
                    at += 1;
                }
                Err(error) if plan.optional && error.is_permission_denied() => {
                    if let (Some(controller), CgroupError::Make { source, .. }) =
                        (plan.needs, error)
                    {
                        return Err(CgroupError::RootlessLimits { controller, source });
                    }
                    // Nothing asks for a cgroup. Steps name places by number, so it is all or none.
                    self.dirs.iter_mut().for_each(Dir::unmake);
                    self.dirs.clear();
                    self.pending = Pending::default();
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What must be done between the directories' making and the first process.
    fn prepare(&mut self) -> Result<(), CgroupError> {
        self.enable_controllers()?;
        let prepare = std::mem::take(&mut self.pending.prepare);
        prepare.iter().try_for_each(|step| steps::run(&self.dirs, step))
    }

    fn enable_controllers(&self) -> Result<(), CgroupError> {
        let wanted = &self.pending.controllers;
        let unified = self.unified().filter(|_| !wanted.is_empty());
        unified.map_or(Ok(()), |dir| dir.enable(wanted))
    }

    pub(super) fn unified(&self) -> Option<&Dir> {
        self.dirs.iter().find(|dir| dir.place.hierarchy == Hierarchy::Unified)
    }

    /// The directory for `CLONE_INTO_CGROUP`: the unified one. `None` without one, and for a unit
    /// that systemd has yet to start.
    ///
    /// # Errors
    /// [`CgroupError::Open`] if the directory is gone.
    pub fn clone_target(&self) -> Result<Option<BorrowedFd<'_>>, CgroupError> {
        let waits = self.unit.as_ref().is_some_and(|unit| !unit.is_started());
        match self.unified() {
            Some(dir) if !waits => dir.fd().map(Some),
            _ => Ok(None),
        }
    }

    /// Whether the directory that [`Cgroup::clone_target`] would be was removed.
    pub fn is_gone(&self) -> bool {
        self.clone_target().is_err_and(|error| error.is_gone())
    }

    /// Moves `pid` into every directory where `CLONE_INTO_CGROUP` did not put it, and starts the
    /// unit with the systemd driver.
    ///
    /// # Errors
    /// [`CgroupError::Attach`], and those of the unit.
    pub fn attach(&mut self, pid: HostPid, cloned: ClonedInto) -> Result<(), CgroupError> {
        let started = match &mut self.unit {
            Some(unit) => unit.start(pid)?,
            None => None,
        };
        let just_started = started.is_some();
        if let Some(path) = started {
            for dir in &mut self.dirs {
                dir.relocate(path.clone());
                if self.kind != LayoutKind::V2 {
                    dir.make()?;
                }
            }
            self.prepare()?;
        }
        let holds = self.unit.as_ref().is_some_and(Unit::holds_processes);
        let systemd_did = holds && cloned == ClonedInto::Own && just_started;
        for dir in &self.dirs {
            let is_there = match &dir.place.hierarchy {
                Hierarchy::Unified => cloned == ClonedInto::Target || systemd_did,
                Hierarchy::Legacy(names) => systemd_did && names[0] == "name=systemd",
            };
            if !is_there {
                dir.attach(pid)?;
            }
        }
        Ok(())
    }

    /// Writes the limits, attaches the device filter and gives the cgroup to its owner.
    ///
    /// # Errors
    /// By file and value.
    pub fn apply_limits(&mut self) -> Result<(), CgroupError> {
        let pending = std::mem::take(&mut self.pending);
        pending.limits.iter().try_for_each(|step| steps::run(&self.dirs, step))?;
        match self.filter_devices(&pending.devices) {
            Err(error) if !(pending.devices_optional && error.is_permission_denied()) => {
                return Err(error);
            }
            _ => {}
        }
        match (pending.owner, self.unified()) {
            (Some(owner), Some(dir)) => dir.give_to(owner),
            _ => Ok(()),
        }
    }

    fn filter_devices(&self, filter: &DeviceFilter) -> Result<(), CgroupError> {
        match filter {
            DeviceFilter::None => Ok(()),
            DeviceFilter::Legacy { place, writes } => writes
                .iter()
                .try_for_each(|write| self.dirs[*place].write(write.file(), &write.value)),
            DeviceFilter::Program(program) => match self.unified() {
                Some(dir) => dir.filter_devices(program),
                None => Ok(()),
            },
        }
    }

    /// Takes back a creation that failed later: what this process made, and the unit.
    pub fn undo(&mut self) {
        self.dirs.iter_mut().for_each(Dir::unmake);
        if let Some(unit) = &mut self.unit {
            // The caller reports what made the creation fail.
            let _ = unit.stop();
        }
    }
}

impl Dir {
    /// Refuses a directory that another container may be using (runtime-spec,
    /// config-linux.md#control-groups): with processes, or frozen.
    fn check_unused(&self) -> Result<(), CgroupError> {
        let unified = self.place.hierarchy == Hierarchy::Unified;
        let gone_is_fine = |result: Result<(), CgroupError>| match result {
            Err(error) if error.is_gone() => Ok(()),
            result => result,
        };
        if unified || self.place.has_legacy("devices") {
            gone_is_fine(self.check_empty())?;
        }
        if unified || self.place.has_legacy("freezer") {
            gone_is_fine(self.check_thawed())?;
        }
        Ok(())
    }

    fn check_empty(&self) -> Result<(), CgroupError> {
        match self.all_pids()?.len() {
            0 => Ok(()),
            count => Err(CgroupError::NotEmpty { cgroup: self.place.dir(), count }),
        }
    }

    fn check_thawed(&self) -> Result<(), CgroupError> {
        if self.is_frozen()? {
            Err(CgroupError::Frozen { cgroup: self.place.dir() })
        } else {
            Ok(())
        }
    }

    /// Enables controllers along the way from the mount point where this directory lacks them.
    fn enable(&self, wanted: &[Controller]) -> Result<(), CgroupError> {
        let lacks = |enabled: &str, controller: &&Controller| {
            !enabled.split_whitespace().any(|name| name == controller.name)
        };
        let enabled = self.read("cgroup.controllers")?;
        let missing: Vec<&Controller> = wanted.iter().filter(|c| lacks(&enabled, c)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut refused = None;
        let parent = self.place.path.parent();
        for path in std::iter::once("/").chain(parent.ancestors_down()) {
            let ancestor =
                Dir::new(Place { path: path.to_owned().try_into()?, ..self.place.clone() });
            refused = ancestor.enable_for_children(&missing)?.or(refused);
        }
        let enabled = self.read("cgroup.controllers")?;
        match missing.iter().find(|c| c.required && lacks(&enabled, c)) {
            None => Ok(()),
            Some(controller) => Err(refused.unwrap_or_else(|| CgroupError::NoController {
                property: "linux.resources".to_owned(),
                controller: controller.name.clone(),
            })),
        }
    }

    /// Enables all at once, else each that goes. Returns why a required one was refused.
    fn enable_for_children(
        &self,
        controllers: &[&Controller],
    ) -> Result<Option<CgroupError>, CgroupError> {
        const FILE: &str = "cgroup.subtree_control";
        let all: Vec<String> = controllers.iter().map(|c| format!("+{}", c.name)).collect();
        let fd = self.fd()?;
        if cgroupfs::write_file(fd, FILE, all.join(" ").as_bytes()).is_ok() {
            return Ok(None);
        }
        let mut refused = None;
        for (controller, value) in controllers.iter().zip(&all) {
            if let Err(errno) = cgroupfs::write_file(fd, FILE, value.as_bytes())
                && controller.required
            {
                refused.get_or_insert(self.write_error(FILE, value, errno));
            }
        }
        Ok(refused)
    }

    fn filter_devices(&self, program: &[kernel::bpf::Instruction]) -> Result<(), CgroupError> {
        let loaded = kernel::bpf::load_device_filter(program).map_err(|errno| {
            CgroupError::FilterLoad { cgroup: self.place.dir(), source: errno.into() }
        })?;
        let attach_error = |errno: Errno| CgroupError::FilterAttach {
            cgroup: self.place.dir(),
            source: errno.into(),
        };
        kernel::bpf::attach_device_filter(self.fd()?, loaded.as_fd()).map_err(attach_error)
    }

    /// Gives the directory and the files the kernel lists to `owner`, as far as they exist.
    fn give_to(&self, HostUid(uid): HostUid) -> Result<(), CgroupError> {
        let list = cgroupfs::read_path(DELEGATE_LIST.as_ref())
            .map_or(DELEGATED.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
        for file in std::iter::once(".").chain(list.lines()).filter(|file| !file.contains('/')) {
            match cgroupfs::set_owner(self.fd()?, file, uid) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => {
                    let (cgroup, file) = (self.place.dir(), file.to_owned());
                    return Err(CgroupError::Delegate { cgroup, file, uid, source: errno.into() });
                }
            }
        }
        Ok(())
    }
}
