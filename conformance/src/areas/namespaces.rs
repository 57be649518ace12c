//! Namespaces: new, joined and inherited; user namespace mappings; time offsets; names.

use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::json;

use crate::harness::bundle::Bundle;
use crate::harness::command::{Output, Running};
use crate::harness::container::Container;
use crate::harness::expect::{contains, equal, holds};
use crate::harness::host::Need;
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

const SPEC: &str = "config-linux.md#namespaces";
const USER: &str = "config-linux.md#user-namespace-mappings";
const TIME: &str = "config-linux.md#offset-for-time-namespace";

pub(crate) const TESTS: &[Test] = &[
    test("new-pid", SPEC, &[], |s| new(s, "pid", "pid")),
    test("new-network", SPEC, &[], |s| new(s, "network", "net")),
    test("new-ipc", SPEC, &[], |s| new(s, "ipc", "ipc")),
    test("new-uts", SPEC, &[], |s| new(s, "uts", "uts")),
    test("new-mount", SPEC, &[], |s| new(s, "mount", "mnt")),
    test("new-cgroup", SPEC, &[], |s| new(s, "cgroup", "cgroup")),
    test("new-user", SPEC, &[], new_user),
    test("new-time", SPEC, &[Need::Path("/proc/self/ns/time")], |s| new(s, "time", "time")),
    test("inherit-pid", SPEC, &[], |s| inherit(s, "pid", "pid")),
    test("inherit-network", SPEC, &[], |s| inherit(s, "network", "net")),
    test("inherit-ipc", SPEC, &[], |s| inherit(s, "ipc", "ipc")),
    test("inherit-uts", SPEC, &[], |s| inherit(s, "uts", "uts")),
    test("inherit-cgroup", SPEC, &[], |s| inherit(s, "cgroup", "cgroup")),
    test("inherit-user", SPEC, &[], |s| inherit(s, "user", "user")),
    test("join-pid", SPEC, &[], |s| join(s, "pid", "pid", "pid")),
    test("join-network", SPEC, &[], |s| join(s, "network", "net", "net")),
    test("join-ipc", SPEC, &[], |s| join(s, "ipc", "ipc", "ipc")),
    test("join-uts", SPEC, &[], |s| join(s, "uts", "uts", "uts")),
    test("join-cgroup", SPEC, &[], |s| join(s, "cgroup", "cgroup", "cgroup")),
    test("join-time", SPEC, &[Need::Path("/proc/self/ns/time")], |s| {
        join(s, "time", "time", "time_for_children")
    }),
    test("join-user", SPEC, &[], join_user),
    test("join-user-with-the-same-maps", SPEC, &[], |s| join_user_mapped(s, 100_000, true)),
    test("join-user-with-other-maps-refused", SPEC, &[], |s| join_user_mapped(s, 200_000, false)),
    test("join-another-container", SPEC, &[], join_container),
    test("join-wrong-kind-refused", SPEC, &[], join_wrong),
    test("join-missing-refused", SPEC, &[], join_missing),
    test("join-a-plain-file-refused", SPEC, &[], join_plain),
    test("join-relative-path-refused", SPEC, &[], join_relative),
    test("duplicate-refused", SPEC, &[], duplicate),
    test("unknown-kind-refused", SPEC, &[], unknown),
    test("pid-one", "pid_namespaces(7)", &[], pid_one),
    test("loopback-is-up", "runc", &[], loopback),
    test("no-network-namespace-left", SPEC, &[Need::Root], no_network_left),
    test("network-namespace-that-cannot-be-sent", SPEC, &[Need::Root], no_descriptors_to_send),
    test("loopback-alone", SPEC, &[], loopback_alone),
    test("loopback-of-a-joined-namespace-untouched", "runc", &[], loopback_joined),
    test("ipc-is-empty", SPEC, &[], ipc_empty),
    test("cgroup-root-is-own", SPEC, &[], cgroup_root),
    test("hostname", "config.md#hostname", &[], hostname),
    test("hostname-long-refused", "sethostname(2)", &[], hostname_long),
    test("hostname-without-uts-refused", "config.md#hostname", &[], hostname_without_uts),
    test("hostname-unset-keeps-the-hosts", "config.md#hostname", &[], hostname_unset),
    test("domainname", "config.md#domainname", &[], domainname),
    test("domainname-without-uts-refused", "config.md#domainname", &[], domainname_without_uts),
    test("user-mapping", USER, &[], user_mapping),
    test("user-mapping-several", USER, &[], user_mapping_several),
    test("user-files-are-the-mapped", USER, &[], user_files),
    test("user-cannot-be-host-root", USER, &[], user_root),
    test("user-without-mapping-refused", USER, &[], user_without),
    test("user-mapping-overlap-refused", USER, &[], mapping_overlap),
    test("user-id-not-mapped-refused", USER, &[], id_not_mapped),
    test("user-groups", USER, &[], user_groups),
    test("user-hostname-and-network", USER, &[], user_owns),
    test("user-root-not-reachable-refused", USER, &[], user_root_closed),
    test("time-offset-boottime", TIME, &[Need::Path("/proc/self/ns/time")], time_boottime),
    test("time-offset-monotonic", TIME, &[Need::Path("/proc/self/ns/time")], time_monotonic),
    test("time-offset-exec", TIME, &[Need::Path("/proc/self/ns/time")], time_exec),
    test(
        "time-offset-without-namespace-refused",
        TIME,
        &[Need::Path("/proc/self/ns/time")],
        time_without,
    ),
    test(
        "time-offset-unknown-clock-refused",
        TIME,
        &[Need::Path("/proc/self/ns/time")],
        time_unknown,
    ),
];

