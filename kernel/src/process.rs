//! Processes: clone3(2), pidfds, waiting, executing, and what prctl(2) sets.

#![expect(unsafe_code, reason = "clone3, execve, prctl and friends have no safe wrapper")]

use crate::{Errno, Result, check, from_nix};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

bitflags::bitflags! {
    /// The `CLONE_*` flags of clone3(2) and unshare(2) that make namespaces, and two modifiers.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct CloneFlags: u64 {
        /// New time namespace.
        const NEWTIME = 0x80;
        /// New mount namespace.
        const NEWNS = 0x0002_0000;
        /// The child's parent is the caller's parent.
        const PARENT = 0x0000_8000;
        /// New cgroup namespace.
        const NEWCGROUP = 0x0200_0000;
        /// New UTS namespace.
        const NEWUTS = 0x0400_0000;
        /// New IPC namespace.
        const NEWIPC = 0x0800_0000;
        /// New user namespace.
        const NEWUSER = 0x1000_0000;
        /// New pid namespace.
        const NEWPID = 0x2000_0000;
        /// New network namespace.
        const NEWNET = 0x4000_0000;
    }
}

/// libc's constant overflows its type.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// What clone3(2) gave.
#[derive(Debug)]
pub enum Cloned {
    /// In the new process.
    Child,
    /// In the calling process.
    Parent {
        /// As the caller's pid namespace sees it.
        pid: i32,
        /// Stays valid when the pid is reused.
        pidfd: OwnedFd,
    },
}

/// Makes a process that shares nothing with the caller but its descriptors' open files.
///
/// With `cgroup` the child starts inside that cgroup v2 directory.
///
/// Kernel: clone3(2), `CLONE_PIDFD`, Linux 5.3; `CLONE_INTO_CGROUP`, Linux 5.7. No fallback.
///
/// # Errors
/// `EBUSY` if the caller has more than one thread: the child of a threaded process may only
/// make async-signal-safe calls, and ours allocates. Else what clone3(2) says.
pub fn clone3(flags: CloneFlags, cgroup: Option<BorrowedFd<'_>>) -> Result<Cloned> {
    if thread_count()? != 1 {
        return Err(Errno::BUSY);
    }
    let mut pidfd: RawFd = -1;
    let with_exit_signal = !flags.contains(CloneFlags::PARENT);
    // SAFETY: an all-zero `clone_args` is the documented way to ask for nothing.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags.bits() | libc::CLONE_PIDFD as u64;
    args.pidfd = std::ptr::from_mut(&mut pidfd) as u64;
    args.exit_signal = if with_exit_signal { libc::SIGCHLD.cast_unsigned().into() } else { 0 };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(cgroup.as_raw_fd().cast_unsigned());
    }
    // SAFETY: without CLONE_VM the child runs on a copy of this memory, and the caller is its
    // only thread (checked above), so every lock and invariant of the process is as here.
    let ret = unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut args, std::mem::size_of::<libc::clone_args>())
    };
    match check(ret)? {
        0 => Ok(Cloned::Child),
        pid => {
            // SAFETY: the kernel stored a new descriptor here, and nobody else owns it.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Cloned::Parent { pid: i32::try_from(pid).map_err(|_| Errno::OVERFLOW)?, pidfd })
        }
    }
}

/// As [`clone3`] without flags, by way of the C library, which must know of a process that is to
/// have threads.
///
/// Kernel: pidfd_open(2), Linux 5.3. No fallback.
///
/// # Errors
/// `EBUSY` if the caller has more than one thread, else what fork(2) and pidfd_open(2) say.
pub fn fork() -> Result<Cloned> {
    if thread_count()? != 1 {
        return Err(Errno::BUSY);
    }
    // SAFETY: the caller is the only thread of its process, so that every lock and invariant in
    // the child is as here.
    match unsafe { nix::unistd::fork() }.map_err(from_nix)? {
        nix::unistd::ForkResult::Child => Ok(Cloned::Child),
        nix::unistd::ForkResult::Parent { child } => {
            let pid = child.as_raw();
            // Not reaped before it is waited for, so that the number is still its own.
            match pidfd_open(pid) {
                Ok(pidfd) => Ok(Cloned::Parent { pid, pidfd }),
                Err(errno) => {
                    let _ = nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL);
                    let _ = nix::sys::wait::waitpid(child, None);
                    Err(errno)
                }
            }
        }
    }
}

/// How many threads the caller has, by the link count of `/proc/self/task`.
fn thread_count() -> Result<u64> {
    let stat = rustix::fs::stat(c"/proc/self/task")?;
    Ok(stat.st_nlink.saturating_sub(2))
}

