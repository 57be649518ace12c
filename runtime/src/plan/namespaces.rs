//! Which namespaces are made, joined and configured, and by which process.

use super::{HostFacts, NamespaceFile, PlanError, Slot, Slots, Stage, Step, has_user_namespace};
use crate::spec::{ContainerSpec, IdMap, IdRange, Namespace, TimeOffsets};
use kernel::process::CloneFlags;

/// The namespace part of a plan.
pub(super) struct Entry {
    pub(super) new: CloneFlags,
    pub(super) stage: Option<Stage>,
    pub(super) pid_namespace: Option<Slot>,
    pub(super) files: Vec<NamespaceFile>,
    pub(super) id_maps: Option<(IdMap, IdMap)>,
    pub(super) time_offsets: Option<TimeOffsets>,
    pub(super) child_waits: bool,
    pub(super) steps: Vec<Step>,
}

pub(super) fn plan_namespaces(
    spec: &ContainerSpec,
    host: &HostFacts,
    slots: &mut Slots,
) -> Result<Entry, PlanError> {
    if host.uid != 0 && !has_user_namespace(spec) {
        return Err(PlanError::NeedsUserNamespace);
    }
    check_joined_maps(spec, host)?;
    let ns = &spec.namespaces;
    let kinds = [
        (&ns.user, CloneFlags::NEWUSER),
        (&ns.pid, CloneFlags::NEWPID),
        (&ns.time, CloneFlags::NEWTIME),
        (&ns.network, CloneFlags::NEWNET),
        (&ns.ipc, CloneFlags::NEWIPC),
        (&ns.uts, CloneFlags::NEWUTS),
        (&ns.mount, CloneFlags::NEWNS),
        (&ns.cgroup, CloneFlags::NEWCGROUP),
    ];
    let mut new = CloneFlags::empty();
    let mut files = Vec::new();
    for (namespace, kind) in kinds {
        match namespace {
            Namespace::Inherit => {}
            Namespace::New => new |= kind,
            Namespace::Join(path) => {
                files.push(NamespaceFile { slot: slots.next(), kind, path: path.clone() });
            }
        }
    }
    // A cgroup namespace made by clone3 would be rooted at the runtime's cgroup: the child makes
    // its own once it is where it belongs.
    let unshare_cgroup = new.contains(CloneFlags::NEWCGROUP);
    new -= CloneFlags::NEWCGROUP;
    let has_offsets = spec.time_offsets != TimeOffsets::default();
    // The runtime makes a time namespace for its children first, to set its clocks.
    let mut time_offsets =
        (new.contains(CloneFlags::NEWTIME) && has_offsets).then_some(spec.time_offsets);
    if time_offsets.is_some() {
        new -= CloneFlags::NEWTIME;
    }

    let joins_user = matches!(ns.user, Namespace::Join(_));
    // In a user namespace the runtime could not return to its own pid and time namespaces.
    let for_children =
        time_offsets.is_some() || files.iter().any(|file| file.kind == CloneFlags::NEWPID);
    let no_return = host.in_user_namespace && for_children;
    let staged =
        joins_user || no_return || (new.contains(CloneFlags::NEWUSER) && !files.is_empty());
    let mut pid_namespace = None;
    let mut stage = None;
    let mut steps = vec![Step::DieWithRuntime];
    if staged {
        let user = files.iter().find(|f| f.kind == CloneFlags::NEWUSER).map(|f| f.slot);
        let others = files.iter().filter(|f| f.kind != CloneFlags::NEWUSER);
        stage = Some(Stage {
            user,
            others: others.map(|f| (f.kind, f.slot)).collect(),
            time_offsets: time_offsets.take_if(|_| no_return),
        });
    } else {
        for file in &files {
            if file.kind == CloneFlags::NEWPID {
                pid_namespace = Some(file.slot);
            } else {
                let path = file.path.clone();
                steps.push(Step::JoinNamespace { kind: file.kind, file: file.slot, path });
            }
        }
    }

    let id_maps = ns.user.is_new().then(|| (spec.uid_map.clone(), spec.gid_map.clone()));
    let child_waits = id_maps.is_some()
        || host.cgroup_attach
        || !spec.net_devices.is_empty()
        || spec.intel_rdt.is_some();
    if child_waits {
        steps.push(Step::AwaitRuntime);
    }
    if has_user_namespace(spec) {
        steps.push(Step::BecomeNamespaceRoot);
    }
    if unshare_cgroup {
        steps.push(Step::UnshareCgroup);
    }
    if ns.network.is_new() {
        steps.push(Step::LoopbackUp);
    }
    if let Some(name) = &spec.hostname {
        steps.push(Step::SetHostname(name.clone()));
    }
    if let Some(name) = &spec.domainname {
        steps.push(Step::SetDomainname(name.clone()));
    }
    Ok(Entry { new, stage, pid_namespace, files, id_maps, time_offsets, child_waits, steps })
}

/// Nobody can change the maps of a namespace that exists; configurations that repeat them are let
/// through.
fn check_joined_maps(spec: &ContainerSpec, host: &HostFacts) -> Result<(), PlanError> {
    let Some((users, groups)) = &host.joined_maps else { return Ok(()) };
    let maps =
        [("linux.uidMappings", &spec.uid_map, users), ("linux.gidMappings", &spec.gid_map, groups)];
    for (property, wanted, found) in maps {
        if !wanted.is_empty() && sorted(wanted) != sorted(found) {
            return Err(PlanError::JoinedMaps { property });
        }
    }
    Ok(())
}

fn sorted(map: &IdMap) -> Vec<IdRange> {
    let mut ranges = map.0.clone();
    ranges.sort_by_key(|range| range.container);
    ranges
}
