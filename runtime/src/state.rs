//! What is kept of a container between commands.
//!
//! ```text
//! <root>/<id>/            0700; flock(2)ed by whoever changes the container's lifecycle
//!   state.json            Record: written before the cgroup is made
//!   config.json           the bundle's, byte for byte, as it was at create
//!   init                  "<pid> <start time>\n": written once, after clone3
//!   start.sock            the init process waits here; there until the container is started
//!   seccomp.bpf           the compiled filter, for exec
//!   notify/notify.sock    what the program reports on, where the caller has a $NOTIFY_SOCKET
//!   criu/                 what criu needs, while it dumps or restores the container
//! ```
//! Nothing is ever rewritten, but the record's limits by `update`, with a rename: the status
//! follows from which files are there and from whether the process of that pid and start time
//! lives. Whatever step a killed command stopped at, `delete --force` finds its way from what is
//! there.

mod error;
mod record;

pub use error::StateError;
pub use record::{InitProcess, RECORD_VERSION, Record, Status, parse_init, parse_record};

use crate::container_id::ContainerId;
use kernel::{Errno, file};
use std::cell::Cell;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Bytes of `state.json` read.
pub const MAX_RECORD_BYTES: usize = 4 << 20;
/// Bytes of the stored filter read.
const MAX_FILTER_BYTES: usize = 1 << 20;

const RECORD: &str = "state.json";
const CONFIG: &str = "config.json";
const INIT: &str = "init";
const START_SOCKET: &str = "start.sock";
const FILTER: &str = "seccomp.bpf";
const CRIU_DIR: &str = "criu";
const CRIU_ROOT: &str = "criu/root";
const CRIU_UNIFIED: &str = "criu/unified";
const NOTIFY_DIR: &str = "notify";
const NOTIFY_SOCKET: &str = "notify/notify.sock";

/// The directory and the socket in it that container `id` reports on, on the host.
#[must_use]
pub fn notify_paths(root: &Path, id: &ContainerId) -> (PathBuf, PathBuf) {
    let dir = root.join(id.as_str());
    (dir.join(NOTIFY_DIR), dir.join(NOTIFY_SOCKET))
}

/// Where criu works for a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CriuPaths {
    /// The directory of it all.
    pub dir: PathBuf,
    /// For the rootfs.
    pub root: PathBuf,
    /// For the host's cgroups.
    pub unified: PathBuf,
}

impl CriuPaths {
    /// Those of container `id`.
    #[must_use]
    pub fn of(root: &Path, id: &str) -> CriuPaths {
        let at = |name| root.join(id).join(name);
        CriuPaths { dir: at(CRIU_DIR), root: at(CRIU_ROOT), unified: at(CRIU_UNIFIED) }
    }
}

/// A container's directory.
#[derive(Debug)]
pub struct StateDir {
    root: OwnedFd,
    dir: OwnedFd,
    id: String,
    /// Whether this value has the lock.
    holds_lock: Cell<bool>,
}

/// What it means that the root is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbsentRoot {
    /// There are no containers.
    Empty,
    /// A mistake of the caller.
    Refused,
}

