//! Hooks: programs run at a lifecycle's places with the container's state on stdin
//! (config.md#posix-platform-hooks), and the state document itself (runtime.md#state).

use crate::spec::Hook;
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Bytes of a failed hook's output that are reported.
const MAX_OUTPUT: usize = 4096;

/// The state of a container as runtime.md#state has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateDocument {
    /// Of the config.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// `creating`, `created`, `running` or `stopped`.
    pub status: &'static str,
    /// 0 where there is none.
    #[serde(skip_serializing_if = "is_zero")]
    pub pid: i32,
    /// Absolute.
    pub bundle: String,
    /// Of the config.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(pid: &i32) -> bool {
    *pid == 0
}

/// Why a hook failed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// It could not be run at all.
    #[error("error running {kind} hook #{number}: cannot run `{path}`: {source}")]
    Run {
        /// Which list.
        kind: &'static str,
        /// Place in the list, from 0.
        number: usize,
        /// Its program.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It ended with an error.
    #[error("error running {kind} hook #{number}: `{path}`: {how}{output}")]
    Failed {
        /// Which list.
        kind: &'static str,
        /// Place in the list, from 0.
        number: usize,
        /// Its program.
        path: String,
        /// Exit status or signal.
        how: String,
        /// What it printed, with a separator before it; empty if nothing.
        output: String,
    },
    /// It took longer than it may.
    #[error("error running {kind} hook #{number}: `{path}` ran past its timeout of {seconds} s")]
    TimedOut {
        /// Which list.
        kind: &'static str,
        /// Place in the list, from 0.
        number: usize,
        /// Its program.
        path: String,
        /// What it had.
        seconds: u64,
    },
}

/// Runs `hooks` in order, each with `state` on stdin; the first failure ends it. A hook without
/// an environment of its own gets `default_env`.
///
/// # Errors
/// [`HookError`] of the first hook that failed.
pub fn run_all(
    kind: &'static str,
    hooks: &[Hook],
    state: &StateDocument,
    default_env: &[String],
) -> Result<(), HookError> {
    if hooks.is_empty() {
        return Ok(());
    }
    let state = serde_json::to_vec(state).expect("strings and numbers always serialize");
    for (number, hook) in hooks.iter().enumerate() {
        run(kind, number, hook, &state, default_env)?;
    }
    Ok(())
}

fn run(
    kind: &'static str,
    number: usize,
    hook: &Hook,
    state: &[u8],
    default_env: &[String],
) -> Result<(), HookError> {
    let path = hook.path.display().to_string();
    let failed = |source| HookError::Run { kind, number, path: path.clone(), source };
    // Files in memory, not pipes: a hook that reads or writes slowly can't block us.
    let stdin = kernel::file::in_memory("state", state).map_err(|e| failed(e.into()))?;
    let output = kernel::file::in_memory("output", &[]).map_err(|e| failed(e.into()))?;
    let copy = |file: &OwnedFd| file.try_clone().map(Stdio::from).map_err(failed);
    let env = if hook.env.is_empty() { default_env } else { &hook.env };
    let mut command = Command::new(&hook.path);
    command
        .env_clear()
        .envs(env.iter().filter_map(|v| v.split_once('=')))
        .stdin(stdin)
        .stdout(copy(&output)?)
        .stderr(copy(&output)?);
    if let Some((name, args)) = hook.args.split_first() {
        command.arg0(name).args(args);
    }
    let mut child = command.spawn().map_err(failed)?;
    let ended = hook.timeout.map_or(Ok(true), |timeout| ends_within(&child, timeout));
    let ended = ended.map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    if !ended {
        let seconds = hook.timeout.map_or(0, |t| t.as_secs());
        return Err(HookError::TimedOut { kind, number, path, seconds });
    }
    if status.success() {
        return Ok(());
    }
    let how = how_it_ended(status);
    Err(HookError::Failed { kind, number, path, how, output: printed(&output) })
}

/// Waits for the end of `child`, and kills it when the time is over. Without a timeout this is not
/// called: a hook under the container's seccomp filter should need few system calls.
fn ends_within(child: &Child, timeout: Duration) -> std::io::Result<bool> {
    let pid = i32::try_from(child.id()).map_err(std::io::Error::other)?;
    let pidfd = kernel::process::pidfd_open(pid)?;
    let ended = kernel::poll::is_readable(&pidfd, Some(timeout))?;
    if !ended {
        // It may end by itself just now; either way it is reaped.
        let _ = kernel::process::pidfd_send_signal(pidfd.as_fd(), 9);
    }
    Ok(ended)
}

/// In words; of a signal, the one that says most of a hook under a filter has its name.
fn how_it_ended(status: ExitStatus) -> String {
    const SIGSYS: i32 = 31;
    match status.signal() {
        Some(SIGSYS) => format!("{status}: bad system call"),
        _ => status.to_string(),
    }
}

fn printed(output: &OwnedFd) -> String {
    let mut buffer = vec![0u8; MAX_OUTPUT];
    let read = kernel::file::rewind(output)
        .and_then(|()| kernel::file::read_some(output, &mut buffer))
        .unwrap_or(0);
    match String::from_utf8_lossy(&buffer[..read]).trim() {
        "" => String::new(),
        text => format!(", output: {text}"),
    }
}

/// The container process state that a seccomp agent gets
/// (config-linux.md#the-container-process-state).
#[must_use]
pub fn seccomp_message(state: &StateDocument, pid: i32, metadata: Option<&str>) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct ContainerProcessState<'a> {
        oci_version: &'a str,
        fds: [&'static str; 1],
        pid: i32,
        #[serde(skip_serializing_if = "Option::is_none")]
        metadata: Option<&'a str>,
        state: &'a StateDocument,
    }
    serde_json::to_string(&ContainerProcessState {
        oci_version: &state.oci_version,
        fds: ["seccompFd"],
        pid,
        metadata,
        state,
    })
    .expect("strings and numbers always serialize")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(script: &str, timeout: Option<Duration>) -> Hook {
        Hook {
            path: "/bin/sh".into(),
            args: vec!["sh".into(), "-c".into(), script.into()],
            env: vec!["A=b".into()],
            timeout,
        }
    }

    fn state() -> StateDocument {
        StateDocument {
            oci_version: "1.3.0".into(),
            id: "c".into(),
            status: "creating",
            pid: 7,
            bundle: "/b".into(),
            annotations: BTreeMap::new(),
        }
    }

    #[test]
    fn a_hook_reads_the_state_and_its_own_environment() {
        let script = r#"test "$(cat)" = '{"ociVersion":"1.3.0","id":"c","status":"creating","pid":7,"bundle":"/b"}' && test "$A" = b"#;
        run_all("prestart", &[hook(script, None)], &state(), &[]).unwrap();
    }

    #[test]
    fn the_first_failure_ends_the_list_and_says_what_was_printed() {
        let hooks = [hook("echo gone wrong >&2; exit 3", None), hook("echo unreachable", None)];
        let error = run_all("poststart", &hooks, &state(), &[]).unwrap_err().to_string();
        assert!(error.contains("poststart hook #0") && error.contains("exit status: 3"), "{error}");
        assert!(error.contains("gone wrong"), "{error}");
    }

    #[test]
    fn a_hook_past_its_timeout_is_killed() {
        let hooks = [hook("exec cat /dev/zero > /dev/null", Some(Duration::from_millis(20)))];
        let error = run_all("poststop", &hooks, &state(), &[]).unwrap_err();
        assert!(matches!(error, HookError::TimedOut { .. }), "{error}");
    }
}
