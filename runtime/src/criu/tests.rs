//! What criu is told, from a config to the request.

use super::*;
use crate::plan::{CgroupMount, HostFacts, Plan, PlanOptions, StartMode, plan_container};
use crate::request::{CheckpointRequest, CriuCgroupsMode, CriuOptions};
use crate::resctrl::ResctrlFacts;
use crate::spec::ContainerSpec;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn plan(mounts: &str, linux: &str) -> Plan {
    let host = HostFacts {
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
    };
    let options = PlanOptions {
        id: "c".to_owned(),
        start: StartMode::AtOnce,
        no_pivot: false,
        no_new_keyring: false,
        first_closed: 3,
        extra_env: Vec::new(),
        relays_terminal: false,
        notify_dir: Some("/run/c/notify".into()),
    };
    let config = format!(
        r#"{{"ociVersion":"1.3.0","root":{{"path":"rootfs"}},"mounts":[{mounts}],
            "process":{{"cwd":"/","args":["true"],"user":{{"uid":0,"gid":0}}}},
            "linux":{{"namespaces":[{{"type":"mount"}},{{"type":"cgroup"}},{{"type":"user"}}],
                "uidMappings":[{{"containerID":0,"hostID":1000,"size":10}}],
                "gidMappings":[{{"containerID":0,"hostID":1000,"size":10}}]{linux}}}}}"#
    );
    let parsed = ContainerSpec::from_json(config.as_bytes(), Path::new("/b")).unwrap();
    plan_container(&parsed.spec, &host, &options).unwrap()
}

const MOUNTS: &str = r#"{"destination":"/proc","type":"proc","source":"proc"},
    {"destination":"/dev","type":"tmpfs","source":"tmpfs"},
    {"destination":"/dev/data","source":"/data","options":["bind"]},
    {"destination":"/sys/fs/cgroup","type":"cgroup2","source":"cgroup"},
    {"destination":"/etc/file","source":"file","options":["rbind","ro"]}"#;

#[test]
fn what_comes_from_the_host_is_external() {
    let plan = plan(MOUNTS, r#","maskedPaths":["/proc/kcore"]"#);
    let external = external_mounts(&plan).unwrap();
    let text: Vec<String> = external
        .iter()
        .map(|mount| format!("{} {}", mount.destination, mount.source.display()))
        .collect();
    let want = [
        "/dev/data /data",
        "/sys/fs/cgroup /sys/fs/cgroup/c",
        "/etc/file /b/file",
        "/run/notify /run/c/notify",
        "/dev/null /dev/null",
    ];
    assert_eq!(text[..5], want);
    let masked: Vec<&str> = masked_paths(&plan).map(crate::spec::ContainerPath::as_str).collect();
    assert_eq!(masked, ["/proc/kcore"]);
}

#[test]
fn places_are_made_but_in_what_criu_fills() {
    let plan = plan(MOUNTS, "");
    let mounts = RestoreMounts::of(&plan, Path::new("/b/rootfs"), "/run/root".into(), None);
    let points: Vec<(&str, bool)> =
        mounts.points.iter().map(|p| (p.path.as_str(), p.cover != Cover::Fresh)).collect();
    let want = [
        ("/proc", false),
        ("/dev", false),
        ("/sys/fs/cgroup", true),
        ("/etc/file", true),
        ("/run/notify", true),
    ];
    assert_eq!(points, want);
}

#[test]
fn what_comes_from_the_container_is_left_to_criu() {
    let plan = plan(
        r#"{"destination":"/data","source":"/data","options":["bind"]},
        {"destination":"/again","source":"/b/rootfs/data/sub","options":["bind"]}"#,
        "",
    );
    let external = external_mounts(&plan).unwrap();
    let places: Vec<&str> = external.iter().map(|mount| mount.destination.as_str()).collect();
    assert_eq!(places[..2], ["/data", "/run/notify"]);
    let mounts = RestoreMounts::of(&plan, Path::new("/b/rootfs"), "/run/root".into(), None);
    let again = mounts.points.iter().find(|point| point.path.as_str() == "/again").unwrap();
    assert_eq!(again.cover, Cover::Within("data/sub".to_owned()));
}

#[test]
fn an_id_mapped_mount_is_refused_by_its_place() {
    for source in ["/data", "/b/rootfs/data"] {
        let mount =
            format!(r#"{{"destination":"/m","source":"{source}","options":["bind","idmap"]}}"#);
        let error = external_mounts(&plan(&mount, "")).unwrap_err();
        assert!(error.to_string().contains("`/m`"), "{error}");
    }
}

fn request(pre_dump: bool) -> CheckpointRequest {
    CheckpointRequest {
        id: crate::container_id::ContainerId::parse("c").unwrap(),
        criu: CriuOptions {
            image_path: "/i".into(),
            work_path: None,
            tcp_established: true,
            ext_unix_sk: false,
            shell_job: false,
            file_locks: false,
            lazy_pages: false,
            auto_dedup: false,
            empty_network_namespace: false,
            cgroups_mode: CriuCgroupsMode::Ignore,
        },
        parent_path: Some("../p".into()),
        leave_running: false,
        pre_dump,
        tcp_skip_in_flight: false,
        link_remap: false,
        status_fd: None,
        page_server: None,
    }
}

fn options(request: &CheckpointRequest, annotations: &BTreeMap<String, String>) -> wire::Options {
    let mounts = external_mounts(&plan(MOUNTS, "")).unwrap();
    dump_options(&Dump {
        request,
        images: 5,
        work: None,
        pid: 7,
        rootfs: "/b/rootfs".to_owned(),
        mounts: mounts.into_iter().take(1).map(|m| ("/real".to_owned(), m)).collect(),
        masked: vec!["/proc/kcore".to_owned()],
        joined: [Some(4_026_531_840), None],
        freezer: Some("/sys/fs/cgroup/c".to_owned()),
        yard: None,
        annotations,
    })
}

#[test]
fn a_dump_names_mounts_namespaces_and_the_parent() {
    let options = options(&request(false), &BTreeMap::new());
    let pairs: Vec<(&str, &str)> =
        options.ext_mnt.iter().map(|m| (m.key.as_str(), m.value.as_str())).collect();
    assert_eq!(pairs, [("/real", "/dev/data"), ("/proc/kcore", MASK)]);
    assert_eq!(options.external, ["net[4026531840]:extRootNetNS"]);
    assert_eq!((options.parent_img.as_deref(), options.track_mem), (Some("../p"), Some(true)));
    assert_eq!(options.manage_cgroups_mode(), wire::CgroupsMode::Ignore);
    assert_eq!(options.tcp_established, Some(true));
    assert_eq!(options.config_file.as_deref(), Some("/etc/criu/runc.conf"));
}

#[test]
fn memory_alone_needs_no_mounts() {
    assert!(options(&request(true), &BTreeMap::new()).ext_mnt.is_empty());
}

#[test]
fn the_annotation_names_the_configuration_file_or_none() {
    let annotated = |value: &str| {
        let annotations = BTreeMap::from([("org.criu.config".to_owned(), value.to_owned())]);
        options(&request(false), &annotations).config_file
    };
    assert_eq!(annotated("/c.conf").as_deref(), Some("/c.conf"));
    assert_eq!(annotated(""), None);
}
