//! Probes what a plan wants to know of the host.

use super::LifecycleError;
use super::error::kernel_error;
use crate::cgroup::{CgroupPlan, Hierarchy, Place};
use crate::container_id::ContainerId;
use crate::plan::{CgroupMount, HostFacts};
use crate::resctrl::{self, ResctrlFacts};
use crate::spec::{ContainerSpec, Process};
use kernel::{Errno, cgroupfs, file, identity};

/// Where the container is or will be among the cgroups.
pub(super) struct Cgroups<'a> {
    pub(super) places: &'a [Place],
    /// systemd has yet to put it there.
    pub(super) by_unit: bool,
}

impl<'a> Cgroups<'a> {
    /// Those of a container that is to be made. Where it will be denied a cgroup it could do
    /// without, it stays in the runtime's own.
    pub(super) fn planned(plan: &'a CgroupPlan) -> Cgroups<'a> {
        let denied = plan.optional && plan.places.iter().any(|place| !may_be_made(place));
        let places = if denied { &plan.own } else { &plan.places };
        Cgroups { places, by_unit: plan.unit.is_some() }
    }
}

/// Whether the cgroup is there, or what is there of the path to it is the caller's.
fn may_be_made(place: &Place) -> bool {
    let dir = place.dir();
    let mut above = dir.ancestors();
    if above.next().is_some_and(|dir| cgroupfs::exists(cgroupfs::CWD, dir) == Ok(true)) {
        return true;
    }
    above
        .map(cgroupfs::is_writable)
        .find(|writable| *writable != Err(Errno::NOENT))
        .is_some_and(|writable| writable == Ok(true))
}

/// user_namespaces(7): whoever can't be asked denies nothing.
fn denies_setgroups() -> bool {
    let mut buffer = [0; 16];
    file::read_into(file::CWD, c"/proc/self/setgroups", &mut buffer)
        .is_ok_and(|answer| answer.trim_ascii() == b"deny")
}

/// Probes the host, as far as `spec` and `process` make it matter.
pub(super) fn probe(
    spec: &ContainerSpec,
    process: Option<&Process>,
    cgroup: &Cgroups<'_>,
) -> Result<HostFacts, LifecycleError> {
    let capabilities = identity::capabilities().map_err(kernel_error("read own capabilities"))?;
    let labelled = spec.mount_label.is_some() || process.is_some_and(|p| p.selinux_label.is_some());
    let profiled = process.is_some_and(|p| p.apparmor_profile.is_some());
    let legacy = cgroup.places.iter().any(|p| matches!(p.hierarchy, Hierarchy::Legacy(_)));
    let in_user_namespace = kernel::namespace::in_user_namespace();
    Ok(HostFacts {
        uid: identity::effective_uid(),
        gid: identity::effective_gid(),
        permitted: capabilities.permitted,
        bounding: kernel::inherited::bounding(),
        in_user_namespace,
        denies_setgroups: in_user_namespace && denies_setgroups(),
        cgroup_mount: cgroup_mount(cgroup.places),
        cgroup_attach: legacy || cgroup.by_unit,
        selinux: labelled && file::exists(file::CWD, "/sys/fs/selinux/enforce"),
        apparmor: profiled && apparmor_enabled(),
        joined_maps: None,
        resctrl: ResctrlFacts::Absent,
    })
}

/// Likewise, for a container that is to be created under the name `id`.
pub(super) fn probe_new(
    spec: &ContainerSpec,
    id: &ContainerId,
    cgroup: &Cgroups<'_>,
) -> Result<HostFacts, LifecycleError> {
    let facts = probe(spec, spec.process.as_ref(), cgroup)?;
    let rdt = spec.intel_rdt.as_ref();
    let resctrl = rdt.map(|rdt| resctrl::probe(rdt, id.as_str())).unwrap_or_default();
    // One that can't be opened or entered can't be joined either, and that is the error to report.
    let joined = spec.namespaces.user.path();
    let joined = joined.and_then(|path| file::open_read(file::CWD, path).ok());
    let joined_maps = match joined.map(super::idmap::maps_of).transpose() {
        Err(Errno::PERM | Errno::INVAL) => None,
        maps => maps.map_err(kernel_error("read the maps of the user namespace to join"))?,
    };
    Ok(HostFacts { resctrl, joined_maps, ..facts })
}

fn apparmor_enabled() -> bool {
    let mut buffer = [0u8; 8];
    let path = c"/sys/module/apparmor/parameters/enabled";
    file::read_into(file::CWD, path, &mut buffer).is_ok_and(|text| text.starts_with(b"Y"))
}

fn cgroup_mount(places: &[Place]) -> CgroupMount {
    let mut hierarchies = Vec::new();
    let mut links = Vec::new();
    let mut unified = None;
    for place in places {
        match &place.hierarchy {
            Hierarchy::Unified => unified = Some(place),
            Hierarchy::Legacy(controllers) => {
                let Some(name) = place.mount.file_name().and_then(|n| n.to_str()) else { continue };
                hierarchies.push((name.to_owned(), place.dir()));
                if controllers.len() > 1 {
                    links.extend(controllers.iter().map(|c| (c.clone(), name.to_owned())));
                }
            }
        }
    }
    match (unified, hierarchies.is_empty()) {
        (None, true) => CgroupMount::Absent,
        (Some(place), true) => {
            CgroupMount::Unified { own: place.dir(), hierarchy: place.mount.clone() }
        }
        (_, false) if identity::effective_uid() != 0 => CgroupMount::HostReadOnly,
        (unified, false) => {
            if let Some(place) = unified {
                hierarchies.push(("unified".to_owned(), place.dir()));
            }
            CgroupMount::PerController { hierarchies, links }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::CgroupPath;

    #[test]
    fn a_cgroup_may_be_made_where_the_nearest_directory_is_ones_own() {
        let dir = tempfile::tempdir().unwrap();
        let place = |mount: &str, path: &str| Place {
            hierarchy: Hierarchy::Unified,
            mount: mount.into(),
            path: CgroupPath::parse(path).unwrap(),
        };
        let own = dir.path().to_str().unwrap();
        assert!(may_be_made(&place(own, "/a/b")));
        assert!(may_be_made(&place("/", "/proc")));
        // procfs lets nobody make anything, but says so only to those it asks for permission.
        assert_eq!(may_be_made(&place("/proc", "/x/y")), identity::effective_uid() == 0);
    }
}
