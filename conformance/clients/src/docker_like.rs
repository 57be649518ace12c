//! What podman and dockerd have in common, which is nearly all of it: docker's command line.

mod tests;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{self, Output, Running, await_some};
use crate::engine::image_and;
use crate::report::Report;
use crate::traces;

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Podman,
    Docker,
}

impl Kind {
    fn program(self) -> &'static str {
        match self {
            Kind::Podman => "podman",
            Kind::Docker => "docker",
        }
    }
}

/// An engine's command line with the options that make it ours.
pub(crate) struct Engine {
    kind: Kind,
    options: Vec<String>,
}

impl Engine {
    /// An engine that is told `options` before every verb.
    pub(crate) fn new(kind: Kind, options: impl IntoIterator<Item = String>) -> Engine {
        Engine { kind, options: options.into_iter().collect() }
    }

    /// Runs one verb to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Result<Output> {
        command::run(&mut self.command(words))
    }

    fn start(&self, words: &[&str]) -> Result<Running> {
        command::start(&mut self.command(words))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.kind.program());
        command.args(&self.options).args(words);
        command
    }

    /// Runs `program` in the foreground of a container that is removed at its end.
    fn run_container(&self, options: &[&str], program: &[&str]) -> Result<Output> {
        let words = [&["run", "--rm", "--network", "none"], options, &image_and(program)].concat();
        self.run(&words)
    }

    /// Starts `program` in the background of a container called `name`.
    fn detach(&self, name: &str, options: &[&str], program: &[&str]) -> Result<Container<'_>> {
        let container = Container { engine: self, name: name.to_owned() };
        let first = ["run", "--detach", "--network", "none", "--name", name];
        self.run(&[&first, options, &image_and(program)].concat())?.text()?;
        Ok(container)
    }

    /// Names a container that some other command makes; it is removed when dropped.
    fn adopt(&self, name: &str) -> Container<'_> {
        Container { engine: self, name: name.to_owned() }
    }
}

/// A container by its name; removed by force when dropped.
struct Container<'a> {
    engine: &'a Engine,
    name: String,
}

impl Container<'_> {
    /// Runs a command in it.
    fn exec(&self, options: &[&str], program: &[&str]) -> Result<Output> {
        self.engine.run(&[&["exec"], options, &[self.name.as_str()], program].concat())
    }

    /// What `inspect` says at `field`, for example `.State.Pid`.
    fn inspect(&self, field: &str) -> Result<String> {
        let format = format!("{{{{{field}}}}}");
        self.engine.run(&["inspect", "--format", &format, &self.name])?.text()
    }

    fn pid(&self) -> Result<u32> {
        self.inspect(".State.Pid")?.parse().context("the pid is a number")
    }

    /// Waits until `text` is in its log.
    fn await_log(&self, text: &str) -> Result<()> {
        await_some(&format!("`{text}` in the log"), || {
            let output = self.engine.run(&["logs", &self.name]).ok()?;
            output.stdout.contains(text).then_some(())
        })
    }

    /// Waits for its end and gives the exit code.
    fn wait(&self) -> Result<i32> {
        self.engine.run(&["wait", &self.name])?.text()?.parse().context("the exit code is a number")
    }

    /// Removes it, running or not, and expects that nothing is left of it.
    fn remove(self) -> Result<()> {
        let id = self.inspect(".Id")?;
        self.engine.run(&["rm", "--force", &self.name])?.expect(0)?;
        traces::await_none(&id)
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _ = self.engine.run(&["rm", "--force", &self.name]);
    }
}

/// Loads the image and runs all tests.
pub(crate) fn test(
    engine: &Engine,
    runtime: &Path,
    archive: &Path,
    log: Option<&Path>,
    report: &mut Report,
) {
    let name = engine.kind.program();
    if let Err(error) =
        engine.run(&["load", "--input", &archive.to_string_lossy()]).and_then(Output::text)
    {
        report.test(&format!("{name}/load"), log, || Err(error));
        return;
    }
    report.test(&format!("{name}/uses-the-runtime"), log, || {
        tests::uses_the_runtime(engine, runtime)
    });
    for (test, body) in tests::ALL {
        report.test(&format!("{name}/{test}"), log, || body(engine));
    }
    if engine.kind == Kind::Podman {
        report.test("podman/user-namespace", log, || tests::user_namespace(engine));
    }
}
