//! Landlock: a process gives up access to files, ports and other processes, for itself and its
//! descendants (landlock(7)).

#![expect(unsafe_code, reason = "neither rustix nor libc has wrappers for landlock")]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use bitflags::bitflags;

use crate::{Errno, Result, check};

bitflags! {
    /// `LANDLOCK_ACCESS_FS_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct FsAccess: u64 {
        /// Execute a file.
        const EXECUTE = 1 << 0;
        /// Open a file for writing.
        const WRITE_FILE = 1 << 1;
        /// Open a file for reading.
        const READ_FILE = 1 << 2;
        /// List a directory.
        const READ_DIR = 1 << 3;
        /// Remove an empty directory.
        const REMOVE_DIR = 1 << 4;
        /// Unlink a file.
        const REMOVE_FILE = 1 << 5;
        /// Make a character device.
        const MAKE_CHAR = 1 << 6;
        /// Make a directory.
        const MAKE_DIR = 1 << 7;
        /// Make a regular file.
        const MAKE_REG = 1 << 8;
        /// Make a socket.
        const MAKE_SOCK = 1 << 9;
        /// Make a FIFO.
        const MAKE_FIFO = 1 << 10;
        /// Make a block device.
        const MAKE_BLOCK = 1 << 11;
        /// Make a symbolic link.
        const MAKE_SYM = 1 << 12;
        /// Link or rename between directories. ABI 2.
        const REFER = 1 << 13;
        /// Truncate a file. ABI 3.
        const TRUNCATE = 1 << 14;
        /// ioctl on devices opened later. ABI 5.
        const IOCTL_DEV = 1 << 15;
    }

    /// `LANDLOCK_ACCESS_NET_*`. ABI 4.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct NetAccess: u64 {
        /// Bind a TCP socket.
        const BIND_TCP = 1 << 0;
        /// Connect a TCP socket.
        const CONNECT_TCP = 1 << 1;
    }

    /// `LANDLOCK_SCOPE_*`. ABI 6.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Scope: u64 {
        /// No connection to abstract sockets of processes outside.
        const ABSTRACT_UNIX_SOCKET = 1 << 0;
        /// No signal to processes outside.
        const SIGNAL = 1 << 1;
    }
}

impl FsAccess {
    /// Returns what the kernel can restrict with `abi`: it refuses a ruleset that names more.
    #[must_use]
    pub fn known_to(abi: Abi) -> Self {
        let since = |version, access| if abi.0 >= version { access } else { Self::empty() };
        Self::all().difference(Self::REFER | Self::TRUNCATE | Self::IOCTL_DEV)
            | since(2, Self::REFER)
            | since(3, Self::TRUNCATE)
            | since(5, Self::IOCTL_DEV)
    }

    /// What a rule can give on something that is no directory; more is `EINVAL`.
    pub const ON_FILES: Self = Self::EXECUTE
        .union(Self::WRITE_FILE)
        .union(Self::READ_FILE)
        .union(Self::TRUNCATE)
        .union(Self::IOCTL_DEV);
}

/// A version of landlock: 1 came with Linux 5.13, 2 with 5.19, 3 with 6.2, 4 with 6.7, 5 with 6.10,
/// 6 with 6.12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Abi(pub u32);

/// What a ruleset takes away, where no rule gives it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handled {
    /// On files.
    pub fs: FsAccess,
    /// On ports.
    pub net: NetAccess,
    /// On processes; no rule gives it back.
    pub scope: Scope,
}

/// Rules that [`restrict_self`] puts into force.
#[derive(Debug)]
pub struct Ruleset(OwnedFd);

#[repr(C)]
struct RulesetAttr {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

#[repr(C, packed)]
struct PathBeneathAttr {
    allowed_access: u64,
    parent_fd: RawFd,
}

#[repr(C)]
struct NetPortAttr {
    allowed_access: u64,
    port: u64,
}

const CREATE_RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: libc::c_int = 1;
const RULE_NET_PORT: libc::c_int = 2;

/// Returns the version of landlock this kernel has.
///
/// # Errors
/// `ENOSYS` if it was built without, `EOPNOTSUPP` if it was booted without.
pub fn probe_abi() -> Result<Abi> {
    let none = std::ptr::null::<RulesetAttr>();
    // SAFETY: with the VERSION flag the kernel demands a null pointer of size 0 and only answers.
    let ret = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, none, 0usize, CREATE_RULESET_VERSION)
    };
    let version = u32::try_from(check(ret)?).map_err(|_| Errno::OPNOTSUPP)?;
    Ok(Abi(version))
}

