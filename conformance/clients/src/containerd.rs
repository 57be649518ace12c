//! containerd, its own runc shim, and ctr.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command::{self, Output, Running, await_some};
use crate::engine::{Daemon, image_and, is_installed};
use crate::report::Report;
use crate::terminal::Terminal;
use crate::traces::{self, limit};

const SOCKET: &str = "/run/containerd-test.sock";
/// Says that it is ready, then obeys SIGTERM with a word and exit code 3.
const OBEDIENT: &str =
    "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 1 & wait $!; done";

type Test = fn(&Ctr) -> Result<()>;

const TESTS: [(&str, Test); 10] = [
    ("run", run),
    ("exit-codes", exit_codes),
    ("exec", exec),
    ("signal", signal),
    ("limits", limits),
    ("pause", pause),
    ("terminal", terminal),
    ("exec-terminal", exec_terminal),
    ("options", options),
    ("remove-running", remove_running),
];

/// ctr, told which daemon and which runtime.
struct Ctr {
    runtime: PathBuf,
    logs: PathBuf,
}

/// Starts containerd and runs all tests.
pub(crate) fn test(runtime: &Path, work: &Path, archive: &Path, report: &mut Report) {
    if !is_installed("containerd", &["containerd", "containerd-shim-runc-v2", "ctr"], report) {
        return;
    }
    let log = work.join("containerd.log");
    let logs = work.join("ctr-logs");
    let ctr = Ctr { runtime: runtime.to_owned(), logs };
    match start(&ctr, work, archive, &log) {
        Ok(daemon) => {
            for (name, body) in TESTS {
                report.test(&format!("containerd/{name}"), Some(&log), || body(&ctr));
            }
            report.test("containerd/daemon-stops", Some(&log), || daemon.stop());
        }
        Err(error) => report.test("containerd/daemon-starts", Some(&log), || Err(error)),
    }
}

fn start(ctr: &Ctr, work: &Path, archive: &Path, log: &Path) -> Result<Daemon> {
    fs::create_dir_all(&ctr.logs)?;
    let config = work.join("containerd.toml");
    let text = format!(
        "version = 2\nroot = \"{}\"\nstate = \"/run/containerd-test\"\n\
         disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"{SOCKET}\"\n",
        work.join("containerd").display()
    );
    fs::write(&config, text)?;
    let mut command = Command::new("containerd");
    command.arg("--config").arg(config);
    let ready = || ctr.run(&["version"]).is_ok_and(|output| output.code == 0);
    let daemon = Daemon::start(&mut command, log.to_owned(), ready)?;
    ctr.run(&["image", "import", &archive.to_string_lossy()])?.expect(0)?;
    Ok(daemon)
}

impl Ctr {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ctr");
        command.args(["--address", SOCKET]).args(words);
        command
    }

    fn run(&self, words: &[&str]) -> Result<Output> {
        command::run(&mut self.command(words))
    }

    /// The words of `ctr run` for a container called `id`.
    fn run_words(&self, id: &str, options: &[&str], program: &[&str]) -> Vec<String> {
        let runtime = self.runtime.to_string_lossy();
        let first = ["run", "--runtime", "io.containerd.runc.v2", "--runc-binary", &runtime];
        let [image, program @ ..] = &image_and(program)[..] else { return Vec::new() };
        let words = [&first[..], options, &[*image, id], program].concat();
        words.into_iter().map(str::to_owned).collect()
    }

    /// Runs a container in the foreground and removes it at its end.
    fn run_container(&self, id: &str, options: &[&str], program: &[&str]) -> Result<Output> {
        let words = self.run_words(id, &[&["--rm"], options].concat(), program);
        let output = command::run(&mut self.command(&as_strs(&words)))?;
        traces::await_none(id)?;
        Ok(output)
    }

    /// Starts a container in the background, its output in a log file.
    fn detach(&self, id: &str, options: &[&str], program: &[&str]) -> Result<Task<'_>> {
        let log = format!("file://{}", self.log(id).display());
        let words =
            self.run_words(id, &[&["--detach", "--log-uri", &log], options].concat(), program);
        let task = Task { ctr: self, id: id.to_owned() };
        command::run(&mut self.command(&as_strs(&words)))?.expect(0)?;
        Ok(task)
    }

    /// Starts a container in the foreground, without waiting for it.
    fn start(&self, id: &str, program: &[&str]) -> Result<(Task<'_>, Running)> {
        let words = self.run_words(id, &[], program);
        let task = Task { ctr: self, id: id.to_owned() };
        Ok((task, command::start(&mut self.command(&as_strs(&words)))?))
    }

    fn log(&self, id: &str) -> PathBuf {
        self.logs.join(id)
    }
}

