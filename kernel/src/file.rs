//! Files by descriptor: whole small reads, one-call writes, atomic creation.

use crate::{Errno, Result};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::path::Arg;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

pub use rustix::fs::CWD;

/// Opens a directory for use as the base of further calls.
///
/// # Errors
/// What openat(2) says.
pub fn open_dir(dir: BorrowedFd<'_>, path: impl Arg) -> Result<OwnedFd> {
    rustix::fs::openat(
        dir,
        path,
        OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// Opens a directory as a mere place (`O_PATH`).
///
/// # Errors
/// `ENOTDIR` if it is none, else what openat(2) says.
pub fn open_dir_place(dir: BorrowedFd<'_>, path: impl Arg) -> Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::openat(dir, path, flags, Mode::empty())
}

/// Opens `path` as a mere place (`O_PATH`): nothing is read, no device is touched.
///
/// # Errors
/// What openat(2) says.
pub fn open_path(dir: BorrowedFd<'_>, path: impl Arg) -> Result<OwnedFd> {
    rustix::fs::openat(dir, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}

/// Opens `path` for reading.
///
/// # Errors
/// What openat(2) says.
pub fn open_read(dir: BorrowedFd<'_>, path: impl Arg) -> Result<OwnedFd> {
    rustix::fs::openat(dir, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// Opens the device `path`, no symlink, for reading and writing; no other process is waited for.
///
/// # Errors
/// What openat(2) says.
pub fn open_device(dir: BorrowedFd<'_>, path: impl Arg) -> Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let device = rustix::fs::openat(dir, path, flags | OFlags::NONBLOCK, Mode::empty())?;
    rustix::fs::fcntl_setfl(&device, OFlags::empty())?;
    Ok(device)
}

/// What the symlink `path` says; a magic link of procfs says what the kernel has at its end.
///
/// # Errors
/// `EINVAL` if it is no symlink, else what readlinkat(2) says.
pub fn read_link(dir: BorrowedFd<'_>, path: impl Arg) -> Result<PathBuf> {
    let text = rustix::fs::readlinkat(dir, path, Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(text.into_bytes())))
}

/// The path of what is open, from the root of the mount namespace it is in.
///
/// # Errors
/// What readlinkat(2) says.
pub fn path_of(file: impl AsFd) -> Result<PathBuf> {
    read_link(CWD, format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()))
}

/// Makes sure that `file` is open for writing.
///
/// # Errors
/// `EBADF` if it is not.
pub fn check_writable(file: impl AsFd) -> Result<()> {
    let flags = rustix::fs::fcntl_getfl(file)?;
    let mode = flags & OFlags::RWMODE;
    if mode == OFlags::WRONLY || mode == OFlags::RDWR { Ok(()) } else { Err(Errno::BADF) }
}

/// Keeps `file` open across execve(2), under its number.
///
/// # Errors
/// None for an open descriptor.
pub fn keep_across_exec(file: impl AsFd) -> Result<()> {
    rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty())
}

/// Lets a descriptor, one that was inherited, end with execve.
///
/// # Errors
/// What fcntl(2) says.
pub fn close_on_exec(file: impl AsFd) -> Result<()> {
    rustix::io::fcntl_setfd(file, rustix::io::FdFlags::CLOEXEC)
}

/// Reads a file of procfs or cgroupfs, which those print in one go, into `buffer`.
///
/// # Errors
/// `EFBIG` if it fills the buffer, so that there may be more, else what openat(2) and read(2)
/// say.
pub fn read_into<'b>(
    dir: BorrowedFd<'_>,
    path: impl Arg,
    buffer: &'b mut [u8],
) -> Result<&'b [u8]> {
    let file = open_read(dir, path)?;
    let read = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut *buffer))?;
    if read == buffer.len() { Err(Errno::FBIG) } else { Ok(&buffer[..read]) }
}

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
/// `EFBIG` if it is larger, else what openat(2) and read(2) say.
pub fn read_limited(dir: BorrowedFd<'_>, path: impl Arg, limit: usize) -> Result<Vec<u8>> {
    read_fd_limited(&open_read(dir, path)?, limit)
}

/// As [`read_limited`], of a regular file, whose end is where less comes than was asked for.
///
/// # Errors
/// As [`read_limited`].
pub fn read_regular(dir: BorrowedFd<'_>, path: impl Arg, limit: usize) -> Result<Vec<u8>> {
    read_until(&open_read(dir, path)?, limit, |read, room| read < room)
}

/// As [`read_limited`], of a file that somebody else may have put there: nothing is waited for, at no
/// FIFO and no device.
///
/// # Errors
/// As [`read_limited`], and `EAGAIN`.
pub fn read_foreign_limited(dir: BorrowedFd<'_>, path: impl Arg, limit: usize) -> Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    read_fd_limited(&rustix::fs::openat(dir, path, flags, Mode::empty())?, limit)
}

/// Reads the rest of an open file of at most `limit` bytes.
///
/// # Errors
/// `EFBIG` if it is larger, else what read(2) says.
pub fn read_fd_limited(file: impl AsFd, limit: usize) -> Result<Vec<u8>> {
    read_until(file, limit, |read, _| read == 0)
}

