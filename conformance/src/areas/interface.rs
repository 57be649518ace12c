//! `features`, `spec`, the global flags, and what is handed to a container beside its streams.

use std::fs;
use std::os::unix::net::UnixDatagram;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::harness::expect::{contains, equal, holds, lacks, mentions};
use crate::harness::patience;
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test("features-versions", "features.md#specification-version", &[], features_versions),
    test("features-match-schema", "schema/features-schema.json", &[], features_schema),
    test("features-hooks", "features.md#hooks", &[], features_hooks),
    test("features-mount-options", "features.md#mount-options", &[], features_mount_options),
    test("features-namespaces", "features-linux.md#namespaces", &[], features_namespaces),
    test("features-seccomp", "features-linux.md#seccomp", &[], features_seccomp),
    test("features-of-1-3", "features-linux.md", &[], features_of_1_3),
    test(
        "features-max-version-is-accepted",
        "features.md#specification-version",
        &[],
        features_accepted,
    ),
    test("oci-version-too-new-refused", "config.md#specification-version", &[], version_too_new),
    test("oci-version-missing-refused", "config.md#specification-version", &[], version_missing),
    test("oci-version-not-semver-refused", "config.md#specification-version", &[], version_bad),
    test("spec-writes-a-config", "runc-spec(8)", &[], spec_writes),
    test("spec-config-runs", "runc-spec(8)", &[], spec_runs),
    test("spec-like-runc", "runc-spec(8)", &[], spec_like_runc),
    test("spec-never-overwrites", "runc-spec(8)", &[], spec_overwrites),
    test("spec-bundle", "runc-spec(8) --bundle", &[], spec_bundle),
    test("spec-rootless", "runc-spec(8) --rootless", &[], spec_rootless),
    test("log-to-file", "runc(8) --log", &[], log_file),
    test("log-format-json", "runc(8) --log-format", &[], log_json),
    test("log-format-unknown-refused", "runc(8) --log-format", &[], log_format_unknown),
    test("log-file-of-no-directory-refused", "runc(8) --log", &[], log_bad),
    test("log-appends", "runc(8) --log", &[], log_appends),
    test("debug-says-more", "runc(8) --debug", &[], debug),
    test("quiet-on-success", "runc(8)", &[], quiet),
    test("root-is-private", "runc(8) --root", &[], root_private),
    test("preserve-fds", "runc-run(8) --preserve-fds", &[], preserve),
    test("preserve-fds-not-open-refused", "runc-run(8) --preserve-fds", &[], preserve_closed),
    test("other-fds-are-closed", "runc-run(8) --preserve-fds", &[], others_closed),
    test("listen-fds", "runc-run(8)", &[], listen_fds),
    test("listen-fds-and-preserve-fds", "runc-run(8)", &[], listen_and_preserve),
    test("notify-socket-ready", "runc-run(8) NOTIFY_SOCKET", &[], notify_ready),
    test("notify-socket-in-the-environment", "runc-run(8) NOTIFY_SOCKET", &[], notify_env),
    test("notify-socket-detached", "runc-run(8) NOTIFY_SOCKET", &[], notify_detached),
    test("notify-socket-program-ends-first", "runc-run(8) NOTIFY_SOCKET", &[], notify_never),
];

fn features(scene: &Scene) -> Result<Value> {
    scene.bare_runtime().arg("features").run()?.json()
}

fn features_versions(scene: &Scene) -> Result<()> {
    let features = features(scene)?;
    equal("ociVersionMin", &features["ociVersionMin"], "1.0.0")?;
    holds(
        "ociVersionMax",
        features["ociVersionMax"].as_str().is_some_and(|version| version >= "1.0.2"),
    )
}