/// A container and its task, by id; removed by force when dropped.
struct Task<'a> {
    ctr: &'a Ctr,
    id: String,
}

impl Task<'_> {
    fn exec(&self, exec_id: &str, options: &[&str], program: &[&str]) -> Result<Output> {
        let first = ["task", "exec", "--exec-id", exec_id];
        self.ctr.run(&[&first[..], options, &[self.id.as_str()], program].concat())
    }

    /// A line of `ctr task list`: its pid and status.
    fn state(&self) -> Result<(u32, String)> {
        let list = self.ctr.run(&["task", "list"])?.text()?;
        let line = list.lines().find(|line| line.split_whitespace().next() == Some(&self.id));
        let words: Vec<&str> = line.context("no such task")?.split_whitespace().collect();
        Ok((words[1].parse()?, words[2].to_owned()))
    }

    fn await_log(&self, text: &str) -> Result<()> {
        await_some(&format!("`{text}` in the log"), || {
            fs::read_to_string(self.ctr.log(&self.id)).ok().filter(|log| log.contains(text))
        })?;
        Ok(())
    }

    /// Removes it, running or not, and expects that nothing is left of it.
    fn remove(self) -> Result<()> {
        let _ = self.ctr.run(&["task", "delete", "--force", &self.id])?;
        self.ctr.run(&["container", "delete", &self.id])?.expect(0)?;
        traces::await_none(&self.id)
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        let _ = self.ctr.run(&["task", "delete", "--force", &self.id]);
        let _ = self.ctr.run(&["container", "delete", &self.id]);
    }
}

fn run(ctr: &Ctr) -> Result<()> {
    let output =
        ctr.run_container("ctr-run", &[], &["sh", "-c", "echo out; echo err >&2; echo pid $$"])?;
    let output = output.expect(0)?;
    same(&output.stdout, "out\npid 1\n")?;
    ensure!(output.stderr.contains("err\n"), "standard error is `{}`", output.stderr);
    Ok(())
}

fn exit_codes(ctr: &Ctr) -> Result<()> {
    ctr.run_container("ctr-seven", &[], &["sh", "-c", "exit 7"])?.expect(7)?;
    let absent = ctr.run_container("ctr-absent", &[], &["no-such-command"])?;
    ensure!(absent.code != 0, "an absent command ran");
    ensure!(absent.stderr.contains("no-such-command"), "unhelpful: {}", absent.stderr);
    Ok(())
}

fn exec(ctr: &Ctr) -> Result<()> {
    let task = ctr.detach("ctr-exec", &["--env", "A=1"], &["sh", "-c", OBEDIENT])?;
    same(&task.exec("e1", &[], &["sh", "-c", "echo $A; cat /proc/1/comm"])?.text()?, "1\nsh")?;
    task.exec("e2", &[], &["sh", "-c", "exit 5"])?.expect(5)?;
    same(&task.exec("e3", &["--cwd", "/tmp"], &["pwd"])?.text()?, "/tmp")?;
    same(&task.exec("e4", &["--user", "web"], &["id", "-u"])?.text()?, "33")?;
    task.remove()
}

fn signal(ctr: &Ctr) -> Result<()> {
    let (task, foreground) = ctr.start("ctr-signal", &["sh", "-c", OBEDIENT])?;
    await_some("the container's trap", || {
        let caught = task.exec("probe", &[], &["grep", "SigCgt:.*4...$", "/proc/1/status"]).ok()?;
        (caught.code == 0).then_some(())
    })?;
    ctr.run(&["task", "kill", "--signal", "SIGTERM", "ctr-signal"])?.expect(0)?;
    let output = foreground.finish()?.expect(3)?;
    ensure!(output.stdout.ends_with("bye\n"), "it said `{}`", output.stdout);
    task.remove()
}

