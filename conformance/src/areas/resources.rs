//! `linux.resources` and `update`: each property read back from the cgroup's files.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::harness::bundle::Bundle;
use crate::harness::container::Container;
use crate::harness::expect::{contains, equal, holds};
use crate::harness::host::{Need, has_cgroup_v2};
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

const CPU: &str = "config-linux.md#cpu";
const CPUSET: &str = "config-linux.md#cpu cpus, mems";
const MEMORY: &str = "config-linux.md#memory";
const IO: &str = "config-linux.md#block-io";
const UPDATE: &str = "runc-update(8)";
const ON_CPU: &[Need] = &[Need::Controller("cpu")];
const ON_CPUSET: &[Need] = &[Need::Controller("cpuset")];
const ON_MEMORY: &[Need] = &[Need::Controller("memory")];
const ON_PIDS: &[Need] = &[Need::Controller("pids")];
const MIB: i64 = 1 << 20;

pub(crate) const TESTS: &[Test] = &[
    test("cpu-shares", CPU, ON_CPU, cpu_shares),
    test("cpu-quota-and-period", CPU, ON_CPU, cpu_quota),
    test("cpu-quota-alone", CPU, ON_CPU, cpu_quota_alone),
    test("cpu-quota-unlimited", CPU, ON_CPU, cpu_quota_unlimited),
    test("cpu-burst", CPU, ON_CPU, cpu_burst),
    test("cpu-idle", CPU, ON_CPU, cpu_idle),
    test("cpu-quota-too-small-refused", CPU, ON_CPU, cpu_quota_small),
    test("cpuset-cpus", CPUSET, ON_CPUSET, cpuset_cpus),
    test("cpuset-mems", CPUSET, ON_CPUSET, cpuset_mems),
    test("cpuset-is-the-affinity", CPUSET, ON_CPUSET, cpuset_affinity),
    test("cpuset-impossible-refused", CPUSET, ON_CPUSET, cpuset_bad),
    test("memory-limit", MEMORY, ON_MEMORY, memory_limit),
    test("memory-limit-unlimited", MEMORY, ON_MEMORY, memory_unlimited),
    test("memory-reservation", MEMORY, ON_MEMORY, memory_reservation),
    test("memory-swap", MEMORY, ON_MEMORY, memory_swap),
    test("memory-swap-below-limit-refused", MEMORY, ON_MEMORY, memory_swap_low),
    test(
        "memory-swappiness",
        MEMORY,
        &[Need::Controller("memory"), Need::CgroupV1],
        memory_swappiness,
    ),
    test(
        "memory-swappiness-out-of-range-refused",
        MEMORY,
        &[Need::Controller("memory"), Need::CgroupV1],
        memory_swappiness_bad,
    ),
    test(
        "memory-disable-oom-killer",
        MEMORY,
        &[Need::Controller("memory"), Need::CgroupV1],
        memory_oom,
    ),
    test("memory-limit-kills", MEMORY, ON_MEMORY, memory_kills),
    test("memory-limit-small", MEMORY, ON_MEMORY, memory_small),
    test("pids-limit", "config-linux.md#pids", ON_PIDS, pids_limit),
    test("pids-limit-unlimited", "config-linux.md#pids", ON_PIDS, pids_unlimited),
    test("pids-limit-zero-before-version-1-3", "config-linux.md#pids", ON_PIDS, pids_zero),
    test("pids-limit-holds", "config-linux.md#pids", ON_PIDS, pids_holds),
    test("block-io-throttle", IO, &[Need::Controller("blkio"), Need::CgroupV1], io_throttle),
    test("block-io-throttle-v2", IO, &[Need::Controller("io"), Need::CgroupV2], io_throttle_v2),
    test("block-io-weight", IO, &[Need::Controller("blkio"), Need::CgroupV1], io_weight),
    test(
        "block-io-unknown-device-refused",
        IO,
        &[Need::Controller("blkio"), Need::CgroupV1],
        io_unknown,
    ),
    test(
        "hugepage-limit",
        "config-linux.md#huge-page-limits",
        &[Need::Controller("hugetlb"), Need::CgroupV2],
        hugepage,
    ),
    test(
        "hugepage-unknown-size-refused",
        "config-linux.md#huge-page-limits",
        &[Need::Controller("hugetlb"), Need::CgroupV2],
        hugepage_unknown,
    ),
    test(
        "network-class-id-absent-refused",
        "config-linux.md#network",
        &[Need::NoPath("/sys/fs/cgroup/net_cls"), Need::CgroupV1],
        net_cls_absent,
    ),
    test(
        "unified-property",
        "config-linux.md#unified",
        &[Need::Controller("pids"), Need::CgroupV2],
        unified,
    ),
    test("unified-on-v1-refused", "config-linux.md#unified", &[Need::CgroupV1], unified_v1),
    test("unified-unknown-refused", "config-linux.md#unified", &[Need::CgroupV2], unified_unknown),
    test("unified-with-slash-refused", "config-linux.md#unified", &[Need::CgroupV2], unified_slash),
    test("update-cpu-share", UPDATE, ON_CPU, update_cpu_share),
    test("update-cpu-quota", UPDATE, ON_CPU, update_cpu_quota),
    test("update-cpu-period-alone-keeps-quota", UPDATE, ON_CPU, update_cpu_period),
    test("update-cpu-burst", UPDATE, ON_CPU, update_cpu_burst),
    test("update-cpuset", UPDATE, ON_CPUSET, update_cpuset),
    test("update-memory", UPDATE, ON_MEMORY, update_memory),
    test("update-memory-units", UPDATE, ON_MEMORY, update_memory_units),
    test("update-memory-swap", UPDATE, ON_MEMORY, update_memory_swap),
    test("update-memory-reservation", UPDATE, ON_MEMORY, update_reservation),
    test("update-pids-limit", UPDATE, ON_PIDS, update_pids),
    test("update-pids-limit-zero", UPDATE, ON_PIDS, update_pids_zero),
    test("update-resources-file", UPDATE, ON_PIDS, update_file),
    test("update-resources-stdin", UPDATE, ON_PIDS, update_stdin),
    test(
        "update-keeps-the-rest",
        UPDATE,
        &[Need::Controller("pids"), Need::Controller("cpu")],
        update_keeps,
    ),
    test(
        "update-is-remembered",
        UPDATE,
        &[Need::Controller("pids"), Need::Controller("cpu")],
        update_remembered,
    ),
    test("update-bad-value-refused", UPDATE, &[], update_bad),
    test("update-bad-file-refused", UPDATE, &[], update_bad_file),
    test("update-stopped-refused", UPDATE, &[], update_stopped),
    test(
        "update-keeps-devices",
        UPDATE,
        &[Need::Controller("devices"), Need::CgroupV1],
        update_devices,
    ),
    test("exec-is-in-the-cgroup", "runc-exec(8)", &[], exec_in_cgroup),
];

