//! Creation: from a bundle to a process that waits to be started, or runs.
//!
//! What was done is undone newest first when something fails; what a killed creation leaves
//! behind, `delete --force` finds by the state directory, which is made first.

use super::ahead::NetworkAhead;
use super::bundle::{self, Bundle};
use super::child::Child;
use super::error::kernel_error;
use super::handover::{
    connect_seccomp_agent, open_console, receive_console, send_pidfd, write_pid_file,
};
use super::prepare::{
    check_console, check_inherited, check_rootfs, compile_filter, plan_cgroup, plan_options,
};
use super::{Context, LifecycleError, delete, entry, facts, idmap};
use crate::cgroup::{Cgroup, CgroupPlan, CgroupRecord, ClonedInto};
use crate::foreground::NotifyProxy;
use crate::hooks::{self, StateDocument};
use crate::init::report::Report;
use crate::init::{ChildInput, propagation_bit};
use crate::plan::{Plan, RuntimePart, StartMode, plan_container};
use crate::request::{CreateRequest, Settings};
use crate::resctrl::{self, MadeGroups};
use crate::seccomp::Program as Filter;
use crate::spec::HostPid;
use crate::state::{InitProcess, RECORD_VERSION, Record, StateDir, notify_paths};
use kernel::mount::{CloneTree, SetAttributes};
use kernel::process::CloneFlags;
use kernel::{file, namespace, process, unix_socket};
use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::time::SystemTime;

/// Where the terminal's master end goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleEnd {
    /// To the request's console socket.
    Socket,
    /// To the caller: in [`Launched::console`].
    Caller,
}

/// A container that waits or runs.
#[derive(Debug)]
pub struct Launched {
    /// Its init process.
    pub init: InitProcess,
    /// The same.
    pub pidfd: OwnedFd,
    /// The terminal's master end, with [`ConsoleEnd::Caller`].
    pub console: Option<OwnedFd>,
    /// What the program reports on, where it runs and the caller wants to hear of it.
    pub notify: Option<NotifyProxy>,
}

/// Creates the container of `request`; with [`StartMode::AtOnce`] its program runs on return.
///
/// # Errors
/// By what failed; nothing of the container is left then.
pub fn launch(
    context: Context<'_>,
    request: &CreateRequest,
    start: StartMode,
    console: ConsoleEnd,
) -> Result<Launched, LifecycleError> {
    // Before anything else opens a descriptor.
    check_inherited(request.inherited)?;
    let config = bundle::read(&request.bundle)?;
    let mut network = NetworkAhead::begin(&config);
    kernel::inherited::note();
    let bundle = Bundle::of(config, &request.bundle, context)?;
    if !bundle.spec.namespaces.user.is_inherited() {
        // It would not be the namespace wanted, and what a user namespace maps is found out by a
        // process of its own.
        network = NetworkAhead::default();
    }
    let terminal = bundle.spec.has_terminal();
    check_console(terminal, request.console_socket.is_some(), console)?;
    let filter = compile_filter(&bundle.spec, context)?;
    let cgroup_plan = plan_cgroup(context.settings, request, &bundle.spec)?;
    let cgroups = facts::Cgroups::planned(&cgroup_plan);
    let host = facts::probe_new(&bundle.spec, &request.id, &cgroups)?;
    let options = plan_options(context.settings, request, start, console);
    let plan = plan_container(&bundle.spec, &host, &options)?;
    for warning in &plan.warnings {
        context.journal.warn(format_args!("{warning}"));
    }
    context.journal.debug(format_args!("creating container `{}`:\n{plan}", request.id));
    check_rootfs(&bundle.spec)?;
    let mut record = record(&bundle, request, &cgroup_plan);
    if record.cgroup.ignores_shares(&bundle.spec.resources) {
        context.journal.warn(format_args!("{}", super::update::IGNORED_SHARES));
    }
    record.resctrl = plan.runtime.resctrl.as_ref().map(|resctrl| resctrl.record.clone());

    let state = StateDir::create(&context.settings.root, &request.id)?;
    let attempt = Attempt {
        context,
        request,
        bundle: &bundle,
        plan: &plan,
        filter: filter.as_ref(),
        state: &state,
        document: document(&record),
        privileged: host.uid == 0,
        start,
        console,
        resctrl: RefCell::default(),
        network: Cell::new(network),
        ran_hooks: Cell::new(false),
    };
    let launched = state
        .write(&record, &bundle.config)
        .map_err(LifecycleError::from)
        .and_then(|()| bind_notify(context.settings, request, &state, start))
        .and_then(|notify| {
            let launched = attempt.with_cgroup(&cgroup_plan)?;
            Ok(Launched { notify, ..launched })
        });
    if launched.is_err() {
        delete::detach_shared_mounts(context, &record);
        // The error that led here is the one to report.
        let _ = state.remove();
    }
    state.unlock();
    launched.inspect_err(|error| {
        use LifecycleError::{Execve, Hook, StepDetail};
        let failed_late = matches!(error, Hook(_) | StepDetail { .. } | Execve { .. });
        if failed_late || attempt.ran_hooks.get() {
            // runtime.md#lifecycle: from step 12 on.
            delete::poststop(context, &record, &bundle.config);
        }
    })
}

