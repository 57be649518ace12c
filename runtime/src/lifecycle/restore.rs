//! `restore`: a container from the files of a checkpoint.

use super::bundle::Bundle;
use super::checkpoint::{Directories, Yard, check_support};
use super::create::{ConsoleEnd, Launched, document, record, run_runtime_hooks};
use super::error::kernel_error;
use super::handover::{connect, write_pid_file};
use super::prepare::{check_console, check_rootfs, compile_filter, plan_cgroup, plan_options};
use super::{Context, LifecycleError, delete, facts};
use crate::cgroup::{Cgroup, CgroupPlan, ClonedInto};
use crate::criu::{self, ExternalMount, Launch, Restore, RestoreMounts, Session, wire};
use crate::hooks::StateDocument;
use crate::plan::{Plan, StartMode, Step, plan_container};
use crate::request::RestoreRequest;
use crate::spec::HostPid;
use crate::state::{InitProcess, Record, StateDir};
use kernel::mount::{self, SetAttributes};
use kernel::process::{self, CloneFlags, Cloned, clone3};
use kernel::{Errno, file, namespace, unix_socket};
use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

/// `MOUNT_ATTR_RDONLY`.
const MOUNT_ATTR_RDONLY: u64 = 1;
/// Bytes of `descriptors.json`.
const MAX_DESCRIPTORS: usize = 64 << 10;
/// Bytes of `/proc/PID/cgroup`.
const MAX_CGROUPS: usize = 64 << 10;

/// Makes the container of `request` anew; on return its processes run on.
///
/// # Errors
/// By what failed; nothing of the container is left then.
pub fn restore(
    context: Context<'_>,
    request: &RestoreRequest,
    console: ConsoleEnd,
) -> Result<Launched, LifecycleError> {
    let create = &request.run.create;
    let bundle = Bundle::open(&create.bundle, context)?;
    let terminal = bundle.spec.has_terminal();
    check_console(terminal, create.console_socket.is_some(), console)?;
    check_support(&bundle.spec)?;
    let filter = compile_filter(&bundle.spec, context)?;
    let cgroup_plan = plan_cgroup(context.settings, create, &bundle.spec)?;
    let cgroups = facts::Cgroups::planned(&cgroup_plan);
    let host = facts::probe_new(&bundle.spec, &create.id, &cgroups)?;
    let options = plan_options(context.settings, create, StartMode::AtOnce, console);
    let plan = plan_container(&bundle.spec, &host, &options)?;
    check_rootfs(&bundle.spec)?;
    let mounts = criu::external_mounts(&plan)?;
    let images = Directories::open(&request.criu)?;
    let streams = read_descriptors(&images.images)?;
    let console_socket = create.console_socket.as_deref();
    let console_socket = console_socket.map(|path| connect("console socket", path)).transpose()?;
    criu::check_version()?;
    let record = Record { restored: true, ..record(&bundle, create, &cgroup_plan) };

    let state = StateDir::create(&context.settings.root, &create.id)?;
    let attempt = Attempt {
        request,
        bundle: &bundle,
        plan: &plan,
        mounts,
        streams,
        console_socket,
        state: &state,
        context,
        record: &record,
        document: document(&record),
        ran_hooks: Cell::new(false),
    };
    let restored = state
        .write(&record, &bundle.config)
        .and_then(|()| filter.map_or(Ok(()), |filter| state.write_filter(&filter.to_bytes())))
        .and_then(|()| create.notify_socket.as_ref().map_or(Ok(()), |_| state.make_notify_dir()))
        .map_err(LifecycleError::from)
        .and_then(|()| attempt.with_cgroup(&cgroup_plan));
    if let Err(error) = &restored {
        if matches!(error, LifecycleError::Criu(criu::CriuError::Failed { .. })) {
            images.report(context, "restore.log");
        }
        // The error that led here is the one to report.
        let _ = state.remove();
    }
    state.unlock();
    // As after a creation that came as far as its hooks (runtime.md#lifecycle).
    restored.inspect_err(|_| {
        if attempt.ran_hooks.get() {
            delete::poststop(context, &record, &bundle.config);
        }
    })
}

