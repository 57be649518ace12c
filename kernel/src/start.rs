//! A program's first steps, in place of those of Rust's standard library.
//!
//! The library prepares for what a small program has no use for: it reads the maps of its memory,
//! makes a second stack and catches faults, some ten calls. A program that executes itself again
//! ([`crate::exe`]) pays for that twice.

#![expect(unsafe_code, reason = "the C library passes a program's arguments as pointers")]

use crate::{Errno, Result, exe};
use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::fd::{BorrowedFd, IntoRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// What a program is made of.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Whether a call with these arguments, the program's name first, must not run from a file
    /// that others can write ([`exe::is_protected`]).
    pub wants_protection: fn(&mut dyn Iterator<Item = &CStr>) -> bool,
    /// Everything else: from the words of the command line, the program's name first, and the
    /// reason why it could not be protected, to the exit code. Not every C library lets the
    /// standard library know the words.
    pub main: fn(&[OsString], Result<()>) -> u8,
}

/// Makes a [`Program`] the program: defines the C library's `main`.
#[macro_export]
macro_rules! program {
    ($program:expr) => {
        #[doc(hidden)]
        #[expect(unsafe_code, reason = "the C library looks for this name")]
        // SAFETY: `main` is the program's to define, and the C library's to call, like this.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn main(
            count: ::core::ffi::c_int,
            arguments: *const *const ::core::ffi::c_char,
            variables: *const *const ::core::ffi::c_char,
        ) -> ::core::ffi::c_int {
            // SAFETY: these are the pointers of the process's start.
            unsafe { $crate::start::enter(&$program, count, arguments, variables) }
        }
    };
}

/// Runs `program`, with the arguments of C's `main`.
///
/// # Safety
/// `arguments` and `variables` are arrays of strings that end in null, valid forever; `count` is
/// the length of the first.
#[doc(hidden)]
#[must_use]
pub unsafe fn enter(
    program: &Program,
    count: c_int,
    arguments: *const *const c_char,
    variables: *const *const c_char,
) -> c_int {
    let count = usize::try_from(count).unwrap_or_default();
    // SAFETY: the caller vouches for `count` pointers.
    let pointers = unsafe { std::slice::from_raw_parts(arguments, count) };
    // SAFETY: the caller vouches for each string.
    let words = || pointers.iter().map(|word| unsafe { CStr::from_ptr(*word) });
    let mut protected = Ok(());
    if (program.wants_protection)(&mut words()) {
        protected = exe::is_protected().and_then(|is_protected| {
            if is_protected {
                return Ok(());
            }
            // SAFETY: the caller vouches for both arrays.
            Err(unsafe { exe::protect(arguments, variables) })
        });
    }
    if let Err(errno) = open_standard_streams() {
        protected = protected.and(Err(errno));
    }
    crate::signal::ignore_broken_pipes();
    // Whoever ignores it never learns how a child ended.
    crate::signal::set_default(libc::SIGCHLD);
    let words: Vec<OsString> =
        words().map(|word| OsStr::from_bytes(word.to_bytes()).to_owned()).collect();
    let code = (program.main)(&words, protected);
    #[expect(clippy::exit, reason = "this is where the program ends; output is flushed")]
    std::process::exit(code.into())
}

/// Which of standard input, output and error were `/dev/null` when the program started, a bit for each.
static NULL_STREAMS: AtomicU8 = AtomicU8::new(0);

/// The standard streams that were the host's `/dev/null` when the program started.
pub fn null_streams() -> impl Iterator<Item = RawFd> {
    let found = NULL_STREAMS.load(Ordering::Relaxed);
    (0..3).filter(move |number| found & 1 << number != 0)
}

/// The inode of each of standard input, output and error that was a pipe when the program started,
/// else 0.
static PIPES: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// The inodes of the standard streams that were pipes when the program started, 0 for the others.
#[must_use]
pub fn pipes() -> [u64; 3] {
    PIPES.each_ref().map(|inode| inode.load(Ordering::Relaxed))
}

/// `PIPEFS_MAGIC`.
const PIPEFS: u64 = 0x5049_5045;

/// Opens `/dev/null` where standard input, output or error is closed: no file that the program
/// opens may be taken for one of them.
fn open_standard_streams() -> Result<()> {
    for (number, pipe) in (0..).zip(&PIPES) {
        // SAFETY: the number is only looked at, which says of a closed one that it is.
        let stream = unsafe { BorrowedFd::borrow_raw(number) };
        let is_null = match crate::file::kind(stream) {
            Ok(kind) => {
                // A FIFO of a file system is no pipe.
                let is_pipe = kind.is_fifo()
                    && crate::mount::filesystem_info(stream).is_ok_and(|i| i.magic == PIPEFS);
                pipe.store(if is_pipe { kind.inode } else { 0 }, Ordering::Relaxed);
                kind.is_char_device(1, 3)
            }
            Err(Errno::BADF) => {
                // The lowest free number: theirs, as they are looked at in order.
                let flags = rustix::fs::OFlags::RDWR;
                let null = rustix::fs::open(c"/dev/null", flags, rustix::fs::Mode::empty())?;
                let _ = null.into_raw_fd();
                true
            }
            Err(_) => false,
        };
        NULL_STREAMS.fetch_or(u8::from(is_null) << number, Ordering::Relaxed);
    }
    Ok(())
}
