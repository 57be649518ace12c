//! A docker-registry on the loopback, and the command with a data directory of its own.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use imgmgr::image::{Descriptor, ImageManifest, media};
use imgmgr::store::{Durability, ImageEntry, Store};

/// Killed when dropped.
pub(crate) struct Registry {
    pub(crate) host: String,
    process: Child,
    _directory: tempfile::TempDir,
}

/// Whether `program` can be run; a skip says why, and fails where everything is required.
pub(crate) fn have(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no `{program}`");
        assert!(std::env::var_os("REQUIRE_ALL").is_none(), "`{program}` is required");
    }
    found
}

impl Registry {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Nobody else listens there: the port was free a moment ago, and the registry says so.
        let host = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  \
             filesystem: {{rootdirectory: {}}}\nhttp: {{addr: '{host}'}}\n",
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

/// A directory of a test, with a data directory in it.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file and returns its path as text.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name).display().to_string()
    }

    pub(crate) fn output(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_imgmgr"))
            .env_clear()
            .env("HOME", self.directory.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .arg("--root")
            .arg(self.path("data"))
            .args(["--no-sync", "--tls-verify=false"])
            .args(args)
            .output()
            .unwrap()
    }

    /// Runs the command, which must succeed, and returns its standard output.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let output = self.output(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the command, which must fail, and returns its standard error.
    #[track_caller]
    pub(crate) fn fails(&self, args: &[&str]) -> String {
        let output = self.output(args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        stderr
    }

    /// A layout in the directory, to be filled.
    pub(crate) fn layout(&self, name: &str) -> Store {
        Store::open_real(&self.path(name), Durability::NoSync).unwrap()
    }

    /// Copies what a layout has under `v1` into a registry.
    pub(crate) fn push(&self, layout: &str, to: &str) {
        let from = format!("oci:{}:v1", self.path(layout).display());
        self.run(&["--insecure-policy", "copy", "--all", &from, &format!("docker://{to}")]);
    }
}

/// Puts an image of one layer into a store.
pub(crate) fn put_image(store: &Store, content: &str) -> Descriptor {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, "file", content.as_bytes()).unwrap();
    let layer = store.put_blob(media::OCI_LAYER, &builder.into_inner().unwrap()).unwrap();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [layer.digest] },
    });
    let config = store.put_blob(media::OCI_CONFIG, config.to_string().as_bytes()).unwrap();
    put_manifest(store, config, vec![layer], None)
}

pub(crate) fn put_manifest(
    store: &Store,
    config: Descriptor,
    layers: Vec<Descriptor>,
    subject: Option<Descriptor>,
) -> Descriptor {
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: Some(media::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config,
        layers,
        subject,
        annotations: None,
    };
    let target = store.put_blob(media::OCI_MANIFEST, &manifest.to_bytes()).unwrap();
    store.tag(&ImageEntry::new("v1", target.clone())).unwrap();
    target
}
