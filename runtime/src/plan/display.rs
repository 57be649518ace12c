//! A plan as text, for `runt plan` and golden tests.

use super::{Plan, Step};
use std::fmt;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "before:")?;
        self.lines_before().iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        let names: Vec<&str> = self.new_namespaces.iter_names().map(|(name, _)| name).collect();
        writeln!(f, "clone: {}", names.join(" "))?;
        writeln!(f, "runtime:")?;
        self.lines_of_runtime().iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        writeln!(f, "container:")?;
        self.steps.iter().try_for_each(|step| writeln!(f, "  {step}"))?;
        writeln!(f, "program: {:?}", self.program.args)?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))
    }
}

impl Plan {
    /// What is done before clone3, a line each.
    #[must_use]
    pub fn lines_before(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for file in &self.namespace_files {
            lines.push(format!("open namespace `{}`", file.path.display()));
        }
        for tree in &self.prepared {
            let mapped = if tree.idmap.is_some() { " with mapped ids" } else { "" };
            lines.push(format!("clone mount `{}`{mapped}", tree.source.display()));
        }
        let staged = self.stage.as_ref().and_then(|stage| stage.time_offsets);
        if self.runtime.time_offsets.or(staged).is_some() {
            lines.push("make a time namespace with offsets".to_owned());
        }
        if self.pid_namespace.is_some() {
            lines.push("enter the pid namespace that the child is born in".to_owned());
        }
        if self.stage.is_some() {
            lines.push("enter namespaces in a process between".to_owned());
        }
        lines
    }

    /// What the runtime does for the child, a line each.
    #[must_use]
    pub fn lines_of_runtime(&self) -> Vec<String> {
        let part = &self.runtime;
        let mut lines = Vec::new();
        if let Some((users, groups)) = &part.id_maps {
            let (users, groups) = (users.0.len(), groups.0.len());
            lines.push(format!("map {users} ranges of users, {groups} of groups"));
        }
        if let Some(score) = part.oom_score_adj {
            lines.push(format!("set oom_score_adj to {score}"));
        }
        lines.extend(part.rlimits.iter().map(|limit| Step::SetRlimit(*limit).to_string()));
        let resctrl = part.resctrl.iter().flat_map(|resctrl| &resctrl.steps);
        lines.extend(resctrl.map(ToString::to_string));
        for device in &part.net_devices {
            lines.push(format!("move network device `{}` as `{}`", device.host_name, device.name));
        }
        if part.hooks {
            lines.push("run prestart and createRuntime hooks".to_owned());
        }
        lines
    }
}