/// The place where the program reports that it is ready; with [`StartMode::Later`], `start` makes
/// the socket in it.
fn bind_notify(
    settings: &Settings,
    request: &CreateRequest,
    state: &StateDir,
    start: StartMode,
) -> Result<Option<NotifyProxy>, LifecycleError> {
    let Some(manager) = &request.notify_socket else { return Ok(None) };
    state.make_notify_dir()?;
    if start == StartMode::Later {
        return Ok(None);
    }
    let (_, socket) = notify_paths(&settings.root, &request.id);
    Ok(Some(NotifyProxy::bind(&socket, manager)?))
}

pub(super) fn record(bundle: &Bundle, request: &CreateRequest, cgroup: &CgroupPlan) -> Record {
    let shares_mounts = bundle.spec.namespaces.mount.is_inherited();
    let rootfs = &bundle.spec.root.path;
    // What is mounted there goes with the container, even if a link leads elsewhere by then.
    let resolved = shares_mounts.then(|| std::fs::canonicalize(rootfs).ok()).flatten();
    Record {
        version: RECORD_VERSION,
        oci_version: bundle.spec.oci_version.clone(),
        id: request.id.to_string(),
        bundle: bundle.path.clone(),
        rootfs: resolved.unwrap_or_else(|| rootfs.clone()),
        created: humantime::format_rfc3339_nanos(SystemTime::now()).to_string(),
        annotations: bundle.spec.annotations.clone(),
        cgroup: CgroupRecord::of(cgroup, &bundle.spec.resources),
        resctrl: None,
        rootless: cgroup.optional,
        no_new_keyring: request.no_new_keyring,
        restored: false,
        pipes: Some(if bundle.spec.has_terminal() { [0; 3] } else { kernel::start::pipes() }),
        shares_pids: !bundle.spec.namespaces.pid.is_new(),
        shares_mounts,
        late_hooks: !bundle.spec.hooks.poststart.is_empty()
            || !bundle.spec.hooks.poststop.is_empty(),
    }
}

/// The state document of a container that is being made.
pub(super) fn document(record: &Record) -> StateDocument {
    StateDocument {
        oci_version: record.oci_version.clone(),
        id: record.id.clone(),
        status: "creating",
        pid: 0,
        bundle: record.bundle.to_string_lossy().into_owned(),
        annotations: record.annotations.clone(),
    }
}

/// One creation under way.
struct Attempt<'a> {
    context: Context<'a>,
    request: &'a CreateRequest,
    bundle: &'a Bundle,
    plan: &'a Plan,
    filter: Option<&'a Filter>,
    state: &'a StateDir,
    document: StateDocument,
    privileged: bool,
    start: StartMode,
    console: ConsoleEnd,
    /// What was made there, to be taken back.
    resctrl: RefCell<MadeGroups>,
    network: Cell<NetworkAhead>,
    ran_hooks: Cell<bool>,
}

