//! Scopes of systemd.

use super::*;

/// A host that systemd runs, and a container's plan for it.
fn systemd_plan(resources: &Resources) -> Option<(CgroupPlan, CgroupRecord)> {
    if !Path::new("/run/systemd/system").exists() {
        elsewhere("systemd does not run this host");
        return None;
    }
    let layout = host()?;
    let extensions = Extensions {
        systemd_properties: vec![("TimeoutStopSec".to_owned(), "uint64 7".to_owned())],
        ..Extensions::default()
    };
    let path = format!("runt-test.slice:runt:{}", unique_name());
    let request = request(Driver::Systemd, Some(&path), resources, &extensions);
    let plan = CgroupPlan::new(&request, &layout).unwrap();
    let record = CgroupRecord::of(&plan, resources);
    Some((plan, record))
}

fn shown(unit: &str, property: &str) -> String {
    let output = Command::new("systemctl").args(["show", "-P", property, unit]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn systemd_holds_a_container_in_a_scope() {
    let resources = Resources {
        devices: deny_all(),
        memory: Memory { limit: Some(64 << 20), ..Memory::default() },
        cpu: Cpu { quota: Some(50_001), shares: Some(512), ..Cpu::default() },
        pids_limit: Some(30),
        ..Resources::default()
    };
    let Some((plan, record)) = systemd_plan(&resources) else { return };
    let cgroup = Cgroup::create(&plan).unwrap();
    assert!(cgroup.clone_target().unwrap().is_none(), "there is no scope without a process");
    let mut made = Made { cgroup, record, children: Vec::new() };
    let unit = made.record.unit.clone().unwrap();
    let pid = made.run("exec sleep 1000");
    made.cgroup.apply_limits().unwrap();
    let again = Cgroup::open(&made.record);
    assert_eq!(sorted(again.pids().unwrap()), [pid.0], "where the record says");
    // A second process joins without systemd, as exec does, and can't open what is denied.
    made.run("head -c1 /dev/kmsg >/dev/null 2>&1 || echo no kmsg");
    assert_eq!(made.output(), "no kmsg\n");
    assert_eq!(shown(&unit, "ActiveState"), "active");
    assert_eq!(shown(&unit, "Slice"), "runt-test.slice");
    assert_eq!(shown(&unit, "Delegate"), "yes");
    assert_eq!(shown(&unit, "TasksMax"), "30");
    assert_eq!(shown(&unit, "MemoryMax"), (64 << 20).to_string());
    assert_eq!(shown(&unit, "CPUQuotaPerSecUSec"), "510ms");
    assert_eq!(shown(&unit, "DevicePolicy"), "strict");
    assert_eq!(shown(&unit, "TimeoutStopUSec"), "7s");
    if made.record.layout == LayoutKind::V2 {
        assert_eq!(made.value("", "cpu.max"), "51000 100000", "rounded as systemd does");
        assert_eq!(made.value("", "cpu.weight"), "59");
    }
    // What systemd writes again changes nothing.
    assert!(Command::new("systemctl").arg("daemon-reload").status().unwrap().success());
    assert_eq!(shown(&unit, "TasksMax"), "30");
    let mut record = made.record.clone();
    let changed = Resources { pids_limit: Some(40), ..Resources::default() };
    Cgroup::open(&record.clone()).update(&mut record, &changed).unwrap();
    assert_eq!(shown(&unit, "TasksMax"), "40");
    made.cgroup.kill_all().unwrap();
    made.children[0].wait().unwrap();
    made.cgroup.remove().unwrap();
    assert!(!Path::new(&made.record.places[0].dir()).exists());
    assert_ne!(shown(&unit, "ActiveState"), "active");
}

#[test]
fn systemd_refuses_a_second_container_of_the_same_name() {
    let Some((plan, record)) = systemd_plan(&Resources::default()) else { return };
    let cgroup = Cgroup::create(&plan).unwrap();
    let mut made = Made { cgroup, record, children: Vec::new() };
    made.run("exec sleep 1000");
    let error = Cgroup::create(&plan).unwrap_err().to_string();
    assert!(error.starts_with("container's cgroup is not empty"), "{error}");
}

#[test]
fn a_host_without_systemd_says_so() {
    if Path::new("/run/systemd/system").exists() {
        return elsewhere("systemd runs this host");
    }
    let Some(layout) = host() else { return };
    let (resources, extensions) = (Resources::default(), Extensions::default());
    let request = request(Driver::Systemd, None, &resources, &extensions);
    let plan = CgroupPlan::new(&request, &layout).unwrap();
    assert!(matches!(Cgroup::create(&plan), Err(CgroupError::NoSystemd)));
}

#[test]
fn a_users_systemd_holds_a_container_without_root() {
    let uid = kernel::identity::effective_uid();
    let bus = format!("/run/user/{uid}/bus");
    if uid == 0 || !Path::new(&bus).exists() {
        return elsewhere("not a user with a systemd of their own");
    }
    let address = format!("unix:path={bus}");
    let extensions = Extensions::default();
    let resources = Resources { devices: deny_all(), pids_limit: Some(30), ..Resources::default() };
    let path = format!(":runt:{}", unique_name());
    let request = CgroupRequest {
        rootless: true,
        user_bus: Some(&address),
        ..request(Driver::Systemd, Some(&path), &resources, &extensions)
    };
    let plan = CgroupPlan::new(&request, &CgroupLayout::probe().unwrap()).unwrap();
    let record = CgroupRecord::of(&plan, &resources);
    let cgroup = Cgroup::create(&plan).unwrap();
    let mut made = Made { cgroup, record, children: Vec::new() };
    let pid = made.run("exec sleep 1000");
    made.cgroup.apply_limits().unwrap();
    let again = Cgroup::open(&made.record);
    assert_eq!(sorted(again.pids().unwrap()), [pid.0], "where the record says");
    assert_eq!(made.value("", "pids.max"), "30");
    made.cgroup.kill_all().unwrap();
    made.children[0].wait().unwrap();
    made.cgroup.remove().unwrap();
    assert!(!made.file("", "").exists());
}
