//! What can't be honoured or understood: a clear error, and nothing left behind.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};

use anyhow::Result;
use nix::mount::{MsFlags, mount, umount};
use serde_json::{Value, json};

use crate::harness::bundle::Bundle;
use crate::harness::command::Output;
use crate::harness::expect::{equal, holds};
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

const VALID: &str = "config.md#valid-values";

pub(crate) const TESTS: &[Test] = &[
    test("config-missing", "bundle.md", &[], config_missing),
    test("config-is-a-directory", "bundle.md", &[], config_directory),
    test("config-empty", "config.md", &[], |s| raw(s, b"", &["config.json", "json", "eof"])),
    test("config-not-json", "config.md", &[], |s| {
        raw(s, b"{ \"ociVersion\": ", &["config.json", "json", "eof", "unexpected end"])
    }),
    test("config-not-utf8", "config.md", &[], |s| {
        raw(
            s,
            b"{ \"ociVersion\": \"1.0.\xff\" }",
            &["config.json", "json", "version", "utf-8", "root", "process"],
        )
    }),
    test("config-is-an-array", "config.md", &[], |s| {
        raw(s, b"[]", &["config.json", "json", "cannot unmarshal", "version"])
    }),
    test("config-is-null", "config.md", &[], |s| {
        raw(s, b"null", &["config.json", "json", "version", "process", "root"])
    }),
    test("config-with-trailing-garbage-is-survived", "config.md", &[], trailing),
    test("config-deep", "config.md", &[], deep),
    test("config-large", "config.md", &[], large),
    test("config-with-byte-order-mark", "config.md", &[], |s| {
        raw(s, b"\xef\xbb\xbf{}", &["config.json", "json", "invalid character", "version"])
    }),
    test("type-args-is-a-string", VALID, &[], |s| {
        wrong(s, "/process/args", json!("sh"), &["args"])
    }),
    test("type-uid-is-a-string", VALID, &[], |s| {
        wrong(s, "/process/user/uid", json!("0"), &["uid"])
    }),
    test("type-uid-is-negative", VALID, &[], |s| {
        wrong(s, "/process/user/uid", json!(-1), &["uid"])
    }),
    test("type-uid-is-a-fraction", VALID, &[], |s| {
        wrong(s, "/process/user/uid", json!(1.5), &["uid"])
    }),
    test("type-uid-too-large", VALID, &[], |s| {
        wrong(s, "/process/user/uid", json!(1_u64 << 40), &["uid"])
    }),
    test("type-env-holds-a-number", VALID, &[], |s| wrong(s, "/process/env", json!([1]), &["env"])),
    test("type-mounts-is-an-object", VALID, &[], |s| wrong(s, "/mounts", json!({}), &["mounts"])),
    test("type-readonly-is-a-string", VALID, &[], |s| {
        wrong(s, "/root/readonly", json!("true"), &["readonly"])
    }),
    test("type-namespaces-is-a-string", VALID, &[], |s| {
        wrong(s, "/linux/namespaces", json!("pid"), &["namespaces"])
    }),
    test("type-memory-limit-is-a-string", VALID, &[], |s| {
        wrong(s, "/linux/resources/memory/limit", json!("64M"), &["limit"])
    }),
    test("type-annotation-is-a-number", VALID, &[], |s| {
        wrong(s, "/annotations", json!({ "a": 1 }), &["annotations"])
    }),
    test("type-process-is-an-array", VALID, &[], |s| wrong(s, "/process", json!([]), &["process"])),
    test("root-missing", "config.md#root", &[], root_missing),
    test("root-path-missing", "config.md#root", &[], |s| {
        wrong(s, "/root/path", json!("/nonexistent/rootfs"), &["/nonexistent/rootfs", "rootfs"])
    }),
    test("root-path-is-a-file", "config.md#root", &[], root_file),
    test("root-path-empty", "config.md#root", &[], |s| {
        wrong(s, "/root/path", json!(""), &["root"])
    }),
    test("root-path-with-dotdot", "config.md#root", &[], root_dotdot),
    test("root-path-is-a-symlink", "config.md#root", &[], root_symlink),
    test("root-path-is-a-symlink-in-shared-mounts", "config.md#root", &[], root_symlink_shared),
    test("root-path-not-utf8-bundle", "bundle.md", &[], bundle_not_utf8),
    test("process-missing-in-run", "runtime.md#start", &[], process_missing),
    test("cwd-empty", "config.md#process cwd", &[], |s| {
        wrong(s, "/process/cwd", json!(""), &["cwd"])
    }),
    test("args-with-nul", "execve(2)", &[], args_nul),
    test("env-with-nul", "execve(2)", &[], |s| {
        wrong(s, "/process/env", json!(["A=\u{0}"]), &["env", "nul", "invalid", "\\0"])
    }),
    test("mount-destination-empty", "config.md#mounts", &[], |s| {
        wrong_mount(s, json!({ "type": "tmpfs", "source": "x" }), &["destination", "mount"])
    }),
    test("mount-destination-is-root", "config.md#mounts", &[], |s| {
        wrong_mount(
            s,
            json!({ "destination": "/", "type": "tmpfs", "source": "x" }),
            &["mount", "destination", "/"],
        )
    }),
    test("mount-destination-with-nul", "config.md#mounts", &[], |s| {
        wrong_mount(
            s,
            json!({ "destination": "/a\u{0}b", "type": "tmpfs", "source": "x" }),
            &["mount", "destination", "nul", "invalid"],
        )
    }),
    test("mount-options-is-a-string", "config.md#mounts", &[], |s| {
        wrong_mount(
            s,
            json!({ "destination": "/m", "type": "tmpfs", "source": "x", "options": "ro" }),
            &["options"],
        )
    }),
    test("namespace-without-type", VALID, &[], |s| {
        s.refuses(
            |b| {
                b.push("/linux/namespaces", json!({}));
            },
            &["namespace", "type"],
        )
    }),
    test("namespace-path-empty-is-new", VALID, &[], namespace_path_empty),
    test("device-without-path", VALID, &[], |s| {
        s.refuses(
            |b| {
                b.push("/linux/devices", json!({ "type": "c", "major": 1, "minor": 3 }));
            },
            &["device", "path", "mknod"],
        )
    }),
    test("device-with-dotdot-stays-inside", VALID, &[], device_dotdot),
    test("annotation-with-empty-key", "config.md#annotations", &[], |s| {
        wrong(s, "/annotations", json!({ "": "x" }), &["annotation"])
    }),
    test("hook-without-path", VALID, &[], |s| {
        s.refuses(
            |b| {
                b.push("/hooks/prestart", json!({}));
            },
            &["hook", "path"],
        )
    }),
    test("cgroups-path-with-nul", VALID, &[], |s| {
        wrong(s, "/linux/cgroupsPath", json!("/a\u{0}b"), &["cgroup", "invalid", "nul"])
    }),
    test("console-socket-that-closes-early", "docs/terminals", &[], socket_closes),
    test("console-socket-that-is-a-file", "docs/terminals", &[], socket_file),
    test("full-disk-at-create", "runc(8) --root", &[], full_disk),
    test("read-only-root", "runc(8) --root", &[], read_only_root),
    test("root-that-is-a-file", "runc(8) --root", &[], root_is_file),
    test("rootfs-on-a-full-disk", "config.md#mounts", &[], full_rootfs),
    test("state-damaged", "runc-state(8)", &[], state_damaged),
    test("standard-input-closed", "runc-run(8)", &[], stdin_closed),
    test("standard-output-full", "runc-state(8)", &[], stdout_full),
    test("no-environment", "runc(8)", &[], no_environment),
    test("process-count-exhausted", "setrlimit(2)", &[], no_processes),
    test("two-processes-are-enough", "setrlimit(2)", &[], two_processes),
    test("descriptors-exhausted", "setrlimit(2)", &[], no_descriptors),
];