fn own(kind: &str) -> Result<String> {
    Ok(fs::read_link(format!("/proc/self/ns/{kind}"))?.to_string_lossy().into_owned())
}

fn of(container: &Container<'_>, kind: &str) -> Result<String> {
    let link = format!("/proc/{}/ns/{kind}", container.pid()?);
    Ok(fs::read_link(link)?.to_string_lossy().into_owned())
}

fn new(scene: &Scene, kind: &str, link: &str) -> Result<()> {
    let container = scene.idle(|b| {
        b.inherit(kind).namespace(kind);
    })?;
    holds("the namespace is the host's", of(&container, link)? != own(link)?)
}

fn new_user(scene: &Scene) -> Result<()> {
    let container = scene.idle(|b| {
        b.user_namespace(100_000, 65_536);
    })?;
    holds("the namespace is the host's", of(&container, "user")? != own("user")?)
}

fn inherit(scene: &Scene, kind: &str, link: &str) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.inherit(kind);
        if kind == "uts" {
            b.unset("/hostname");
        }
        if matches!(kind, "network" | "ipc") {
            // sysfs and mqueue belong to those namespaces' owners.
            b.set("/mounts", json!([{ "destination": "/proc", "type": "proc", "source": "proc" }, { "destination": "/dev", "type": "tmpfs", "source": "tmpfs" }]));
        }
    };
    equal("namespace", of(&scene.idle(edit)?, link)?, own(link)?)
}

/// A process in a new namespace of `flag`, and the path of its namespace `link`.
pub(super) fn holder(scene: &Scene, flag: &str, link: &str) -> Result<(Running, String)> {
    let fifo = scene.path(&format!("{flag}.fifo"));
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_raw_mode(0o600))?;
    let script = format!("echo $$ >{}; exec sleep 1000000", fifo.display());
    let flags: Vec<String> = flag.split(' ').map(|kind| format!("--{kind}")).collect();
    let command = scene.program("/usr/bin/unshare").args(&flags).args(&["/bin/sh", "-c", &script]);
    let running = command.spawn()?;
    crate::harness::sockets::read_fifo(&fifo)?;
    // unshare(1) without --fork becomes the shell; with --pid only its child is inside.
    let pid = running.pid();
    Ok((running, format!("/proc/{pid}/ns/{link}")))
}