fn strings(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

/// The properties of the schema and their kinds; others must not appear.
fn features_schema(scene: &Scene) -> Result<()> {
    let features = features(scene)?;
    let top = [
        "ociVersionMin",
        "ociVersionMax",
        "hooks",
        "mountOptions",
        "annotations",
        "potentiallyUnsafeConfigAnnotations",
        "linux",
    ];
    for key in features.as_object().context("not an object")?.keys() {
        holds(&format!("`{key}` is not in the schema"), top.contains(&key.as_str()))?;
    }
    for key in ["hooks", "mountOptions"] {
        holds(&format!("`{key}` is not a list of strings"), strings(&features[key]).is_some())?;
    }
    let linux = [
        "namespaces",
        "capabilities",
        "cgroup",
        "seccomp",
        "apparmor",
        "selinux",
        "intelRdt",
        "memoryPolicy",
        "mountExtensions",
        "netDevices",
    ];
    for key in features["linux"].as_object().context("no linux")?.keys() {
        holds(&format!("`linux.{key}` is not in the schema"), linux.contains(&key.as_str()))?;
    }
    for key in ["v1", "v2", "systemd"] {
        holds(&format!("cgroup.{key}"), features["linux"]["cgroup"][key].is_boolean())?;
    }
    let capabilities = strings(&features["linux"]["capabilities"]).context("capabilities")?;
    holds(
        "capabilities",
        capabilities.iter().all(|name| name.starts_with("CAP_")) && capabilities.len() >= 40,
    )
}

fn has_all(what: &str, list: &Value, wanted: &[&str]) -> Result<()> {
    let list = strings(list).with_context(|| what.to_owned())?;
    wanted.iter().try_for_each(|word| holds(&format!("{what} lacks {word}"), list.contains(word)))
}

fn features_hooks(scene: &Scene) -> Result<()> {
    has_all(
        "hooks",
        &features(scene)?["hooks"],
        &[
            "prestart",
            "createRuntime",
            "createContainer",
            "startContainer",
            "poststart",
            "poststop",
        ],
    )
}

fn features_mount_options(scene: &Scene) -> Result<()> {
    let wanted = [
        "async",
        "bind",
        "dev",
        "exec",
        "lazytime",
        "noatime",
        "nodev",
        "noexec",
        "nosuid",
        "private",
        "rbind",
        "relatime",
        "remount",
        "ro",
        "rprivate",
        "rro",
        "rshared",
        "rslave",
        "rw",
        "slave",
        "strictatime",
        "sync",
        "tmpcopyup",
        "unbindable",
    ];
    has_all("mountOptions", &features(scene)?["mountOptions"], &wanted)
}

fn features_namespaces(scene: &Scene) -> Result<()> {
    has_all(
        "namespaces",
        &features(scene)?["linux"]["namespaces"],
        &["cgroup", "ipc", "mount", "network", "pid", "user", "uts"],
    )
}

fn features_seccomp(scene: &Scene) -> Result<()> {
    let seccomp = &features(scene)?["linux"]["seccomp"];
    equal("enabled", &seccomp["enabled"], true)?;
    has_all(
        "actions",
        &seccomp["actions"],
        &[
            "SCMP_ACT_ALLOW",
            "SCMP_ACT_ERRNO",
            "SCMP_ACT_KILL",
            "SCMP_ACT_LOG",
            "SCMP_ACT_NOTIFY",
            "SCMP_ACT_TRACE",
            "SCMP_ACT_TRAP",
        ],
    )?;
    has_all(
        "operators",
        &seccomp["operators"],
        &[
            "SCMP_CMP_EQ",
            "SCMP_CMP_GE",
            "SCMP_CMP_GT",
            "SCMP_CMP_LE",
            "SCMP_CMP_LT",
            "SCMP_CMP_MASKED_EQ",
            "SCMP_CMP_NE",
        ],
    )?;
    has_all(
        "archs",
        &seccomp["archs"],
        &["SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64"],
    )
}

fn features_of_1_3(scene: &Scene) -> Result<()> {
    let features = features(scene)?;
    has_all("namespaces", &features["linux"]["namespaces"], &["time"])?;
    has_all(
        "mountOptions",
        &features["mountOptions"],
        &["idmap", "ridmap", "nosymfollow", "rnosymfollow"],
    )?;
    equal("idmap", &features["linux"]["mountExtensions"]["idmap"]["enabled"], true)?;
    equal("netDevices", &features["linux"]["netDevices"]["enabled"], true)
}

fn features_accepted(scene: &Scene) -> Result<()> {
    let features = features(scene)?;
    for key in ["ociVersionMin", "ociVersionMax"] {
        let version = features[key].clone();
        scene.prints(
            |b| {
                b.set("/ociVersion", version);
            },
            "echo ran",
            "ran\n",
        )?;
    }
    Ok(())
}

fn version_too_new(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.set("/ociVersion", json!("2.0.0"));
        },
        &["version"],
    )
}

