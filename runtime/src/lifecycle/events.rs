//! `events`: what a container uses, and when it runs out of memory.

use super::query::{status, view};
use super::{Context, LifecycleError};
use crate::cgroup::stats::Stats;
use crate::cgroup::{Cgroup, CgroupError, OomEvent};
use crate::container_id::ContainerId;
use crate::request::{EventsRequest, EventsRhythm};
use crate::state::{StateDir, Status};
use std::time::{Duration, Instant};

/// Something to tell about a container.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// What it has used by now.
    Stats(Box<Stats>),
    /// The kernel killed one of its processes for lack of memory.
    Oom,
}

/// Why events ended early.
#[derive(Debug, thiserror::Error)]
pub enum EventsError<E> {
    /// The container can't be looked at.
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    /// Whoever is told does not want to hear more.
    #[error(transparent)]
    Told(E),
}

/// Tells of events until the container stops; once, if that is what the request says.
///
/// # Errors
/// [`LifecycleError::NotRunning`] for a stopped container; what `tell` returns.
pub fn events<E>(
    context: Context<'_>,
    request: &EventsRequest,
    mut tell: impl FnMut(Event) -> Result<(), E>,
) -> Result<(), EventsError<E>> {
    let cgroup = open(context, &request.id)?;
    let stats = |cgroup: &Cgroup| cgroup.stats().map_err(LifecycleError::from);
    match request.rhythm {
        EventsRhythm::Once => {
            tell(Event::Stats(Box::new(stats(&cgroup)?))).map_err(EventsError::Told)
        }
        EventsRhythm::Every(interval) => follow(context, &request.id, &cgroup, interval, tell),
    }
}

fn open(context: Context<'_>, id: &ContainerId) -> Result<Cgroup, LifecycleError> {
    let view = view(&StateDir::open(&context.settings.root, id)?)?;
    match view.status {
        Status::Stopped | Status::Creating => Err(LifecycleError::NotRunning),
        _ => Ok(Cgroup::open(&view.record.cgroup)),
    }
}

/// Statistics every `interval`, and each OOM event between them.
fn follow<E>(
    context: Context<'_>,
    id: &ContainerId,
    cgroup: &Cgroup,
    interval: Duration,
    mut tell: impl FnMut(Event) -> Result<(), E>,
) -> Result<(), EventsError<E>> {
    let mut watch = cgroup.watch_oom().map_err(LifecycleError::from)?;
    let mut next = Instant::now() + interval;
    loop {
        let left = next.saturating_duration_since(Instant::now());
        match watch.wait(Some(left)).map_err(LifecycleError::from)? {
            OomEvent::Gone => return Ok(()),
            OomEvent::Oom => tell(Event::Oom).map_err(EventsError::Told)?,
            OomEvent::TimedOut => {
                next += interval;
                // The cgroup of a stopped container stays until it is deleted.
                if !is_running(context, id)? {
                    return Ok(());
                }
                match cgroup.stats() {
                    Ok(stats) => tell(Event::Stats(Box::new(stats))).map_err(EventsError::Told)?,
                    Err(error) => skip(context, &error),
                }
            }
        }
    }
}

fn is_running(context: Context<'_>, id: &ContainerId) -> Result<bool, LifecycleError> {
    let looked = StateDir::open(&context.settings.root, id)
        .map_err(LifecycleError::from)
        .and_then(|state| status(&state, &state.record()?));
    match looked {
        Ok(status) => Ok(!matches!(status, Status::Stopped | Status::Creating)),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// A counter that can't be read once may be read the next time.
fn skip(context: Context<'_>, error: &CgroupError) {
    context.journal.warn(format_args!("{error}"));
}
