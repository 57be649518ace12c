//! Golden plans: the request in, the trace out.

use std::path::PathBuf;

use super::*;
use crate::cgroup::layout::{Legacy, Unified};
use crate::spec::{BlockIo, Cpu, DeviceAccess, DeviceRule, DeviceRuleKind, Memory};
use crate::spec::{ThrottleDevice, WeightDevice};

fn v2() -> CgroupLayout {
    let controllers = "cpuset cpu io memory hugetlb pids rdma misc";
    CgroupLayout {
        unified: Some(Unified {
            mount: PathBuf::from("/sys/fs/cgroup"),
            own: CgroupPath::parse("/user.slice/user-0.slice/session-1.scope").unwrap(),
            controllers: controllers.split(' ').map(str::to_owned).collect(),
        }),
        legacy: Vec::new(),
    }
}

fn v1(names: &str) -> CgroupLayout {
    let legacy = |name: &str| Legacy {
        names: name.split(',').map(str::to_owned).collect(),
        mount: PathBuf::from("/sys/fs/cgroup").join(name.trim_start_matches("name=")),
        own: CgroupPath::parse("/own").unwrap(),
    };
    CgroupLayout { unified: None, legacy: names.split(' ').map(legacy).collect() }
}

/// Everything is allowed, so that a golden text is about something else.
fn all_devices() -> Vec<DeviceRule> {
    vec![DeviceRule {
        allow: true,
        kind: DeviceRuleKind::All,
        major: None,
        minor: None,
        access: DeviceAccess { read: true, write: true, mknod: true },
    }]
}

fn request<'a>(resources: &'a Resources, extensions: &'a Extensions) -> CgroupRequest<'a> {
    CgroupRequest {
        id: "c1",
        driver: Driver::Cgroupfs,
        cgroups_path: Some("/a/c1"),
        resources,
        device_nodes: &[],
        extensions,
        rootless: false,
        user_bus: None,
        delegate_to: None,
    }
}

fn plan(resources: &Resources, layout: &CgroupLayout) -> Result<CgroupPlan, CgroupError> {
    CgroupPlan::new(&request(resources, &Extensions::default()), layout)
}

/// Compares the steps alone: directories and controllers have tests of their own.
#[track_caller]
fn check_steps(mut resources: Resources, layout: &CgroupLayout, golden: &[&str]) {
    resources.devices = all_devices();
    let shown = plan(&resources, layout).unwrap().to_string();
    let is_step = |line: &&str| !line.starts_with("make ") && !line.starts_with("enable ");
    let steps: Vec<&str> = shown.lines().filter(is_step).collect();
    assert_eq!(steps, golden);
}

#[track_caller]
fn check_refused(resources: Resources, layout: &CgroupLayout, words: &[&str]) {
    let error = plan(&resources, layout).unwrap_err().to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
}

fn memory(memory: Memory) -> Resources {
    Resources { memory, ..Resources::default() }
}

fn cpu(cpu: Cpu) -> Resources {
    Resources { cpu, ..Resources::default() }
}

#[test]
fn a_plain_container_takes_a_directory_and_a_filter() {
    let shown = plan(&Resources::default(), &v2()).unwrap().to_string();
    assert_eq!(
        shown,
        "make cgroup /sys/fs/cgroup/a/c1\n\
         enable controllers cpuset cpu io memory hugetlb pids rdma misc\n\
         attach a device filter of 43 instructions\n"
    );
}

#[test]
fn relative_paths_lie_beside_us_on_v2_and_below_us_on_v1() {
    let extensions = Extensions::default();
    let resources = Resources { devices: all_devices(), ..Resources::default() };
    let dirs = |cgroups_path, layout: &CgroupLayout| {
        let request = CgroupRequest { cgroups_path, ..request(&resources, &extensions) };
        let plan = CgroupPlan::new(&request, layout).unwrap();
        plan.places.iter().map(|p| p.dir().display().to_string()).collect::<Vec<_>>()
    };
    let beside = "/sys/fs/cgroup/user.slice/user-0.slice";
    assert_eq!(dirs(None, &v2()), [format!("{beside}/c1")]);
    assert_eq!(dirs(Some("x/y"), &v2()), [format!("{beside}/x/y")]);
    let v1 = v1("cpu,cpuacct name=systemd devices");
    assert_eq!(
        dirs(None, &v1),
        [
            "/sys/fs/cgroup/cpu,cpuacct/own/c1",
            "/sys/fs/cgroup/systemd/own/c1",
            "/sys/fs/cgroup/devices/own/c1"
        ]
    );
    let hybrid = CgroupLayout {
        unified: Some(Unified {
            mount: PathBuf::from("/sys/fs/cgroup/unified"),
            own: CgroupPath::parse("/own").unwrap(),
            controllers: Vec::new(),
        }),
        ..v1
    };
    assert_eq!(dirs(None, &hybrid)[3], "/sys/fs/cgroup/unified/c1");
    assert_eq!(dirs(Some("/abs"), &hybrid)[3], "/sys/fs/cgroup/unified/abs");
}