impl Attempt<'_> {
    fn with_cgroup(&self, plan: &CgroupPlan) -> Result<Launched, LifecycleError> {
        let mut cgroup = Cgroup::create(plan)?;
        let launched = self.with_descriptors(&mut cgroup);
        launched.inspect_err(|_| {
            self.resctrl.borrow_mut().undo();
            cgroup.undo();
        })
    }

    fn with_descriptors(&self, cgroup: &mut Cgroup) -> Result<Launched, LifecycleError> {
        if let Some(filter) = self.filter {
            self.state.write_filter(&filter.to_bytes())?;
        }
        let files = raise_open_files(self.plan)?;
        let mut slots: Vec<Option<OwnedFd>> = Vec::new();
        slots.resize_with(self.plan.slots, || None);
        self.open_namespaces(&mut slots)?;
        self.prepare_mounts(&mut slots)?;
        let maps = self.late_maps(&slots)?;
        let joined = self.joined_network(&slots)?;
        let socket = self.request.console_socket.as_deref();
        let console = open_console(self.plan, self.console, socket, &mut slots)?;
        if let Some(slot) = self.plan.start_socket {
            slots[slot.0] = Some(self.state.listen()?);
        }
        connect_seccomp_agent(self.plan, &mut slots)?;
        // Those who read a runtime's debug log know its places by the words of runc.
        let journal = self.context.journal;
        journal.debug(format_args!("nsexec container setup: `{}`", self.request.id));
        let child = self.clone_child(cgroup, slots)?;
        journal.debug(format_args!("child process in init(): pid {}", child.pid));
        let ready = self.accompany(&child, cgroup, &maps, joined, files);
        if let Err(error) = ready {
            child.kill();
            return Err(error);
        }
        let console = console.map(|socket| receive_console(&socket)).transpose()?;
        let init = ready?;
        Ok(Launched { init, pidfd: child.pidfd, console, notify: None })
    }

    fn open_namespaces(&self, slots: &mut [Option<OwnedFd>]) -> Result<(), LifecycleError> {
        for wanted in &self.plan.namespace_files {
            let path = || wanted.path.clone();
            let opened = file::open_read(file::CWD, wanted.path.as_path()).map_err(|errno| {
                LifecycleError::OpenNamespace { path: path(), source: errno.into() }
            })?;
            if namespace::kind(&opened) != Ok(wanted.kind) {
                let kind = namespace_name(wanted.kind);
                return Err(LifecycleError::WrongNamespace { path: path(), kind });
            }
            self.check_sysctls(wanted.kind, &opened)?;
            slots[wanted.slot.0] = Some(opened);
        }
        Ok(())
    }

    /// The network namespace that the process joins, for devices that move there: the process may not
    /// be in it yet by then.
    fn joined_network(&self, slots: &[Option<OwnedFd>]) -> Result<Option<OwnedFd>, LifecycleError> {
        let file = self.plan.namespace_files.iter().find(|f| f.kind == CloneFlags::NEWNET);
        let slot = file.and_then(|file| slots[file.slot.0].as_ref());
        let wanted = slot.filter(|_| !self.plan.runtime.net_devices.is_empty());
        wanted.map(OwnedFd::try_clone).transpose().map_err(|source| LifecycleError::Kernel {
            what: "keep the container's network namespace",
            source,
        })
    }

    /// A namespace with a path can be the runtime's own, whose kernel parameters are the host's.
    fn check_sysctls(&self, kind: CloneFlags, joined: &OwnedFd) -> Result<(), LifecycleError> {
        let is_of = |path: &str| match kind {
            CloneFlags::NEWNET => path.starts_with("net/"),
            CloneFlags::NEWUSER => path.starts_with("user/"),
            CloneFlags::NEWUTS => path == "kernel/domainname",
            CloneFlags::NEWIPC => {
                let in_kernel = path.starts_with("kernel/") && path != "kernel/domainname";
                path.starts_with("fs/mqueue/") || in_kernel
            }
            _ => false,
        };
        let key = self.plan.steps.iter().find_map(|step| match step {
            crate::plan::Step::WriteSysctl { path, .. } if is_of(path) => {
                Some(path.replace('/', "."))
            }
            _ => None,
        });
        let Some(key) = key else { return Ok(()) };
        let name = namespace_name(kind);
        let link = if kind == CloneFlags::NEWNET { "net" } else { name };
        let own = file::open_read(file::CWD, format!("/proc/self/ns/{link}"))
            .and_then(|own| file::is_same(&own, joined))
            .map_err(kernel_error("look at the runtime's own namespace"))?;
        if own { Err(LifecycleError::HostSysctl { key, name }) } else { Ok(()) }
    }

    fn prepare_mounts(&self, slots: &mut [Option<OwnedFd>]) -> Result<(), LifecycleError> {
        for wanted in &self.plan.prepared {
            let path = || wanted.source.clone();
            let failed =
                |e: kernel::Errno| LifecycleError::PrepareMount { path: path(), source: e.into() };
            let how = CloneTree { recursive: wanted.recursive, nofollow: wanted.nofollow };
            let tree = kernel::mount::clone_tree(file::CWD, wanted.source.as_path(), how)
                .map_err(failed)?;
            if let Some(kind) = wanted.propagation {
                let propagation = propagation_bit(kind);
                let change =
                    SetAttributes { propagation, recursive: true, ..SetAttributes::default() };
                kernel::mount::set_attributes(&tree, change).map_err(failed)?;
            }
            if let Some(idmap) = &wanted.idmap {
                let namespace = idmap::tree_namespace(idmap, slots)?;
                idmap::map_tree(&tree, &namespace, idmap.recursive).map_err(|errno| {
                    LifecycleError::MapMount { path: path(), source: errno.into() }
                })?;
            }
            slots[wanted.slot.0] = Some(tree);
        }
        Ok(())
    }

    /// The user namespaces that carry the mappings of the trees to be cloned on the way.
    fn late_maps(&self, slots: &[Option<OwnedFd>]) -> Result<Vec<OwnedFd>, LifecycleError> {
        self.plan.late.iter().map(|tree| idmap::tree_namespace(&tree.idmap, slots)).collect()
    }

    fn clone_child(
        &self,
        cgroup: &Cgroup,
        slots: Vec<Option<OwnedFd>>,
    ) -> Result<Child, LifecycleError> {
        let (ours, theirs) =
            unix_socket::message_pair().map_err(kernel_error("make a socket for the container"))?;
        // Whoever can't trace the child can't touch its descriptors either. A runtime without
        // privileges must first write its maps, which a hidden process forbids.
        if self.privileged {
            process::set_dumpable(false).map_err(kernel_error("hide the process"))?;
        }
        let target = cgroup.clone_target()?;
        let network = self.network.take().for_plan(self.plan);
        let born = entry::enter_for_children(self.plan, &slots)?;
        let input = ChildInput {
            steps: &self.plan.steps,
            program: &self.plan.program,
            seccomp: self.filter.map_or(&[], |f| f.instructions.as_slice()),
            slots,
            awaits_network: network.is_under_way(),
            socket: theirs,
            state: self.document.clone(),
            seccomp_metadata: self.plan.seccomp.as_ref().and_then(|s| s.listener_metadata.clone()),
        };
        entry::clone_child(self.plan, target, input, ours, born, network)
    }

    /// Does the runtime's part until the container is ready, or runs.
    fn accompany(
        &self,
        child: &Child,
        cgroup: &mut Cgroup,
        maps: &[OwnedFd],
        joined: Option<OwnedFd>,
        files: Option<(u64, u64)>,
    ) -> Result<InitProcess, LifecycleError> {
        let init =
            InitProcess::of(child.pid).map_err(kernel_error("read the process's start time"))?;
        self.state.write_init(init)?;
        let cloned = match cgroup.clone_target()? {
            Some(_) => ClonedInto::Target,
            None => ClonedInto::Own,
        };
        cgroup.attach(HostPid(child.pid), cloned)?;
        cgroup.apply_limits()?;
        if let Some(plan) = &self.plan.runtime.resctrl {
            self.resctrl.replace(resctrl::make(plan, child.pid)?);
        }
        configure_process(&self.plan.runtime, child, self.privileged)?;
        super::netdev::move_devices(&self.plan.runtime.net_devices, joined, child.pid)?;
        if self.plan.runtime.child_waits {
            child.go();
        }
        if self.plan.runtime.hooks {
            self.await_report(child, maps, &Report::RuntimeHooks)?;
            self.run_hooks(child.pid)?;
            child.go();
        }
        let may_go_on =
            self.start == StartMode::AtOnce && files.is_none() && !self.waits_for_ready();
        if may_go_on {
            // It finds the word when it is ready, and nobody has to wake up in between.
            child.go();
        }
        self.await_report(child, maps, &Report::Ready)?;
        // Now that it has opened all it needs.
        if let Some((soft, hard)) = files {
            kernel::schedule::set_rlimit(child.pid, RLIMIT_NOFILE, soft, hard)
                .map_err(kernel_error("restore the limit of open files"))?;
        }
        limit_process(&self.plan.runtime, child)?;
        if let Some(path) = &self.request.pid_file {
            write_pid_file(path, child.pid)?;
        }
        if let Some(path) = &self.request.pidfd_socket {
            send_pidfd(path, child)?;
        }
        let journal = self.context.journal;
        journal.debug(format_args!("init: closing the pipe to signal completion"));
        if self.start == StartMode::AtOnce {
            if !may_go_on {
                child.go();
            }
            // Nothing more comes from a program that runs.
            if child.report()?.is_some() {
                return Err(child.died());
            }
            self.poststart(child.pid)?;
        }
        Ok(init)
    }

    /// Whether something is to be done between the process's report that it is ready and its program.
    fn waits_for_ready(&self) -> bool {
        !self.plan.late.is_empty()
            || !self.plan.runtime.rlimits.is_empty()
            || self.request.pid_file.is_some()
            || self.request.pidfd_socket.is_some()
    }

    fn await_report(
        &self,
        child: &Child,
        maps: &[OwnedFd],
        wanted: &Report,
    ) -> Result<(), LifecycleError> {
        loop {
            match child.report()? {
                Some(Report::MapTree { number }) => {
                    let number = number as usize;
                    let late = self.plan.late.get(number).zip(maps.get(number));
                    let (tree, map) = late.ok_or_else(|| child.died())?;
                    idmap::serve_tree(child, tree, map)?;
                }
                Some(report) if report == *wanted => return Ok(()),
                _ => return Err(child.died()),
            }
        }
    }

    fn run_hooks(&self, pid: i32) -> Result<(), LifecycleError> {
        self.ran_hooks.set(true);
        run_runtime_hooks(self.bundle, &self.document, pid)
    }

    fn poststart(&self, pid: i32) -> Result<(), LifecycleError> {
        let mut state = self.document.clone();
        (state.pid, state.status) = (pid, "running");
        Ok(hooks::run_all("poststart", &self.bundle.spec.hooks.poststart, &state, &[])?)
    }
}

