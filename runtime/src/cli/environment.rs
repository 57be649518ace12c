//! What the command line takes from its surroundings, read once.

#![expect(clippy::disallowed_methods, reason = "this is where the environment is read")]

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::request::InheritedFds;

/// The caller's surroundings, as a plain value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Absolute.
    pub working_directory: PathBuf,
    /// `$XDG_RUNTIME_DIR`, where it decides on the default root.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `$DBUS_SESSION_BUS_ADDRESS`, else the bus of `$XDG_RUNTIME_DIR`: where a user's systemd is.
    pub user_bus: Option<String>,
    /// `$NOTIFY_SOCKET` (sd_notify(3)).
    pub notify_socket: Option<PathBuf>,
    /// `$LISTEN_FDS`, where `$LISTEN_PID` is this process (sd_listen_fds(3)).
    pub listen_fds: u32,
    /// Whether the program was called by the name `runc`, whose words the caller then knows.
    pub called_runc: bool,
}

impl Environment {
    /// Reads the environment of this process, which was called by `name`.
    #[must_use]
    pub fn of_process(name: &OsStr) -> Environment {
        let get = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |name: &str| get(name)?.into_string().ok();
        let usual_bus = || Some(format!("unix:path={}/bus", text("XDG_RUNTIME_DIR")?));
        let user_bus = text("DBUS_SESSION_BUS_ADDRESS").or_else(usual_bus);
        let xdg_runtime_dir = get("XDG_RUNTIME_DIR").filter(|_| honours_xdg_runtime_dir());
        // A directory that was removed has no name, but most commands need none.
        let working_directory = std::env::current_dir().unwrap_or_else(|_| "/proc/self/cwd".into());
        Environment {
            working_directory,
            xdg_runtime_dir: xdg_runtime_dir.map(PathBuf::from),
            user_bus,
            notify_socket: get("NOTIFY_SOCKET").map(PathBuf::from),
            listen_fds: listen_fds(get("LISTEN_PID"), get("LISTEN_FDS"), std::process::id),
            called_runc: Path::new(name).file_name().is_some_and(|name| name == "runc"),
        }
    }

    /// What the caller calls the program.
    pub(super) fn program_name(&self) -> &'static str {
        if self.called_runc { "runc" } else { super::NAME }
    }

    /// The state directory where `--root` is not given.
    pub(super) fn default_root(&self) -> PathBuf {
        match &self.xdg_runtime_dir {
            Some(dir) => dir.join("runt"),
            None => PathBuf::from("/run/runt"),
        }
    }

    /// Those of socket activation and `preserve` more.
    pub(super) fn inherited_fds(&self, preserve: u32) -> InheritedFds {
        InheritedFds { listen: self.listen_fds, preserve }
    }
}

/// True for everyone but root of the initial user namespace, whose state was always in `/run`,
/// and a root of another one who calls itself `root`.
fn honours_xdg_runtime_dir() -> bool {
    if kernel::identity::effective_uid() != 0 {
        return true;
    }
    let in_user_namespace =
        std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !maps_every_id(&map));
    in_user_namespace && std::env::var_os("USER").is_none_or(|user| user != "root")
}

/// The identity mapping of the initial user namespace.
fn maps_every_id(uid_map: &str) -> bool {
    uid_map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

fn listen_fds(
    pid: Option<OsString>,
    count: Option<OsString>,
    own_pid: impl FnOnce() -> u32,
) -> u32 {
    let number = |text: Option<OsString>| text?.to_str()?.parse::<u32>().ok();
    match (number(pid), number(count)) {
        (Some(pid), Some(count)) if pid == own_pid() => count.min(InheritedFds::MAX),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activation_sockets_count_for_the_process_they_name() {
        let text = |text: &str| Some(OsString::from(text));
        assert_eq!(listen_fds(text("7"), text("2"), || 7), 2);
        assert_eq!(listen_fds(text("8"), text("2"), || 7), 0);
        assert_eq!(listen_fds(None, text("2"), || 7), 0);
        assert_eq!(listen_fds(text("7"), text("-1"), || 7), 0);
        assert_eq!(listen_fds(text("7"), text("4294967295"), || 7), InheritedFds::MAX);
    }

    #[test]
    fn only_the_initial_namespace_maps_every_id() {
        assert!(maps_every_id("         0          0 4294967295\n"));
        assert!(!maps_every_id("         0       1000          1\n"));
        assert!(!maps_every_id(""));
    }
}
