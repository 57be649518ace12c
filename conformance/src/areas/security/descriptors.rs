//! S1, S2, S10: the runtime's binary, its memory and its descriptors stay out of reach.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::json;

use crate::harness::bundle::Bundle;
use crate::harness::expect::{equal, holds, lacks};
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test("S1-entrypoint", "CVE-2019-5736", &[], entrypoint),
    test("S1-shebang", "CVE-2019-5736", &[], shebang),
    test("S1-poller", "CVE-2019-5736", &[], poller),
    test("S2", "CVE-2016-9962", &[], untraceable),
    test("S2-user-namespace", "CVE-2016-9962", &[], untraceable_userns),
    test("S10-run", "CVE-2024-21626", &[], run_descriptors),
    test("S10-exec", "CVE-2024-21626", &[], exec_descriptors),
    test("S10-cwd", "CVE-2024-21626", &[], cwd),
    test("S10-exec-cwd", "CVE-2024-21626", &[], exec_cwd),
    test("S10-inherited", "CVE-2024-21626", &[], inherited),
    test("S10-created", "CVE-2024-21626", &[], created),
];

/// How often the host calls the runtime while a program inside lies in wait.
const CALLS: u32 = 40;
/// What a hostile image may have been given.
const POWERFUL: &[&str] =
    &["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_SYS_ADMIN"];

/// A writable copy of the runtime, which an attack may destroy, and its bytes.
fn victim(scene: &Scene) -> Result<(PathBuf, Vec<u8>)> {
    let copy = scene.path("runtime-copy");
    fs::copy(&scene.runtime, &copy)?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
    Ok((copy.clone(), fs::read(copy)?))
}

fn is_intact(copy: &PathBuf, before: &[u8]) -> Result<()> {
    holds("the binary was written to", fs::read(copy)? == before)
}

/// Runs a container by the copy; its end is of no interest, its effect is.
fn run_with(scene: &Scene, copy: &PathBuf, bundle: &Bundle) -> Result<()> {
    let id = scene.id();
    scene.write(bundle, &id)?;
    let command = scene.program(copy).arg("--root").arg(scene.root()).args(&["run", "--bundle"]);
    command.arg(&bundle.dir).arg(&id).run().map(drop)
}

/// The image names the runtime's own binary as its program, with a library that would overwrite it.
fn entrypoint(scene: &Scene) -> Result<()> {
    let (copy, before) = victim(scene)?;
    let mut bundle = scene.bundle()?;
    bundle.capabilities(POWERFUL).args(&["/proc/self/exe", "--version"]);
    run_with(scene, &copy, &bundle)?;
    is_intact(&copy, &before)
}

fn shebang(scene: &Scene) -> Result<()> {
    let (copy, before) = victim(scene)?;
    let mut bundle = scene.bundle()?;
    bundle.program("/entry", "#!/proc/self/exe\n")?;
    bundle.capabilities(POWERFUL).args(&["/entry"]);
    run_with(scene, &copy, &bundle)?;
    is_intact(&copy, &before)
}

/// Opens the executable of every process that is not busybox, and writes to it once that is free.
const POLLER: &str = r"
echo up >/up
while :; do for p in /proc/[0-9]*; do
  case $(readlink $p/exe) in */busybox|'') continue;; esac
  exec 3<$p/exe || continue
  i=0; while test $i -lt 200; do echo overwritten >/proc/self/fd/3 && echo written >>/found; i=$((i+1)); done
  exec 3<&-
done; done 2>/dev/null";

fn poller(scene: &Scene) -> Result<()> {
    let (copy, before) = victim(scene)?;
    let mut bundle = scene.bundle()?;
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        bundle.host_path("/up"),
        rustix::fs::Mode::from_raw_mode(0o600),
    )?;
    let container = scene.start(bundle.capabilities(POWERFUL).sh(POLLER))?;
    crate::harness::sockets::read_fifo(&bundle.host_path("/up"))?;
    for _ in 0..CALLS {
        let command = scene.program(&copy).arg("--root").arg(scene.root());
        command.args(&["exec", &container.id, "true"]).run()?;
    }
    is_intact(&copy, &before)?;
    holds("a write to a foreign executable succeeded", !bundle.host_path("/found").exists())
}

/// Notes every process whose descriptors above stdio can be followed while it is still the runtime:
/// its name is no name of the image's, before and after. Their mere numbers are there for whoever
/// has the user id that owns the directory. Sockets are passed over: procfs opens none, and the
/// one that would tell of a failed execve(2) is there until the kernel closes it in that call.
const SPY: &str = r"
echo up >/up
while :; do for p in /proc/[0-9]*; do
  c=; read c 2>/dev/null <$p/comm
  case $c in sh|true|sleep|busybox|'') continue;; esac
  for f in $p/fd/*; do
    case $f in *'*') break;; */0|*/1|*/2) continue;; esac
    test -e $f && ! test -S $f || continue
    d=; read d 2>/dev/null <$p/comm
    test '$d' = '$c' && echo $c $f >>/found
    break
  done
