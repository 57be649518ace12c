//! The rest of `linux`: sysctl, personality, memory policy, network devices, Intel RDT.

use std::fs;

use anyhow::Result;
use serde_json::{Value, json};

use crate::harness::bundle::Bundle;
use crate::harness::expect::{contains, equal, holds};
use crate::harness::host::Need;
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

const SYSCTL: &str = "config-linux.md#sysctl";
const POLICY: &str = "config-linux.md#memory-policy";
const DEVICES: &str = "config-linux.md#network-devices";
const NUMA: &[Need] = &[Need::Path("/proc/self/numa_maps")];
const IP: &[Need] = &[Need::Program("ip")];
const IP_STRACE: &[Need] = &[Need::Program("ip"), Need::Program("strace")];

pub(crate) const TESTS: &[Test] = &[
    test("sysctl-net", SYSCTL, &[], sysctl_net),
    test("sysctl-ipc", SYSCTL, &[], sysctl_ipc),
    test("sysctl-mqueue", SYSCTL, &[], sysctl_mqueue),
    test("sysctl-domainname", SYSCTL, &[], sysctl_domainname),
    test("sysctl-hostname-refused", "runc", &[], sysctl_hostname),
    test("sysctl-net-of-the-host-by-path-refused", SYSCTL, &[], sysctl_joined_host_net),
    test("sysctl-net-of-the-host-refused", SYSCTL, &[], sysctl_host_net),
    test("sysctl-ipc-of-the-host-refused", SYSCTL, &[], sysctl_host_ipc),
    test("sysctl-not-namespaced-refused", SYSCTL, &[], sysctl_global),
    test("sysctl-unknown-refused", SYSCTL, &[], sysctl_unknown),
    test("sysctl-bad-value-refused", SYSCTL, &[], sysctl_bad),
    test("sysctl-leaves-the-host", SYSCTL, &[], sysctl_host_untouched),
    test("personality-linux32", "config-linux.md#personality", &[], personality_32),
    test("personality-linux", "config-linux.md#personality", &[], personality_linux),
    test("personality-unknown-refused", "config-linux.md#personality", &[], personality_unknown),
    test("personality-flags-refused", "config-linux.md#personality", &[], personality_flags),
    test("personality-exec", "config-linux.md#personality", &[], personality_exec),
    test("memory-policy-bind", POLICY, NUMA, |s| {
        policy(s, json!({ "mode": "MPOL_BIND", "nodes": "0" }), "bind:0")
    }),
    test("memory-policy-bind-static", POLICY, NUMA, |s| {
        policy(
            s,
            json!({ "mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"] }),
            "bind=static:0",
        )
    }),
    test("memory-policy-interleave", POLICY, NUMA, |s| {
        policy(s, json!({ "mode": "MPOL_INTERLEAVE", "nodes": "0" }), "interleave:0")
    }),
    test("memory-policy-preferred", POLICY, NUMA, |s| {
        policy(s, json!({ "mode": "MPOL_PREFERRED", "nodes": "0" }), "prefer:0")
    }),
    test("memory-policy-local", POLICY, NUMA, |s| {
        policy(s, json!({ "mode": "MPOL_LOCAL" }), "local")
    }),
    test("memory-policy-default", POLICY, NUMA, |s| {
        policy(s, json!({ "mode": "MPOL_DEFAULT" }), "default")
    }),
    test("memory-policy-unknown-mode-refused", POLICY, NUMA, |s| {
        policy_refused(s, json!({ "mode": "MPOL_FROB", "nodes": "0" }))
    }),
    test("memory-policy-unknown-flag-refused", POLICY, NUMA, |s| {
        policy_refused(s, json!({ "mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_FROB"] }))
    }),
    test("memory-policy-nodes-missing-refused", POLICY, NUMA, |s| {
        policy_refused(s, json!({ "mode": "MPOL_BIND" }))
    }),
    test("memory-policy-nodes-unwanted-refused", POLICY, NUMA, |s| {
        policy_refused(s, json!({ "mode": "MPOL_LOCAL", "nodes": "0" }))
    }),
    test("memory-policy-bad-nodes-refused", POLICY, NUMA, |s| {
        policy_refused(s, json!({ "mode": "MPOL_BIND", "nodes": "3-1" }))
    }),
    test("memory-policy-absent-node-refused", POLICY, NUMA, |s| {
        policy_refused(s, json!({ "mode": "MPOL_BIND", "nodes": "63" }))
    }),
    test("net-device-moves", DEVICES, IP, device_moves),
    test("net-device-moves-into-a-joined-namespace", DEVICES, IP_STRACE, device_joined),
    test("net-device-is-renamed", DEVICES, IP, device_renamed),
    test("net-device-template", DEVICES, IP, device_template),
    test("net-device-keeps-addresses", DEVICES, IP, device_addresses),
    test("net-device-missing-refused", DEVICES, IP, device_missing),
    test("net-device-name-taken-refused", DEVICES, IP, device_taken),
    test("net-device-without-namespace-refused", DEVICES, IP, device_without_namespace),
    test("net-device-bad-name-refused", DEVICES, IP, device_bad_name),
    test(
        "intel-rdt-absent-refused",
        "config-linux.md#intelrdt",
        &[Need::NoPath("/sys/fs/resctrl/schemata")],
        rdt_absent,
    ),
    test("intel-rdt-bad-clos-refused", "config-linux.md#intelrdt", &[], rdt_bad),
    test(
        "mount-label-without-selinux",
        "config-linux.md#mount-label",
        &[Need::NoPath("/sys/fs/selinux")],
        mount_label,
    ),
    test("unknown-property-is-ignored", "config.md#extensibility", &[], unknown_property),
    test("annotation-unknown-is-ignored", "config.md#annotations", &[], unknown_annotation),
    test("no-linux-section", "config.md#platform-specific-configuration", &[], no_linux),
];

