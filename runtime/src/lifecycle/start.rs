//! `start`: lets the waiting init process go on.

use super::bundle::parse;
use super::child::step_error;
use super::create::document;
use super::error::kernel_error;
use super::query::{is_frozen, status};
use super::{Context, LifecycleError};
use crate::cgroup::Cgroup;
use crate::container_id::ContainerId;
use crate::hooks;
use crate::init::report::{Report, send_go};
use crate::state::{InitProcess, Record, StateDir, Status};
use kernel::Errno;

/// Starts a created container; returns when its program runs.
///
/// # Errors
/// [`LifecycleError::WrongStatus`] if it is not created; else what kept it from executing the program,
/// and the container is stopped then.
pub fn start(context: Context<'_>, id: &ContainerId) -> Result<(), LifecycleError> {
    let state = StateDir::open(&context.settings.root, id)?;
    state.lock()?;
    let record = state.record()?;
    let init = state.init()?;
    let wrong = |status| LifecycleError::WrongStatus { verb: "start", status };
    let Some(init) = init else { return Err(wrong(status(&state, &record)?)) };
    if is_frozen(&record) {
        // It would never answer.
        return Err(wrong(status(&state, &record)?));
    }
    if let Some(cgroup) = Cgroup::open(&record.cgroup).frozen_from_above()? {
        return Err(LifecycleError::FrozenFromAbove { cgroup });
    }
    let socket = match state.connect() {
        Ok(socket) => socket,
        // Nobody waits there: it was started, or has ended.
        Err(Errno::NOENT | Errno::CONNREFUSED) => {
            return Err(wrong(match status(&state, &record)? {
                Status::Created => Status::Running,
                other => other,
            }));
        }
        Err(errno) => return Err(kernel_error("connect to the container's process")(errno)),
    };
    send_go(&socket, init.pid).map_err(kernel_error("start the container's process"))?;
    let report =
        Report::receive(&socket).map_err(kernel_error("hear from the container's process"))?;
    state.mark_started()?;
    if let Some(Report::Failed(failed)) = report {
        return Err(step_error(failed));
    }
    poststart(context, &state, &record, init)
}

/// A failed poststart hook stops the container (runtime.md#lifecycle, step 9).
fn poststart(
    context: Context<'_>,
    state: &StateDir,
    record: &Record,
    init: InitProcess,
) -> Result<(), LifecycleError> {
    if !record.late_hooks {
        return Ok(());
    }
    let spec = parse(&state.config()?, &record.bundle)?;
    let mut document = document(record);
    (document.pid, document.status) = (init.pid, "running");
    // The bundle may be gone by now; hooks then run where the command does.
    let _ = kernel::file::change_dir(record.bundle.as_path());
    hooks::run_all("poststart", &spec.hooks.poststart, &document, &[]).map_err(|error| {
        super::delete::stop(context, record, Some(init));
        error.into()
    })
}