/// One restore under way.
struct Attempt<'a> {
    request: &'a RestoreRequest,
    bundle: &'a Bundle,
    plan: &'a Plan,
    mounts: Vec<ExternalMount>,
    streams: Vec<String>,
    console_socket: Option<OwnedFd>,
    state: &'a StateDir,
    context: Context<'a>,
    record: &'a Record,
    document: StateDocument,
    ran_hooks: Cell<bool>,
}

/// What criu has told of on the way.
#[derive(Default)]
struct Made {
    init: Option<(InitProcess, OwnedFd)>,
    console: Option<OwnedFd>,
}

impl Attempt<'_> {
    fn with_cgroup(&self, plan: &CgroupPlan) -> Result<Launched, LifecycleError> {
        let mut cgroup = Cgroup::create(plan)?;
        let launched = self.with_criu(&mut cgroup);
        launched.inspect_err(|_| {
            // criu has killed what it made; it need not be gone yet, nor the cgroups within that it
            // made from the files.
            let _ = cgroup.kill_all();
            let _ = cgroup.remove();
            cgroup.undo();
        })
    }

    fn with_criu(&self, cgroup: &mut Cgroup) -> Result<Launched, LifecycleError> {
        let (joined, kept) = self.open_namespaces()?;
        let yard = Yard::make(self.context, self.state, self.record, None)?;
        let rootfs = &self.bundle.spec.root.path;
        let mounts = RestoreMounts::of(self.plan, rootfs, yard.paths.root.clone(), yard.cgroups());
        let launch = Launch {
            cgroup: cgroup.clone_target()?,
            kept: &kept,
            mounts: Some(&mounts),
            keyring: self.plan.steps.iter().find_map(|step| match step {
                Step::NewSessionKeyring { name } => Some(name.as_str()),
                _ => None,
            }),
            opens: &self.request.criu.directories(),
        };
        let cloned = match launch.cgroup {
            Some(_) => ClonedInto::Target,
            None => ClonedInto::Own,
        };
        let session = Session::start(&launch)?;
        let mut made = Made::default();
        let done = cgroup
            .attach(HostPid(session.pid), cloned)
            .and_then(|()| cgroup.apply_limits())
            .map_err(LifecycleError::from)
            .and_then(|()| self.converse(&session, &yard, joined, &mut made))
            .and_then(|()| {
                let init = made.init.as_ref().ok_or(LifecycleError::Died { how: "unseen".into() });
                let pid_file = self.request.run.create.pid_file.as_deref();
                init.and_then(|(init, _)| {
                    pid_file.map_or(Ok(()), |path| write_pid_file(path, init.pid))
                })
            });
        if let Err(error) = done {
            session.kill();
            if let Some((_, pidfd)) = made.init {
                let _ = process::pidfd_send_signal(pidfd.as_fd(), 9);
                let _ = process::wait_pidfd(pidfd.as_fd());
            }
            return Err(error);
        }
        // All is restored: how criu ends changes nothing of it.
        let _ = session.finish();
        let (init, pidfd) = made.init.ok_or(LifecycleError::Died { how: "unseen".into() })?;
        Ok(Launched { init, pidfd, console: made.console, notify: None })
    }

    /// The network and pid namespaces that the config gives the path of.
    fn open_namespaces(&self) -> Result<([Option<i32>; 2], Vec<OwnedFd>), LifecycleError> {
        let namespaces = &self.bundle.spec.namespaces;
        let mut kept = Vec::new();
        let mut open = |path: Option<&Path>| {
            let Some(path) = path else { return Ok(None) };
            let opened = file::open_read(file::CWD, path).map_err(|errno| {
                LifecycleError::OpenNamespace { path: path.to_owned(), source: errno.into() }
            })?;
            let number = opened.as_raw_fd();
            kept.push(opened);
            Ok::<_, LifecycleError>(Some(number))
        };
        let joined = [open(namespaces.network.path())?, open(namespaces.pid.path())?];
        Ok((joined, kept))
    }

    fn converse(
        &self,
        session: &Session,
        yard: &Yard<'_>,
        joined: [Option<i32>; 2],
        made: &mut Made,
    ) -> Result<(), LifecycleError> {
        let dirs = session.execute()?;
        let [images, work] = [0, 1].map(|at| dirs.get(at).map(AsRawFd::as_raw_fd));
        let options = criu::restore_options(&Restore {
            request: self.request,
            images: images.ok_or(Errno::PROTO).map_err(kernel_error("open the images"))?,
            work,
            root: yard.paths.root.to_string_lossy().into_owned(),
            mounts: self.mounts.clone(),
            namespaces: &self.bundle.spec.namespaces,
            joined,
            streams: self.streams.clone(),
            yard: yard.path(),
            cgroups: cgroups_of(session.pid)?,
            annotations: &self.bundle.spec.annotations,
        });
        self.context.journal.debug(format_args!("criu: {options:?}"));
        let request = wire::Request {
            kind: wire::Kind::Restore.into(),
            options: Some(Box::new(options)),
            ..wire::Request::default()
        };
        session.ask(&request, |notice, fds| self.on_notice(notice, fds, made)).map(drop)
    }

    fn on_notice(
        &self,
        notice: &wire::Notice,
        mut fds: Vec<OwnedFd>,
        made: &mut Made,
    ) -> Result<(), LifecycleError> {
        match notice.script.as_deref() {
            Some("setup-namespaces") => self.run_hooks(notice.pid.unwrap_or(0)),
            Some("post-restore") => {
                let pid = notice.pid.unwrap_or(0);
                let init =
                    InitProcess::of(pid).map_err(kernel_error("read the process's start time"))?;
                let pidfd =
                    process::pidfd_open(pid).map_err(kernel_error("open the init process"))?;
                let (_, pidfd) = made.init.insert((init, pidfd));
                self.state.write_init(init)?;
                if self.plan.steps.contains(&Step::RootfsReadOnly) {
                    make_root_read_only(pidfd)?;
                }
                Ok(())
            }
            Some("orphan-pts-master") => {
                let master = fds.pop().ok_or(Errno::PROTO);
                let master = master.map_err(kernel_error("receive the terminal"))?;
                match &self.console_socket {
                    Some(socket) => unix_socket::send(socket, b"/dev/pts/0", &[master.as_fd()])
                        .map_err(kernel_error("send the terminal"))?,
                    None => made.console = Some(master),
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn run_hooks(&self, pid: i32) -> Result<(), LifecycleError> {
        self.ran_hooks.set(true);
        run_runtime_hooks(self.bundle, &self.document, pid)
    }
}

/// Makes the root of a restored container read-only, which criu forgets.
fn make_root_read_only(init: &OwnedFd) -> Result<(), LifecycleError> {
    let failed = || kernel_error("make the root of the container read-only");
    match clone3(CloneFlags::empty(), None).map_err(failed())? {
        Cloned::Child => {
            let read_only = SetAttributes { set: MOUNT_ATTR_RDONLY, ..SetAttributes::default() };
            let done = namespace::join(init, CloneFlags::NEWNS)
                .and_then(|()| file::open_dir_place(file::CWD, c"/"))
                .and_then(|root| mount::set_attributes(root, read_only));
            process::exit_now(done.map_or_else(Errno::raw_os_error, |()| 0))
        }
        Cloned::Parent { pidfd, .. } => match process::wait_pidfd(pidfd.as_fd()).map_err(failed())?
        {
            process::Exit::Code(0) => Ok(()),
            process::Exit::Code(errno) => Err(failed()(Errno::from_raw_os_error(errno))),
            process::Exit::Signal(_) => Err(failed()(Errno::INTR)),
        },
    }
}

fn read_descriptors(images: &OwnedFd) -> Result<Vec<String>, LifecycleError> {
    let bytes = file::read_limited(images.as_fd(), criu::DESCRIPTORS, MAX_DESCRIPTORS)
        .map_err(kernel_error("read `descriptors.json` of the checkpoint"))?;
    criu::parse_descriptors(&bytes).map_err(LifecycleError::Descriptors)
}

/// Controllers and path of each hierarchy that `pid` is in.
fn cgroups_of(pid: i32) -> Result<Vec<(String, String)>, LifecycleError> {
    let text = file::read_limited(file::CWD, format!("/proc/{pid}/cgroup"), MAX_CGROUPS)
        .map_err(kernel_error("read the cgroups of criu"))?;
    let text = String::from_utf8_lossy(&text);
    let split = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        Some((controllers.to_owned(), path.to_owned()))
    };
    Ok(text.lines().filter_map(split).collect())
}
