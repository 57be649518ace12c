//! The handle on the real kernel: the host's own layout, and its cgroup2 mount by itself.
//!
//! Every test makes cgroups of its own name and removes them, also when it fails.

use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;
use crate::spec::{Cpu, DeviceAccess, DeviceRule, DeviceRuleKind};
use crate::spec::{Extensions, HostPid, HostUid, Memory, Resources};

/// Says why a test can't run here; CI sets `REQUIRE_ALL`, and then that is a failure.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "CI says by the environment that it has everything")]
pub(super) fn skip(why: &str) {
    assert!(std::env::var_os("REQUIRE_ALL").is_none(), "skipped: {why}");
    println!("skipped: {why}");
}

/// Says that another kind of host has what a test is about: CI runs it there.
fn elsewhere(why: &str) {
    println!("not on this host: {why}");
}

/// The host's layout, if this process may make cgroups in it.
fn host() -> Option<CgroupLayout> {
    let layout = CgroupLayout::probe().unwrap();
    let mounts =
        layout.legacy.iter().map(|l| &l.mount).chain(layout.unified.iter().map(|u| &u.mount));
    for mount in mounts {
        let probe = mount.join(unique_name());
        if let Err(error) = std::fs::create_dir(&probe) {
            skip(&format!("cannot make cgroups below {}: {error}", mount.display()));
            return None;
        }
        std::fs::remove_dir(&probe).unwrap();
    }
    Some(layout)
}

/// The host's version 1 hierarchies.
fn host_v1() -> Option<CgroupLayout> {
    let layout = host()?;
    if layout.legacy.is_empty() {
        elsewhere("no version 1 hierarchy here");
        return None;
    }
    Some(layout)
}

/// A host whose only hierarchy is cgroup2, with the controllers a test is about.
fn host_with(controllers: &[&str]) -> Option<CgroupLayout> {
    let layout = host_v2()?;
    let available = &layout.unified.as_ref()?.controllers;
    let missing = controllers.iter().find(|name| !available.iter().any(|a| a == *name));
    if let Some(name) = missing {
        elsewhere(&format!("no {name} controller in the cgroup2 mount"));
        return None;
    }
    Some(layout)
}

/// The host's cgroup2 mount as if it were all there is.
fn host_v2() -> Option<CgroupLayout> {
    let layout = host()?;
    if layout.unified.is_none() {
        skip("no cgroup2 mount here");
        return None;
    }
    Some(CgroupLayout { legacy: Vec::new(), ..layout })
}

fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("runt-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A container's cgroup that goes away with the test.
struct Made {
    cgroup: Cgroup,
    record: CgroupRecord,
    children: Vec<Child>,
}

impl Made {
    fn new(resources: &Resources, layout: &CgroupLayout) -> Made {
        Made::try_new(&format!("/{}", unique_name()), resources, layout).unwrap()
    }

    fn try_new(
        path: &str,
        resources: &Resources,
        layout: &CgroupLayout,
    ) -> Result<Made, CgroupError> {
        let plan = plan(path, resources, layout);
        let cgroup = Cgroup::create(&plan)?;
        let record = CgroupRecord::of(&plan, resources);
        Ok(Made { cgroup, record, children: Vec::new() })
    }

    fn file(&self, controller: &str, file: &str) -> PathBuf {
        Path::new(&self.record.paths()[controller]).join(file)
    }

    #[track_caller]
    fn value(&self, controller: &str, file: &str) -> String {
        let path = self.file(controller, file);
        let text = std::fs::read_to_string(&path);
        text.unwrap_or_else(|e| panic!("{}: {e}", path.display())).trim().to_owned()
    }

    /// Runs a program in the cgroup; it starts when it reads a byte.
    fn run(&mut self, script: &str) -> HostPid {
        let mut child = Command::new("sh")
            .args(["-c", &format!("read go; {script}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = HostPid(child.id().cast_signed());
        self.cgroup.attach(pid, ClonedInto::Own).unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"go\n").unwrap();
        self.children.push(child);
        pid
    }

    /// Waits until the last program has printed something: it has used memory of its own then.
    fn wait_for_output(&mut self) {
        let child = self.children.last_mut().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    }

    /// What the last program printed, once it has ended.
    fn output(&mut self) -> String {
        let mut text = String::new();
        let mut child = self.children.pop().unwrap();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        child.wait().unwrap();
        text
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = self.cgroup.thaw();
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = Cgroup::open(&self.record).remove();
    }
}

fn plan(path: &str, resources: &Resources, layout: &CgroupLayout) -> CgroupPlan {
    let extensions = Extensions::default();
    let request = CgroupRequest {
        id: "unused",
        driver: Driver::Cgroupfs,
        cgroups_path: Some(path),
        resources,
        device_nodes: &[],
        extensions: &extensions,
        rootless: false,
        user_bus: None,
        delegate_to: None,
    };
    CgroupPlan::new(&request, layout).unwrap()
}

fn sorted(mut pids: Vec<HostPid>) -> Vec<i32> {
    pids.sort_by_key(|pid| pid.0);
    pids.into_iter().map(|pid| pid.0).collect()
}

fn deny_all() -> Vec<DeviceRule> {
    let access = DeviceAccess { read: true, write: true, mknod: true };
    vec![DeviceRule { allow: false, kind: DeviceRuleKind::All, major: None, minor: None, access }]
}

/// Makes, joins, lists, and leaves nothing behind.
#[track_caller]
fn check_lifecycle(layout: &CgroupLayout) {
    let mut made = Made::new(&Resources::default(), layout);
    made.cgroup.apply_limits().unwrap();
    let pid = made.run("exec sleep 1000");
    assert_eq!(sorted(made.cgroup.pids().unwrap()), [pid.0]);
    let again = Cgroup::open(&made.record);
    assert_eq!(sorted(again.pids().unwrap()), [pid.0]);
    assert!(again.clone_target().unwrap().is_some() || layout.unified.is_none());
    assert_eq!(again.kill_all().unwrap(), Killed::All);
    made.children[0].wait().unwrap();
    made.cgroup.remove().unwrap();
    for dir in made.record.paths().values() {
        assert!(!Path::new(dir).exists(), "{dir} is left");
    }
    assert_eq!(again.kill_all().unwrap(), Killed::NoCgroup);
    Cgroup::open(&made.record).remove().unwrap();
}

#[test]
fn a_container_leaves_nothing_on_the_host() {
    let Some(layout) = host() else { return };
    check_lifecycle(&layout);
}

#[test]
fn a_container_leaves_nothing_on_version_2() {
    let Some(layout) = host_v2() else { return };
    check_lifecycle(&layout);
}

/// Freezes what runs, says so, and lets it run again.
#[track_caller]
fn check_freezer(layout: &CgroupLayout) {
    let mut made = Made::new(&Resources::default(), layout);
    made.run("while :; do :; done");
    assert_eq!(made.cgroup.freezer_state().unwrap(), FreezerState::Thawed);
    made.cgroup.freeze().unwrap();
    assert_eq!(made.cgroup.freezer_state().unwrap(), FreezerState::Frozen);
    let used = made.cgroup.stats().unwrap().cpu.usage.total;
    assert_eq!(made.cgroup.stats().unwrap().cpu.usage.total, used, "it does not run");
    made.cgroup.thaw().unwrap();
    assert_eq!(made.cgroup.freezer_state().unwrap(), FreezerState::Thawed);
    made.cgroup.freeze().unwrap();
    made.cgroup.kill_all().unwrap();
    made.children[0].wait().unwrap();
}

#[test]
fn a_frozen_container_does_not_run_on_the_host() {
    let Some(layout) = host() else { return };
    check_freezer(&layout);
}

#[test]
fn a_frozen_container_does_not_run_on_version_2() {
    let Some(layout) = host_v2() else { return };
    check_freezer(&layout);
}

/// A cgroup that something else uses is refused, and nothing is taken from it.
#[track_caller]
fn check_used(layout: &CgroupLayout) {
    let path = format!("/{}", unique_name());
    let none = Resources::default();
    let mut first = Made::try_new(&path, &none, layout).unwrap();
    let pid = first.run("exec sleep 1000");
    let error = Cgroup::create(&plan(&path, &none, layout)).unwrap_err();
    assert!(error.to_string().starts_with("container's cgroup is not empty"), "{error}");
    assert_eq!(sorted(first.cgroup.pids().unwrap()), [pid.0]);
    first.cgroup.kill_all().unwrap();
    first.children[0].wait().unwrap();
    // An empty one is taken over.
    assert!(Cgroup::create(&plan(&path, &none, layout)).is_ok());
    first.cgroup.freeze().unwrap();
    let error = Cgroup::create(&plan(&path, &none, layout)).unwrap_err();
    assert!(error.to_string().starts_with("container's cgroup unexpectedly frozen"), "{error}");
}

#[test]
fn a_used_cgroup_is_refused_on_the_host() {
    let Some(layout) = host() else { return };
    check_used(&layout);
}

#[test]
fn a_used_cgroup_is_refused_on_version_2() {
    let Some(layout) = host_v2() else { return };
    check_used(&layout);
}

/// Only the default devices can be opened.
#[track_caller]
fn check_devices(layout: &CgroupLayout) {
    let resources = Resources { devices: deny_all(), ..Resources::default() };
    let mut made = Made::new(&resources, layout);
    made.cgroup.apply_limits().unwrap();
    made.run(
        "echo x > /dev/null && echo null; head -c1 /dev/zero >/dev/null && echo zero; \
         head -c1 /dev/mem >/dev/null 2>&1 || echo no mem; \
         head -c1 /dev/kmsg >/dev/null 2>&1 || echo no kmsg",
    );
    assert_eq!(made.output(), "null\nzero\nno mem\nno kmsg\n");
    assert!(std::fs::File::open("/dev/kmsg").is_ok(), "the host itself can open it");
}

#[test]
fn denied_devices_cannot_be_opened_on_version_1() {
    let Some(layout) = host_v1() else { return };
    check_devices(&layout);
}

#[test]
fn denied_devices_cannot_be_opened_on_version_2() {
    let Some(layout) = host_v2() else { return };
    check_devices(&layout);
    let resources = Resources { devices: deny_all(), ..Resources::default() };
    let mut made = Made::new(&resources, &layout);
    made.cgroup.apply_limits().unwrap();
    let filters = |made: &Made| {
        let dir = made.cgroup.clone_target().unwrap().unwrap();
        kernel::bpf::attached_device_filters(dir).unwrap()
    };
    let attached = filters(&made);
    assert_eq!(attached.len(), 1);
    // An update of the rules replaces the program; it does not add a second one.
    let program = devices::compile(&deny_all()).unwrap().unwrap();
    let loaded = kernel::bpf::load_device_filter(&program).unwrap();
    let dir = made.cgroup.clone_target().unwrap().unwrap();
    kernel::bpf::replace_device_filter(dir, loaded.as_fd(), attached[0].as_fd()).unwrap();
    assert_eq!(filters(&made).len(), 1);
    kernel::bpf::detach_device_filter(dir, loaded.as_fd()).unwrap();
    assert!(filters(&made).is_empty());
}

#[test]
fn a_relative_sub_cgroup_is_entered_and_removed_with_its_parent() {
    let Some(layout) = host_v2() else { return };
    let mut made = Made::new(&Resources::default(), &layout);
    std::fs::create_dir_all(made.file("", "a/b")).unwrap();
    let mut below = Cgroup::open(&made.record);
    below.narrow(&SubCgroups::parse(&["a/b".to_owned()]).unwrap()).unwrap();
    let pid = made.run("exec sleep 1000");
    below.attach(pid, ClonedInto::Own).unwrap();
    assert_eq!(made.value("", "a/b/cgroup.procs"), pid.0.to_string());
    assert_eq!(sorted(made.cgroup.pids().unwrap()), [pid.0], "pids of those below count");
    let mut moved = Cgroup::open(&made.record);
    moved.follow_init(pid).unwrap();
    assert_eq!(sorted(moved.pids().unwrap()), [pid.0]);
    let error = Cgroup::open(&made.record)
        .narrow(&SubCgroups::parse(&["nowhere".to_owned()]).unwrap())
        .unwrap_err();
    assert!(matches!(error, CgroupError::SubCgroup { .. }), "{error}");
    made.cgroup.kill_all().unwrap();
    made.children[0].wait().unwrap();
    made.cgroup.remove().unwrap();
    assert!(!made.file("", "").exists());
}

#[test]
fn a_process_that_is_still_dying_does_not_keep_its_cgroup() {
    let Some(layout) = host_v2() else { return };
    let mut made = Made::new(&Resources::default(), &layout);
    for _ in 0..20 {
        made.run("exec sleep 1000");
    }
    made.cgroup.kill_all().unwrap();
    // Nobody has waited for them yet.
    made.cgroup.remove().unwrap();
    assert!(!made.file("", "").exists());
}

#[test]
fn a_failed_creation_removes_what_it_made() {
    let Some(layout) = host_v1() else { return };
    let name = unique_name();
    let cpu = Cpu { cpus: Some("4096".to_owned()), ..Cpu::default() };
    let resources = Resources { cpu, ..Resources::default() };
    let error =
        Cgroup::create(&plan(&format!("/{name}/deep/c1"), &resources, &layout)).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("cannot write `4096` to `cpuset.cpus` of cgroup `"), "{message}");
    for legacy in &layout.legacy {
        assert!(!legacy.mount.join(&name).exists(), "{} is left", legacy.mount.display());
    }
}

#[test]
fn limits_of_version_1_are_in_the_files() {
    let Some(layout) = host_v1() else { return };
    let resources = Resources {
        memory: Memory {
            limit: Some(64 << 20),
            swap: Some(128 << 20),
            reservation: Some(32 << 20),
            swappiness: Some(10),
            disable_oom_killer: Some(true),
            ..Memory::default()
        },
        cpu: Cpu {
            shares: Some(512),
            quota: Some(50_000),
            period: Some(100_000),
            burst: Some(1000),
            cpus: Some("0".to_owned()),
            ..Cpu::default()
        },
        pids_limit: Some(50),
        ..Resources::default()
    };
    let mut made = Made::new(&resources, &layout);
    made.cgroup.apply_limits().unwrap();
    made.run("exec sleep 1000");
    assert_eq!(made.value("memory", "memory.limit_in_bytes"), (64 << 20).to_string());
    assert_eq!(made.value("memory", "memory.memsw.limit_in_bytes"), (128 << 20).to_string());
    assert_eq!(made.value("memory", "memory.soft_limit_in_bytes"), (32 << 20).to_string());
    assert_eq!(made.value("memory", "memory.swappiness"), "10");
    assert!(made.value("memory", "memory.oom_control").starts_with("oom_kill_disable 1"));
    assert_eq!(made.value("cpu", "cpu.shares"), "512");
    assert_eq!(made.value("cpu", "cpu.cfs_quota_us"), "50000");
    assert_eq!(made.value("cpu", "cpu.cfs_burst_us"), "1000");
    assert_eq!(made.value("cpuset", "cpuset.cpus"), "0");
    assert!(!made.value("cpuset", "cpuset.mems").is_empty(), "filled from the parent");
    assert_eq!(made.value("pids", "pids.max"), "50");

    let stats = made.cgroup.stats().unwrap();
    assert_eq!((stats.pids.current, stats.pids.limit), (1, 50));
    assert_eq!((stats.memory.usage.limit, stats.memory.swap.limit), (64 << 20, 128 << 20));
    assert_eq!(stats.cpuset.cpus, [0]);
    assert!(!stats.memory.raw.is_empty() && !stats.cpu.usage.percpu.is_empty());
}

#[test]
fn an_update_of_version_1_finds_the_order_and_its_partners() {
    let Some(layout) = host_v1() else { return };
    let limits = |limit: i64, swap: Option<i64>| Resources {
        memory: Memory { limit: Some(limit << 20), swap, ..Memory::default() },
        ..Resources::default()
    };
    let mut made = Made::new(&limits(64, Some(128 << 20)), &layout);
    made.cgroup.apply_limits().unwrap();
    let mut record = made.record.clone();
    let both = |made: &Made| {
        let limit = made.value("memory", "memory.limit_in_bytes");
        (limit, made.value("memory", "memory.memsw.limit_in_bytes"))
    };
    let mib = |a: u64, b: u64| ((a << 20).to_string(), (b << 20).to_string());
    let mut update =
        |resources: &Resources| Cgroup::open(&made.record).update(&mut record, resources);
    // Up: the sum must go first. Down: the limit must.
    update(&limits(256, Some(512 << 20))).unwrap();
    assert_eq!(both(&made), mib(256, 512));
    update(&limits(32, Some(48 << 20))).unwrap();
    assert_eq!(both(&made), mib(32, 48));
    // Above the sum that is kept from before.
    let error = update(&limits(100, None)).unwrap_err().to_string();
    assert!(error.contains("`memory.limit_in_bytes`"), "{error}");
    assert_eq!(both(&made), mib(32, 48));
    let quota = |quota, period| Resources {
        cpu: Cpu { quota, period, ..Cpu::default() },
        ..Resources::default()
    };
    update(&quota(Some(20_000), Some(50_000))).unwrap();
    update(&quota(Some(10_000), None)).unwrap();
    assert_eq!(made.value("cpu", "cpu.cfs_period_us"), "50000");
    // The second write is refused, so the first is taken back.
    let mut bad = quota(Some(30_000), Some(50_000));
    bad.pids_limit = Some(7);
    bad.cpu.idle = Some(5);
    assert!(update(&bad).is_err());
    assert_eq!(made.value("cpu", "cpu.cfs_quota_us"), "10000");
    assert_eq!(made.value("pids", "pids.max"), "max");
}

#[test]
fn limits_of_version_2_are_in_the_files() {
    let Some(layout) = host_with(&["hugetlb"]) else { return };
    if !Path::new("/sys/kernel/mm/hugepages/hugepages-2048kB").exists() {
        return elsewhere("no huge pages of 2 MiB");
    }
    let path = format!("/{}/inner", unique_name());
    let mut resources =
        Resources { hugepages: vec![("2MB".to_owned(), 4 << 20)], ..Resources::default() };
    resources.unified.insert("cgroup.max.depth".to_owned(), "3".to_owned());
    let mut made = Made::try_new(&path, &resources, &layout).unwrap();
    made.cgroup.apply_limits().unwrap();
    assert_eq!(made.value("", "hugetlb.2MB.max"), (4 << 20).to_string());
    assert_eq!(made.value("", "hugetlb.2MB.rsvd.max"), (4 << 20).to_string());
    assert_eq!(made.value("", "cgroup.max.depth"), "3");
    assert!(made.cgroup.stats().unwrap().hugetlb.contains_key("2MB"));
    made.cgroup.remove().unwrap();
    let parent = made.file("", "");
    std::fs::remove_dir(parent.parent().unwrap()).unwrap();
}

#[test]
fn the_kernels_refusal_names_file_and_value() {
    let Some(layout) = host_v2() else { return };
    let mut resources = Resources::default();
    resources.unified.insert("cgroup.max.depth".to_owned(), "many".to_owned());
    let mut made = Made::new(&resources, &layout);
    let error = made.cgroup.apply_limits().unwrap_err().to_string();
    let dir = made.record.paths()[""].clone();
    assert_eq!(error, format!("cannot write `many` to `cgroup.max.depth` of cgroup `{dir}`"));
}

#[test]
fn an_owner_gets_the_delegated_files_and_no_others() {
    use std::os::unix::fs::MetadataExt;
    let Some(layout) = host_v2() else { return };
    let resources = Resources::default();
    let path = format!("/{}", unique_name());
    let mut planned = plan(&path, &resources, &layout);
    planned.owner = Some(HostUid(54_321));
    let record = CgroupRecord::of(&planned, &resources);
    let cgroup = Cgroup::create(&planned).unwrap();
    let mut made = Made { cgroup, record, children: Vec::new() };
    made.cgroup.apply_limits().unwrap();
    let owner = |file: &str| std::fs::metadata(made.file("", file)).unwrap().uid();
    assert_eq!(
        (owner(""), owner("cgroup.procs"), owner("cgroup.subtree_control")),
        (54_321, 54_321, 54_321)
    );
    assert_eq!((owner("cgroup.freeze"), owner("cgroup.max.depth")), (0, 0));
}

#[test]
fn out_of_memory_is_reported_on_version_1() {
    let Some(layout) = host_v1() else { return };
    let resources = Resources {
        memory: Memory { limit: Some(8 << 20), swap: Some(8 << 20), ..Memory::default() },
        ..Resources::default()
    };
    let mut made = Made::new(&resources, &layout);
    made.cgroup.apply_limits().unwrap();
    let mut watch = made.cgroup.watch_oom().unwrap();
    let soon = Some(Duration::from_millis(1));
    assert_eq!(watch.wait(soon).unwrap(), OomEvent::TimedOut);
    made.run("x=a; while :; do x=$x$x; done");
    assert_eq!(watch.wait(Some(Duration::from_secs(60))).unwrap(), OomEvent::Oom);
    made.children.pop().unwrap().wait().unwrap();
    assert!(made.cgroup.oom_kills().unwrap() >= 1);
    made.cgroup.remove().unwrap();
    // What is left in the counter, and then the end.
    let mut last = watch.wait(Some(Duration::from_secs(60))).unwrap();
    while last == OomEvent::Oom {
        last = watch.wait(Some(Duration::from_secs(60))).unwrap();
    }
    assert_eq!(last, OomEvent::Gone);
}

#[test]
fn a_stored_record_opens_the_same_cgroup() {
    let Some(layout) = host() else { return };
    let made = Made::new(&Resources::default(), &layout);
    let text = serde_json::to_string(&made.record).unwrap();
    assert_eq!(serde_json::from_str::<CgroupRecord>(&text).unwrap(), made.record);
    let climbing = text.replace("runt-test", "../runt-test");
    assert!(serde_json::from_str::<CgroupRecord>(&climbing).is_err(), "a path never climbs");
}

#[test]
fn statistics_are_printed_as_runc_prints_them() {
    let Some(layout) = host() else { return };
    let mut made = Made::new(&Resources::default(), &layout);
    made.run("x=0; while [ $x -lt 20000 ]; do x=$((x + 1)); done");
    made.output();
    made.run("exec sleep 1000");
    let json = serde_json::to_value(made.cgroup.stats().unwrap()).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    for key in ["cpu", "cpuset", "memory", "pids", "blkio", "hugetlb"] {
        assert!(keys.contains(&key), "{key} in {json}");
    }
    assert_eq!(json["pids"]["current"], 1);
    assert!(json["cpu"]["usage"]["total"].as_u64().is_some_and(|total| total > 0), "{json}");
    assert!(json["cpuset"]["cpu_exclusive"].is_u64());
    // Zero is left out where runc leaves it out.
    assert_eq!(json["pids"].get("limit"), None);
}

#[test]
fn memory_cpu_and_tasks_of_version_2_are_in_the_files() {
    let Some(layout) = host_with(&["memory", "cpu", "pids", "cpuset"]) else { return };
    let resources = Resources {
        memory: Memory {
            limit: Some(64 << 20),
            swap: Some(64 << 20),
            reservation: Some(16 << 20),
            ..Memory::default()
        },
        cpu: Cpu {
            shares: Some(1024),
            quota: Some(50_000),
            burst: Some(10_000),
            cpus: Some("0".to_owned()),
            ..Cpu::default()
        },
        pids_limit: Some(20),
        ..Resources::default()
    };
    let mut made = Made::new(&resources, &layout);
    made.cgroup.apply_limits().unwrap();
    made.run("echo up; exec sleep 1000");
    made.wait_for_output();
    assert_eq!(made.value("", "memory.max"), (64 << 20).to_string());
    assert_eq!(made.value("", "memory.low"), (16 << 20).to_string());
    if made.file("", "memory.swap.max").exists() {
        assert_eq!(made.value("", "memory.swap.max"), "0");
    }
    assert_eq!(made.value("", "cpu.weight"), "100");
    assert_eq!(made.value("", "cpu.max"), "50000 100000");
    assert_eq!(made.value("", "cpu.max.burst"), "10000");
    assert_eq!(made.value("", "cpuset.cpus"), "0");
    assert_eq!(made.value("", "pids.max"), "20");
    let stats = made.cgroup.stats().unwrap();
    assert_eq!((stats.pids.current, stats.pids.limit), (1, 20));
    assert_eq!(stats.memory.usage.limit, 64 << 20);
    assert!(stats.memory.usage.usage > 0 && stats.memory.raw.contains_key("anon"));
    let mut record = made.record.clone();
    let mut update =
        |resources: &Resources| Cgroup::open(&made.record).update(&mut record, resources);
    // The partner is kept: as much swap as before, whatever the memory.
    let more = Memory { limit: Some(32 << 20), ..Memory::default() };
    update(&Resources { memory: more, ..Resources::default() }).unwrap();
    assert_eq!(made.value("", "memory.max"), (32 << 20).to_string());
    if made.file("", "memory.swap.max").exists() {
        assert_eq!(made.value("", "memory.swap.max"), (32 << 20).to_string());
    }
    let quota = Cpu { quota: Some(20_000), ..Cpu::default() };
    update(&Resources { cpu: quota, ..Resources::default() }).unwrap();
    assert_eq!(made.value("", "cpu.max"), "20000 100000");
    let tiny = Memory {
        limit: Some(1),
        swap: Some(1),
        check_before_update: Some(true),
        ..Memory::default()
    };
    let error = update(&Resources { memory: tiny, ..Resources::default() }).unwrap_err();
    assert!(error.to_string().starts_with("rejecting memory+swap limit 1"), "{error}");
    assert_eq!(made.value("", "memory.max"), (32 << 20).to_string());
}

#[test]
fn out_of_memory_is_reported_on_version_2() {
    let Some(layout) = host_with(&["memory"]) else { return };
    let resources = Resources {
        memory: Memory { limit: Some(8 << 20), swap: Some(8 << 20), ..Memory::default() },
        ..Resources::default()
    };
    let mut made = Made::new(&resources, &layout);
    made.cgroup.apply_limits().unwrap();
    made.run("exec sleep 1000");
    let mut watch = made.cgroup.watch_oom().unwrap();
    let soon = Some(Duration::from_millis(1));
    assert_eq!(watch.wait(soon).unwrap(), OomEvent::TimedOut);
    made.run("x=a; while :; do x=$x$x; done");
    let long = Some(Duration::from_secs(120));
    assert_eq!(watch.wait(long).unwrap(), OomEvent::Oom);
    assert!(made.cgroup.oom_kills().unwrap() >= 1);
    made.cgroup.kill_all().unwrap();
    for child in &mut made.children {
        child.wait().unwrap();
    }
    let mut last = watch.wait(long).unwrap();
    while last == OomEvent::Oom {
        last = watch.wait(long).unwrap();
    }
    assert_eq!(last, OomEvent::Gone);
}

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
    let request = CgroupRequest {
        id: "c1",
        driver: Driver::Systemd,
        cgroups_path: Some(&path),
        resources,
        device_nodes: &[],
        extensions: &extensions,
        rootless: false,
        user_bus: None,
        delegate_to: None,
    };
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
    let request = CgroupRequest {
        id: "c1",
        driver: Driver::Systemd,
        cgroups_path: None,
        resources: &resources,
        device_nodes: &[],
        extensions: &extensions,
        rootless: false,
        user_bus: None,
        delegate_to: None,
    };
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
        id: "c1",
        driver: Driver::Systemd,
        cgroups_path: Some(&path),
        resources: &resources,
        device_nodes: &[],
        extensions: &extensions,
        rootless: true,
        user_bus: Some(&address),
        delegate_to: None,
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
