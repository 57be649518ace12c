//! `update`: other limits for a container that exists.

use super::query::status;
use super::{Context, LifecycleError};
use crate::cgroup::Cgroup;
use crate::request::{ResourceChange, UpdateRequest};
use crate::resctrl;
use crate::spec::{Resources, zero_pids_are_unset};
use crate::state::{Record, StateDir, Status};

/// What a caller hears whose shares are left out.
pub(super) const IGNORED_SHARES: &str =
    "unable to apply both a weight and cpu.idle to systemd, ignoring the weight";

/// Changes what the request names, and leaves all else as it is.
///
/// # Errors
/// [`LifecycleError::NotRunning`] for a stopped container, else what can't be changed; what was
/// changed before it is set back.
pub fn update(context: Context<'_>, request: &UpdateRequest) -> Result<(), LifecycleError> {
    let state = StateDir::open(&context.settings.root, &request.id)?;
    state.lock()?;
    let mut record = state.record()?;
    if matches!(status(&state, &record)?, Status::Stopped | Status::Creating) {
        return Err(LifecycleError::NotRunning);
    }
    if record.resctrl.is_none() {
        update_resctrl(&record, request)?;
    }
    let mut changed = resources(context, &request.change)?;
    if zero_pids_are_unset(&record.oci_version) {
        changed.pids_limit = changed.pids_limit.filter(|limit| *limit != 0);
    }
    if changed.memory.kernel.is_some() || changed.memory.kernel_tcp.is_some() {
        let text = "kernel memory settings are ignored: the kernel has no such limit any more";
        context.journal.warn(format_args!("{text}"));
    }
    if record.cgroup.ignores_shares(&changed) {
        context.journal.warn(format_args!("{IGNORED_SHARES}"));
    }
    Cgroup::open(&record.cgroup).update(&mut record.cgroup, &changed)?;
    state.replace_record(&record)?;
    update_resctrl(&record, request)
}

fn resources(context: Context<'_>, change: &ResourceChange) -> Result<Resources, LifecycleError> {
    match change {
        ResourceChange::Flags(resources) => Ok(Resources::clone(resources)),
        ResourceChange::Json(json) => {
            let parsed = Resources::from_json(json)?;
            for warning in &parsed.warnings {
                context.journal.warn(format_args!("{warning}"));
            }
            Ok(parsed.spec)
        }
    }
}

/// A container is in a resctrl group only from its start on.
fn update_resctrl(record: &Record, request: &UpdateRequest) -> Result<(), LifecycleError> {
    let flags =
        [("l3-cache-schema", &request.l3_cache_schema), ("mem-bw-schema", &request.mem_bw_schema)];
    let given = flags.into_iter().filter_map(|(flag, line)| Some((flag, line.as_deref()?)));
    let lines: Vec<(&'static str, &str)> = given.collect();
    let Some((property, _)) = lines.first() else { return Ok(()) };
    let Some(resctrl) = &record.resctrl else {
        let reason = "the container has no resctrl group of its own".to_owned();
        return Err(LifecycleError::Unsupported { property, reason });
    };
    Ok(resctrl::update(resctrl, &lines)?)
}
