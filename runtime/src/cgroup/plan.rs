//! What will be done for a container's cgroup, as a value: directories, controllers, writes.

use std::fmt;
use std::path::PathBuf;

use super::devices::{self, DeviceFilter};
use super::limits::{self, Homes};
use super::path::UnitPath;
use super::systemd::Property;
use super::{CgroupError, CgroupLayout, CgroupPath, LayoutKind, SliceName, UnitName};
use crate::spec::{DeviceNode, Extensions, HostUid, Resources};

/// Who makes the cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// This process, in the file system.
    #[default]
    Cgroupfs,
    /// systemd, as a transient unit.
    Systemd,
}

/// What a container asks for.
#[derive(Clone, Copy, Debug)]
pub struct CgroupRequest<'a> {
    /// The container's id: names the cgroup where the config does not.
    pub id: &'a str,
    /// Who makes it.
    pub driver: Driver,
    /// `linux.cgroupsPath` as written.
    pub cgroups_path: Option<&'a str>,
    /// `linux.resources`.
    pub resources: &'a Resources,
    /// `linux.devices`: one at a default device's path takes the place of its default rule.
    pub device_nodes: &'a [DeviceNode],
    /// Annotations with limits of their own.
    pub extensions: &'a Extensions,
    /// No right to the host's cgroups is expected: go on without them where nothing needs them,
    /// and ask the user's systemd.
    pub rootless: bool,
    /// The D-Bus address of the user's bus, where one is known.
    pub user_bus: Option<&'a str>,
    /// Who shall own the cgroup: set when the container has a cgroup namespace of its own and a
    /// writable cgroup mount (config-linux.md#cgroup-ownership). Version 1 never delegates.
    pub delegate_to: Option<HostUid>,
}

/// Directories to make, controllers to enable, values to write: everything but the process.
#[derive(Clone, Debug, PartialEq)]
pub struct CgroupPlan {
    /// Who makes the directories.
    pub driver: Driver,
    /// The host's shape.
    pub kind: LayoutKind,
    /// The container's directory in each hierarchy.
    pub places: Vec<Place>,
    /// Controllers to enable for the unified directory where they are not yet.
    pub controllers: Vec<Controller>,
    /// Controllers that the unified hierarchy has; later updates may need them.
    pub available: Vec<String>,
    /// Before the first process can join.
    pub prepare: Vec<Step>,
    /// Limits, in the order of their writing.
    pub limits: Vec<Step>,
    /// Which devices may be used.
    pub devices: DeviceFilter,
    /// Whether the container may start although the filter can't be loaded.
    pub devices_optional: bool,
    /// The user to own the unified directory.
    pub owner: Option<HostUid>,
    /// Go on without a cgroup if the kernel denies one.
    pub optional: bool,
    /// Where the container is then: in the runtime's own cgroups.
    pub own: Vec<Place>,
    /// The controller whose limits a rootless container would lose without a cgroup.
    pub needs: Option<&'static str>,
    /// The transient unit, with the systemd driver.
    pub unit: Option<UnitPlan>,
}

/// A directory of the container in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// Which hierarchy.
    pub hierarchy: Hierarchy,
    /// Its mount point.
    pub mount: PathBuf,
    /// Below the mount point.
    pub path: CgroupPath,
}

impl Place {
    /// The directory's absolute path.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.mount.join(self.path.relative())
    }

    /// Whether the hierarchy is of version 1 and has the controller `name`.
    #[must_use]
    pub fn has_legacy(&self, name: &str) -> bool {
        matches!(&self.hierarchy, Hierarchy::Legacy(names) if names.iter().any(|n| n == name))
    }
}

/// One tree of cgroups.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hierarchy {
    /// cgroup2.
    Unified,
    /// Version 1, with its controllers or its name.
    Legacy(Vec<String>),
}

/// A controller of the unified hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// As in `cgroup.controllers`.
    pub name: String,
    /// Whether a limit needs it; otherwise it is for statistics, and may stay off.
    pub required: bool,
}