#[test]
fn paths_that_name_no_cgroup_are_refused() {
    let (resources, extensions) = (Resources::default(), Extensions::default());
    for (driver, path) in [
        (Driver::Cgroupfs, "/"),
        (Driver::Cgroupfs, "/a/../b"),
        (Driver::Systemd, "/a/b"),
        (Driver::Systemd, "a.slice:b"),
    ] {
        let cgroups_path = Some(path);
        let request = CgroupRequest { driver, cgroups_path, ..request(&resources, &extensions) };
        let error = CgroupPlan::new(&request, &v2()).unwrap_err().to_string();
        assert!(error.contains(&format!("`linux.cgroupsPath` `{path}`")), "{error}");
    }
}

#[test]
fn memory_on_v2_turns_the_sum_into_swap() {
    check_steps(
        memory(Memory {
            limit: Some(100),
            swap: Some(300),
            reservation: Some(50),
            kernel: Some(-1),
            kernel_tcp: Some(0),
            disable_oom_killer: Some(false),
            use_hierarchy: Some(true),
            check_before_update: Some(true),
            swappiness: None,
        }),
        &v2(),
        &[
            "refuse if memory+swap usage is 300 or more",
            "refuse if memory usage is 100 or more",
            "write \"200\" to /sys/fs/cgroup/a/c1/memory.swap.max",
            "write \"100\" to /sys/fs/cgroup/a/c1/memory.max",
            "write \"50\" to /sys/fs/cgroup/a/c1/memory.low",
        ],
    );
    check_steps(
        memory(Memory { limit: Some(-1), ..Memory::default() }),
        &v2(),
        &[
            "write \"max\" to /sys/fs/cgroup/a/c1/memory.swap.max if it exists",
            "write \"max\" to /sys/fs/cgroup/a/c1/memory.max",
        ],
    );
}

#[test]
fn memory_on_v1_lets_limit_and_sum_find_their_order() {
    check_steps(
        memory(Memory {
            limit: Some(100),
            swap: Some(300),
            reservation: Some(50),
            swappiness: Some(60),
            disable_oom_killer: Some(true),
            kernel_tcp: Some(9),
            ..Memory::default()
        }),
        &v1("memory devices"),
        &[
            "in any order",
            "  write \"100\" to /sys/fs/cgroup/memory/a/c1/memory.limit_in_bytes",
            "  write \"300\" to /sys/fs/cgroup/memory/a/c1/memory.memsw.limit_in_bytes",
            "write \"50\" to /sys/fs/cgroup/memory/a/c1/memory.soft_limit_in_bytes",
            "write \"9\" to /sys/fs/cgroup/memory/a/c1/memory.kmem.tcp.limit_in_bytes",
            "write \"1\" to /sys/fs/cgroup/memory/a/c1/memory.oom_control",
            "write \"60\" to /sys/fs/cgroup/memory/a/c1/memory.swappiness",
        ],
    );
}

#[test]
fn what_v2_has_no_file_for_is_refused_by_name() {
    let with = |change: fn(&mut Memory)| {
        let mut changed = Memory::default();
        change(&mut changed);
        memory(changed)
    };
    check_refused(with(|m| m.swappiness = Some(1)), &v2(), &["linux.resources.memory.swappiness"]);
    check_refused(with(|m| m.kernel = Some(1)), &v2(), &["linux.resources.memory.kernel`"]);
    check_refused(with(|m| m.kernel_tcp = Some(1)), &v2(), &["memory.kernelTCP"]);
    check_refused(with(|m| m.disable_oom_killer = Some(true)), &v2(), &["disableOOMKiller"]);
    check_refused(with(|m| m.use_hierarchy = Some(false)), &v2(), &["memory.useHierarchy"]);
    check_refused(with(|m| m.swap = Some(5)), &v2(), &["memory.swap", "without memory limit"]);
    let runtime = Cpu { realtime_runtime: Some(5), ..Cpu::default() };
    check_refused(cpu(runtime), &v2(), &["cpu.realtimeRuntime"]);
    let leaf = BlockIo { leaf_weight: Some(100), ..BlockIo::default() };
    let resources = Resources { block_io: leaf, ..Resources::default() };
    check_refused(resources, &v2(), &["blockIO.leafWeight"]);
    let resources = Resources { net_class_id: Some(1), ..Resources::default() };
    check_refused(resources, &v2(), &["network.classID", "controller `net_cls` not available"]);
    let resources = Resources { net_priorities: vec![("lo".into(), 1)], ..Resources::default() };
    check_refused(resources, &v2(), &["network.priorities", "`net_prio`"]);
}

