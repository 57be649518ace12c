//! `checkpoint`: a running container is written to files, and ends or goes on.

use super::bundle::parse;
use super::error::kernel_error;
use super::query::status;
use super::{Context, LifecycleError, delete, facts};
use crate::cgroup::LayoutKind;
use crate::criu::{self, CriuError, Dump, ExternalMount, Launch, Session, wire};
use crate::plan::{Plan, PlanOptions, StartMode, plan_container};
use crate::request::{CheckpointRequest, CriuOptions};
use crate::spec::{ContainerPath, ContainerSpec};
use crate::state::{CriuPaths, Record, StateDir, Status, notify_paths};
use kernel::rootdir::RootDir;
use kernel::{Errno, file, process};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Bytes of criu's log that are searched for errors.
const MAX_LOG: usize = 32 << 20;

/// Writes a container to files; unless it goes on, it is deleted.
///
/// # Errors
/// [`LifecycleError::CheckpointStatus`] unless it runs or is paused; else what kept criu from it,
/// and the container goes on then.
pub fn checkpoint(context: Context<'_>, request: &CheckpointRequest) -> Result<(), LifecycleError> {
    let state = StateDir::open(&context.settings.root, &request.id)?;
    state.lock()?;
    let record = state.record()?;
    let (Status::Running | Status::Paused) = status(&state, &record)? else {
        return Err(LifecycleError::CheckpointStatus { status: status(&state, &record)? });
    };
    let init = state.init()?.ok_or(LifecycleError::NotRunning)?;
    let images = Directories::make(&request.criu, request.parent_path.as_deref())?;
    let status_fd = request.status_fd.map(status_fd).transpose()?;
    criu::check_version()?;
    let features = wire::Features {
        mem_track: request.pre_dump.then_some(true),
        lazy_pages: request.criu.lazy_pages.then_some(true),
    };
    if features != wire::Features::default() {
        criu::check_features(features)?;
    }
    let spec = parse(&state.config()?, &record.bundle)?;
    let plan = plan_of(context, request, &record, &spec)?;
    let root = ContainerRoot::open(init.pid)?;
    let joined = joined_namespaces(&spec, init.pid)?;
    if !request.pre_dump {
        write_descriptors(&images.images, &record, init.pid)?;
    }
    // Else what was looked at may be another process, of the same number.
    init.open()
        .map_err(kernel_error("open the init process"))?
        .ok_or(LifecycleError::NotRunning)?;
    let yard = Yard::make(context, &state, &record, Some(c"/sys/fs/cgroup"))?;
    let dump = Dump {
        request,
        images: images.images.as_raw_fd(),
        work: images.work.as_ref().map(AsRawFd::as_raw_fd),
        pid: init.pid,
        rootfs: record.rootfs.to_string_lossy().into_owned(),
        mounts: criu::external_mounts(&plan)?.into_iter().map(|m| root.placed(m)).collect(),
        masked: criu::masked_paths(&plan).filter_map(|path| root.masked_file(path)).collect(),
        joined,
        freezer: freezer(&record),
        yard: yard.path(),
        annotations: &record.annotations,
    };
    let options = criu::dump_options(&dump);
    context.journal.debug(format_args!("criu: {options:?}"));
    run(request, options, status_fd).inspect_err(|_| images.report(context, "dump.log"))?;
    drop(yard);
    if !request.pre_dump && !request.leave_running {
        // The files are whole, and its own processes have ended; what came from outside has not.
        delete::kill_all(context, &record);
        if let Err(error) = delete::take_away(context, &state, &record) {
            context.journal.warn(format_args!("the container is left to be deleted: {error}"));
        }
    }
    Ok(())
}

