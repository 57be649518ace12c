//! The command in a place of its own, and images for it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A data directory and the command that works in it.
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

    /// The command, which does not wait for the disk.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.durable(&["--no-sync"]);
        command.args(args);
        command
    }

    /// The command as people call it.
    pub(crate) fn durable(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgmgr"));
        command
            .env_clear()
            .env("HOME", self.directory.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .arg("--root")
            .arg(self.path("data"))
            .args(args);
        command
    }

    /// The same, where registries need no (verified) TLS.
    pub(crate) fn plain(&self, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command.arg("--tls-verify=false");
        command
    }

    /// Runs the command, which must succeed, and returns its standard output.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> String {
        succeeds(&mut self.plain(args))
    }

    /// Runs the command, which must fail with `code`, and returns its standard error.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, args: &[&str]) -> String {
        refuses(code, &mut self.plain(args))
    }
}

/// Runs a command, which must succeed, and returns its standard output.
#[track_caller]
pub(crate) fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command, which must fail with `code`, and returns its standard error.
#[track_caller]
pub(crate) fn refuses(code: i32, command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{command:?}: {stderr}");
    stderr
}

/// Writes a layout with one image of `layers`, named `v1`, and returns its manifest's digest.
pub(crate) fn layout(path: &Path, layers: &[Vec<u8>]) -> String {
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
pub(crate) fn tar(name: &str, len: usize) -> Vec<u8> {
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
