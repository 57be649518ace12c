//! Linux system calls as safe functions, a file per kernel object.
//!
//! The only crate of the workspace with `unsafe`. It knows no OCI word and makes no policy: a
//! wrapper is one call, plus the fallback for kernels that lack it.
//!
//! Results are [`Errno`], which a child process can report without allocating.

#![deny(unsafe_code)]

pub mod beside;
pub mod bpf;
pub mod cgroupfs;
pub mod exe;
pub mod file;
pub mod heap;
pub mod identity;
pub mod inherited;
pub mod landlock;
pub mod mount;
pub mod namespace;
pub mod netdev;
pub mod poll;
pub mod process;
pub mod pty;
pub mod received;
pub mod rootdir;
pub mod schedule;
pub mod seccomp;
pub mod signal;
pub mod start;
pub mod stream;
pub mod terminal;
pub mod tree;
pub mod unix_socket;
pub mod verity;
pub mod writeback;

pub use rustix::io::Errno;

/// What a system call returns.
pub type Result<T> = core::result::Result<T, Errno>;

/// What an error means, in the words of glibc's strerror(3) and in lower case, as Go says it:
/// callers look for them so, whatever C library this is built with.
#[must_use]
pub fn error_text(errno: Errno) -> String {
    if let Some((_, text)) = GLIBC_TEXTS.iter().find(|(error, _)| *error == errno) {
        return (*text).to_owned();
    }
    let text = std::io::Error::from_raw_os_error(errno.raw_os_error()).to_string();
    let text = text.split(" (os error").next().unwrap_or_default().to_owned();
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => text,
    }
}

/// Where musl has other words.
const GLIBC_TEXTS: &[(Errno, &str)] = &[
    (Errno::ADDRINUSE, "address already in use"),
    (Errno::BUSY, "device or resource busy"),
    (Errno::CHILD, "no child processes"),
    (Errno::DQUOT, "disk quota exceeded"),
    (Errno::IO, "input/output error"),
    (Errno::LOOP, "too many levels of symbolic links"),
    (Errno::MFILE, "too many open files"),
    (Errno::NAMETOOLONG, "file name too long"),
    (Errno::NOMEM, "cannot allocate memory"),
    (Errno::NOTTY, "inappropriate ioctl for device"),
    (Errno::OPNOTSUPP, "operation not supported"),
    (Errno::OVERFLOW, "value too large for defined data type"),
    (Errno::RANGE, "numerical result out of range"),
    (Errno::SPIPE, "illegal seek"),
    (Errno::TIMEDOUT, "connection timed out"),
    (Errno::USERS, "too many users"),
    (Errno::XDEV, "invalid cross-device link"),
];

/// Turns the return value of a raw system call into a result.
fn check(ret: libc::c_long) -> Result<libc::c_long> {
    if ret < 0 { Err(last_errno()) } else { Ok(ret) }
}

/// The calling thread's errno.
fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// nix and rustix number errors alike; this crosses from one to the other.
fn from_nix(errno: nix::errno::Errno) -> Errno {
    Errno::from_raw_os_error(errno as i32)
}

#[cfg(test)]
mod tests {
    use super::{GLIBC_TEXTS, error_text};

    #[test]
    #[cfg(target_env = "gnu")]
    fn errors_have_the_words_of_glibc() {
        assert_eq!(error_text(super::Errno::PERM), "operation not permitted");
        for (errno, text) in GLIBC_TEXTS {
            let own = std::io::Error::from_raw_os_error(errno.raw_os_error()).to_string();
            assert_eq!(format!("{text} (os error {})", errno.raw_os_error()), own.to_lowercase());
        }
    }
}
