//! The one image that every test runs: a static busybox, as an archive that `docker load`, `podman load`
//! and `ctr image import` all read.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::command;

/// The name that the image has in every engine.
pub(crate) const NAME: &str = "localhost/busybox:test";
const BUSYBOX: &str = "/bin/busybox";

/// Makes the image archive in `work` and gives its path.
pub(crate) fn build(work: &Path) -> Result<PathBuf> {
    let (rootfs, parts) = (work.join("rootfs"), work.join("image"));
    fs::create_dir_all(&parts)?;
    build_rootfs(&rootfs)?;
    let layer = parts.join("layer.tar");
    tar(&rootfs, &layer)?;
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest(&fs::read(&layer)?))]},
    })
    .to_string();
    let config_name = format!("{}.json", digest(config.as_bytes()));
    let manifest = json!([{"Config": config_name, "RepoTags": [NAME], "Layers": ["layer.tar"]}]);
    fs::write(parts.join(config_name), config)?;
    fs::write(parts.join("manifest.json"), manifest.to_string())?;
    let archive = work.join("image.tar");
    tar(&parts, &archive)?;
    Ok(archive)
}

fn build_rootfs(rootfs: &Path) -> Result<()> {
    for dir in ["bin", "dev", "etc", "proc", "root", "sys", "tmp", "var"] {
        fs::create_dir_all(rootfs.join(dir))?;
    }
    fs::set_permissions(rootfs.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    fs::copy(BUSYBOX, rootfs.join("bin/busybox"))
        .with_context(|| format!("no static busybox at `{BUSYBOX}`"))?;
    let applets = command::run(Command::new(BUSYBOX).arg("--list"))?.text()?;
    for applet in applets.lines().filter(|name| *name != "busybox") {
        symlink("busybox", rootfs.join("bin").join(applet))?;
    }
    fs::write(
        rootfs.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/tmp:/bin/sh\n",
    )?;
    fs::write(rootfs.join("etc/group"), "root:x:0:\nweb:x:33:\nstaff:x:50:web\n")?;
    let script = rootfs.join("etc/not-executable");
    fs::write(script, "#!/bin/sh\n")?;
    Ok(())
}

fn tar(dir: &Path, archive: &Path) -> Result<()> {
    let mut command = Command::new("tar");
    command
        .arg("-C")
        .arg(dir)
        .args(["--numeric-owner", "--sort=name", "-cf"])
        .arg(archive)
        .arg(".");
    command::run(&mut command)?.expect(0)?;
    Ok(())
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// This machine's architecture as images name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
