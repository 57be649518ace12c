//! A container's start as data: [`ContainerSpec`] and [`HostFacts`] in, [`Plan`] out.
//!
//! Pure: no descriptor is opened, no path looked up, no clock or environment read. `runt plan`
//! prints what comes out, golden tests read it, [`crate::lifecycle`] and [`crate::init`] carry it
//! out.

mod display;
mod exec;
mod mounts;
mod namespaces;
mod process;
mod step;
#[cfg(test)]
mod tests;

pub use exec::{ExecPlan, plan_exec};
pub use step::*;

use crate::resctrl::{self, ResctrlFacts, ResctrlPlan, ResctrlRefusal};
use crate::spec::{
    ContainerPath, ContainerSpec, IdMap, Namespace, NetDevice, PropagationKind, Rlimit,
    SeccompProfile, TimeOffsets,
};
use kernel::process::CloneFlags;
use std::path::PathBuf;

/// What of the host matters to a plan; probed once, before planning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// The runtime's effective user id.
    pub uid: u32,
    /// The runtime's effective group id.
    pub gid: u32,
    /// The runtime's permitted capabilities.
    pub permitted: u64,
    /// The runtime's bounding set, or more.
    pub bounding: u64,
    /// Whether the runtime is in a user namespace other than the initial one.
    pub in_user_namespace: bool,
    /// Whether that one denies setgroups(2), and so do those below it.
    pub denies_setgroups: bool,
    /// How the container's cgroup is mounted where the spec asks for it.
    pub cgroup_mount: CgroupMount,
    /// Whether the child must wait until the runtime has put it into its cgroups (v1).
    pub cgroup_attach: bool,
    /// SELinux is enabled.
    pub selinux: bool,
    /// AppArmor is enabled.
    pub apparmor: bool,
    /// The maps of the user namespace that is joined, as the runtime sees them: users, groups.
    pub joined_maps: Option<(IdMap, IdMap)>,
    /// Where resctrl is, if the spec asks for it.
    pub resctrl: ResctrlFacts,
}

/// How `type: cgroup` mounts are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CgroupMount {
    /// Nothing of the kind is there.
    Absent,
    /// A bind mount of this directory (cgroup v2).
    Unified {
        /// The container's own cgroup on the host.
        own: PathBuf,
        /// The root of the hierarchy on the host.
        hierarchy: PathBuf,
    },
    /// The host's whole tree, read-only: for a caller who has no cgroups to give (cgroup v1).
    HostReadOnly,
    /// A tmpfs with a directory per hierarchy (cgroup v1).
    PerController {
        /// Directory name, own cgroup on the host, in the order to be mounted.
        hierarchies: Vec<(String, PathBuf)>,
        /// Symlink name, what it says (`cpu` to `cpu,cpuacct`).
        links: Vec<(String, String)>,
    },
}

/// What the caller of create, run or restore chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanOptions {
    /// The container's id.
    pub id: String,
    /// How it is started.
    pub start: StartMode,
    /// `MS_MOVE` in the place of pivot_root(2).
    pub no_pivot: bool,
    /// Stay in the caller's session keyring.
    pub no_new_keyring: bool,
    /// The first descriptor that the container does not inherit.
    pub first_closed: u32,
    /// Variables added to the program's environment (`LISTEN_FDS`, `NOTIFY_SOCKET`).
    pub extra_env: Vec<String>,
    /// The terminal's master end stays with the runtime, which relays it to the caller's own
    /// terminal: that one processes newlines.
    pub relays_terminal: bool,
    /// A host directory bound into the container for `NOTIFY_SOCKET`.
    pub notify_dir: Option<PathBuf>,
}

/// By whom the container is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartMode {
    /// `start`, later.
    Later,
    /// `run`, as soon as it is ready.
    AtOnce,
}

/// Everything create does, in three parts: before clone3, in the runtime, in the new process.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// New namespaces, made by clone3 itself.
    pub new_namespaces: CloneFlags,
    /// Namespaces to join before clone3, where the order demands a process in between.
    pub stage: Option<Stage>,
    /// A pid namespace that the child is born into.
    pub pid_namespace: Option<Slot>,
    /// Namespace files to open.
    pub namespace_files: Vec<NamespaceFile>,
    /// Mounts to clone before clone3.
    pub prepared: Vec<PreparedTree>,
    /// Mounts of the container's own to clone and map when it comes to them.
    pub late: Vec<LateTree>,
    /// What the runtime does for the child.
    pub runtime: RuntimePart,
    /// What the child does.
    pub steps: Vec<Step>,
    /// What it executes in the end.
    pub program: Program,
    /// The filter it loads.
    pub seccomp: Option<SeccompProfile>,
    /// Slots that something else than this plan's own steps fills.
    pub console_socket: Option<Slot>,
    /// The start socket's place.
    pub start_socket: Option<Slot>,
    /// The seccomp listener's place.
    pub seccomp_socket: Option<Slot>,
    /// How many slots there are.
    pub slots: usize,
    /// What is asked for and can't be granted, for the log.
    pub warnings: Vec<String>,
}

