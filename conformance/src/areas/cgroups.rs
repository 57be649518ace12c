//! Cgroup placement, freezing, statistics and events.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::namespaces::join_all;
use crate::harness::bundle::Bundle;
use crate::harness::cgroups;
use crate::harness::expect::{contains, equal, holds};
use crate::harness::host::{Need, has_cgroup_v2};
use crate::harness::patience;
use crate::harness::process::wait_ended;
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

const PATH: &str = "config-linux.md#cgroups-path";
const FREEZER: &[Need] = &[Need::Controller("freezer")];

pub(crate) const TESTS: &[Test] = &[
    test("path-absolute", PATH, &[], path_absolute),
    test("path-nested-is-made", PATH, &[], path_nested),
    test("path-relative", PATH, &[], path_relative),
    test("path-unset", PATH, &[], path_unset),
    test("path-dotdot-stays-inside", PATH, &[], path_dotdot),
    test("path-removed-at-delete", "runtime.md#delete", &[], path_removed),
    test("path-every-hierarchy", PATH, &[Need::CgroupV1], every_hierarchy),
    test(
        "path-of-another-container-refused-or-warned",
        "config-linux.md#control-groups",
        &[],
        occupied,
    ),
    test("sub-cgroups-removed-at-delete", "runtime.md#delete", &[], sub_cgroups),
    test("namespace-hides-the-path", "cgroup_namespaces(7)", &[], namespace),
    test("namespace-joined-with-all-others", "cgroup_namespaces(7)", &[], join_all),
    test("pause-and-resume", "runc-pause(8)", FREEZER, pause_resume),
    test("pause-created", "runc-pause(8)", FREEZER, pause_created),
    test("pause-stops-the-processes", "runc-pause(8)", FREEZER, pause_stops),
    test("pause-twice-fails", "runc-pause(8)", FREEZER, pause_twice),
    test("pause-stopped-fails", "runc-pause(8)", FREEZER, pause_stopped),
    test("resume-running-fails", "runc-resume(8)", FREEZER, resume_running),
    test("paused-exec-fails", "runc-exec(8) --ignore-paused", FREEZER, paused_exec),
    test("paused-exec-ignore", "runc-exec(8) --ignore-paused", FREEZER, paused_exec_ignore),
    test("paused-kill-ends", "runc-kill(8)", FREEZER, paused_kill),
    test("paused-delete-fails", "runtime.md#delete", FREEZER, paused_delete),
    test("paused-delete-force", "runc-delete(8) --force", FREEZER, paused_delete_force),
    test(
        "paused-update",
        "runc-update(8)",
        &[Need::Controller("freezer"), Need::Controller("pids")],
        paused_update,
    ),
    test("list-shows-paused", "runc-list(8)", FREEZER, list_paused),
    test("start-below-a-frozen-cgroup-refused", "cgroups(7)", FREEZER, start_below_frozen),
    test("events-stats", "runc-events(8) --stats", &[], stats),
    test(
        "events-stats-memory",
        "runc-events(8) --stats",
        &[Need::Controller("memory")],
        stats_memory,
    ),
    test("events-stats-pids", "runc-events(8) --stats", &[Need::Controller("pids")], stats_pids),
    test("events-stats-cpu", "runc-events(8) --stats", &[], stats_cpu),
    test("events-stats-stopped-fails", "runc-events(8) --stats", &[], stats_stopped),
    test("events-interval", "runc-events(8) --interval", &[Need::Controller("memory")], interval),
    test("events-interval-zero-fails", "runc-events(8) --interval", &[], interval_zero),
    test("events-oom", "runc-events(8)", &[Need::Controller("memory")], oom),
    test("exec-sub-cgroup", "runc-exec(8) --cgroup", &[], exec_sub),
    test("exec-sub-cgroup-missing-fails", "runc-exec(8) --cgroup", &[], exec_sub_missing),
    test("exec-follows-init", "runc-exec(8) --cgroup", &[Need::CgroupV2], exec_follows),
    test("exec-after-init-left", "runc-exec(8) --cgroup", &[Need::CgroupV2], exec_after_init_left),
    test(
        "systemd-path-format-refused",
        "runc(8) --systemd-cgroup",
        &[Need::Systemd],
        systemd_format,
    ),
    test(
        "systemd-without-systemd-fails",
        "runc(8) --systemd-cgroup",
        &[Need::NoPath("/run/systemd/system")],
        no_systemd,
    ),
    test("systemd-ps-after-stop", "runc-ps(8)", &[Need::Systemd], systemd_ps_after_stop),
    test("systemd-scope", "runc(8) --systemd-cgroup", &[Need::Systemd], systemd_scope),
    test("systemd-property-allowed", "RUNTIME.md S16", &[Need::Systemd], systemd_property_allowed),
];

