//! The state machine of a container: create, start, kill, delete, and each in a wrong state.

use std::fs;

use anyhow::Result;
use serde_json::json;

use crate::harness::container::Container;
use crate::harness::expect::{contains, equal, holds};
use crate::harness::process::wait_ended;
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test("create-start-stop-delete", "runtime.md#lifecycle", &[], create_start_stop_delete),
    test("create-does-not-run-the-program", "runtime.md#create", &[], create_does_not_run),
    test("create-uses-the-current-directory", "runc-create(8) --bundle", &[], create_in_cwd),
    test("create-without-bundle-fails", "runtime.md#create", &[], create_without_bundle),
    test("create-without-id-fails", "runtime.md#create", &[], create_without_id),
    test("one-bundle-two-containers", "runtime.md#create", &[], one_bundle_two_containers),
    test("program-that-ends-is-stopped", "runtime.md#lifecycle step 10", &[], ends_by_itself),
    test("start-missing", "runtime.md#start", &[], start_missing),
    test("start-without-id-fails", "runtime.md#start", &[], start_without_id),
    test("start-running-has-no-effect", "runtime.md#start", &[], start_running),
    test("start-stopped-fails", "runtime.md#start", &[], start_stopped),
    test("start-deleted-fails", "runtime.md#start", &[], start_deleted),
    test("start-of-no-known-format", "runc-start(8)", &[], start_no_format),
    test("start-without-process-fails", "runtime.md#start", &[], start_without_process),
    test("state-missing", "runtime.md#query-state", &[], state_missing),
    test("state-without-id-fails", "runtime.md#query-state", &[], state_without_id),
    test("delete-missing", "runtime.md#delete", &[], delete_missing),
    test("delete-running-has-no-effect", "runtime.md#delete", &[], delete_running),
    test("delete-created-is-all-or-nothing", "runtime.md#delete", &[], delete_created),
    test("delete-twice-fails", "runtime.md#delete", &[], delete_twice),
    test("delete-force-running", "runc-delete(8) --force", &[], delete_force_running),
    test("delete-force-created", "runc-delete(8) --force", &[], delete_force_created),
    test("delete-force-stopped", "runc-delete(8) --force", &[], delete_force_stopped),
    test("delete-force-missing-succeeds", "runc-delete(8) --force", &[], delete_force_missing),
    test("deleted-id-can-be-used-again", "runtime.md#delete", &[], id_again),
    test("delete-keeps-the-bundle", "runtime.md#delete", &[], delete_keeps_bundle),
    test("exec-created", "runc-exec(8)", &[], exec_created),
    test("exec-stopped-fails", "runc-exec(8)", &[], exec_stopped),
    test("exec-missing", "runc-exec(8)", &[], exec_missing),
    test("commands-on-missing-fail", "runc(8)", &[], commands_on_missing),
];

fn created(scene: &Scene) -> Result<Container<'_>> {
    let mut bundle = scene.bundle()?;
    scene.create(bundle.idle())
}

fn stopped(scene: &Scene) -> Result<Container<'_>> {
    let container = scene.idle(|_| {})?;
    container.stop()?;
    Ok(container)
}

fn create_start_stop_delete(scene: &Scene) -> Result<()> {
    let container = created(scene)?;
    container.is("created")?;
    container.start()?;
    container.is("running")?;
    container.stop()?;
    container.is("stopped")?;
    container.delete()?;
    scene.is_absent(&container.id)
}

fn create_does_not_run(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let container = scene.create(bundle.sh("touch /ran; echo ran"))?;
    holds("the program ran before start", !bundle.host_path("/ran").exists())?;
    container.start()?;
    container.wait()?;
    holds("the program did not run at start", bundle.host_path("/ran").exists())?;
    equal("output", container.stdout().as_str(), "ran\n")
}

fn create_in_cwd(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let id = scene.id();
    scene.write(bundle.idle(), &id)?;
    scene.runtime(&["create", &id]).cwd(&bundle.dir).run()?.ok()?;
    let state = scene.runtime(&["state", &id]).run()?.json()?;
    equal("bundle", &state["bundle"], &json!(bundle.dir))
}

fn create_without_bundle(scene: &Scene) -> Result<()> {
    let id = scene.id();
    scene.runtime(&["create", "--bundle", "/nonexistent", &id]).run()?.fails()?;
    scene.is_absent(&id)
}

fn create_without_id(scene: &Scene) -> Result<()> {
    let bundle = scene.bundle()?;
    bundle.write()?;
    scene.runtime(&["create", "--bundle"]).arg(&bundle.dir).run()?.fails().map(drop)
}

fn one_bundle_two_containers(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.idle();
    let first = scene.start(&bundle)?;
    let second = scene.start(&bundle)?;
    first.stop()?;
    first.delete()?;
    second.is("running")
}

fn ends_by_itself(scene: &Scene) -> Result<()> {
    let container = scene.create(&scene.bundle()?)?;
    let pid = container.pid()?;
    container.start()?;
    container.wait_pid(pid)?;
    container.is("stopped")?;
    container.delete()
}

fn start_missing(scene: &Scene) -> Result<()> {
    scene.runtime(&["start", "no-such-container"]).run()?.fails_naming(&["exist"]).map(drop)
}

fn start_without_id(scene: &Scene) -> Result<()> {
    scene.runtime(&["start"]).run()?.fails().map(drop)
}

