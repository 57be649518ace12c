//! The process part of a plan: limits, identity, confinement, program. Shared by init and exec.

use super::{
    HookKind, HostFacts, PlanError, PlanOptions, Program, Slot, StartVia, Step, has_user_namespace,
};
use crate::seccomp::filter_flags;
use crate::spec::{
    Capabilities, ContainerSpec, Extensions, Hooks, Personality, Process, Rlimit, SeccompAction,
};

/// The process part of a plan.
pub(crate) struct Confinement {
    limits: Vec<Step>,
    labels: Vec<Step>,
    user: Step,
    capabilities: CapabilityPlan,
    /// The bounding set to begin with, or more.
    bounding: u64,
    cwd: String,
    umask: u32,
    no_new_privileges: bool,
    seccomp_flags: Option<u64>,
    landlock: Option<crate::spec::Landlock>,
    uid: u32,
    /// Limits that only the runtime can set.
    pub(crate) runtime_rlimits: Vec<Rlimit>,
    /// What it executes.
    pub(crate) program: Program,
    /// What can't be granted.
    pub(crate) warnings: Vec<String>,
}

#[derive(Clone, Copy)]
struct CapabilityPlan {
    bounding: u64,
    effective: u64,
    permitted: u64,
    inheritable: u64,
    ambient: u64,
}

/// Whether the spec's profile has a notify action and somewhere to send the descriptor to.
pub(super) fn needs_listener(spec: &ContainerSpec) -> bool {
    spec.seccomp.as_ref().is_some_and(|seccomp| {
        seccomp.listener_path.is_some()
            && (seccomp.default_action == SeccompAction::Notify
                || seccomp.rules.iter().any(|r| r.action == SeccompAction::Notify))
    })
}

pub(crate) fn plan_process(
    spec: &ContainerSpec,
    process: &Process,
    host: &HostFacts,
    options: &PlanOptions,
) -> Result<Confinement, PlanError> {
    let in_user_namespace = has_user_namespace(spec);
    check_ids(spec, process, host)?;
    let mut warnings = Vec::new();
    // A new user namespace grants every capability over itself.
    let available = if in_user_namespace { u64::MAX } else { host.permitted };
    let capabilities = plan_capabilities(process.capabilities, available, &mut warnings);
    let (runtime_rlimits, own_rlimits) = if in_user_namespace {
        (process.rlimits.clone(), Vec::new())
    } else {
        (Vec::new(), process.rlimits.clone())
    };
    let groups_denied = host.denies_setgroups || host.uid != 0 && single_id(spec);
    let groups: Vec<u32> = process.user.additional_gids.iter().map(|g| g.0).collect();
    if groups_denied && !groups.is_empty() {
        return Err(PlanError::GroupsDenied);
    }
    let mut env = process.env.clone();
    env.extend(options.extra_env.iter().cloned());
    Ok(Confinement {
        limits: plan_limits(process, own_rlimits, spec),
        labels: plan_labels(process, host)?,
        user: Step::SetUser {
            uid: process.user.uid.0,
            gid: process.user.gid.0,
            groups: (!groups_denied).then_some(groups),
        },
        capabilities,
        // A new user namespace comes with all of them.
        bounding: if in_user_namespace { u64::MAX } else { host.bounding },
        cwd: process.cwd.clone(),
        umask: process.user.umask.unwrap_or(0o022),
        no_new_privileges: process.no_new_privileges,
        seccomp_flags: spec.seccomp.as_ref().map(|profile| filter_flags(profile).bits()),
        landlock: extensions(spec).landlock.clone(),
        uid: process.user.uid.0,
        runtime_rlimits,
        program: Program { args: process.args.clone(), env, uid: process.user.uid.0 },
        warnings,
    })
}

fn extensions(spec: &ContainerSpec) -> &Extensions {
    &spec.extensions
}

/// An unprivileged runtime that maps only itself: the kernel then denies setgroups(2).
fn single_id(spec: &ContainerSpec) -> bool {
    let one = |map: &crate::spec::IdMap| matches!(map.0.as_slice(), [range] if range.len == 1);
    spec.namespaces.user.is_new() && one(&spec.gid_map)
}

fn check_ids(spec: &ContainerSpec, process: &Process, host: &HostFacts) -> Result<(), PlanError> {
    let (users, groups) = match (&host.joined_maps, spec.namespaces.user.is_new()) {
        (Some((users, groups)), _) => (users, groups),
        (None, true) => (&spec.uid_map, &spec.gid_map),
        (None, false) => return Ok(()),
    };
    let covered = |map: &crate::spec::IdMap, id: u32, property| match map.to_host(id) {
        Some(_) => Ok(()),
        None => Err(PlanError::UnmappedId { property, id }),
    };
    covered(users, process.user.uid.0, "process.user.uid")?;
    covered(groups, process.user.gid.0, "process.user.gid")?;
    for gid in &process.user.additional_gids {
        covered(groups, gid.0, "process.user.additionalGids")?;
    }
    Ok(())
}

fn plan_capabilities(
    wanted: Option<Capabilities>,
    available: u64,
    warnings: &mut Vec<String>,
) -> CapabilityPlan {
    let wanted = wanted.unwrap_or_default();
    let all = wanted.effective.0 | wanted.inheritable.0 | wanted.permitted.0 | wanted.ambient.0;
    let missing = all & !available;
    if missing != 0 {
        let names = capability_names(missing).join(", ");
        warnings.push(format!("capabilities that this runtime does not have itself: {names}"));
    }
    let permitted = wanted.permitted.0 & available;
    let inheritable = wanted.inheritable.0 & available;
    CapabilityPlan {
        bounding: wanted.bounding.0,
        effective: wanted.effective.0 & permitted,
        permitted,
        inheritable,
        ambient: wanted.ambient.0 & permitted & inheritable,
    }
}

