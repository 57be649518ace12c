//! Golden plans: what a config leads to, as text.

use super::*;
use crate::spec::ContainerSpec;
use std::path::{Path, PathBuf};

fn host() -> HostFacts {
    HostFacts {
        uid: 0,
        gid: 0,
        permitted: u64::MAX,
        bounding: u64::MAX,
        in_user_namespace: false,
        denies_setgroups: false,
        cgroup_mount: CgroupMount::Unified {
            own: PathBuf::from("/sys/fs/cgroup/c"),
            hierarchy: PathBuf::from("/sys/fs/cgroup"),
        },
        cgroup_attach: false,
        selinux: false,
        apparmor: false,
        joined_maps: None,
        resctrl: ResctrlFacts::Absent,
    }
}

fn options(start: StartMode) -> PlanOptions {
    PlanOptions {
        id: "c".to_owned(),
        start,
        no_pivot: false,
        no_new_keyring: false,
        first_closed: 3,
        extra_env: Vec::new(),
        relays_terminal: false,
        notify_dir: None,
    }
}

fn plan(config: &str, host: &HostFacts) -> Result<Plan, PlanError> {
    let parsed = ContainerSpec::from_json(config.as_bytes(), Path::new("/b")).unwrap();
    plan_container(&parsed.spec, host, &options(StartMode::Later))
}

/// A config with `linux` and more properties beside a process and a rootfs.
fn config(linux: &str, more: &str) -> String {
    format!(
        r#"{{"ociVersion":"1.3.0","root":{{"path":"rootfs"}},
            "process":{{"cwd":"/","args":["true"],"user":{{"uid":0,"gid":0}}}},
            "linux":{{{linux}}}{more}}}"#
    )
}

#[track_caller]
fn check(linux: &str, more: &str, expected: &str) {
    assert_eq!(plan(&config(linux, more), &host()).unwrap().to_string(), expected);
}

#[test]
fn the_least_container() {
    check(
        r#""namespaces":[{"type":"mount"},{"type":"pid"}]"#,
        "",
        include_str!("../../tests/golden/least.txt"),
    );
}

#[test]
fn mounts_devices_and_masks_are_resolved_beneath_what_the_plan_makes() {
    check(
        r#""namespaces":[{"type":"mount"},{"type":"pid"},{"type":"network"},{"type":"uts"},
            {"type":"cgroup"}],"maskedPaths":["/proc/kcore"],"readonlyPaths":["/proc/sys"],
            "sysctl":{"net.ipv4.ip_forward":"1"}"#,
        r#","hostname":"web","mounts":[
            {"destination":"/proc","type":"proc","source":"proc"},
            {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","mode=755"]},
            {"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro"]},
            {"destination":"/data","type":"bind","source":"/srv","options":["rbind","ro"]}]"#,
        include_str!("../../tests/golden/usual.txt"),
    );
}

#[test]
fn a_user_namespace_waits_for_its_maps_and_binds_devices() {
    check(
        r#""namespaces":[{"type":"mount"},{"type":"pid"},{"type":"user"}],
            "uidMappings":[{"containerID":0,"hostID":100000,"size":65536}],
            "gidMappings":[{"containerID":0,"hostID":100000,"size":65536}]"#,
        "",
        include_str!("../../tests/golden/user-namespace.txt"),
    );
}

#[test]
fn what_a_host_cannot_honour_is_refused_by_name() {
    let linux = r#""namespaces":[{"type":"mount"},{"type":"pid"}]"#;
    let unprivileged = HostFacts { uid: 1000, ..host() };
    assert_eq!(plan(&config(linux, ""), &unprivileged), Err(PlanError::NeedsUserNamespace));
    let over_proc = r#","mounts":[{"destination":"/proc/sys","type":"tmpfs","source":"x"}]"#;
    let refused = plan(&config(linux, over_proc), &host()).unwrap_err().to_string();
    assert!(refused.contains("`/proc/sys`") && refused.contains("inside /proc"), "{refused}");
}

