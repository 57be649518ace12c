//! What the state file keeps of a container's cgroup, so that later commands find it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::plan::{Driver, Hierarchy, Place};
use super::{CgroupPlan, LayoutKind, systemd};
use crate::spec::Resources;

/// Enough to open the cgroup again, without probing the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupRecord {
    /// Who made it.
    pub driver: Driver,
    /// The host's shape.
    pub layout: LayoutKind,
    /// The directory in each hierarchy; empty for a rootless container without any.
    pub places: Vec<Place>,
    /// Controllers of the unified hierarchy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controllers: Vec<String>,
    /// The transient unit, with the systemd driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Whether the user's systemd has the unit.
    #[serde(default)]
    pub user: bool,
    /// The address of the user's bus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_bus: Option<String>,
    /// Limits that only make sense together: an update of one needs the others.
    #[serde(default)]
    pub coupled: CoupledLimits,
}

/// Limits whose files depend on more than one property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names of the specification")]
pub struct CoupledLimits {
    pub memory: Option<i64>,
    pub swap: Option<i64>,
    pub quota: Option<i64>,
    pub period: Option<u64>,
}

impl CoupledLimits {
    /// Those of `resources`.
    #[must_use]
    pub fn of(resources: &Resources) -> CoupledLimits {
        CoupledLimits {
            memory: resources.memory.limit,
            swap: resources.memory.swap,
            quota: resources.cpu.quota,
            period: resources.cpu.period,
        }
    }

    /// `changed` with the partners of what it names filled in from here.
    ///
    /// A quota of 0 and a period of 0 name nothing, as in the first runtimes.
    #[must_use]
    pub fn complete(self, changed: &Resources) -> Resources {
        let mut whole = changed.clone();
        let named = |value: Option<i64>| value.is_some_and(|value| value != 0);
        let (memory, cpu) = (&changed.memory, &changed.cpu);
        // An unlimited memory with no word on swap frees swap too.
        if memory.limit == Some(-1) && memory.swap.is_none() {
            whole.memory.swap = Some(0);
        } else if memory.limit.is_some() || memory.swap.is_some() {
            whole.memory.limit = memory.limit.or(self.memory);
            whole.memory.swap = memory.swap.or(self.swap);
        }
        let period_named = cpu.period.is_some_and(|period| period != 0);
        if named(cpu.quota) != period_named {
            whole.cpu.quota = cpu.quota.filter(|quota| *quota != 0).or(self.quota);
            whole.cpu.period = cpu.period.filter(|period| *period != 0).or(self.period);
        }
        whole
    }
}

impl CgroupRecord {
    /// What to keep of a plan that was executed.
    #[must_use]
    pub fn of(plan: &CgroupPlan, resources: &Resources) -> CgroupRecord {
        CgroupRecord {
            driver: plan.driver,
            layout: plan.kind,
            places: plan.places.clone(),
            controllers: plan.available.clone(),
            unit: plan.unit.as_ref().map(|unit| unit.name.to_string()),
            user: plan.unit.as_ref().is_some_and(|unit| unit.user),
            user_bus: plan.unit.as_ref().and_then(|unit| unit.user_bus.clone()),
            coupled: CoupledLimits::of(resources),
        }
    }

    /// Whether systemd has no place for the shares in `resources` ([`systemd::drops_weight`]).
    #[must_use]
    pub fn ignores_shares(&self, resources: &Resources) -> bool {
        self.unit.is_some() && systemd::drops_weight(resources, self.layout)
    }

    /// Controller to absolute directory, as runc's state has it in `cgroup_paths`: the unified
    /// one has the empty name.
    #[must_use]
    pub fn paths(&self) -> BTreeMap<String, String> {
        let mut paths = BTreeMap::new();
        for place in &self.places {
            let dir = place.dir().to_string_lossy().into_owned();
            match &place.hierarchy {
                Hierarchy::Unified => {
                    paths.insert(String::new(), dir);
                }
                Hierarchy::Legacy(names) => {
                    paths.extend(names.iter().map(|name| (name.clone(), dir.clone())));
                }
            }
        }
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(old: [i64; 4], new: [Option<i64>; 4], whole: [Option<i64>; 4]) {
        let period = |p: Option<i64>| p.map(i64::unsigned_abs);
        let resources = |[limit, swap, quota, p]: [Option<i64>; 4]| {
            let mut resources = Resources::default();
            (resources.memory.limit, resources.memory.swap) = (limit, swap);
            (resources.cpu.quota, resources.cpu.period) = (quota, period(p));
            resources
        };
        let before = CoupledLimits::of(&resources(old.map(Some)));
        assert_eq!(before.complete(&resources(new)), resources(whole));
    }

    #[test]
    fn an_update_of_one_keeps_its_partner() {
        let old = [100, 300, 50, 1000];
        check(old, [None; 4], [None; 4]);
        check(old, [Some(200), None, None, None], [Some(200), Some(300), None, None]);
        check(old, [None, Some(400), None, None], [Some(100), Some(400), None, None]);
        check(old, [Some(-1), None, None, None], [Some(-1), Some(0), None, None]);
        check(old, [None, None, Some(70), None], [None, None, Some(70), Some(1000)]);
        check(old, [None, None, Some(0), Some(9)], [None, None, Some(50), Some(9)]);
        check(old, [None, None, Some(7), Some(9)], [None, None, Some(7), Some(9)]);
    }
}
