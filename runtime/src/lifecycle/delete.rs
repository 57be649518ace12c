//! `delete`: everything of a container is taken away.

use super::bundle::parse;
use super::create::document;
use super::error::kernel_error;
use super::query::status_of;
use super::{Context, LifecycleError};
use crate::cgroup::Cgroup;
use crate::hooks;
use crate::request::DeleteRequest;
use crate::resctrl;
use crate::state::{InitProcess, Record, StateDir, StateError, Status};
use std::os::fd::AsFd;
use std::time::Duration;

/// How long a killed init process may take to end: a stuck one is not ours to wait for.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// What came of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// It is gone now.
    Deleted,
    /// There was none, which `--force` is content with.
    Absent,
}

/// Removes a container: its processes where that is asked for, its cgroup, its state; runs its
/// poststop hooks.
///
/// # Errors
/// [`LifecycleError::NotStopped`] for a running one without `force`.
pub fn delete(
    context: Context<'_>,
    request: &DeleteRequest,
) -> Result<DeleteOutcome, LifecycleError> {
    let state = match StateDir::open(&context.settings.root, &request.id) {
        Err(StateError::NotFound { .. }) if request.force => return Ok(DeleteOutcome::Absent),
        other => other?,
    };
    let record = match state.record() {
        Ok(record) => record,
        // Of a creation that was killed before it made anything else, or that nobody can read.
        Err(error) if request.force => {
            context.journal.debug(format_args!("{error}"));
            state.remove()?;
            return Ok(DeleteOutcome::Deleted);
        }
        Err(error) => return Err(error.into()),
    };
    let mut killed = match lock(context, request, &state, &record) {
        Err(LifecycleError::State(StateError::NotFound { .. })) if request.force => {
            return Ok(DeleteOutcome::Absent);
        }
        other => other?,
    };
    let init = state.init()?;
    if request.force && (init.is_none() || init != killed) {
        stop(context, &record, init);
        killed = init;
    }
    match status_of(init, &state, &record)? {
        Status::Stopped if init.is_some() && init == killed => {}
        // Processes of a container that shares its pid namespace outlive its init.
        Status::Stopped | Status::Creating => kill_all(context, &record),
        Status::Created => stop(context, &record, init),
        status => return Err(LifecycleError::NotStopped { id: record.id, status }),
    }
    take_away(context, &state, &record)?;
    Ok(DeleteOutcome::Deleted)
}

/// Locks the container; gives the init process that had to be killed for that.
fn lock(
    context: Context<'_>,
    request: &DeleteRequest,
    state: &StateDir,
    record: &Record,
) -> Result<Option<InitProcess>, LifecycleError> {
    let mut killed = None;
    if request.force {
        if state.try_lock()? {
            return Ok(None);
        }
        // A creation under way holds the lock: it ends with its process.
        killed = state.init()?;
        stop(context, record, killed);
    }
    state.lock()?;
    Ok(killed)
}

/// Removes what is left of a stopped container.
pub(super) fn take_away(
    context: Context<'_>,
    state: &StateDir,
    record: &Record,
) -> Result<(), LifecycleError> {
    let hooks = record.late_hooks.then(|| state.config()).transpose()?;
    Cgroup::open(&record.cgroup).remove()?;
    record.resctrl.as_ref().map_or(Ok(()), resctrl::remove)?;
    detach_shared_mounts(context, record);
    state.remove()?;
    if let Some(config) = hooks {
        poststop(context, record, &config);
    }
    Ok(())
}

/// Takes away what a container without a mount namespace of its own has mounted: all of it hangs
/// below the bind mount of its rootfs.
pub(super) fn detach_shared_mounts(context: Context<'_>, record: &Record) {
    if !record.shares_mounts {
        return;
    }
    match kernel::mount::detach(record.rootfs.as_path()) {
        // It never came so far, or somebody else has done it.
        Ok(()) | Err(kernel::Errno::INVAL | kernel::Errno::NOENT) => {}
        Err(errno) => {
            let rootfs = record.rootfs.display();
            context.journal.warn(format_args!("cannot unmount `{rootfs}`: {errno}"));
        }
    }
}

/// A failed poststop hook is a warning (runtime.md#lifecycle, step 13).
pub(super) fn poststop(context: Context<'_>, record: &Record, config: &[u8]) {
    let Ok(spec) = parse(config, &record.bundle) else { return };
    let mut document = document(record);
    document.status = "stopped";
    // The bundle may be gone by now; hooks then run where the command does.
    let _ = kernel::file::change_dir(record.bundle.as_path());
    for hook in &spec.hooks.poststop {
        let one = std::slice::from_ref(hook);
        if let Err(error) = hooks::run_all("poststop", one, &document, &[]) {
            context.journal.warn(format_args!("{error}"));
        }
    }
}

pub(super) fn kill_all(context: Context<'_>, record: &Record) {
    if let Err(error) = Cgroup::open(&record.cgroup).kill_all() {
        context.journal.warn(format_args!("{error}"));
    }
}

/// Kills all processes of a container and waits for its init process.
pub(super) fn stop(context: Context<'_>, record: &Record, init: Option<InitProcess>) {
    let warn = |error: LifecycleError| context.journal.warn(format_args!("{error}"));
    let pidfd = match init.map(InitProcess::open).transpose() {
        Ok(pidfd) => pidfd.flatten(),
        Err(errno) => {
            warn(kernel_error("open the init process")(errno));
            None
        }
    };
    if let Some(pidfd) = &pidfd {
        // It may end by itself just now.
        let _ = kernel::process::pidfd_send_signal(pidfd.as_fd(), 9);
    }
    kill_all(context, record);
    if let Some(pidfd) = pidfd {
        match kernel::poll::is_readable(&pidfd, Some(KILL_TIMEOUT)) {
            Ok(true) => {}
            Ok(false) => warn(LifecycleError::StillRunning),
            Err(errno) => warn(kernel_error("wait for the init process")(errno)),
        }
    }
}