/// A process between the runtime and the container's, which enters namespaces first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The user namespace to enter, where one is joined.
    pub user: Option<Slot>,
    /// The others to enter.
    pub others: Vec<(CloneFlags, Slot)>,
    /// The clocks of a time namespace to make, where the runtime could not leave it again.
    pub time_offsets: Option<TimeOffsets>,
}

/// A namespace file to open before clone3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceFile {
    /// Where it is held.
    pub slot: Slot,
    /// What it must be.
    pub kind: CloneFlags,
    /// On the host.
    pub path: PathBuf,
}

/// A mount the runtime clones, since the child could not reach it or not map its ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedTree {
    /// Where it is held.
    pub slot: Slot,
    /// On the host.
    pub source: PathBuf,
    /// With what is mounted below.
    pub recursive: bool,
    /// A symlink is cloned itself.
    pub nofollow: bool,
    /// What the container's mount namespace makes of all mounts, and is not there yet to make of
    /// this one: as a peer of the host's mount it would pass on to the host what is mounted below.
    pub propagation: Option<PropagationKind>,
    /// Its id mapping.
    pub idmap: Option<TreeIdMap>,
}

/// A mount of the container's own, which the runtime clones in the container's mount namespace:
/// the child, who holds its place, may not map its ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateTree {
    /// In the container, for people.
    pub source: ContainerPath,
    /// With what is mounted below.
    pub recursive: bool,
    /// Its id mapping.
    pub idmap: TreeIdMap,
}

/// The id mapping of a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeIdMap {
    /// With what is mounted below.
    pub recursive: bool,
    /// From where to where.
    pub mapping: TreeMapping,
}

/// Where the mapping of a mount comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeMapping {
    /// Users and groups.
    Maps(IdMap, IdMap),
    /// Those of the user namespace that is joined.
    Namespace(Slot),
}

/// What the runtime does for the child after clone3.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RuntimePart {
    /// Written to uid_map and gid_map.
    pub id_maps: Option<(IdMap, IdMap)>,
    /// Written for the children before clone3.
    pub time_offsets: Option<TimeOffsets>,
    /// Written to oom_score_adj.
    pub oom_score_adj: Option<i32>,
    /// Limits the child could not raise itself.
    pub rlimits: Vec<Rlimit>,
    /// Devices to move into the child's network namespace.
    pub net_devices: Vec<NetDevice>,
    /// The process's way into resctrl.
    pub resctrl: Option<ResctrlPlan>,
    /// Whether the child waits for all this.
    pub child_waits: bool,
    /// Whether hooks run in the runtime's namespaces before pivot_root.
    pub hooks: bool,
}

/// What the container executes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Program {
    /// At least one word.
    pub args: Vec<String>,
    /// `KEY=value`.
    pub env: Vec<String>,
    /// For `HOME`, where the environment has none.
    pub uid: u32,
}