#[test]
fn a_controller_the_host_lacks_is_named() {
    let layout = v1("devices");
    let limit = Memory { limit: Some(1), ..Memory::default() };
    check_refused(memory(limit), &layout, &["`linux.resources.memory`", "`memory` not available"]);
    let resources = Resources { hugepages: vec![("2MB".into(), 1)], ..Resources::default() };
    check_refused(resources, &layout, &["hugepageLimits", "`hugetlb`"]);
    let resources = Resources { pids_limit: Some(1), ..Resources::default() };
    check_refused(resources, &layout, &["pids.limit"]);
    check_refused(Resources::default(), &v1("cpu"), &["linux.resources.devices", "`devices`"]);
    // What changes nothing needs no controller.
    let nothing = Memory { limit: Some(0), disable_oom_killer: Some(false), ..Memory::default() };
    assert!(plan(&memory(nothing), &layout).is_ok());
    let error = plan(&Resources::default(), &CgroupLayout::default()).unwrap_err();
    assert!(matches!(error, CgroupError::NoHierarchy));
}

#[test]
fn cpu_on_v2() {
    check_steps(
        cpu(Cpu {
            shares: Some(1024),
            quota: Some(50_000),
            burst: Some(10_000),
            cpus: Some("0-1".into()),
            mems: Some("0".into()),
            idle: Some(1),
            ..Cpu::default()
        }),
        &v2(),
        &[
            "write \"0-1\" to /sys/fs/cgroup/a/c1/cpuset.cpus",
            "write \"0\" to /sys/fs/cgroup/a/c1/cpuset.mems",
            "write \"100\" to /sys/fs/cgroup/a/c1/cpu.weight",
            "write \"1\" to /sys/fs/cgroup/a/c1/cpu.idle",
            "in any order",
            "  write \"10000\" to /sys/fs/cgroup/a/c1/cpu.max.burst",
            "  write \"50000 100000\" to /sys/fs/cgroup/a/c1/cpu.max",
        ],
    );
    check_steps(
        cpu(Cpu { quota: Some(-1), period: Some(5000), idle: Some(0), ..Cpu::default() }),
        &v2(),
        &[
            "write \"0\" to /sys/fs/cgroup/a/c1/cpu.idle",
            "write \"max 5000\" to /sys/fs/cgroup/a/c1/cpu.max",
        ],
    );
    let burst = Cpu { quota: Some(1000), burst: Some(1001), ..Cpu::default() };
    check_refused(cpu(burst), &v2(), &["cpu.burst"]);
}

#[test]
fn cpu_on_v1_prepares_cpusets_and_realtime() {
    check_steps(
        cpu(Cpu {
            shares: Some(512),
            quota: Some(50_000),
            period: Some(100_000),
            realtime_runtime: Some(7),
            realtime_period: Some(9),
            cpus: Some("0".into()),
            ..Cpu::default()
        }),
        &v1("cpuset cpu devices"),
        &[
            "fill empty cpusets down to /sys/fs/cgroup/cpuset/a/c1",
            "write \"0\" to /sys/fs/cgroup/cpuset/a/c1/cpuset.cpus",
            "in any order",
            "  write \"9\" to /sys/fs/cgroup/cpu/a/c1/cpu.rt_period_us",
            "  write \"7\" to /sys/fs/cgroup/cpu/a/c1/cpu.rt_runtime_us",
            "write \"512\" to /sys/fs/cgroup/cpu/a/c1/cpu.shares",
            "in any order",
            "  write \"100000\" to /sys/fs/cgroup/cpu/a/c1/cpu.cfs_period_us",
            "  write \"50000\" to /sys/fs/cgroup/cpu/a/c1/cpu.cfs_quota_us",
        ],
    );
    for (shares, word) in [(1, "minimum"), (262_145, "maximum")] {
        let cpu_shares = Cpu { shares: Some(shares), ..Cpu::default() };
        check_refused(cpu(cpu_shares), &v1("cpu devices"), &["cpu.shares", word]);
    }
}

