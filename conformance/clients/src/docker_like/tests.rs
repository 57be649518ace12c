//! The tests of a docker-like engine. Each removes what it made and finds nothing left of it.

use std::path::Path;

use anyhow::{Result, bail, ensure};

use super::{Engine, Kind};
use crate::command::await_some;
use crate::terminal::Terminal;
use crate::traces::{self, limit};

type Test = fn(&Engine) -> Result<()>;

/// By name, in the order of running.
pub(super) const ALL: [(&str, Test); 20] = [
    ("run", run),
    ("exit-codes", exit_codes),
    ("exec", exec),
    ("exec-exit-codes", exec_exit_codes),
    ("signal", signal),
    ("stop", stop),
    ("limits", limits),
    ("update-limits", update_limits),
    ("out-of-memory", out_of_memory),
    ("pause", pause),
    ("terminal", terminal),
    ("exec-terminal", exec_terminal),
    ("attach", attach),
    ("logs", logs),
    ("options", options),
    ("seccomp", seccomp),
    ("mounts", mounts),
    ("create-start-restart", create_start_restart),
    ("join-namespaces", join_namespaces),
    ("eight-at-once", eight_at_once),
];

/// Says that it is ready, then obeys SIGTERM with a word and exit code 3.
const OBEDIENT: &str =
    "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 1 & wait $!; done";
/// Says that it is ready, then ignores SIGTERM.
const STUBBORN: &str = "trap '' TERM; echo ready; while :; do sleep 1; done";

pub(super) fn uses_the_runtime(engine: &Engine, runtime: &Path) -> Result<()> {
    let container = engine.detach("which", &[], &["sh", "-c", OBEDIENT])?;
    let (field, expected) = match engine.kind {
        Kind::Podman => (".OCIRuntime", runtime.to_string_lossy().into_owned()),
        Kind::Docker => (".HostConfig.Runtime", "under-test".to_owned()),
    };
    let used = container.inspect(field)?;
    ensure!(used == expected, "`{used}` was used instead of `{expected}`");
    container.remove()
}

fn run(engine: &Engine) -> Result<()> {
    let container = engine.adopt("run");
    let id_file = tempfile::Builder::new().tempdir()?;
    let id_path = id_file.path().join("id");
    let cid = format!("--cidfile={}", id_path.display());
    let script = "echo out; echo err >&2; echo pid $$";
    let output =
        engine.run_container(&["--name", "run", &cid], &["sh", "-c", script])?.expect(0)?;
    same(&output.stdout, "out\npid 1\n")?;
    ensure!(output.stderr.ends_with("err\n"), "standard error is `{}`", output.stderr);
    drop(container);
    traces::await_none(std::fs::read_to_string(id_path)?.trim())
}

fn exit_codes(engine: &Engine) -> Result<()> {
    engine.run_container(&[], &["sh", "-c", "exit 7"])?.expect(7)?;
    engine.run_container(&[], &["no-such-command"])?.expect(127)?;
    engine.run_container(&[], &["/etc/not-executable"])?.expect(126)?;
    engine.run_container(&["--workdir", "/etc/passwd"], &["true"]).and_then(|output| {
        ensure!(output.code != 0, "a file served as working directory");
        Ok(())
    })
}

fn exec(engine: &Engine) -> Result<()> {
    let container = engine.detach("exec", &["--env", "A=1"], &["sh", "-c", OBEDIENT])?;
    same(&container.exec(&[], &["sh", "-c", "echo $A; cat /proc/1/comm"])?.text()?, "1\nsh")?;
    let options = ["--user", "web", "--workdir", "/tmp", "--env", "B=2"];
    let script = "id -un; id -G; pwd; echo $A$B";
    same(&container.exec(&options, &["sh", "-c", script])?.text()?, "web\n33 50\n/tmp\n12")?;
    let script = "grep -E '^(Seccomp|CapEff):' /proc/self/status > /tmp/exec; \
                  grep -E '^(Seccomp|CapEff):' /proc/1/status | cmp - /tmp/exec";
    container.exec(&[], &["sh", "-c", script])?.expect(0)?;
    container.exec(&["--detach"], &["touch", "/tmp/detached"])?.expect(0)?;
    await_some("a detached exec", || {
        container.exec(&[], &["test", "-e", "/tmp/detached"]).ok().filter(|output| output.code == 0)
    })?;
    container.remove()
}