impl StateDir {
    /// Makes the directory of a new container, locked, and the root above it where missing.
    ///
    /// # Errors
    /// [`StateError::Exists`] if the id is taken, [`StateError::Root`] otherwise.
    pub fn create(root: &Path, id: &ContainerId) -> Result<StateDir, StateError> {
        let failed = |errno: Errno| StateError::Root { path: root.into(), source: errno.into() };
        let root_fd = match file::open_dir(file::CWD, root) {
            Err(Errno::NOENT) => {
                make_root(root).map_err(failed)?;
                file::open_dir(file::CWD, root)
            }
            other => other,
        }
        .map_err(failed)?;
        match file::mkdir(root_fd.as_fd(), id.as_str(), 0o700) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(StateError::Exists { id: id.to_string() }),
            Err(errno) => return Err(failed(errno)),
        }
        let dir = file::open_dir(root_fd.as_fd(), id.as_str()).map_err(failed)?;
        file::lock(&dir).map_err(failed)?;
        Ok(StateDir { root: root_fd, dir, id: id.to_string(), holds_lock: Cell::new(true) })
    }

    /// Opens the directory of an existing container.
    ///
    /// # Errors
    /// [`StateError::NotFound`] if there is none, [`StateError::Root`] otherwise.
    pub fn open(root: &Path, id: &ContainerId) -> Result<StateDir, StateError> {
        let not_found = || StateError::NotFound { id: id.to_string() };
        let failed = |errno: Errno| match errno {
            Errno::NOENT => not_found(),
            errno => StateError::Root { path: root.into(), source: errno.into() },
        };
        let root = file::open_dir(file::CWD, root).map_err(failed)?;
        let dir = file::open_dir(root.as_fd(), id.as_str()).map_err(failed)?;
        Ok(StateDir { root, dir, id: id.to_string(), holds_lock: Cell::new(false) })
    }

    /// The ids of all containers, sorted.
    ///
    /// # Errors
    /// [`StateError::Root`]; with [`AbsentRoot::Empty`], a root that is not there holds none.
    pub fn list(root: &Path, absent: AbsentRoot) -> Result<Vec<ContainerId>, StateError> {
        let failed = |errno: Errno| StateError::Root { path: root.into(), source: errno.into() };
        let dir = match file::open_dir(file::CWD, root) {
            Err(Errno::NOENT) if absent == AbsentRoot::Empty => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let names = file::list(dir.as_fd()).map_err(failed)?;
        let mut ids: Vec<_> =
            names.iter().filter_map(|name| ContainerId::parse(name).ok()).collect();
        ids.sort();
        Ok(ids)
    }

    /// The container's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// For sockets within.
    #[must_use]
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The user id that owns it: who made the container.
    ///
    /// # Errors
    /// [`StateError::Read`].
    pub fn owner(&self) -> Result<u32, StateError> {
        file::kind(&self.dir).map(|kind| kind.uid).map_err(|e| self.read_error(RECORD, e))
    }

    /// Waits until nobody else changes the container's lifecycle.
    ///
    /// # Errors
    /// [`StateError::NotFound`] if it was removed meanwhile: what has its name by now is another
    /// container. Else [`StateError::Read`].
    pub fn lock(&self) -> Result<(), StateError> {
        file::lock(&self.dir).map_err(|e| self.read_error("lock", e))?;
        self.holds_lock.set(true);
        self.check_present()
    }

    /// Likewise, unless another command has it: whether it is locked now.
    ///
    /// # Errors
    /// As [`Self::lock`].
    pub fn try_lock(&self) -> Result<bool, StateError> {
        match file::try_lock(&self.dir) {
            Err(Errno::AGAIN) => return Ok(false),
            other => other.map_err(|e| self.read_error("lock", e))?,
        }
        self.holds_lock.set(true);
        self.check_present().map(|()| true)
    }

    fn check_present(&self) -> Result<(), StateError> {
        match file::is_removed(&self.dir).map_err(|e| self.read_error("lock", e))? {
            true => Err(StateError::NotFound { id: self.id.clone() }),
            false => Ok(()),
        }
    }

    /// Whether somebody else changes it just now.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        // To try the lock is to lose it.
        !self.holds_lock.get() && file::try_lock_shared(&self.dir) == Err(Errno::AGAIN)
    }

    /// Lets others change it: the lock outlives this value in the container's process.
    pub fn unlock(&self) {
        // Unlocking what is open can't fail, and a lock that stays dies with its holders.
        let _ = file::unlock(&self.dir);
        self.holds_lock.set(false);
    }

    /// Writes the record and the config, once.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn write(&self, record: &Record, config: &[u8]) -> Result<(), StateError> {
        let record = serde_json::to_vec(record).map_err(|e| self.write_error(RECORD, e.into()))?;
        self.create_file(CONFIG, config)?;
        self.create_file(RECORD, &record)
    }

    /// Puts a changed record in the place of the former one, at once.
    ///
    /// # Errors
    /// [`StateError::Write`]; the former one is untouched then.
    pub fn replace_record(&self, record: &Record) -> Result<(), StateError> {
        let record = serde_json::to_vec(record).map_err(|e| self.write_error(RECORD, e.into()))?;
        file::replace(self.dir.as_fd(), RECORD, 0o600, &record)
            .map_err(|e| self.write_error(RECORD, e.into()))
    }

    fn create_file(&self, name: &'static str, content: &[u8]) -> Result<(), StateError> {
        file::create_new(self.dir.as_fd(), name, 0o600, content)
            .map_err(|e| self.write_error(name, e.into()))
    }

    /// Reads the record.
    ///
    /// # Errors
    /// [`StateError::NotFound`] if creation never came so far, else by what is wrong.
    pub fn record(&self) -> Result<Record, StateError> {
        let bytes = match file::read_regular(self.dir.as_fd(), RECORD, MAX_RECORD_BYTES) {
            Err(Errno::NOENT) => return Err(StateError::NotFound { id: self.id.clone() }),
            other => other.map_err(|e| self.read_error(RECORD, e))?,
        };
        parse_record(&self.id, &bytes)
    }

    /// Reads the config as it was at create.
    ///
    /// # Errors
    /// [`StateError::Read`].
    pub fn config(&self) -> Result<Vec<u8>, StateError> {
        file::read_limited(self.dir.as_fd(), CONFIG, crate::spec::limits::MAX_CONFIG_BYTES)
            .map_err(|e| self.read_error(CONFIG, e))
    }

    /// Notes the init process.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn write_init(&self, init: InitProcess) -> Result<(), StateError> {
        self.create_file(INIT, init.to_text().as_bytes())
    }

    /// The init process; `None` if there never was one.
    ///
    /// # Errors
    /// [`StateError::Read`].
    pub fn init(&self) -> Result<Option<InitProcess>, StateError> {
        let mut buffer = [0u8; 64];
        match file::read_into(self.dir.as_fd(), INIT, &mut buffer) {
            Ok(text) => Ok(parse_init(text)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.read_error(INIT, errno)),
        }
    }

    /// Notes the compiled filter.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn write_filter(&self, program: &[u8]) -> Result<(), StateError> {
        self.create_file(FILTER, program)
    }

    /// The compiled filter, if the container has one.
    ///
    /// # Errors
    /// [`StateError::Read`].
    pub fn filter(&self) -> Result<Option<Vec<u8>>, StateError> {
        match file::read_limited(self.dir.as_fd(), FILTER, MAX_FILTER_BYTES) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.read_error(FILTER, errno)),
        }
    }

    /// Makes the socket that the init process waits at.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn listen(&self) -> Result<OwnedFd, StateError> {
        kernel::unix_socket::listen_in(self.dir.as_fd(), START_SOCKET)
            .map_err(|e| self.write_error(START_SOCKET, e.into()))
    }

    /// Makes the directory that the container sees as `/run/notify`.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn make_notify_dir(&self) -> Result<(), StateError> {
        file::mkdir(self.dir.as_fd(), NOTIFY_DIR, 0o755)
            .map_err(|e| self.write_error(NOTIFY_DIR, e.into()))
    }

    /// Makes the directory that criu works in: it holds `root`, where criu sees the rootfs of a
    /// container that is restored, and `unified` for the host's cgroups: a link to `cgroups`, or
    /// a directory without that.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn make_criu_dir(&self, cgroups: Option<&CStr>) -> Result<(), StateError> {
        let failed = |errno: Errno| self.write_error(CRIU_DIR, errno.into());
        // What a command that was killed has left is in the way.
        self.remove_criu_dir().map_err(failed)?;
        for dir in [CRIU_DIR, CRIU_ROOT] {
            file::mkdir(self.dir.as_fd(), dir, 0o755).map_err(failed)?;
        }
        match cgroups {
            Some(target) => kernel::rootdir::make_symlink(&self.dir, CRIU_UNIFIED, target),
            None => file::mkdir(self.dir.as_fd(), CRIU_UNIFIED, 0o755),
        }
        .map_err(failed)
    }

    /// Removes it again.
    ///
    /// # Errors
    /// What unlinkat(2) says.
    pub fn remove_criu_dir(&self) -> kernel::Result<()> {
        match gone(file::unlink(self.dir.as_fd(), CRIU_UNIFIED)) {
            Err(Errno::ISDIR) => gone(file::rmdir(self.dir.as_fd(), CRIU_UNIFIED))?,
            other => other?,
        }
        gone(file::rmdir(self.dir.as_fd(), CRIU_ROOT))?;
        gone(file::rmdir(self.dir.as_fd(), CRIU_DIR))
    }

    /// Connects to the waiting init process.
    ///
    /// # Errors
    /// The kernel's: `ECONNREFUSED` if it doesn't wait any more, `ENOENT` if it was started.
    pub fn connect(&self) -> kernel::Result<OwnedFd> {
        kernel::unix_socket::connect_in(self.dir.as_fd(), START_SOCKET)
    }

    /// Notes that the container has been started.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn mark_started(&self) -> Result<(), StateError> {
        match file::unlink(self.dir.as_fd(), START_SOCKET) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.write_error(START_SOCKET, errno.into())),
        }
    }

    /// Whether the container has been started.
    #[must_use]
    pub fn awaits_start(&self) -> bool {
        file::exists(self.dir.as_fd(), START_SOCKET)
    }

    /// Removes the container's files and its directory; what is gone already is no error.
    ///
    /// # Errors
    /// [`StateError::Remove`].
    pub fn remove(&self) -> Result<(), StateError> {
        let failed =
            |errno: Errno| StateError::Remove { id: self.id.clone(), source: errno.into() };
        // What every container has; the record goes last.
        for name in [INIT, CONFIG, RECORD] {
            gone(file::unlink(self.dir.as_fd(), name)).map_err(failed)?;
        }
        match gone(file::rmdir(self.root.as_fd(), self.id.as_str())) {
            Err(Errno::NOTEMPTY) => self.remove_rest().map_err(failed),
            other => other.map_err(failed),
        }
    }

    /// What some containers have, and temporary files of commands that were killed.
    fn remove_rest(&self) -> kernel::Result<()> {
        for name in file::list(self.dir.as_fd())? {
            if name == NOTIFY_DIR {
                gone(file::unlink(self.dir.as_fd(), NOTIFY_SOCKET))?;
                gone(file::rmdir(self.dir.as_fd(), NOTIFY_DIR))?;
            } else if name == CRIU_DIR {
                self.remove_criu_dir()?;
            } else {
                gone(file::unlink(self.dir.as_fd(), name.as_str()))?;
            }
        }
        gone(file::rmdir(self.root.as_fd(), self.id.as_str()))
    }

    fn read_error(&self, name: &'static str, errno: Errno) -> StateError {
        StateError::Read { name, id: self.id.clone(), source: errno.into() }
    }

    fn write_error(&self, name: &'static str, source: io::Error) -> StateError {
        StateError::Write { name, id: self.id.clone(), source }
    }
}

