//! `state` and `list`: what a container is and does.

use super::error::kernel_error;
use super::{Context, LifecycleError};
use crate::cgroup::{Cgroup, FreezerState};
use crate::container_id::ContainerId;
use crate::state::{AbsentRoot, InitProcess, Record, StateDir, StateError, Status};

/// A container as the commands show it.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerView {
    /// What was kept at create.
    pub record: Record,
    /// Now.
    pub status: Status,
    /// Of the init process; 0 for a stopped container.
    pub pid: i32,
    /// The user id that made it.
    pub owner: u32,
}

/// Looks at one container.
///
/// # Errors
/// [`StateError::NotFound`] if there is none.
pub fn state(context: Context<'_>, id: &ContainerId) -> Result<ContainerView, LifecycleError> {
    view(&StateDir::open(&context.settings.root, id)?)
}

/// Looks at the container of a state directory.
///
/// # Errors
/// As [`state`].
pub fn view(state: &StateDir) -> Result<ContainerView, LifecycleError> {
    let record = state.record()?;
    let init = state.init()?;
    let status = status_of(init, state, &record)?;
    let pid = match status {
        Status::Stopped => 0,
        _ => init.map_or(0, |init| init.pid),
    };
    Ok(ContainerView { record, status, pid, owner: state.owner()? })
}

/// Looks at all containers, sorted by id. One that is removed meanwhile is left out; one that
/// can't be read becomes a warning.
///
/// # Errors
/// [`StateError::Root`] if the root can't be read.
pub fn list(context: Context<'_>) -> Result<Vec<ContainerView>, LifecycleError> {
    let mut views = Vec::new();
    // The default is made when it is needed; one that was named should be there.
    let absent =
        if context.settings.root_is_default { AbsentRoot::Empty } else { AbsentRoot::Refused };
    for id in StateDir::list(&context.settings.root, absent)? {
        match state(context, &id) {
            Ok(view) => views.push(view),
            Err(LifecycleError::State(StateError::NotFound { .. })) => {}
            Err(error) => context.journal.warn(format_args!("container `{id}`: {error}")),
        }
    }
    Ok(views)
}

pub(super) fn status(state: &StateDir, record: &Record) -> Result<Status, LifecycleError> {
    status_of(state.init()?, state, record)
}

/// The status of a container whose init process is, or was, `init`.
pub(super) fn status_of(
    init: Option<InitProcess>,
    state: &StateDir,
    record: &Record,
) -> Result<Status, LifecycleError> {
    let Some(init) = init else {
        return Ok(if state.is_locked() { Status::Creating } else { Status::Stopped });
    };
    if !init.is_alive().map_err(kernel_error("look at the init process"))? {
        return Ok(Status::Stopped);
    }
    Ok(if is_frozen(record) {
        Status::Paused
    } else if state.awaits_start() {
        Status::Created
    } else {
        Status::Running
    })
}

/// Whether the container's processes stand still. Without a freezer nothing is paused.
pub(super) fn is_frozen(record: &Record) -> bool {
    matches!(Cgroup::open(&record.cgroup).freezer_state(), Ok(FreezerState::Frozen))
}
