//! The engines, and the daemons that some of them need.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::command::{self, DEADLINE, await_some};
use crate::docker_like::{self, Engine, Kind};
use crate::report::Report;
use crate::{containerd, image};

/// An engine and its tests.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    /// Runs its tests: runtime, work directory, image archive.
    pub(crate) test: fn(&Path, &Path, &Path, &mut Report),
}

/// All engines, by the name that `--client` takes.
pub(crate) const CLIENTS: [Client; 3] = [
    Client { name: "podman", test: test_podman },
    Client { name: "containerd", test: containerd::test },
    Client { name: "docker", test: test_docker },
];

/// A daemon of ours; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) log: PathBuf,
}

impl Daemon {
    /// Starts `command` with its output in `log`, and waits until `ready` says yes.
    pub(crate) fn start(
        command: &mut Command,
        log: PathBuf,
        ready: impl Fn() -> bool,
    ) -> Result<Daemon> {
        let file = File::create(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start `{}`", command.get_program().display()))?;
        let daemon = Daemon { child, log };
        await_some("the daemon", || ready().then_some(()))?;
        Ok(daemon)
    }

    /// Ends it as an administrator would, and expects it to end well.
    pub(crate) fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let status = command::wait(&mut self.child, DEADLINE)?;
        ensure!(status.success(), "the daemon ended with {status}");
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether all `programs` are installed; notes a skip if not.
pub(crate) fn is_installed(client: &str, programs: &[&str], report: &mut Report) -> bool {
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    let missing = programs
        .iter()
        .find(|name| !std::env::split_paths(&dirs).any(|dir| dir.join(name).is_file()));
    if let Some(name) = missing {
        report.skip(client, &format!("`{name}` is not installed"));
    }
    missing.is_none()
}

fn test_podman(runtime: &Path, work: &Path, archive: &Path, report: &mut Report) {
    if !is_installed("podman", &["podman", "conmon"], report) {
        return;
    }
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let engine = Engine::new(
        Kind::Podman,
        [
            "--root".into(),
            text(&work.join("podman")),
            "--runroot".into(),
            "/run/podman-root".into(),
            "--tmpdir".into(),
            "/run/podman-tmp".into(),
            "--cgroup-manager".into(),
            "cgroupfs".into(),
            "--events-backend".into(),
            "file".into(),
            "--storage-driver".into(),
            "overlay".into(),
            "--runtime".into(),
            text(runtime),
        ],
    );
    docker_like::test(&engine, runtime, archive, None, report);
}

fn test_docker(runtime: &Path, work: &Path, archive: &Path, report: &mut Report) {
    if !is_installed("docker", &["docker", "dockerd", "containerd"], report) {
        return;
    }
    let engine =
        Engine::new(Kind::Docker, ["--host".into(), "unix:///run/docker-test.sock".into()]);
    let mut command = Command::new("dockerd");
    command
        .args(["--host", "unix:///run/docker-test.sock", "--pidfile", "/run/docker-test.pid"])
        .arg("--data-root")
        .arg(work.join("docker"))
        .args(["--exec-root", "/run/docker-test", "--storage-driver", "overlay2"])
        .args(["--bridge", "none", "--iptables=false", "--ip6tables=false"])
        .args(["--exec-opt", "native.cgroupdriver=cgroupfs"])
        .args(["--default-runtime", "under-test", "--add-runtime"])
        .arg(format!("under-test={}", runtime.display()));
    let ready = || engine.run(&["version"]).is_ok_and(|output| output.code == 0);
    match Daemon::start(&mut command, work.join("dockerd.log"), ready) {
        Ok(daemon) => {
            docker_like::test(&engine, runtime, archive, Some(&daemon.log), report);
            report.test("docker/daemon-stops", None, || daemon.stop());
        }
        Err(error) => {
            report.test("docker/daemon-starts", Some(&work.join("dockerd.log")), || Err(error));
        }
    }
}

/// The words that start a container of the image.
pub(crate) fn image_and<'a>(program: &[&'a str]) -> Vec<&'a str> {
    std::iter::once(image::NAME).chain(program.iter().copied()).collect()
}
