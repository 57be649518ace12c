//! One invocation of a program, with a time limit, its output in files.
//!
//! Output goes to files and not to pipes: a container that was created keeps the descriptors,
//! and waiting for the end of a pipe would wait for the container.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::process::{kill, wait_ended};
use super::{expect, patience};

/// How long a single command may take before it is killed and the test fails.
pub const COMMAND_LIMIT: u64 = 20;

/// A command that is being put together.
pub struct Cmd {
    words: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    stdin: Stdio,
    stdin_bytes: Option<Vec<u8>>,
    terminal: Option<OwnedFd>,
    cwd: Option<PathBuf>,
    output: PathBuf,
    limit: Duration,
}

impl Cmd {
    /// A command whose output goes to `output` with `.out` and `.err` appended.
    pub fn new(program: impl AsRef<OsStr>, output: PathBuf) -> Cmd {
        Cmd {
            words: vec![program.as_ref().to_owned()],
            env: Vec::new(),
            stdin: Stdio::null(),
            stdin_bytes: None,
            terminal: None,
            cwd: None,
            output,
            limit: patience::seconds(COMMAND_LIMIT),
        }
    }

    /// Appends a word.
    #[must_use]
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Cmd {
        self.words.push(word.as_ref().to_owned());
        self
    }

    /// Appends words.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, words: &[S]) -> Cmd {
        self.words.extend(words.iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Puts another program in front of the command: `env`, `strace`, a shell.
    #[must_use]
    pub fn under<S: AsRef<OsStr>>(mut self, words: &[S]) -> Cmd {
        self.words.splice(0..0, words.iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Runs the command in a shell that first does `setup`, such as `exec 3</etc/passwd`.
    #[must_use]
    pub fn after(self, setup: &str) -> Cmd {
        let script = format!("{setup}\nexec \"$@\"");
        self.under(&["/bin/sh", "-c", &script, "sh"])
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Cmd {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Gives the command `bytes` as standard input.
    #[must_use]
    pub fn stdin_bytes(mut self, bytes: impl Into<Vec<u8>>) -> Cmd {
        self.stdin_bytes = Some(bytes.into());
        self
    }

    /// Gives the command an open file as standard input.
    #[must_use]
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Cmd {
        self.stdin = stdin.into();
        self
    }

    /// Runs the command as leader of a new session whose terminal, and whose input and output,
    /// is `terminal`. The output file stays empty.
    #[must_use]
    pub fn on_terminal(mut self, terminal: OwnedFd) -> Cmd {
        self.terminal = Some(terminal);
        self.under(&["/usr/bin/setsid", "--ctty", "--wait"])
    }

    /// Sets the working directory.
    #[must_use]
    pub fn cwd(mut self, dir: &Path) -> Cmd {
        self.cwd = Some(dir.to_owned());
        self
    }

    /// Replaces the time limit.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Cmd {
        self.limit = limit;
        self
    }

    /// Starts the command and waits for its end.
    pub fn run(self) -> Result<Output> {
        self.spawn()?.wait()
    }

    /// Starts the command.
    pub fn spawn(self) -> Result<Running> {
        let words = self.words.iter().map(|word| word.to_string_lossy().into_owned());
        let line = words.collect::<Vec<_>>().join(" ");
        let out = self.output.with_extension("out");
        let err = self.output.with_extension("err");
        let (program, rest) = self.words.split_first().context("empty command")?;
        let mut command = Command::new(program);
        command.args(rest).env_clear().envs(self.env);
        if let Some(terminal) = self.terminal {
            command.stdin(terminal.try_clone()?);
            command.stdout(terminal.try_clone()?).stderr(terminal);
            File::create(&out)?;
            File::create(&err)?;
        } else {
            command.stdin(match self.stdin_bytes {
                Some(bytes) => input_file(&self.output, &bytes)?.into(),
                None => self.stdin,
            });
            command.stdout(File::create(&out)?).stderr(File::create(&err)?);
        }
        if let Some(cwd) = self.cwd {
            command.current_dir(cwd);
        }
        let child = command.spawn().with_context(|| format!("cannot start `{line}`"))?;
        Ok(Running { child, line, out, err, limit: self.limit, done: false })
    }
}

fn input_file(output: &Path, bytes: &[u8]) -> Result<File> {
    let path = output.with_extension("in");
    File::create(&path)?.write_all(bytes)?;
    Ok(File::open(path)?)
}

/// A command that was started. Dropped, it is killed.
pub struct Running {
    child: Child,
    line: String,
    out: PathBuf,
    err: PathBuf,
    limit: Duration,
    done: bool,
}

impl Running {
    /// The process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(0)
    }

    /// What the command has written to standard output so far.
    pub fn stdout(&self) -> String {
        read_lossy(&self.out)
    }

    /// Waits for the end, up to the limit; after it the command is killed, which is an error.
    pub fn wait(mut self) -> Result<Output> {
        if !wait_ended(self.pid(), self.limit)? {
            bail!(
                "`{}` did not end within {} s; stdout {:?}, stderr {:?}",
                self.line,
                self.limit.as_secs(),
                read_lossy(&self.out),
                read_lossy(&self.err)
            );
        }
        self.done = true;
        let status = self.child.wait()?;
        Ok(Output {
            line: self.line.clone(),
            status,
            stdout: read_lossy(&self.out),
            stderr: read_lossy(&self.err),
            out: self.out.clone(),
            err: self.err.clone(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.done {
            kill(self.pid());
            let _ = self.child.wait();
        }
    }
}

/// Reads a file that may hold anything.
pub fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// What a command left: exit status and output.
#[derive(Debug)]
pub struct Output {
    line: String,
    status: ExitStatus,
    /// Standard output, read when the command ended.
    pub stdout: String,
    /// Standard error, read when the command ended.
    pub stderr: String,
    out: PathBuf,
    err: PathBuf,
}

impl Output {
    /// The exit code; 128 + signal if a signal ended the command itself.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// Standard error as it is now.
    pub fn stderr_now(&self) -> String {
        read_lossy(&self.err)
    }

    /// Standard output as it is now: a detached container may have written more.
    pub fn stdout_now(&self) -> String {
        read_lossy(&self.out)
    }

    /// Fails unless the command ended with exit code 0.
    pub fn ok(self) -> Result<Output> {
        self.exits(0)
    }

    /// Fails unless the command ended with `code`.
    pub fn exits(self, code: i32) -> Result<Output> {
        if self.code() == code && self.status.signal().is_none() {
            return Ok(self);
        }
        bail!(
            "`{}`: {}, want exit code {code}; stdout {:?}, stderr {:?}",
            self.line,
            self.status,
            self.stdout,
            self.stderr
        )
    }

    /// Fails unless the command ended with an exit code other than 0, and said something.
    pub fn fails(self) -> Result<Output> {
        if self.status.success() || self.status.signal().is_some() {
            bail!(
                "`{}`: {}, want an error; stdout {:?}, stderr {:?}",
                self.line,
                self.status,
                self.stdout,
                self.stderr
            );
        }
        if self.stderr.trim().is_empty() {
            bail!("`{}`: {} without a word on stderr", self.line, self.status);
        }
        Ok(self)
    }

    /// Fails unless the command failed and its standard error has one of `parts`.
    pub fn fails_naming(self, parts: &[&str]) -> Result<Output> {
        let output = self.fails()?;
        expect::mentions(&format!("stderr of `{}`", output.line), &output.stderr, parts)?;
        Ok(output)
    }

    /// Fails unless the command ended with 0 and standard output is `want`.
    pub fn prints(self, want: &str) -> Result<Output> {
        let output = self.ok()?;
        expect::equal(&format!("stdout of `{}`", output.line), output.stdout.as_str(), want)?;
        Ok(output)
    }

    /// Fails unless the command ended with 0 and standard output is JSON, which it returns.
    pub fn json(self) -> Result<serde_json::Value> {
        let output = self.ok()?;
        serde_json::from_str(&output.stdout)
            .with_context(|| format!("`{}` printed {:?}", output.line, output.stdout))
    }
}
