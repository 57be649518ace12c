//! `plan` and `check`: what creation would do, and what stands in its way. Nothing is changed.

use super::bundle::Bundle;
use super::create::ConsoleEnd;
use super::prepare::{check_rootfs, compile_filter, plan_cgroup, plan_options};
use super::{Context, LifecycleError, facts, needs};
use crate::cgroup::CgroupPlan;
use crate::journal::{Journal, Level};
use crate::plan::{Plan, StartMode, plan_container};
use crate::request::{BundleRequest, CreateRequest, InheritedFds};
use crate::seccomp::Program;
use crate::spec::{ContainerPath, ContainerSpec, Hooks, MountKind, Namespaces};
use serde::Serialize;
use std::cell::RefCell;
use std::fmt;
use std::path::Path;

/// All that creation would do.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// To cgroups.
    pub cgroup: CgroupPlan,
    /// To the process.
    pub container: Plan,
    /// The seccomp filter.
    pub filter: Option<Program>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cgroup:")?;
        for line in self.cgroup.to_string().lines() {
            writeln!(f, "  {line}")?;
        }
        write!(f, "{}", self.container)?;
        let Some(filter) = &self.filter else { return Ok(()) };
        writeln!(f, "seccomp: a filter of {} instructions", filter.instructions.len())?;
        filter.to_string().lines().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

impl Explanation {
    /// The same for programs: a list of lines for each part, and what is executed.
    #[must_use]
    pub fn to_json(&self) -> String {
        let lines = |text: String| text.lines().map(str::to_owned).collect();
        let plan = &self.container;
        let document = Document {
            cgroup: lines(self.cgroup.to_string()),
            before: plan.lines_before(),
            namespaces: plan.new_namespaces.iter_names().map(|(name, _)| name).collect(),
            runtime: plan.lines_of_runtime(),
            container: plan.steps.iter().map(ToString::to_string).collect(),
            program: &plan.program.args,
            warnings: &plan.warnings,
            seccomp: self.filter.as_ref().map(|filter| lines(filter.to_string())),
        };
        let text = serde_json::to_string_pretty(&document);
        text.expect("strings and lists always serialize") + "\n"
    }
}

/// What `plan --format json` prints.
#[derive(Serialize)]
struct Document<'a> {
    cgroup: Vec<String>,
    before: Vec<String>,
    namespaces: Vec<&'static str>,
    runtime: Vec<String>,
    container: Vec<String>,
    program: &'a [String],
    warnings: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seccomp: Option<Vec<String>>,
}

/// Plans the creation of a container.
///
/// # Errors
/// The first thing that stands in its way.
pub fn explain(
    context: Context<'_>,
    request: &BundleRequest,
) -> Result<Explanation, LifecycleError> {
    let bundle = Bundle::open(&request.bundle, context)?;
    explain_spec(context, &create_request(request), &bundle.spec)
}

fn explain_spec(
    context: Context<'_>,
    request: &CreateRequest,
    spec: &ContainerSpec,
) -> Result<Explanation, LifecycleError> {
    let filter = compile_filter(spec, context)?;
    let cgroup = plan_cgroup(context.settings, request, spec)?;
    let cgroups = facts::Cgroups::planned(&cgroup);
    let host = facts::probe_new(spec, &request.id, &cgroups)?;
    let options = plan_options(context.settings, request, StartMode::Later, ConsoleEnd::Socket);
    let container = plan_container(spec, &host, &options)?;
    for warning in &container.warnings {
        context.journal.warn(format_args!("{warning}"));
    }
    Ok(Explanation { cgroup, container, filter })
}

/// The plain `create` of a bundle.
fn create_request(request: &BundleRequest) -> CreateRequest {
    CreateRequest {
        id: request.id.clone(),
        bundle: request.bundle.clone(),
        console_socket: None,
        pidfd_socket: None,
        pid_file: None,
        no_pivot: false,
        no_new_keyring: false,
        inherited: InheritedFds::default(),
        notify_socket: None,
    }
}

/// Something that `check` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// [`Level::Error`] if creation would fail by it.
    pub level: Level,
    /// For people.
    pub text: String,
}

/// Looks for all that stands in the way of a container, or would not be as asked for, and does
/// not stop at the first; in the order in which creation would come upon it.
#[must_use]
pub fn check(context: Context<'_>, request: &BundleRequest) -> Vec<Finding> {
    let findings = Findings::default();
    let inner = Context { settings: context.settings, journal: &findings };
    match Bundle::open(&request.bundle, inner) {
        Ok(bundle) => check_spec(inner, &findings, request, &bundle.spec),
        Err(error) => findings.refuse(&error),
    }
    findings.0.into_inner()
}

fn check_spec(
    context: Context<'_>,
    findings: &Findings,
    request: &BundleRequest,
    spec: &ContainerSpec,
) {
    if let Err(error) = check_rootfs(spec) {
        findings.refuse(&error);
    }
    if let Err(error) = explain_spec(context, &create_request(request), spec) {
        findings.refuse(&error);
    }
    for (level, text) in needs::unmet(spec) {
        findings.record(level, format_args!("{text}"));
    }
    for mount in &spec.mounts {
        if let MountKind::Bind { source, remount: false, .. } = &mount.kind
            // The mounts before it may bring what is in the container's own tree.
            && ContainerPath::of_host(source, &spec.root.path).is_none()
        {
            findings.require(source, &format!("source of the mount at `{}`", mount.destination));
        }
    }
    check_hooks(findings, &spec.hooks);
    check_namespaces(findings, &spec.namespaces);
}

fn check_hooks(findings: &Findings, hooks: &Hooks) {
    // Programs of the runtime's mount namespace; those of `startContainer` are the container's.
    let on_host = [
        ("prestart", &hooks.prestart),
        ("createRuntime", &hooks.create_runtime),
        ("createContainer", &hooks.create_container),
        ("poststart", &hooks.poststart),
        ("poststop", &hooks.poststop),
    ];
    for (name, hooks) in on_host {
        for hook in hooks {
            findings.require(&hook.path, &format!("{name} hook"));
        }
    }
}

fn check_namespaces(findings: &Findings, namespaces: &Namespaces) {
    let Namespaces { user, pid, network, mount, ipc, uts, cgroup, time } = namespaces;
    for namespace in [user, pid, network, mount, ipc, uts, cgroup, time] {
        if let Some(path) = namespace.path() {
            findings.require(path, "namespace");
        }
    }
}

/// Collects what is found, and what is warned of on the way.
#[derive(Default)]
struct Findings(RefCell<Vec<Finding>>);

impl Findings {
    fn refuse(&self, error: &dyn std::error::Error) {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            text += &format!(": {cause}");
            next = cause.source();
        }
        self.record(Level::Error, format_args!("{text}"));
    }

    fn require(&self, path: &Path, what: &str) {
        if let Err(errno) = kernel::file::open_path(kernel::file::CWD, path) {
            let path = path.display();
            self.record(Level::Error, format_args!("cannot use the {what}, `{path}`: {errno}"));
        }
    }
}

impl Journal for Findings {
    fn record(&self, level: Level, message: fmt::Arguments<'_>) {
        if level != Level::Debug {
            self.0.borrow_mut().push(Finding { level, text: message.to_string() });
        }
    }
}
