//! A transient unit: started, changed, stopped.

use super::super::{CgroupError, CgroupPath, CgroupRecord, UnitName, UnitPlan};
use crate::spec::HostPid;

/// The container's unit.
#[derive(Debug)]
pub struct Unit {
    name: UnitName,
    started: bool,
}

impl Unit {
    pub(in crate::cgroup) fn new(plan: &UnitPlan) -> Result<Unit, CgroupError> {
        Ok(Unit { name: plan.name.clone(), started: false })
    }

    pub(in crate::cgroup) fn of_record(record: &CgroupRecord) -> Option<Unit> {
        let name = UnitName::parse(record.unit.as_deref()?)?;
        Some(Unit { name, started: true })
    }

    pub(in crate::cgroup) fn is_started(&self) -> bool {
        self.started
    }

    pub(in crate::cgroup) fn start(
        &mut self,
        _pid: HostPid,
    ) -> Result<Option<CgroupPath>, CgroupError> {
        Err(CgroupError::NoSystemd)
    }

    pub(in crate::cgroup) fn set_limits(
        &mut self,
        _limits: &crate::spec::Resources,
        _kind: crate::cgroup::LayoutKind,
    ) -> Result<(), CgroupError> {
        Err(CgroupError::NoSystemd)
    }

    pub(in crate::cgroup) fn stop(&mut self) -> Result<(), CgroupError> {
        let _ = &self.name;
        Ok(())
    }
}