fn run(
    request: &CheckpointRequest,
    options: wire::Options,
    mut status_fd: Option<BorrowedFd<'_>>,
) -> Result<(), LifecycleError> {
    let kind = if request.pre_dump { wire::Kind::PreDump } else { wire::Kind::Dump };
    let message = wire::Request {
        kind: kind.into(),
        options: Some(Box::new(options)),
        ..wire::Request::default()
    };
    let session = Session::start(&Launch::default())?;
    let done = session.execute().and_then(|_| {
        session.ask(&message, |notice, _| {
            if notice.script.as_deref() == Some("status-ready")
                && let Some(fd) = status_fd.take()
            {
                // Nobody may want to hear of it any more.
                let _ = file::write_all(fd, &[0]);
            }
            Ok(())
        })
    });
    if let Err(error) = done {
        session.kill();
        return Err(error.into());
    }
    // After a pre-dump criu waits for more; its exit then says nothing.
    session.finish()?;
    Ok(())
}

/// The directory that criu works in, as long as this value lives.
pub(super) struct Yard<'a> {
    state: &'a StateDir,
    pub(super) paths: CriuPaths,
    unified: bool,
}

impl<'a> Yard<'a> {
    /// Makes it; for a dump its `unified` leads to the host's cgroups, for a restore they are
    /// mounted there.
    pub(super) fn make(
        context: Context<'_>,
        state: &'a StateDir,
        record: &Record,
        target: Option<&CStr>,
    ) -> Result<Yard<'a>, LifecycleError> {
        let paths = CriuPaths::of(&context.settings.root, &record.id);
        state.make_criu_dir(target)?;
        Ok(Yard { state, paths, unified: record.cgroup.layout == LayoutKind::V2 })
    }

    /// The directory where criu finds the host's cgroups: would it mount cgroup2 itself, it
    /// would take the host's mount options away.
    pub(super) fn path(&self) -> Option<String> {
        self.unified.then(|| self.paths.dir.to_string_lossy().into_owned())
    }

    /// Where the host's cgroups are mounted for a restore.
    pub(super) fn cgroups(&self) -> Option<PathBuf> {
        self.unified.then(|| self.paths.unified.clone())
    }
}

impl Drop for Yard<'_> {
    fn drop(&mut self) {
        // What stays goes with the state.
        let _ = self.state.remove_criu_dir();
    }
}

/// What the container was made by: its mounts are what matters here.
fn plan_of(
    context: Context<'_>,
    request: &CheckpointRequest,
    record: &Record,
    spec: &ContainerSpec,
) -> Result<Plan, LifecycleError> {
    check_support(spec)?;
    let (notify, _) = notify_paths(&context.settings.root, &request.id);
    let notify = file::exists(file::CWD, notify.as_path()).then_some(notify);
    let cgroups = facts::Cgroups { places: &record.cgroup.places, by_unit: false };
    let host = facts::probe(spec, spec.process.as_ref(), &cgroups)?;
    let options = PlanOptions {
        id: record.id.clone(),
        start: StartMode::AtOnce,
        no_pivot: false,
        no_new_keyring: record.no_new_keyring,
        first_closed: 3,
        extra_env: Vec::new(),
        relays_terminal: false,
        notify_dir: notify,
    };
    Ok(plan_container(spec, &host, &options)?)
}

/// What criu has no way to do.
pub(super) fn check_support(spec: &ContainerSpec) -> Result<(), CriuError> {
    let refuse = |property, reason| Err(CriuError::Unsupported { property, reason });
    if spec.namespaces.mount.is_inherited() {
        return refuse("linux.namespaces", "the container has no mount namespace of its own");
    }
    if spec.namespaces.cgroup.path().is_some() {
        return refuse("linux.namespaces", "a cgroup namespace can't be joined by path");
    }
    if spec.intel_rdt.is_some() {
        return refuse("linux.intelRdt", "its processes would come back outside of the group");
    }
    let process = spec.process.as_ref();
    let lost = [
        ("the annotations of Landlock", spec.extensions.landlock.is_some()),
        ("the annotation of core scheduling", spec.extensions.core_scheduling),
        ("linux.memoryPolicy", spec.memory_policy.is_some()),
        ("process.ioPriority", process.is_some_and(|process| process.io_priority.is_some())),
        ("linux.seccomp.listenerPath", listens(spec)),
        // A namespace that is joined stays as it is, with the devices in it.
        (
            "linux.netDevices",
            !spec.net_devices.is_empty() && spec.namespaces.network.path().is_none(),
        ),
    ];
    if let Some((property, _)) = lost.into_iter().find(|(_, is_set)| *is_set) {
        return refuse(property, "its processes would come back without it");
    }
    Ok(())
}