/// The names of the capabilities in `set`, in the order of their numbers.
pub(crate) fn capability_names(set: u64) -> Vec<String> {
    let mut known: Vec<caps::Capability> = caps::all().into_iter().collect();
    known.sort_by_key(|c| c.index());
    known.into_iter().filter(|c| set & c.bitmask() != 0).map(|c| c.to_string()).collect()
}

fn plan_limits(process: &Process, rlimits: Vec<Rlimit>, spec: &ContainerSpec) -> Vec<Step> {
    let mut steps: Vec<Step> = rlimits.into_iter().map(Step::SetRlimit).collect();
    let on_some_cpus = spec.resources.cpu.cpus.is_some();
    steps.extend(process.scheduler.map(|scheduler| Step::SetScheduler { scheduler, on_some_cpus }));
    steps.extend(
        process.io_priority.map(|io| Step::SetIoPriority { class: io.class, level: io.level }),
    );
    steps.extend(spec.personality.map(|p| {
        Step::SetPersonality(match p {
            Personality::Linux => 0,
            Personality::Linux32 => 8,
        })
    }));
    steps.extend(
        spec.memory_policy
            .as_ref()
            .map(|policy| Step::SetMemoryPolicy { mode: policy.mode, nodes: policy.nodes.clone() }),
    );
    if spec.extensions.core_scheduling {
        steps.push(Step::NewCoreCookie);
    }
    steps
}

fn plan_labels(process: &Process, host: &HostFacts) -> Result<Vec<Step>, PlanError> {
    let mut steps = Vec::new();
    if let Some(profile) = &process.apparmor_profile {
        if !host.apparmor {
            return Err(PlanError::NoAppArmor);
        }
        steps.push(Step::SetAppArmor(profile.clone()));
    }
    if let Some(label) = &process.selinux_label {
        if !host.selinux {
            return Err(PlanError::NoSelinux { property: "process.selinuxLabel" });
        }
        steps.push(Step::SetSelinux(label.clone()));
    }
    Ok(steps)
}

impl Confinement {
    /// From entering the root to the change of user.
    pub(crate) fn before_user(&self, terminal: Option<Slot>) -> Vec<Step> {
        let mut steps = vec![Step::NewSession { terminal }];
        if terminal.is_none() {
            steps.push(Step::OwnNullStreams);
        }
        if terminal.is_some() || self.uid != 0 {
            steps.push(Step::OwnStdio { uid: self.uid });
        }
        steps.extend(self.limits.iter().cloned());
        steps.extend(self.labels.iter().cloned());
        if self.no_new_privileges {
            steps.push(Step::NoNewPrivileges);
        }
        steps
    }

    /// From the change of user to the program, which waits for `start`.
    pub(crate) fn user_and_start(
        &self,
        start: StartVia,
        hooks: &Hooks,
        first_closed: u32,
        listener: Option<Slot>,
    ) -> Vec<Step> {
        let mut steps = self.user_and_program(first_closed, true);
        if matches!(start, StartVia::Socket(_)) {
            steps.push(Step::HeedSignals);
        }
        steps.push(Step::ReportReady);
        steps.push(Step::AwaitStart(start));
        steps.extend(self.confine(listener));
        // As confined as the program is.
        if !hooks.start_container.is_empty() {
            steps.push(Step::RunHooks {
                kind: HookKind::StartContainer,
                hooks: hooks.start_container.clone(),
            });
        }
        steps.push(Step::Execute);
        steps
    }

    /// From the change of user to the program, at once.
    pub(crate) fn user_and_run(&self, first_closed: u32, listener: Option<Slot>) -> Vec<Step> {
        let mut steps = self.user_and_program(first_closed, false);
        steps.push(Step::OutliveRuntime);
        steps.extend(self.confine(listener));
        steps.push(Step::Execute);
        steps
    }

    /// Without no_new_privs, loading a filter takes CAP_SYS_ADMIN: the program's own capabilities
    /// are then set after it. Only setting them and execve happen under it.
    fn filter_comes_first(&self) -> bool {
        self.seccomp_flags.is_some() && !self.no_new_privileges
    }

    fn set_capabilities(&self) -> Step {
        let CapabilityPlan { effective, permitted, inheritable, ambient, .. } = self.capabilities;
        Step::SetCapabilities { effective, permitted, inheritable, ambient }
    }

    fn user_and_program(&self, first_closed: u32, make_cwd: bool) -> Vec<Step> {
        // With the runtime's rights, as runc does: what the user may not enter can still be where
        // the program starts.
        let mut steps = vec![
            Step::ChangeDirectory { path: self.cwd.clone(), create: make_cwd },
            Step::LimitBounding { keep: self.capabilities.bounding, of: self.bounding },
            self.user.clone(),
            Step::SetUmask(self.umask),
        ];
        if self.filter_comes_first() {
            // The program is looked for with the rights that it will have.
            let effective = self.capabilities.effective;
            steps.extend([Step::SetEffective { effective }, Step::FindProgram]);
            steps.push(Step::RaisePermitted);
        } else {
            steps.extend([self.set_capabilities(), Step::FindProgram]);
        }
        steps.push(Step::SealDescriptors { first: first_closed });
        steps
    }

    fn confine(&self, listener: Option<Slot>) -> Vec<Step> {
        let mut steps = Vec::new();
        steps.extend(self.landlock.clone().map(Step::RestrictPaths));
        steps.extend(self.seccomp_flags.map(|flags| Step::LoadSeccomp { flags, listener }));
        if self.filter_comes_first() {
            steps.push(self.set_capabilities());
        }
        steps
    }
}