fn sysctl(pairs: Value) -> impl FnOnce(&mut Bundle) {
    move |b| {
        b.set("/linux/sysctl", pairs);
    }
}

fn sysctl_net(scene: &Scene) -> Result<()> {
    scene.prints(
        sysctl(json!({ "net.core.somaxconn": "1234" })),
        "cat /proc/sys/net/core/somaxconn",
        "1234\n",
    )
}

fn sysctl_ipc(scene: &Scene) -> Result<()> {
    scene.prints(
        sysctl(json!({ "kernel.msgmax": "12345", "kernel.shm_rmid_forced": "1" })),
        "cat /proc/sys/kernel/msgmax /proc/sys/kernel/shm_rmid_forced",
        "12345\n1\n",
    )
}

fn sysctl_mqueue(scene: &Scene) -> Result<()> {
    scene.prints(
        sysctl(json!({ "fs.mqueue.queues_max": "7" })),
        "cat /proc/sys/fs/mqueue/queues_max",
        "7\n",
    )
}

fn sysctl_domainname(scene: &Scene) -> Result<()> {
    scene.prints(
        sysctl(json!({ "kernel.domainname": "example.test" })),
        "cat /proc/sys/kernel/domainname",
        "example.test\n",
    )
}

fn sysctl_hostname(scene: &Scene) -> Result<()> {
    scene.refuses(sysctl(json!({ "kernel.hostname": "x" })), &["kernel.hostname"])
}

/// By its path, the runtime's own namespace is no better.
fn sysctl_joined_host_net(scene: &Scene) -> Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?;
    let edit = |b: &mut Bundle| {
        b.join("network", &format!("/proc/{}/ns/net", std::process::id()));
        sysctl(json!({ "net.core.somaxconn": "1" }))(b);
    };
    scene.refuses(edit, &["net.core.somaxconn"])
}

fn sysctl_host_net(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.inherit("network");
        sysctl(json!({ "net.core.somaxconn": "1" }))(b);
    };
    scene.refuses(edit, &["net.core.somaxconn"])
}

fn sysctl_host_ipc(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.inherit("ipc");
        sysctl(json!({ "kernel.msgmax": "1" }))(b);
    };
    scene.refuses(edit, &["kernel.msgmax"])
}

fn sysctl_global(scene: &Scene) -> Result<()> {
    for key in ["kernel.panic", "vm.swappiness", "fs.file-max", "kernel.core_pattern"] {
        scene.refuses(sysctl(json!({ key: "1" })), &[key])?;
    }
    Ok(())
}