/// Why a container cannot be planned on this host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The spec asks for an SELinux label on a host without it.
    #[error("`{property}` is set, but SELinux is not enabled on this host")]
    NoSelinux {
        /// As in config.json.
        property: &'static str,
    },
    /// The spec asks for an AppArmor profile on a host without it.
    #[error("`process.apparmorProfile` is set, but AppArmor is not enabled on this host")]
    NoAppArmor,
    /// Someone who is not root asks for ids that only root may take.
    #[error(
        "`linux.namespaces` has no user namespace, which a runtime without root privileges needs"
    )]
    NeedsUserNamespace,
    /// The container has no process.
    #[error("`process` is missing, so that there is nothing to run")]
    NoProcess,
    /// A cgroup mount where no cgroup is.
    #[error("the mount at `{destination}` asks for cgroups, which this host has not mounted")]
    NoCgroup {
        /// In the container.
        destination: String,
    },
    /// An id that the container's user namespace does not map.
    #[error("`{property}` is {id}, which the container's id mappings do not cover")]
    UnmappedId {
        /// As in config.json.
        property: &'static str,
        /// In the container.
        id: u32,
    },
    /// Mappings beside a user namespace that has others.
    #[error("`{property}` contradicts the mappings of the user namespace that is joined")]
    JoinedMaps {
        /// As in config.json.
        property: &'static str,
    },
    /// Supplementary groups where the kernel allows none.
    #[error(
        "`process.user.additionalGids` can't be set: the user namespace of an unprivileged \
         runtime without newgidmap denies setgroups(2)"
    )]
    GroupsDenied,
    /// A mount where only a procfs may be, or within it (CVE-2019-16884).
    #[error("`mounts[{index}]`: `{destination}` cannot be mounted because it is {why}")]
    OverProc {
        /// In the list of mounts.
        index: usize,
        /// In the container.
        destination: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// `linux.intelRdt`.
    #[error(transparent)]
    Resctrl(#[from] ResctrlRefusal),
}

/// Hands out slots.
#[derive(Debug, Default)]
struct Slots(usize);

impl Slots {
    fn next(&mut self) -> Slot {
        self.0 += 1;
        Slot(self.0 - 1)
    }
}

/// Plans the creation of a container.
///
/// # Errors
/// [`PlanError`], naming the property that this host can't honour.
pub fn plan_container(
    spec: &ContainerSpec,
    host: &HostFacts,
    options: &PlanOptions,
) -> Result<Plan, PlanError> {
    let process = spec.process.as_ref().ok_or(PlanError::NoProcess)?;
    let resctrl = spec.intel_rdt.as_ref();
    let resctrl = resctrl.map(|rdt| resctrl::plan(rdt, &options.id, &host.resctrl)).transpose()?;
    let mut slots = Slots::default();
    let entry = namespaces::plan_namespaces(spec, host, &mut slots)?;
    let joined_user = entry.files.iter().find(|f| f.kind == CloneFlags::NEWUSER).map(|f| f.slot);
    let filesystem = mounts::plan_filesystem(spec, host, options, joined_user, &mut slots)?;
    let confined = process::plan_process(spec, process, host, options)?;

    let console_socket = process.terminal.then(|| slots.next());
    let terminal = process.terminal.then(|| slots.next());
    let start_socket = (options.start == StartMode::Later).then(|| slots.next());
    let seccomp_socket = process::needs_listener(spec).then(|| slots.next());

    let mut steps = entry.steps;
    if !options.no_new_keyring {
        steps.push(Step::NewSessionKeyring { name: format!("_ses.{}", options.id) });
    }
    steps.extend(filesystem.mounts);
    if let (Some(socket), Some(terminal)) = (console_socket, terminal) {
        let size = process.console_size;
        let step = filesystem.console.open(socket, terminal, size, options.relays_terminal);
        steps.push(step);
    }
    let hooks = !spec.hooks.prestart.is_empty() || !spec.hooks.create_runtime.is_empty();
    if hooks {
        steps.push(Step::RuntimeHooks);
    }
    if !spec.hooks.create_container.is_empty() {
        let hooks = spec.hooks.create_container.clone();
        steps.push(Step::RunHooks { kind: HookKind::CreateContainer, hooks });
    }
    steps.extend(filesystem.enter);
    steps.extend(spec.sysctls.iter().map(|sysctl| Step::WriteSysctl {
        path: sysctl.path.clone(),
        value: sysctl.value.clone(),
    }));
    steps.extend(filesystem.protect);
    steps.push(Step::ResetAffinity);
    steps.extend(confined.before_user(terminal));
    let start = match start_socket {
        Some(slot) => StartVia::Socket(slot),
        None => StartVia::Runtime,
    };
    steps.extend(confined.user_and_start(start, &spec.hooks, options.first_closed, seccomp_socket));

    Ok(Plan {
        new_namespaces: entry.new,
        stage: entry.stage,
        pid_namespace: entry.pid_namespace,
        namespace_files: entry.files,
        prepared: filesystem.prepared,
        late: filesystem.late,
        runtime: RuntimePart {
            id_maps: entry.id_maps,
            time_offsets: entry.time_offsets,
            oom_score_adj: process.oom_score_adj,
            rlimits: confined.runtime_rlimits,
            net_devices: spec.net_devices.clone(),
            resctrl,
            child_waits: entry.child_waits,
            hooks,
        },
        steps,
        program: confined.program,
        seccomp: spec.seccomp.clone(),
        console_socket,
        start_socket,
        seccomp_socket,
        slots: slots.0,
        warnings: confined.warnings,
    })
}

/// True if the container has a user namespace of its own, new or joined.
fn has_user_namespace(spec: &ContainerSpec) -> bool {
    spec.namespaces.user != Namespace::Inherit
}