/// A file by either version: controller, v1 name and value, v2 name and value.
struct Want<'w> {
    controller: &'w str,
    v1: (&'w str, &'w str),
    v2: (&'w str, &'w str),
}

fn check(container: &Container<'_>, want: &Want<'_>) -> Result<()> {
    let (file, value) = if has_cgroup_v2() { want.v2 } else { want.v1 };
    equal(file, container.cgroup_file(want.controller, file)?.as_str(), value)
}

/// Starts a container with `resources` and compares the file.
fn reads(scene: &Scene, resources: Value, want: &Want<'_>) -> Result<()> {
    check(&limited(scene, resources)?, want)
}

fn limited(scene: &Scene, resources: Value) -> Result<Container<'_>> {
    scene.idle(|b| {
        b.set("/linux/resources", resources);
    })
}

/// Starts a plain container, updates it with `flags` and compares the file.
fn updates(scene: &Scene, flags: &[&str], want: &Want<'_>) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.command("update", flags).run()?.ok()?;
    check(&container, want)
}

const fn cpu<'w>(v1: (&'w str, &'w str), v2: (&'w str, &'w str)) -> Want<'w> {
    Want { controller: "cpu", v1, v2 }
}

const fn memory<'w>(v1: (&'w str, &'w str), v2: (&'w str, &'w str)) -> Want<'w> {
    Want { controller: "memory", v1, v2 }
}

fn pids(value: &str) -> Want<'_> {
    Want { controller: "pids", v1: ("pids.max", value), v2: ("pids.max", value) }
}

