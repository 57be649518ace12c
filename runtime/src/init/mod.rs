//! The container's own process, from clone3(2) to execve(2): carries a plan's steps out.
//!
//! Makes no policy choice: one match arm, one deed. It starts no thread and holds every place it
//! uses by descriptor. A failure goes up the socket as the step's number, an errno and at most a
//! line of text; then the process ends.

mod console;
mod copy_up;
mod device;
mod mount;
mod program;
mod protect;
pub mod report;
mod root;
mod user;

pub(crate) use root::propagation_bit;
pub(crate) use user::join_keyring;

use crate::hooks::StateDocument;
use crate::plan::{Beneath, Place, Program, Slot, StartVia, Step};
use kernel::rootdir::RootDir;
use kernel::{Errno, file, identity, namespace, netdev, process, schedule};
use report::{Report, StepFailed, Telling};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What the child needs beside the plan.
#[derive(Debug)]
pub struct ChildInput<'p> {
    /// In order.
    pub steps: &'p [Step],
    /// What it executes.
    pub program: &'p Program,
    /// The compiled filter, where a step loads one.
    pub seccomp: &'p [kernel::seccomp::SockFilter],
    /// Descriptors by slot, as far as the runtime filled them.
    pub slots: Vec<Option<OwnedFd>>,
    /// Whether the runtime sends the container's network namespace, made beside this process, with
    /// its loopback device up.
    pub awaits_network: bool,
    /// To the runtime.
    pub socket: OwnedFd,
    /// For hooks and the seccomp agent.
    pub state: StateDocument,
    /// Passed to the seccomp agent.
    pub seccomp_metadata: Option<String>,
}

/// Why a step failed.
#[derive(Debug)]
pub(crate) struct StepError {
    errno: Errno,
    detail: String,
}

impl From<Errno> for StepError {
    fn from(errno: Errno) -> StepError {
        StepError { errno, detail: String::new() }
    }
}

impl StepError {
    fn new(errno: Errno, detail: impl Into<String>) -> StepError {
        StepError { errno, detail: detail.into() }
    }

    /// In words. The details of some steps are whole sentences that callers look for.
    fn of_step(self, step: &Step) -> StepFailed {
        let errno = self.errno.raw_os_error();
        let telling = match step {
            Step::Mount(_) | Step::Remount { .. } => Telling::Mount,
            _ if self.detail.is_empty() => Telling::Step,
            Step::FindProgram | Step::RunHooks { .. } => Telling::All,
            Step::Execute => Telling::Execve,
            _ => Telling::Step,
        };
        let text = match telling {
            Telling::All | Telling::Execve => self.detail,
            Telling::Step | Telling::Mount if self.detail.is_empty() => step.to_string(),
            Telling::Step | Telling::Mount => format!("{step}: {}", self.detail),
        };
        StepFailed { errno, text, telling }
    }
}

/// What `kill` may send to a container that waits for `start`, and means its end: SIGHUP, SIGINT,
/// SIGQUIT, SIGABRT, SIGTERM.
const ENDING_SIGNALS: [i32; 5] = [1, 2, 3, 6, 15];

type StepResult = Result<(), StepError>;

/// Runs the steps; returns only by ending the process.
pub fn run(input: ChildInput<'_>) -> ! {
    let steps = input.steps;
    let mut child = Child::new(input);
    // What is made gets the mode it is made with; the program's umask comes with its user.
    let umask = process::set_umask(0);
    child.umask = umask;
    for (number, step) in steps.iter().enumerate() {
        let prepared = if number == 0 { child.hold_host(steps) } else { Ok(()) };
        let (step, done) = match child.enter_network_before(step) {
            Ok(()) => (step, prepared.and_then(|()| child.perform(step))),
            failed => (&Step::LoopbackUp, failed),
        };
        if let Err(error) = done {
            if *step == Step::Execute && child.is_started {
                // The container has been started, and its end is what its callers wait for.
                kernel::signal::ignore_broken_pipes();
                if let Ok(stderr) = process::inherited_fd(2) {
                    let text = format!("{}\n", error.of_step(step).text);
                    let _ = file::write_all(stderr, text.as_bytes());
                }
                break;
            }
            // With the runtime gone there is nobody left to tell.
            let _ = Report::Failed(error.of_step(step)).send(&child.socket);
            break;
        }
    }
    process::exit_now(1)
}

/// `RLIMIT_NOFILE`.
const RLIMIT_NOFILE: u32 = 7;
/// A limit below this leaves no room for [`Spent`] ones.
const FEW_DESCRIPTORS: u64 = 256;

/// Descriptors that are not needed any more. Each could be closed by a call of its own; most go
/// with the one that closes all at the end.
#[derive(Debug, Default)]
struct Spent(Vec<OwnedFd>);