/// One thing to do in a place; a place is an index into [`CgroupPlan::places`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write a value to a file.
    Write(Write),
    /// Values that bound each other: one refused with `EINVAL` is tried again after the others.
    AnyOrder(Vec<Write>),
    /// The first whose file exists.
    FirstOf(Vec<Write>),
    /// Refuse a limit that current usage already exceeds.
    RefuseBelowUsage {
        /// Where `memory.current` is.
        place: usize,
        /// `memory` or `memory+swap`.
        what: &'static str,
        /// Bytes.
        limit: u64,
    },
    /// Fill empty `cpuset.cpus` and `cpuset.mems` from the parent, from the top down.
    InheritCpuset {
        /// The cpuset hierarchy.
        place: usize,
    },
}

/// A value for a control file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Index into [`CgroupPlan::places`].
    pub place: usize,
    /// Name of the file.
    pub file: String,
    /// Written in one call.
    pub value: String,
    /// What it means that the file does not exist.
    pub absent: Absent,
}

/// What it means that a control file does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The limit can't be honoured.
    Fail,
    /// There is nothing to limit, or an older kernel has no such file and needs none.
    Skip,
}

/// A transient unit of systemd.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitPlan {
    /// Its name.
    pub name: UnitName,
    /// The slice it lies in.
    pub slice: SliceName,
    /// Description, delegation, accounting, and the annotations' properties.
    pub properties: Vec<Property>,
    /// The container's limits as properties; made once systemd's version is known.
    pub resources: Resources,
    /// The container's device rules with the default ones.
    pub device_rules: Vec<crate::spec::DeviceRule>,
    /// The host's shape.
    pub kind: LayoutKind,
    /// Whether to talk to the user's systemd.
    pub user: bool,
    /// Where that listens, as a D-Bus address.
    pub user_bus: Option<String>,
}

impl CgroupPlan {
    /// Plans a container's cgroup on a host of this layout. Pure.
    ///
    /// # Errors
    /// By name for whatever of the request this layout can't honour.
    pub fn new(
        request: &CgroupRequest<'_>,
        layout: &CgroupLayout,
    ) -> Result<CgroupPlan, CgroupError> {
        let kind = layout.kind().ok_or(CgroupError::NoHierarchy)?;
        let unit = match request.driver {
            Driver::Cgroupfs => None,
            Driver::Systemd => Some(UnitPlan::new(request, kind)?),
        };
        let places = match &unit {
            None => plan_places(request, layout)?,
            Some(unit) => unit.places(layout),
        };
        let available = layout.unified.as_ref().map_or(&[][..], |unified| &unified.controllers);
        let homes = Homes { places: &places, available };
        let resources = unit.as_ref().map_or(request.resources, |unit| &unit.resources);
        let limits = limits::plan_limits(resources, request.extensions, &homes)?;
        // On version 2 every one, for their statistics; beside version 1 only what a limit needs.
        let controllers = available
            .iter()
            .map(|name| Controller {
                name: name.clone(),
                required: limits.required.contains(&name.as_str()),
            })
            .filter(|controller| controller.required || kind == LayoutKind::V2);
        let rules = device_rules(request);
        let devices = plan_devices(&rules, &places, kind)?;
        Ok(CgroupPlan {
            driver: request.driver,
            kind,
            controllers: controllers.collect(),
            available: available.to_vec(),
            prepare: limits.prepare,
            limits: limits.steps,
            devices_optional: request.rootless || devices::deny_nothing(&rules),
            devices,
            owner: request.delegate_to.filter(|_| kind == LayoutKind::V2),
            optional: request.rootless && request.cgroups_path.is_none(),
            own: own_places(layout),
            needs: limits.first_needed,
            places,
            unit,
        })
    }

    /// The directory that a new process can be cloned into: the unified one.
    #[must_use]
    pub fn unified(&self) -> Option<&Place> {
        self.places.iter().find(|place| place.hierarchy == Hierarchy::Unified)
    }
}

fn device_rules(request: &CgroupRequest<'_>) -> Vec<crate::spec::DeviceRule> {
    let mut rules = request.resources.devices.clone();
    rules.extend(devices::default_rules(request.device_nodes));
    rules
}

