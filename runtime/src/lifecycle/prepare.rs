//! What is decided before anything is made: from a request and a specification to plans, and the
//! refusals that need no plan.

use super::create::ConsoleEnd;
use super::{Context, LifecycleError};
use crate::cgroup::{CgroupLayout, CgroupPlan, CgroupRequest, Driver};
use crate::plan::{PlanOptions, StartMode};
use crate::request::{CgroupDriver, CreateRequest, InheritedFds, Rootless, Settings};
use crate::seccomp::{self, Program as Filter};
use crate::spec::{ContainerSpec, HostUid, MountKind, SeccompArch};
use crate::state::notify_paths;
use kernel::{Errno, file, process};

/// The architecture of this build.
#[cfg(target_arch = "x86_64")]
const NATIVE: SeccompArch = SeccompArch::X86_64;
/// The architecture of this build.
#[cfg(target_arch = "aarch64")]
const NATIVE: SeccompArch = SeccompArch::Aarch64;
/// The architecture of this build.
#[cfg(target_arch = "riscv64")]
const NATIVE: SeccompArch = SeccompArch::Riscv64;

pub(super) fn check_console(
    terminal: bool,
    socket: bool,
    console: ConsoleEnd,
) -> Result<(), LifecycleError> {
    match (terminal, console, socket) {
        (true, ConsoleEnd::Socket, false) => Err(LifecycleError::NoConsoleSocket),
        (false, _, true) | (true, ConsoleEnd::Caller, true) => {
            Err(LifecycleError::UselessConsoleSocket)
        }
        _ => Ok(()),
    }
}

pub(super) fn check_inherited(inherited: InheritedFds) -> Result<(), LifecycleError> {
    for number in 3..inherited.end() {
        i32::try_from(number)
            .map_err(|_| Errno::BADF)
            .and_then(process::inherited_fd)
            .map_err(|_| LifecycleError::InheritedDescriptor { number })?;
    }
    Ok(())
}

pub(super) fn compile_filter(
    spec: &ContainerSpec,
    context: Context<'_>,
) -> Result<Option<Filter>, LifecycleError> {
    let Some(profile) = &spec.seccomp else { return Ok(None) };
    let filter = seccomp::compile(profile, NATIVE)?;
    let flags = seccomp::filter_flags(profile).bits();
    context.journal.debug(format_args!("seccomp filter flags: {flags}"));
    for name in &filter.skipped_names {
        context.journal.debug(format_args!("seccomp: system call `{name}` is not known"));
    }
    Ok(Some(filter))
}

pub(super) fn check_rootfs(spec: &ContainerSpec) -> Result<(), LifecycleError> {
    let path = &spec.root.path;
    let failed = |errno: Errno| LifecycleError::Rootfs { path: path.clone(), source: errno.into() };
    file::open_dir_place(file::CWD, path.as_path()).map_err(failed).map(drop)
}

/// What the command line says about cgroups, in the cgroup planner's words.
pub(super) fn plan_cgroup(
    settings: &Settings,
    request: &CreateRequest,
    spec: &ContainerSpec,
) -> Result<CgroupPlan, LifecycleError> {
    let layout = CgroupLayout::probe()?;
    Ok(CgroupPlan::new(
        &CgroupRequest {
            id: request.id.as_str(),
            driver: match settings.cgroup_driver {
                CgroupDriver::Cgroupfs => Driver::Cgroupfs,
                CgroupDriver::Systemd => Driver::Systemd,
            },
            cgroups_path: spec.cgroups_path.as_deref(),
            resources: &spec.resources,
            device_nodes: &spec.devices,
            extensions: &spec.extensions,
            rootless: is_rootless(settings),
            user_bus: settings.user_bus.as_deref(),
            delegate_to: cgroup_owner(spec),
        },
        &layout,
    )?)
}

fn is_rootless(settings: &Settings) -> bool {
    match settings.rootless {
        Rootless::Yes => true,
        Rootless::No => false,
        Rootless::Auto => {
            kernel::identity::effective_uid() != 0 || kernel::namespace::in_user_namespace()
        }
    }
}

/// Whether the container may move its processes among cgroups of its own.
pub(super) fn has_writable_cgroup(spec: &ContainerSpec) -> bool {
    spec.mounts.iter().any(|mount| {
        matches!(mount.kind, MountKind::Cgroup { .. })
            && mount.destination.as_str() == "/sys/fs/cgroup"
            && mount.attributes.set & 1 == 0
    })
}

/// The host's user who owns the cgroup (config-linux.md#cgroup-ownership): the container's own
/// where it has a cgroup namespace and a writable mount of it.
fn cgroup_owner(spec: &ContainerSpec) -> Option<HostUid> {
    let user = spec.process.as_ref()?.user.uid.0;
    if !has_writable_cgroup(spec) || !spec.namespaces.cgroup.is_new() {
        return None;
    }
    let host = if spec.uid_map.is_empty() { Some(user) } else { spec.uid_map.to_host(user) };
    host.map(HostUid)
}

pub(super) fn plan_options(
    settings: &Settings,
    request: &CreateRequest,
    start: StartMode,
    console: ConsoleEnd,
) -> PlanOptions {
    let mut extra_env = Vec::new();
    if request.inherited.listen > 0 {
        extra_env.push(format!("LISTEN_FDS={}", request.inherited.listen));
        extra_env.push("LISTEN_PID=1".to_owned());
    }
    let notify_dir = request.notify_socket.is_some().then(|| {
        extra_env.push("NOTIFY_SOCKET=/run/notify/notify.sock".to_owned());
        notify_paths(&settings.root, &request.id).0
    });
    PlanOptions {
        id: request.id.to_string(),
        start,
        no_pivot: request.no_pivot,
        no_new_keyring: request.no_new_keyring,
        first_closed: request.inherited.end(),
        extra_env,
        relays_terminal: console == ConsoleEnd::Caller,
        notify_dir,
    }
}
