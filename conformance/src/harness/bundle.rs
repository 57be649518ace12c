//! A bundle on disk: a root file system and a configuration that a test edits.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::{rootfs, template};

/// A bundle directory. The configuration is written when a command is about to use it.
pub struct Bundle {
    /// The bundle directory.
    pub dir: PathBuf,
    /// What `config.json` will hold.
    pub config: Value,
}

impl Bundle {
    /// Makes a bundle at `dir` with the default configuration.
    pub fn make(dir: &Path, busybox: &Path) -> Result<Bundle> {
        fs::create_dir_all(dir)?;
        rootfs::make(&dir.join("rootfs"), busybox)?;
        Ok(Bundle { dir: dir.to_owned(), config: template::config() })
    }

    /// The root file system as the host sees it.
    pub fn rootfs(&self) -> PathBuf {
        self.dir.join("rootfs")
    }

    /// A path of the container, as the host sees it.
    pub fn host_path(&self, inside: &str) -> PathBuf {
        self.rootfs().join(inside.trim_start_matches('/'))
    }

    /// Sets the value at a path such as `/process/user/uid`; objects on the way are made.
    pub fn set(&mut self, path: &str, value: Value) -> &mut Bundle {
        *entry(&mut self.config, path) = value;
        self
    }

    /// Removes the value at `path`.
    pub fn unset(&mut self, path: &str) -> &mut Bundle {
        if let Some((parent, key)) = path.rsplit_once('/')
            && let Some(object) = self.config.pointer_mut(parent).and_then(Value::as_object_mut)
        {
            object.remove(key);
        }
        self
    }

    /// Appends to the array at `path`, which is made if it is absent.
    pub fn push(&mut self, path: &str, value: Value) -> &mut Bundle {
        let place = entry(&mut self.config, path);
        if !place.is_array() {
            *place = json!([]);
        }
        if let Some(array) = place.as_array_mut() {
            array.push(value);
        }
        self
    }

    /// Sets the arguments of the process.
    pub fn args(&mut self, args: &[&str]) -> &mut Bundle {
        self.set("/process/args", json!(args))
    }

    /// Makes the process a shell that runs `script`.
    pub fn sh(&mut self, script: &str) -> &mut Bundle {
        self.args(&["sh", "-c", script])
    }

    /// Makes the process wait for ever, without a child.
    pub fn idle(&mut self) -> &mut Bundle {
        self.args(&["sleep", "1000000"])
    }

    /// Appends a mount.
    pub fn mount(&mut self, at: &str, kind: &str, from: &str, options: &[&str]) -> &mut Bundle {
        let mount = json!({ "destination": at, "type": kind, "source": from, "options": options });
        self.push("/mounts", mount)
    }

    /// Appends a bind mount of a host path.
    pub fn bind(&mut self, from: &Path, at: &str, options: &[&str]) -> &mut Bundle {
        let mut all = vec!["bind"];
        all.extend_from_slice(options);
        self.mount(at, "none", &from.to_string_lossy(), &all)
    }

    /// Asks for a new namespace of `kind` in addition.
    pub fn namespace(&mut self, kind: &str) -> &mut Bundle {
        self.push("/linux/namespaces", json!({ "type": kind }))
    }

    /// Joins the namespace of `kind` at `path` instead of making one.
    pub fn join(&mut self, kind: &str, path: &str) -> &mut Bundle {
        self.inherit(kind);
        self.push("/linux/namespaces", json!({ "type": kind, "path": path }))
    }

    /// Inherits the namespace of `kind` from the runtime.
    pub fn inherit(&mut self, kind: &str) -> &mut Bundle {
        if let Some(Value::Array(all)) = self.config.pointer_mut("/linux/namespaces") {
            all.retain(|namespace| namespace["type"] != kind);
        }
        self
    }

    /// Puts the container into a user namespace whose ids start at `host_id`.
    pub fn user_namespace(&mut self, host_id: u32, size: u32) -> &mut Bundle {
        let map = json!([{ "containerID": 0, "hostID": host_id, "size": size }]);
        self.namespace("user");
        self.set("/linux/uidMappings", map.clone());
        self.set("/linux/gidMappings", map)
    }

    /// Gives the process these capabilities in the sets that make them usable.
    pub fn capabilities(&mut self, names: &[&str]) -> &mut Bundle {
        for set in ["bounding", "effective", "permitted"] {
            self.set(&format!("/process/capabilities/{set}"), json!(names));
        }
        self
    }

    /// Writes a file inside the root file system, with the directories on the way.
    pub fn file(&self, inside: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.host_path(inside);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, content).with_context(|| format!("writing `{}`", path.display()))?;
        Ok(path)
    }

    /// Writes an executable file inside the root file system.
    pub fn program(&self, inside: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.file(inside, content)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(path)
    }

    /// Appends a hook that runs `script` in the host's shell.
    pub fn hook(&mut self, kind: &str, script: &str) -> &mut Bundle {
        let hook = json!({
            "path": "/bin/sh",
            "args": ["sh", "-c", script],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
        });
        self.push(&format!("/hooks/{kind}"), hook)
    }

    /// Writes `config.json`.
    pub fn write(&self) -> Result<()> {
        self.write_config(serde_json::to_vec_pretty(&self.config)?)
    }

    /// Writes `bytes` as `config.json`, whatever they are.
    pub fn write_config(&self, bytes: impl AsRef<[u8]>) -> Result<()> {
        fs::write(self.dir.join("config.json"), bytes).context("writing config.json")
    }
}

/// The place of `path` in `root`, made if absent. Numbers index existing arrays.
fn entry<'v>(root: &'v mut Value, path: &str) -> &'v mut Value {
    let mut place = root;
    for key in path.split('/').skip(1) {
        if place.is_array() {
            let index = key.parse::<usize>().unwrap_or(0);
            place = &mut place[index];
            continue;
        }
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[key];
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_makes_what_is_missing() {
        let mut value = json!({ "a": [{ "b": 1 }] });
        *entry(&mut value, "/a/0/b") = json!(2);
        *entry(&mut value, "/c/d") = json!("new");
        assert_eq!(value, json!({ "a": [{ "b": 2 }], "c": { "d": "new" } }));
    }
}
