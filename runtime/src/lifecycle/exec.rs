//! `exec`: a further process in a container, confined as its init is.

use super::ahead::NetworkAhead;
use super::bundle::parse;
use super::child::Child;
use super::create::{ConsoleEnd, Launched, configure_process, document, limit_process};
use super::error::kernel_error;
use super::handover::{
    connect_seccomp_agent, open_console, receive_console, send_pidfd, write_pid_file,
};
use super::prepare::{check_console, check_inherited, has_writable_cgroup};
use super::query::status;
use super::{Context, LifecycleError, entry, facts};
use crate::cgroup::{Cgroup, ClonedInto, SubCgroups};
use crate::hooks::StateDocument;
use crate::init::ChildInput;
use crate::plan::{ExecPlan, PlanOptions, StartMode, plan_exec};
use crate::request::{ExecProcess, ExecRequest, ProcessChanges};
use crate::seccomp::Program as Filter;
use crate::spec::{
    Capabilities, ContainerGid, ContainerSpec, ContainerUid, ExecCpuAffinity, HostPid, Namespace,
    Process, limits,
};
use crate::state::{InitProcess, Record, StateDir, Status};
use kernel::{file, process, unix_socket};
use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Runs a process in the container of `request`; on return its program runs.
///
/// # Errors
/// [`LifecycleError::ExecStatus`] unless the container is created or running; else what kept the
/// program from running.
pub fn exec(
    context: Context<'_>,
    request: &ExecRequest,
    console: ConsoleEnd,
) -> Result<Launched, LifecycleError> {
    kernel::inherited::note();
    let state = StateDir::open(&context.settings.root, &request.id)?;
    let record = state.record()?;
    let (init, pidfd) = open_init(&state, &record, request)?;
    let mut spec = parse(&state.config()?, &record.bundle)?;
    if record.restored
        && spec.namespaces.time.is_inherited()
        && file::exists(file::CWD, "/proc/self/ns/time")
    {
        // criu restores the clocks by a time namespace.
        spec.namespaces.time = Namespace::New;
    }
    let process = wanted_process(&spec, request, context)?;
    spec.check_process(&process)?;
    check_console(process.terminal, request.console_socket.is_some(), console)?;
    check_inherited(request.inherited)?;
    let filter = stored_filter(&state)?;

    let cgroups = facts::Cgroups { places: &record.cgroup.places, by_unit: false };
    let host = facts::probe(&spec, Some(&process), &cgroups)?;
    let options = PlanOptions {
        id: record.id.clone(),
        start: StartMode::AtOnce,
        no_pivot: false,
        no_new_keyring: record.no_new_keyring,
        first_closed: request.inherited.end(),
        extra_env: Vec::new(),
        relays_terminal: console == ConsoleEnd::Caller,
        notify_dir: None,
    };
    let plan = plan_exec(&spec, &process, &host, &options, init.pid)?;
    for warning in &plan.plan.warnings {
        context.journal.warn(format_args!("{warning}"));
    }
    let attempt = Attempt {
        context,
        request,
        record: &record,
        process: &process,
        plan: &plan,
        filter: filter.as_ref(),
        privileged: host.uid == 0,
        init: init.pid,
        delegated: has_writable_cgroup(&spec),
    };
    attempt.run(pidfd, console)
}

fn open_init(
    state: &StateDir,
    record: &Record,
    request: &ExecRequest,
) -> Result<(InitProcess, OwnedFd), LifecycleError> {
    match status(state, record)? {
        Status::Created | Status::Running => {}
        Status::Paused if request.ignore_paused => {}
        Status::Paused => return Err(LifecycleError::ExecPaused),
        status => return Err(LifecycleError::ExecStatus { status }),
    }
    let stopped = || LifecycleError::ExecStatus { status: Status::Stopped };
    let init = state.init()?.ok_or_else(stopped)?;
    let pidfd = init.open().map_err(kernel_error("open the init process"))?;
    Ok((init, pidfd.ok_or_else(stopped)?))
}

