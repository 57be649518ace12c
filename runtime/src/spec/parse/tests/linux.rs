//! `linux` but for `resources` and `seccomp`.

use super::{accepted, check};
use crate::spec::{Namespace, Personality};

/// [`check`] inside `linux`.
#[track_caller]
fn check_linux(patch: &str, expected: &str) {
    check(&format!("{{\"linux\":{patch}}}"), expected);
}

/// [`check`] with `namespaces` and nothing else in `linux` but `more`.
#[track_caller]
fn check_namespaces(namespaces: &str, more: &str, expected: &str) {
    let ids = "\"uidMappings\":null,\"gidMappings\":null";
    check_linux(&format!("{{\"namespaces\":[{namespaces}],{ids}{more}}}"), expected);
}

#[test]
fn namespaces_are_new_joined_or_inherited() {
    let spec = accepted(
        r#"{"linux":{"uidMappings":null,"gidMappings":null,"namespaces":
            [{"type":"pid"},{"type":"ipc","path":""},{"type":"network","path":"/run/netns/a"}]}}"#,
    );
    assert_eq!(spec.namespaces.pid, Namespace::New);
    assert_eq!(spec.namespaces.ipc, Namespace::New);
    assert_eq!(spec.namespaces.network, Namespace::Join("/run/netns/a".into()));
    assert_eq!(spec.namespaces.mount, Namespace::Inherit);
}

#[test]
fn namespaces_that_are_none() {
    check_namespaces("{}", "", "error: `linux.namespaces[0].type`: is missing");
    check_namespaces(
        r#"{"type":"pid"},{"type":"net"}"#,
        "",
        "error: `linux.namespaces[1].type`: invalid namespace type `net`",
    );
    check_namespaces(
        r#"{"type":"pid"},{"type":"uts"},{"type":"pid","path":"/proc/1/ns/pid"}"#,
        "",
        "error: `linux.namespaces[2].type`: `pid` is there twice",
    );
    check_namespaces(
        r#"{"type":"pid","path":"proc/1/ns/pid"}"#,
        "",
        "error: `linux.namespaces[0].path`: `proc/1/ns/pid` is not an absolute path",
    );
    check_namespaces(
        r#"{"type":"pid","path":"/proc/\u0000"}"#,
        "",
        "error: `linux.namespaces[0].path`: holds a NUL byte",
    );
}