/// Opens a descriptor for the process `pid`.
///
/// Kernel: pidfd_open(2), Linux 5.3.
///
/// # Errors
/// `ESRCH` if there is no such process.
pub fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(pid).ok_or(Errno::SRCH)?;
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
}

/// The pid of the process behind `pidfd`, as the caller's pid namespace sees it.
///
/// # Errors
/// `ESRCH` if it has been reaped or can't be seen from here.
pub fn pid_of(pidfd: BorrowedFd<'_>) -> Result<i32> {
    let mut buffer = [0u8; 512];
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    let text = crate::file::read_into(crate::file::CWD, path.as_str(), &mut buffer)?;
    let text = std::str::from_utf8(text).map_err(|_| Errno::INVAL)?;
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    pid.filter(|pid| *pid > 0).ok_or(Errno::SRCH)
}

/// Sends signal `signal` to the process behind `pidfd`.
///
/// # Errors
/// `ESRCH` once it has been reaped.
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    // SAFETY: three integers and a null pointer go in; no memory of ours is touched.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    check(ret).map(drop)
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// exit(2) with this code.
    Code(i32),
    /// Killed by this signal.
    Signal(i32),
}

impl Exit {
    /// The shell's convention: 128 plus the signal number.
    #[must_use]
    pub fn shell_code(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}

/// Waits for the child behind `pidfd` and reaps it.
///
/// # Errors
/// `ECHILD` if it is not a child of the caller.
pub fn wait_pidfd(pidfd: BorrowedFd<'_>) -> Result<Exit> {
    wait_with(pidfd, rustix::process::WaitIdOptions::EXITED)
        .map(|exit| exit.unwrap_or(Exit::Code(0)))
}

/// Reaps the child behind `pidfd` if it has ended.
///
/// # Errors
/// `ECHILD` if it is not a child of the caller.
pub fn try_wait_pidfd(pidfd: BorrowedFd<'_>) -> Result<Option<Exit>> {
    use rustix::process::WaitIdOptions;
    wait_with(pidfd, WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
}

fn wait_with(
    pidfd: BorrowedFd<'_>,
    options: rustix::process::WaitIdOptions,
) -> Result<Option<Exit>> {
    // __WALL, because a child made with CLONE_PARENT sends no SIGCHLD.
    const WALL: u32 = libc::__WALL.cast_unsigned();
    let options = rustix::process::WaitIdOptions::from_bits_retain(options.bits() | WALL);
    loop {
        match rustix::process::waitid(rustix::process::WaitId::PidFd(pidfd), options) {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
            Ok(None) => return Ok(None),
            Ok(Some(status)) => {
                return Ok(status
                    .exit_status()
                    .map(Exit::Code)
                    .or_else(|| status.terminating_signal().map(Exit::Signal)));
            }
        }
    }
}

/// A vector of C strings with the null pointer that execve(2) wants at its end.
///
/// Built before clone3, so that the child has nothing left to allocate.
#[derive(Debug)]
pub struct StringVector {
    strings: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl StringVector {
    /// Takes the strings over.
    #[must_use]
    pub fn new(strings: Vec<CString>) -> StringVector {
        let mut pointers: Vec<_> = strings.iter().map(|s| s.as_ptr()).collect();
        pointers.push(std::ptr::null());
        StringVector { strings, pointers }
    }

    /// The strings in order.
    #[must_use]
    pub fn strings(&self) -> &[CString] {
        &self.strings
    }
}

/// Replaces the calling program; returns only on failure.
#[must_use]
pub fn execve(path: &CStr, args: &StringVector, env: &StringVector) -> Errno {
    // SAFETY: both vectors hold pointers to NUL-terminated strings they own, and end in null.
    unsafe { libc::execve(path.as_ptr(), args.pointers.as_ptr(), env.pointers.as_ptr()) };
    crate::last_errno()
}

/// Replaces the calling program by the file behind `file`; returns only on failure.
///
/// # Safety
/// `arguments` and `variables` are arrays of strings that end in null.
#[must_use]
pub(crate) unsafe fn fexecve(
    file: BorrowedFd<'_>,
    arguments: *const *const libc::c_char,
    variables: *const *const libc::c_char,
) -> Errno {
    // SAFETY: the caller vouches for both arrays; the path is the empty string that AT_EMPTY_PATH
    // asks for.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            file.as_raw_fd(),
            c"".as_ptr(),
            arguments,
            variables,
            libc::AT_EMPTY_PATH,
        )
    };
    crate::last_errno()
}

/// Ends the calling process at once: no destructors, no buffers flushed. Under a seccomp filter that
/// does not let it exit, it dies of `SIGILL`, pid 1 of a namespace too.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `exit_group` has no preconditions. It returns only if a filter forbids it; the C
    // library's `_exit` would then call it again and again.
    unsafe { libc::syscall(libc::SYS_exit_group, libc::c_long::from(code)) };
    trap()
}