/// Runs the hooks that come once the container has a process and namespaces.
pub(super) fn run_runtime_hooks(
    bundle: &Bundle,
    document: &StateDocument,
    pid: i32,
) -> Result<(), LifecycleError> {
    let state = StateDocument { pid, ..document.clone() };
    let hooks = &bundle.spec.hooks;
    hooks::run_all("prestart", &hooks.prestart, &state, &[])?;
    Ok(hooks::run_all("createRuntime", &hooks.create_runtime, &state, &[])?)
}

/// `RLIMIT_NOFILE`.
const RLIMIT_NOFILE: u32 = 7;
/// Every usual limit allows as many descriptors.
const FEW_FILES: usize = 256;
/// Descriptors that the runtime needs beside those of its plan.
const SPARE_FILES: usize = 64;

/// Raises the soft limit of open files as far as it goes where the plan may not do with it; the
/// limits to give the container's process back.
fn raise_open_files(plan: &Plan) -> Result<Option<(u64, u64)>, LifecycleError> {
    let wanted = plan.slots + plan.late.len() + SPARE_FILES;
    if wanted <= FEW_FILES {
        return Ok(None);
    }
    let failed = || kernel_error("raise the limit of open files");
    let (soft, hard) = kernel::schedule::rlimit(0, RLIMIT_NOFILE).map_err(failed())?;
    if wanted as u64 <= soft {
        return Ok(None);
    }
    kernel::schedule::set_rlimit(0, RLIMIT_NOFILE, hard, hard).map_err(failed())?;
    Ok(Some((soft, hard)))
}