fn version_missing(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.unset("/ociVersion");
        },
        &["version"],
    )
}

fn version_bad(scene: &Scene) -> Result<()> {
    for version in ["one", "", "1.0.2.3"] {
        scene.refuses(
            |b| {
                b.set("/ociVersion", json!(version));
            },
            &["version"],
        )?;
    }
    Ok(())
}

/// What `spec` with `flags` writes.
fn spec(scene: &Scene, flags: &[&str]) -> Result<Value> {
    let dir = scene.path("spec");
    fs::create_dir_all(&dir)?;
    scene.bare_runtime().arg("spec").args(flags).cwd(&dir).run()?.ok()?;
    Ok(serde_json::from_slice(&fs::read(dir.join("config.json"))?)?)
}

fn spec_writes(scene: &Scene) -> Result<()> {
    let config = spec(scene, &[])?;
    holds(
        "ociVersion",
        config["ociVersion"].as_str().is_some_and(|version| version.starts_with("1.")),
    )?;
    equal("root", &config["root"], &json!({ "path": "rootfs", "readonly": true }))
}

fn spec_runs(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.config = spec(scene, &[])?;
    bundle.set("/process/terminal", json!(false)).sh("echo ran; touch /x 2>/dev/null || echo ro");
    scene.run(&bundle)?.prints("ran\nro\n").map(drop)
}

/// The properties that users edit by path.
fn spec_like_runc(scene: &Scene) -> Result<()> {
    let config = spec(scene, &[])?;
    equal("args", &config["process"]["args"], &json!(["sh"]))?;
    equal("terminal", &config["process"]["terminal"], true)?;
    equal("user", &config["process"]["user"], &json!({ "uid": 0, "gid": 0 }))?;
    equal("cwd", &config["process"]["cwd"], "/")?;
    equal("noNewPrivileges", &config["process"]["noNewPrivileges"], true)?;
    equal(
        "env",
        &config["process"]["env"],
        &json!(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"]),
    )?;
    equal(
        "rlimits",
        &config["process"]["rlimits"],
        &json!([{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }]),
    )?;
    equal(
        "capabilities",
        &config["process"]["capabilities"]["bounding"],
        &json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]),
    )?;
    equal(
        "devices",
        &config["linux"]["resources"]["devices"],
        &json!([{ "allow": false, "access": "rwm" }]),
    )?;
    let mounts = config["mounts"].as_array().context("mounts")?;
    let at: Vec<&str> = mounts.iter().filter_map(|mount| mount["destination"].as_str()).collect();
    equal(
        "mounts",
        at,
        vec!["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"],
    )?;
    let kinds: Vec<&str> = config["linux"]["namespaces"]
        .as_array()
        .context("namespaces")?
        .iter()
        .filter_map(|n| n["type"].as_str())
        .filter(|kind| *kind != "cgroup")
        .collect();
    equal("namespaces", kinds, vec!["pid", "network", "ipc", "uts", "mount"])
}

fn spec_overwrites(scene: &Scene) -> Result<()> {
    spec(scene, &[])?;
    let output = scene.bare_runtime().arg("spec").cwd(&scene.path("spec")).run()?;
    output.fails_naming(&["config.json"]).map(drop)
}

fn spec_bundle(scene: &Scene) -> Result<()> {
    let dir = scene.path("elsewhere");
    fs::create_dir(&dir)?;
    scene.bare_runtime().args(&["spec", "--bundle"]).arg(&dir).run()?.ok()?;
    holds("no config.json in the bundle", dir.join("config.json").is_file())
}

fn spec_rootless(scene: &Scene) -> Result<()> {
    let config = spec(scene, &["--rootless"])?;
    let kinds: Vec<&str> = config["linux"]["namespaces"]
        .as_array()
        .context("namespaces")?
        .iter()
        .filter_map(|n| n["type"].as_str())
        .collect();
    holds("no user namespace", kinds.contains(&"user"))?;
    holds("a network namespace", !kinds.contains(&"network"))?;
    let own = rustix::process::geteuid().as_raw();
    equal(
        "uidMappings",
        &config["linux"]["uidMappings"],
        &json!([{ "containerID": 0, "hostID": own, "size": 1 }]),
    )?;
    equal(
        "gidMappings",
        &config["linux"]["gidMappings"],
        &json!([{ "containerID": 0, "hostID": rustix::process::getegid().as_raw(), "size": 1 }]),
    )?;
    holds(
        "resources",
        config["linux"]
            .get("resources")
            .is_none_or(|resources| *resources == json!({}) || resources.is_null()),
    )
}

