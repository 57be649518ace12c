//! The distribution-spec's workflows (pull, push, content discovery, management), by the command,
//! against docker-registry on the loopback; and the store as skopeo reads it.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]
#![expect(clippy::print_stderr, reason = "a skip says why")]

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A registry with a directory of its own; killed when dropped.
struct Registry {
    host: String,
    process: Child,
    _directory: tempfile::TempDir,
}

/// Whether `program` can be run; a skip says why, and fails where everything is required.
fn have(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no `{program}`");
        assert!(std::env::var_os("REQUIRE_ALL").is_none(), "`{program}` is required");
    }
    found
}

impl Registry {
    fn start(auth: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Nobody else listens there: the port was free a moment ago, and the registry says so.
        let host = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  \
             filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\n\
             http: {{addr: '{host}'}}\n{auth}",
            directory.path().join("data").display()
        );
        let path = directory.path().join("config.yml");
        std::fs::write(&path, config).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut registry = Self { host, process, _directory: directory };
        while TcpStream::connect(&registry.host).is_err() {
            assert!(registry.process.try_wait().unwrap().is_none(), "the registry ended");
            std::thread::yield_now();
        }
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A data directory and the command that works in it.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgmgr"));
        command
            .env_clear()
            .env("HOME", self.directory.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .arg("--root")
            .arg(self.path("data"))
            .args(["--no-sync", "--tls-verify=false"])
            .args(args);
        command
    }

    fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs the command, which must succeed, and returns its standard output.
    #[track_caller]
    fn run(&self, args: &[&str]) -> String {
        let output = self.output(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the command, which must fail with `code`, and returns its standard error.
    #[track_caller]
    fn fails(&self, code: i32, args: &[&str]) -> String {
        let output = self.output(args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        stderr
    }
}

/// Writes a layout with one image of `layers`, named `v1`, and returns its manifest's digest.
fn layout(path: &Path, layers: &[Vec<u8>]) -> String {
    use imgmgr::image::{ImageManifest, media};
    use imgmgr::store::{Durability, ImageEntry, Store};
    let store = Store::open_real(path, Durability::NoSync).unwrap();
    let layers: Vec<_> =
        layers.iter().map(|bytes| store.put_blob(media::OCI_LAYER, bytes).unwrap()).collect();
    let diff_ids: Vec<String> = layers.iter().map(|layer| layer.digest.to_string()).collect();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "created": "2024-01-02T03:04:05Z",
        "config": { "Env": ["A=b"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: Some(media::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config: store.put_blob(media::OCI_CONFIG, config.to_string().as_bytes()).unwrap(),
        layers,
        subject: None,
        annotations: None,
    };
    let target = store.put_blob(media::OCI_MANIFEST, &manifest.to_bytes()).unwrap();
    let digest = target.digest.to_string();
    store.tag(&ImageEntry::new("v1", target)).unwrap();
    digest
}

/// An uncompressed tar of one file whose content is of no use to a compressor.
fn tar(name: &str, len: usize) -> Vec<u8> {
    let mut state = len as u64 | 1;
    let content: Vec<u8> = std::iter::repeat_with(|| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
    .take(len)
    .collect();
    let mut header = tar::Header::new_gnu();
    header.set_size(len as u64);
    header.set_mode(0o644);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, name, &*content).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn push_discover_pull_manage() {
    if !have("docker-registry") {
        return;
    }
    let (registry, place) = (Registry::start(""), Place::new());
    let digest = layout(&place.path("in"), &[tar("a", 70_000), tar("b", 20 << 20)]);
    let from = format!("oci:{}:v1", place.path("in").display());
    let (one, two) =
        (format!("{}/team/app:v1", registry.host), format!("{}/app:v2", registry.host));

    // Push, also chunked (the second layer), and mounted by a sibling.
    let copied = place.run(&["copy", &from, &format!("docker://{one}")]);
    assert_eq!(copied.trim(), digest);
    place.run(&["pull", &one]);
    place.run(&["tag", &one, &two]);
    place.run(&["push", &two]);

    // Content discovery.
    let tags = place.run(&["list-tags", "--format", "table", &format!("{}/app", registry.host)]);
    assert_eq!(tags, "v2\n");
    let shown = place.run(&["inspect", &format!("docker://{two}")]);
    assert!(shown.contains(&digest) && shown.contains("A=b"), "{shown}");
    let raw = place.run(&["inspect", "--raw", &format!("docker://{two}")]);
    assert_eq!(imgmgr::digest::Digest::of(raw.as_bytes()).to_string(), digest);

    // Pull by digest into a fresh store.
    let other = Place::new();
    other.run(&["pull", &format!("{}/app@{digest}", registry.host)]);
    assert_eq!(other.run(&["fsck"]), "clean\n");
    assert_eq!(
        other.run(&["pull", &format!("{}/app@{digest}", registry.host)]).split(':').next(),
        Some("up to date")
    );

    // Management.
    place.run(&["delete", &two]);
    let error = place.fails(1, &["pull", &two]);
    assert!(error.starts_with("error: GET `http://") && error.contains("404"), "{error}");
    place.run(&["untag", &one, &two]);
    let freed = place.run(&["gc"]);
    assert!(freed.contains("in 4 blobs"), "{freed}");
    assert_eq!(place.run(&["list", "--quiet"]), "");
}

#[test]
fn login_is_checked_stored_and_used() {
    if !have("docker-registry") {
        return;
    }
    let users = tempfile::NamedTempFile::new().unwrap();
    // The password is `secret`.
    users
        .as_file()
        .write_all(b"u:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n")
        .unwrap();
    let auth = format!("auth: {{htpasswd: {{realm: x, path: '{}'}}}}\n", users.path().display());
    let (registry, place) = (Registry::start(&auth), Place::new());
    layout(&place.path("in"), &[tar("a", 1000)]);
    let from = format!("oci:{}:v1", place.path("in").display());
    let to = format!("docker://{}/app:1", registry.host);
    let error = place.fails(1, &["copy", &from, &to]);
    assert!(error.contains("401") && error.contains("hint: `imgmgr login"), "{error}");
    place.fails(1, &["login", "-u", "u", "-p", "wrong", &registry.host]);
    place.run(&["login", "-u", "u", "-p", "secret", &registry.host]);
    place.run(&["copy", &from, &to]);
    place.run(&["logout", &registry.host]);
    place.fails(1, &["copy", &from, &to]);
}

#[test]
fn archives_and_directories_go_round() {
    let place = Place::new();
    let digest = layout(&place.path("in"), &[tar("a", 5000), tar("b", 100)]);
    let at = |kind: &str, name: &str| format!("{kind}:{}", place.path(name).display());
    let from = format!("{}:v1", at("oci", "in"));
    for (place_to, back) in [
        (at("oci-archive", "o.tar"), at("oci", "back1")),
        (at("docker-archive", "d.tar"), at("oci", "back2")),
        (at("dir", "dir"), at("oci", "back3")),
    ] {
        place.run(&["copy", &from, &place_to]);
        assert_eq!(place.run(&["copy", &place_to, &back]).trim(), digest, "{place_to}");
        assert_eq!(place.run(&["validate", &back]), "valid\n");
        if have("skopeo") {
            let output = Command::new("skopeo").args(["inspect", "--raw", &back]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    place.run(&["copy", &from, "r.io/a:1"]);
    place.run(&["tag", "r.io/a:1", "r.io/b:2"]);
    let both = place.path("both.tar").display().to_string();
    place.run(&["save", "--output", &both, "r.io/a:1", "r.io/b:2"]);
    let other = Place::new();
    let loaded = other.run(&["load", "--input", &both]);
    assert!(loaded.contains("r.io/a:1") && loaded.contains("r.io/b:2"), "{loaded}");
    assert_eq!(other.run(&["fsck"]), "clean\n");
}

#[test]
fn skopeo_reads_the_store_and_writes_what_we_read() {
    if !have("skopeo") {
        return;
    }
    let place = Place::new();
    let digest = layout(&place.path("in"), &[tar("a", 5000)]);
    place.run(&["copy", &format!("oci:{}:v1", place.path("in").display()), "r.io/team/a:1"]);
    let store = place.path("data").join("images");
    let named = format!("oci:{}:r.io/team/a:1", store.display());
    let output =
        Command::new("skopeo").args(["inspect", "--format", "{{.Digest}}", &named]).output();
    assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap().trim(), digest);
    // skopeo adds a name of its own; ours stays, and its is listed.
    let foreign = format!("oci:{}:r.io/foreign:9", store.display());
    let output = Command::new("skopeo")
        .args(["copy", "--insecure-policy", &named, &foreign])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = place.run(&["list", "--quiet"]);
    assert!(names.contains("r.io/team/a:1\n") && names.contains("r.io/foreign:9\n"), "{names}");
    assert_eq!(place.run(&["fsck"]), "clean\n");
}

#[test]
fn mistakes_are_told_with_their_exit_code() {
    let place = Place::new();
    assert!(place.fails(1, &["history", "absent"]).contains("hint: `imgmgr list`"));
    assert!(place.fails(2, &["pull", "UPPER CASE"]).contains("is not an image reference"));
    place.fails(2, &["frobnicate"]);
    place.fails(2, &["copy", "containers-storage:x", "y"]);
    let error = place.fails(1, &["--attempts", "1", "pull", "127.0.0.1:1/x"]);
    assert!(error.contains("caused by:"), "{error}");
}

#[test]
fn fsck_finds_damage_and_fetches_again() {
    if !have("docker-registry") {
        return;
    }
    let (registry, place) = (Registry::start(""), Place::new());
    layout(&place.path("in"), &[tar("a", 5000)]);
    let name = format!("{}/app:1", registry.host);
    let from = format!("oci:{}:v1", place.path("in").display());
    place.run(&["copy", &from, &format!("docker://{name}")]);
    place.run(&["pull", &name]);
    let blobs = place.path("data").join("images/blobs/sha256");
    let largest = std::fs::read_dir(&blobs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max_by_key(|path| std::fs::metadata(path).unwrap().len())
        .unwrap();
    std::fs::OpenOptions::new().write(true).open(&largest).unwrap().write_all(b"rot").unwrap();
    place.fails(1, &["fsck"]);
    let repaired = place.run(&["fsck", "--repair"]);
    assert!(repaired.ends_with("repaired\n"), "{repaired}");
    assert_eq!(place.run(&["fsck"]), "clean\n");
}
