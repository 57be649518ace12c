//! `linux.resources`.

use super::outcome;
use crate::spec::{DeviceRuleKind, Resources};

#[track_caller]
fn check(json: &str, expected: &str) {
    assert_eq!(outcome(Resources::from_json(json.as_bytes())), expected, "{json}");
}

fn read(json: &str) -> Resources {
    Resources::from_json(json.as_bytes()).unwrap().spec
}

#[test]
fn device_rules() {
    let rules = read(
        r#"{"devices":[{"allow":false,"access":"rwm"},
            {"allow":true,"type":"c","major":-1,"minor":3,"access":"m"},
            {"allow":true,"type":"","access":"r"}]}"#,
    )
    .devices;
    assert_eq!(rules[0].kind, DeviceRuleKind::All);
    assert_eq!((rules[1].major, rules[1].minor), (None, Some(3)));
    assert!(rules[1].access.mknod && !rules[1].access.read);
    assert_eq!(rules[2].kind, DeviceRuleKind::All);
    let rule =
        |rule: &str, expected: &str| check(&format!("{{\"devices\":[{{{rule}}}]}}"), expected);
    rule(r#""access":"r""#, "error: `devices[0].allow`: is missing");
    rule(r#""allow":true"#, "error: `devices[0].access`: is missing");
    rule(r#""allow":true,"access":"""#, "error: `devices[0].access`: must not be empty");
    rule(
        r#""allow":true,"access":"rx""#,
        "error: `devices[0].access`: `rx` is not made of the letters `r`, `w` and `m`",
    );
    rule(
        r#""allow":true,"access":"r","type":"p""#,
        "error: `devices[0].type`: invalid device type `p`",
    );
    rule(
        r#""allow":true,"access":"r","major":-2"#,
        "error: `devices[0].major`: -2 is not between 0 and 4095",
    );
}

#[test]
fn memory_limits() {
    let memory =
        read(r#"{"memory":{"limit":-1,"swap":0,"reservation":4096,"swappiness":0}}"#).memory;
    assert_eq!((memory.limit, memory.swap, memory.reservation), (Some(-1), None, Some(4096)));
    assert_eq!(memory.swappiness, Some(0));
    check(
        r#"{"memory":{"limit":-2}}"#,
        "error: `memory.limit`: -2 is not between -1 and 9223372036854775807",
    );
    check(
        r#"{"memory":{"swappiness":101}}"#,
        "error: `memory.swappiness`: 101 is not between 0 and 100",
    );
}

#[test]
fn cpu_limits() {
    let cpu =
        read(r#"{"cpu":{"shares":0,"quota":-1,"period":0,"burst":0,"idle":0,"cpus":""}}"#).cpu;
    assert_eq!((cpu.shares, cpu.quota, cpu.period), (None, Some(-1), None));
    assert_eq!((cpu.burst, cpu.idle, cpu.cpus), (Some(0), Some(0), None));
    check(r#"{"cpu":{"quota":-1,"burst":5}}"#, "");
    check(
        r#"{"cpu":{"quota":1000,"burst":1001}}"#,
        "error: `cpu.burst`: 1001 is not between 0 and 1000",
    );
    check(r#"{"cpu":{"cpus":"0-10:2/4, 7"}}"#, "");
    check(
        r#"{"cpu":{"mems":"0\n1"}}"#,
        "error: `cpu.mems`: `0\n1` is not a list of numbers such as `0-3,7`",
    );
    let cpu = read(r#"{"cpu":{"shares":5,"cpus":"0"},"CPU":{"Cpus":"1","Mems":"0"}}"#).cpu;
    let lists = (cpu.cpus.as_deref(), cpu.mems.as_deref());
    assert_eq!((cpu.shares, lists), (Some(5), (Some("1"), Some("0"))));
    check(r#"{"cpu":{"idle":-1}}"#, "error: `cpu.idle`: -1 is not between 0 and 1");
}

#[test]
fn block_io_limits() {
    assert_eq!(read(r#"{"blockIO":{"weight":0}}"#).block_io.weight, None);
    check(r#"{"blockIO":{"weight":9}}"#, "error: `blockIO.weight`: 9 is not between 10 and 1000");
    check(
        r#"{"blockIO":{"weightDevice":[{"major":8,"minor":0}]}}"#,
        "error: `blockIO.weightDevice[0]`: needs `weight` or `leafWeight`",
    );
    check(
        r#"{"blockIO":{"throttleReadIOPSDevice":[{"major":8,"minor":0}]}}"#,
        "error: `blockIO.throttleReadIOPSDevice[0].rate`: is missing",
    );
    check(
        r#"{"blockIO":{"throttleWriteBpsDevice":[{"minor":0,"rate":1}]}}"#,
        "error: `blockIO.throttleWriteBpsDevice[0].major`: is missing",
    );
}

#[test]
fn a_limit_of_no_processes_is_a_limit() {
    assert_eq!(read(r#"{"pids":{"limit":0}}"#).pids_limit, Some(0));
    assert_eq!(read(r#"{"pids":{"limit":-1}}"#).pids_limit, Some(-1));
    assert_eq!(read(r#"{"pids":{}}"#).pids_limit, None);
    check(
        r#"{"pids":{"limit":-2}}"#,
        "error: `pids.limit`: -2 is not between -1 and 9223372036854775807",
    );
}

#[test]
fn huge_page_sizes() {
    assert_eq!(
        read(r#"{"hugepageLimits":[{"pagesize":"64KB","limit":1}]}"#).hugepages,
        [("64KB".to_owned(), 1)]
    );
    for size in ["", "2", "MB", "0MB", "02MB", "2mb", "2M", "2TB", "-2MB", "2.5MB", "../2MB"] {
        check(
            &format!("{{\"hugepageLimits\":[{{\"pageSize\":\"{size}\",\"limit\":1}}]}}"),
            &format!(
                "error: `hugepageLimits[0].pageSize`: `{size}` is not a page size such as `64KB`, \
                 `2MB` or `1GB`"
            ),
        );
    }
    let limit = r#"{"pageSize":"2MB","limit":1}"#;
    check(
        &format!("{{\"hugepageLimits\":[{limit},{limit}]}}"),
        "error: `hugepageLimits[1].pageSize`: `2MB` is there twice",
    );
    check(
        r#"{"hugepageLimits":[{"pageSize":"2MB"}]}"#,
        "error: `hugepageLimits[0].limit`: is missing",
    );
}

#[test]
fn network_and_rdma_name_devices() {
    check(
        r#"{"network":{"priorities":[{"name":"eth0 1","priority":5}]}}"#,
        "error: `network.priorities[0].name`: `eth0 1` is not a name a network device can have: 1 \
         to 15 bytes without `/`, `:`, `%` or blanks",
    );
    check(
        r#"{"network":{"priorities":[{"name":"eth0"}]}}"#,
        "error: `network.priorities[0].priority`: is missing",
    );
    check(
        r#"{"rdma":{"mlx5_1":{}}}"#,
        "error: `rdma[\"mlx5_1\"]`: needs `hcaHandles` or `hcaObjects`",
    );
    check(
        r#"{"rdma":{"a b":{"hcaHandles":1}}}"#,
        "error: `rdma[\"a b\"]`: `a b` is not the name of an RDMA device",
    );
}

#[test]
fn unified_names_files_of_the_cgroup() {
    check(r#"{"unified":{"memory.high":"max","unheard.of":"a\nb"}}"#, "");
    check(
        r#"{"unified":{"cgroup.procs":"1"}}"#,
        "error: `unified[\"cgroup.procs\"]`: `cgroup.procs` is not supported: it moves or kills \
         processes, which may be the host's, and limits nothing",
    );
    for file in ["", ".", "..", "../memory.max", "a/b", "/memory.max", ".hidden"] {
        check(
            &format!("{{\"unified\":{{\"{file}\":\"1\"}}}}"),
            &format!(
                "error: `unified[\"{file}\"]`: `{file}` is not the name of a file of a cgroup, \
                 such as `memory.high`"
            ),
        );
    }
    check(
        r#"{"unified":{"memory.high":"1","memory.high":"2"}}"#,
        "error: `unified[\"memory.high\"]`: `memory.high` is there twice",
    );
}
