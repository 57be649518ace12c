//! The stage of one test: a directory, a state root, the runtime, and what was started.

use std::cell::{Cell, RefCell};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use super::bundle::Bundle;
use super::command::{Cmd, Output};
use super::container::Container;
use super::expect;

/// What a test works with. Everything it makes lies below `dir` and carries `tag` in its name.
pub struct Scene {
    /// The directory of this test; removed afterwards.
    pub dir: PathBuf,
    /// Part of every container id of this test, unique on this host.
    pub tag: String,
    /// The runtime under test.
    pub runtime: PathBuf,
    /// The runtime's name, as the list of known failures is called.
    pub name: String,
    /// How many rounds the repeating tests make.
    pub rounds: u32,
    /// The program that runs bundles by libcontainer, if there is one.
    pub oracle: Option<PathBuf>,
    busybox: PathBuf,
    counter: Cell<u32>,
    ids: RefCell<Vec<String>>,
    notes: RefCell<Vec<String>>,
}

impl Scene {
    /// Makes the stage below `work`, where `busybox` was prepared.
    pub fn open(work: &Path, tag: &str, runtime: &Path, name: &str, rounds: u32) -> Result<Scene> {
        let dir = work.join(tag);
        for part in ["out", "tmp", "xdg", "bundles"] {
            fs::create_dir_all(dir.join(part))?;
        }
        // Other users run the runtime in some tests.
        fs::set_permissions(dir.join("tmp"), Permissions::from_mode(0o1777))?;
        Ok(Scene {
            dir,
            tag: tag.to_owned(),
            runtime: runtime.to_owned(),
            name: name.to_owned(),
            rounds,
            oracle: None,
            busybox: work.join("busybox"),
            counter: Cell::new(0),
            ids: RefCell::new(Vec::new()),
            notes: RefCell::new(Vec::new()),
        })
    }

    /// The state root of this test.
    pub fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// A path in the directory of this test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Every id that was handed out.
    pub fn ids(&self) -> Vec<String> {
        self.ids.borrow().clone()
    }

    /// Notes something that the report tells even if the test passes, such as a count.
    pub fn note(&self, text: String) {
        self.notes.borrow_mut().push(text);
    }

    /// What was noted.
    pub fn notes(&self) -> String {
        self.notes.borrow().join("; ")
    }

    fn next(&self) -> u32 {
        self.counter.set(self.counter.get() + 1);
        self.counter.get()
    }

    /// A container id that nobody has used.
    pub fn id(&self) -> String {
        let id = format!("{}-{}", self.tag, self.next());
        self.ids.borrow_mut().push(id.clone());
        id
    }

    /// A bundle of its own.
    pub fn bundle(&self) -> Result<Bundle> {
        Bundle::make(&self.dir.join("bundles").join(self.next().to_string()), &self.busybox)
    }

    /// A bundle with `edit` applied.
    pub fn bundle_with(&self, edit: impl FnOnce(&mut Bundle)) -> Result<Bundle> {
        let mut bundle = self.bundle()?;
        edit(&mut bundle);
        Ok(bundle)
    }

    /// Any program, in a clean environment, with its output kept below the scene.
    pub fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Cmd {
        let output = self.dir.join("out").join(self.next().to_string());
        Cmd::new(program, output)
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root")
            .env("LC_ALL", "C")
            .env("TMPDIR", self.dir.join("tmp"))
            .env("XDG_RUNTIME_DIR", self.dir.join("xdg"))
    }

    /// The runtime, without its `--root`.
    pub fn bare_runtime(&self) -> Cmd {
        self.program(&self.runtime)
    }

    /// The runtime with the state root of this test, and these words.
    pub fn runtime(&self, words: &[&str]) -> Cmd {
        self.bare_runtime().arg("--root").arg(self.root()).args(words)
    }

    /// A shell on the host.
    pub fn shell(&self, script: &str) -> Cmd {
        self.program("/bin/sh").args(&["-c", script])
    }