fn join(scene: &Scene, kind: &str, flag: &str, link: &str) -> Result<()> {
    if kind == "pid" {
        return join_pid(scene);
    }
    let (_holder, path) = holder(scene, flag, link)?;
    let container = scene.idle(|b| {
        b.join(kind, &path);
        if kind == "uts" {
            b.unset("/hostname");
        }
    })?;
    let want = fs::read_link(&path)?.to_string_lossy().into_owned();
    equal("namespace", of(&container, if kind == "network" { "net" } else { kind })?, want)
}

fn join_pid(scene: &Scene) -> Result<()> {
    let first = scene.idle(|_| {})?;
    let path = format!("/proc/{}/ns/pid", first.pid()?);
    let second = scene.idle(|b| {
        b.join("pid", &path);
    })?;
    equal("namespace", of(&second, "pid")?, of(&first, "pid")?)?;
    let listed = second.sh("ls -d /proc/[0-9]* | wc -l")?;
    holds("fewer than two processes are seen", listed.trim().parse::<u32>()? >= 2)?;
    // The second goes first, as it lives in the namespace of the first.
    second.command("delete", &["--force"]).run()?.ok().map(drop)
}

fn join_user(scene: &Scene) -> Result<()> {
    let first = scene.idle(|b| {
        b.user_namespace(100_000, 65_536);
    })?;
    let path = format!("/proc/{}/ns/user", first.pid()?);
    let second = scene.idle(|b| {
        b.user_namespace(100_000, 65_536);
        b.unset("/linux/uidMappings").unset("/linux/gidMappings");
        b.join("user", &path);
    })?;
    equal("namespace", of(&second, "user")?, of(&first, "user")?)?;
    contains("map", &second.sh("cat /proc/self/uid_map")?, "100000")
}

/// A configuration may repeat the maps of the namespace it joins, but not contradict them.
fn join_user_mapped(scene: &Scene, host_id: u32, is_accepted: bool) -> Result<()> {
    let first = scene.idle(|b| {
        b.user_namespace(100_000, 65_536);
    })?;
    let path = format!("/proc/{}/ns/user", first.pid()?);
    let edit = |b: &mut Bundle| {
        b.user_namespace(host_id, 65_536).join("user", &path);
    };
    if is_accepted {
        return contains("map", &scene.idle(edit)?.sh("cat /proc/self/uid_map")?, "100000");
    }
    scene.refuses(edit, &["uidMappings", "mapping"])
}

fn join_container(scene: &Scene) -> Result<()> {
    let first = scene.idle(|_| {})?;
    let second = joining(scene, &first, &[("network", "net"), ("ipc", "ipc"), ("uts", "uts")])?;
    holds("pid namespace is shared", of(&second, "pid")? != of(&first, "pid")?)
}

/// A container in the namespaces of another, by kind and by link below /proc/PID/ns.
fn joining<'s>(
    scene: &'s Scene,
    first: &Container<'_>,
    kinds: &[(&str, &str)],
) -> Result<Container<'s>> {
    let pid = first.pid()?;
    let second = scene.idle(|b| {
        for (kind, link) in kinds {
            b.join(kind, &format!("/proc/{pid}/ns/{link}"));
        }
        b.unset("/hostname");
    })?;
    for (_, link) in kinds {
        equal(link, of(&second, link)?, of(first, link)?)?;
    }
    Ok(second)
}

/// Where cgroup namespaces are boundaries (`nsdelegate`, as systemd mounts), the second container's
/// cgroup can't be entered from the first one's namespace.
pub(super) fn join_all(scene: &Scene) -> Result<()> {
    let first = scene.idle(|b| {
        b.user_namespace(100_000, 65_536);
    })?;
    let kinds = ["user", "pid", "network", "ipc", "uts", "cgroup"].map(|kind| match kind {
        "network" => (kind, "net"),
        _ => (kind, kind),
    });
    let second = joining(scene, &first, &kinds)?;
    contains("map", &second.sh("cat /proc/self/uid_map")?, "100000")
}