impl Spent {
    /// More are not kept open at a time.
    const MAX: usize = 64;

    fn add(&mut self, fd: OwnedFd) {
        if self.0.len() == Self::MAX {
            self.close();
        }
        self.0.push(fd);
    }

    fn close(&mut self) {
        self.0.clear();
    }
}

/// The container's network namespace.
#[derive(Clone, Copy)]
enum Network {
    /// The one that the process is in.
    Own,
    /// Comes from the runtime, its loopback device up.
    Awaited,
    /// The same, and its step is through: it is entered before whatever could see the difference.
    Due,
    /// It came, and the process is in it.
    Entered,
}

struct Child<'p> {
    program: &'p Program,
    seccomp: &'p [kernel::seccomp::SockFilter],
    slots: Vec<Option<OwnedFd>>,
    network: Network,
    socket: OwnedFd,
    state: StateDocument,
    seccomp_metadata: Option<String>,
    /// As the runtime sees it; known from the first message on.
    host_pid: i32,
    /// The rootfs, from the step on that opens it.
    root: Option<RootDir<OwnedFd>>,
    /// A procfs, seen to be one before anything of the image was mounted.
    proc: Option<OwnedFd>,
    masks: protect::Masks,
    /// Whether a path is masked later.
    wants_masks: bool,
    executable: Option<program::Executable>,
    /// Where the filter's notify descriptor goes.
    listener: Option<Slot>,
    spent: Spent,
    /// The runtime's, which hooks get.
    umask: u32,
    /// Whether the host's mounts are peers of those of the namespace.
    has_peers: bool,
    /// From here on, no descriptor reaches the program.
    first_closed: u32,
    /// Nothing of the runtime's is left but the way to report.
    left: bool,
    /// `start` has let it go on.
    is_started: bool,
}