fn cpu_shares(scene: &Scene) -> Result<()> {
    // Version 2 maps the range 2..=262144 onto 1..=10000.
    let container = limited(scene, json!({ "cpu": { "shares": 2 } }))?;
    check(&container, &cpu(("cpu.shares", "2"), ("cpu.weight", "1")))?;
    // So little processor time makes dying slow.
    container.stop()
}

fn cpu_quota(scene: &Scene) -> Result<()> {
    let container = limited(scene, json!({ "cpu": { "quota": 20_000, "period": 50_000 } }))?;
    check(&container, &cpu(("cpu.cfs_quota_us", "20000"), ("cpu.max", "20000 50000")))?;
    check(&container, &cpu(("cpu.cfs_period_us", "50000"), ("cpu.max", "20000 50000")))
}

fn cpu_quota_alone(scene: &Scene) -> Result<()> {
    reads(
        scene,
        json!({ "cpu": { "quota": 30_000 } }),
        &cpu(("cpu.cfs_quota_us", "30000"), ("cpu.max", "30000 100000")),
    )
}

fn cpu_quota_unlimited(scene: &Scene) -> Result<()> {
    reads(
        scene,
        json!({ "cpu": { "quota": -1 } }),
        &cpu(("cpu.cfs_quota_us", "-1"), ("cpu.max", "max 100000")),
    )
}

fn cpu_burst(scene: &Scene) -> Result<()> {
    let resources = json!({ "cpu": { "quota": 50_000, "burst": 10_000 } });
    reads(scene, resources, &cpu(("cpu.cfs_burst_us", "10000"), ("cpu.max.burst", "10000")))
}

fn cpu_idle(scene: &Scene) -> Result<()> {
    reads(scene, json!({ "cpu": { "idle": 1 } }), &cpu(("cpu.idle", "1"), ("cpu.idle", "1")))
}

fn cpu_quota_small(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.set("/linux/resources/cpu/quota", json!(5));
        },
        &["cpu", "quota"],
    )
}

fn cpuset(file: &'static str, value: &'static str) -> Want<'static> {
    Want { controller: "cpuset", v1: (file, value), v2: (file, value) }
}

fn cpuset_cpus(scene: &Scene) -> Result<()> {
    reads(scene, json!({ "cpu": { "cpus": "0" } }), &cpuset("cpuset.cpus", "0"))
}

fn cpuset_mems(scene: &Scene) -> Result<()> {
    reads(scene, json!({ "cpu": { "mems": "0" } }), &cpuset("cpuset.mems", "0"))
}

fn cpuset_affinity(scene: &Scene) -> Result<()> {
    let edit = |b: &mut crate::harness::bundle::Bundle| {
        b.set("/linux/resources/cpu/cpus", json!("0"));
    };
    scene.prints(edit, "grep Cpus_allowed_list /proc/self/status | cut -f 2", "0\n")
}

fn cpuset_bad(scene: &Scene) -> Result<()> {
    for cpus in ["4096", "a"] {
        scene.refuses(
            |b| {
                b.set("/linux/resources/cpu/cpus", json!(cpus));
            },
            &["cpuset", "cpus"],
        )?;
    }
    Ok(())
}

fn memory_limit(scene: &Scene) -> Result<()> {
    let resources = json!({ "memory": { "limit": 64 * MIB } });
    reads(
        scene,
        resources,
        &memory(("memory.limit_in_bytes", "67108864"), ("memory.max", "67108864")),
    )
}

fn memory_unlimited(scene: &Scene) -> Result<()> {
    let resources = json!({ "memory": { "limit": -1 } });
    reads(
        scene,
        resources,
        &memory(("memory.limit_in_bytes", "9223372036854771712"), ("memory.max", "max")),
    )
}

fn memory_reservation(scene: &Scene) -> Result<()> {
    let resources = json!({ "memory": { "reservation": 32 * MIB } });
    reads(
        scene,
        resources,
        &memory(("memory.soft_limit_in_bytes", "33554432"), ("memory.low", "33554432")),
    )
}

fn memory_swap(scene: &Scene) -> Result<()> {
    let resources = json!({ "memory": { "limit": 64 * MIB, "swap": 96 * MIB } });
    reads(
        scene,
        resources,
        &memory(("memory.memsw.limit_in_bytes", "100663296"), ("memory.swap.max", "33554432")),
    )
}