/// The hierarchy whose paths the tests look at, by controller name.
fn hierarchy() -> &'static str {
    if has_cgroup_v2() { "" } else { "freezer" }
}

fn path_of(scene: &Scene, cgroups_path: &Value) -> Result<String> {
    let container = scene.idle(|b| {
        b.set("/linux/cgroupsPath", cgroups_path.clone());
    })?;
    container.cgroups()?.remove(hierarchy()).context("no cgroup")
}

fn path_absolute(scene: &Scene) -> Result<()> {
    let path = format!("/{}-x", scene.tag);
    equal("path", path_of(scene, &json!(path))?, path)
}

fn path_nested(scene: &Scene) -> Result<()> {
    let top = format!("/{}-top", scene.tag);
    let path = format!("{top}/middle/leaf");
    equal("path", path_of(scene, &json!(path))?, path)?;
    // Parents are not the container's own; they stay, and we remove them.
    for id in scene.ids() {
        scene.runtime(&["delete", "--force", &id]).run()?.ok()?;
    }
    cgroups::tagged(&scene.tag).iter().rev().for_each(|dir| cgroups::destroy(dir));
    Ok(())
}

fn path_relative(scene: &Scene) -> Result<()> {
    let path = format!("{}-rel", scene.tag);
    let got = path_of(scene, &json!(path))?;
    holds(&format!("{got} does not end with {path}"), got.ends_with(&path))
}

fn path_unset(scene: &Scene) -> Result<()> {
    let got = path_of(scene, &Value::Null)?;
    holds(&format!("{got} does not name the container"), got.contains(&scene.tag))
}

fn path_dotdot(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.idle().set("/linux/cgroupsPath", json!(format!("/../../{}-up", scene.tag)));
    let id = scene.id();
    let output = scene.create_command(&bundle, &id, &[])?.run()?;
    if output.code() != 0 {
        return scene.is_absent(&id);
    }
    let dirs = cgroups::tagged(&scene.tag);
    holds("no cgroup below the mount", !dirs.is_empty())
}

fn path_removed(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let dir = container.cgroup_dir(if has_cgroup_v2() { "" } else { "freezer" })?;
    holds("no cgroup while running", dir.is_dir())?;
    container.stop()?;
    container.delete()?;
    holds("the cgroup is left", !dir.exists())
}

fn every_hierarchy(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    for (name, path) in container.cgroups()? {
        if Path::new(cgroups::MOUNT).join(&name).is_dir() && !name.is_empty() {
            holds(&format!("{name}: {path}"), path.contains(&scene.tag))?;
        }
    }
    Ok(())
}

/// runc 1.1 warns and goes on, newer ones refuse; both must leave the first container alone.
fn occupied(scene: &Scene) -> Result<()> {
    let path = json!(format!("/{}-both", scene.tag));
    let first = scene.idle(|b| {
        b.set("/linux/cgroupsPath", path.clone());
    })?;
    let mut bundle = scene.bundle()?;
    let output = scene.run(bundle.set("/linux/cgroupsPath", path).sh("echo ran"))?;
    holds("neither a word nor an error", output.code() != 0 || !output.stderr.is_empty())?;
    first.is("running")
}