fn stored_filter(state: &StateDir) -> Result<Option<Filter>, LifecycleError> {
    let Some(bytes) = state.filter()? else { return Ok(None) };
    Filter::from_bytes(&bytes)
        .map(Some)
        .map_err(|source| LifecycleError::StoredFilter { id: state.id().to_owned(), source })
}

fn wanted_process(
    spec: &ContainerSpec,
    request: &ExecRequest,
    context: Context<'_>,
) -> Result<Process, LifecycleError> {
    let changes = match &request.process {
        ExecProcess::Changes(changes) => changes,
        ExecProcess::File(path) => {
            let bytes =
                file::read_limited(file::CWD, path.as_path(), limits::MAX_CONFIG_BYTES).map_err(
                    |errno| LifecycleError::ReadConfig { path: path.clone(), source: errno.into() },
                )?;
            let parsed = Process::from_json(&bytes)?;
            for warning in &parsed.warnings {
                context.journal.warn(format_args!("{warning}"));
            }
            return Ok(completed(parsed.spec, spec.process.as_ref()));
        }
    };
    changed(spec.process.clone().unwrap_or_default(), changes)
}

/// What a process file leaves out is as the container has it, so that a short file makes nothing
/// less confined than init; but limits and no_new_privs are its own, as with runc.
fn completed(mut process: Process, stored: Option<&Process>) -> Process {
    let Some(stored) = stored.cloned() else { return process };
    process.capabilities = process.capabilities.or(stored.capabilities);
    process.apparmor_profile = process.apparmor_profile.or(stored.apparmor_profile);
    process.selinux_label = process.selinux_label.or(stored.selinux_label);
    process.user.umask = process.user.umask.or(stored.user.umask);
    process.oom_score_adj = process.oom_score_adj.or(stored.oom_score_adj);
    process.scheduler = process.scheduler.or(stored.scheduler);
    process.io_priority = process.io_priority.or(stored.io_priority);
    if process.exec_cpu_affinity == ExecCpuAffinity::default() {
        process.exec_cpu_affinity = stored.exec_cpu_affinity;
    }
    process
}

/// The stored process with the changes of the command line.
fn changed(mut process: Process, changes: &ProcessChanges) -> Result<Process, LifecycleError> {
    let ProcessChanges {
        args,
        terminal,
        cwd,
        env,
        uid,
        gid,
        additional_gids,
        capabilities,
        selinux_label,
        apparmor_profile,
        no_new_privileges,
    } = changes;
    process.args.clone_from(args);
    process.terminal = *terminal;
    if let Some(cwd) = cwd {
        process.cwd.clone_from(cwd);
    }
    for variable in env {
        let key = variable.split('=').next().unwrap_or_default();
        process.env.retain(|old| old.split('=').next() != Some(key));
        process.env.push(variable.clone());
    }
    if let Some(uid) = uid {
        process.user.uid = ContainerUid(*uid);
    }
    if let Some(gid) = gid {
        process.user.gid = ContainerGid(*gid);
    }
    process.user.additional_gids.extend(additional_gids.iter().copied().map(ContainerGid));
    if !capabilities.is_empty() {
        process.capabilities = Some(with_capabilities(process.capabilities, capabilities)?);
    }
    if selinux_label.is_some() {
        process.selinux_label.clone_from(selinux_label);
    }
    if apparmor_profile.is_some() {
        process.apparmor_profile.clone_from(apparmor_profile);
    }
    process.no_new_privileges = no_new_privileges.unwrap_or(process.no_new_privileges);
    Ok(process)
}

/// Adds capabilities, but never to the inheritable set (CVE-2022-29162).
fn with_capabilities(
    stored: Option<Capabilities>,
    names: &[String],
) -> Result<Capabilities, LifecycleError> {
    let mut sets = stored.unwrap_or_default();
    for name in names {
        let known: caps::Capability =
            name.parse().map_err(|_| LifecycleError::UnknownCapability { name: name.clone() })?;
        let bit = known.bitmask();
        sets.bounding.0 |= bit;
        sets.effective.0 |= bit;
        sets.permitted.0 |= bit;
        if sets.inheritable.0 & bit != 0 {
            sets.ambient.0 |= bit;
        }
    }
    Ok(sets)
}