fn raw(scene: &Scene, bytes: &[u8], parts: &[&str]) -> Result<()> {
    let bundle = scene.bundle()?;
    bundle.write_config(bytes)?;
    scene.refuses_bundle(&bundle, &scene.id(), parts)
}

fn wrong(scene: &Scene, path: &str, value: Value, parts: &[&str]) -> Result<()> {
    scene.refuses(
        |b| {
            b.set(path, value);
        },
        parts,
    )
}

fn wrong_mount(scene: &Scene, mount: Value, parts: &[&str]) -> Result<()> {
    scene.refuses(
        |b| {
            b.push("/mounts", mount);
        },
        parts,
    )
}

fn config_missing(scene: &Scene) -> Result<()> {
    scene.refuses_bundle(&scene.bundle()?, &scene.id(), &["config.json"])
}

fn config_directory(scene: &Scene) -> Result<()> {
    let bundle = scene.bundle()?;
    fs::create_dir(bundle.dir.join("config.json"))?;
    scene.refuses_bundle(&bundle, &scene.id(), &["config.json", "is a directory"])
}

/// Go's decoder stops after the first value; a stricter parser may refuse.
fn trailing(scene: &Scene) -> Result<()> {
    let bundle = scene.bundle()?;
    let mut bytes = serde_json::to_vec(&bundle.config)?;
    bytes.extend_from_slice(b"\n}}}");
    bundle.write_config(bytes)?;
    let id = scene.id();
    let output = scene.runtime(&["run", "--bundle"]).arg(&bundle.dir).arg(&id).run()?;
    if output.code() != 0 {
        output.fails_naming(&["config.json", "json"])?;
    }
    scene.is_absent(&id)
}