fn sub_cgroups(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let dir = container.cgroup_dir(hierarchy())?;
    fs::create_dir_all(dir.join("a/b"))?;
    fs::create_dir_all(dir.join("c"))?;
    container.stop()?;
    container.delete()?;
    holds("the cgroup is left", !dir.exists())
}

fn namespace(scene: &Scene) -> Result<()> {
    let text = scene.sh(
        |b| {
            b.namespace("cgroup");
        },
        "cat /proc/self/cgroup",
    )?;
    holds("the path is seen inside", !text.contains(&scene.tag))
}

fn pause_resume(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.command("pause", &[]).run()?.ok()?;
    container.is("paused")?;
    container.command("resume", &[]).run()?.ok()?;
    container.is("running")
}

fn pause_created(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let container = scene.create(bundle.idle())?;
    container.command("pause", &[]).run()?.ok()?;
    container.is("paused")?;
    container.command("start", &[]).run()?.fails_naming(&["paused"])?;
    container.command("resume", &[]).run()?.ok()?;
    container.is("created")?;
    container.start()?;
    container.is("running")
}

/// Its process could never answer.
fn start_below_frozen(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.idle().set("/linux/cgroupsPath", json!(format!("/{}-above/leaf", scene.tag)));
    let container = scene.create(&bundle)?;
    let leaf = container.cgroup_dir(hierarchy())?;
    let above = leaf.parent().context("no parent")?;
    let (file, freeze, thaw) = if has_cgroup_v2() {
        ("cgroup.freeze", "1", "0")
    } else {
        ("freezer.state", "FROZEN", "THAWED")
    };
    fs::write(above.join(file), freeze)?;
    let output = container.command("start", &[]).limit(patience::seconds(5)).run();
    fs::write(above.join(file), thaw)?;
    output?.fails_naming(&["frozen"])?;
    container.is("created")?;
    container.start()?;
    container.is("running")?;
    scene.runtime(&["delete", "--force", &container.id]).run()?.ok()?;
    cgroups::tagged(&scene.tag).iter().rev().for_each(|dir| cgroups::destroy(dir));
    Ok(())
}

fn pause_stops(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.command("pause", &[]).run()?.ok()?;
    let (file, want) =
        if has_cgroup_v2() { ("cgroup.events", "frozen 1") } else { ("freezer.state", "FROZEN") };
    let text = container.cgroup_file(hierarchy(), file)?;
    holds(&format!("{file} is {text:?}"), text.contains(want))
}

fn pause_twice(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.command("pause", &[]).run()?.ok()?;
    container.command("pause", &[]).run()?.fails_naming(&["paused", "not running"])?;
    container.is("paused")
}

fn pause_stopped(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.stop()?;
    container.command("pause", &[]).run()?.fails().map(drop)
}

fn resume_running(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.command("resume", &[]).run()?.fails_naming(&["paused", "running"])?;
    container.is("running")
}

fn paused_exec(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.command("pause", &[]).run()?.ok()?;
    container.exec(&["true"])?.exits(255)?.fails_naming(&["paused"])?;
    container.is("paused")
}

fn paused_exec_ignore(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.command("pause", &[]).run()?.ok()?;
    let running = container.exec_command(&["--ignore-paused"], &["echo", "after"]).spawn()?;
    container.command("resume", &[]).run()?.ok()?;
    running.wait()?.prints("after\n").map(drop)
}

fn paused_kill(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let pid = container.pid()?;
    container.command("pause", &[]).run()?.ok()?;
    container.kill("KILL")?;
    container.wait_pid(pid)?;
    container.is("stopped")
}

fn paused_delete(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.command("pause", &[]).run()?.ok()?;
    container.command("delete", &[]).run()?.fails_naming(&["paused", "not stopped"])?;
    container.is("paused")
}