#[test]
fn a_new_user_namespace_has_mappings_and_nothing_else_has() {
    let ids = r#"[{"containerID":0,"hostID":1000,"size":1}]"#;
    check_namespaces(r#"{"type":"user"}"#, "", "error: `linux.uidMappings`: is missing");
    check_namespaces(
        r#"{"type":"user"}"#,
        &format!(",\"uidMappings\":{ids}"),
        "error: `linux.gidMappings`: is missing",
    );
    check_namespaces(
        r#"{"type":"pid"}"#,
        &format!(",\"gidMappings\":{ids}"),
        "error: `linux.gidMappings`: needs a user namespace in `linux.namespaces`",
    );
    check_linux(
        r#"{"uidMappings":[{"containerID":1,"hostID":1000,"size":1}]}"#,
        "error: `linux.uidMappings`: id 0 is not mapped by `linux.uidMappings`",
    );
    // containerd and CRI-O give both a path and what is mapped there.
    let why = "ignored: the user namespace to join has its own mappings, which must be the same";
    check_namespaces(
        r#"{"type":"user","path":"/proc/7/ns/user"}"#,
        &format!(",\"uidMappings\":{ids},\"gidMappings\":{ids}"),
        &format!("`linux.uidMappings`: {why}\n`linux.gidMappings`: {why}"),
    );
}

/// S13 (CVE-2021-43784): no number wraps, and 10,000 lines are right or refused.
#[test]
fn s13_id_mappings_are_right_or_refused() {
    let map = |lines: &[(u32, u32, u32)]| {
        let lines: Vec<String> = lines
            .iter()
            .map(|(c, h, s)| format!("{{\"containerID\":{c},\"hostID\":{h},\"size\":{s}}}"))
            .collect();
        format!("{{\"uidMappings\":[{}]}}", lines.join(","))
    };
    let lines = |n: u32| (0..n).map(|n| (n, n * 2, 1)).collect::<Vec<_>>();
    check_linux(&map(&lines(340)), "");
    let spec = accepted(&format!("{{\"linux\":{}}}", map(&lines(340))));
    assert_eq!(spec.uid_map.to_host(339), Some(678));
    check_linux(&map(&lines(341)), "error: `linux.uidMappings`: has 341 entries, more than 340");
    check_linux(
        &map(&lines(10_000)),
        "error: `linux.uidMappings`: has 10000 entries, more than 340",
    );
    check_linux(&map(&[(0, 0, u32::MAX)]), "");
    check_linux(
        &map(&[(0, 1, u32::MAX)]),
        "error: `linux.uidMappings[0].size`: 4294967295 is not between 1 and 4294967294",
    );
    check_linux(
        &map(&[(0, 0, 0)]),
        "error: `linux.uidMappings[0].size`: 0 is not between 1 and 4294967295",
    );
    check_linux(
        &map(&[(0, 0, 1), (1, u32::MAX, 1)]),
        "error: `linux.uidMappings[1].hostID`: 4294967295 is not between 0 and 4294967294",
    );
    check_linux(
        &map(&[(0, 0, 10), (9, 20, 1)]),
        "error: `linux.uidMappings[1]`: overlaps entry 0 inside the container",
    );
    check_linux(
        &map(&[(0, 0, 10), (20, 5, 10)]),
        "error: `linux.uidMappings[1]`: overlaps entry 0 outside the container",
    );
    check_linux(&map(&[(0, 10, 10), (10, 0, 10)]), "");
    check_linux(
        r#"{"gidMappings":[{"containerID":0,"hostID":1}]}"#,
        "error: `linux.gidMappings[0].size`: is missing",
    );
}

#[test]
fn time_offsets_need_a_new_time_namespace() {
    let offsets = r#","timeOffsets":{"monotonic":{"secs":-5,"nanosecs":1}}"#;
    check_namespaces(r#"{"type":"time"}"#, offsets, "");
    check_namespaces(
        r#"{"type":"pid"}"#,
        offsets,
        "error: `linux.timeOffsets`: needs a time namespace in `linux.namespaces`",
    );
    check_namespaces(
        r#"{"type":"time","path":"/proc/7/ns/time"}"#,
        offsets,
        "error: `linux.timeOffsets`: contradicts the `path` of the time namespace, whose offsets \
         are set already",
    );
    check_linux(
        r#"{"timeOffsets":{"realtime":{"secs":1}}}"#,
        "error: `linux.timeOffsets`: invalid clock `realtime`",
    );
    check_linux(
        r#"{"timeOffsets":{"boottime":{"nanosecs":1000000000}}}"#,
        "error: `linux.timeOffsets[\"boottime\"].nanosecs`: 1000000000 is not between 0 and \
         999999999",
    );
}

#[test]
fn devices_have_numbers_unless_they_are_fifos() {
    let device = |device: &str, expected: &str| {
        check_linux(&format!("{{\"devices\":[{{{device}}}]}}"), expected);
    };
    for kind in ["c", "b", "u"] {
        device(
            &format!("\"type\":\"{kind}\",\"path\":\"/a\",\"major\":4095,\"minor\":1048575"),
            "",
        );
        device(
            &format!("\"type\":\"{kind}\",\"path\":\"/a\",\"major\":1"),
            "error: `linux.devices[0].minor`: is missing",
        );
        device(
            &format!("\"type\":\"{kind}\",\"path\":\"/a\",\"major\":4096,\"minor\":1"),
            "error: `linux.devices[0].major`: 4096 is not between 0 and 4095",
        );
        device(
            &format!("\"type\":\"{kind}\",\"path\":\"/a\",\"major\":1,\"minor\":-1"),
            "error: `linux.devices[0].minor`: -1 is not between 0 and 1048575",
        );
    }
    device(r#""type":"p","path":"/a""#, "");
    device(r#""type":"p","path":"/a","major":0,"minor":0"#, "");
    device(
        r#""type":"p","path":"/a","major":1"#,
        "`linux.devices[0].major`: ignored: a FIFO has no device number",
    );
    device(r#""type":"a","path":"/a""#, "error: `linux.devices[0].type`: invalid device type `a`");
    device(r#""path":"/a""#, "error: `linux.devices[0].type`: is missing");
    device(r#""type":"p""#, "error: `linux.devices[0].path`: is missing");
    device(
        r#""type":"p","path":"dev/a""#,
        "error: `linux.devices[0].path`: `dev/a` is not an absolute path",
    );
    device(
        r#""type":"p","path":"/a","uid":4294967295"#,
        "error: `linux.devices[0].uid`: 4294967295 is not between 0 and 4294967294",
    );
    device(
        r#""type":"p","path":"/a","fileMode":262144"#,
        "error: `linux.devices[0].fileMode`: 262144 is not between 0 and 4095",
    );
    // Some tools leave the type of the file in its mode.
    let spec = accepted(r#"{"linux":{"devices":[{"type":"p","path":"/a","fileMode":8630}]}}"#);
    assert_eq!(spec.devices[0].mode, Some(0o666));
}

#[test]
fn network_devices_have_names_the_kernel_takes() {
    let devices = |devices: &str, expected: &str| {
        check_linux(&format!("{{\"netDevices\":{devices}}}"), expected);
    };
    devices(r#"{"eth0":{},"eth1":{"name":"lan%d"},"eth2":{"name":"lan%d"}}"#, "");
    let expected = "is not a name a network device can have: 1 to 15 bytes without `/`, `:`, `%` \
                    or blanks";
    for name in ["", ".", "..", "a/b", "a:b", "a b", "a\u{a0}b", "x234567890123456", "a%d"] {
        devices(
            &format!("{{\"{name}\":{{}}}}"),
            &format!("error: `linux.netDevices[{name:?}]`: `{name}` {expected}"),
        );
    }
    for name in ["a%s", "a%d%d", "%da"] {
        let named = name.strip_suffix("%d").unwrap_or(name);
        devices(
            &format!("{{\"eth0\":{{\"name\":\"{name}\"}}}}"),
            &format!("error: `linux.netDevices[\"eth0\"].name`: `{named}` {expected}"),
        );
    }
    devices(
        r#"{"eth0":{"name":"a"},"eth1":{"name":"a"}}"#,
        "error: `linux.netDevices[\"eth1\"].name`: `a` is there twice",
    );
    check_namespaces(
        r#"{"type":"pid"}"#,
        r#","netDevices":{"eth0":{}}"#,
        "error: `linux.netDevices`: needs a network namespace in `linux.namespaces`",
    );
}

#[test]
fn cgroups_paths_stay_as_written_and_do_not_climb() {
    for path in ["/a/b", "a/b", "system.slice:runt:a", "a//b/.", "a..b"] {
        let spec = accepted(&format!("{{\"linux\":{{\"cgroupsPath\":\"{path}\"}}}}"));
        assert_eq!(spec.cgroups_path.as_deref(), Some(path));
    }
    assert_eq!(accepted(r#"{"linux":{"cgroupsPath":""}}"#).cgroups_path, None);
    for (path, clean) in
        [("/../../b", "/b"), ("/a/../b/./c", "/b/c"), ("a/../../b", "b"), ("/..", "/")]
    {
        let spec = accepted(&format!("{{\"linux\":{{\"cgroupsPath\":\"{path}\"}}}}"));
        assert_eq!(spec.cgroups_path.as_deref(), Some(clean));
    }
    assert_eq!(accepted(r#"{"linux":{"cgroupsPath":"a/.."}}"#).cgroups_path, None);
    for path in ["a/../b:c:d", "a\\nb"] {
        let shown = path.replace("\\n", "\n");
        check_linux(
            &format!("{{\"cgroupsPath\":\"{path}\"}}"),
            &format!(
                "error: `linux.cgroupsPath`: `{shown}` is not a path of a cgroup without newlines, or a \
                 unit of systemd without `..`"
            ),
        );
    }
    check_linux(r#"{"cgroupsPath":"/a\u0000"}"#, "error: `linux.cgroupsPath`: holds a NUL byte");
}

/// S15: only what a namespace of the container holds, by its plain name.
#[test]
fn s15_sysctls_belong_to_a_namespace_of_the_container() {
    let sysctl = |key: &str, expected: &str| {
        check_linux(&format!("{{\"sysctl\":{{\"{key}\":\"1\"}}}}"), expected);
    };
    for key in [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
        "fs.mqueue.msg_max",
        "net.ipv4.ip_forward",
        "net.ipv6.conf.all.disable_ipv6",
        "user.max_user_namespaces",
        "kernel.domainname",
        "net.ipv4.conf.veth-a_1.rp_filter",
    ] {
        sysctl(key, "");
        check_namespaces(
            r#"{"type":"mount"}"#,
            &format!(",\"sysctl\":{{\"{key}\":\"1\"}}"),
            &format!(
                "error: `linux.sysctl[\"{key}\"]`: needs {} namespace in `linux.namespaces`",
                match key {
                    key if key.starts_with("net.") => "a network",
                    key if key.starts_with("user.") => "a user",
                    "kernel.domainname" => "a uts",
                    _ => "an ipc",
                }
            ),
        );
    }
    for key in [
        "kernel.shm+max",
        "net/ipv4/ip_forward",
        "net.ipv4.conf.eno2/100.rp_filter",
        "net..ipv4",
        "net.ipv4.../kernel",
        "net.",
        ".net",
        "",
        "net.ipv4.ip forward",
        "net.ä",
    ] {
        sysctl(
            key,
            &format!(
                "error: `linux.sysctl[\"{key}\"]`: `{key}` is not a sysctl's name in dotted form, \
                 such as `net.ipv4.ip_forward`"
            ),
        );
    }
    check_linux(
        r#"{"sysctl":{"net.ipv4.ip_forward\n":"1"}}"#,
        "error: `linux.sysctl[\"net.ipv4.ip_forward\\n\"]`: `net.ipv4.ip_forward\n` is not a \
         sysctl's name in dotted form, such as `net.ipv4.ip_forward`",
    );
    for key in [
        "kernel.core_pattern",
        "vm.swappiness",
        "fs.file-max",
        "kernel.msgmaxx",
        "net",
        "fs.mqueue",
        "kernel.shm",
    ] {
        sysctl(
            key,
            &format!(
                "error: `linux.sysctl[\"{key}\"]`: `{key}` is not supported: it belongs to no \
                 namespace, so it would change the host"
            ),
        );
    }
    sysctl(
        "kernel.hostname",
        "error: `linux.sysctl[\"kernel.hostname\"]`: contradicts `hostname`, which sets the same",
    );
    check_linux(
        r#"{"sysctl":{"net.a":"\u0000"}}"#,
        "error: `linux.sysctl[\"net.a\"]`: holds a NUL byte",
    );
}

#[test]
fn paths_to_hide_are_absolute_and_the_containers_own() {
    for list in ["maskedPaths", "readonlyPaths"] {
        check_linux(&format!("{{\"{list}\":[\"/proc/kcore\"]}}"), "");
        check_linux(
            &format!("{{\"{list}\":[\"/a\",\"proc/kcore\"]}}"),
            &format!("error: `linux.{list}[1]`: `proc/kcore` is not an absolute path"),
        );
        check_namespaces(
            r#"{"type":"pid"}"#,
            &format!(",\"{list}\":[\"/proc/kcore\"]"),
            &format!("error: `linux.{list}`: needs a mount namespace in `linux.namespaces`"),
        );
    }
}

#[test]
fn rootfs_propagation_is_one_of_the_kernels() {
    for name in ["shared", "slave", "private", "unbindable", "rslave", "rprivate", ""] {
        check_linux(&format!("{{\"rootfsPropagation\":\"{name}\"}}"), "");
    }
    check_linux(
        r#"{"rootfsPropagation":"ro"}"#,
        "error: `linux.rootfsPropagation`: invalid mount propagation `ro`",
    );
}

#[test]
fn mount_labels_stay_between_their_quotation_marks() {
    check_linux(r#"{"mountLabel":"system_u:object_r:a:s0:c1,c2"}"#, "");
    check_linux(
        r#"{"mountLabel":"a\",suid"}"#,
        "error: `linux.mountLabel`: `a\",suid` is not an SELinux context",
    );
}

#[test]
fn resctrl_groups_are_names_and_schemata_lines() {
    let rdt = |rdt: &str, expected: &str| {
        check_linux(&format!("{{\"intelRdt\":{{{rdt}}}}}"), expected);
    };
    rdt("", "");
    rdt(r#""closID":"/""#, "");
    rdt(r#""closID":"group""#, "");
    for id in [".", "..", "a/b", "/a"] {
        rdt(
            &format!("\"closID\":\"{id}\""),
            &format!(
                "error: `linux.intelRdt.closID`: `{id}` is not the name of a directory, or `/`"
            ),
        );
    }
    rdt(
        r#""memBwSchema":"L3:0=1""#,
        "error: `linux.intelRdt.memBwSchema`: `L3:0=1` is not a schema that starts with `MB:`",
    );
    rdt(
        r#""l3CacheSchema":"L3:0=1\nMB:0=1""#,
        "error: `linux.intelRdt.l3CacheSchema`: `L3:0=1\nMB:0=1` is not one line",
    );
    rdt(
        r#""schemata":["L3:0=1","a\n"]"#,
        "error: `linux.intelRdt.schemata[1]`: `a\n` is not one line",
    );
    rdt(r#""enableCMT":true"#, "`linux.intelRdt.enableCMT`: ignoring unknown property");
}

#[test]
fn memory_policies_the_kernel_takes() {
    let policy = |policy: &str, expected: &str| {
        check_linux(&format!("{{\"memoryPolicy\":{{{policy}}}}}"), expected);
    };
    for right in [
        r#""mode":"MPOL_DEFAULT""#,
        r#""mode":"MPOL_LOCAL","nodes":"","flags":[]"#,
        r#""mode":"MPOL_PREFERRED""#,
        r#""mode":"MPOL_PREFERRED","nodes":"1","flags":["MPOL_F_STATIC_NODES"]"#,
        r#""mode":"MPOL_BIND","nodes":"0-1","flags":["MPOL_F_NUMA_BALANCING"]"#,
        r#""mode":"MPOL_WEIGHTED_INTERLEAVE","nodes":"0,1","flags":["MPOL_F_RELATIVE_NODES"]"#,
    ] {
        policy(right, "");
    }
    policy(r#""nodes":"0-7""#, "error: `linux.memoryPolicy.mode`: invalid memory policy mode ``");
    policy(
        r#""mode":"INTERLEAVE""#,
        "error: `linux.memoryPolicy.mode`: invalid memory policy mode `INTERLEAVE`",
    );
    policy(
        r#""mode":"MPOL_PREFERRED","nodes":"0","flags":["MPOL_F_RELATIVE_NODES","badflag"]"#,
        "error: `linux.memoryPolicy.flags[1]`: invalid memory policy flag `badflag`",
    );
    policy(
        r#""mode":"MPOL_DEFAULT","nodes":"0-7""#,
        "error: `linux.memoryPolicy.nodes`: mode requires 0 nodes but got 8",
    );
    policy(
        r#""mode":"MPOL_BIND","nodes":"0-9876543210""#,
        "error: `linux.memoryPolicy.nodes`: invalid memory policy nodes `0-9876543210`",
    );
    policy(r#""mode":"MPOL_BIND""#, "error: `linux.memoryPolicy.nodes`: must not be empty");
    policy(
        r#""mode":"MPOL_LOCAL","flags":["MPOL_F_STATIC_NODES"]"#,
        "error: `linux.memoryPolicy.flags`: needs `nodes`",
    );
    policy(
        r#""mode":"MPOL_BIND","nodes":"0","flags":["MPOL_F_STATIC_NODES","MPOL_F_RELATIVE_NODES"]"#,
        "error: `linux.memoryPolicy.flags`: contradicts itself: `MPOL_F_STATIC_NODES` excludes \
         `MPOL_F_RELATIVE_NODES`",
    );
    policy(
        r#""mode":"MPOL_INTERLEAVE","nodes":"0","flags":["MPOL_F_NUMA_BALANCING"]"#,
        "error: `linux.memoryPolicy.flags`: needs the mode `MPOL_BIND` or `MPOL_PREFERRED_MANY` \
         for `MPOL_F_NUMA_BALANCING`",
    );
}

#[test]
fn personalities() {
    let spec = accepted(r#"{"linux":{"personality":{"domain":"LINUX32"}}}"#);
    assert_eq!(spec.personality, Some(Personality::Linux32));
    check_linux(r#"{"personality":{}}"#, "error: `linux.personality.domain`: is missing");
    check_linux(
        r#"{"personality":{"domain":"BSD"}}"#,
        "error: `linux.personality.domain`: invalid personality domain `BSD`",
    );
    check_linux(
        r#"{"personality":{"domain":"LINUX","flags":["ADDR_NO_RANDOMIZE"]}}"#,
        "error: `linux.personality.flags[0]`: `ADDR_NO_RANDOMIZE` is not supported: the \
         specification has no flag yet",
    );
}