fn gone(result: kernel::Result<()>) -> kernel::Result<()> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

fn make_root(root: &Path) -> kernel::Result<()> {
    let mut missing = vec![root];
    while let Some(parent) = missing.last().and_then(|path| path.parent()) {
        if parent.as_os_str().is_empty() || file::exists(file::CWD, parent) {
            break;
        }
        missing.push(parent);
    }
    for path in missing.into_iter().rev() {
        match file::mkdir(file::CWD, path, 0o700) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_taken_once_and_free_again() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().join("a/b");
        let id = ContainerId::parse("c").unwrap();
        let state = StateDir::create(&root, &id).unwrap();
        assert!(matches!(StateDir::create(&root, &id), Err(StateError::Exists { .. })));
        assert_eq!(StateDir::list(&root, AbsentRoot::Refused).unwrap(), std::slice::from_ref(&id));
        assert!(matches!(state.record(), Err(StateError::NotFound { .. })));
        state.listen().unwrap();
        state.remove().unwrap();
        assert!(matches!(StateDir::open(&root, &id), Err(StateError::NotFound { .. })));
    }

    #[test]
    fn who_waited_for_a_removed_container_does_not_get_the_next_of_its_name() {
        let root = tempfile::tempdir().unwrap();
        let id = ContainerId::parse("c").unwrap();
        let first = StateDir::create(root.path(), &id).unwrap();
        let waiting = StateDir::open(root.path(), &id).unwrap();
        first.remove().unwrap();
        drop(first);
        let _second = StateDir::create(root.path(), &id).unwrap();
        assert!(matches!(waiting.lock(), Err(StateError::NotFound { .. })));
    }

    #[test]
    fn what_criu_worked_in_goes_with_the_container() {
        let root = tempfile::tempdir().unwrap();
        let id = ContainerId::parse("c").unwrap();
        let state = StateDir::create(root.path(), &id).unwrap();
        for cgroups in [Some(c"/sys/fs/cgroup"), None] {
            state.make_criu_dir(cgroups).unwrap();
        }
        let paths = CriuPaths::of(root.path(), "c");
        assert!(paths.root.is_dir() && paths.unified.is_dir());
        state.remove().unwrap();
        assert!(!paths.dir.exists());
    }
}
