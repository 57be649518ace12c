//! Control group directories and their files: opened beneath a directory, one write a file.
//!
//! Nothing here creates a regular file or follows a symbolic link below the directory it is given.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
pub use rustix::fs::CWD;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, ResolveFlags, Uid};
pub use rustix::io::Errno;

/// What a call of this module returns.
pub type Result<T> = core::result::Result<T, Errno>;

/// A control file longer than this is cut short; the largest known (`memory.numa_stat`,
/// `cgroup.procs` with the default pid limit) stay far below.
pub const MAX_FILE_BYTES: usize = 16 << 20;

/// The first read of a file: enough for every file that is not a list of tasks.
const FIRST_READ: usize = 4096;

/// The file systems a control group hierarchy is looked for on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsKind {
    /// cgroup2: the unified hierarchy.
    Cgroup2,
    /// cgroup: one hierarchy of version 1.
    Cgroup1,
    /// Something else.
    Other,
}

/// Tells which kind of file system `path` lies on. Kernel: `statfs(2)`.
pub fn fs_kind(path: &Path) -> Result<FsKind> {
    const CGROUP2_SUPER_MAGIC: i64 = 0x6367_7270;
    const CGROUP_SUPER_MAGIC: i64 = 0x0027_e0eb;
    Ok(match rustix::fs::statfs(path)?.f_type {
        CGROUP2_SUPER_MAGIC => FsKind::Cgroup2,
        CGROUP_SUPER_MAGIC => FsKind::Cgroup1,
        _ => FsKind::Other,
    })
}

/// Opens a control group directory by its absolute path, made of a mount point of the host and
/// names without `..`. A link to a mount point is followed (`cpu` may be one to `cpu,cpuacct`), one
/// in the last component is not; below the mount point the kernel has none.
pub fn open_absolute(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::open(path, flags, Mode::empty())
}

/// Opens the directory `path` beneath `dir`, following no link and leaving `dir` by no `..`.
///
/// Kernel: `openat2(2)`, Linux 5.6. Fallback on `ENOSYS`: `openat(2)` with `O_NOFOLLOW`, which
/// guards the last component only; control group file systems hold no links.
pub fn open_dir(dir: BorrowedFd<'_>, path: &str) -> Result<OwnedFd> {
    open_beneath(dir, path, OFlags::RDONLY | OFlags::DIRECTORY)
}

fn open_beneath(dir: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(dir, path, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS) => rustix::fs::openat(dir, path, flags | OFlags::NOFOLLOW, Mode::empty()),
        // EAGAIN: a rename raced with the walk; the kernel asks to try again.
        Err(Errno::AGAIN) => rustix::fs::openat2(dir, path, flags, Mode::empty(), resolve),
        result => result,
    }
}

/// Makes the directory `path` beneath `dir`, mode 0755.
pub fn make_dir<P: rustix::path::Arg>(dir: BorrowedFd<'_>, path: P) -> Result<()> {
    rustix::fs::mkdirat(dir, path, Mode::from_raw_mode(0o755))
}

/// Removes the directory `path` beneath `dir`.
pub fn remove_dir<P: rustix::path::Arg>(dir: BorrowedFd<'_>, path: P) -> Result<()> {
    rustix::fs::unlinkat(dir, path, AtFlags::REMOVEDIR)
}

