//! `exec`.

use std::path::PathBuf;

use clap::Args;

use super::super::Environment;
use super::super::request::{Request, UsageError};
use super::Resolve;
use super::path::{absolute, absolute_option};
use super::value::{parse_cwd, parse_id, parse_preserve_fds, parse_variable};
use crate::container_id::ContainerId;
use crate::request::{ExecProcess, ExecRequest, InheritedFds, ProcessChanges, SubCgroup};

#[derive(Args)]
pub(super) struct ExecArgs {
    /// Unix socket that the master end of the terminal is sent to
    #[arg(long, value_name = "SOCKET")]
    console_socket: Option<PathBuf>,

    /// Unix socket that a pidfd of the process is sent to
    #[arg(long, value_name = "SOCKET")]
    pidfd_socket: Option<PathBuf>,

    /// Working directory in the container
    #[arg(long, value_name = "DIR", value_parser = parse_cwd)]
    cwd: Option<String>,

    /// Add an environment variable; may be repeated
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = parse_variable)]
    env: Vec<String>,

    /// Give the process a new terminal
    #[arg(long, short)]
    tty: bool,

    /// User id, and group id after a colon
    #[arg(long, short, value_name = "UID[:GID]")]
    user: Option<String>,

    /// Add a supplementary group; may be repeated
    #[arg(long, short = 'g', value_name = "GID", value_parser = parse_id)]
    additional_gids: Vec<u32>,

    /// Take the whole process object from a file
    #[arg(long, short, value_name = "FILE")]
    process: Option<PathBuf>,

    /// Return once the program runs
    #[arg(long, short)]
    detach: bool,

    /// File that the process id is written to
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,

    /// SELinux context of the process
    #[arg(long, value_name = "LABEL")]
    process_label: Option<String>,

    /// AppArmor profile of the process
    #[arg(long, value_name = "PROFILE")]
    apparmor: Option<String>,

    /// Set no_new_privs, or with `=false` don't, whatever the container has
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true
    )]
    no_new_privs: Option<bool>,

    /// Add a capability; may be repeated
    #[arg(long, short, value_name = "NAME")]
    cap: Vec<String>,

    /// Pass on N more descriptors, from 3
    #[arg(long, value_name = "N", default_value = "0", value_parser = parse_preserve_fds)]
    preserve_fds: u32,

    /// Put the process into a control group below the container's; may be repeated for the
    /// controllers of cgroup v1
    #[arg(long, value_name = "[CONTROLLER,...:]PATH")]
    cgroup: Vec<String>,

    /// Allow it in a paused container
    #[arg(long)]
    ignore_paused: bool,

    /// The container
    #[arg(value_name = "CONTAINER-ID")]
    id: ContainerId,

    /// What to run there, with its arguments
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

impl Resolve for ExecArgs {
    fn resolve(mut self, environment: &Environment) -> Result<Request, UsageError> {
        let process = match self.process.take().filter(|path| !path.as_os_str().is_empty()) {
            Some(path) => ExecProcess::File(absolute(&path, environment)),
            None => ExecProcess::Changes(Box::new(self.take_changes()?)),
        };
        Ok(Request::Exec(Box::new(ExecRequest {
            id: self.id,
            process,
            detach: self.detach,
            console_socket: absolute_option(self.console_socket, environment),
            pidfd_socket: absolute_option(self.pidfd_socket, environment),
            pid_file: absolute_option(self.pid_file, environment),
            inherited: InheritedFds { listen: 0, preserve: self.preserve_fds },
            cgroups: parse_sub_cgroups(&self.cgroup)?,
            ignore_paused: self.ignore_paused,
        })))
    }
}

impl ExecArgs {
    fn take_changes(&mut self) -> Result<ProcessChanges, UsageError> {
        let mut args = std::mem::take(&mut self.command);
        // What stands before the command to end the flags is not part of it.
        if args.first().is_some_and(|word| word == "--") {
            args.remove(0);
        }
        if args.is_empty() {
            return Err(UsageError::ExecWithoutCommand);
        }
        // An empty user is an error: it must never come out as 0 (CVE-2024-40635).
        let (uid, gid) = match self.user.as_deref() {
            Some(user) => parse_user(user)?,
            None => (None, None),
        };
        Ok(ProcessChanges {
            args,
            terminal: self.tty,
            cwd: non_empty(&mut self.cwd),
            env: std::mem::take(&mut self.env),
            uid,
            gid,
            additional_gids: std::mem::take(&mut self.additional_gids),
            capabilities: std::mem::take(&mut self.cap),
            selinux_label: non_empty(&mut self.process_label),
            apparmor_profile: non_empty(&mut self.apparmor),
            no_new_privileges: self.no_new_privs,
        })
    }
}

/// An empty value is no value, as for runc.
fn non_empty(value: &mut Option<String>) -> Option<String> {
    value.take().filter(|text| !text.is_empty())
}

fn parse_user(user: &str) -> Result<(Option<u32>, Option<u32>), UsageError> {
    let bad = |reason| UsageError::User { given: user.to_owned(), reason };
    let (uid, gid) = match user.split_once(':') {
        Some((uid, gid)) => (uid, Some(parse_id(gid).map_err(bad)?)),
        None => (user, None),
    };
    Ok((Some(parse_id(uid).map_err(bad)?), gid))
}

/// Either one path for cgroup v2, or `controller[,controller]:path` for cgroup v1, each
/// controller once. A path may not lead above the container's cgroup.
fn parse_sub_cgroups(given: &[String]) -> Result<Vec<SubCgroup>, UsageError> {
    let mut seen: Vec<&str> = Vec::new();
    let mut parsed = Vec::with_capacity(given.len());
    for argument in given {
        let bad = |reason| UsageError::Cgroup { given: argument.clone(), reason };
        let (controllers, path) = match argument.split_once(':') {
            Some((controllers, path)) => (controllers.split(',').collect(), path),
            None if given.len() > 1 => return Err(bad("missing <controller>: prefix")),
            None => (Vec::new(), argument.as_str()),
        };
        for controller in &controllers {
            if controller.is_empty() {
                return Err(bad("empty <controller> prefix"));
            }
            if seen.contains(controller) {
                return Err(bad("controller specified multiple times"));
            }
            seen.push(controller);
        }
        if path.split('/').any(|part| part == "..") || path.contains('\0') {
            return Err(bad("bad sub cgroup path"));
        }
        let controllers = controllers.into_iter().map(str::to_owned).collect();
        parsed.push(SubCgroup { controllers, path: path.to_owned() });
    }
    Ok(parsed)
}