fn join_wrong(scene: &Scene) -> Result<()> {
    for (kind, link) in [("network", "uts"), ("ipc", "net"), ("uts", "mnt")] {
        let path = format!("/proc/self/ns/{link}").replace("self", &std::process::id().to_string());
        let edit = |b: &mut Bundle| {
            b.join(kind, &path);
        };
        scene.refuses(edit, &["namespace", "invalid argument", &path, "ns"])?;
    }
    Ok(())
}

fn join_missing(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.join("network", "/nonexistent/netns");
        },
        &["/nonexistent/netns"],
    )
}

fn join_plain(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.join("network", "/etc/passwd");
        },
        &["/etc/passwd", "namespace", "invalid argument", "ns"],
    )
}

fn join_relative(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.join("network", "proc/1/ns/net");
        },
        &["proc/1/ns/net", "absolute", "namespace"],
    )
}

fn duplicate(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.namespace("uts");
        },
        &["namespace", "uts", "duplicat"],
    )
}

fn unknown(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.namespace("frob");
        },
        &["namespace", "frob"],
    )
}

fn pid_one(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.args(&["sh", "-c", "echo $$; true"]);
    scene.run(&bundle)?.prints("1\n").map(drop)
}

fn loopback(scene: &Scene) -> Result<()> {
    let text = scene.sh(|_| {}, "ip addr show lo")?;
    contains("lo", &text, "LOOPBACK,UP")?;
    contains("lo", &text, "127.0.0.1/8")
}

/// In a user namespace that may have no network namespace.
fn no_network_left(scene: &Scene) -> Result<()> {
    let before = "echo 0 >/proc/sys/user/max_net_namespaces || exit 9";
    let (output, id) = as_root_of_a_user_namespace(scene, before)?;
    output.fails_naming(&["No space left on device"])?;
    scene.is_absent(&id)
}

/// Who has more descriptors under way than may be open can send no more (unix(7), `ETOOMANYREFS`).
fn no_descriptors_to_send(scene: &Scene) -> Result<()> {
    let (_receiver, sender) = UnixStream::pair()?;
    let fds = [sender.as_fd(); 200];
    for _ in 0..3 {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(200))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        holds("no room", control.push(SendAncillaryMessage::ScmRights(&fds)))?;
        let parts = [std::io::IoSlice::new(b"x")];
        sendmsg(&sender, &parts, &mut control, SendFlags::empty())?;
    }
    let (output, _) = as_root_of_a_user_namespace(scene, "ulimit -n 200")?;
    contains("lo", &output.ok()?.stdout, "LOOPBACK,UP")
}

/// Runs a container without a user namespace of its own, after a line of shell; its output and id.
fn as_root_of_a_user_namespace(scene: &Scene, before: &str) -> Result<(Output, String)> {
    let mut bundle = scene.bundle()?;
    bundle.inherit("user").set("/linux/uidMappings", json!([]));
    // The devpts of the default bundle has a group that the namespace doesn't know.
    bundle.set("/linux/gidMappings", json!([])).set("/mounts", json!([]));
    bundle.mount("/proc", "proc", "proc", &[]).sh("ip addr show lo").write()?;
    let id = scene.id();
    let script = format!("{before}\n\"$0\" --root \"$1\" run --bundle \"$2\" \"$3\"");
    let shell = scene.shell(&script).arg(&scene.runtime);
    let shell = shell.arg(scene.root()).arg(&bundle.dir).arg(&id);
    let namespace = ["/usr/bin/unshare", "--user", "--map-root-user", "--mount"];
    Ok((shell.under(&namespace).run()?, id))
}

fn loopback_alone(scene: &Scene) -> Result<()> {
    scene.prints(|_| {}, "awk -F: 'NR>2{gsub(\" \",\"\",$1); print $1}' /proc/net/dev | grep -vE 'tunl0|sit0|ip6tnl0|gre|ip_vti|ip6_vti|ip6gre|erspan'", "lo\n")
}

fn loopback_joined(scene: &Scene) -> Result<()> {
    let (_holder, path) = holder(scene, "net", "net")?;
    let text = scene.sh(
        |b| {
            b.join("network", &path);
        },
        "ip addr show lo",
    )?;
    holds("lo was brought up in a namespace of another", !text.contains("LOOPBACK,UP"))
}