fn paused_delete_force(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.command("pause", &[]).run()?.ok()?;
    container.command("delete", &["--force"]).run()?.ok()?;
    scene.is_absent(&container.id)
}

fn paused_update(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.command("pause", &[]).run()?.ok()?;
    container.command("update", &["--pids-limit", "31"]).run()?.ok()?;
    container.is("paused")?;
    equal("pids.max", container.cgroup_file("pids", "pids.max")?.as_str(), "31")
}

fn list_paused(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.command("pause", &[]).run()?.ok()?;
    let listed = scene.runtime(&["list", "-f", "json"]).run()?.json()?;
    equal("status", &listed[0]["status"], "paused")
}

fn stats_of(scene: &Scene) -> Result<Value> {
    scene.idle(|_| {})?.command("events", &["--stats"]).run()?.json()
}

fn stats(scene: &Scene) -> Result<()> {
    let event = stats_of(scene)?;
    equal("type", &event["type"], "stats")?;
    equal("id", event["id"].as_str(), scene.ids().first().map(String::as_str))?;
    for key in ["cpu", "memory", "pids", "blkio", "hugetlb"] {
        holds(&format!("no `{key}` in the statistics"), event["data"].get(key).is_some())?;
    }
    let parts = [("cpu", "usage"), ("cpu", "throttling"), ("memory", "usage"), ("memory", "swap")];
    for (key, part) in parts {
        let object = event["data"][key].get(part);
        holds(&format!("no `{key}.{part}` in the statistics"), object.is_some())?;
    }
    Ok(())
}

fn stats_memory(scene: &Scene) -> Result<()> {
    let usage = &stats_of(scene)?["data"]["memory"]["usage"];
    holds("usage", usage["usage"].as_u64().is_some_and(|bytes| bytes > 0))?;
    holds("limit", usage["limit"].as_u64().is_some_and(|bytes| bytes > 0))
}

fn stats_pids(scene: &Scene) -> Result<()> {
    equal("current", &stats_of(scene)?["data"]["pids"]["current"], 1)
}

fn stats_cpu(scene: &Scene) -> Result<()> {
    let usage = &stats_of(scene)?["data"]["cpu"]["usage"];
    holds("total", usage["total"].as_u64().is_some_and(|time| time > 0))
}

fn stats_stopped(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.stop()?;
    container.command("events", &["--stats"]).run()?.fails().map(drop)
}