fn plan_devices(
    rules: &[crate::spec::DeviceRule],
    places: &[Place],
    kind: LayoutKind,
) -> Result<DeviceFilter, CgroupError> {
    if kind == LayoutKind::V2 {
        return Ok(devices::compile(rules)?.map_or(DeviceFilter::None, DeviceFilter::Program));
    }
    let Some(place) = places.iter().position(|place| place.has_legacy("devices")) else {
        return Err(CgroupError::NoController {
            property: "linux.resources.devices".to_owned(),
            controller: "devices".to_owned(),
        });
    };
    Ok(match devices::plan_legacy(rules)? {
        writes if writes.is_empty() => DeviceFilter::None,
        writes => DeviceFilter::Legacy { place, writes },
    })
}

fn own_places(layout: &CgroupLayout) -> Vec<Place> {
    let legacy = layout.legacy.iter().map(|legacy| Place {
        hierarchy: Hierarchy::Legacy(legacy.names.clone()),
        mount: legacy.mount.clone(),
        path: legacy.own.clone(),
    });
    let unified = layout.unified.iter().map(|unified| Place {
        hierarchy: Hierarchy::Unified,
        mount: unified.mount.clone(),
        path: unified.own.clone(),
    });
    legacy.chain(unified).collect()
}

/// The cgroupfs driver's directories.
///
/// An absolute path lies below each mount point. A relative one, and the id where there is none,
/// lies beside this process's own cgroup on version 2, for a cgroup with processes can't have
/// controllers for its children, and below it on version 1.
fn plan_places(
    request: &CgroupRequest<'_>,
    layout: &CgroupLayout,
) -> Result<Vec<Place>, CgroupError> {
    let text = request.cgroups_path.unwrap_or(request.id);
    let absolute = request.cgroups_path.is_some_and(|path| path.starts_with('/'));
    let path = CgroupPath::parse(text)?;
    if path.is_root() {
        let why = "it names the root of the hierarchy";
        return Err(CgroupError::InvalidPath { path: text.to_owned(), why });
    }
    let below = |own: CgroupPath| if absolute { path.clone() } else { own.join(&path) };
    let legacy = layout.legacy.iter().map(|legacy| Place {
        hierarchy: Hierarchy::Legacy(legacy.names.clone()),
        mount: legacy.mount.clone(),
        path: below(legacy.own.clone()),
    });
    let is_hybrid = !layout.legacy.is_empty();
    let unified = layout.unified.iter().map(|unified| Place {
        hierarchy: Hierarchy::Unified,
        mount: unified.mount.clone(),
        path: below(if is_hybrid { CgroupPath::root() } else { unified.own.parent() }),
    });
    Ok(legacy.chain(unified).collect())
}

impl UnitPlan {
    fn new(request: &CgroupRequest<'_>, kind: LayoutKind) -> Result<UnitPlan, CgroupError> {
        let default_path = format!(":runt:{}", request.id);
        let path = UnitPath::parse(request.cgroups_path.unwrap_or(&default_path))?;
        let default_slice = if request.rootless { "user.slice" } else { "system.slice" };
        let slice = path.slice.or_else(|| SliceName::parse(default_slice));
        let slice = slice.expect("both defaults are names of slices");
        let name = path.unit;
        let own = super::systemd::unit_properties(request.id, &name, &slice, kind);
        let asked = super::systemd::annotated_properties(&request.extensions.systemd_properties)?;
        Ok(UnitPlan {
            properties: own.into_iter().chain(asked).collect(),
            name,
            slice,
            resources: unit_resources(request, kind),
            device_rules: device_rules(request),
            kind,
            user: request.rootless,
            user_bus: request.user_bus.map(str::to_owned),
        })
    }