fn memory_swap_low(scene: &Scene) -> Result<()> {
    let limits = json!({ "limit": 64 * MIB, "swap": 32 * MIB });
    scene.refuses(
        |b| {
            b.set("/linux/resources/memory", limits);
        },
        &["memory", "swap"],
    )
}

fn memory_swappiness(scene: &Scene) -> Result<()> {
    reads(
        scene,
        json!({ "memory": { "swappiness": 33 } }),
        &memory(("memory.swappiness", "33"), ("", "")),
    )
}

fn memory_swappiness_bad(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.set("/linux/resources/memory/swappiness", json!(101));
        },
        &["swappiness"],
    )
}

fn memory_oom(scene: &Scene) -> Result<()> {
    let container = limited(scene, json!({ "memory": { "disableOOMKiller": true } }))?;
    contains(
        "memory.oom_control",
        &container.cgroup_file("memory", "memory.oom_control")?,
        "oom_kill_disable 1",
    )
}

/// A program that fills a variable without end is killed, and the runtime says 128 + SIGKILL.
fn memory_kills(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.set("/linux/resources/memory", json!({ "limit": 16 * MIB, "swap": 16 * MIB }));
    let fill = "awk 'BEGIN{s=\"xxxxxxxxxxxxxxxx\"; while(1) s=s s}'";
    scene.run(bundle.sh(&format!("{fill}; echo code=$?")))?.prints("code=137\n").map(drop)
}

/// What a runtime itself needs must not keep a container from a small limit.
fn memory_small(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.set("/linux/resources/memory", json!({ "limit": 8 * MIB })).sh("echo ran");
    scene.run(&bundle)?.prints("ran\n").map(drop)
}

fn pids_limit(scene: &Scene) -> Result<()> {
    reads(scene, json!({ "pids": { "limit": 20 } }), &pids("20"))
}

fn pids_unlimited(scene: &Scene) -> Result<()> {
    reads(scene, json!({ "pids": { "limit": -1 } }), &pids("max"))
}

/// As podman writes `--pids-limit=-1`: until version 1.2 of the specification 0 was no limit.
fn pids_zero(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.set("/ociVersion", json!("1.0.2-dev")).set("/linux/resources/pids/limit", json!(0));
    };
    scene.prints(edit, "ls / | grep -c bin", "1\n")
}

fn pids_holds(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.set("/linux/resources/pids/limit", json!(10));
    bundle.sh("for i in $(seq 30); do sleep 1000000 & done 2>/dev/null; echo end");
    let output = scene.run(&bundle)?;
    holds("thirty processes in a cgroup of ten", output.code() != 0 || !output.stderr.is_empty())
}

/// `MAJOR:MINOR` of some disk of this host.
fn disk() -> Result<(u64, u64)> {
    for entry in std::fs::read_dir("/sys/block")?.flatten() {
        let number = std::fs::read_to_string(entry.path().join("dev")).unwrap_or_default();
        let size = std::fs::read_to_string(entry.path().join("size")).unwrap_or_default();
        if let Some((major, minor)) = number.trim().split_once(':')
            && size.trim() != "0"
        {
            return Ok((major.parse()?, minor.parse()?));
        }
    }
    crate::harness::expect::skip("no disk")
}

fn throttled(major: u64, minor: u64) -> Value {
    let rate = |rate: u64| json!([{ "major": major, "minor": minor, "rate": rate }]);
    json!({ "blockIO": {
        "throttleReadBpsDevice": rate(1_000_000), "throttleWriteBpsDevice": rate(2_000_000),
        "throttleReadIOPSDevice": rate(300), "throttleWriteIOPSDevice": rate(400),
    } })
}

fn io_throttle(scene: &Scene) -> Result<()> {
    let (major, minor) = disk()?;
    let container = limited(scene, throttled(major, minor))?;
    for (file, rate) in
        [("read_bps", 1_000_000), ("write_bps", 2_000_000), ("read_iops", 300), ("write_iops", 400)]
    {
        let text = container.cgroup_file("blkio", &format!("blkio.throttle.{file}_device"))?;
        equal(file, text, format!("{major}:{minor} {rate}"))?;
    }
    Ok(())
}