#[test]
fn block_io_on_both() {
    let throttle = |rate| vec![ThrottleDevice { major: 8, minor: 0, rate }];
    let io = BlockIo {
        weight: Some(500),
        weight_devices: vec![WeightDevice {
            major: 8,
            minor: 16,
            weight: Some(10),
            leaf_weight: None,
        }],
        read_bps: throttle(600),
        write_iops: throttle(0),
        ..BlockIo::default()
    };
    let resources = Resources { block_io: io, ..Resources::default() };
    check_steps(
        resources.clone(),
        &v2(),
        &[
            "the first that exists",
            "  write \"500\" to /sys/fs/cgroup/a/c1/io.bfq.weight",
            "  write \"4950\" to /sys/fs/cgroup/a/c1/io.weight",
            "the first that exists",
            "  write \"8:16 10\" to /sys/fs/cgroup/a/c1/io.bfq.weight",
            "  write \"8:16 1\" to /sys/fs/cgroup/a/c1/io.weight",
            "write \"8:0 rbps=600\" to /sys/fs/cgroup/a/c1/io.max",
            "write \"8:0 wiops=max\" to /sys/fs/cgroup/a/c1/io.max",
        ],
    );
    check_steps(
        resources,
        &v1("blkio devices"),
        &[
            "the first that exists",
            "  write \"500\" to /sys/fs/cgroup/blkio/a/c1/blkio.weight",
            "  write \"500\" to /sys/fs/cgroup/blkio/a/c1/blkio.bfq.weight",
            "the first that exists",
            "  write \"8:16 10\" to /sys/fs/cgroup/blkio/a/c1/blkio.weight_device",
            "  write \"8:16 10\" to /sys/fs/cgroup/blkio/a/c1/blkio.bfq.weight_device",
            "write \"8:0 600\" to /sys/fs/cgroup/blkio/a/c1/blkio.throttle.read_bps_device",
            "write \"8:0 0\" to /sys/fs/cgroup/blkio/a/c1/blkio.throttle.write_iops_device",
        ],
    );
    let heavy = BlockIo { weight: Some(1001), ..BlockIo::default() };
    let resources = Resources { block_io: heavy, ..Resources::default() };
    check_refused(resources, &v2(), &["blockIO.weight"]);
}

#[test]
fn the_small_controllers() {
    let mut resources = Resources {
        pids_limit: Some(0),
        hugepages: vec![("2MB".into(), 4096)],
        ..Resources::default()
    };
    resources.rdma.insert("mlx5_1".into(), (Some(3), Some(10_000)));
    resources.unified.insert("memory.high".into(), "1000".into());
    resources.unified.insert("io.max".into(), "8:0 rbps=1\n8:16 wbps=2".into());
    resources.unified.insert("cgroup.max.depth".into(), "3".into());
    check_steps(
        resources,
        &v2(),
        &[
            "write \"1\" to /sys/fs/cgroup/a/c1/pids.max",
            "write \"4096\" to /sys/fs/cgroup/a/c1/hugetlb.2MB.max",
            "write \"4096\" to /sys/fs/cgroup/a/c1/hugetlb.2MB.rsvd.max if it exists",
            "write \"mlx5_1 hca_handle=3 hca_object=10000\" to /sys/fs/cgroup/a/c1/rdma.max",
            "write \"3\" to /sys/fs/cgroup/a/c1/cgroup.max.depth",
            "write \"8:0 rbps=1\" to /sys/fs/cgroup/a/c1/io.max",
            "write \"8:16 wbps=2\" to /sys/fs/cgroup/a/c1/io.max",
            "write \"1000\" to /sys/fs/cgroup/a/c1/memory.high",
        ],
    );
    let net = Resources {
        net_class_id: Some(1_048_577),
        net_priorities: vec![("eth0".into(), 500)],
        pids_limit: Some(-1),
        ..Resources::default()
    };
    check_steps(
        net,
        &v1("net_cls,net_prio pids devices"),
        &[
            "write \"max\" to /sys/fs/cgroup/pids/a/c1/pids.max",
            "write \"1048577\" to /sys/fs/cgroup/net_cls,net_prio/a/c1/net_cls.classid",
            "write \"eth0 500\" to /sys/fs/cgroup/net_cls,net_prio/a/c1/net_prio.ifpriomap",
        ],
    );
}

