//! The last steps: working directory, program, execve(2).

use super::{Child, StepError, StepResult};
use crate::plan::Program;
use kernel::process::StringVector;
use kernel::rootdir::{Missing, RootDir};
use kernel::{Errno, file, process, signal};
use std::ffi::CString;
use std::os::fd::AsFd;

/// Where a program without a slash is looked for when the environment has no `PATH`
/// (execvp(3)).
const DEFAULT_PATH: &str = "/bin:/usr/bin";
/// Bytes of the container's `/etc/passwd` read.
const MAX_PASSWD: usize = 8 << 20;

/// What execve(2) takes.
#[derive(Debug)]
pub(super) struct Executable {
    path: CString,
    args: StringVector,
    env: StringVector,
}

impl Executable {
    /// The environment, as hooks that have none of their own get it.
    pub(super) fn env_strings(&self) -> Vec<String> {
        self.env.strings().iter().map(|v| v.to_string_lossy().into_owned()).collect()
    }
}

/// Makes a directory where there is nothing.
pub(super) fn make_dir(path: &str) -> StepResult {
    let root = RootDir::new(file::open_dir_place(file::CWD, c"/")?);
    let relative = path.trim_start_matches('/');
    match root.open_dir(relative) {
        Err(Errno::NOENT) => Ok(root.make(relative, Missing::Directory).map(drop)?),
        // Whatever else is wrong with it shows when it is entered.
        _ => Ok(()),
    }
}

/// Enters `path`, through no magic link (`/proc/self/fd/7`), and makes
/// sure that it is in the container (CVE-2024-21626).
pub(super) fn change_dir(path: &str, create: bool) -> StepResult {
    if path == "/" {
        return Ok(file::change_dir(c"/")?);
    }
    let root = RootDir::new(file::open_dir_place(file::CWD, c"/")?);
    let relative = match path.trim_start_matches('/') {
        "" => ".",
        relative => relative,
    };
    let dir = match root.open_dir(relative) {
        Err(Errno::NOENT) if create => {
            root.make(relative, Missing::Directory)?;
            root.open_dir(relative)
        }
        other => other,
    };
    file::enter_dir(dir?)?;
    match file::working_dir_is_reachable() {
        Ok(true) => Ok(()),
        Ok(false) => Err(StepError::new(Errno::XDEV, "it lies outside the container")),
        Err(errno) => Err(errno.into()),
    }
}

/// Finds the program as execvp(3) would and completes its environment.
pub(super) fn find(program: &Program) -> Result<Executable, StepError> {
    let name = program.args.first().ok_or(Errno::INVAL)?;
    let c_string = |text: &str| CString::new(text).map_err(|_| Errno::INVAL);
    let path = resolve(name, &program.env)?;
    // An empty HOME is none, as for runc.
    let variables = program.env.iter().filter(|v| v.as_str() != "HOME=");
    let mut env = variables.map(|v| c_string(v)).collect::<Result<Vec<_>, _>>()?;
    if !program.env.iter().any(|v| v.starts_with("HOME=") && v.len() > 5) {
        env.push(c_string(&format!("HOME={}", home_of(program.uid)))?);
    }
    let args = program.args.iter().map(|a| c_string(a)).collect::<Result<Vec<_>, _>>()?;
    Ok(Executable {
        path: c_string(&path)?,
        args: StringVector::new(args),
        env: StringVector::new(env),
    })
}

fn resolve(name: &str, env: &[String]) -> Result<String, StepError> {
    let quoted = |why: &str| format!("exec: \"{name}\": {why}");
    let explain = |errno: Errno| match errno {
        Errno::NOENT => {
            StepError::new(errno, quoted(&format!("stat {name}: no such file or directory")))
        }
        Errno::ACCESS => StepError::new(errno, quoted("permission denied")),
        // The latter is what execve(2) says, and what callers look for.
        Errno::ISDIR => StepError::new(errno, quoted("is a directory: permission denied")),
        errno => {
            let text = kernel::error_text(errno);
            StepError::new(errno, quoted(&format!("stat {name}: {text}")))
        }
    };
    if name.contains('/') {
        file::check_executable(name).map_err(explain)?;
        return Ok(name.to_owned());
    }
    let path = env.iter().rev().find_map(|v| v.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
    let missing = || StepError::new(Errno::NOENT, quoted("executable file not found in $PATH"));
    if name.is_empty() {
        return Err(missing());
    }
    let mut denied = false;
    for dir in path.split(':') {
        let dir = if dir.is_empty() { "." } else { dir };
        let candidate = format!("{dir}/{name}");
        match file::check_executable(candidate.as_str()) {
            Ok(()) => return Ok(candidate),
            Err(Errno::ACCESS) => denied = true,
            Err(_) => {}
        }
    }
    if denied {
        return Err(explain(Errno::ACCESS));
    }
    Err(missing())
}

/// The home directory the container's own `/etc/passwd` gives `uid`; `/` if none.
fn home_of(uid: u32) -> String {
    let passwd = file::read_foreign_limited(file::CWD, c"/etc/passwd", MAX_PASSWD);
    let passwd = passwd.unwrap_or_default();
    let passwd = String::from_utf8_lossy(&passwd);
    let home = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let id: u32 = fields.nth(2)?.parse().ok()?;
        (id == uid).then(|| fields.nth(2))?
    });
    home.filter(|h| !h.is_empty() && !h.contains('\0')).unwrap_or("/").to_owned()
}

impl Child<'_> {
    /// Gives up what the program must not have, before a filter could forbid the calls for it.
    pub(super) fn leave_own_things(&mut self) -> kernel::Result<()> {
        if std::mem::replace(&mut self.left, true) {
            return Ok(());
        }
        kernel::inherited::reset_signals();
        signal::unblock_all()?;
        // What the seccomp agent is sent over is needed after the filter is in force.
        if self.slots.iter().flatten().next().is_none() || self.seccomp.is_empty() {
            process::close_all_but(self.first_closed, &[self.socket.as_fd()]);
        }
        Ok(())
    }

    /// Returns only with the error.
    pub(super) fn execute(&mut self) -> StepError {
        if let Err(errno) = self.leave_own_things() {
            return errno.into();
        }
        let Some(executable) = &self.executable else { return Errno::INVAL.into() };
        let errno = process::execve(&executable.path, &executable.args, &executable.env);
        let path = executable.path.to_string_lossy();
        StepError::new(errno, format!("exec {path}: {}", kernel::error_text(errno)))
    }
}