struct Attempt<'a> {
    context: Context<'a>,
    request: &'a ExecRequest,
    record: &'a Record,
    process: &'a Process,
    plan: &'a ExecPlan,
    filter: Option<&'a Filter>,
    privileged: bool,
    /// As the runtime sees it.
    init: i32,
    /// The container has a writable cgroup mount.
    delegated: bool,
}

impl Attempt<'_> {
    fn run(&self, init: OwnedFd, console: ConsoleEnd) -> Result<Launched, LifecycleError> {
        let plan = &self.plan.plan;
        let mut slots: Vec<Option<OwnedFd>> = Vec::new();
        slots.resize_with(plan.slots, || None);
        slots[self.plan.init.0] = Some(init);
        let socket = self.request.console_socket.as_deref();
        let console = open_console(plan, console, socket, &mut slots)?;
        connect_seccomp_agent(plan, &mut slots)?;
        let mut cgroup = self.open_cgroup()?;
        let journal = self.context.journal;
        journal.debug(format_args!("nsexec container setup: exec in `{}`", self.record.id));
        let child = self.clone_child(&cgroup, slots)?;
        journal.debug(format_args!("child process in init(): pid {}", child.pid));
        let accompanied = self.accompany(&child, &mut cgroup).inspect_err(|_| {
            child.kill();
        });
        let init = accompanied?;
        let console = console.map(|socket| receive_console(&socket)).transpose()?;
        Ok(Launched { init, pidfd: child.pidfd, console, notify: None })
    }

    /// The cgroup the process goes to: below the container's where that is asked for, and where
    /// init is by now in a container that may move it.
    fn open_cgroup(&self) -> Result<Cgroup, LifecycleError> {
        let mut cgroup = Cgroup::open(&self.record.cgroup);
        if !self.request.cgroups.is_empty() {
            let arguments: Vec<String> = self
                .request
                .cgroups
                .iter()
                .map(|sub| match sub.controllers.as_slice() {
                    [] => sub.path.clone(),
                    controllers => format!("{}:{}", controllers.join(","), sub.path),
                })
                .collect();
            cgroup.narrow(&SubCgroups::parse(&arguments)?)?;
        } else if self.delegated || (!self.record.rootless && cgroup.is_gone()) {
            cgroup.follow_init(HostPid(self.init))?;
        }
        Ok(cgroup)
    }

    /// A rootless container may have no cgroup of its own: then its processes stay where their
    /// maker is.
    fn target<'c>(&self, cgroup: &'c Cgroup) -> Result<Option<BorrowedFd<'c>>, LifecycleError> {
        match cgroup.clone_target() {
            Err(error) if self.record.rootless && error.is_gone() => Ok(None),
            other => Ok(other?),
        }
    }

    fn clone_child(
        &self,
        cgroup: &Cgroup,
        slots: Vec<Option<OwnedFd>>,
    ) -> Result<Child, LifecycleError> {
        let (ours, theirs) =
            unix_socket::message_pair().map_err(kernel_error("make a socket for the process"))?;
        // Between joining the pid namespace and execve, nobody inside may trace the child
        // (CVE-2016-9962).
        process::set_dumpable(false).map_err(kernel_error("hide the process"))?;
        if let Some(cpus) = &self.process.exec_cpu_affinity.initial {
            kernel::schedule::set_affinity(0, cpus.0.iter().cloned().flatten())
                .map_err(kernel_error("set `process.execCPUAffinity.initial`"))?;
            let mask = kernel::schedule::affinity(0).map_err(kernel_error("read the affinity"))?;
            self.context.journal.debug(format_args!("nsexec: affinity: {}", Hexadecimal(&mask)));
        }
        let target = self.target(cgroup)?;
        let born = entry::enter_for_children(&self.plan.plan, &slots)?;
        let input = ChildInput {
            steps: &self.plan.plan.steps,
            program: &self.plan.plan.program,
            seccomp: self.filter.map_or(&[], |f| f.instructions.as_slice()),
            slots,
            awaits_network: false,
            socket: theirs,
            state: StateDocument { pid: self.init, status: "running", ..document(self.record) },
            seccomp_metadata: self
                .plan
                .plan
                .seccomp
                .as_ref()
                .and_then(|profile| profile.listener_metadata.clone()),
        };
        let network = NetworkAhead::default();
        entry::clone_child(&self.plan.plan, target, input, ours, born, network)
    }

    fn accompany(&self, child: &Child, cgroup: &mut Cgroup) -> Result<InitProcess, LifecycleError> {
        if self.plan.plan.runtime.child_waits {
            let cloned = match self.target(cgroup)? {
                Some(_) => ClonedInto::Target,
                None => ClonedInto::Own,
            };
            match cgroup.attach(HostPid(child.pid), cloned) {
                Err(error) if self.record.rootless && error.is_gone() => {}
                other => other?,
            }
            if let Some(resctrl) = &self.record.resctrl {
                crate::resctrl::add_task(resctrl, child.pid)?;
            }
            configure_process(&self.plan.plan.runtime, child, self.privileged)?;
            limit_process(&self.plan.plan.runtime, child)?;
            child.go();
        }
        let journal = self.context.journal;
        journal.debug(format_args!("setns_init: about to exec {:?}", self.process.args));
        if child.report()?.is_some() {
            return Err(child.died());
        }
        if let Some(path) = &self.request.pid_file {
            write_pid_file(path, child.pid)?;
        }
        if let Some(path) = &self.request.pidfd_socket {
            send_pidfd(path, child)?;
        }
        Ok(InitProcess { pid: child.pid, start_time: 0 })
    }
}