/// The log of a command that fails, with these global flags.
fn failing_log(scene: &Scene, flags: &[&str]) -> Result<String> {
    let log = scene.path("log");
    let command = scene.bare_runtime().arg("--root").arg(scene.root()).arg("--log").arg(&log);
    command.args(flags).args(&["state", "no-such-container"]).run()?.fails()?;
    Ok(fs::read_to_string(log)?)
}

fn log_file(scene: &Scene) -> Result<()> {
    mentions("log", &failing_log(scene, &[])?, &["exist"])
}

fn log_json(scene: &Scene) -> Result<()> {
    let log = failing_log(scene, &["--log-format", "json"])?;
    let line = log.lines().last().context("empty log")?;
    let entry: Value = serde_json::from_str(line)?;
    equal("level", &entry["level"], "error")?;
    mentions("msg", entry["msg"].as_str().unwrap_or(""), &["exist"])?;
    holds("time", entry["time"].as_str().is_some_and(|time| time.len() >= 20))
}

fn log_format_unknown(scene: &Scene) -> Result<()> {
    let output = scene.runtime(&[]).args(&["--log-format", "xml", "list"]).run()?;
    output.fails().map(drop)
}

fn log_bad(scene: &Scene) -> Result<()> {
    let output = scene.runtime(&[]).args(&["--log", "/nonexistent/dir/log", "list"]).run()?;
    output.fails_naming(&["/nonexistent/dir/log"]).map(drop)
}

fn log_appends(scene: &Scene) -> Result<()> {
    let once = failing_log(scene, &[])?;
    let twice = failing_log(scene, &[])?;
    holds("the log was cut", twice.starts_with(&once) && twice.len() > once.len())
}

fn debug(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let log = scene.path("debug.log");
    let id = scene.id();
    scene.write(bundle.args(&["true"]), &id)?;
    let command = scene.runtime(&["--debug", "--log"]).arg(&log).args(&["run", "--bundle"]);
    command.arg(&bundle.dir).arg(&id).run()?.ok()?;
    contains("log", &fs::read_to_string(log)?, "debug")
}

fn quiet(scene: &Scene) -> Result<()> {
    let output = scene.run(&scene.bundle()?)?.prints("")?;
    equal("stderr", output.stderr.as_str(), "")
}

fn root_private(scene: &Scene) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let container = scene.idle(|_| {})?;
    for dir in [scene.root(), scene.root().join(&container.id)] {
        let mode = fs::metadata(&dir)?.permissions().mode() & 0o777;
        holds(&format!("mode of {} is {mode:o}", dir.display()), mode & 0o066 == 0)?;
    }
    Ok(())
}

/// Runs `script` with files at descriptors 3 to 5, and these flags.
fn with_files(
    scene: &Scene,
    flags: &[&str],
    script: &str,
) -> Result<crate::harness::command::Output> {
    let mut setup = String::from("exec");
    for number in 3..6 {
        let file = scene.path(&format!("file{number}"));
        fs::write(&file, format!("number {number}\n"))?;
        setup += &format!(" {number}<{}", file.display());
    }
    let mut bundle = scene.bundle()?;
    scene.run_command(bundle.sh(script), &scene.id(), flags)?.after(&setup).run()
}

fn preserve(scene: &Scene) -> Result<()> {
    with_files(scene, &["--preserve-fds", "2"], "cat <&3; cat <&4; ls /proc/$$/fd; true")?
        .prints("number 3\nnumber 4\n0\n1\n2\n3\n4\n")
        .map(drop)
}

fn preserve_closed(scene: &Scene) -> Result<()> {
    let id = scene.id();
    let command = scene.run_command(&scene.bundle()?, &id, &["--preserve-fds", "200"])?;
    command.run()?.fails_naming(&["fd", "descriptor"])?;
    scene.is_absent(&id)
}

fn others_closed(scene: &Scene) -> Result<()> {
    with_files(scene, &[], "ls /proc/$$/fd; true")?.prints("0\n1\n2\n").map(drop)
}