fn ipc_empty(scene: &Scene) -> Result<()> {
    scene.prints(|_| {}, "tail -n +2 /proc/sysvipc/shm | wc -l; ls /dev/mqueue | wc -l", "0\n0\n")
}

fn cgroup_root(scene: &Scene) -> Result<()> {
    let text = scene.sh(
        |b| {
            b.namespace("cgroup");
        },
        "cut -d : -f 3 /proc/self/cgroup | sort -u",
    )?;
    equal("paths", text.as_str(), "/\n")
}

fn hostname(scene: &Scene) -> Result<()> {
    let before = fs::read_to_string("/proc/sys/kernel/hostname")?;
    scene.prints(
        |b| {
            b.set("/hostname", json!("web-1.example"));
        },
        "hostname",
        "web-1.example\n",
    )?;
    equal("hostname of the host", fs::read_to_string("/proc/sys/kernel/hostname")?, before)
}

fn hostname_long(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.set("/hostname", json!("x".repeat(65)));
        },
        &["hostname"],
    )
}

fn hostname_without_uts(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.inherit("uts");
        },
        &["uts", "hostname"],
    )
}

fn hostname_unset(scene: &Scene) -> Result<()> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname")?;
    scene.prints(
        |b| {
            b.unset("/hostname");
        },
        "cat /proc/sys/kernel/hostname",
        &host,
    )
}

fn domainname(scene: &Scene) -> Result<()> {
    scene.prints(
        |b| {
            b.set("/domainname", json!("example.test"));
        },
        "cat /proc/sys/kernel/domainname",
        "example.test\n",
    )
}

fn domainname_without_uts(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.inherit("uts").unset("/hostname").set("/domainname", json!("x"));
    };
    scene.refuses(edit, &["uts", "domainname"])
}

fn user_mapping(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.user_namespace(100_000, 65_536);
    };
    let text = scene.sh(edit, "cat /proc/self/uid_map /proc/self/gid_map; id -u")?;
    equal(
        "words",
        text.split_whitespace().collect::<Vec<_>>(),
        vec!["0", "100000", "65536", "0", "100000", "65536", "0"],
    )
}

fn user_mapping_several(scene: &Scene) -> Result<()> {
    let map = json!([
        { "containerID": 0, "hostID": 100_000, "size": 1000 },
        { "containerID": 1000, "hostID": 300_000, "size": 1 },
        { "containerID": 2000, "hostID": 200_000, "size": 5000 },
    ]);
    let edit = |b: &mut Bundle| {
        b.namespace("user").set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
        b.set("/process/user", json!({ "uid": 1000, "gid": 2001 }));
    };
    let container = scene.idle(edit)?;
    let host = crate::harness::process::status_of(container.pid()?, "Uid")?;
    equal("host uid", host.as_str(), "300000 300000 300000 300000")?;
    let host = crate::harness::process::status_of(container.pid()?, "Gid")?;
    equal("host gid", host.as_str(), "200001 200001 200001 200001")
}

fn user_files(scene: &Scene) -> Result<()> {
    let dir = scene.path("shared");
    fs::create_dir(&dir)?;
    std::os::unix::fs::chown(&dir, Some(100_000), Some(100_000))?;
    scene.prints(
        |b| {
            b.user_namespace(100_000, 65_536).bind(&dir, "/home", &[]);
        },
        "touch /home/f; stat -c %u /home/f",
        "0\n",
    )?;
    equal("owner on the host", fs::metadata(dir.join("f"))?.uid(), 100_000)
}

fn user_root(scene: &Scene) -> Result<()> {
    let dir = super::mounts::host_dir(scene, "a")?;
    let edit = |b: &mut Bundle| {
        b.user_namespace(100_000, 65_536)
            .bind(&dir, "/home", &[])
            .capabilities(&["CAP_DAC_OVERRIDE", "CAP_CHOWN"]);
    };
    scene.prints(
        edit,
        "touch /home/x 2>/dev/null || echo no; chown 0 /home/a 2>/dev/null || echo no; stat -c %u /home/a",
        "no\nno\n65534\n",
    )
}

