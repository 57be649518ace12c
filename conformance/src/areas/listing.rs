//! `state`, `list` and `ps`: what they print, field by field and column by column.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::harness::expect::{contains, equal, holds, lacks};
use crate::harness::process::command_line;
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test("state-fields", "runtime.md#state", &[], state_fields),
    test("state-pid-is-init", "runtime.md#state pid", &[], state_pid),
    test("state-annotations", "runtime.md#state annotations", &[], state_annotations),
    test("state-without-annotations", "runtime.md#state annotations", &[], no_annotations),
    test("state-rootfs-created-owner", "runc-state(8)", &[], state_runc_fields),
    test("state-matches-schema", "schema/state-schema.json", &[], state_schema),
    test("state-stopped-has-pid-zero", "runc-state(8)", &[], state_stopped),
    test("state-is-indented", "runc-state(8)", &[], state_indented),
    test("list-empty", "runc-list(8)", &[], list_empty),
    test("list-table", "runc-list(8)", &[], list_table),
    test("list-json", "runc-list(8) --format json", &[], list_json),
    test("list-json-empty", "runc-list(8) --format json", &[], list_json_empty),
    test("list-quiet", "runc-list(8) --quiet", &[], list_quiet),
    test("list-stopped", "runc-list(8)", &[], list_stopped),
    test("list-unknown-format-fails", "runc-list(8) --format", &[], list_unknown_format),
    test("list-missing-root-refused", "runc-list(8)", &[], list_missing_root),
    test("list-skips-foreign-entries", "runc-list(8)", &[], list_foreign),
    test("ps-table", "runc-ps(8)", &[], ps_table),
    test("ps-json", "runc-ps(8) --format json", &[], ps_json),
    test("ps-options", "runc-ps(8)", &[], ps_options),
    test("ps-without-pid-column-fails", "runc-ps(8)", &[], ps_without_pid),
    test("ps-sees-exec", "runc-ps(8)", &[], ps_exec),
    test("ps-unknown-format-fails", "runc-ps(8) --format", &[], ps_unknown_format),
];

fn state_fields(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let state = container.state()?;
    equal("id", &state["id"], container.id.as_str())?;
    equal("status", &state["status"], "running")?;
    holds("bundle is not absolute", state["bundle"].as_str().is_some_and(|b| b.starts_with('/')))?;
    holds("ociVersion", state["ociVersion"].as_str().is_some_and(|v| v.starts_with("1.")))?;
    holds("pid", state["pid"].as_i64().is_some_and(|pid| pid > 1))
}

fn state_pid(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    equal("command line", command_line(container.pid()?).as_str(), "sleep 1000000")
}

fn state_annotations(scene: &Scene) -> Result<()> {
    let annotations = json!({ "com.example.key": "value", "com.example.empty": "" });
    let container = scene.idle(|b| {
        b.set("/annotations", annotations.clone());
    })?;
    equal("annotations", &container.state()?["annotations"], &annotations)
}

fn no_annotations(scene: &Scene) -> Result<()> {
    let state = scene.idle(|_| {})?.state()?;
    let absent = state.get("annotations").is_none_or(|a| *a == json!({}));
    holds("annotations are neither absent nor empty", absent)
}

fn state_runc_fields(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let container = scene.create(bundle.idle())?;
    let state = container.state()?;
    equal("rootfs", state["rootfs"].as_str(), bundle.rootfs().to_str())?;
    let created = state["created"].as_str().context("no `created`")?;
    holds("created is not RFC 3339", created.len() >= 20 && created.ends_with('Z'))?;
    equal("T", created.chars().nth(10), Some('T'))?;
    equal("owner", &state["owner"], "")
}

fn state_schema(scene: &Scene) -> Result<()> {
    let state = scene.idle(|_| {})?.state()?;
    let object = state.as_object().context("not an object")?;
    for key in ["ociVersion", "id", "status", "bundle"] {
        holds(&format!("`{key}` is not a string"), object[key].is_string())?;
    }
    let words = ["creating", "created", "running", "stopped"];
    holds("status", words.contains(&object["status"].as_str().unwrap_or("")))
}

fn state_stopped(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.stop()?;
    let state = container.state()?;
    equal("status", &state["status"], "stopped")?;
    equal("pid", &state["pid"], 0)
}

fn state_indented(scene: &Scene) -> Result<()> {
    let output = scene.idle(|_| {})?.command("state", &[]).run()?.ok()?;
    let mut lines = output.stdout.lines();
    equal("first line", lines.next(), Some("{"))?;
    contains("second line", lines.next().unwrap_or(""), "  \"ociVersion\": \"")
}

fn list_empty(scene: &Scene) -> Result<()> {
    std::fs::create_dir_all(scene.root())?;
    let output = scene.runtime(&["list"]).run()?.ok()?;
    equal("lines", output.stdout.lines().count(), 1)?;
    let header: Vec<_> = output.stdout.split_whitespace().collect();
    equal("header", header, vec!["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"])
}