fn deep(scene: &Scene) -> Result<()> {
    let depth = 200_000;
    let text = format!("{{\"annotations\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
    raw(
        scene,
        text.as_bytes(),
        &["config.json", "json", "depth", "recursion", "nested", "annotations"],
    )
}

/// A configuration of 16 MiB: refused, or run; neither eats the machine nor hangs.
fn large(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.set("/annotations", json!({ "com.example.large": "x".repeat(16 << 20) }));
    let id = scene.id();
    let output = scene.create_command(&bundle, &id, &[])?.run()?;
    if output.code() == 0 {
        return scene.runtime(&["delete", "--force", &id]).run()?.ok().map(drop);
    }
    output.fails_naming(&["large", "config.json", "limit", "bytes"])?;
    scene.is_absent(&id)
}

fn root_missing(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.unset("/root");
        },
        &["root"],
    )
}

fn root_file(scene: &Scene) -> Result<()> {
    let bundle = scene.bundle_with(|b| {
        b.set("/root/path", json!("config.json"));
    })?;
    let id = scene.id();
    scene.write(&bundle, &id)?;
    scene.refuses_bundle(&bundle, &id, &["root", "not a directory", "config.json"])
}

fn root_dotdot(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.set("/root/path", json!("../1/./rootfs/../rootfs")).sh("echo ran");
    scene.run(&bundle)?.prints("ran\n").map(drop)
}

/// runc refuses a root file system whose path is a symlink; following it once is also safe.
fn root_symlink(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    symlink("rootfs", bundle.dir.join("link"))?;
    bundle.set("/root/path", json!("link")).sh("echo ran");
    let output = scene.run(&bundle)?;
    if output.code() == 0 {
        return equal("output", output.stdout.as_str(), "ran\n");
    }
    output.fails_naming(&["link", "root"]).map(drop)
}

/// What is mounted there must be found again.
fn root_symlink_shared(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    symlink("rootfs", bundle.dir.join("link"))?;
    bundle.set("/root/path", json!("link")).inherit("mount").sh("echo ran");
    bundle.set("/linux/maskedPaths", json!([])).set("/linux/readonlyPaths", json!([]));
    let _ = scene.run(&bundle)?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let rootfs = fs::canonicalize(&bundle.dir)?.join("rootfs").display().to_string();
    holds("the rootfs is still mounted", !mounts.contains(&rootfs))
}

fn bundle_not_utf8(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let name = bundle.dir.with_file_name(OsStr::from_bytes(b"b\xff"));
    fs::rename(&bundle.dir, &name)?;
    bundle.dir = name;
    let id = scene.id();
    scene.write(bundle.sh("echo ran"), &id)?;
    let output = scene.runtime(&["run", "--bundle"]).arg(&bundle.dir).arg(&id).run()?;
    if output.code() == 0 {
        return equal("output", output.stdout.as_str(), "ran\n");
    }
    output.fails()?;
    scene.is_absent(&id)
}

