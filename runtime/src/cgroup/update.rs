//! Changing the limits of a container that exists.

use super::handle::{Cgroup, Dir};
use super::limits::{self, Homes};
use super::plan::{Step, Write};
use super::record::CoupledLimits;
use super::{CgroupError, CgroupRecord, steps, systemd};
use crate::spec::{Extensions, Resources};

/// Plans the writes for what `changed` names, and what it needs of the limits before. Pure.
///
/// Devices stay as they are: something else may have changed them meanwhile.
///
/// # Errors
/// As for a new container.
pub fn plan_update(record: &CgroupRecord, changed: &Resources) -> Result<Vec<Step>, CgroupError> {
    let whole = record.coupled.complete(changed);
    let homes = Homes { places: &record.places, available: &record.controllers };
    let planned = limits::plan_limits(&whole, &Extensions::default(), &homes)?;
    let not_for_new_ones = |step: &Step| !matches!(step, Step::InheritCpuset { .. });
    Ok(planned.prepare.into_iter().filter(not_for_new_ones).chain(planned.steps).collect())
}

impl Cgroup {
    /// Changes limits, and notes in `record` what later updates need. If one is refused, those
    /// written before it are set back as far as that goes.
    ///
    /// # Errors
    /// By property, or by file and value.
    pub fn update(
        &mut self,
        record: &mut CgroupRecord,
        changed: &Resources,
    ) -> Result<(), CgroupError> {
        let is_unit = self.unit.is_some();
        let whole = record.coupled.complete(changed);
        // A quota is rounded with the period that it will have.
        let whole = if is_unit { systemd::as_kept(&whole, record.layout) } else { whole };
        let steps = plan_update(record, &whole)?;
        // Before systemd hears of a limit that would kill: it would not check.
        let is_check = |step: &&Step| matches!(step, Step::RefuseBelowUsage { .. });
        steps.iter().filter(is_check).try_for_each(|step| steps::run(&self.dirs, step))?;
        if let Some(unit) = &mut self.unit {
            unit.set_limits(&whole, record.layout)?;
        }
        let mut before = Vec::new();
        for step in &steps {
            before.extend(old_values(&self.dirs, step));
            if let Err(error) = steps::run(&self.dirs, step) {
                for (place, file, value) in before.iter().rev() {
                    // The refusal is what the caller needs to hear of.
                    let _ = self.dirs[*place].write(file, value);
                }
                return Err(error);
            }
        }
        record.coupled = merged(record.coupled, CoupledLimits::of(&whole));
        Ok(())
    }
}

fn merged(old: CoupledLimits, new: CoupledLimits) -> CoupledLimits {
    CoupledLimits {
        memory: new.memory.or(old.memory),
        swap: new.swap.or(old.swap),
        quota: new.quota.or(old.quota),
        period: new.period.or(old.period),
    }
}

/// What a step is about to overwrite, where the file holds one value that can be written back.
fn old_values(dirs: &[Dir], step: &Step) -> Vec<(usize, String, String)> {
    let writes: &[Write] = match step {
        Step::Write(write) => std::slice::from_ref(write),
        Step::AnyOrder(writes) | Step::FirstOf(writes) => writes,
        Step::RefuseBelowUsage { .. } | Step::InheritCpuset { .. } => &[],
    };
    let old = |write: &Write| {
        let text = dirs[write.place].read(&write.file).ok()?;
        let value = text.trim();
        let single = !value.is_empty() && !value.contains('\n');
        single.then(|| (write.place, write.file.clone(), value.to_owned()))
    };
    writes.iter().filter_map(old).collect()
}