fn limits(ctr: &Ctr) -> Result<()> {
    let options = ["--memory-limit", "67108864", "--cpus", "0.5"];
    let task = ctr.detach("ctr-limits", &options, &["sh", "-c", OBEDIENT])?;
    let (pid, _) = task.state()?;
    same(&limit(pid, "memory", "memory.limit_in_bytes", "memory.max")?, "67108864")?;
    let quota = limit(pid, "cpu", "cpu.cfs_quota_us", "cpu.max")?;
    ensure!(quota == "50000" || quota == "50000 100000", "the CPU quota is `{quota}`");
    let metrics = ctr.run(&["task", "metrics", "ctr-limits"])?.text()?;
    ensure!(metrics.contains("67108864"), "no limit among the metrics: {metrics}");
    let processes = ctr.run(&["task", "ps", "ctr-limits"])?.text()?;
    ensure!(processes.contains(&pid.to_string()), "no pid {pid} in: {processes}");
    task.remove()
}

fn pause(ctr: &Ctr) -> Result<()> {
    let task = ctr.detach("ctr-pause", &[], &["sh", "-c", OBEDIENT])?;
    ctr.run(&["task", "pause", "ctr-pause"])?.expect(0)?;
    let (pid, status) = task.state()?;
    same(&status, "PAUSED")?;
    let frozen = limit(pid, "freezer", "freezer.state", "cgroup.freeze")?;
    ensure!(frozen == "FROZEN" || frozen == "1", "the freezer says `{frozen}`");
    ctr.run(&["task", "resume", "ctr-pause"])?.expect(0)?;
    same(&task.state()?.1, "RUNNING")?;
    task.remove()
}

/// What a person sees and types in a shell on a terminal of the container.
fn use_shell(mut shell: Terminal) -> Result<()> {
    shell.expect("# ")?;
    shell.send("while [ \"$(stty size)\" != '41 97' ]; do sleep 0.1; done; echo first''-size\r")?;
    shell.expect("first-size")?;
    shell.resize(30, 80)?;
    shell
        .send("while [ \"$(stty size)\" != '30 80' ]; do sleep 0.1; done; echo second''-size\r")?;
    shell.expect("second-size")?;
    shell.send("test -t 0 && test -t 1 && test -t 2 && echo ter''minals\r")?;
    shell.expect("terminals")?;
    shell.send("exit 9\r")?;
    let code = shell.finish()?;
    ensure!(code == 9, "the shell ended with {code}, not 9");
    Ok(())
}

fn terminal(ctr: &Ctr) -> Result<()> {
    let words = ctr.run_words("ctr-terminal", &["--rm", "--tty"], &["sh"]);
    use_shell(Terminal::start(&ctr.command(&as_strs(&words)), 41, 97)?)?;
    traces::await_none("ctr-terminal")
}

fn exec_terminal(ctr: &Ctr) -> Result<()> {
    let task = ctr.detach("ctr-tty", &[], &["sh", "-c", OBEDIENT])?;
    let words = ["task", "exec", "--tty", "--exec-id", "shell", "ctr-tty", "sh"];
    use_shell(Terminal::start(&ctr.command(&words), 41, 97)?)?;
    task.remove()
}

fn options(ctr: &Ctr) -> Result<()> {
    let host = tempfile::Builder::new().tempdir()?;
    fs::write(host.path().join("file"), "from the host\n")?;
    let bind = format!("type=bind,src={},dst=/data,options=rbind:ro", host.path().display());
    let options = ["--env", "A=b", "--cwd", "/tmp", "--read-only", "--mount", &bind];
    let script = "echo $A; pwd; cat /data/file; touch /tmp/x 2>/dev/null || echo root; \
                  touch /data/x 2>/dev/null || echo data";
    let output = ctr.run_container("ctr-options", &options, &["sh", "-c", script])?.text()?;
    same(&output, "b\n/tmp\nfrom the host\nroot\ndata")?;
    let mode = ["awk", "/^Seccomp:/ { print $2 }", "/proc/self/status"];
    same(&ctr.run_container("ctr-seccomp", &["--seccomp"], &mode)?.text()?, "2")
}

fn remove_running(ctr: &Ctr) -> Result<()> {
    let task = ctr.detach("ctr-running", &[], &["sh", "-c", OBEDIENT])?;
    task.await_log("ready")?;
    task.remove()
}

fn as_strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn same(found: &str, expected: &str) -> Result<()> {
    ensure!(found == expected, "found `{found}`, expected `{expected}`");
    Ok(())
}