impl<'p> Child<'p> {
    fn new(input: ChildInput<'p>) -> Child<'p> {
        Child {
            program: input.program,
            seccomp: input.seccomp,
            slots: input.slots,
            network: if input.awaits_network { Network::Awaited } else { Network::Own },
            socket: input.socket,
            state: input.state,
            seccomp_metadata: input.seccomp_metadata,
            host_pid: 0,
            root: None,
            proc: None,
            masks: protect::Masks::default(),
            wants_masks: false,
            has_peers: false,
            executable: None,
            listener: input.steps.iter().find_map(|step| match step {
                Step::LoadSeccomp { listener, .. } => *listener,
                _ => None,
            }),
            spent: Spent::default(),
            umask: 0,
            first_closed: u32::MAX,
            left: false,
            is_started: false,
        }
    }

    /// Enters the network namespace that the runtime sends, if it is due and `step` is not apart from it.
    fn enter_network_before(&mut self, step: &Step) -> StepResult {
        let is_wanted = match self.network {
            Network::Own | Network::Entered => false,
            // It is the first message.
            Network::Awaited => *step == Step::AwaitRuntime,
            Network::Due => !step.is_apart_from_network(),
        };
        if !is_wanted {
            return Ok(());
        }
        let network = process::CloneFlags::NEWNET;
        self.network = Network::Entered;
        match report::await_network(&self.socket)? {
            Some(made) => {
                namespace::join(&made, network)
                    .map_err(|errno| StepError::new(errno, "cannot join the network namespace"))?;
                self.spent.add(made);
            }
            // None could be made before.
            None => {
                namespace::unshare(network)
                    .map_err(|errno| StepError::new(errno, "cannot make the network namespace"))?;
                netdev::loopback_up()?;
            }
        }
        Ok(())
    }

    fn perform(&mut self, step: &Step) -> StepResult {
        match step {
            Step::DieWithRuntime => {
                process::set_parent_death_signal(Some(9))?;
            }
            Step::JoinNamespace { kind, file, .. } => namespace::join(self.slot(*file)?, *kind)?,
            Step::AwaitRuntime => self.host_pid = report::await_go(&self.socket)?,
            Step::BecomeNamespaceRoot => self.become_namespace_root()?,
            Step::UnshareCgroup => namespace::unshare(process::CloneFlags::NEWCGROUP)?,
            Step::NewSessionKeyring { name } => user::join_keyring(name)?,
            Step::SetHostname(name) => namespace::set_hostname(name)?,
            Step::SetDomainname(name) => namespace::set_domainname(name)?,
            Step::LoopbackUp => match self.network {
                Network::Own => netdev::loopback_up()?,
                Network::Awaited => self.network = Network::Due,
                Network::Due | Network::Entered => {}
            },
            Step::SetRootPropagation(p) => self.set_root_propagation(*p)?,
            Step::IsolateRootfs { path } => self.isolate_rootfs(path)?,
            Step::BindRootfs { path, prepared } => self.bind_rootfs(path, *prepared)?,
            Step::OpenRootfs { path } => {
                self.root = Some(RootDir::new(file::open_path(file::CWD, path.as_path())?));
            }
            Step::EnterRootOf { process } => self.enter_root_of(*process)?,
            Step::Mount(mount) => self.mount(mount)?,
            Step::Remount { target, attributes, recursive_attributes, superblock } => {
                let superblock = superblock.as_ref();
                self.remount(target, *attributes, *recursive_attributes, superblock)?;
            }
            Step::MakeDevice(device) => self.make_device(device)?,
            Step::MakeSymlink { at, target, replace } => self.make_symlink(at, target, *replace)?,
            Step::OpenConsole { ptmx, console, socket, terminal, size, is_relayed } => {
                let sockets = (*socket, *terminal);
                self.open_console(ptmx, console.as_ref(), sockets, *size, *is_relayed)?;
            }
            Step::RuntimeHooks => {
                Report::RuntimeHooks.send(&self.socket)?;
                report::await_go(&self.socket)?;
            }
            Step::RunHooks { kind, hooks } => self.run_hooks(*kind, hooks)?,
            Step::EnterRootfs(how) => self.enter_rootfs(*how)?,
            Step::SetRootfsPropagation(p) => root::set_propagation(c"/", *p)?,
            Step::MakeDirectory { path } => program::make_dir(path)?,
            Step::RootfsReadOnly => self.make_root_read_only()?,
            Step::WriteSysctl { path, value } => self.write_sysctl(path, value)?,
            Step::ReadOnlyPath(place) => self.make_read_only(place)?,
            Step::MaskPath(place) => self.mask(place)?,
            Step::SetRlimit(l) => {
                if l.resource == RLIMIT_NOFILE && l.soft < FEW_DESCRIPTORS {
                    self.spent.close();
                }
                schedule::set_rlimit(0, l.resource, l.soft, l.hard)?;
            }
            Step::SetScheduler { scheduler, on_some_cpus } => {
                user::set_scheduler(scheduler, *on_some_cpus)?;
            }
            Step::SetIoPriority { class, level } => schedule::set_io_priority(0, *class, *level)?,
            Step::SetAffinity(cpus) => {
                schedule::set_affinity(0, cpus.0.iter().cloned().flatten())?;
            }
            Step::ResetAffinity => schedule::set_affinity(0, 0..1024)?,
            Step::SetPersonality(domain) => process::set_personality((*domain).into())?,
            Step::SetMemoryPolicy { mode, nodes } => {
                schedule::set_memory_policy(*mode, &user::node_mask(nodes))?;
            }
            Step::NewCoreCookie => schedule::create_core_cookie()?,
            Step::NewSession { terminal } => self.new_session(*terminal)?,
            Step::OwnNullStreams => {
                user::own_null_streams()?.into_iter().for_each(|null| self.spent.add(null));
            }
            Step::OwnStdio { uid } => user::own_stdio(*uid)?,
            Step::SetUmask(mask) => {
                process::set_umask(*mask);
            }
            Step::SetAppArmor(profile) => {
                self.write_label("apparmor/exec", "exec", &format!("exec {profile}"))?;
            }
            Step::SetSelinux(label) => self.write_label("exec", "exec", label)?,
            Step::NoNewPrivileges => process::set_no_new_privileges()?,
            Step::LimitBounding { keep, of } => user::limit_bounding(*of & !*keep)?,
            Step::SetUser { uid, gid, groups } => user::set(*uid, *gid, groups.as_deref())?,
            Step::SetEffective { effective } => user::set_effective(*effective)?,
            Step::RaisePermitted => user::set_effective(u64::MAX)?,
            Step::SetCapabilities { effective, permitted, inheritable, ambient } => {
                let (effective, permitted, inheritable) = (*effective, *permitted, *inheritable);
                let sets = identity::Capabilities { effective, permitted, inheritable };
                user::set_capabilities(sets, *ambient)?;
            }
            Step::ChangeDirectory { path, create } => program::change_dir(path, *create)?,
            Step::FindProgram => self.executable = Some(program::find(self.program)?),
            Step::SealDescriptors { first } => {
                process::set_cloexec_from(*first)?;
                self.first_closed = *first;
            }
            Step::HeedSignals => kernel::signal::end_on(&ENDING_SIGNALS),
            Step::ReportReady => {
                // A runtime that has heard this may end; one that ended before is noticed here.
                process::set_parent_death_signal(None)?;
                Report::Ready.send(&self.socket)?;
            }
            Step::OutliveRuntime => process::set_parent_death_signal(None)?,
            Step::AwaitStart(via) => self.await_start(*via)?,
            Step::RestrictPaths(landlock) => protect::restrict_paths(landlock)?,
            Step::LoadSeccomp { flags, listener } => self.load_seccomp(*flags, *listener)?,
            Step::Execute => return Err(self.execute()),
        }
        Ok(())
    }

    fn slot(&self, slot: Slot) -> Result<BorrowedFd<'_>, Errno> {
        self.slots.get(slot.0).and_then(Option::as_ref).map(AsFd::as_fd).ok_or(Errno::BADF)
    }

