//! Container ids: what is accepted, what is refused.

use anyhow::Result;

use crate::harness::expect::equal;
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test("id-empty", "runtime.md#create", &[], empty),
    test("id-with-slash", "runtime.md#create", &[], slash),
    test("id-that-climbs", "runtime.md#create", &[], climbs),
    test("id-with-foreign-characters", "runtime.md#create", &[], foreign),
    test("id-not-utf8", "runtime.md#create", &[], not_utf8),
    test("id-too-long", "runtime.md#create", &[], too_long),
    test("id-taken-by-created", "runtime.md#create", &[], taken_created),
    test("id-taken-by-running", "runtime.md#create", &[], taken_running),
    test("id-taken-by-stopped", "runtime.md#create", &[], taken_stopped),
    test("id-with-allowed-characters", "runc-create(8)", &[], allowed),
    test("id-is-its-own-in-another-root", "runc(8) --root", &[], other_root),
];

fn refused(scene: &Scene, id: &str) -> Result<()> {
    let bundle = scene.bundle()?;
    bundle.write()?;
    scene.runtime(&["create", "--bundle"]).arg(&bundle.dir).arg(id).run()?.fails()?;
    // Nothing has to have been made, not even this.
    std::fs::create_dir_all(scene.root())?;
    scene.runtime(&["list", "--quiet"]).run()?.prints("").map(drop)
}

fn empty(scene: &Scene) -> Result<()> {
    refused(scene, "")
}

fn slash(scene: &Scene) -> Result<()> {
    refused(scene, "a/b")?;
    refused(scene, "/a")
}

fn climbs(scene: &Scene) -> Result<()> {
    refused(scene, "..")?;
    refused(scene, ".")?;
    refused(scene, "../climbed")?;
    // Nor do the commands that only look.
    for verb in ["state", "start", "kill", "delete"] {
        scene.runtime(&[verb, ".."]).run()?.fails()?;
    }
    Ok(())
}

fn foreign(scene: &Scene) -> Result<()> {
    for id in ["a b", "a\tb", "a\nb", "a*", "a:b", "\u{e9}", "a$b", "a@b"] {
        refused(scene, id)?;
    }
    Ok(())
}

fn not_utf8(scene: &Scene) -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let bundle = scene.bundle()?;
    bundle.write()?;
    let id = std::ffi::OsStr::from_bytes(b"a\xffb");
    scene.runtime(&["create", "--bundle"]).arg(&bundle.dir).arg(id).run()?.fails().map(drop)
}

fn too_long(scene: &Scene) -> Result<()> {
    refused(scene, &"x".repeat(1025))
}

fn taken(scene: &Scene, id: &str) -> Result<()> {
    let bundle = scene.bundle()?;
    let output = scene.create_command(&bundle, id, &[])?.run()?;
    output.fails_naming(&["exist", "in use", "taken"]).map(drop)
}

fn taken_created(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let container = scene.create(bundle.idle())?;
    taken(scene, &container.id)?;
    container.is("created")
}

fn taken_running(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let pid = container.pid()?;
    taken(scene, &container.id)?;
    container.is("running")?;
    equal("pid", container.pid()?, pid)
}

fn taken_stopped(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    container.stop()?;
    taken(scene, &container.id)?;
    container.is("stopped")
}

fn allowed(scene: &Scene) -> Result<()> {
    let id = format!("{}_A+b.c-9", scene.id());
    let mut bundle = scene.bundle()?;
    scene.run_command(bundle.sh("echo ran"), &id, &[])?.run()?.prints("ran\n").map(drop)
}

fn other_root(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let elsewhere = scene.path("elsewhere");
    let root = elsewhere.to_string_lossy().into_owned();
    scene.bare_runtime().args(&["--root", &root, "state", &container.id]).run()?.fails()?;
    std::fs::create_dir_all(&elsewhere)?;
    scene.bare_runtime().args(&["--root", &root, "list", "-q"]).run()?.prints("").map(drop)
}
