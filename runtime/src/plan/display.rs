//! A plan as text, for `runt plan` and golden tests.

use super::Plan;
use std::fmt;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "before:")?;
        for file in &self.namespace_files {
            writeln!(f, "  open namespace `{}`", file.path.display())?;
        }
        for tree in &self.prepared {
            let mapped = if tree.idmap.is_some() { " with mapped ids" } else { "" };
            writeln!(f, "  clone mount `{}`{mapped}", tree.source.display())?;
        }
        if self.runtime.time_offsets.is_some() {
            writeln!(f, "  make a time namespace with offsets")?;
        }
        if self.pid_namespace.is_some() {
            writeln!(f, "  enter the pid namespace that the child is born in")?;
        }
        if self.stage.is_some() {
            writeln!(f, "  enter namespaces in a process between")?;
        }
        let names: Vec<&str> = self.new_namespaces.iter_names().map(|(name, _)| name).collect();
        writeln!(f, "clone: {}", names.join(" "))?;
        self.fmt_runtime(f)?;
        writeln!(f, "container:")?;
        for step in &self.steps {
            writeln!(f, "  {step}")?;
        }
        writeln!(f, "program: {:?}", self.program.args)?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))
    }
}

impl Plan {
    fn fmt_runtime(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = &self.runtime;
        writeln!(f, "runtime:")?;
        if let Some((users, groups)) = &part.id_maps {
            writeln!(f, "  map {} ranges of users, {} of groups", users.0.len(), groups.0.len())?;
        }
        if let Some(score) = part.oom_score_adj {
            writeln!(f, "  set oom_score_adj to {score}")?;
        }
        for limit in &part.rlimits {
            writeln!(f, "  {}", super::Step::SetRlimit(*limit))?;
        }
        for step in part.resctrl.iter().flat_map(|resctrl| &resctrl.steps) {
            writeln!(f, "  {step}")?;
        }
        for device in &part.net_devices {
            writeln!(f, "  move network device `{}` as `{}`", device.host_name, device.name)?;
        }
        if part.hooks {
            writeln!(f, "  run prestart and createRuntime hooks")?;
        }
        Ok(())
    }
}