fn io_throttle_v2(scene: &Scene) -> Result<()> {
    let (major, minor) = disk()?;
    let text = limited(scene, throttled(major, minor))?.cgroup_file("io", "io.max")?;
    equal("io.max", text, format!("{major}:{minor} rbps=1000000 wbps=2000000 riops=300 wiops=400"))
}

fn io_weight(scene: &Scene) -> Result<()> {
    let container = limited(scene, json!({ "blockIO": { "weight": 123 } }))?;
    let dir = container.cgroup_dir("blkio")?;
    for file in ["blkio.weight", "blkio.bfq.weight"] {
        if dir.join(file).exists() {
            return equal(file, container.cgroup_file("blkio", file)?.as_str(), "123");
        }
    }
    crate::harness::expect::skip("no weight in this blkio controller")
}

fn io_unknown(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.set("/linux/resources", throttled(4000, 1));
        },
        &["blkio", "blockIO", "throttle"],
    )
}

fn hugepage(scene: &Scene) -> Result<()> {
    let limits = json!({ "hugepageLimits": [{ "pageSize": "2MB", "limit": 4 * MIB }] });
    let container = limited(scene, limits)?;
    equal(
        "hugetlb.2MB.max",
        container.cgroup_file("hugetlb", "hugetlb.2MB.max")?.as_str(),
        "4194304",
    )
}

fn hugepage_unknown(scene: &Scene) -> Result<()> {
    let limits = json!([{ "pageSize": "3MB", "limit": 4 * MIB }]);
    scene.refuses(
        |b| {
            b.set("/linux/resources/hugepageLimits", limits);
        },
        &["hugetlb", "hugepage", "3MB"],
    )
}

fn net_cls_absent(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.set("/linux/resources/network/classID", json!(1_048_577));
        },
        &["net_cls", "classID", "network"],
    )
}

fn unified(scene: &Scene) -> Result<()> {
    reads(scene, json!({ "unified": { "pids.max": "17" } }), &pids("17"))
}

fn unified_v1(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.set("/linux/resources/unified", json!({ "memory.high": "1000000" }));
        },
        &["unified", "cgroup v2", "memory.high"],
    )
}

fn unified_unknown(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.set("/linux/resources/unified", json!({ "frob.max": "1" }));
        },
        &["frob"],
    )
}

fn unified_slash(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.set("/linux/resources/unified", json!({ "../cgroup.procs": "1" }));
        },
        &["unified", "cgroup.procs", "file name"],
    )
}

fn update_cpu_share(scene: &Scene) -> Result<()> {
    updates(
        scene,
        &["--cpu-share", "262144"],
        &cpu(("cpu.shares", "262144"), ("cpu.weight", "10000")),
    )
}

fn update_cpu_quota(scene: &Scene) -> Result<()> {
    updates(
        scene,
        &["--cpu-quota", "40000", "--cpu-period", "80000"],
        &cpu(("cpu.cfs_quota_us", "40000"), ("cpu.max", "40000 80000")),
    )
}

fn update_cpu_period(scene: &Scene) -> Result<()> {
    let container = limited(scene, json!({ "cpu": { "quota": 20_000, "period": 100_000 } }))?;
    container.command("update", &["--cpu-period", "50000"]).run()?.ok()?;
    check(&container, &cpu(("cpu.cfs_quota_us", "20000"), ("cpu.max", "20000 50000")))?;
    check(&container, &cpu(("cpu.cfs_period_us", "50000"), ("cpu.max", "20000 50000")))
}

fn update_cpu_burst(scene: &Scene) -> Result<()> {
    updates(
        scene,
        &["--cpu-quota", "50000", "--cpu-burst", "20000"],
        &cpu(("cpu.cfs_burst_us", "20000"), ("cpu.max.burst", "20000")),
    )
}

fn update_cpuset(scene: &Scene) -> Result<()> {
    updates(scene, &["--cpuset-cpus", "0", "--cpuset-mems", "0"], &cpuset("cpuset.cpus", "0"))
}

fn update_memory(scene: &Scene) -> Result<()> {
    updates(
        scene,
        &["--memory", "50331648"],
        &memory(("memory.limit_in_bytes", "50331648"), ("memory.max", "50331648")),
    )
}

fn update_memory_units(scene: &Scene) -> Result<()> {
    updates(
        scene,
        &["--memory", "48M"],
        &memory(("memory.limit_in_bytes", "50331648"), ("memory.max", "50331648")),
    )
}

