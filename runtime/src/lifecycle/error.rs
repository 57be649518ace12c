//! Why a command failed.

use crate::cgroup::CgroupError;
use crate::criu::CriuError;
use crate::foreground::NotifyError;
use crate::hooks::HookError;
use crate::plan::PlanError;
use crate::resctrl::ResctrlError;
use crate::seccomp::SeccompError;
use crate::spec::SpecError;
use crate::state::{StateError, Status};
use std::io;
use std::path::PathBuf;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's message says it")]
pub enum LifecycleError {
    #[error("cannot read `{}`", path.display())]
    ReadConfig { path: PathBuf, source: io::Error },
    #[error("`{}` is larger than {limit} bytes", path.display())]
    ConfigTooLarge { path: PathBuf, limit: usize },
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    Hook(#[from] HookError),
    #[error(transparent)]
    Notify(#[from] NotifyError),
    #[error(transparent)]
    Resctrl(#[from] ResctrlError),
    #[error(transparent)]
    Criu(#[from] CriuError),
    #[error("container cannot be checkpointed in {} state", status.name())]
    CheckpointStatus { status: Status },
    #[error("cannot use the directory `{}`", path.display())]
    CriuDirectory { path: PathBuf, source: io::Error },
    #[error("invalid --parent-path: `{}`", path.display())]
    ParentPath { path: PathBuf, source: io::Error },
    #[error("invalid --status-fd {number}")]
    StatusFd { number: u32, source: io::Error },
    #[error("`descriptors.json` of the checkpoint is not valid")]
    Descriptors(#[source] serde_json::Error),
    #[error("cannot compile `linux.seccomp`")]
    Seccomp(#[from] SeccompError),
    #[error("rootfs `{}` cannot be used", path.display())]
    Rootfs { path: PathBuf, source: io::Error },
    #[error("cannot allocate tty if runt will detach without setting console socket")]
    NoConsoleSocket,
    #[error("cannot use console socket if runt will not detach or allocate tty")]
    UselessConsoleSocket,
    #[error("cannot connect to the {what} `{}`", path.display())]
    Connect { what: &'static str, path: PathBuf, source: io::Error },
    #[error("failed to connect with seccomp agent `{}` (`linux.seccomp.listenerPath`)", path.display())]
    SeccompAgent { path: PathBuf, source: io::Error },
    #[error("descriptor {number} is to be inherited, but it is not open")]
    InheritedDescriptor { number: u32 },
    #[error("cannot open namespace `{}`", path.display())]
    OpenNamespace { path: PathBuf, source: io::Error },
    #[error("`{}` is not a {kind} namespace", path.display())]
    WrongNamespace { path: PathBuf, kind: &'static str },
    #[error("sysctl \"{key}\" not allowed in host {name} namespace")]
    HostSysctl { key: String, name: &'static str },
    #[error("cannot clone the mount at `{}`", path.display())]
    PrepareMount { path: PathBuf, source: io::Error },
    #[error("cannot map ids for the mount of `{}`", path.display())]
    MapMount { path: PathBuf, source: io::Error },
    #[error("cannot {what}")]
    Kernel { what: &'static str, source: io::Error },
    #[error("cannot start the container's process with namespaces {namespaces}")]
    Clone { namespaces: String, source: io::Error },
    #[error("error adding pid of the new process to cgroups: cannot join `{}`", cgroup.display())]
    Join { cgroup: PathBuf, source: io::Error },
    #[error("cannot write `{file}` of the container's process: `{value}`")]
    ProcessFile { file: &'static str, value: String, source: io::Error },
    #[error("`{program}` failed: {output}")]
    IdMapProgram { program: &'static str, output: String },
    #[error("cannot {step}")]
    Step { step: String, source: io::Error },
    #[error("cannot {step}")]
    Mount { step: String, source: io::Error },
    #[error("{detail}")]
    StepDetail { detail: String },
    #[error("{detail}")]
    Execve { detail: String },
    #[error("the container's process ended before it was ready ({how})")]
    Died { how: String },
    #[error("cannot {what} the network device `{name}` (`linux.netDevices`)")]
    NetDevice { name: String, what: &'static str, source: io::Error },
    #[error("container not paused")]
    NotPaused,
    #[error("cannot write the pid file `{}`", path.display())]
    PidFile { path: PathBuf, source: io::Error },
    #[error(
        "cannot write the pid file `{}`: a device, FIFO or socket is there; name a regular file",
        path.display()
    )]
    PidFilePlace { path: PathBuf },
    #[error("cannot {verb} a container in the {} state", status.name())]
    WrongStatus { verb: &'static str, status: Status },
    #[error(
        "cannot start a container whose cgroup `{}` is frozen by one above it: thaw that one first",
        cgroup.display()
    )]
    FrozenFromAbove { cgroup: PathBuf },
    #[error("container not running")]
    NotRunning,
    #[error("cannot delete container {id} that is not stopped: {}", status.name())]
    NotStopped { id: String, status: Status },
    #[error("cannot exec in a {} container", status.name())]
    ExecStatus { status: Status },
    #[error("cannot exec in a paused container (use --ignore-paused to override)")]
    ExecPaused,
    #[error("unknown capability `{name}`")]
    UnknownCapability { name: String },
    #[error("`seccomp.bpf` of container `{id}` is not valid")]
    StoredFilter { id: String, source: crate::seccomp::ProgramBytesError },
    #[error("container init still running")]
    StillRunning,
    #[error("cannot send signal {signal}")]
    Signal { signal: i32, source: io::Error },
    #[error("`{property}` can't be honoured: {reason}")]
    Unsupported { property: &'static str, reason: String },
}

impl LifecycleError {
    /// True if the container does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, LifecycleError::State(StateError::NotFound { .. }))
    }
}

/// Attaches what was being done to an errno.
pub(super) fn kernel_error(what: &'static str) -> impl FnOnce(kernel::Errno) -> LifecycleError {
    move |errno| LifecycleError::Kernel { what, source: errno.into() }
}
