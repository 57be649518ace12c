//! Why a control group could not be planned, made, changed or read.

use std::io;
use std::path::PathBuf;

use super::systemd::BusError;

/// One enum for the whole module: its functions share most causes.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it; fields are the objects in them")]
pub enum CgroupError {
    #[error("no control group file system is mounted below `/sys/fs/cgroup`")]
    NoHierarchy,
    #[error("`linux.cgroupsPath` `{path}` is not valid: {why}")]
    InvalidPath { path: String, why: &'static str },
    #[error("`{property}` cannot be honoured: {why}")]
    Refused { property: String, why: String },
    #[error("`{property}` can't be set: controller `{controller}` not available")]
    NoController { property: String, controller: String },
    #[error(
        "cannot set {controller} limit: container could not join or create cgroup \
         (rootless needs no limits + no cgrouppath when no permission is granted for cgroups)"
    )]
    RootlessLimits { controller: &'static str, source: io::Error },
    #[error("cannot find the control group hierarchies")]
    Probe { file: PathBuf, source: io::Error },
    #[error("`{}` is malformed: `{line}`", file.display())]
    ProbeParse { file: PathBuf, line: String },
    #[error("unable to apply cgroup configuration: cannot make cgroup `{}`", cgroup.display())]
    Make { cgroup: PathBuf, source: io::Error },
    #[error("cannot open cgroup `{}`", cgroup.display())]
    Open { cgroup: PathBuf, source: io::Error },
    #[error("cannot remove cgroup `{}`", cgroup.display())]
    Remove { cgroup: PathBuf, source: io::Error },
    #[error("container's cgroup is not empty: {count} process(es) found in `{}`", cgroup.display())]
    NotEmpty { cgroup: PathBuf, count: usize },
    #[error("container's cgroup unexpectedly frozen: `{}`", cgroup.display())]
    Frozen { cgroup: PathBuf },
    #[error("cannot write `{value}` to `{file}` of cgroup `{}`", cgroup.display())]
    Write { cgroup: PathBuf, file: String, value: String, source: io::Error },
    #[error(
        "unable to set memory limit to {limit} (current usage: {usage}, peak usage: {peak}) of \
         cgroup `{}`",
        cgroup.display()
    )]
    LimitBelowUsage { cgroup: PathBuf, limit: String, usage: u64, peak: u64, source: io::Error },
    #[error("rejecting {what} limit {limit} <= usage {usage}")]
    RejectedBelowUsage { what: &'static str, limit: u64, usage: u64 },
    #[error("cannot read `{file}` of cgroup `{}`", cgroup.display())]
    Read { cgroup: PathBuf, file: String, source: io::Error },
    #[error("`{file}` of cgroup `{}` is malformed: `{line}`", cgroup.display())]
    Parse { cgroup: PathBuf, file: String, line: String },
    #[error("error adding pid {pid} to cgroups: cannot join `{}`", cgroup.display())]
    Attach { pid: i32, cgroup: PathBuf, source: io::Error },
    #[error("cannot open sub cgroup `{}` for adding pid of the new process", cgroup.display())]
    SubCgroup { cgroup: PathBuf, source: io::Error },
    #[error("bad sub cgroup path: `{path}`")]
    BadSubPath { path: String },
    #[error("unknown controller `{controller}` in the sub cgroup paths")]
    UnknownController { controller: String },
    #[error("cannot give `{file}` of cgroup `{}` to user {uid}", cgroup.display())]
    Delegate { cgroup: PathBuf, file: String, uid: u32, source: io::Error },
    #[error("cannot load the device filter of cgroup `{}`", cgroup.display())]
    FilterLoad { cgroup: PathBuf, source: io::Error },
    #[error("cannot attach the device filter to cgroup `{}`", cgroup.display())]
    FilterAttach { cgroup: PathBuf, source: io::Error },
    #[error("cgroup `{}` did not become {wanted} within {seconds} s", cgroup.display())]
    FreezeTimeout { cgroup: PathBuf, wanted: &'static str, seconds: u64 },
    #[error("cannot signal process {pid} of cgroup `{}`", cgroup.display())]
    Signal { cgroup: PathBuf, pid: i32, source: io::Error },
    #[error("no control group of the container has a `{controller}` controller")]
    NotConfigured { controller: &'static str },
    #[error("cannot {what} of the systemd unit `{unit}`")]
    Unit { what: &'static str, unit: String, source: BusError },
    #[error("systemd answered `{result}` to the job for the unit `{unit}`")]
    UnitJob { unit: String, result: String },
    #[error("systemd not running on this host, cannot use systemd cgroups manager")]
    NoSystemd,
    #[error("cannot reach systemd")]
    Bus { source: BusError },
}

impl CgroupError {
    /// Whether the kernel said that the caller may not; a rootless runtime may go on without.
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        match self {
            CgroupError::Make { source, .. }
            | CgroupError::Open { source, .. }
            | CgroupError::Write { source, .. }
            | CgroupError::Attach { source, .. }
            | CgroupError::FilterLoad { source, .. }
            | CgroupError::FilterAttach { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ),
            _ => false,
        }
    }

    /// Whether the cgroup is gone: the container has stopped.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        const ENODEV: i32 = 19;
        match self {
            CgroupError::Open { source, .. }
            | CgroupError::Read { source, .. }
            | CgroupError::Write { source, .. }
            | CgroupError::Attach { source, .. } => {
                source.kind() == io::ErrorKind::NotFound || source.raw_os_error() == Some(ENODEV)
            }
            _ => false,
        }
    }
}
