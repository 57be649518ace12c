//! Resource director technology: the container's group in a mounted resctrl file system
//! (config-linux.md#intelrdt), planned as data, then made.
//!
//! ```text
//! /sys/fs/resctrl/              the default class of service (`closID` of `/`)
//!   schemata, tasks, info/
//!   mon_groups/ID/              monitoring of one container in the default class
//!   CLOSID or ID/               a class of service
//!     schemata, tasks, mon_groups/ID/
//! ```
//!
//! A group that a `closID` names belongs to whoever named it and is never removed; one that was
//! made under the container's id goes with the container.

mod group;
mod schemata;
mod stats;

pub use group::{MadeGroups, ResctrlFacts, add_task, make, probe, remove, update};
pub use stats::{ResctrlStats, read_stats};

use crate::spec::IntelRdt;
use schemata::Schemata;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a container can't have its resctrl group.
#[derive(Debug, thiserror::Error)]
pub enum ResctrlError {
    /// It was not to be planned.
    #[error(transparent)]
    Refused(#[from] ResctrlRefusal),
    /// The kernel said no.
    #[error("intelrdt: cannot {what}{status}")]
    Kernel {
        /// What was done, and on what.
        what: String,
        /// The kernel's own words (`info/last_cmd_status`), with a separator; empty if none.
        status: String,
        /// Why.
        source: io::Error,
    },
}

/// Why a plan can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResctrlRefusal {
    /// No resctrl file system.
    #[error("`linux.intelRdt` can't be honoured: no resctrl file system is mounted")]
    NotMounted,
    /// A group to be used as it is does not exist.
    #[error(
        "`linux.intelRdt.closID`: there is no resctrl group `{clos}`, and no schema to make one with"
    )]
    NoGroup {
        /// As in config.json.
        clos: String,
    },
    /// A group that exists has another schema.
    #[error("`{property}` is `{wanted}`, but the resctrl group `{clos}` has `{found}`")]
    Differs {
        /// As in config.json.
        property: &'static str,
        /// As in config.json.
        wanted: String,
        /// Of the group.
        clos: String,
        /// As in `schemata`.
        found: String,
    },
    /// A schema that is none.
    #[error("`{property}`: `{wanted}` is no line of a schemata file")]
    Malformed {
        /// As in config.json.
        property: &'static str,
        /// As in config.json.
        wanted: String,
    },
}

/// Where a container is in resctrl; kept for `exec`, `update`, `events` and `delete`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResctrlRecord {
    /// Where the file system is mounted.
    pub root: PathBuf,
    /// The container's class of service.
    pub group: PathBuf,
    /// Whether the group goes with the container.
    pub is_own: bool,
    /// Its monitoring group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<PathBuf>,
}

/// What is done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResctrlStep {
    /// Make a class of service.
    MakeGroup(PathBuf),
    /// Put the container's process into it.
    AddTask(PathBuf),
    /// Write its schemata, a resource a line.
    WriteSchemata {
        /// The group.
        group: PathBuf,
        /// What is written, at once.
        text: String,
    },
    /// Make a monitoring group.
    MakeMonitor(PathBuf),
}

/// A container's way into resctrl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResctrlPlan {
    /// What is kept.
    pub record: ResctrlRecord,
    /// In order.
    pub steps: Vec<ResctrlStep>,
}

impl fmt::Display for ResctrlStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResctrlStep::MakeGroup(group) => write!(f, "make resctrl group `{}`", group.display()),
            ResctrlStep::AddTask(group) => {
                write!(f, "add the process to resctrl group `{}`", group.display())
            }
            ResctrlStep::WriteSchemata { group, text } => {
                let text = text.trim_end().replace('\n', "`, `");
                write!(f, "write `{text}` to the schemata of resctrl group `{}`", group.display())
            }
            ResctrlStep::MakeMonitor(group) => {
                write!(f, "make resctrl monitoring group `{}`", group.display())
            }
        }
    }
}

/// The name of the group that `rdt` asks for, below the root; empty for the default class.
fn group_name<'a>(rdt: &'a IntelRdt, id: &'a str) -> &'a str {
    match rdt.clos_id.as_deref() {
        None => id,
        Some("/") => "",
        Some(clos) => clos,
    }
}

/// Plans the resctrl group of container `id`.
///
/// # Errors
/// [`ResctrlRefusal`] if there is no resctrl, a group to be used as it is is missing, or one that
/// exists says something else than the spec.
pub fn plan(rdt: &IntelRdt, id: &str, facts: &ResctrlFacts) -> Result<ResctrlPlan, ResctrlRefusal> {
    let ResctrlFacts::Mounted { root, schemata } = facts else {
        return Err(ResctrlRefusal::NotMounted);
    };
    let name = group_name(rdt, id);
    let group = if name.is_empty() { root.clone() } else { root.join(name) };
    let named = [
        ("linux.intelRdt.l3CacheSchema", &rdt.l3_cache_schema),
        ("linux.intelRdt.memBwSchema", &rdt.mem_bw_schema),
    ];
    let mut wanted: Vec<(&'static str, &str)> = named
        .into_iter()
        .filter_map(|(property, line)| Some((property, line.as_deref()?)))
        .collect();
    wanted.extend(rdt.schemata.iter().map(|line| ("linux.intelRdt.schemata", line.as_str())));
    let mut steps = Vec::new();
    let mut is_own = false;
    let mut writes = true;
    match (schemata, &rdt.clos_id) {
        (None, Some(clos)) if wanted.is_empty() => {
            return Err(ResctrlRefusal::NoGroup { clos: clos.clone() });
        }
        (None, clos) => {
            is_own = clos.is_none();
            steps.push(ResctrlStep::MakeGroup(group.clone()));
        }
        (Some(found), Some(clos)) => {
            compare(&wanted, clos, found)?;
            writes = false;
        }
        (Some(_), None) => {}
    }
    if writes && !wanted.is_empty() {
        let text = wanted.iter().map(|(_, line)| format!("{line}\n")).collect();
        steps.push(ResctrlStep::WriteSchemata { group: group.clone(), text });
    }
    steps.push(ResctrlStep::AddTask(group.clone()));
    let monitor = rdt.monitoring.then(|| monitor_of(&group, id));
    if let Some(monitor) = &monitor {
        steps.push(ResctrlStep::MakeMonitor(monitor.clone()));
        steps.push(ResctrlStep::AddTask(monitor.clone()));
    }
    Ok(ResctrlPlan { record: ResctrlRecord { root: root.clone(), group, is_own, monitor }, steps })
}

fn monitor_of(group: &Path, id: &str) -> PathBuf {
    group.join("mon_groups").join(id)
}

/// config-linux.md#intelrdt: a group that exists is not changed, and must be as asked for.
fn compare(wanted: &[(&'static str, &str)], clos: &str, found: &str) -> Result<(), ResctrlRefusal> {
    let present = Schemata::parse(found);
    for &(property, line) in wanted {
        let malformed = || ResctrlRefusal::Malformed { property, wanted: line.to_owned() };
        if !present.has(line).ok_or_else(malformed)? {
            return Err(ResctrlRefusal::Differs {
                property,
                wanted: line.to_owned(),
                clos: clos.to_owned(),
                found: present.line_of(line).unwrap_or_default().to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