    fn keep(&mut self, slot: Slot, fd: OwnedFd) {
        if let Some(place) = self.slots.get_mut(slot.0) {
            *place = Some(fd);
        }
    }

    /// The directory that a place is resolved beneath.
    fn base(&self, place: &Place) -> Result<RootDir<BorrowedFd<'_>>, Errno> {
        match place.beneath {
            Beneath::Slot(slot) => self.slot(slot).map(RootDir::new),
            Beneath::Rootfs => {
                self.root.as_ref().map(|root| RootDir::new(root.as_fd())).ok_or(Errno::BADF)
            }
        }
    }

    fn become_namespace_root(&self) -> StepResult {
        // Fails where the namespace denies setgroups: then the groups are the caller's own.
        let _ = identity::set_groups(&[]);
        identity::set_gid(0)?;
        identity::set_uid(0)?;
        // The change of user made the process ordinary again.
        process::set_dumpable(false)?;
        process::set_parent_death_signal(Some(9))?;
        Ok(())
    }

    fn await_start(&mut self, via: StartVia) -> StepResult {
        match via {
            StartVia::Runtime => {
                self.host_pid = report::await_go(&self.socket)?;
            }
            StartVia::Socket(slot) => {
                self.close_for_the_wait(slot);
                kernel::signal::unblock_all()?;
                loop {
                    let connection = kernel::unix_socket::accept(self.slot(slot)?)?;
                    // A `start` that died before it said so has started nothing.
                    if let Ok(pid) = report::await_go(&connection) {
                        self.host_pid = pid;
                        self.socket = connection;
                        break;
                    }
                }
                self.slots[slot.0] = None;
                self.is_started = true;
            }
        }
        Ok(())
    }

    /// The wait may be long: whoever gave the runtime a pipe must not find it open until its end.
    fn close_for_the_wait(&mut self, start: Slot) {
        self.root = None;
        self.proc = None;
        self.masks = protect::Masks::default();
        for (number, slot) in self.slots.iter_mut().enumerate() {
            // What the seccomp agent is sent over is needed after the start.
            if number != start.0 && Some(Slot(number)) != self.listener {
                *slot = None;
            }
        }
        let kept = self.slots.iter().flatten().map(AsFd::as_fd);
        let kept: Vec<BorrowedFd<'_>> = kept.chain([self.socket.as_fd()]).collect();
        process::close_all_but(self.first_closed, &kept);
    }

    fn run_hooks(&self, kind: crate::plan::HookKind, hooks: &[crate::spec::Hook]) -> StepResult {
        let mut state = self.state.clone();
        state.pid = process::own_pid();
        state.status = match kind {
            crate::plan::HookKind::CreateContainer => "creating",
            crate::plan::HookKind::StartContainer => "created",
        };
        let env = match (kind, &self.executable) {
            (crate::plan::HookKind::StartContainer, Some(executable)) => executable.env_strings(),
            _ => Vec::new(),
        };
        if let (crate::plan::HookKind::CreateContainer, Some(root)) = (kind, &self.root) {
            file::enter_dir(root)?;
        }
        let umask = process::set_umask(self.umask);
        let done = crate::hooks::run_all(kind.name(), hooks, &state, &env);
        process::set_umask(umask);
        done.map_err(|error| StepError::new(Errno::CANCELED, error.to_string()))
    }

    fn load_seccomp(&mut self, flags: u64, listener: Option<Slot>) -> StepResult {
        let flags = kernel::seccomp::FilterFlags::from_bits_retain(flags);
        if listener.is_none() {
            self.slots.clear();
        }
        self.leave_own_things()?;
        let notify = kernel::seccomp::set_filter(self.seccomp, flags)?;
        if let (Some(notify), Some(slot)) = (notify, listener) {
            let mut state = self.state.clone();
            if state.pid == 0 {
                state.pid = self.host_pid;
            }
            let metadata = self.seccomp_metadata.as_deref();
            let message = crate::hooks::seccomp_message(&state, self.host_pid, metadata);
            kernel::unix_socket::send(self.slot(slot)?, message.as_bytes(), &[notify.as_fd()])?;
            self.slots[slot.0] = None;
        }
        Ok(())
    }
}