fn exec_exit_codes(engine: &Engine) -> Result<()> {
    let container = engine.detach("exec-codes", &[], &["sh", "-c", OBEDIENT])?;
    container.exec(&[], &["sh", "-c", "exit 5"])?.expect(5)?;
    container.exec(&[], &["sh", "-c", "kill -9 $$"])?.expect(137)?;
    container.exec(&[], &["/etc/not-executable"])?.expect(126)?;
    let absent = container.exec(&[], &["no-such-command"])?;
    // docker 20.10 answers 126 here, whatever the runtime.
    ensure!(matches!(absent.code, 126 | 127), "an absent command ended with {}", absent.code);
    container.remove()
}

fn signal(engine: &Engine) -> Result<()> {
    let container = engine.detach("signal", &[], &["sh", "-c", OBEDIENT])?;
    container.await_log("ready")?;
    engine.run(&["kill", "--signal", "TERM", "signal"])?.expect(0)?;
    ensure!(container.wait()? == 3, "the trap was not run");
    container.await_log("bye")?;
    container.remove()
}

fn stop(engine: &Engine) -> Result<()> {
    let container = engine.detach("stop", &[], &["sh", "-c", STUBBORN])?;
    container.await_log("ready")?;
    engine.run(&["stop", "--time", "1", "stop"])?.expect(0)?;
    same(&container.inspect(".State.ExitCode")?, "137")?;
    same(&container.inspect(".State.Status")?, "exited")?;
    container.remove()
}

fn limits(engine: &Engine) -> Result<()> {
    let options = ["--memory=64m", "--pids-limit=33", "--cpus=0.5", "--cpuset-cpus=0"];
    let container = engine.detach("limits", &options, &["sh", "-c", OBEDIENT])?;
    let pid = container.pid()?;
    same(&limit(pid, "memory", "memory.limit_in_bytes", "memory.max")?, "67108864")?;
    same(&limit(pid, "pids", "pids.max", "pids.max")?, "33")?;
    same(&limit(pid, "cpuset", "cpuset.cpus", "cpuset.cpus")?, "0")?;
    let quota = limit(pid, "cpu", "cpu.cfs_quota_us", "cpu.max")?;
    ensure!(quota == "50000" || quota == "50000 100000", "the CPU quota is `{quota}`");
    // And the kernel enforces them: there is no 34th process.
    let script = "for i in $(seq 40); do sleep 100 & done; wait";
    let output = container.exec(&[], &["sh", "-c", script])?;
    ensure!(output.stderr.contains("fork"), "40 processes fit into 33: {output:?}");
    container.remove()
}

fn update_limits(engine: &Engine) -> Result<()> {
    let options = ["--memory=64m", "--memory-swap=64m"];
    let container = engine.detach("update", &options, &["sh", "-c", OBEDIENT])?;
    let new = ["update", "--memory=96m", "--memory-swap=96m", "--cpu-quota=20000", "update"];
    engine.run(&new)?.expect(0)?;
    let pid = container.pid()?;
    same(&limit(pid, "memory", "memory.limit_in_bytes", "memory.max")?, "100663296")?;
    let quota = limit(pid, "cpu", "cpu.cfs_quota_us", "cpu.max")?;
    ensure!(quota == "20000" || quota == "20000 100000", "the CPU quota is `{quota}`");
    container.remove()
}

fn out_of_memory(engine: &Engine) -> Result<()> {
    let options = ["--memory=16m", "--memory-swap=16m"];
    let script = "sleep 1; exec dd if=/dev/zero of=/dev/null bs=200M";
    let container = engine.detach("oom", &options, &["sh", "-c", script])?;
    ensure!(container.wait()? == 137, "it was not killed");
    // conmon of podman 4.3 does not notice on cgroup v1, whatever the runtime.
    if engine.kind == Kind::Docker {
        same(&container.inspect(".State.OOMKilled")?, "true")?;
    }
    container.remove()
}

fn pause(engine: &Engine) -> Result<()> {
    let container = engine.detach("pause", &[], &["sh", "-c", OBEDIENT])?;
    engine.run(&["pause", "pause"])?.expect(0)?;
    same(&container.inspect(".State.Status")?, "paused")?;
    let frozen = limit(container.pid()?, "freezer", "freezer.state", "cgroup.freeze")?;
    ensure!(frozen == "FROZEN" || frozen == "1", "the freezer says `{frozen}`");
    engine.run(&["unpause", "pause"])?.expect(0)?;
    same(&container.inspect(".State.Status")?, "running")?;
    container.exec(&[], &["true"])?.expect(0)?;
    container.remove()
}