#[test]
fn what_this_runtime_does_not_have_is_left_out_with_a_warning() {
    let spec = config(r#""namespaces":[{"type":"mount"}]"#, "");
    let sets = r#""capabilities":{"permitted":["CAP_SYS_RESOURCE","CAP_CHOWN"],
        "effective":["CAP_SYS_RESOURCE","CAP_CHOWN"],"bounding":["CAP_CHOWN"]},"cwd""#;
    let spec = spec.replacen("\"cwd\"", sets, 1);
    let without = HostFacts { permitted: 1, ..host() };
    let plan = plan(&spec, &without).unwrap();
    assert!(plan.warnings[0].contains("CAP_SYS_RESOURCE"), "{:?}", plan.warnings);
    assert!(plan.to_string().contains("capabilities effective 0x1 permitted 0x1"), "{plan}");
}

#[test]
fn sources_in_the_rootfs_are_taken_as_the_mounts_before_made_them() {
    check(
        r#""namespaces":[{"type":"mount"},{"type":"pid"}]"#,
        r#","mounts":[
            {"destination":"/mnt","source":"/srv","options":["bind"]},
            {"destination":"/b/rootfs/again","source":"rootfs/mnt","options":["rbind"]},
            {"destination":"/mapped","source":"/b/rootfs/mnt","options":["bind","idmap"],
             "uidMappings":[{"containerID":0,"hostID":7,"size":1}],
             "gidMappings":[{"containerID":0,"hostID":7,"size":1}]},
            {"destination":"/outside","source":"rootfs/../else","options":["bind"]}]"#,
        include_str!("../../tests/golden/sources-in-the-rootfs.txt"),
    );
}

#[test]
fn a_read_only_dev_has_its_devices_first_and_a_user_namespace_keeps_locks() {
    check(
        r#""namespaces":[{"type":"mount"},{"type":"pid"},{"type":"user"}],
            "uidMappings":[{"containerID":0,"hostID":100000,"size":65536}],
            "gidMappings":[{"containerID":0,"hostID":100000,"size":65536}]"#,
        r#","mounts":[
            {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","ro"]},
            {"destination":"/srv","source":"/srv","options":["bind","nodev"]}]"#,
        include_str!("../../tests/golden/read-only-dev.txt"),
    );
}

#[test]
fn the_start_container_hooks_are_confined_as_the_program_is() {
    check(
        r#""namespaces":[{"type":"mount"}],"seccomp":{"defaultAction":"SCMP_ACT_ALLOW"}"#,
        r#","hooks":{"startContainer":[{"path":"/bin/hook"}]}"#,
        include_str!("../../tests/golden/start-container-hooks.txt"),
    );
}