/// Whether `name` exists in `dir`.
pub fn exists<P: rustix::path::Arg>(dir: BorrowedFd<'_>, name: P) -> Result<bool> {
    match rustix::fs::accessat(dir, name, rustix::fs::Access::EXISTS, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Whether the caller may make something in the directory `path`.
///
/// # Errors
/// What faccessat(2) says, but `EACCES` and `EROFS`: those are the answer.
pub fn is_writable<P: rustix::path::Arg>(path: P) -> Result<bool> {
    match rustix::fs::accessat(CWD, path, rustix::fs::Access::WRITE_OK, AtFlags::EACCESS) {
        Ok(()) => Ok(true),
        Err(Errno::ACCESS | Errno::ROFS) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Writes `value` to the control file `name` of `dir` in one `write(2)`.
///
/// A control file takes a value whole or refuses it; a short write is reported as `EIO`.
pub fn write_file<P: rustix::path::Arg>(dir: BorrowedFd<'_>, name: P, value: &[u8]) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    write_once(file.as_fd(), value)
}

/// Writes `value` to an open control file in one `write(2)`, again after an interruption.
pub fn write_once(file: BorrowedFd<'_>, value: &[u8]) -> Result<()> {
    let written = rustix::io::retry_on_intr(|| rustix::io::write(file, value))?;
    if written == value.len() { Ok(()) } else { Err(Errno::IO) }
}

/// Opens the control file `name` of `dir` for reading.
pub fn open_file(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

/// Reads the control file `name` of `dir`, at most [`MAX_FILE_BYTES`].
///
/// For files that the kernel prints in one go, so that a read that does not fill the buffer was
/// the last; lists of tasks are not among them.
pub fn read_file(dir: BorrowedFd<'_>, name: &str) -> Result<Vec<u8>> {
    read_until(open_file(dir, name)?.as_fd(), |read, room| read < room)
}

/// Reads the list of tasks `name` of `dir`, at most [`MAX_FILE_BYTES`], to its end.
pub fn read_list(dir: BorrowedFd<'_>, name: &str) -> Result<Vec<u8>> {
    read_until(open_file(dir, name)?.as_fd(), |read, _| read == 0)
}

/// Reads a whole file by its absolute path, at most [`MAX_FILE_BYTES`]: one of `/proc` or `/sys`
/// that the kernel prints in one go, as for [`read_file`].
pub fn read_path(path: &Path) -> Result<Vec<u8>> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    read_until(file.as_fd(), |read, room| read < room)
}

/// Reads until `is_last` says so of (bytes read, bytes asked for).
fn read_until(file: BorrowedFd<'_>, is_last: fn(usize, usize) -> bool) -> Result<Vec<u8>> {
    let mut bytes = vec![0; FIRST_READ];
    let mut filled = 0;
    while filled < MAX_FILE_BYTES {
        let room = bytes.len() - filled;
        let read = rustix::io::retry_on_intr(|| rustix::io::read(file, &mut bytes[filled..]))?;
        filled += read;
        if read == 0 || is_last(read, room) {
            break;
        }
        if filled == bytes.len() {
            bytes.resize(filled * 2, 0);
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Reads a control file of one short value: a single `read(2)` on an open file, from its start.
pub fn read_value(file: BorrowedFd<'_>) -> Result<Vec<u8>> {
    let mut bytes = vec![0; FIRST_READ];
    let read = rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut bytes, 0))?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Names of the directories in `dir`, in the kernel's order, without `.` and `..`.
pub fn child_dirs(dir: BorrowedFd<'_>) -> Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if entry.file_type() == rustix::fs::FileType::Directory && name != b"." && name != b".." {
            names.push(OsString::from_vec(name.to_vec()));
        }
    }
    Ok(names)
}

/// Gives `name` in `dir` (`.` for itself) to the user `uid`; the group stays. No link is followed.
pub fn set_owner(dir: BorrowedFd<'_>, name: &str, uid: u32) -> Result<()> {
    let owner = Some(Uid::from_raw(uid));
    rustix::fs::chownat(dir, name, owner, None::<Gid>, AtFlags::SYMLINK_NOFOLLOW)
}

/// Sends `signal` to the process `pid`, which is one read from a control group's list.
///
/// Kernel: `kill(2)`. `EINVAL` for a signal that is none, and for a `pid` below 1: never a group.
pub fn send_signal(pid: i32, signal: i32) -> Result<()> {
    let signal = rustix::process::Signal::from_named_raw(signal).ok_or(Errno::INVAL)?;
    let pid = rustix::process::Pid::from_raw(pid.max(0)).ok_or(Errno::INVAL)?;
    rustix::process::kill_process(pid, signal)
}

/// What [`wait_changed`] and [`wait_readable`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// At least one descriptor has something.
    Ready,
    /// The time is over.
    TimedOut,
}

/// Waits until one of the control files `files` changes after it was last read.
///
/// Kernel: `POLLPRI` on `cgroup.events`, `memory.events` and the like; `POLLIN` would say nothing,
/// for they can be read at any time. `None` waits without end; an interruption waits on.
pub fn wait_changed(files: &[BorrowedFd<'_>], timeout: Option<Duration>) -> Result<Waited> {
    poll_for(files, PollFlags::PRI, timeout)
}

/// Waits until one of `files` is readable, as an eventfd is with a count above zero.
pub fn wait_readable(files: &[BorrowedFd<'_>], timeout: Option<Duration>) -> Result<Waited> {
    poll_for(files, PollFlags::IN, timeout)
}

fn poll_for(
    files: &[BorrowedFd<'_>],
    events: PollFlags,
    timeout: Option<Duration>,
) -> Result<Waited> {
    let deadline = timeout.map(|left| Instant::now() + left);
    let mut polled: Vec<PollFd<'_>> =
        files.iter().map(|file| PollFd::from_borrowed_fd(*file, events)).collect();
    loop {
        let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match rustix::event::poll(&mut polled, left.as_ref()) {
            Ok(0) => return Ok(Waited::TimedOut),
            Ok(_) => return Ok(Waited::Ready),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Makes an eventfd for `cgroup.event_control` of version 1.
pub fn event_counter() -> Result<OwnedFd> {
    rustix::event::eventfd(0, EventfdFlags::CLOEXEC)
}

/// Takes the count of an eventfd, waiting for one above zero.
pub fn take_count(counter: BorrowedFd<'_>) -> Result<u64> {
    let mut bytes = [0; 8];
    rustix::io::retry_on_intr(|| rustix::io::read(counter, &mut bytes))?;
    Ok(u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_or_a_parent_is_never_followed() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("real")).unwrap();
        std::os::unix::fs::symlink("real", root.path().join("link")).unwrap();
        let dir = open_absolute(root.path()).unwrap();
        assert!(open_dir(dir.as_fd(), "real").is_ok());
        assert_eq!(open_dir(dir.as_fd(), "link").unwrap_err(), Errno::LOOP);
        assert_eq!(open_dir(dir.as_fd(), "../x").unwrap_err(), Errno::XDEV);
    }

    #[test]
    fn a_write_makes_no_file() {
        let root = tempfile::tempdir().unwrap();
        let dir = open_absolute(root.path()).unwrap();
        assert_eq!(write_file(dir.as_fd(), "memory.max", b"1").unwrap_err(), Errno::NOENT);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_long_file_is_read_whole() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("procs"), "1\n".repeat(10_000)).unwrap();
        let dir = open_absolute(root.path()).unwrap();
        assert_eq!(read_file(dir.as_fd(), "procs").unwrap().len(), 20_000);
        assert_eq!(read_list(dir.as_fd(), "procs").unwrap().len(), 20_000);
    }

    #[test]
    fn only_directories_are_listed() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("child")).unwrap();
        std::fs::write(root.path().join("file"), "").unwrap();
        let dir = open_absolute(root.path()).unwrap();
        assert_eq!(child_dirs(dir.as_fd()).unwrap(), [OsString::from("child")]);
    }

    #[test]
    fn an_event_counter_wakes_its_waiter() {
        let counter = event_counter().unwrap();
        let soon = Some(Duration::from_millis(1));
        assert_eq!(wait_readable(&[counter.as_fd()], soon), Ok(Waited::TimedOut));
        rustix::io::write(&counter, &3u64.to_ne_bytes()).unwrap();
        assert_eq!(wait_readable(&[counter.as_fd()], None), Ok(Waited::Ready));
        assert_eq!(take_count(counter.as_fd()), Ok(3));
    }
}