    /// Writes the configuration of `bundle`, with a cgroup path that carries `id` if it has none.
    pub fn write(&self, bundle: &Bundle, id: &str) -> Result<()> {
        let mut config = bundle.config.clone();
        if let Some(linux) = config.get_mut("linux").and_then(|linux| linux.as_object_mut()) {
            linux.entry("cgroupsPath").or_insert_with(|| json!(format!("/{id}")));
            linux.retain(|key, value| key != "cgroupsPath" || !value.is_null());
        }
        bundle.write_config(serde_json::to_vec_pretty(&config)?)
    }

    /// `run`, as a command that can be changed further.
    pub fn run_command(&self, bundle: &Bundle, id: &str, flags: &[&str]) -> Result<Cmd> {
        self.launch("run", bundle, id, flags)
    }

    /// `create`, as a command that can be changed further.
    pub fn create_command(&self, bundle: &Bundle, id: &str, flags: &[&str]) -> Result<Cmd> {
        self.launch("create", bundle, id, flags)
    }

    fn launch(&self, verb: &str, bundle: &Bundle, id: &str, flags: &[&str]) -> Result<Cmd> {
        self.write(bundle, id)?;
        Ok(self.runtime(&[verb]).args(flags).arg("--bundle").arg(&bundle.dir).arg(id))
    }

    /// `run` in the foreground, with a new id.
    pub fn run(&self, bundle: &Bundle) -> Result<Output> {
        self.run_command(bundle, &self.id(), &[])?.run()
    }

    /// Runs `script` in a default container with `edit` applied; returns what it printed.
    ///
    /// # Errors
    /// If the exit code is not 0.
    pub fn sh(&self, edit: impl FnOnce(&mut Bundle), script: &str) -> Result<String> {
        let mut bundle = self.bundle()?;
        edit(&mut bundle);
        bundle.sh(script);
        Ok(self.run(&bundle)?.ok()?.stdout)
    }

    /// Runs `script` in a container with `edit` applied and compares what it printed.
    pub fn prints(&self, edit: impl FnOnce(&mut Bundle), script: &str, want: &str) -> Result<()> {
        let got = self.sh(edit, script)?;
        expect::equal(&format!("output of {script:?}"), got.as_str(), want)
    }

    /// A created container.
    pub fn create(&self, bundle: &Bundle) -> Result<Container<'_>> {
        self.create_with(bundle, &[])
    }

    /// A created container, made with flags of `create`.
    pub fn create_with(&self, bundle: &Bundle, flags: &[&str]) -> Result<Container<'_>> {
        let id = self.id();
        let output = self.create_command(bundle, &id, flags)?.run()?.ok()?;
        Ok(Container::new(self, id, output))
    }

    /// A running container that does what `bundle` says.
    pub fn start(&self, bundle: &Bundle) -> Result<Container<'_>> {
        let container = self.create(bundle)?;
        container.start()?;
        Ok(container)
    }

    /// A running container that idles, with `edit` applied.
    pub fn idle(&self, edit: impl FnOnce(&mut Bundle)) -> Result<Container<'_>> {
        let mut bundle = self.bundle()?;
        bundle.idle();
        edit(&mut bundle);
        self.start(&bundle)
    }

    /// Checks that `create` refuses a bundle with `edit` applied, naming one of `parts`, and that
    /// there is no such container afterwards.
    pub fn refuses(&self, edit: impl FnOnce(&mut Bundle), parts: &[&str]) -> Result<()> {
        let mut bundle = self.bundle()?;
        edit(&mut bundle);
        let id = self.id();
        self.write(&bundle, &id)?;
        self.refuses_bundle(&bundle, &id, parts)
    }

    /// Checks that `create` refuses `bundle` as it lies on disk.
    pub fn refuses_bundle(&self, bundle: &Bundle, id: &str, parts: &[&str]) -> Result<()> {
        self.runtime(&["create", "--bundle"])
            .arg(&bundle.dir)
            .arg(id)
            .run()?
            .fails_naming(parts)?;
        self.is_absent(id)
    }

    /// Checks that the runtime knows no container `id`.
    pub fn is_absent(&self, id: &str) -> Result<()> {
        let output = self.runtime(&["state", id]).run()?;
        output.fails().map(drop).with_context(|| format!("container {id} should not exist"))
    }
}
