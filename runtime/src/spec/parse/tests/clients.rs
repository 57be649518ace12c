//! Configurations as clients write them, and `oci-spec` as the oracle of what they say.

use oci_spec::runtime::{LinuxNamespaceType, Spec};

use super::{merge, outcome, parse};
use crate::spec::{ContainerSpec, MountKind, Namespace};

const DOCKER: &str = include_str!("../../../../tests/data/clients/docker.json");
const PODMAN: &str = include_str!("../../../../tests/data/clients/podman.json");
const CONTAINERD: &str = include_str!("../../../../tests/data/clients/containerd.json");
const PAUSE: &str = include_str!("../../../../tests/data/clients/pause.json");

/// The seccomp profile dockerd writes.
const SECCOMP: &str = include_str!("../../../../testdata/seccomp/docker.json");

fn with_seccomp(config: &str) -> String {
    let mut config = serde_json::from_str(config).unwrap();
    merge(&mut config, &serde_json::json!({ "linux": { "seccomp": null } }));
    config["linux"]["seccomp"] = serde_json::from_str(SECCOMP).unwrap();
    config.to_string()
}

#[test]
fn configurations_of_clients_are_accepted() {
    for config in [DOCKER, CONTAINERD, PAUSE] {
        assert_eq!(outcome(parse(config)), "");
        assert_eq!(outcome(parse(&with_seccomp(config))), "");
    }
    // podman sets systemd's properties whatever the cgroup driver is.
    let ignored =
        "ignored: the administrator has not allowed annotations to set systemd properties";
    assert_eq!(
        outcome(parse(PODMAN)),
        format!(
            "`annotations[\"org.systemd.property.KillSignal\"]`: {ignored}\n\
             `annotations[\"org.systemd.property.TimeoutStopUSec\"]`: {ignored}"
        )
    );
}

#[test]
fn what_oci_spec_reads_is_what_we_read() {
    // `full.json` is not among them: oci-spec misspells `SCHED_FLAG_RESET_ON_FORK`.
    for config in [DOCKER, PODMAN, CONTAINERD, PAUSE].map(with_seccomp) {
        let theirs: Spec = serde_json::from_str(&config).unwrap();
        let ours = parse(&config).unwrap().spec;
        same_process(&theirs, &ours);
        same_mounts(&theirs, &ours);
        same_linux(&theirs, &ours);
        assert_eq!(theirs.hostname().as_deref(), ours.hostname.as_deref());
        let annotations = theirs.annotations().clone().unwrap_or_default();
        assert_eq!(annotations.into_iter().collect::<Vec<_>>().len(), ours.annotations.len());
    }
}

fn same_process(theirs: &Spec, ours: &ContainerSpec) {
    let (theirs, ours) = (theirs.process().as_ref().unwrap(), ours.process.as_ref().unwrap());
    assert_eq!(*theirs.args().as_ref().unwrap(), ours.args);
    assert_eq!(theirs.env().clone().unwrap_or_default(), ours.env);
    assert_eq!(theirs.cwd().to_str(), Some(&*ours.cwd));
    assert_eq!(theirs.terminal().unwrap_or(false), ours.terminal);
    assert_eq!(theirs.user().uid(), ours.user.uid.0);
    assert_eq!(theirs.user().gid(), ours.user.gid.0);
    assert_eq!(theirs.user().umask(), ours.user.umask);
    let gids: Vec<u32> = ours.user.additional_gids.iter().map(|gid| gid.0).collect();
    assert_eq!(theirs.user().additional_gids().clone().unwrap_or_default(), gids);
    assert_eq!(theirs.no_new_privileges().unwrap_or(false), ours.no_new_privileges);
    assert_eq!(theirs.oom_score_adj(), ours.oom_score_adj);
    let rlimits = theirs.rlimits().iter().flatten().map(|r| (r.soft(), r.hard()));
    let our_rlimits = ours.rlimits.iter().map(|r| (r.soft, r.hard));
    assert!(rlimits.eq(our_rlimits));
    let (their_caps, our_caps) = (theirs.capabilities().as_ref(), ours.capabilities.as_ref());
    let count = their_caps.and_then(|caps| caps.bounding().as_ref()).map(|set| set.len());
    assert_eq!(count, our_caps.map(|caps| caps.bounding.0.count_ones() as usize));
}