/// Reads until `is_end` says so of how many bytes came and how many there was room for.
fn read_until(
    file: impl AsFd,
    limit: usize,
    is_end: impl Fn(usize, usize) -> bool,
) -> Result<Vec<u8>> {
    let mut content = vec![0u8; 8192.min(limit + 1)];
    let mut filled = 0;
    loop {
        let room = content.len() - filled;
        let read = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut content[filled..]))?;
        filled += read;
        if filled > limit {
            return Err(Errno::FBIG);
        }
        if is_end(read, room) {
            break;
        }
        if filled == content.len() {
            content.resize((content.len() * 4).min(limit + 1), 0);
        }
    }
    content.truncate(filled);
    Ok(content)
}

/// Reads once from an open file: how many bytes came.
///
/// # Errors
/// What read(2) says.
pub fn read_some(file: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut *buffer))
}

/// Writes `content` to an existing file in one call, as procfs and cgroupfs want it.
///
/// # Errors
/// `EIO` for a short write, else what openat(2) and write(2) say.
pub fn write_existing(dir: BorrowedFd<'_>, path: impl Arg, content: &[u8]) -> Result<()> {
    let file = rustix::fs::openat(dir, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    match rustix::io::write(&file, content) {
        Ok(n) if n == content.len() => Ok(()),
        Ok(_) => Err(Errno::IO),
        Err(errno) => Err(errno),
    }
}

/// Writes all of `content` to an open file.
///
/// # Errors
/// What write(2) says.
pub fn write_all(file: impl AsFd, mut content: &[u8]) -> Result<()> {
    while !content.is_empty() {
        match rustix::io::write(&file, content) {
            Ok(n) => content = &content[n..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Makes a new file with all of `content`, or none: a failure removes it.
///
/// # Errors
/// `EEXIST` if the name is taken, else what openat(2) and write(2) say.
pub fn create_new(dir: BorrowedFd<'_>, name: &str, mode: u32, content: &[u8]) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(mode))?;
    write_all(&file, content).inspect_err(|_| {
        let _ = rustix::fs::unlinkat(dir, name, AtFlags::empty());
    })
}

/// Puts `content` in place of `name` atomically: readers see the old file or the new one.
///
/// # Errors
/// What openat(2), write(2) and renameat(2) say; the old file is then untouched.
pub fn replace(dir: BorrowedFd<'_>, name: &str, mode: u32, content: &[u8]) -> Result<()> {
    let temporary = format!(".{name}.{}", std::process::id());
    match create_new(dir, &temporary, mode, content) {
        // Of a process that had this pid and was killed here.
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(dir, &temporary, AtFlags::empty())?;
            create_new(dir, &temporary, mode, content)?;
        }
        other => other?,
    }
    rustix::fs::renameat(dir, &temporary, dir, name)
}

/// Makes a directory.
///
/// # Errors
/// What mkdirat(2) says.
pub fn mkdir(dir: BorrowedFd<'_>, path: impl Arg, mode: u32) -> Result<()> {
    rustix::fs::mkdirat(dir, path, Mode::from_raw_mode(mode))
}

/// Removes a file.
///
/// # Errors
/// What unlinkat(2) says.
pub fn unlink(dir: BorrowedFd<'_>, path: impl Arg) -> Result<()> {
    rustix::fs::unlinkat(dir, path, AtFlags::empty())
}

/// Removes an empty directory.
///
/// # Errors
/// What unlinkat(2) says.
pub fn rmdir(dir: BorrowedFd<'_>, path: impl Arg) -> Result<()> {
    rustix::fs::unlinkat(dir, path, AtFlags::REMOVEDIR)
}

/// Takes the exclusive advisory lock of an open file, waiting for it.
///
/// # Errors
/// What flock(2) says.
pub fn lock(file: impl AsFd) -> Result<()> {
    loop {
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Makes the directory behind `dir` the working directory.
///
/// # Errors
/// What fchdir(2) says.
pub fn enter_dir(dir: impl AsFd) -> Result<()> {
    rustix::process::fchdir(dir)
}

/// Makes `path` the working directory.
///
/// # Errors
/// What chdir(2) says.
pub fn change_dir(path: impl Arg) -> Result<()> {
    rustix::process::chdir(path)
}

/// Makes the working directory the root.
///
/// # Errors
/// What chroot(2) says.
pub fn chroot_here() -> Result<()> {
    rustix::process::chroot(c".")
}

/// Whether the working directory lies beneath the root: the kernel names one that doesn't with
/// a leading `(unreachable)`.
///
/// # Errors
/// `ENOENT` if the working directory has been removed.
pub fn working_dir_is_reachable() -> Result<bool> {
    let path = rustix::process::getcwd(Vec::new())?;
    Ok(path.to_bytes().first() == Some(&b'/'))
}

/// Whether the caller's effective ids may execute `path`.
///
/// # Errors
/// `EACCES` if not, `EISDIR` for a directory, else what stat(2) says.
pub fn check_executable(path: impl Arg + Copy) -> Result<()> {
    let stat = rustix::fs::statat(CWD, path, AtFlags::empty())?;
    if stat.st_mode & libc::S_IFMT == libc::S_IFDIR {
        return Err(Errno::ISDIR);
    }
    rustix::fs::accessat(CWD, path, rustix::fs::Access::EXEC_OK, AtFlags::EACCESS)
}

/// Takes the shared advisory lock of an open file and gives it up at once.
///
/// # Errors
/// `EAGAIN` if somebody holds the exclusive one.
pub fn try_lock_shared(file: impl AsFd) -> Result<()> {
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared)?;
    unlock(file)
}

/// Takes the exclusive advisory lock of an open file.
///
/// # Errors
/// `EAGAIN` if somebody holds one.
pub fn try_lock(file: impl AsFd) -> Result<()> {
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
}

/// Gives an advisory lock up, also for copies of the descriptor in other processes.
///
/// # Errors
/// What flock(2) says.
pub fn unlock(file: impl AsFd) -> Result<()> {
    rustix::fs::flock(file, rustix::fs::FlockOperation::Unlock)
}

/// Whether two descriptors are of one file.
///
/// # Errors
/// What fstat(2) says.
pub fn is_same(one: impl AsFd, other: impl AsFd) -> Result<bool> {
    let (one, other) = (rustix::fs::fstat(one)?, rustix::fs::fstat(other)?);
    Ok(one.st_dev == other.st_dev && one.st_ino == other.st_ino)
}

/// Whether there is anything of this name.
#[must_use]
pub fn exists(dir: BorrowedFd<'_>, path: impl Arg) -> bool {
    rustix::fs::statat(dir, path, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

/// Whether what is open has no name any more.
///
/// # Errors
/// What fstat(2) says.
pub fn is_removed(file: impl AsFd) -> Result<bool> {
    Ok(rustix::fs::fstat(file)?.st_nlink == 0)
}

/// What kind of file a descriptor is, and which device a node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The `S_IFMT` bits of the mode.
    pub format: u32,
    /// Device number of a node (`st_rdev`).
    pub device: u64,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Inode number.
    pub inode: u64,
    /// Device the file lies on.
    pub on_device: u64,
}

impl Kind {
    /// True for a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.format == libc::S_IFDIR
    }

    /// True for a pipe or a FIFO.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.format == libc::S_IFIFO
    }

    /// True for a device, a FIFO or a socket.
    #[must_use]
    pub fn is_special(&self) -> bool {
        matches!(self.format, libc::S_IFCHR | libc::S_IFBLK | libc::S_IFIFO | libc::S_IFSOCK)
    }

    /// True for the character device `major:minor`.
    #[must_use]
    pub fn is_char_device(&self, major: u32, minor: u32) -> bool {
        self.format == libc::S_IFCHR && self.device == rustix::fs::makedev(major, minor)
    }
}

/// Looks at an open file.
///
/// # Errors
/// What fstat(2) says.
pub fn kind(file: impl AsFd) -> Result<Kind> {
    let stat = rustix::fs::fstat(file)?;
    Ok(Kind {
        format: stat.st_mode & libc::S_IFMT,
        device: stat.st_rdev,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        inode: stat.st_ino,
        on_device: stat.st_dev,
    })
}

/// A file in memory that holds `content`, read from its start.
///
/// # Errors
/// What memfd_create(2) and write(2) say.
pub fn in_memory(name: &str, content: &[u8]) -> Result<OwnedFd> {
    let file = rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC)?;
    write_all(&file, content)?;
    rewind(&file)?;
    Ok(file)
}

/// Puts a file's offset back to its start.
///
/// # Errors
/// What lseek(2) says.
pub fn rewind(file: impl AsFd) -> Result<()> {
    rustix::fs::seek(file, rustix::fs::SeekFrom::Start(0)).map(drop)
}

/// The names in a directory, without `.` and `..`; names that are not UTF-8 are left out.
///
/// # Errors
/// What getdents(2) says.
pub fn list(dir: BorrowedFd<'_>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().to_str()
            && name != "."
            && name != ".."
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// A device number as the kernel packs it.
#[must_use]
pub fn device_number(major: u32, minor: u32) -> u64 {
    rustix::fs::makedev(major, minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_up_to_the_limit_and_not_a_byte_more() {
        let dir = tempfile::tempdir().unwrap();
        let at = open_dir(CWD, dir.path()).unwrap();
        create_new(at.as_fd(), "f", 0o600, &vec![7u8; 20_000]).unwrap();
        assert_eq!(read_limited(at.as_fd(), "f", 20_000).unwrap().len(), 20_000);
        assert_eq!(read_limited(at.as_fd(), "f", 19_999), Err(Errno::FBIG));
        assert_eq!(create_new(at.as_fd(), "f", 0o600, b""), Err(Errno::EXIST));
    }

    #[test]
    fn replace_leaves_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let at = open_dir(CWD, dir.path()).unwrap();
        replace(at.as_fd(), "f", 0o600, b"one").unwrap();
        replace(at.as_fd(), "f", 0o600, b"two").unwrap();
        assert_eq!(read_limited(at.as_fd(), "f", 10).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