fn list_table(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let container = scene.start(bundle.idle())?;
    let output = scene.runtime(&["list"]).run()?.ok()?;
    let row = output.stdout.lines().nth(1).context("no row")?;
    let cells: Vec<_> = row.split_whitespace().collect();
    let pid = container.pid()?.to_string();
    let dir = bundle.dir.to_string_lossy();
    equal("cells", &cells[..4], &[container.id.as_str(), pid.as_str(), "running", &dir][..])?;
    equal("owner", cells.get(5).copied(), Some("root"))
}

fn list_json(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.idle().set("/annotations", json!({ "com.example.k": "v" }));
    let container = scene.start(&bundle)?;
    let listed = scene.runtime(&["list", "--format", "json"]).run()?.json()?;
    let row = listed.as_array().and_then(|rows| rows.first()).context("no row")?;
    equal("id", &row["id"], container.id.as_str())?;
    equal("pid", &row["pid"], container.pid()?)?;
    equal("status", &row["status"], "running")?;
    equal("bundle", row["bundle"].as_str(), bundle.dir.to_str())?;
    equal("rootfs", row["rootfs"].as_str(), bundle.rootfs().to_str())?;
    equal("annotations", &row["annotations"], &json!({ "com.example.k": "v" }))?;
    equal("owner", &row["owner"], "root")
}

fn list_json_empty(scene: &Scene) -> Result<()> {
    std::fs::create_dir_all(scene.root())?;
    let listed = scene.runtime(&["list", "-f", "json"]).run()?.json()?;
    holds("not empty", listed.is_null() || listed.as_array().is_some_and(Vec::is_empty))
}

fn list_quiet(scene: &Scene) -> Result<()> {
    let mut ids = [scene.idle(|_| {})?.id, scene.idle(|_| {})?.id];
    ids.sort();
    let output = scene.runtime(&["list", "--quiet"]).run()?;
    output.prints(&format!("{}\n", ids.join("\n"))).map(drop)
}

fn list_stopped(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.stop()?;
    let listed = scene.runtime(&["list", "-f", "json"]).run()?.json()?;
    equal("status", &listed[0]["status"], "stopped")?;
    equal("pid", &listed[0]["pid"], 0)
}

fn list_unknown_format(scene: &Scene) -> Result<()> {
    scene.runtime(&["list", "--format", "yaml"]).run()?.fails().map(drop)
}

fn list_missing_root(scene: &Scene) -> Result<()> {
    let root = scene.path("never-made");
    let command = scene.bare_runtime().arg("--root").arg(&root).args(&["list", "-q"]);
    command.run()?.fails_naming(&["never-made"]).map(drop)
}

/// A directory that holds no container is passed over, with or without a word about it.
fn list_foreign(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let odd = scene.root().join("odd-directory");
    std::fs::create_dir(&odd)?;
    std::fs::write(scene.root().join("odd-file"), "x")?;
    let output = scene.runtime(&["list", "-q"]).run()?;
    std::fs::remove_dir(&odd)?;
    std::fs::remove_file(scene.root().join("odd-file"))?;
    output.prints(&format!("{}\n", container.id)).map(drop)
}

fn ps_table(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let output = container.command("ps", &[]).run()?.ok()?;
    let header = output.stdout.lines().next().context("no header")?;
    contains("header", header, "PID")?;
    let pid = container.pid()?.to_string();
    contains("row", &output.stdout, &pid)?;
    contains("row", &output.stdout, "sleep 1000000")?;
    equal("lines", output.stdout.lines().count(), 2)
}

fn ps_json(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let pids = container.command("ps", &["--format", "json"]).run()?.json()?;
    equal("pids", pids, json!([container.pid()?]))
}

fn ps_options(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let output = container.command("ps", &[]).args(&["-o", "pid,args"]).run()?.ok()?;
    let pid = container.pid()?.to_string();
    let row = output.stdout.lines().nth(1).context("no row")?;
    equal("row", row.split_whitespace().collect::<Vec<_>>(), vec![&pid, "sleep", "1000000"])
}

fn ps_without_pid(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let output = container.command("ps", &[]).args(&["-o", "args"]).run()?;
    output.fails_naming(&["pid"]).map(drop)
}

fn ps_exec(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.exec_command(&["--detach"], &["sleep", "7654321"]).run()?.ok()?;
    let pids = container.command("ps", &["-f", "json"]).run()?.json()?;
    equal("processes", pids.as_array().map(Vec::len), Some(2))?;
    let output = container.command("ps", &[]).run()?.ok()?;
    contains("table", &output.stdout, "sleep 7654321")?;
    lacks("table", &output.stdout, "conformance worker")
}

fn ps_unknown_format(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let output = container.command("ps", &["--format", "yaml"]).run()?;
    output.fails().map(drop).and_then(|()| {
        let state: Value = container.state()?;
        equal("status", &state["status"], "running")
    })
}
