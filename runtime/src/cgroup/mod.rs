//! Control groups: where a container sits, its limits, its statistics.
//!
//! ```text
//! CgroupRequest + CgroupLayout -> CgroupPlan -> Cgroup (create, attach, limits) -> CgroupRecord
//!                 (probed)        (pure)                                            (stored)
//!                                               CgroupRecord -> Cgroup (freeze, kill, stats, ...)
//! ```
//! Nothing here follows a path of the container; everything below a mount point is opened
//! beneath its descriptor.

mod convert;
pub mod devices;
mod enter;
mod error;
mod events;
mod handle;
mod layout;
mod limits;
mod path;
mod plan;
mod record;
mod remove;
pub mod stats;
mod steps;
pub mod systemd;
mod tasks;
mod update;

pub use convert::{cpu_weight, io_weight, swap_limit};
pub use enter::SubCgroups;
pub use error::CgroupError;
pub use events::{OomEvent, OomWatch};
pub use handle::{Cgroup, ClonedInto};
pub use layout::{
    CgroupLayout, DEFAULT_ROOT, HierarchyMount, LayoutKind, Legacy, OwnCgroup, Unified,
    parse_mountinfo, parse_own_cgroups,
};
pub use path::{CgroupPath, SliceName, UnitName, UnitPath};
pub use plan::{
    Absent, CgroupPlan, CgroupRequest, Controller, Driver, Hierarchy, Place, Step, UnitPlan, Write,
};
pub use record::{CgroupRecord, CoupledLimits};
pub use stats::Stats;
pub use tasks::{FreezerState, Killed};
pub use update::plan_update;

#[cfg(test)]
mod tests;
