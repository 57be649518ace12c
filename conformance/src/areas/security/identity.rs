//! S11 to S19: capabilities, ids, groups, sysctls, annotations, sockets.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::Result;
use serde_json::{Value, json};

use super::super::cgroups::unit_bundle;
use crate::harness::bundle::Bundle;
use crate::harness::expect::{contains, equal, holds};
use crate::harness::host::Need;
use crate::harness::scene::Scene;
use crate::harness::template;
use crate::suite::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test("S11", "CVE-2022-29162", &[], exec_cap),
    test("S12-exec", "CVE-2024-40635", &[], ids_exec),
    test("S12-exec-empty", "CVE-2024-40635", &[], ids_exec_empty),
    test("S12-config", "CVE-2024-40635", &[], ids_config),
    test("S12-process-file", "CVE-2024-40635", &[], ids_process),
    test("S13-many", "CVE-2021-43784", &[], many_mappings),
    test("S13-fitting", "CVE-2021-43784", &[], fitting_mappings),
    test("S13-long-strings", "CVE-2021-43784", &[], long_strings),
    test("S13-wrapping-range", "CVE-2021-43784", &[], wrapping_range),
    test("S14", "CVE-2023-25809", &[Need::Root], cgroup_not_writable),
    test("S15", "RUNTIME.md S15", &[], sysctl_keys),
    test("S16-features", "CVE-2024-3154", &[], unsafe_annotations),
    test("S16-property", "CVE-2024-3154", &[Need::Systemd], systemd_property),
    test("S18-abstract-sockets", "CVE-2020-15257", &[], abstract_sockets),
    test("S18-root-mode", "CVE-2021-41103", &[], root_mode),
    test("S19-run", "CVE-2023-25173", &[Need::Program("setpriv")], groups_run),
    test("S19-exec", "CVE-2023-25173", &[Need::Program("setpriv")], groups_exec),
];

fn exec_cap(scene: &Scene) -> Result<()> {
    let container = scene.idle(|b| {
        b.capabilities(&["CAP_KILL"]);
    })?;
    let words = ["grep", "-E", "^Cap(Inh|Amb|Bnd)", "/proc/self/status"];
    let output = container.exec_command(&["--cap", "CAP_CHOWN"], &words).run()?;
    output
        .prints("CapInh:\t0000000000000000\nCapBnd:\t0000000000000021\nCapAmb:\t0000000000000000\n")
        .map(drop)
}

/// Words that some parser somewhere has taken for the id 0.
const BAD_IDS: &[&str] = &[
    "-1",
    "0x0",
    "0x10",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    " 0",
    "+0",
    "1.0",
    "1e3",
    "00x",
    "0:-1",
    "0:4294967296",
    "0:0x0",
    "0:0:0",
    "root",
];

fn ids_exec(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    for word in BAD_IDS {
        let output = container.exec_command(&[&format!("--user={word}")], &["id"]).run()?;
        holds(
            &format!("--user={word:?} was accepted: {}", output.stdout.trim()),
            output.code() != 0,
        )?;
    }
    Ok(())
}

fn ids_exec_empty(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    for word in ["--user=", "--user=:", "--user=:5", "--user=5:"] {
        let output = container.exec_command(&[word], &["id"]).run()?;
        holds(&format!("{word} was accepted: {}", output.stdout.trim()), output.code() != 0)?;
    }
    Ok(())
}

fn bad_values() -> Vec<Value> {
    vec![
        json!(-1),
        json!(4_294_967_296_u64),
        json!(18_446_744_073_709_551_615_u64),
        json!(0.5),
        json!("0"),
        json!(""),
        json!("0x0"),
        json!([0]),
        json!(true),
    ]
}

fn ids_config(scene: &Scene) -> Result<()> {
    for value in bad_values() {
        for key in ["uid", "gid"] {
            scene.refuses(
                |b| {
                    b.set(&format!("/process/user/{key}"), value.clone());
                },
                &[key],
            )?;
        }
        scene.refuses(
            |b| {
                b.set("/process/user/additionalGids", json!([value]));
            },
            &["additionalGids"],
        )?;
    }
    Ok(())
}

