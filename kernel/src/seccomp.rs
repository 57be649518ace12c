//! seccomp(2): loading a filter, and what this kernel knows of actions and flags.

#![expect(unsafe_code, reason = "rustix and libc have no seccomp(2) wrapper")]

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use crate::{Errno, Result, check};
use bitflags::bitflags;

/// The longest program the kernel takes (`BPF_MAXINSNS`).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// One instruction of classic BPF, laid out as the kernel's `struct sock_filter`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SockFilter {
    /// Operation.
    pub code: u16,
    /// Instructions skipped if a test holds.
    pub jt: u8,
    /// Instructions skipped if it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

bitflags! {
    /// `SECCOMP_FILTER_FLAG_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct FilterFlags: u64 {
        /// All threads of the process get the filter.
        const TSYNC = 1 << 0;
        /// Every action but allow is logged.
        const LOG = 1 << 1;
        /// No speculative store bypass mitigation.
        const SPEC_ALLOW = 1 << 2;
        /// A descriptor that receives notifications is returned.
        const NEW_LISTENER = 1 << 3;
        /// With `TSYNC`: a thread that diverged is `ESRCH`.
        const TSYNC_ESRCH = 1 << 4;
        /// A task whose notification was received waits killably.
        const WAIT_KILLABLE_RECV = 1 << 5;
    }
}

/// Loads a filter into the calling thread, and returns the listener if [`FilterFlags::NEW_LISTENER`]
/// asked for one.
///
/// Does not set no_new_privs: without it, the caller needs CAP_SYS_ADMIN in its user namespace.
///
/// Kernel: seccomp(2), Linux 3.17; `LOG` 4.14, `SPEC_ALLOW` 4.17, `NEW_LISTENER` 5.0,
/// `TSYNC_ESRCH` 5.7, `WAIT_KILLABLE_RECV` 5.19. No fallback.
///
/// # Errors
/// `EINVAL` for a program the kernel's verifier refuses, for one of no or more than
/// [`MAX_INSTRUCTIONS`] instructions, and for a flag it does not know; `EACCES` without
/// no_new_privs or CAP_SYS_ADMIN; `EBUSY` if there is a listener already.
pub fn set_filter(program: &[SockFilter], flags: FilterFlags) -> Result<Option<OwnedFd>> {
    let len = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let fprog =
        libc::sock_fprog { len, filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut() };
    let bits = flags.bits();
    // SAFETY: `fprog` points to `len` instructions that live in `program` for the whole call, with
    // the layout of `struct sock_filter` (`repr(C)`, checked by a test); the kernel copies and
    // verifies them, and writes nothing. A filter may make later system calls of this thread fail
    // or kill it, but never breaks memory safety.
    let ret = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, bits, &raw const fprog)
    };
    let ret = check(ret)?;
    if flags.contains(FilterFlags::NEW_LISTENER) {
        let fd = RawFd::try_from(ret).map_err(|_| Errno::BADF)?;
        // SAFETY: with NEW_LISTENER a success returns a descriptor that was just made for us.
        Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }))
    } else if ret == 0 {
        Ok(None)
    } else {
        // With TSYNC and without TSYNC_ESRCH a positive result is the thread that could not follow.
        Err(Errno::SRCH)
    }
}

/// Tells whether the kernel knows the action `SECCOMP_RET_*` (its data bits are ignored).
///
/// Kernel: `SECCOMP_GET_ACTION_AVAIL`, Linux 4.14; before it, `false` for every action.
#[must_use]
pub fn probe_action(action: u32) -> bool {
    let action: u32 = action & libc::SECCOMP_RET_ACTION_FULL;
    // SAFETY: the kernel reads the four bytes of `action`, which outlives the call, and no more.
    let ret = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0u64, &raw const action)
    };
    ret == 0
}

/// Returns those of `flags` that the kernel knows. Loads nothing.
///
/// A null program is looked at after the flags are: `EFAULT` means they were accepted.
#[must_use]
pub fn probe_flags(flags: FilterFlags) -> FilterFlags {
    flags.iter().filter(|flag| flag_is_known(*flag)).collect()
}

fn flag_is_known(flag: FilterFlags) -> bool {
    // Two flags are refused alone.
    let bits = flag
        | match flag {
            FilterFlags::WAIT_KILLABLE_RECV => FilterFlags::NEW_LISTENER,
            FilterFlags::TSYNC_ESRCH => FilterFlags::TSYNC,
            _ => FilterFlags::empty(),
        };
    let none = std::ptr::null::<libc::sock_fprog>();
    // SAFETY: a null program: the kernel fails to read it and does nothing.
    let ret = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, bits.bits(), none)
    };
    check(ret) == Err(Errno::FAULT)
}
