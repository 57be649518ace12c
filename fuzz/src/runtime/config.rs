//! Any bytes as `config.json`: never a panic, what is accepted keeps the promises of its types, and
//! its plan is the same each time.

use std::path::Path;

use runt::lifecycle::wants_network;
use runt::plan::{CgroupMount, HostFacts, PlanOptions, StartMode, plan_container};
use runt::resctrl::ResctrlFacts;
use runt::spec::{ContainerPath, ContainerSpec, MountKind, Namespace};

pub(crate) fn run(bytes: &[u8]) {
    let read = || ContainerSpec::from_json(bytes, Path::new("/bundle"));
    let parsed = match read() {
        Ok(parsed) => parsed,
        Err(error) => {
            assert!(error.property().is_none_or(|property| !property.is_empty()));
            return;
        }
    };
    assert_eq!(read().expect("accepted before"), parsed);
    let spec = parsed.spec;
    let _ = spec.needs();
    assert!(spec.root.path.is_absolute());
    for mount in &spec.mounts {
        check_path(&mount.destination);
        if let MountKind::Bind { source, .. } = &mount.kind {
            assert!(source.is_absolute());
        }
    }
    spec.masked_paths.iter().chain(&spec.readonly_paths).for_each(check_path);
    spec.devices.iter().for_each(|device| check_path(&device.path));
    for sysctl in &spec.sysctls {
        assert!(!sysctl.path.split('/').any(|part| part.is_empty() || part.starts_with('.')));
    }
    for file in spec.resources.unified.keys() {
        assert!(!file.contains('/') && !file.starts_with('.'));
    }
    if let Some(path) = &spec.cgroups_path {
        assert!(!path.split('/').any(|part| part == ".."));
    }
    if let Some(process) = &spec.process {
        assert!(!process.args.is_empty() && process.cwd.starts_with('/'));
        assert!(process.user.uid.0 != u32::MAX && process.user.gid.0 != u32::MAX);
        assert!(spec.check_process(process).is_ok());
    }
    if wants_network(bytes) {
        assert_eq!(spec.namespaces.network, Namespace::New);
        assert_eq!(spec.namespaces.user, Namespace::Inherit);
        assert!(spec.net_devices.is_empty());
    }
    check_plan(&spec);
}

fn check_plan(spec: &ContainerSpec) {
    for uid in [0, 1000] {
        let host = HostFacts {
            uid,
            gid: uid,
            permitted: u64::MAX,
            bounding: u64::MAX,
            in_user_namespace: uid != 0,
            denies_setgroups: false,
            cgroup_mount: CgroupMount::HostReadOnly,
            cgroup_attach: true,
            selinux: true,
            apparmor: true,
            joined_maps: None,
            resctrl: ResctrlFacts::Absent,
        };
        let options = PlanOptions {
            id: "c".to_owned(),
            start: StartMode::Later,
            no_pivot: false,
            no_new_keyring: false,
            first_closed: 3,
            extra_env: Vec::new(),
            relays_terminal: false,
            notify_dir: None,
        };
        let Ok(plan) = plan_container(spec, &host, &options) else { continue };
        assert!(!plan.to_string().is_empty());
        let again = plan_container(spec, &host, &options);
        assert_eq!(again.expect("planned before"), plan);
    }
}

fn check_path(path: &ContainerPath) {
    let text = path.as_str();
    assert!(text.starts_with('/') && !text.contains('\0'));
    let right = |part: &str| !matches!(part, "" | "." | "..");
    assert!(text == "/" || text[1..].split('/').all(right));
}