fn same_mounts(theirs: &Spec, ours: &ContainerSpec) {
    let theirs = theirs.mounts().clone().unwrap_or_default();
    assert_eq!(theirs.len(), ours.mounts.len());
    for (theirs, ours) in theirs.iter().zip(&ours.mounts) {
        assert_eq!(theirs.destination().to_str(), Some(ours.destination.as_str()));
        let options = theirs.options().clone().unwrap_or_default();
        let bound = options.iter().any(|option| option == "bind" || option == "rbind");
        assert_eq!(bound, matches!(ours.kind, MountKind::Bind { .. }), "{ours:?}");
        assert_eq!(options.iter().any(|option| option == "ro"), ours.attributes.set & 1 != 0);
        if let MountKind::Filesystem(filesystem) = &ours.kind {
            assert_eq!(theirs.typ().as_deref(), Some(&*filesystem.fstype));
            let data = options.iter().filter(|option| option.contains('=')).count();
            let valued = filesystem.options.iter().filter(|option| option.value.is_some());
            assert_eq!(data, valued.count());
        }
    }
}

fn same_linux(theirs: &Spec, ours: &ContainerSpec) {
    let theirs = theirs.linux().as_ref().unwrap();
    for namespace in theirs.namespaces().iter().flatten() {
        let place = match namespace.typ() {
            LinuxNamespaceType::Mount => &ours.namespaces.mount,
            LinuxNamespaceType::Cgroup => &ours.namespaces.cgroup,
            LinuxNamespaceType::Uts => &ours.namespaces.uts,
            LinuxNamespaceType::Ipc => &ours.namespaces.ipc,
            LinuxNamespaceType::User => &ours.namespaces.user,
            LinuxNamespaceType::Pid => &ours.namespaces.pid,
            LinuxNamespaceType::Network => &ours.namespaces.network,
            LinuxNamespaceType::Time => &ours.namespaces.time,
        };
        let expected = namespace.path().clone().map_or(Namespace::New, Namespace::Join);
        assert_eq!(*place, expected);
    }
    let ranges = |map: &Option<Vec<oci_spec::runtime::LinuxIdMapping>>| {
        let ranges = map.iter().flatten();
        ranges.map(|r| (r.container_id(), r.host_id(), r.size())).collect::<Vec<_>>()
    };
    let ours_of = |map: &crate::spec::IdMap| {
        map.0.iter().map(|r| (r.container, r.host, r.len)).collect::<Vec<_>>()
    };
    assert_eq!(ranges(theirs.uid_mappings()), ours_of(&ours.uid_map));
    assert_eq!(ranges(theirs.gid_mappings()), ours_of(&ours.gid_map));
    let path = theirs.cgroups_path().as_ref().and_then(|path| path.to_str());
    assert_eq!(path, ours.cgroups_path.as_deref());
    let masked = theirs.masked_paths().clone().unwrap_or_default();
    assert!(masked.iter().eq(ours.masked_paths.iter().map(|path| path.as_str())));
    let resources = theirs.resources().as_ref();
    let memory = resources.and_then(|resources| resources.memory().as_ref());
    assert_eq!(memory.and_then(|memory| memory.limit()), ours.resources.memory.limit);
    let rules = resources.and_then(|resources| resources.devices().clone()).unwrap_or_default();
    assert_eq!(rules.len(), ours.resources.devices.len());
    let sysctls = theirs.sysctl().clone().unwrap_or_default();
    for sysctl in &ours.sysctls {
        assert_eq!(sysctls.get(&sysctl.path.replace('/', ".")), Some(&sysctl.value));
    }
    assert_eq!(sysctls.len(), ours.sysctls.len());
    let names = |rules: Option<Vec<Vec<String>>>| rules.unwrap_or_default().concat();
    let their_rules = theirs.seccomp().as_ref().and_then(|seccomp| seccomp.syscalls().clone());
    let their_rules =
        their_rules.map(|rules| rules.iter().map(|rule| rule.names().clone()).collect());
    let our_rules = ours.seccomp.as_ref();
    let our_rules = our_rules.map(|s| s.rules.iter().map(|rule| rule.names.clone()).collect());
    assert_eq!(names(their_rules), names(our_rules));
}
