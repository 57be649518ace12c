//! `runt spec`: a configuration to start from.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::super::SPEC_VERSION;

/// The starter, with `@MARKS@` where it depends on who asks and where.
const TEMPLATE: &str = include_str!("config.json");

/// Who will run the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Privilege {
    /// Root.
    Root,
    /// A user who maps nothing but himself, to root of the container.
    Rootless {
        /// His id.
        uid: u32,
        /// His group.
        gid: u32,
    },
}

/// Why there is no new configuration.
#[derive(Debug, thiserror::Error)]
pub enum WriteSpecError {
    /// Nothing is overwritten.
    #[error("`{}` exists; remove it first", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be made.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes `config.json` into `bundle`.
///
/// # Errors
/// See [`WriteSpecError`].
pub(in super::super) fn write(bundle: &Path, text: &str) -> Result<(), WriteSpecError> {
    let path = bundle.join("config.json");
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(WriteSpecError::Exists { path })
        }
        Err(source) => Err(WriteSpecError::Write { path, source }),
    }
}

/// The configuration. On a host with cgroup v2 only (`unified`) it has a cgroup namespace.
pub(in super::super) fn text(privilege: Privilege, unified: bool) -> String {
    let namespace = |name: &str| format!("\n\t\t\t{{\n\t\t\t\t\"type\": \"{name}\"\n\t\t\t}}");
    let mut more = String::new();
    if unified {
        more += &format!(",{}", namespace("cgroup"));
    }
    let common = TEMPLATE.replace("@VERSION@", SPEC_VERSION);
    let filled = match privilege {
        Privilege::Root => common
            .replace("@PTS_GROUP@", ",\n\t\t\t\t\"gid=5\"")
            .replace("@SYS_TYPE@", "sysfs")
            .replace("@SYS_SOURCE@", "sysfs")
            .replace("@SYS_BIND@", "")
            .replace("@ID_MAPPINGS@", "")
            .replace("@RESOURCES@", DENY_ALL_DEVICES)
            .replace("@NETWORK@", &format!("{},", namespace("network"))),
        Privilege::Rootless { uid, gid } => {
            more += &format!(",{}", namespace("user"));
            let mappings = id_mapping("uidMappings", uid) + &id_mapping("gidMappings", gid);
            common
                .replace("@PTS_GROUP@", "")
                .replace("@SYS_TYPE@", "none")
                .replace("@SYS_SOURCE@", "/sys")
                .replace("@SYS_BIND@", "\n\t\t\t\t\"rbind\",")
                .replace("@ID_MAPPINGS@", &mappings)
                .replace("@RESOURCES@", "")
                .replace("@NETWORK@", "")
        }
    };
    filled.replace("@MORE_NAMESPACES@", &more)
}

const DENY_ALL_DEVICES: &str = r#"
		"resources": {
			"devices": [
				{
					"allow": false,
					"access": "rwm"
				}
			]
		},"#;

fn id_mapping(name: &str, host_id: u32) -> String {
    format!(
        "\n\t\t\"{name}\": [\n\t\t\t{{\n\t\t\t\t\"containerID\": 0,\n\t\t\t\t\"hostID\": {host_id},\
         \n\t\t\t\t\"size\": 1\n\t\t\t}}\n\t\t],"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parsed(privilege: Privilege, unified: bool) -> Value {
        let text = text(privilege, unified);
        assert!(!text.contains('@'), "{text}");
        serde_json::from_str(&text).unwrap()
    }

    fn namespaces(config: &Value) -> Vec<&str> {
        let list = config["linux"]["namespaces"].as_array().unwrap();
        list.iter().map(|namespace| namespace["type"].as_str().unwrap()).collect()
    }

    #[test]
    fn for_root() {
        let config = parsed(Privilege::Root, false);
        assert_eq!(namespaces(&config), ["pid", "network", "ipc", "uts", "mount"]);
        let deny = json!([{ "allow": false, "access": "rwm" }]);
        assert_eq!(config["linux"]["resources"]["devices"], deny);
        assert_eq!(config["mounts"][2]["options"][5], "gid=5");
        assert_eq!(config["ociVersion"], SPEC_VERSION);
    }

    #[test]
    fn with_only_cgroup_v2() {
        let config = parsed(Privilege::Root, true);
        assert_eq!(namespaces(&config).last(), Some(&"cgroup"));
    }

    #[test]
    fn for_a_user() {
        let config = parsed(Privilege::Rootless { uid: 1000, gid: 100 }, true);
        assert_eq!(namespaces(&config), ["pid", "ipc", "uts", "mount", "cgroup", "user"]);
        let map = |host: u32| json!([{ "containerID": 0, "hostID": host, "size": 1 }]);
        assert_eq!(config["linux"]["uidMappings"], map(1000));
        assert_eq!(config["linux"]["gidMappings"], map(100));
        assert!(config["linux"].get("resources").is_none());
        assert_eq!(config["mounts"][5]["source"], "/sys");
        assert_eq!(config["mounts"][5]["options"][0], "rbind");
        assert!(!config["mounts"].to_string().contains("gid="));
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "first").unwrap();
        let again = write(dir.path(), "second").unwrap_err();
        assert!(matches!(again, WriteSpecError::Exists { .. }));
        assert_eq!(std::fs::read_to_string(dir.path().join("config.json")).unwrap(), "first");
        let missing = write(&dir.path().join("none"), "x").unwrap_err();
        assert!(matches!(missing, WriteSpecError::Write { .. }));
    }
}