/// Does for the child what it can't do itself.
pub(super) fn configure_process(
    part: &RuntimePart,
    child: &Child,
    privileged: bool,
) -> Result<(), LifecycleError> {
    if let Some((users, groups)) = &part.id_maps {
        idmap::write(child.pid, users, groups, privileged)?;
    }
    if let Some(score) = part.oom_score_adj {
        idmap::write_file(child.pid, "oom_score_adj", &score.to_string())?;
    }
    Ok(())
}

/// Sets the limits that the child can't set itself.
pub(super) fn limit_process(part: &RuntimePart, child: &Child) -> Result<(), LifecycleError> {
    for limit in &part.rlimits {
        kernel::schedule::set_rlimit(child.pid, limit.resource, limit.soft, limit.hard).map_err(
            |errno| LifecycleError::Step {
                step: crate::plan::Step::SetRlimit(*limit).to_string(),
                source: errno.into(),
            },
        )?;
    }
    Ok(())
}

fn namespace_name(kind: CloneFlags) -> &'static str {
    match kind {
        CloneFlags::NEWUSER => "user",
        CloneFlags::NEWPID => "pid",
        CloneFlags::NEWTIME => "time",
        CloneFlags::NEWNET => "network",
        CloneFlags::NEWIPC => "ipc",
        CloneFlags::NEWUTS => "uts",
        CloneFlags::NEWCGROUP => "cgroup",
        _ => "mount",
    }
}