fn user_without(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.namespace("user");
        },
        &["mapping", "user namespace"],
    )
}

fn mapping_overlap(scene: &Scene) -> Result<()> {
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 10 }, { "containerID": 5, "hostID": 200_000, "size": 10 }]);
    let edit = |b: &mut Bundle| {
        b.namespace("user").set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
    };
    scene.refuses(edit, &["mapping", "uid_map", "invalid argument", "map"])
}

fn id_not_mapped(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.user_namespace(100_000, 10).set("/process/user", json!({ "uid": 10, "gid": 0 }));
    };
    let mut bundle = scene.bundle()?;
    edit(&mut bundle);
    scene.run(&bundle)?.fails_naming(&["uid", "user", "invalid argument"]).map(drop)
}

fn user_groups(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.user_namespace(100_000, 65_536).set("/process/user/additionalGids", json!([5, 6]));
    };
    scene.prints(edit, "grep Groups /proc/self/status", "Groups:\t5 6 \n")
}

/// The other namespaces belong to the user namespace: its root may change them.
fn user_owns(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.user_namespace(100_000, 65_536).capabilities(&["CAP_SYS_ADMIN", "CAP_NET_ADMIN"]);
    };
    scene.prints(
        edit,
        "hostname other && hostname; ip link set lo mtu 1400 && cat /sys/class/net/lo/mtu",
        "other\n1400\n",
    )
}

/// The mapped root must be able to search the way to the root file system.
fn user_root_closed(scene: &Scene) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut bundle = scene.bundle()?;
    bundle.user_namespace(100_000, 65_536);
    fs::set_permissions(&bundle.dir, fs::Permissions::from_mode(0o700))?;
    let output = scene.run(bundle.sh("echo ran"))?;
    if output.code() == 0 {
        // A runtime that opens the tree before it enters the namespace may succeed.
        return equal("output", output.stdout.as_str(), "ran\n");
    }
    output.fails_naming(&["permission denied"]).map(drop)
}

fn offsets(offsets: serde_json::Value) -> impl FnOnce(&mut Bundle) {
    move |b| {
        b.namespace("time").set("/linux/timeOffsets", offsets);
    }
}

fn time_boottime(scene: &Scene) -> Result<()> {
    let edit = offsets(json!({ "boottime": { "secs": 1_000_000, "nanosecs": 7 } }));
    let up: f64 = scene.sh(edit, "cut -d ' ' -f 1 /proc/uptime")?.trim().parse()?;
    let own: f64 =
        fs::read_to_string("/proc/uptime")?.split(' ').next().context("uptime")?.parse()?;
    holds(&format!("uptime is {up} inside, {own} outside"), (up - own - 1_000_000.0).abs() < 100.0)
}

fn time_monotonic(scene: &Scene) -> Result<()> {
    let edit = offsets(json!({ "monotonic": { "secs": 7881, "nanosecs": 2_718_281 } }));
    let text = scene.sh(edit, "cat /proc/self/timens_offsets")?;
    let line = text.lines().find(|line| line.starts_with("monotonic")).context("no line")?;
    equal(
        "offset",
        line.split_whitespace().collect::<Vec<_>>(),
        vec!["monotonic", "7881", "2718281"],
    )
}

fn time_exec(scene: &Scene) -> Result<()> {
    let container = scene.idle(offsets(json!({ "boottime": { "secs": 77 } })))?;
    contains("offsets", &container.sh("cat /proc/self/timens_offsets")?, "77")
}

fn time_without(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.set("/linux/timeOffsets", json!({ "boottime": { "secs": 1 } }));
    };
    scene.refuses(edit, &["time"])
}

fn time_unknown(scene: &Scene) -> Result<()> {
    scene.refuses(
        offsets(json!({ "realtime": { "secs": 1 } })),
        &["realtime", "timeOffsets", "clock", "offset"],
    )
}