fn listening(
    scene: &Scene,
    flags: &[&str],
    script: &str,
) -> Result<crate::harness::command::Output> {
    let file = scene.path("listened");
    fs::write(&file, "socket\n")?;
    let mut bundle = scene.bundle()?;
    let command = scene.run_command(bundle.sh(script), &scene.id(), flags)?;
    command
        .env("LISTEN_FDS", "1")
        .after(&format!("export LISTEN_PID=$$; exec 3<{0} 4<{0}", file.display()))
        .run()
}

fn listen_fds(scene: &Scene) -> Result<()> {
    listening(scene, &[], "echo $LISTEN_FDS $LISTEN_PID; cat <&3; ls /proc/$$/fd; true")?
        .prints("1 1\nsocket\n0\n1\n2\n3\n")
        .map(drop)
}

fn listen_and_preserve(scene: &Scene) -> Result<()> {
    listening(scene, &["--preserve-fds", "1"], "echo $LISTEN_FDS; ls /proc/$$/fd; true")?
        .prints("1\n0\n1\n2\n3\n4\n")
        .map(drop)
}

fn notified(scene: &Scene) -> Result<UnixDatagram> {
    let path = scene.path("notify.sock");
    let socket = UnixDatagram::bind(&path)?;
    socket.set_read_timeout(Some(patience::seconds(10)))?;
    Ok(socket)
}

fn receive(socket: &UnixDatagram) -> Result<String> {
    let mut buffer = [0u8; 4096];
    let count = socket.recv(&mut buffer).context("no notification came")?;
    Ok(String::from_utf8_lossy(&buffer[..count]).into_owned())
}

/// What a container that is ready makes the runtime tell the host.
struct Notified {
    /// `$NOTIFY_SOCKET` inside.
    inside: String,
    /// Every datagram that came.
    text: String,
    pid: i64,
}

/// Runs a container and sends `READY=1` to its socket, through its root, as no program of the
/// image can.
fn send_ready(scene: &Scene, flags: &[&str]) -> Result<Notified> {
    let host = notified(scene)?;
    let mut bundle = scene.bundle()?;
    let id = scene.id();
    let fifo = bundle.host_path("/up");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_raw_mode(0o600))?;
    bundle.sh("echo $NOTIFY_SOCKET >/up; exec sleep 1000000");
    let command = scene.run_command(&bundle, &id, flags)?;
    let running = command.env("NOTIFY_SOCKET", scene.path("notify.sock")).spawn()?;
    let inside = crate::harness::sockets::read_fifo(&fifo)?.trim().to_owned();
    let state = scene.runtime(&["state", &id]).run()?.json()?;
    let pid = state["pid"].as_i64().context("pid")?;
    let path = format!("/proc/{pid}/root{inside}");
    UnixDatagram::unbound()?.send_to(b"READY=1\n", &path).with_context(|| path.clone())?;
    let mut text = receive(&host)?;
    if !text.contains("MAINPID") {
        // The main pid may come in a second datagram.
        text += &receive(&host)?;
    }
    scene.runtime(&["delete", "--force", &id]).run()?.ok()?;
    drop(running);
    Ok(Notified { inside, text, pid })
}

fn notify_ready(scene: &Scene) -> Result<()> {
    let notified = send_ready(scene, &[])?;
    contains("notification", &notified.text, "READY=1")?;
    contains("notification", &notified.text, "MAINPID=")
}

fn notify_env(scene: &Scene) -> Result<()> {
    let notified = send_ready(scene, &["--detach"])?;
    holds("NOTIFY_SOCKET is not absolute", notified.inside.starts_with('/'))?;
    lacks("NOTIFY_SOCKET", &notified.inside, &scene.tag)
}

fn notify_detached(scene: &Scene) -> Result<()> {
    let notified = send_ready(scene, &["--detach"])?;
    contains("notification", &notified.text, "READY=1")?;
    contains("notification", &notified.text, &format!("MAINPID={}", notified.pid))
}

/// A program that ends without a word must not leave `run --detach` waiting for one.
fn notify_never(scene: &Scene) -> Result<()> {
    let _socket = notified(scene)?;
    let command = scene.run_command(&scene.bundle()?, &scene.id(), &["--detach"])?;
    let command = command.env("NOTIFY_SOCKET", scene.path("notify.sock"));
    command.limit(patience::seconds(5)).run()?.ok().map(drop)
}