fn ids_process(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    for value in bad_values() {
        let mut process = template::process(&["id"]);
        process["user"]["uid"] = value.clone();
        let file = scene.path("process.json");
        fs::write(&file, serde_json::to_vec(&process)?)?;
        let output = container.exec_command(&["--process", &file.to_string_lossy()], &[]).run()?;
        holds(&format!("uid {value} was accepted: {}", output.stdout.trim()), output.code() != 0)?;
    }
    Ok(())
}

/// `count` mappings of one id each.
fn mapped(count: u32) -> impl FnOnce(&mut Bundle) {
    let map: Vec<Value> = (0..count)
        .map(|id| json!({ "containerID": id, "hostID": 100_000 + id, "size": 1 }))
        .collect();
    move |b| {
        b.namespace("user")
            .set("/linux/uidMappings", json!(map))
            .set("/linux/gidMappings", json!(map));
    }
}

fn many_mappings(scene: &Scene) -> Result<()> {
    scene.refuses(mapped(10_000), &["mapping", "uid_map", "length", "too long", "too many"])
}

fn fitting_mappings(scene: &Scene) -> Result<()> {
    scene.prints(
        mapped(200),
        "wc -l </proc/self/uid_map; tail -n 1 /proc/self/gid_map | tr -s ' '",
        "200\n 199 100199 1\n",
    )
}

/// Strings longer than a 16 bit length can say.
fn long_strings(scene: &Scene) -> Result<()> {
    let long = "x".repeat(70_000);
    let mut bundle = scene.bundle()?;
    bundle.set("/process/env", json!(["PATH=/bin", format!("LONG={long}")]));
    scene.run(bundle.sh("echo ${#LONG}"))?.prints("70000\n")?;
    scene.refuses(
        |b| {
            b.join("network", &format!("/{long}"));
        },
        &["namespace", "too long", "name"],
    )
}

fn wrapping_range(scene: &Scene) -> Result<()> {
    for (host, size) in [(4_294_967_295_u64, 2_u64), (100_000, 4_294_967_295), (4_294_967_290, 100)]
    {
        let map = json!([{ "containerID": 0, "hostID": host, "size": size }]);
        let edit = |b: &mut Bundle| {
            b.namespace("user")
                .set("/linux/uidMappings", map.clone())
                .set("/linux/gidMappings", map.clone());
        };
        scene.refuses(edit, &["mapping", "uid_map", "map", "invalid argument"])?;
    }
    Ok(())
}

/// In a user namespace, and without a cgroup namespace, the host's cgroups may be seen at most.
fn cgroup_not_writable(scene: &Scene) -> Result<()> {
    crate::areas::rootless::with(scene, |mut bundle| {
        bundle.mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "relatime"],
        );
        let script = "find /sys/fs/cgroup -type d | while read d; do case $(stat -f -c %t $d) in
            27e0eb|63677270) mkdir $d/x 2>/dev/null && rmdir $d/x && echo $d;;
            esac; done | head -n 3; echo end";
        let output = crate::areas::rootless::output(scene, bundle.sh(script))?;
        if output.code() == 0 {
            equal("writable", output.stdout.as_str(), "end\n")?;
        }
        Ok(())
    })
}

fn sysctl_keys(scene: &Scene) -> Result<()> {
    for key in [
        "net.core/../../kernel/panic",
        "net/../kernel/panic",
        "net.core.somaxconn\nkernel.panic",
        "net.+core.somaxconn",
        "kernel.shm+max",
        "net..core",
        "net/ipv4/ip_forward",
        "/net/core/somaxconn",
        "kernel/../../self/oom_score_adj",
        "fs.mqueue.../x",
        "",
        ".",
        "net.",
        "kernel.msg",
    ] {
        let before = fs::read_to_string("/proc/sys/kernel/panic")?;
        scene.refuses(
            |b| {
                b.set("/linux/sysctl", json!({ key: "1" }));
            },
            &[
                "sysctl",
                "no such file",
                "not a directory",
                "is a directory",
                "permission",
                "invalid",
                "not in a separate",
                "name",
            ],
        )?;
        equal("kernel.panic of the host", fs::read_to_string("/proc/sys/kernel/panic")?, before)?;
    }
    Ok(())
}