fn sysctl_unknown(scene: &Scene) -> Result<()> {
    scene.refuses(sysctl(json!({ "net.core.frobnicate": "1" })), &["frobnicate"])
}

fn sysctl_bad(scene: &Scene) -> Result<()> {
    scene.refuses(
        sysctl(json!({ "net.core.somaxconn": "many" })),
        &["somaxconn", "invalid argument"],
    )
}

fn sysctl_host_untouched(scene: &Scene) -> Result<()> {
    let file = "/proc/sys/net/core/somaxconn";
    let before = fs::read_to_string(file)?;
    scene.sh(sysctl(json!({ "net.core.somaxconn": "77" })), "true")?;
    equal("value of the host", fs::read_to_string(file)?, before)
}

fn personality(value: Value) -> impl FnOnce(&mut Bundle) {
    move |b| {
        b.set("/linux/personality", value);
    }
}

fn personality_32(scene: &Scene) -> Result<()> {
    let machine = scene.sh(personality(json!({ "domain": "LINUX32" })), "uname -m")?;
    holds(&format!("machine is {machine:?}"), machine.starts_with('i') && machine.ends_with("86\n"))
}

fn personality_linux(scene: &Scene) -> Result<()> {
    scene.prints(
        personality(json!({ "domain": "LINUX" })),
        "uname -m; cat /proc/self/personality",
        "x86_64\n00000000\n",
    )
}

fn personality_unknown(scene: &Scene) -> Result<()> {
    scene
        .refuses(personality(json!({ "domain": "SOLARIS" })), &["personality", "SOLARIS", "domain"])
}

fn personality_flags(scene: &Scene) -> Result<()> {
    scene.refuses(
        personality(json!({ "domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"] })),
        &["personality", "flag"],
    )
}

fn personality_exec(scene: &Scene) -> Result<()> {
    let container = scene.idle(personality(json!({ "domain": "LINUX32" })))?;
    equal("personality", container.sh("cat /proc/self/personality")?.as_str(), "00000008\n")
}

fn policy(scene: &Scene, value: Value, want: &str) -> Result<()> {
    let text = scene.sh(
        |b| {
            b.set("/linux/memoryPolicy", value);
        },
        "head -n 1 /proc/self/numa_maps | cut -d ' ' -f 2",
    )?;
    equal("policy", text.trim(), want)
}

fn policy_refused(scene: &Scene, value: Value) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.set("/linux/memoryPolicy", value);
    };
    scene.refuses(edit, &["memoryPolicy", "memory policy", "mempolicy", "MPOL"])
}

/// Enters a network namespace of our own, where network devices can be made, and makes one.
pub(super) fn own_network(scene: &Scene, script: &str) -> Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?;
    // A tun device needs no kernel module beside the one that is always there.
    scene.shell(script).run()?.ok().map(drop)
}

/// A tap device of the name.
pub(super) fn tap(name: &str) -> String {
    format!("ip tuntap add dev {name} mode tap")
}

fn devices(value: Value) -> impl FnOnce(&mut Bundle) {
    move |b| {
        b.set("/linux/netDevices", value);
    }
}

fn device_moves(scene: &Scene) -> Result<()> {
    own_network(scene, &tap("cf0"))?;
    let text = scene.sh(devices(json!({ "cf0": {} })), "ip link show cf0")?;
    contains("device", &text, "UP")
}

/// The process may join its namespace after the runtime moved the device there.
fn device_joined(scene: &Scene) -> Result<()> {
    own_network(scene, &tap("cf0"))?;
    let (_holder, path) = super::namespaces::holder(scene, "net", "net")?;
    let bundle = scene.bundle_with(|b| {
        b.join("network", &path).set("/linux/netDevices", json!({ "cf0": {} }));
        b.args(&["ip", "link", "show", "cf0"]);
    })?;
    bundle.write()?;
    let late = "inject=setns:delay_enter=300000";
    let strace = ["/usr/bin/strace", "-f", "-o", "/dev/null", "-e", "trace=setns", "-e", late];
    let run = scene.runtime(&["run", "--bundle"]).arg(&bundle.dir).arg(scene.id());
    contains("device", &run.under(&strace).run()?.ok()?.stdout, "UP")
}

