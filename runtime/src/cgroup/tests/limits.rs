//! Limits and statistics, and what the kernel makes of them.

use super::*;

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