/// Creates a ruleset without rules: everything `handled` is denied.
///
/// Kernel: landlock_create_ruleset(2), Linux 5.13. No fallback.
///
/// # Errors
/// `EINVAL` or `E2BIG` if `handled` names what this kernel's version lacks, `ENOMSG` if it names
/// nothing; `ENOSYS` and `EOPNOTSUPP` as [`probe_abi`].
pub fn create_ruleset(handled: Handled) -> Result<Ruleset> {
    let attr = RulesetAttr {
        handled_access_fs: handled.fs.bits(),
        handled_access_net: handled.net.bits(),
        scoped: handled.scope.bits(),
    };
    let size = size_of_val(&attr);
    // SAFETY: the kernel reads `size` bytes of `attr`, all initialised, and keeps no pointer to it.
    let ret =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attr, size, 0u32) };
    let fd = RawFd::try_from(check(ret)?).map_err(|_| Errno::BADF)?;
    // SAFETY: success returns a descriptor that was just made for us.
    Ok(Ruleset(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// Gives `access` back on what `path` is open on, and on all beneath it.
///
/// # Errors
/// `EINVAL` if the ruleset doesn't handle `access`, or `path` is no directory and `access` makes
/// sense on directories only; `EBADFD` if `path` is on a file system without inodes of its own.
pub fn allow_beneath(ruleset: &Ruleset, path: impl AsFd, access: FsAccess) -> Result<()> {
    let attr =
        PathBeneathAttr { allowed_access: access.bits(), parent_fd: path.as_fd().as_raw_fd() };
    let fd = ruleset.0.as_raw_fd();
    // SAFETY: both descriptors are borrowed for the call, and the kernel reads as many bytes of
    // `attr` as its packed layout has.
    let ret = unsafe {
        libc::syscall(libc::SYS_landlock_add_rule, fd, RULE_PATH_BENEATH, &raw const attr, 0u32)
    };
    check(ret).map(drop)
}

/// Gives `access` back on a TCP port.
///
/// # Errors
/// `EINVAL` if the ruleset doesn't handle `access`, `EAFNOSUPPORT` without TCP.
pub fn allow_port(ruleset: &Ruleset, port: u16, access: NetAccess) -> Result<()> {
    let attr = NetPortAttr { allowed_access: access.bits(), port: port.into() };
    let fd = ruleset.0.as_raw_fd();
    // SAFETY: the descriptor is borrowed for the call; the kernel reads the 16 bytes of `attr`.
    let ret = unsafe {
        libc::syscall(libc::SYS_landlock_add_rule, fd, RULE_NET_PORT, &raw const attr, 0u32)
    };
    check(ret).map(drop)
}

/// Puts the rules into force for the calling thread and what it starts.
///
/// # Errors
/// `EPERM` without no_new_privs or CAP_SYS_ADMIN in its user namespace; `E2BIG` after 16 layers.
pub fn restrict_self(ruleset: &Ruleset) -> Result<()> {
    // SAFETY: a borrowed descriptor and a zero. What it does to later calls is never unsafe.
    let ret =
        unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.0.as_raw_fd(), 0u32) };
    check(ret).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::ErrorKind;
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_reads_and_writes_only_where_it_may() {
        let abi = match probe_abi() {
            Ok(abi) => abi,
            Err(errno) => {
                let why = format!("landlock: {errno}");
                assert!(std::env::var_os("REQUIRE_ALL").is_none(), "{why}");
                return eprintln!("skipped: {why}");
            }
        };
        let dir = tempfile::tempdir().unwrap();
        let (open, closed) = (dir.path().join("open"), dir.path().join("closed"));
        for sub in [&open, &closed] {
            fs::create_dir(sub).unwrap();
            fs::write(sub.join("file"), "x").unwrap();
        }
        // Only the thread is restricted.
        let restricted = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let fs = FsAccess::known_to(abi);
                let handled = Handled { fs, net: NetAccess::empty(), scope: Scope::empty() };
                let ruleset = create_ruleset(handled)?;
                allow_beneath(&ruleset, File::open(&open).unwrap(), fs)?;
                let file = File::open(closed.join("file")).unwrap();
                assert_eq!(allow_beneath(&ruleset, &file, fs), Err(Errno::INVAL));
                rustix::thread::set_no_new_privs(true)?;
                restrict_self(&ruleset)?;
                assert!(fs::write(open.join("new"), "y").is_ok());
                let read = fs::read(closed.join("file")).unwrap_err();
                assert_eq!(read.kind(), ErrorKind::PermissionDenied);
                let write = fs::write(closed.join("new"), "y").unwrap_err();
                assert_eq!(write.kind(), ErrorKind::PermissionDenied);
                Ok::<(), Errno>(())
            });
            thread.join().unwrap()
        });
        assert_eq!(restricted, Ok(()));
        assert_eq!(fs::read(closed.join("file")).unwrap(), b"x");
    }

    #[test]
    fn an_unknown_access_is_refused() {
        if probe_abi().is_err() {
            return eprintln!("skipped: no landlock");
        }
        let fs = FsAccess::from_bits_retain(1 << 62);
        let handled = Handled { fs, net: NetAccess::empty(), scope: Scope::empty() };
        assert_eq!(create_ruleset(handled).unwrap_err(), Errno::INVAL);
    }
}