fn device_renamed(scene: &Scene) -> Result<()> {
    own_network(scene, &tap("cf0"))?;
    scene.prints(
        devices(json!({ "cf0": { "name": "eth0" } })),
        "ls /sys/class/net | grep -E 'cf0|eth0'",
        "eth0\n",
    )
}

fn device_template(scene: &Scene) -> Result<()> {
    own_network(scene, &tap("cf0"))?;
    scene.prints(
        devices(json!({ "cf0": { "name": "web%d" } })),
        "ls /sys/class/net | grep web",
        "web0\n",
    )
}

fn device_addresses(scene: &Scene) -> Result<()> {
    own_network(
        scene,
        &format!(
            "{} && ip addr add 10.99.1.2/24 dev cf0 && ip addr add fd00:99::2/64 dev cf0 nodad",
            tap("cf0")
        ),
    )?;
    let text = scene.sh(devices(json!({ "cf0": { "name": "eth0" } })), "ip addr show eth0")?;
    contains("addresses", &text, "10.99.1.2/24")?;
    contains("addresses", &text, "fd00:99::2/64")
}

fn device_missing(scene: &Scene) -> Result<()> {
    own_network(scene, "true")?;
    scene.refuses(devices(json!({ "cf9": {} })), &["cf9"])
}

fn device_taken(scene: &Scene) -> Result<()> {
    own_network(scene, &tap("cf0"))?;
    scene.refuses(devices(json!({ "cf0": { "name": "lo" } })), &["lo", "cf0"])
}

fn device_without_namespace(scene: &Scene) -> Result<()> {
    own_network(scene, &tap("cf0"))?;
    let edit = |b: &mut Bundle| {
        b.inherit("network");
        devices(json!({ "cf0": {} }))(b);
    };
    scene.refuses(edit, &["netDevices", "net", "namespace"])
}

fn device_bad_name(scene: &Scene) -> Result<()> {
    own_network(scene, &tap("cf0"))?;
    for name in ["a/b", "..", "much-too-long-a-name", "a b"] {
        scene.refuses(devices(json!({ "cf0": { "name": name } })), &[name, "name"])?;
    }
    Ok(())
}

fn rdt_absent(scene: &Scene) -> Result<()> {
    let rdt = json!({ "closID": "group", "l3CacheSchema": "L3:0=7f" });
    scene.refuses(
        |b| {
            b.set("/linux/intelRdt", rdt);
        },
        &["rdt", "resctrl"],
    )
}

fn rdt_bad(scene: &Scene) -> Result<()> {
    for clos in ["..", "a/b", "."] {
        scene.refuses(
            |b| {
                b.set("/linux/intelRdt", json!({ "closID": clos }));
            },
            &["rdt", "closID", "resctrl"],
        )?;
    }
    Ok(())
}

/// Either an error that names it, or no effect; never half a mount.
fn mount_label(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.set("/linux/mountLabel", json!("system_u:object_r:svirt_sandbox_file_t:s0:c715,c811"));
    let output = scene.run(bundle.sh("echo ran"))?;
    if output.code() == 0 {
        return equal("stdout", output.stdout.as_str(), "ran\n");
    }
    output.fails_naming(&["mountLabel", "selinux", "label", "context"]).map(drop)
}

fn unknown_property(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.set("/frobnicate", json!({ "deep": [1] }))
            .set("/linux/frobnicate", json!(true))
            .set("/process/frobnicate", json!("x"));
    };
    scene.prints(edit, "echo ran", "ran\n")
}

fn unknown_annotation(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.set("/annotations", json!({ "org.opencontainers.frob": "1", "com.example.x": "" }));
    };
    scene.prints(edit, "echo ran", "ran\n")
}

/// Without `linux` there is no namespace; a runtime that can't confine then must say so.
fn no_linux(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.unset("/linux").unset("/hostname");
    let output = scene.run(bundle.sh("echo ran"))?;
    if output.code() == 0 {
        return equal("stdout", output.stdout.as_str(), "ran\n");
    }
    output.fails().map(drop)
}