/// What a person sees and types in a shell on a terminal of the container.
fn use_shell(mut shell: Terminal) -> Result<()> {
    // The echo of what is typed must not look like the answer: hence the quotes in the middle.
    shell.expect("# ")?;
    shell.send("while [ \"$(stty size)\" != '41 97' ]; do sleep 0.1; done; echo first''-size\r")?;
    shell.expect("first-size")?;
    shell.resize(30, 80)?;
    shell
        .send("while [ \"$(stty size)\" != '30 80' ]; do sleep 0.1; done; echo second''-size\r")?;
    shell.expect("second-size")?;
    shell.send("test -t 0 && test -t 1 && test -t 2 && echo ter''minals; tty\r")?;
    shell.expect("terminals")?;
    shell.expect("/dev/")?;
    shell.send(
        "(trap 'echo inter''rupted; exit' INT; echo in''stalled; while :; do sleep 1; done)\r",
    )?;
    shell.expect("installed")?;
    shell.send("\x03")?;
    shell.expect("interrupted")?;
    shell.send("exit 9\r")?;
    let code = shell.finish()?;
    ensure!(code == 9, "the shell ended with {code}, not 9");
    Ok(())
}

fn terminal(engine: &Engine) -> Result<()> {
    let container = engine.adopt("terminal");
    let name = ["run", "--interactive", "--tty", "--network=none", "--name=terminal"];
    let words = [&name[..], &crate::engine::image_and(&["sh"])].concat();
    use_shell(Terminal::start(&engine.command(&words), 41, 97)?)?;
    same(&container.inspect(".State.ExitCode")?, "9")?;
    container.remove()
}

fn exec_terminal(engine: &Engine) -> Result<()> {
    let container = engine.detach("exec-terminal", &[], &["sh", "-c", OBEDIENT])?;
    let words = ["exec", "--interactive", "--tty", "exec-terminal", "sh"];
    use_shell(Terminal::start(&engine.command(&words), 41, 97)?)?;
    container.remove()
}

fn attach(engine: &Engine) -> Result<()> {
    let container = engine.detach("attach", &["--interactive", "--tty"], &["sh"])?;
    let mut shell = Terminal::start(&engine.command(&["attach", "attach"]), 41, 97)?;
    shell.send("echo at''tached\r")?;
    shell.expect("attached")?;
    shell.send("exit 4\r")?;
    let code = shell.finish()?;
    // podman 4.3 gives 0, whatever the runtime.
    ensure!(code == 4 || engine.kind == Kind::Podman, "attach ended with {code}, not 4");
    same(&container.inspect(".State.ExitCode")?, "4")?;
    container.remove()
}

fn logs(engine: &Engine) -> Result<()> {
    let script = "echo one; echo two >&2; echo three";
    let container = engine.detach("logs", &[], &["sh", "-c", script])?;
    ensure!(container.wait()? == 0, "it failed");
    let output = engine.run(&["logs", "logs"])?.expect(0)?;
    same(&output.stdout, "one\nthree\n")?;
    same(&output.stderr, "two\n")?;
    container.remove()
}

fn options(engine: &Engine) -> Result<()> {
    let options = [
        "--user=web",
        "--workdir=/tmp",
        "--env=A=b",
        "--hostname=box",
        "--cap-drop=ALL",
        "--cap-add=CHOWN",
        "--security-opt=no-new-privileges",
        "--ulimit=nofile=123:456",
        // Podman would ask for more than a host without CAP_SYS_RESOURCE can give.
        "--ulimit=nproc=1000:2000",
        "--sysctl=kernel.msgmax=9000",
        "--shm-size=3m",
        "--oom-score-adj=500",
    ];
    let script = "id -un; id -G; pwd; echo $A; hostname; ulimit -Sn; ulimit -Hn; \
                  cat /proc/sys/kernel/msgmax; df -k /dev/shm | awk 'NR == 2 { print $2 }'; \
                  cat /proc/self/oom_score_adj; \
                  awk '/^(CapBnd|NoNewPrivs):/ { print $2 }' /proc/self/status";
    let output = engine.run_container(&options, &["sh", "-c", script])?.text()?;
    let expected = "web\n33 50\n/tmp\nb\nbox\n123\n456\n9000\n3072\n500\n\
                    0000000000000001\n1";
    same(&output, expected)
}