/// Ends the process by an instruction that there isn't.
#[cfg(target_arch = "x86_64")]
fn trap() -> ! {
    // SAFETY: the fault is all that it does.
    unsafe { core::arch::asm!("ud2", options(noreturn, nomem, nostack)) }
}

#[cfg(not(target_arch = "x86_64"))]
fn trap() -> ! {
    std::process::abort()
}

/// Whether the process may be traced or have its memory read by its own user.
///
/// # Errors
/// None on Linux 2.4 and newer.
pub fn set_dumpable(dumpable: bool) -> Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(if dumpable {
        DumpableBehavior::Dumpable
    } else {
        DumpableBehavior::NotDumpable
    })
}

/// The signal this process gets when its parent thread ends; `None` for no signal.
///
/// # Errors
/// None for a valid signal.
pub fn set_parent_death_signal(signal: Option<i32>) -> Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes one integer.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal.unwrap_or(0)) }.into()).map(drop)
}

/// Makes orphans below the caller its children.
///
/// # Errors
/// None on Linux 3.4 and newer.
pub fn set_child_subreaper() -> Result<()> {
    // SAFETY: PR_SET_CHILD_SUBREAPER takes one integer.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) }.into()).map(drop)
}

/// Sets no_new_privs for good.
///
/// # Errors
/// None on Linux 3.5 and newer.
pub fn set_no_new_privileges() -> Result<()> {
    rustix::thread::set_no_new_privs(true)
}

/// Sets the name in `/proc/self/comm`.
///
/// # Errors
/// None.
pub fn set_name(name: &CStr) -> Result<()> {
    rustix::thread::set_name(name)
}

/// Marks every descriptor from `first` up close-on-exec.
///
/// Kernel: close_range(2) with `CLOSE_RANGE_CLOEXEC`, Linux 5.11.
/// Fallback: on `ENOSYS` or `EINVAL`, `/proc/self/fd` is walked.
///
/// # Errors
/// Of the fallback: what opening `/proc/self/fd` says.
pub fn set_cloexec_from(first: u32) -> Result<()> {
    // SAFETY: three integers go in and no memory of ours is touched. With the CLOEXEC flag
    // nothing is closed, so no `OwnedFd` or `BorrowedFd` is left dangling.
    let ret =
        unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    match check(ret) {
        Ok(_) => Ok(()),
        Err(Errno::NOSYS | Errno::INVAL) => set_cloexec_by_proc(first),
        Err(errno) => Err(errno),
    }
}

/// Closes every descriptor from `first` up but those of `keep`, for a process that is about to
/// wait for its execution, to execute or to exit: whatever owns the others must never be used or
/// dropped after this.
///
/// Close-on-exec alone comes too late: in execve(2), a process with CAP_SYS_PTRACE over the new
/// program's user namespace sees it with its old descriptors for a moment.
///
/// Kernel: close_range(2), Linux 5.9. Fallback: none, they are marked close-on-exec anyway.
pub fn close_all_but(first: u32, keep: &[BorrowedFd<'_>]) {
    let close = |from: u32, to: u32| {
        if from <= to {
            // SAFETY: three integers go in. The caller uses none of the descriptors that are
            // closed here.
            unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) };
        }
    };
    let mut keep: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd().cast_unsigned()).collect();
    keep.sort_unstable();
    let mut from = first;
    for fd in keep.into_iter().filter(|fd| *fd >= first) {
        if fd > from {
            close(from, fd - 1);
        }
        from = fd + 1;
    }
    close(from, u32::MAX);
}