fn start_running(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let pid = container.pid()?;
    container.command("start", &[]).run()?.fails()?;
    container.is("running")?;
    equal("pid", container.pid()?, pid)
}

fn start_stopped(scene: &Scene) -> Result<()> {
    let container = stopped(scene)?;
    container.command("start", &[]).run()?.fails_naming(&["stopped", "not in created"])?;
    container.is("stopped")
}

fn start_deleted(scene: &Scene) -> Result<()> {
    let container = stopped(scene)?;
    container.delete()?;
    container.command("start", &[]).run()?.fails().map(drop)
}

/// Engines wait for the end of a container that was started; they have no status for what was not.
fn start_no_format(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.program("/odd", "neither ELF nor script")?;
    let container = scene.create(bundle.args(&["/odd"]))?;
    let pid = container.pid()?;
    container.start()?;
    container.wait_pid(pid)?;
    container.is("stopped")?;
    contains("what the program says", &container.stderr(), "exec format error")
}

/// `process` may be absent until `start`; runc asks for it in `create` already.
fn start_without_process(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.unset("/process");
    let id = scene.id();
    let output = scene.create_command(&bundle, &id, &[])?.run()?;
    if output.code() != 0 {
        output.fails_naming(&["process"])?;
        return scene.is_absent(&id);
    }
    scene.runtime(&["start", &id]).run()?.fails_naming(&["process"]).map(drop)
}

fn state_missing(scene: &Scene) -> Result<()> {
    let output = scene.runtime(&["state", "no-such-container"]).run()?;
    let output = output.fails_naming(&["exist"])?;
    equal("stdout", output.stdout.as_str(), "")
}

fn state_without_id(scene: &Scene) -> Result<()> {
    scene.runtime(&["state"]).run()?.fails().map(drop)
}

fn delete_missing(scene: &Scene) -> Result<()> {
    scene.runtime(&["delete", "no-such-container"]).run()?.fails_naming(&["exist"]).map(drop)
}

fn delete_running(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let pid = container.pid()?;
    container.command("delete", &[]).run()?.fails_naming(&["running", "not stopped"])?;
    container.is("running")?;
    equal("pid", container.pid()?, pid)
}

/// The specification asks for an error; runc kills the container and deletes it.
fn delete_created(scene: &Scene) -> Result<()> {
    let container = created(scene)?;
    let pid = container.pid()?;
    if container.command("delete", &[]).run()?.code() != 0 {
        return container.is("created");
    }
    container.wait_pid(pid)?;
    scene.is_absent(&container.id)
}

fn delete_twice(scene: &Scene) -> Result<()> {
    let container = stopped(scene)?;
    container.delete()?;
    container.command("delete", &[]).run()?.fails().map(drop)
}

fn delete_force(scene: &Scene, container: &Container<'_>) -> Result<()> {
    let pid = container.state()?["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    container.command("delete", &["--force"]).run()?.ok()?;
    if let Some(pid) = pid.filter(|pid| *pid > 0) {
        // The runtime need not wait for the parent of init to reap it.
        let ended = wait_ended(pid, std::time::Duration::ZERO)?;
        holds("init is alive after delete --force", ended)?;
    }
    scene.is_absent(&container.id)
}

fn delete_force_running(scene: &Scene) -> Result<()> {
    delete_force(scene, &scene.idle(|_| {})?)
}

fn delete_force_created(scene: &Scene) -> Result<()> {
    delete_force(scene, &created(scene)?)
}

fn delete_force_stopped(scene: &Scene) -> Result<()> {
    delete_force(scene, &stopped(scene)?)
}

fn delete_force_missing(scene: &Scene) -> Result<()> {
    scene.runtime(&["delete", "--force", "no-such-container"]).run()?.ok().map(drop)
}

fn id_again(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.sh("echo once");
    let id = scene.id();
    for _ in 0..2 {
        scene.run_command(&bundle, &id, &[])?.run()?.prints("once\n")?;
    }
    Ok(())
}

fn delete_keeps_bundle(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let kept = bundle.file("/kept", "x")?;
    let container = scene.start(bundle.sh("echo made >/made"))?;
    container.wait()?;
    container.delete()?;
    holds("config.json is gone", bundle.dir.join("config.json").exists())?;
    equal("file of the image", fs::read_to_string(kept)?.as_str(), "x")?;
    equal("file of the container", fs::read_to_string(bundle.host_path("made"))?.as_str(), "made\n")
}

fn exec_created(scene: &Scene) -> Result<()> {
    let container = created(scene)?;
    equal("output", container.sh("echo in")?.as_str(), "in\n")?;
    container.is("created")
}

fn exec_stopped(scene: &Scene) -> Result<()> {
    stopped(scene)?.exec(&["true"])?.exits(255)?.fails_naming(&["stopped", "not running"]).map(drop)
}

fn exec_missing(scene: &Scene) -> Result<()> {
    scene.runtime(&["exec", "no-such-container", "true"]).run()?.fails_naming(&["exist"]).map(drop)
}

fn commands_on_missing(scene: &Scene) -> Result<()> {
    for words in
        [&["kill"][..], &["pause"], &["resume"], &["ps"], &["events", "--stats"], &["update"]]
    {
        scene.runtime(words).arg("no-such-container").run()?.fails_naming(&["exist"])?;
    }
    Ok(())
}