    /// Where systemd will make the unit's cgroup; it is asked again once the unit runs.
    fn places(&self, layout: &CgroupLayout) -> Vec<Place> {
        let unit = CgroupPath::parse(self.name.as_str()).expect("a unit's name is a file name");
        let path = self.slice.cgroup().join(&unit);
        let legacy = layout.legacy.iter().map(|legacy| Place {
            hierarchy: Hierarchy::Legacy(legacy.names.clone()),
            mount: legacy.mount.clone(),
            path: path.clone(),
        });
        let unified = layout.unified.iter().map(|unified| Place {
            hierarchy: Hierarchy::Unified,
            mount: unified.mount.clone(),
            path: if self.user { user_root(&unified.own).join(&path) } else { path.clone() },
        });
        legacy.chain(unified).collect()
    }
}

/// The resources as systemd will keep them.
fn unit_resources(request: &CgroupRequest<'_>, kind: LayoutKind) -> Resources {
    let mut resources = super::systemd::as_kept(request.resources, kind);
    let extensions = request.extensions;
    for (file, value) in [
        ("memory.high", extensions.memory_high),
        ("memory.min", extensions.memory_min),
        ("memory.low", extensions.memory_low),
    ] {
        if let Some(value) = value {
            resources.unified.insert(file.to_owned(), value.to_string());
        }
    }
    resources
}

/// The cgroup of a user's systemd, `/user.slice/user-1000.slice/user@1000.service`, above `own`.
fn user_root(own: &CgroupPath) -> CgroupPath {
    let of_user = |path: &&str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        name.starts_with("user@") && name.ends_with(".service")
    };
    let found = own.ancestors_down().find(of_user);
    found.and_then(|path| CgroupPath::parse(path).ok()).unwrap_or_else(CgroupPath::root)
}

impl fmt::Display for CgroupPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(unit) = &self.unit {
            writeln!(f, "start transient unit {} in {}", unit.name, unit.slice)?;
            unit.properties.iter().try_for_each(|property| writeln!(f, "  with {property}"))?;
        }
        for place in &self.places {
            writeln!(f, "make cgroup {}", place.dir().display())?;
        }
        if !self.controllers.is_empty() {
            write!(f, "enable controllers")?;
            for controller in &self.controllers {
                let mark = if controller.required { "!" } else { "" };
                write!(f, " {}{mark}", controller.name)?;
            }
            writeln!(f)?;
        }
        for step in self.prepare.iter().chain(&self.limits) {
            fmt_step(f, step, &self.places)?;
        }
        match &self.devices {
            DeviceFilter::None => {}
            DeviceFilter::Legacy { place, writes } => {
                let dir = self.places[*place].dir();
                for write in writes {
                    let (value, file) = (&write.value, write.file());
                    writeln!(f, "write \"{value}\" to {}/{file}", dir.display())?;
                }
            }
            DeviceFilter::Program(program) => {
                writeln!(f, "attach a device filter of {} instructions", program.len())?;
            }
        }
        match self.owner {
            Some(HostUid(uid)) => writeln!(f, "give the cgroup to user {uid}"),
            None => Ok(()),
        }
    }
}

fn fmt_step(f: &mut fmt::Formatter<'_>, step: &Step, places: &[Place]) -> fmt::Result {
    let target = |write: &Write| places[write.place].dir().join(&write.file).display().to_string();
    match step {
        Step::Write(write) => {
            let tail = if write.absent == Absent::Skip { " if it exists" } else { "" };
            writeln!(f, "write \"{}\" to {}{tail}", write.value.escape_debug(), target(write))
        }
        Step::AnyOrder(writes) => {
            writeln!(f, "in any order")?;
            writes.iter().try_for_each(|w| writeln!(f, "  write \"{}\" to {}", w.value, target(w)))
        }
        Step::FirstOf(writes) => {
            writeln!(f, "the first that exists")?;
            writes.iter().try_for_each(|w| writeln!(f, "  write \"{}\" to {}", w.value, target(w)))
        }
        Step::RefuseBelowUsage { what, limit, .. } => {
            writeln!(f, "refuse if {what} usage is {limit} or more")
        }
        Step::InheritCpuset { place } => {
            writeln!(f, "fill empty cpusets down to {}", places[*place].dir().display())
        }
    }
}

#[cfg(test)]
mod tests;