fn listens(spec: &ContainerSpec) -> bool {
    spec.seccomp.as_ref().is_some_and(|profile| profile.listener_path.is_some())
}

/// The directories that criu works with, and their names for people.
pub(super) struct Directories {
    pub(super) images: OwnedFd,
    pub(super) work: Option<OwnedFd>,
    log_dir: PathBuf,
}

impl Directories {
    /// Makes what is missing of them; a parent must be there.
    fn make(criu: &CriuOptions, parent: Option<&Path>) -> Result<Directories, LifecycleError> {
        make_dirs(&criu.image_path)?;
        if let Some(parent) = parent {
            let path = criu.image_path.join(parent);
            file::open_dir(file::CWD, path.as_path())
                .map_err(|errno| LifecycleError::ParentPath { path, source: errno.into() })?;
        }
        Directories::open(criu)
    }

    /// Opens them; a work directory is made.
    pub(super) fn open(criu: &CriuOptions) -> Result<Directories, LifecycleError> {
        let open =
            |path: &Path| file::open_dir(file::CWD, path).map_err(|errno| dir_error(path, errno));
        let images = open(&criu.image_path)?;
        let work = match &criu.work_path {
            Some(path) => {
                make_dirs(path)?;
                Some(open(path)?)
            }
            None => None,
        };
        let log_dir = criu.work_path.as_ref().unwrap_or(&criu.image_path).clone();
        Ok(Directories { images, work, log_dir })
    }

    /// Shows what criu's log says of errors.
    pub(super) fn report(&self, context: Context<'_>, name: &str) {
        let dir = self.work.as_ref().unwrap_or(&self.images);
        let Ok(log) = file::read_limited(dir.as_fd(), name, MAX_LOG) else { return };
        let log = String::from_utf8_lossy(&log);
        let lines = criu::errors_in_log(&log);
        if !lines.is_empty() {
            let path = self.log_dir.join(name);
            context.journal.warn(format_args!("`{}` says:", path.display()));
        }
        for line in lines {
            context.journal.warn(format_args!("{line}"));
        }
    }
}

fn dir_error(path: &Path, errno: Errno) -> LifecycleError {
    LifecycleError::CriuDirectory { path: path.to_owned(), source: errno.into() }
}

fn make_dirs(path: &Path) -> Result<(), LifecycleError> {
    match file::mkdir(file::CWD, path, 0o700) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(Errno::NOENT) => match path.parent() {
            Some(parent) => {
                make_dirs(parent)?;
                file::mkdir(file::CWD, path, 0o700).map_err(|errno| dir_error(path, errno))
            }
            None => Err(dir_error(path, Errno::NOENT)),
        },
        Err(errno) => Err(dir_error(path, errno)),
    }
}

/// The descriptor of `--status-fd`, which criu is not to inherit.
fn status_fd(number: u32) -> Result<BorrowedFd<'static>, LifecycleError> {
    let invalid = |errno: Errno| LifecycleError::StatusFd { number, source: errno.into() };
    let fd = i32::try_from(number)
        .map_err(|_| Errno::BADF)
        .and_then(process::inherited_fd)
        .map_err(invalid)?;
    file::check_writable(fd).and_then(|()| file::close_on_exec(fd)).map_err(invalid)?;
    Ok(fd)
}

/// The container's root as it is by now, symlinks and mounts and all.
struct ContainerRoot(RootDir<OwnedFd>);

impl ContainerRoot {
    fn open(pid: i32) -> Result<ContainerRoot, LifecycleError> {
        file::open_dir_place(file::CWD, format!("/proc/{pid}/root"))
            .map(|root| ContainerRoot(RootDir::new(root)))
            .map_err(kernel_error("open the container's root"))
    }