done; done";

fn spied_on(scene: &Scene, edit: impl FnOnce(&mut Bundle)) -> Result<()> {
    let mut bundle = scene.bundle()?;
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        bundle.host_path("/up"),
        rustix::fs::Mode::from_raw_mode(0o666),
    )?;
    fs::set_permissions(bundle.rootfs(), fs::Permissions::from_mode(0o777))?;
    fs::set_permissions(bundle.host_path("/up"), fs::Permissions::from_mode(0o666))?;
    bundle.sh(&SPY.replace("'$d' = '$c'", "\"$d\" = \"$c\""));
    edit(&mut bundle);
    let container = scene.start(&bundle)?;
    crate::harness::sockets::read_fifo(&bundle.host_path("/up"))?;
    for _ in 0..CALLS {
        container.exec(&["true"])?.ok()?;
    }
    let found = fs::read_to_string(bundle.host_path("/found")).unwrap_or_default();
    equal("a descriptor that was seen", found.lines().next(), None)
}

fn untraceable(scene: &Scene) -> Result<()> {
    spied_on(scene, |_| {})
}

fn untraceable_userns(scene: &Scene) -> Result<()> {
    spied_on(scene, |b| {
        b.user_namespace(100_000, 65_536).capabilities(&["CAP_SYS_PTRACE"]);
    })
}

/// Lists the shell's own descriptors, without the one of the listing.
const LIST: &str = "ls /proc/$$/fd; true";

fn run_descriptors(scene: &Scene) -> Result<()> {
    scene.prints(|_| {}, LIST, "0\n1\n2\n")
}

fn exec_descriptors(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    equal("descriptors", container.sh(LIST)?.as_str(), "0\n1\n2\n")?;
    let of_init = fs::read_dir(format!("/proc/{}/fd", container.pid()?))?.count();
    equal("descriptors of init", of_init, 3)
}

/// The descriptor numbers at which a runtime might hold a directory of the host.
const NUMBERS: std::ops::Range<u32> = 3..16;

/// A working directory through a descriptor of the runtime must not be one of the host.
fn cwd(scene: &Scene) -> Result<()> {
    for number in NUMBERS {
        let mut bundle = scene.bundle()?;
        bundle.set("/process/cwd", json!(format!("/proc/self/fd/{number}")));
        let output = scene.run(bundle.sh("pwd"))?;
        holds(&format!("cwd /proc/self/fd/{number} was accepted"), output.code() != 0)?;
    }
    Ok(())
}

fn exec_cwd(scene: &Scene) -> Result<()> {
    let container = scene.idle(|_| {})?;
    for number in NUMBERS {
        let flag = format!("/proc/self/fd/{number}");
        let output = container.exec_command(&["--cwd", &flag], &["pwd"]).run()?;
        holds(&format!("cwd {flag} was accepted"), output.code() != 0)?;
    }
    container.is("running").context("after the attempts")
}

/// Descriptors of the caller that nobody asked to pass, among them a directory of the host.
fn inherited(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let command = scene.run_command(bundle.sh("ls -l /proc/$$/fd; true"), &scene.id(), &[])?;
    let output = command.after("exec 3</ 7</etc 9</proc").run()?.ok()?;
    for number in [" 3 ->", " 7 ->", " 9 ->"] {
        lacks("descriptors", &output.stdout, number)?;
    }
    Ok(())
}

/// A created container may wait for long: it holds no file of its caller's, of the runtime's state
/// or of the host open.
fn created(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.idle();
    let id = scene.id();
    let held = scene.path("held");
    let command = scene.create_command(&bundle, &id, &[])?;
    command.after(&format!("exec 9>{}", held.display())).run()?.ok()?;
    let state = scene.runtime(&["state", &id]).run()?.json()?;
    let pid = state["pid"].as_i64().context("no pid")?;
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let target = fs::read_link(entry?.path())?;
        let target = target.to_string_lossy();
        for secret in [held.to_string_lossy(), scene.root().to_string_lossy()] {
            let is_fifo = target.ends_with("/exec.fifo");
            holds(&format!("{target} is open"), is_fifo || !target.starts_with(&*secret))?;
        }
        lacks("open files", &target, "/sys/fs/cgroup")?;
    }
    Ok(())
}
