//! `events`: what a container uses, and when it runs out of memory.

use super::query::{status, view};
use super::{Context, LifecycleError};
use crate::cgroup::stats::Stats;
use crate::cgroup::{Cgroup, CgroupError, OomEvent};
use crate::container_id::ContainerId;
use crate::request::{EventsRequest, EventsRhythm};
use crate::resctrl::{self, ResctrlRecord, ResctrlStats};
use crate::state::{StateDir, Status};
use std::time::{Duration, Instant};

/// Something to tell about a container.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// What it has used by now.
    Stats(Box<Usage>),
    /// The kernel killed one of its processes for lack of memory.
    Oom,
}

/// What a container has used by now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// By its cgroups.
    pub cgroup: Stats,
    /// By its resctrl groups.
    pub resctrl: ResctrlStats,
}

/// What is read of a container.
struct Sources {
    cgroup: Cgroup,
    resctrl: Option<ResctrlRecord>,
}

impl Sources {
    fn usage(&self) -> Result<Event, CgroupError> {
        let resctrl = self.resctrl.as_ref().map(resctrl::read_stats).unwrap_or_default();
        Ok(Event::Stats(Box::new(Usage { cgroup: self.cgroup.stats()?, resctrl })))
    }
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
    let sources = open(context, &request.id)?;
    match request.rhythm {
        EventsRhythm::Once => {
            let usage = sources.usage().map_err(LifecycleError::from)?;
            tell(usage).map_err(EventsError::Told)
        }
        EventsRhythm::Every(interval) => follow(context, &request.id, &sources, interval, tell),
    }
}

fn open(context: Context<'_>, id: &ContainerId) -> Result<Sources, LifecycleError> {
    let view = view(&StateDir::open(&context.settings.root, id)?)?;
    match view.status {
        Status::Stopped | Status::Creating => Err(LifecycleError::NotRunning),
        _ => {
            let cgroup = Cgroup::open(&view.record.cgroup);
            Ok(Sources { cgroup, resctrl: view.record.resctrl })
        }
    }
}

/// Statistics every `interval`, and each OOM event between them.
fn follow<E>(
    context: Context<'_>,
    id: &ContainerId,
    sources: &Sources,
    interval: Duration,
    mut tell: impl FnMut(Event) -> Result<(), E>,
) -> Result<(), EventsError<E>> {
    let mut watch = sources.cgroup.watch_oom().map_err(LifecycleError::from)?;
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
                match sources.usage() {
                    Ok(usage) => tell(usage).map_err(EventsError::Told)?,
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