fn process_missing(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    scene.run(bundle.unset("/process"))?.exits(1)?.fails_naming(&["process"]).map(drop)
}

/// The arguments are applied at the start, so that `create` may still accept them.
fn args_nul(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let output = scene.run(bundle.args(&["true", "a\u{0}b"]))?;
    output.fails_naming(&["args", "nul", "invalid argument", "\\0"]).map(drop)
}

fn namespace_path_empty(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.join("uts", "");
    };
    scene.prints(edit, "hostname", "conformance\n")
}

fn device_dotdot(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let outside = bundle.dir.join("escaped");
    bundle.push(
        "/linux/devices",
        json!({ "path": "/dev/../../../escaped", "type": "c", "major": 1, "minor": 3 }),
    );
    let _ = scene.run(&bundle)?;
    holds(
        "a node was made outside",
        !outside.exists() && !bundle.dir.with_file_name("escaped").exists(),
    )
}

fn socket_closes(scene: &Scene) -> Result<()> {
    let path = scene.path("closing.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path)?;
    let agent = std::thread::spawn(move || drop(listener.accept()));
    let mut bundle = scene.bundle()?;
    bundle.set("/process/terminal", json!(true)).idle();
    let id = scene.id();
    let name = path.to_string_lossy().into_owned();
    // The message may have been sent before the other side went; then the container is there.
    let output = scene.create_command(&bundle, &id, &["--console-socket", &name])?.run()?;
    drop(std::os::unix::net::UnixStream::connect(&path));
    let _ = agent.join();
    if output.code() != 0 {
        output.fails()?;
        return scene.is_absent(&id);
    }
    Ok(())
}

fn socket_file(scene: &Scene) -> Result<()> {
    let path = scene.path("plain");
    fs::write(&path, "")?;
    let mut bundle = scene.bundle()?;
    bundle.set("/process/terminal", json!(true));
    let id = scene.id();
    let name = path.to_string_lossy().into_owned();
    scene
        .create_command(&bundle, &id, &["--console-socket", &name])?
        .run()?
        .fails_naming(&["console", "socket", &name, "refused"])?;
    scene.is_absent(&id)
}

/// Mounts a tmpfs of `options` as the state root for the time of `body`.
fn on_small_root(
    scene: &Scene,
    options: &str,
    flags: MsFlags,
    body: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let root = scene.root();
    fs::create_dir_all(&root)?;
    mount(Some("tmpfs"), &root, Some("tmpfs"), flags, Some(options))?;
    let result = body();
    umount(&root)?;
    result
}

fn full_disk(scene: &Scene) -> Result<()> {
    on_small_root(scene, "size=4k,nr_inodes=100", MsFlags::empty(), || {
        fs::write(scene.root().join("filler"), [0u8; 4096])?;
        let mut bundle = scene.bundle()?;
        let id = scene.id();
        let output = scene.create_command(bundle.idle(), &id, &[])?.run()?;
        output.fails_naming(&["no space", "ENOSPC"])?;
        let left: Vec<_> =
            fs::read_dir(scene.root())?.flatten().map(|entry| entry.file_name()).collect();
        equal("entries of the root", left, vec![std::ffi::OsString::from("filler")])
    })
}

fn read_only_root(scene: &Scene) -> Result<()> {
    on_small_root(scene, "size=64k", MsFlags::MS_RDONLY, || {
        let id = scene.id();
        scene
            .create_command(&scene.bundle()?, &id, &[])?
            .run()?
            .fails_naming(&["read-only"])
            .map(drop)
    })
}

fn root_is_file(scene: &Scene) -> Result<()> {
    let file = scene.path("a-file");
    fs::write(&file, "")?;
    let bundle = scene.bundle()?;
    bundle.write()?;
    let command = scene.bare_runtime().arg("--root").arg(&file).args(&["create", "--bundle"]);
    command
        .arg(&bundle.dir)
        .arg(scene.id())
        .run()?
        .fails_naming(&["not a directory", "a-file"])
        .map(drop)
}

/// No room for a mount point in the root file system.
fn full_rootfs(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let small = scene.path("small");
    fs::create_dir(&small)?;
    mount(Some("tmpfs"), &small, Some("tmpfs"), MsFlags::empty(), Some("nr_inodes=8"))?;
    for dir in ["proc", "dev", "sys", "bin"] {
        fs::create_dir(small.join(dir))?;
    }
    for number in 0..16 {
        if fs::write(small.join(number.to_string()), "").is_err() {
            break;
        }
    }
    bundle.set("/root/path", json!(small)).mount("/new/place", "tmpfs", "tmpfs", &[]);
    let id = scene.id();
    let result = scene
        .write(&bundle, &id)
        .and_then(|()| scene.refuses_bundle(&bundle, &id, &["no space", "new"]));
    umount(&small)?;
    result
}

/// A state file cut short must not keep `list` from showing the others, nor `delete --force`.
fn state_damaged(scene: &Scene) -> Result<()> {
    let good = scene.idle(|_| {})?;
    let odd = scene.root().join("damaged");
    fs::create_dir(&odd)?;
    fs::write(odd.join("state.json"), "{ \"id\": ")?;
    let listed = scene.runtime(&["list", "-q"]).run()?;
    let state = scene.runtime(&["state", "damaged"]).run()?;
    fs::remove_dir_all(&odd)?;
    state.fails()?;
    holds("list does not show the good one", listed.stdout.lines().any(|line| line == good.id))
}

fn stdin_closed(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let command = scene.run_command(bundle.sh("echo ran"), &scene.id(), &[])?;
    command.after("exec 0<&-").run()?.prints("ran\n").map(drop)
}

fn stdout_full(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    let output = container.command("state", &[]).after("exec >/dev/full").run()?;
    holds("state succeeded without being able to print", output.code() != 0)
}

fn no_environment(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let command = scene.run_command(bundle.sh("echo ran"), &scene.id(), &[])?;
    command.under(&["/usr/bin/env", "-i"]).run()?.prints("ran\n").map(drop)
}

fn no_processes(scene: &Scene) -> Result<()> {
    with_processes(scene, 1, |output, id| match output.code() {
        0 => scene.runtime(&["delete", "--force", id]).run()?.ok().map(drop),
        _ => scene.is_absent(id),
    })
}

/// One for the runtime, one for the container.
fn two_processes(scene: &Scene) -> Result<()> {
    with_processes(scene, 2, |output, id| {
        output.ok()?;
        scene.runtime(&["delete", "--force", id]).run()?.ok().map(drop)
    })
}

/// Runs `create` where there may be `count` processes. Root is exempt from RLIMIT_NPROC, so a pids
/// cgroup of our own stands in where there is one.
fn with_processes(
    scene: &Scene,
    count: u32,
    check: impl FnOnce(Output, &str) -> Result<()>,
) -> Result<()> {
    let dir = std::path::Path::new("/sys/fs/cgroup/pids").join(format!("{}-few", scene.tag));
    if fs::create_dir(&dir).is_err() {
        return crate::harness::expect::skip("no pids hierarchy of version 1");
    }
    fs::write(dir.join("pids.max"), count.to_string())?;
    let mut bundle = scene.bundle()?;
    let id = scene.id();
    let command = scene.create_command(bundle.idle(), &id, &[])?;
    let output = command.after(&format!("echo $$ >{}/cgroup.procs", dir.display())).run()?;
    let result = check(output, &id);
    fs::remove_dir(&dir)?;
    result
}

fn no_descriptors(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let id = scene.id();
    let output = scene.create_command(bundle.idle(), &id, &[])?.after("ulimit -n 6").run()?;
    if output.code() == 0 {
        return scene.runtime(&["delete", "--force", &id]).run()?.ok().map(drop);
    }
    scene.is_absent(&id)?;
    equal("owner of the scene", fs::metadata(&scene.dir)?.uid(), 0)
}
