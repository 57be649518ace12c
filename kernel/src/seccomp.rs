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
    // The kernel takes 32 bits and would not see the others.
    let bits = u32::try_from(flags.bits()).map_err(|_| Errno::INVAL)?;
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
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0u32, &raw const action)
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
    let Ok(bits) = u32::try_from(bits.bits()) else { return false };
    let none = std::ptr::null::<libc::sock_fprog>();
    // SAFETY: a null program: the kernel fails to read it and does nothing.
    let ret =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, bits, none) };
    check(ret) == Err(Errno::FAULT)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::thread;

    use super::*;

    const LOAD: u16 = 0x20;
    const EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;

    /// Answers getppid(2) with `verdict`, and lets everything else through.
    fn on_getppid(verdict: u32) -> [SockFilter; 4] {
        let number = u32::try_from(libc::SYS_getppid).unwrap();
        let instruction = |code, jt, jf, k| SockFilter { code, jt, jf, k };
        [
            instruction(LOAD, 0, 0, 0),
            instruction(EQUAL, 0, 1, number),
            instruction(RETURN, 0, 0, verdict),
            instruction(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        ]
    }

    fn getppid() -> Result<libc::c_long> {
        // SAFETY: getppid takes nothing and touches nothing.
        check(unsafe { libc::syscall(libc::SYS_getppid) })
    }

    /// Runs `test` in a thread of its own, which keeps its filter to itself.
    fn in_thread<T: Send>(test: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                rustix::thread::set_no_new_privs(true).unwrap();
                test()
            });
            thread.join().unwrap()
        })
    }

    #[test]
    fn an_instruction_is_laid_out_as_the_kernels() {
        assert_eq!(size_of::<SockFilter>(), size_of::<libc::sock_filter>());
        assert_eq!(align_of::<SockFilter>(), align_of::<libc::sock_filter>());
        assert_eq!(std::mem::offset_of!(SockFilter, k), std::mem::offset_of!(libc::sock_filter, k));
    }

    #[test]
    fn a_filter_answers_for_the_kernel() {
        let verdict = libc::SECCOMP_RET_ERRNO | 77;
        let answer = in_thread(|| {
            assert!(set_filter(&on_getppid(verdict), FilterFlags::LOG).unwrap().is_none());
            getppid()
        });
        assert_eq!(answer, Err(Errno::from_raw_os_error(77)));
        assert!(getppid().is_ok(), "the filter stayed in its thread");
    }

    #[test]
    fn a_listener_is_returned_when_asked_for() {
        in_thread(|| {
            let program = on_getppid(libc::SECCOMP_RET_USER_NOTIF);
            let flags = FilterFlags::NEW_LISTENER | FilterFlags::WAIT_KILLABLE_RECV;
            let listener = set_filter(&program, flags).unwrap().unwrap();
            let link = std::fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd()));
            assert_eq!(link.unwrap().to_str(), Some("anon_inode:seccomp notify"));
            assert_eq!(set_filter(&program, flags).unwrap_err(), Errno::BUSY);
            drop(listener);
            assert_eq!(getppid(), Err(Errno::NOSYS), "nobody listens any more");
        });
    }

    #[test]
    fn a_program_the_verifier_refuses_is_an_error() {
        in_thread(|| {
            let endless = [SockFilter { code: LOAD, jt: 0, jf: 0, k: 0 }];
            assert_eq!(set_filter(&endless, FilterFlags::empty()).unwrap_err(), Errno::INVAL);
            assert_eq!(set_filter(&[], FilterFlags::empty()).unwrap_err(), Errno::INVAL);
            let long = vec![on_getppid(0)[3]; MAX_INSTRUCTIONS + 1];
            assert_eq!(set_filter(&long, FilterFlags::empty()).unwrap_err(), Errno::INVAL);
            for bit in [30, 60] {
                let unknown = FilterFlags::from_bits_retain(1 << bit);
                assert_eq!(set_filter(&on_getppid(0), unknown).unwrap_err(), Errno::INVAL);
            }
        });
    }

    #[test]
    fn probes_find_the_known_and_only_that() {
        assert!(probe_action(libc::SECCOMP_RET_KILL_PROCESS));
        assert!(probe_action(libc::SECCOMP_RET_ERRNO | 5), "data bits don't matter");
        assert!(!probe_action(0x1234_0000));
        assert!(!flag_is_known(FilterFlags::from_bits_retain(1 << 30)));
        assert!(!flag_is_known(FilterFlags::from_bits_retain(1 << 60)));
        let all = FilterFlags::all();
        assert!(probe_flags(all).contains(FilterFlags::LOG | FilterFlags::NEW_LISTENER));
        assert!(getppid().is_ok(), "nothing was loaded");
    }
}