#[test]
fn the_maps_of_a_joined_user_namespace_are_not_contradicted() {
    use crate::spec::IdRange;
    let map = |host| IdMap(vec![IdRange { container: 0, host, len: 100 }]);
    let host = HostFacts { joined_maps: Some((map(5000), map(6000))), ..host() };
    let joined = |maps: &str| {
        config(
            &format!(r#""namespaces":[{{"type":"mount"}},{{"type":"user","path":"/n"}}]{maps}"#),
            "",
        )
    };
    assert!(plan(&joined(""), &host).is_ok());
    let same = r#","uidMappings":[{"containerID":0,"hostID":5000,"size":100}],
        "gidMappings":[{"containerID":0,"hostID":6000,"size":100}]"#;
    assert!(plan(&joined(same), &host).is_ok());
    let refused = plan(&joined(&same.replace("6000", "6001")), &host);
    assert_eq!(refused, Err(PlanError::JoinedMaps { property: "linux.gidMappings" }));
    let other = joined("").replace(r#""uid":0"#, r#""uid":100"#);
    let refused = plan(&other, &host);
    assert_eq!(refused, Err(PlanError::UnmappedId { property: "process.user.uid", id: 100 }));
}

#[test]
fn a_resctrl_group_is_made_while_the_process_waits() {
    let facts = ResctrlFacts::Mounted { root: "/sys/fs/resctrl".into(), schemata: None };
    let host = HostFacts { resctrl: facts, ..host() };
    let linux = r#""namespaces":[{"type":"mount"}],
        "intelRdt":{"l3CacheSchema":"L3:0=7f0","enableMonitoring":true}"#;
    let planned = plan(&config(linux, ""), &host).unwrap().to_string();
    assert_eq!(planned, include_str!("../../tests/golden/intel-rdt.txt"));
}

/// A plan of `exec` in the container of `linux`, whose init is process 42; `process` are
/// properties of its process.
#[track_caller]
fn check_exec(linux: &str, process: &str, host: &HostFacts, expected: &str) {
    let config = config(linux, "").replacen("\"cwd\"", &format!("{process}\"cwd\""), 1);
    let spec = ContainerSpec::from_json(config.as_bytes(), Path::new("/b")).unwrap().spec;
    let process = spec.process.clone().unwrap();
    let planned = plan_exec(&spec, &process, host, &options(StartMode::AtOnce), 42).unwrap();
    assert_eq!(planned.plan.to_string(), expected);
}

#[test]
fn exec_joins_what_init_has() {
    check_exec(
        r#""namespaces":[{"type":"mount"},{"type":"pid"},{"type":"network"},{"type":"uts"},
            {"type":"ipc"},{"type":"cgroup"}]"#,
        "",
        &host(),
        include_str!("../../tests/golden/exec.txt"),
    );
}

#[test]
fn exec_waits_for_cgroups_of_version_1_and_has_its_own_affinity_and_terminal() {
    check_exec(
        r#""namespaces":[{"type":"mount"},{"type":"pid"}],
            "seccomp":{"defaultAction":"SCMP_ACT_ALLOW"}"#,
        r#""terminal":true,"execCPUAffinity":{"initial":"0","final":"1-2"},"oomScoreAdj":5,"#,
        &HostFacts { cgroup_attach: true, ..host() },
        include_str!("../../tests/golden/exec-waiting.txt"),
    );
}

#[test]
fn exec_of_a_rootless_runtime_enters_the_pid_namespace_through_the_user_namespace() {
    check_exec(
        r#""namespaces":[{"type":"mount"},{"type":"pid"},{"type":"user"}],
            "uidMappings":[{"containerID":0,"hostID":1000,"size":1}],
            "gidMappings":[{"containerID":0,"hostID":1000,"size":1}]"#,
        r#""noNewPrivileges":true,"#,
        &HostFacts { uid: 1000, gid: 1000, ..host() },
        include_str!("../../tests/golden/exec-rootless.txt"),
    );
}

#[test]
fn exec_in_the_runtimes_own_mounts_takes_the_root_of_init() {
    check_exec(
        r#""namespaces":[{"type":"pid"}]"#,
        "",
        &host(),
        include_str!("../../tests/golden/exec-shared-mounts.txt"),
    );
}

#[test]
fn a_time_namespace_that_the_runtime_could_not_leave_is_made_by_another() {
    let linux = r#""namespaces":[{"type":"mount"},{"type":"time"}],
        "timeOffsets":{"boottime":{"secs":1}}"#;
    let by_whom = |in_user_namespace| {
        let host = HostFacts { in_user_namespace, ..host() };
        let plan = plan(&config(linux, ""), &host).unwrap();
        let staged = plan.stage.as_ref().and_then(|stage| stage.time_offsets);
        (plan.runtime.time_offsets.is_some(), staged.is_some(), plan.lines_before())
    };
    let lines = vec!["make a time namespace with offsets".to_owned()];
    assert_eq!(by_whom(false), (true, false, lines.clone()));
    let between = "enter namespaces in a process between".to_owned();
    assert_eq!(by_whom(true), (false, true, [lines, vec![between]].concat()));
}

#[test]
fn a_missing_working_directory_is_made_before_anything_closes_over_it() {
    let early = |readonly: &str, more: &str| {
        let linux = format!(r#""namespaces":[{{"type":"mount"}}],"readonlyPaths":["{readonly}"]"#);
        let config = config(&linux, more).replace(r#""cwd":"/""#, r#""cwd":"/a/b""#);
        let steps = plan(&config, &host()).unwrap().steps;
        steps.iter().any(|step| matches!(step, Step::MakeDirectory { path } if path == "/a/b"))
    };
    assert!(early("/a", "") && early("/behind/a/symlink", ""));
    assert!(!early("/proc/sys", "") && !early("/sys", ""));
    let tmpfs = r#","mounts":[{"destination":"/t","type":"tmpfs","source":"t","options":["ro"]}]"#;
    assert!(early("/proc/sys", tmpfs));
}
