//! `kill`, `pause` and `resume`.

use super::error::kernel_error;
use super::query::status;
use super::{Context, LifecycleError};
use crate::cgroup::Cgroup;
use crate::container_id::ContainerId;
use crate::request::KillRequest;
use crate::state::{Record, StateDir, Status};
use std::os::fd::AsFd;

/// The signal that no process can catch.
const SIGKILL: i32 = 9;

/// Sends a signal to a container's init process, or to all its processes.
///
/// # Errors
/// [`LifecycleError::NotRunning`] if the init process has ended, unless all are meant.
pub fn kill(context: Context<'_>, request: &KillRequest) -> Result<(), LifecycleError> {
    let state = StateDir::open(&context.settings.root, &request.id)?;
    let signal = request.signal.0;
    if request.all {
        let record = state.record()?;
        Cgroup::open(&record.cgroup).signal_all(signal)?;
        return Ok(());
    }
    let record = (signal == SIGKILL).then(|| state.record()).transpose()?;
    if let Some(record) = record.as_ref().filter(|record| record.shares_pids) {
        // Without a pid namespace the kernel does not take the others down with init.
        return kill_group(record);
    }
    let Some(init) = state.init()? else { return Err(LifecycleError::NotRunning) };
    let pidfd = init.open().map_err(kernel_error("open the init process"))?;
    let Some(pidfd) = pidfd else { return Err(LifecycleError::NotRunning) };
    kernel::process::pidfd_send_signal(pidfd.as_fd(), signal).map_err(|errno| match errno {
        kernel::Errno::SRCH => LifecycleError::NotRunning,
        errno => LifecycleError::Signal { signal, source: errno.into() },
    })?;
    // With cgroup v1 a process that is frozen does not die before it is thawed. The signal is sent,
    // whatever comes of it.
    if let Some(Err(error)) = record.map(|record| Cgroup::open(&record.cgroup).thaw_v1())
        && !error.is_gone()
    {
        context.journal.warn(format_args!("the container was not thawed: {error}"));
    }
    Ok(())
}

fn kill_group(record: &Record) -> Result<(), LifecycleError> {
    let cgroup = Cgroup::open(&record.cgroup);
    match cgroup.pids() {
        Ok(pids) if pids.is_empty() => Err(LifecycleError::NotRunning),
        Err(error) if error.is_gone() => Err(LifecycleError::NotRunning),
        _ => Ok(cgroup.kill_all().map(drop)?),
    }
}

/// Stops all processes of a container where they are.
///
/// # Errors
/// [`LifecycleError::WrongStatus`] unless it is created or running.
pub fn pause(context: Context<'_>, id: &ContainerId) -> Result<(), LifecycleError> {
    let state = StateDir::open(&context.settings.root, id)?;
    state.lock()?;
    let record = state.record()?;
    match status(&state, &record)? {
        Status::Created | Status::Running => Ok(Cgroup::open(&record.cgroup).freeze()?),
        status => Err(LifecycleError::WrongStatus { verb: "pause", status }),
    }
}

/// Lets a paused container go on.
///
/// # Errors
/// [`LifecycleError::NotPaused`] unless it is.
pub fn resume(context: Context<'_>, id: &ContainerId) -> Result<(), LifecycleError> {
    let state = StateDir::open(&context.settings.root, id)?;
    state.lock()?;
    let record = state.record()?;
    match status(&state, &record)? {
        Status::Paused => Ok(Cgroup::open(&record.cgroup).thaw()?),
        _ => Err(LifecycleError::NotPaused),
    }
}
