//! The handle on the real kernel: the host's own layout, and its cgroup2 mount by itself.
//!
//! Every test makes cgroups of its own name and removes them, also when it fails.

mod limits;
mod systemd;

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

fn request<'a>(
    driver: Driver,
    path: Option<&'a str>,
    resources: &'a Resources,
    extensions: &'a Extensions,
) -> CgroupRequest<'a> {
    CgroupRequest {
        id: "c1",
        driver,
        cgroups_path: path,
        resources,
        device_nodes: &[],
        extensions,
        rootless: false,
        user_bus: None,
        delegate_to: None,
    }
}

fn plan(path: &str, resources: &Resources, layout: &CgroupLayout) -> CgroupPlan {
    let extensions = Extensions::default();
    let request = request(Driver::Cgroupfs, Some(path), resources, &extensions);
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
    let path = |cgroup: &Cgroup| cgroup.unified().unwrap().place.path.clone();
    assert_eq!(path(&moved), path(&made.cgroup), "it takes processes still");
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
fn who_joins_goes_where_init_is_once_the_cgroup_itself_takes_no_process() {
    let Some(layout) = host_with(&["pids"]) else { return };
    let resources = Resources { pids_limit: Some(100), ..Resources::default() };
    let mut made = Made::new(&resources, &layout);
    let pid = made.run("exec sleep 1000");
    std::fs::create_dir(made.file("", "below")).unwrap();
    std::fs::write(made.file("", "below/cgroup.procs"), pid.0.to_string()).unwrap();
    std::fs::write(made.file("", "cgroup.subtree_control"), "+pids").unwrap();
    let mut moved = Cgroup::open(&made.record);
    moved.follow_init(pid).unwrap();
    let other = made.children.len();
    made.children.push(Command::new("sleep").arg("1000").spawn().unwrap());
    let joins = HostPid(made.children[other].id().cast_signed());
    moved.attach(joins, ClonedInto::Own).unwrap();
    let expected =
        sorted(vec![pid, joins]).iter().map(|pid| format!("{pid}\n")).collect::<String>();
    assert_eq!(made.value("", "below/cgroup.procs"), expected.trim());
    made.cgroup.kill_all().unwrap();
    for child in &mut made.children {
        child.wait().unwrap();
    }
    made.cgroup.remove().unwrap();
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