fn seccomp(engine: &Engine) -> Result<()> {
    let mode = ["sh", "-c", "awk '/^Seccomp:/ { print $2 }' /proc/self/status; unshare -m true"];
    let filtered = engine.run_container(&["--cap-add=SYS_CHROOT"], &mode)?;
    same(filtered.stdout.trim(), "2")?;
    ensure!(filtered.code != 0, "the default profile lets a container make a mount namespace");
    let free = engine.run_container(&["--security-opt=seccomp=unconfined"], &mode)?;
    same(free.stdout.trim(), "0")
}

fn mounts(engine: &Engine) -> Result<()> {
    let host = tempfile::Builder::new().tempdir()?;
    std::fs::write(host.path().join("file"), "from the host")?;
    let (read_only, writable) = (
        format!("--volume={}:/data:ro", host.path().display()),
        format!("--volume={}:/more", host.path().display()),
    );
    let options = [&read_only, &writable, "--read-only", "--tmpfs=/scratch:rw,size=1m,mode=1777"];
    let script = "cat /data/file; echo; touch /data/x 2>/dev/null || echo data; \
                  touch /x 2>/dev/null || echo root; touch /scratch/x && echo scratch; \
                  echo back > /more/answer; df -k /scratch | awk 'NR == 2 { print $2 }'";
    let output = engine.run_container(&options, &["sh", "-c", script])?.text()?;
    same(&output, "from the host\ndata\nroot\nscratch\n1024")?;
    same(&std::fs::read_to_string(host.path().join("answer"))?, "back\n")
}

fn create_start_restart(engine: &Engine) -> Result<()> {
    let container = engine.adopt("again");
    let first = ["create", "--network=none", "--name=again"];
    let script = "echo started; touch /mark 2>/dev/null; trap 'exit 3' TERM; while :; do sleep 1 & wait $!; done";
    let words = [&first[..], &crate::engine::image_and(&["sh", "-c", script])].concat();
    engine.run(&words)?.text()?;
    same(&container.inspect(".State.Status")?, "created")?;
    engine.run(&["start", "again"])?.expect(0)?;
    container.await_log("started")?;
    let before = container.pid()?;
    engine.run(&["restart", "--time", "5", "again"])?.expect(0)?;
    let after = container.pid()?;
    ensure!(before != after && after != 0, "pid {before} is now {after}");
    container.exec(&[], &["test", "-e", "/mark"])?.expect(0)?;
    container.remove()
}

fn join_namespaces(engine: &Engine) -> Result<()> {
    let first = engine.detach("first", &["--ipc=shareable"], &["sh", "-c", OBEDIENT])?;
    let words = [
        "run",
        "--rm",
        "--pid=container:first",
        "--ipc=container:first",
        "--network=container:first",
    ];
    let script = "for n in pid ipc net; do readlink /proc/self/ns/$n; done; readlink /proc/1/ns/uts; \
                  readlink /proc/self/ns/uts";
    let words = [&words[..], &crate::engine::image_and(&["sh", "-c", script])].concat();
    let output = engine.run(&words)?.text()?;
    let pid = first.pid()?;
    let [joined_pid, joined_ipc, joined_net, its_uts, own_uts] =
        output.lines().collect::<Vec<_>>()[..]
    else {
        bail!("five lines expected: {output}");
    };
    for (namespace, joined) in [("pid", joined_pid), ("ipc", joined_ipc), ("net", joined_net)] {
        let expected = std::fs::read_link(format!("/proc/{pid}/ns/{namespace}"))?;
        same(joined, &expected.to_string_lossy())?;
    }
    ensure!(its_uts.is_empty() || its_uts != own_uts, "the host name was shared too");
    first.remove()
}

fn eight_at_once(engine: &Engine) -> Result<()> {
    let script = ["sh", "-c", "echo $$; exit 6"];
    let running = (0..8)
        .map(|_| {
            let words = ["run", "--rm", "--network=none"];
            engine.start(&[&words[..], &crate::engine::image_and(&script)].concat())
        })
        .collect::<Result<Vec<_>>>()?;
    for container in running {
        same(container.finish()?.expect(6)?.stdout.trim(), "1")?;
    }
    Ok(())
}

pub(super) fn user_namespace(engine: &Engine) -> Result<()> {
    let options = ["--uidmap=0:100000:65536", "--gidmap=0:100000:65536"];
    let script = "id -u; tr -s ' ' < /proc/self/uid_map; touch /tmp/file; stat -c %u /tmp/file";
    let output = engine.run_container(&options, &["sh", "-c", script])?.text()?;
    same(&output, "0\n 0 100000 65536\n0")
}

fn same(found: &str, expected: &str) -> Result<()> {
    ensure!(found == expected, "found `{found}`, expected `{expected}`");
    Ok(())
}