fn update_memory_swap(scene: &Scene) -> Result<()> {
    updates(
        scene,
        &["--memory", "50331648", "--memory-swap", "60817408"],
        &memory(("memory.memsw.limit_in_bytes", "60817408"), ("memory.swap.max", "10485760")),
    )
}

fn update_reservation(scene: &Scene) -> Result<()> {
    updates(
        scene,
        &["--memory-reservation", "33554432"],
        &memory(("memory.soft_limit_in_bytes", "33554432"), ("memory.low", "33554432")),
    )
}

fn update_pids(scene: &Scene) -> Result<()> {
    let container = limited(scene, json!({ "pids": { "limit": 20 } }))?;
    for (value, want) in [("33", "33"), ("-1", "max"), ("7", "7")] {
        container.command("update", &["--pids-limit", value]).run()?.ok()?;
        check(&container, &pids(want))?;
    }
    Ok(())
}

/// Until version 1.2 of the specification 0 was what wasn't set.
fn update_pids_zero(scene: &Scene) -> Result<()> {
    let container = scene.idle(|b| {
        b.set("/ociVersion", json!("1.0.2-dev")).set("/linux/resources/pids/limit", json!(20));
    })?;
    container.command("update", &["--pids-limit", "0"]).run()?.ok()?;
    check(&container, &pids("20"))?;
    let update = container.command("update", &["--resources", "-"]);
    update.stdin_bytes(r#"{"pids":{"limit":0}}"#).run()?.ok()?;
    check(&container, &pids("20"))
}

fn update_file(scene: &Scene) -> Result<()> {
    let file = scene.path("resources.json");
    std::fs::write(&file, r#"{"pids":{"limit":44}}"#)?;
    updates(scene, &["--resources", &file.to_string_lossy()], &pids("44"))
}

fn update_stdin(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container
        .command("update", &["-r", "-"])
        .stdin_bytes(r#"{"pids":{"limit":45}}"#)
        .run()?
        .ok()?;
    check(&container, &pids("45"))
}

fn update_keeps(scene: &Scene) -> Result<()> {
    let container = limited(scene, json!({ "pids": { "limit": 20 }, "cpu": { "shares": 2 } }))?;
    container.command("update", &["--pids-limit", "21"]).run()?.ok()?;
    check(&container, &cpu(("cpu.shares", "2"), ("cpu.weight", "1")))?;
    // So little processor time makes dying slow.
    container.stop()
}

/// A second update starts from the first one, not from the configuration.
fn update_remembered(scene: &Scene) -> Result<()> {
    let container = limited(scene, json!({ "pids": { "limit": 20 } }))?;
    container.command("update", &["--pids-limit", "25"]).run()?.ok()?;
    container.command("update", &["--cpu-share", "2"]).run()?.ok()?;
    check(&container, &pids("25"))?;
    // So little processor time makes dying slow.
    container.stop()
}

fn update_bad(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    for flags in [["--memory", "lots"], ["--cpu-share", "-3x"], ["--pids-limit", "many"]] {
        holds(
            &format!("{flags:?} was accepted"),
            container.command("update", &flags).run()?.code() != 0,
        )?;
    }
    container.is("running")
}

fn update_bad_file(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.command("update", &["-r", "-"]).stdin_bytes("{ not json").run()?.fails()?;
    container
        .command("update", &["-r", "/nonexistent.json"])
        .run()?
        .fails_naming(&["/nonexistent.json"])
        .map(drop)
}

fn update_stopped(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.stop()?;
    container.command("update", &["--pids-limit", "5"]).run()?.fails().map(drop)
}

fn update_devices(scene: &Scene) -> Result<()> {
    let container = limited(scene, json!({ "devices": [{ "allow": false, "access": "rwm" }] }))?;
    let before = container.cgroup_file("devices", "devices.list")?;
    container.command("update", &["--cpu-share", "100"]).run()?.ok()?;
    equal("devices.list", container.cgroup_file("devices", "devices.list")?, before)
}

fn exec_in_cgroup(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let of_init = container.cgroups()?;
    let text = container.sh("cat /proc/self/cgroup")?;
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (names, path) = (parts.next().context("names")?, parts.next().context("path")?);
        equal(names, Some(path), of_init.get(names).map(String::as_str))?;
    }
    Ok(())
}
