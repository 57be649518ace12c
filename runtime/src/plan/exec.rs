//! The plan of `exec`: a further process in the container, confined as its init is.

use super::{
    Beneath, HostFacts, Place, Plan, PlanError, PlanOptions, RuntimePart, Slots, Stage, Step,
    has_user_namespace, process,
};
use crate::spec::{ContainerPath, ContainerSpec, Namespace, Process};
use kernel::process::CloneFlags;
use std::path::PathBuf;

/// A plan for `exec`, and where its caller puts the container's pidfd.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecPlan {
    /// As for create.
    pub plan: Plan,
    /// The slot of the init process's pidfd.
    pub init: super::Slot,
}

/// Plans `process` in the container of `spec`, whose init is `pid`.
///
/// # Errors
/// [`PlanError`], naming the property that this host can't honour.
pub fn plan_exec(
    spec: &ContainerSpec,
    process: &Process,
    host: &HostFacts,
    options: &PlanOptions,
    pid: i32,
) -> Result<ExecPlan, PlanError> {
    let mut slots = Slots::default();
    let init = slots.next();
    let confined = process::plan_process(spec, process, host, options)?;
    let console_socket = process.terminal.then(|| slots.next());
    let terminal = process.terminal.then(|| slots.next());
    let seccomp_socket = process::needs_listener(spec).then(|| slots.next());

    let in_user_namespace = has_user_namespace(spec);
    let unprivileged = host.uid != 0 && in_user_namespace;
    let mut kinds = namespaces_of(spec);
    let mut stage = None;
    let mut pid_namespace = None;
    if unprivileged {
        // Whoever is nobody on the host may enter the pid namespace only from within the user
        // namespace, and only children are born in it.
        let others = kinds.contains(CloneFlags::NEWPID).then_some((CloneFlags::NEWPID, init));
        stage = Some(Stage {
            user: Some(init),
            others: others.into_iter().collect(),
            time_offsets: None,
        });
        kinds -= CloneFlags::NEWUSER;
    } else if kinds.contains(CloneFlags::NEWPID) && host.in_user_namespace {
        // The runtime's own pid namespace is not one that it could return to.
        let others = vec![(CloneFlags::NEWPID, init)];
        stage = Some(Stage { user: None, others, time_offsets: None });
    } else if kinds.contains(CloneFlags::NEWPID) {
        pid_namespace = Some(init);
    }
    kinds -= CloneFlags::NEWPID;

    let child_waits = host.cgroup_attach
        || process.oom_score_adj.is_some()
        || spec.intel_rdt.is_some()
        || seccomp_socket.is_some()
        || !confined.runtime_rlimits.is_empty();
    let mut steps = vec![Step::DieWithRuntime];
    if child_waits {
        steps.push(Step::AwaitRuntime);
    }
    if !kinds.is_empty() {
        let path = PathBuf::from(format!("/proc/{pid}/ns"));
        steps.push(Step::JoinNamespace { kind: kinds, file: init, path });
    }
    if in_user_namespace {
        steps.push(Step::BecomeNamespaceRoot);
    }
    if spec.namespaces.mount == Namespace::Inherit {
        steps.push(Step::EnterRootOf { process: init });
    }
    if !options.no_new_keyring {
        steps.push(Step::NewSessionKeyring { name: format!("_ses.{}", options.id) });
    }
    let affinity = &process.exec_cpu_affinity;
    match (&affinity.r#final, &affinity.initial) {
        (Some(cpus), _) => steps.push(Step::SetAffinity(cpus.clone())),
        (None, Some(_)) => {}
        (None, None) => steps.push(Step::ResetAffinity),
    }
    if let (Some(socket), Some(terminal)) = (console_socket, terminal) {
        steps.push(Step::OpenRootfs { path: "/".into() });
        steps.push(Step::OpenConsole {
            ptmx: ptmx(),
            console: None,
            socket,
            terminal,
            size: process.console_size,
            is_relayed: options.relays_terminal,
        });
    }
    steps.extend(confined.before_user(terminal));
    steps.extend(confined.user_and_run(options.first_closed, seccomp_socket));

    let runtime = RuntimePart {
        oom_score_adj: process.oom_score_adj,
        rlimits: confined.runtime_rlimits,
        child_waits,
        ..RuntimePart::default()
    };
    let plan = Plan {
        new_namespaces: CloneFlags::empty(),
        stage,
        pid_namespace,
        namespace_files: Vec::new(),
        prepared: Vec::new(),
        late: Vec::new(),
        runtime,
        steps,
        program: confined.program,
        seccomp: spec.seccomp.clone(),
        console_socket,
        start_socket: None,
        seccomp_socket,
        slots: slots.0,
        warnings: confined.warnings,
    };
    Ok(ExecPlan { plan, init })
}

fn ptmx() -> Place {
    let shown = ContainerPath::normalise("/dev/pts/ptmx").expect("a constant without NUL");
    Place { beneath: Beneath::Rootfs, path: "dev/pts/ptmx".into(), shown }
}

/// The kinds that the container does not share with the runtime.
fn namespaces_of(spec: &ContainerSpec) -> CloneFlags {
    let ns = &spec.namespaces;
    let kinds = [
        (&ns.user, CloneFlags::NEWUSER),
        (&ns.pid, CloneFlags::NEWPID),
        (&ns.time, CloneFlags::NEWTIME),
        (&ns.network, CloneFlags::NEWNET),
        (&ns.ipc, CloneFlags::NEWIPC),
        (&ns.uts, CloneFlags::NEWUTS),
        (&ns.mount, CloneFlags::NEWNS),
        (&ns.cgroup, CloneFlags::NEWCGROUP),
    ];
    kinds
        .into_iter()
        .filter(|(namespace, _)| **namespace != Namespace::Inherit)
        .fold(CloneFlags::empty(), |all, (_, kind)| all | kind)
}