fn unsafe_annotations(scene: &Scene) -> Result<()> {
    let features = scene.bare_runtime().arg("features").run()?.json()?;
    let list = features["potentiallyUnsafeConfigAnnotations"].to_string();
    contains("potentiallyUnsafeConfigAnnotations", &list, "org.systemd.property.")
}

fn systemd_property(scene: &Scene) -> Result<()> {
    let (id, bundle) = unit_bundle(scene, |b| {
        b.set(
            "/annotations",
            json!({ "org.systemd.property.TimeoutStopUSec": "uint64 123456789" }),
        );
    })?;
    let output = scene
        .runtime(&["--systemd-cgroup", "create", "--bundle"])
        .arg(&bundle.dir)
        .arg(&id)
        .run()?;
    if output.code() != 0 {
        return output.fails_naming(&["org.systemd.property"]).map(drop);
    }
    let shown = scene
        .program("systemctl")
        .args(&["show", "--property", "TimeoutStopUSec", &format!("conf-{id}.scope")])
        .run()?;
    scene.runtime(&["delete", "--force", &id]).run()?.ok()?;
    holds("the property was applied", !shown.stdout.contains("2min 3.4"))
}

fn abstract_names() -> Result<BTreeSet<String>> {
    let text = fs::read_to_string("/proc/self/net/unix")?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(7))
        .filter(|name| name.starts_with('@'))
        .map(str::to_owned)
        .collect())
}

/// A network namespace of our own has no abstract sockets but those of the runtime.
fn abstract_sockets(scene: &Scene) -> Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?;
    let mut bundle = scene.bundle()?;
    let fifo = bundle.host_path("/up");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_raw_mode(0o600))?;
    bundle.sh("echo up >/up; exec sleep 1000000");
    let running = scene.run_command(&bundle, &scene.id(), &[])?.spawn()?;
    crate::harness::sockets::read_fifo(&fifo)?;
    let names = abstract_names()?;
    drop(running);
    equal("abstract sockets", names, BTreeSet::new())
}

fn root_mode(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let id = scene.id();
    scene.create_command(bundle.idle(), &id, &[])?.after("umask 0").run()?.ok()?;
    let mode = fs::metadata(scene.root())?.permissions().mode() & 0o777;
    holds(&format!("mode of the state root is {mode:o}"), mode & 0o077 == 0)
}

/// Supplementary groups of the caller that must not reach the container.
const CALLER: &[&str] = &["/usr/bin/setpriv", "--groups", "4,20,999"];

fn groups_run(scene: &Scene) -> Result<()> {
    for (gids, want) in [(json!([]), "Groups:\t \n"), (json!([30, 40]), "Groups:\t30 40 \n")] {
        let mut bundle = scene.bundle()?;
        bundle.set("/process/user/additionalGids", gids).args(&[
            "grep",
            "Groups",
            "/proc/self/status",
        ]);
        let output = scene.run_command(&bundle, &scene.id(), &[])?.under(CALLER).run()?.ok()?;
        equal(
            "groups",
            output.stdout.split_whitespace().collect::<Vec<_>>(),
            want.split_whitespace().collect::<Vec<_>>(),
        )?;
    }
    Ok(())
}

fn groups_exec(scene: &Scene) -> Result<()> {
    let container = scene.idle(|b| {
        b.set("/process/user/additionalGids", json!([30]));
    })?;
    let command =
        container.exec_command(&[], &["grep", "Groups", "/proc/self/status"]).under(CALLER);
    let output = command.run()?.ok()?;
    equal("groups", output.stdout.trim(), "Groups:\t30")
}
