//! What `state.json` and `init` say.

use super::StateError;
use crate::cgroup::CgroupRecord;
use crate::resctrl::ResctrlRecord;
use kernel::Errno;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// The version of [`Record`] that this build writes and reads.
pub const RECORD_VERSION: u32 = 1;

/// `state.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// Of the config.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// Absolute.
    pub bundle: PathBuf,
    /// Absolute.
    pub rootfs: PathBuf,
    /// RFC 3339, UTC.
    pub created: String,
    /// Of the config.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Where its cgroups are.
    pub cgroup: CgroupRecord,
    /// Its resctrl groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resctrl: Option<ResctrlRecord>,
    /// Whether a runtime without root privileges made it.
    #[serde(default)]
    pub rootless: bool,
    /// Whether it stays in its maker's session keyring.
    #[serde(default)]
    pub no_new_keyring: bool,
    /// Whether it comes from a checkpoint: criu gives it a time namespace.
    #[serde(default, skip_serializing_if = "is_false")]
    pub restored: bool,
    /// The inodes of the pipes that it was given as standard input, output and error, 0 for what was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipes: Option<[u64; 3]>,
    /// Whether its mounts are in its maker's mount namespace, to be taken away with it.
    #[serde(default)]
    pub shares_mounts: bool,
    /// Whether its processes outlive its init: it has no pid namespace of its own.
    #[serde(default)]
    pub shares_pids: bool,
    /// Whether the config has poststart or poststop hooks.
    #[serde(default)]
    pub late_hooks: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// The init process: a pid is reused, a pid with its start time is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitProcess {
    /// As the runtime sees it.
    pub pid: i32,
    /// Clock ticks since boot.
    pub start_time: u64,
}

/// The four of runtime.md#state, and `paused`, which runc has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the specification")]
pub enum Status {
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}

impl Status {
    /// As in the state document.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        }
    }
}

/// Parses the `state.json` of container `id`.
///
/// # Errors
/// [`StateError::Invalid`], [`StateError::Version`].
pub fn parse_record(id: &str, bytes: &[u8]) -> Result<Record, StateError> {
    let record: Record = serde_json::from_slice(bytes)
        .map_err(|source| StateError::Invalid { id: id.to_owned(), source })?;
    if record.version != RECORD_VERSION {
        return Err(StateError::Version { id: id.to_owned(), version: record.version });
    }
    Ok(record)
}

/// Parses the `init` file; `None` for one that a killed command left unfinished.
#[must_use]
pub fn parse_init(text: &[u8]) -> Option<InitProcess> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('\n')?;
    let (pid, start_time) = text.split_once(' ')?;
    let pid = pid.parse().ok().filter(|pid| *pid > 0)?;
    Some(InitProcess { pid, start_time: start_time.parse().ok()? })
}

impl InitProcess {
    /// The `init` file.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{} {}\n", self.pid, self.start_time)
    }

    /// Looks up the start time of `pid`, a process that can't be reaped meanwhile.
    ///
    /// # Errors
    /// What reading `/proc/PID/stat` says.
    pub fn of(pid: i32) -> kernel::Result<InitProcess> {
        kernel::process::start_time(pid).map(|start_time| InitProcess { pid, start_time })
    }

    /// A descriptor of the process; `None` if it has ended, whoever has its pid now.
    ///
    /// # Errors
    /// What pidfd_open(2) says, other than that there is none.
    pub fn open(self) -> kernel::Result<Option<OwnedFd>> {
        let pidfd = match kernel::process::pidfd_open(self.pid) {
            Err(Errno::SRCH | Errno::INVAL) => return Ok(None),
            other => other?,
        };
        Ok(self.is_alive()?.then_some(pidfd))
    }

    /// Whether the process lives; a zombie does not.
    ///
    /// # Errors
    /// What reading `/proc/PID/stat` says, other than that there is none.
    pub fn is_alive(self) -> kernel::Result<bool> {
        match kernel::process::read_stat(self.pid) {
            Ok(stat) => {
                Ok(stat.start_time == self.start_time && !matches!(stat.state, b'Z' | b'X'))
            }
            Err(Errno::NOENT | Errno::SRCH) => Ok(false),
            Err(errno) => Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_init_file_names_no_process() {
        let process = |pid, start_time| Some(InitProcess { pid, start_time });
        for (text, expected) in [
            (&b"12 345\n"[..], process(12, 345)),
            (b"12 345", None),
            (b"12 \n", None),
            (b"", None),
            (b"0 1\n", None),
            (b"-1 1\n", None),
            (b"1 2 3\n", None),
        ] {
            assert_eq!(parse_init(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_reused_pid_is_not_alive() {
        let own = InitProcess::of(std::process::id().cast_signed()).unwrap();
        assert!(own.open().unwrap().is_some());
        let former = InitProcess { start_time: own.start_time + 1, ..own };
        assert!(former.open().unwrap().is_none());
    }
}