fn set_cloexec_by_proc(first: u32) -> Result<()> {
    let to_errno = |e: std::io::Error| Errno::from_io_error(&e).unwrap_or(Errno::IO);
    for entry in std::fs::read_dir("/proc/self/fd").map_err(to_errno)? {
        let name = entry.map_err(to_errno)?.file_name();
        let Some(number) = name.to_str().and_then(|n| n.parse::<RawFd>().ok()) else { continue };
        if number.cast_unsigned() >= first {
            // SAFETY: F_SETFD on a number only sets a flag; a number closed since is EBADF.
            unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

/// Borrows descriptor `number`, which the caller inherited (`LISTEN_FDS`, `--preserve-fds`).
///
/// # Errors
/// `EBADF` if it is not open.
pub fn inherited_fd(number: RawFd) -> Result<BorrowedFd<'static>> {
    if number < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: F_GETFD on any number is harmless; it fails with EBADF if it is not open.
    check(unsafe { libc::fcntl(number, libc::F_GETFD) }.into())?;
    // SAFETY: just seen open, and descriptors the process was started with are never closed by
    // it, so it stays open as long as the process lives.
    Ok(unsafe { BorrowedFd::borrow_raw(number) })
}

/// Makes descriptor `number` a copy of `source`, open across execve.
///
/// # Errors
/// What dup2(2) says.
pub fn dup_onto(source: impl AsFd, number: RawFd) -> Result<()> {
    // SAFETY: `source` is open; `number` is one of the standard streams or a preserved
    // descriptor, none of which this program holds an `OwnedFd` for.
    check(unsafe { libc::dup2(source.as_fd().as_raw_fd(), number) }.into()).map(drop)
}

/// The caller's id in its own pid namespace.
#[must_use]
pub fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// Makes the caller the leader of a new session.
///
/// # Errors
/// `EPERM` if it leads a process group already.
pub fn setsid() -> Result<()> {
    rustix::process::setsid().map(drop)
}

/// Sets the file mode creation mask and returns the former one.
pub fn set_umask(mask: u32) -> u32 {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask)).as_raw_mode()
}

/// The time process `pid` started, in clock ticks since boot: field 22 of `/proc/PID/stat`.
///
/// Together with the pid it names a process for good.
///
/// # Errors
/// `ENOENT` or `ESRCH` if there is none, `EINVAL` if the file reads otherwise than proc(5) says.
pub fn start_time(pid: i32) -> Result<u64> {
    read_stat(pid).map(|stat| stat.start_time)
}

/// What of `/proc/PID/stat` matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcStat {
    /// The state letter: `R`, `S`, `Z`, `T`, ...
    pub state: u8,
    /// Parent's pid.
    pub parent: i32,
    /// Clock ticks since boot.
    pub start_time: u64,
}

/// Reads `/proc/PID/stat`.
///
/// # Errors
/// As [`start_time`].
pub fn read_stat(pid: i32) -> Result<ProcStat> {
    let mut buffer = [0u8; 1024];
    let path = format!("/proc/{pid}/stat");
    let text = crate::file::read_into(rustix::fs::CWD, path.as_str(), &mut buffer)?;
    parse_stat(text).ok_or(Errno::INVAL)
}

/// Parses `/proc/PID/stat`; the command name may hold spaces and parentheses.
#[must_use]
pub fn parse_stat(text: &[u8]) -> Option<ProcStat> {
    let text = std::str::from_utf8(&text[text.iter().rposition(|&b| b == b')')? + 1..]).ok()?;
    let mut fields = text.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let parent = fields.next()?.parse().ok()?;
    // Field 3 and 4 are taken; start time is field 22.
    let start_time = fields.nth(17)?.parse().ok()?;
    Some(ProcStat { state, parent, start_time })
}

/// Takes an execution domain (personality(2)).
///
/// # Errors
/// `EINVAL` for a value the kernel doesn't know.
pub fn set_personality(domain: libc::c_ulong) -> Result<()> {
    // SAFETY: one integer goes in.
    check(unsafe { libc::personality(domain) }.into()).map(drop)
}

/// Joins a new session keyring called `name`, and lets its possessor read and search it.
///
/// # Errors
/// `ENOSYS` on a kernel without keys, `EDQUOT` if the user has too many.
pub fn join_session_keyring(name: &CStr) -> Result<i32> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: the name is a NUL-terminated string that outlives the call.
    let ret =
        unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) };
    i32::try_from(check(ret)?).map_err(|_| Errno::OVERFLOW)
}

/// Adds `bits` to the permissions of key `serial` after masking with `mask`
/// (keyctl_setperm(3)).
///
/// # Errors
/// What keyctl(2) says.
pub fn set_keyring_permissions(serial: i32, permissions: u32) -> Result<()> {
    const KEYCTL_SETPERM: libc::c_long = 5;
    // SAFETY: three integers go in.
    let ret = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_SETPERM, serial, permissions) };
    check(ret).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_survives_a_hostile_command_name() {
        let text = b"7 (a) S 1 (b) ) Z 3 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 9 9";
        let stat = parse_stat(text).unwrap();
        assert_eq!(stat, ProcStat { state: b'Z', parent: 3, start_time: 4242 });
        assert_eq!(parse_stat(b"7 a S 1"), None);
    }

    #[test]
    fn own_start_time_is_stable() {
        let pid = std::process::id().cast_signed();
        assert_eq!(start_time(pid).unwrap(), start_time(pid).unwrap());
        assert_eq!(start_time(0x3fff_ffff), Err(Errno::NOENT));
    }
}