/// Statistics come again and again until the container ends.
fn interval(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let fifo = scene.path("events.fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_raw_mode(0o600))?;
    let head = scene.shell(&format!("head -n 2 {}", fifo.display())).spawn()?;
    let events = container
        .command("events", &["--interval", "50ms"])
        .after(&format!("exec >{}", fifo.display()))
        .spawn()?;
    let lines = head.wait()?.ok()?.stdout;
    drop(events);
    for line in lines.lines() {
        let event: Value = serde_json::from_str(line)?;
        equal("type", &event["type"], "stats")?;
    }
    equal("lines", lines.lines().count(), 2)
}

fn interval_zero(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.command("events", &["--interval", "0s"]).run()?.fails().map(drop)
}

/// A process that runs out of memory makes an `oom` event.
fn oom(scene: &Scene) -> Result<()> {
    let container = scene.idle(|b| {
        let limit: i64 = 16 << 20;
        b.set("/linux/resources/memory", json!({ "limit": limit, "swap": limit }));
    })?;
    let fifo = scene.path("events.fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_raw_mode(0o600))?;
    let grep = scene.shell(&format!("grep -m 1 '\"type\":\"oom\"' {}", fifo.display())).spawn()?;
    let events = container
        .command("events", &["--interval", "50ms"])
        .after(&format!("exec >{}", fifo.display()))
        .spawn()?;
    // The first statistics show that the watch is in place.
    let fill = "awk 'BEGIN{s=\"xxxxxxxxxxxxxxxx\"; while(1) s=s s}'; true";
    for _ in 0..3 {
        let _ = container.exec(&["sh", "-c", fill])?;
    }
    let line = grep.wait()?.ok()?.stdout;
    drop(events);
    let event: Value = serde_json::from_str(line.trim())?;
    equal("id", event["id"].as_str(), Some(container.id.as_str()))
}

fn exec_sub(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let flag = if has_cgroup_v2() { "sub".to_owned() } else { "freezer:sub".to_owned() };
    let dir = container.cgroup_dir(hierarchy())?;
    fs::create_dir(dir.join("sub"))?;
    let output =
        container.exec_command(&["--cgroup", &flag], &["cat", "/proc/self/cgroup"]).run()?.ok()?;
    let line = output
        .stdout
        .lines()
        .find(|line| line.split(':').nth(1) == Some(hierarchy()))
        .context("no line")?;
    holds(line, line.ends_with("/sub"))
}

fn exec_sub_missing(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let flag = if has_cgroup_v2() { "absent" } else { "freezer:absent" };
    container
        .exec_command(&["--cgroup", flag], &["true"])
        .run()?
        .fails_naming(&["absent"])
        .map(drop)
}

/// The container's cgroup may hold no process once its controllers are on for those below
/// (cgroups(7), "no internal processes"). It has moved its init before.
fn exec_follows(scene: &Scene) -> Result<()> {
    let container = scene.idle(|b| {
        b.mount("/sys/fs/cgroup", "cgroup", "cgroup", &[]);
    })?;
    let (dir, pid) = (container.cgroup_dir("")?, container.pid()?);
    fs::create_dir(dir.join("below"))?;
    fs::write(dir.join("below/cgroup.procs"), pid.to_string())?;
    let ends = |end: &str| {
        let text = container.sh("cat /proc/self/cgroup")?;
        holds(&text, text.trim_end().ends_with(end))
    };
    let own = dir.file_name().and_then(|name| name.to_str()).context("no name")?;
    ends(&format!("/{own}"))?;
    let controllers = fs::read_to_string(dir.join("cgroup.controllers"))?;
    let controller = controllers.split_whitespace().next().context("no controller")?;
    fs::write(dir.join("cgroup.subtree_control"), format!("+{controller}"))?;
    ends("/below")?;
    // Who names the cgroup gets that one or none.
    let refused = container.exec_command(&["--cgroup", "/"], &["true"]).run()?;
    refused.fails_naming(&["cgroup"]).map(drop)
}

/// Init was moved away and its cgroup removed, as systemd removes an empty scope.
fn exec_after_init_left(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let (dir, pid) = (container.cgroup_dir("")?, container.pid()?);
    let other = dir.parent().context("no parent")?.join(format!("{}-left", scene.tag));
    fs::create_dir(&other)?;
    fs::write(other.join("cgroup.procs"), pid.to_string())?;
    fs::remove_dir(&dir)?;
    let text = container.sh("cat /proc/self/cgroup")?;
    holds(&text, text.trim_end().ends_with("-left"))?;
    container.command("delete", &["--force"]).run()?.ok()?;
    cgroups::destroy(&other);
    Ok(())
}

fn systemd_format(scene: &Scene) -> Result<()> {
    let bundle = scene.bundle_with(|b| {
        b.set("/linux/cgroupsPath", json!("/not/a/unit"));
    })?;
    bundle.write()?;
    let id = scene.id();
    scene
        .runtime(&["--systemd-cgroup", "create", "--bundle"])
        .arg(&bundle.dir)
        .arg(&id)
        .run()?
        .fails_naming(&["slice:prefix:name", "cgroupsPath"])
        .map(drop)
}

fn no_systemd(scene: &Scene) -> Result<()> {
    let bundle = scene.bundle_with(|b| {
        b.set("/linux/cgroupsPath", json!("system.slice:conf:x"));
    })?;
    bundle.write()?;
    let id = scene.id();
    scene
        .runtime(&["--systemd-cgroup", "create", "--bundle"])
        .arg(&bundle.dir)
        .arg(&id)
        .run()?
        .fails_naming(&["systemd"])?;
    scene.is_absent(&id)
}

/// An idle container whose scope will be `conf-ID.scope`, with `edit` applied; its id and bundle.
pub(crate) fn unit_bundle(
    scene: &Scene,
    edit: impl FnOnce(&mut Bundle),
) -> Result<(String, Bundle)> {
    let id = scene.id();
    let bundle = scene.bundle_with(|b| {
        b.idle().set("/linux/cgroupsPath", json!(format!("system.slice:conf:{id}")));
        edit(b);
    })?;
    bundle.write()?;
    Ok((id, bundle))
}

/// Off unless the caller, who is the administrator, allows it (CVE-2024-3154).
fn systemd_property_allowed(scene: &Scene) -> Result<()> {
    let (id, bundle) = unit_bundle(scene, |b| {
        b.set(
            "/annotations",
            json!({
                "org.systemd.property.TimeoutStopUSec": "uint64 123000000",
                "org.systemd.property.CollectMode": "'inactive-or-failed'",
            }),
        );
    })?;
    let words = ["--systemd-cgroup", "--allow-systemd-property", "CollectMode", "create"];
    scene.runtime(&words).arg("--bundle").arg(&bundle.dir).arg(&id).run()?.ok()?;
    let unit = format!("conf-{id}.scope");
    let words = ["show", "--property", "CollectMode,TimeoutStopUSec", &unit];
    let shown = scene.program("systemctl").args(&words).run()?.ok()?.stdout;
    scene.runtime(&["delete", "--force", &id]).run()?.ok()?;
    contains("properties", &shown, "CollectMode=inactive-or-failed")?;
    holds("the other stays as it was", !shown.contains("2min 3s"))
}

/// The scope ends with its processes, and its cgroup with it.
fn systemd_ps_after_stop(scene: &Scene) -> Result<()> {
    let (id, bundle) = unit_bundle(scene, |_| {})?;
    let words = ["--systemd-cgroup", "run", "--detach", "--bundle"];
    scene.runtime(&words).arg(&bundle.dir).arg(&id).run()?.ok()?;
    let ps = |format| scene.runtime(&["ps", "--format", format, &id]).run()?.ok();
    let pid = ps("json")?.json()?[0].as_i64().context("no pid")?;
    scene.runtime(&["kill", &id, "KILL"]).run()?.ok()?;
    holds("it ended", wait_ended(i32::try_from(pid)?, patience::seconds(10))?)?;
    scene
        .shell(&format!("while systemctl -q is-active conf-{id}.scope; do sleep 0.05; done"))
        .run()?
        .ok()?;
    equal("lines of a table", ps("table")?.stdout.lines().count(), 1)?;
    scene.runtime(&["delete", &id]).run()?.ok().map(drop)
}

fn systemd_scope(scene: &Scene) -> Result<()> {
    let (id, bundle) = unit_bundle(scene, |b| {
        b.set("/linux/resources/pids/limit", json!(55));
    })?;
    scene
        .runtime(&["--systemd-cgroup", "create", "--bundle"])
        .arg(&bundle.dir)
        .arg(&id)
        .run()?
        .ok()?;
    let unit = format!("conf-{id}.scope");
    let shown = scene
        .program("systemctl")
        .args(&["show", "--property", "TasksMax,ActiveState", &unit])
        .run()?
        .ok()?
        .stdout;
    // In systemd's order.
    let mut lines: Vec<&str> = shown.lines().collect();
    lines.sort_unstable();
    equal("properties", lines.as_slice(), &["ActiveState=active", "TasksMax=55"][..])?;
    scene.runtime(&["delete", "--force", &id]).run()?.ok()?;
    let shown =
        scene.program("systemctl").args(&["show", "--property", "ActiveState", &unit]).run()?;
    shown.prints("ActiveState=inactive\n").map(drop)
}