    /// Where a mount is, as mountinfo has it; as configured if it is not there any more.
    fn placed(&self, mount: ExternalMount) -> (String, ExternalMount) {
        let found = self.0.open(mount.destination.relative()).and_then(file::path_of);
        let place = match found {
            Ok(path) => path.to_string_lossy().into_owned(),
            Err(_) => mount.destination.to_string(),
        };
        (place, mount)
    }

    /// The path itself if it is there and no directory: those are masked otherwise.
    fn masked_file(&self, path: &ContainerPath) -> Option<String> {
        let file = self.0.open(path.relative()).ok()?;
        let is_dir = file::kind(&file).ok()?.is_dir();
        let place = file::path_of(&file).ok()?;
        (!is_dir).then(|| place.to_string_lossy().into_owned())
    }
}

/// The inodes of the network and pid namespaces that the config gives the path of.
fn joined_namespaces(spec: &ContainerSpec, pid: i32) -> Result<[Option<u64>; 2], LifecycleError> {
    let inode = |name: &str| {
        let link = file::read_link(file::CWD, format!("/proc/{pid}/ns/{name}"))?;
        let text = link.to_string_lossy();
        let number = text.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
        number.and_then(|number| number.parse().ok()).ok_or(Errno::INVAL)
    };
    let of = |path: Option<&Path>, name| path.map(|_| inode(name)).transpose();
    let found = of(spec.namespaces.network.path(), "net")
        .and_then(|network| Ok([network, of(spec.namespaces.pid.path(), "pid")?]));
    found.map_err(kernel_error("look at the container's namespaces"))
}

/// The cgroup by which criu stops the container.
fn freezer(record: &Record) -> Option<String> {
    let mut paths = record.cgroup.paths();
    paths.remove("freezer").or_else(|| paths.remove(""))
}

/// Notes what the standard streams are: a pipe among them is given anew at restore, wherever the
/// program keeps it by now.
fn write_descriptors(images: &OwnedFd, record: &Record, pid: i32) -> Result<(), LifecycleError> {
    let stream = |number: usize| {
        match record.pipes.map(|pipes| pipes[number]) {
            Some(0) => return String::new(),
            Some(inode) => return format!("pipe:[{inode}]"),
            // Of a runtime that did not note them.
            None => {}
        }
        let link = file::read_link(file::CWD, format!("/proc/{pid}/fd/{number}"));
        link.map_or(String::new(), |path| path.to_string_lossy().into_owned())
    };
    let streams = [0, 1, 2].map(stream);
    let text = serde_json::to_vec(&streams).expect("strings always serialize");
    file::replace(images.as_fd(), criu::DESCRIPTORS, 0o600, &text)
        .map_err(kernel_error("write `descriptors.json`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_not_come_back_is_refused_by_name() {
        let check = |process: &str, rest: &str, linux: &str| {
            let config = format!(
                r#"{{"ociVersion":"1.3.0","root":{{"path":"rootfs"}},
                    "process":{{"cwd":"/","args":["true"]{process}}}{rest},
                    "linux":{{"namespaces":[{{"type":"mount"}},{{"type":"network"}}]{linux}}}}}"#
            );
            let parsed = ContainerSpec::from_json(config.as_bytes(), Path::new("/bundle"));
            check_support(&parsed.unwrap().spec)
        };
        assert!(check("", "", "").is_ok());
        let io = r#","ioPriority":{"class":"IOPRIO_CLASS_BE","priority":4}"#;
        let landlock = r#","annotations":{"io.tug.runt.landlock.read":"/"}"#;
        let devices = r#","netDevices":{"eth1":{}}"#;
        let memory = r#","memoryPolicy":{"mode":"MPOL_PREFERRED","nodes":"0"}"#;
        for (property, process, rest, linux) in [
            ("process.ioPriority", io, "", ""),
            ("Landlock", "", landlock, ""),
            ("linux.netDevices", "", "", devices),
            ("linux.memoryPolicy", "", "", memory),
        ] {
            let error = check(process, rest, linux).unwrap_err().to_string();
            assert!(error.contains(property), "{error}");
        }
    }
}