/// A CPU mask as one number: bit n of the first word is CPU n.
struct Hexadecimal<'a>(&'a [u64]);

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self.0.iter().rev().skip_while(|word| **word == 0);
        write!(f, "{:#x}", words.next().unwrap_or(&0))?;
        words.try_for_each(|word| write!(f, "{word:016x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::CapabilitySet;

    #[test]
    fn added_capabilities_are_never_inheritable() {
        let stored = Capabilities { inheritable: CapabilitySet(1), ..Capabilities::default() };
        let names = ["CAP_NET_RAW".to_owned(), "CAP_CHOWN".to_owned()];
        let sets = with_capabilities(Some(stored), &names).unwrap();
        assert_eq!(sets.inheritable, CapabilitySet(1));
        assert_eq!(sets.permitted, CapabilitySet(1 << 13 | 1));
        assert_eq!(sets.ambient, CapabilitySet(1));
        assert!(with_capabilities(None, &["CAP_X".to_owned()]).is_err());
    }

    #[test]
    fn a_process_file_is_completed_by_the_container() {
        let capabilities = Some(Capabilities::default());
        let stored = Process {
            capabilities,
            selinux_label: Some("l".into()),
            oom_score_adj: Some(7),
            ..Process::default()
        };
        let short = Process { oom_score_adj: Some(8), ..Process::default() };
        let whole = completed(short.clone(), Some(&stored));
        assert_eq!((whole.capabilities, whole.oom_score_adj), (capabilities, Some(8)));
        assert_eq!(whole.selinux_label, stored.selinux_label);
        assert_eq!(completed(short.clone(), None), short);
    }

    #[test]
    fn a_changed_variable_replaces_the_stored_one() {
        let stored = Process { env: vec!["A=1".into(), "B=2".into()], ..Process::default() };
        let changes = ProcessChanges {
            args: vec!["sh".into()],
            env: vec!["A=3".into()],
            ..ProcessChanges::default()
        };
        assert_eq!(changed(stored, &changes).unwrap().env, ["B=2", "A=3"]);
    }
}