#[test]
fn unified_names_a_controller_that_must_be_there() {
    let unified = |file: &str| {
        let mut resources = Resources::default();
        resources.unified.insert(file.to_owned(), "1".to_owned());
        resources
    };
    check_refused(unified("xyz.max"), &v2(), &["unified resource xyz.max", "`xyz` not available"]);
    check_refused(unified("memory"), &v2(), &["CONTROLLER.PARAMETER"]);
    check_refused(unified("memory.min"), &v1("devices"), &["invalid configuration"]);
}

#[test]
fn limits_mark_the_controllers_they_need() {
    let resources =
        Resources { pids_limit: Some(5), devices: all_devices(), ..Resources::default() };
    let plan = plan(&resources, &v2()).unwrap();
    let required: Vec<&str> =
        plan.controllers.iter().filter(|c| c.required).map(|c| c.name.as_str()).collect();
    assert_eq!((required, plan.needs), (vec!["pids"], Some("pids")));
}

#[test]
fn a_controller_of_a_hybrid_hosts_unified_hierarchy_is_used_there() {
    let hybrid = CgroupLayout {
        unified: Some(Unified {
            mount: PathBuf::from("/sys/fs/cgroup/unified"),
            own: CgroupPath::root(),
            controllers: vec!["hugetlb".into()],
        }),
        ..v1("devices")
    };
    check_steps(
        Resources { hugepages: vec![("1GB".into(), 1)], ..Resources::default() },
        &hybrid,
        &[
            "write \"1\" to /sys/fs/cgroup/unified/a/c1/hugetlb.1GB.max",
            "write \"1\" to /sys/fs/cgroup/unified/a/c1/hugetlb.1GB.rsvd.max if it exists",
        ],
    );
}

#[test]
fn annotations_set_what_the_config_has_no_word_for() {
    let extensions = Extensions {
        memory_high: Some(9),
        memory_min: Some(1),
        memory_low: Some(2),
        ..Extensions::default()
    };
    let resources = Resources { devices: all_devices(), ..Resources::default() };
    let shown = CgroupPlan::new(&request(&resources, &extensions), &v2()).unwrap().to_string();
    for line in
        ["\"9\" to /sys/fs/cgroup/a/c1/memory.high", "\"1\" to /sys/fs/cgroup/a/c1/memory.min"]
    {
        assert!(shown.contains(line), "{shown}");
    }
    let error = CgroupPlan::new(&request(&resources, &extensions), &v1("memory devices"));
    assert!(error.is_err());
}

#[test]
fn a_scope_of_systemd() {
    let resources = Resources { devices: all_devices(), ..Resources::default() };
    let extensions = Extensions {
        systemd_properties: vec![("TimeoutStopSec".into(), "uint64 3".into())],
        ..Extensions::default()
    };
    let request = CgroupRequest {
        driver: Driver::Systemd,
        cgroups_path: Some("machine-a.slice:libpod:c1"),
        delegate_to: Some(HostUid(1000)),
        ..request(&resources, &extensions)
    };
    assert_eq!(
        CgroupPlan::new(&request, &v2()).unwrap().to_string(),
        "start transient unit libpod-c1.scope in machine-a.slice\n  \
           with Description='container c1'\n  \
           with Slice='machine-a.slice'\n  \
           with Delegate=true\n  \
           with MemoryAccounting=true\n  \
           with CPUAccounting=true\n  \
           with IOAccounting=true\n  \
           with TasksAccounting=true\n  \
           with DefaultDependencies=false\n  \
           with TimeoutStopUSec=uint64 3000000\n\
         make cgroup /sys/fs/cgroup/machine.slice/machine-a.slice/libpod-c1.scope\n\
         enable controllers cpuset cpu io memory hugetlb pids rdma misc\n\
         give the cgroup to user 1000\n"
    );
}

#[test]
fn a_users_systemd_has_its_own_root() {
    let (resources, extensions) = (Resources::default(), Extensions::default());
    let request = CgroupRequest {
        driver: Driver::Systemd,
        cgroups_path: None,
        rootless: true,
        ..request(&resources, &extensions)
    };
    let mut layout = v2();
    let own = "/user.slice/user-7.slice/user@7.service/app.slice/x.scope";
    layout.unified.as_mut().unwrap().own = CgroupPath::parse(own).unwrap();
    let plan = CgroupPlan::new(&request, &layout).unwrap();
    assert_eq!(
        plan.places[0].path.as_str(),
        "/user.slice/user-7.slice/user@7.service/user.slice/runt-c1.scope"
    );
    assert!(plan.optional && plan.devices_optional);
}
