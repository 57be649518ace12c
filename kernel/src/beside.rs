//! A network namespace that a process beside the caller makes.
//!
//! That process shares memory and descriptors with the caller, and nothing else: unlike a thread it
//! holds no lock of the C library, and the caller may be cloned meanwhile.

#![expect(unsafe_code, reason = "clone(2) on a stack of its own, and what that process shares")]

use crate::{Result, from_nix, netdev};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;
use rustix::fs::{Mode, OFlags};
use rustix::thread::UnshareFlags;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

/// Room for a few calls to the kernel.
const STACK_BYTES: usize = 16 << 10;
/// In place of a descriptor: not made yet.
const PENDING: RawFd = -2;
/// In place of a descriptor: there will be none.
const NONE: RawFd = -1;

/// What both use until the maker was waited for.
#[repr(C, align(16))]
struct Shared {
    /// Written by the maker.
    descriptor: AtomicI32,
    /// The maker's; last, as it grows downwards from the end.
    stack: [MaybeUninit<u8>; STACK_BYTES],
}

/// A namespace under way. Dropped, it is waited for.
pub struct NewNetwork {
    maker: Pid,
    /// From a box; null once the maker was waited for.
    shared: *mut Shared,
    /// Where the maker may run, if it was begun on a processor other than the caller's.
    processors: Option<CpuSet>,
    made: Option<OwnedFd>,
}

impl NewNetwork {
    /// Begins to make one, its loopback device up.
    ///
    /// Kernel: clone(2), `CLONE_VM` and `CLONE_FILES`. No fallback.
    ///
    /// # Errors
    /// `EAGAIN` where no process can be had.
    pub fn begin() -> Result<NewNetwork> {
        let stack = [MaybeUninit::uninit(); STACK_BYTES];
        let shared = Box::new(Shared { descriptor: AtomicI32::new(PENDING), stack });
        let shared = Box::into_raw(shared);
        let flags = libc::CLONE_VM | libc::CLONE_FILES;
        // SAFETY: the stack is the process's own; it and what else is shared live until it was
        // waited for. It calls nothing but the kernel: it takes no memory and no lock.
        let maker =
            unsafe { libc::clone(perform, shared.wrapping_add(1).cast(), flags, shared.cast()) };
        let maker = Errno::result(maker).map_err(from_nix).inspect_err(|_| {
            // SAFETY: it came from `into_raw`, and there is no process that knows it.
            drop(unsafe { Box::from_raw(shared) });
        })?;
        let maker = Pid::from_raw(maker);
        Ok(NewNetwork { maker, shared, processors: send_away(maker), made: None })
    }

    /// Waits for the namespace; `None` if there could be none. Nobody shares the caller's memory
    /// then, which is what the kernel asks of those who enter a time namespace.
    #[must_use]
    pub fn finish(mut self) -> Option<OwnedFd> {
        self.settle();
        self.made.take()
    }

    /// Waits for the maker, which takes a place among the processes until then.
    pub fn settle(&mut self) {
        let shared = std::mem::replace(&mut self.shared, ptr::null_mut());
        if shared.is_null() {
            return;
        }
        // SAFETY: it came from `into_raw`; both only read or store atomically.
        let descriptor = unsafe { &(*shared).descriptor };
        if let Some(processors) = &self.processors
            && descriptor.load(Ordering::Acquire) == PENDING
        {
            // The caller's processor is free now.
            let _ = sched_setaffinity(self.maker, processors);
        }
        loop {
            // It has no signal to tell of its end.
            // SAFETY: nothing is to be written.
            let waited =
                unsafe { libc::waitpid(self.maker.as_raw(), ptr::null_mut(), libc::__WALL) };
            match Errno::result(waited) {
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                // Nobody knows whether it has ended: it keeps what it uses.
                Err(_) => return,
            }
        }
        let descriptor = descriptor.load(Ordering::Acquire);
        // SAFETY: the maker opened it in the table of both, and nobody else knows it.
        self.made = (descriptor >= 0).then(|| unsafe { OwnedFd::from_raw_fd(descriptor) });
        // SAFETY: it came from `into_raw`, and the maker has ended.
        drop(unsafe { Box::from_raw(shared) });
    }
}

impl Drop for NewNetwork {
    fn drop(&mut self) {
        self.settle();
    }
}

/// What the process does.
extern "C" fn perform(shared: *mut c_void) -> c_int {
    // SAFETY: it is what `begin` shares, of which the stack is this function's.
    let descriptor = unsafe { &(*shared.cast::<Shared>()).descriptor };
    descriptor.store(make().unwrap_or(NONE), Ordering::Release);
    0
}

/// Makes one for the calling process, and holds it.
fn make() -> Result<RawFd> {
    // SAFETY: neither memory nor descriptors are unshared.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?;
    netdev::loopback_up()?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(c"/proc/self/ns/net", flags, Mode::empty())?.into_raw_fd())
}

/// Lets `maker` begin on any processor but the caller's, where it would wait until the caller has
/// to: some kernels gather work on few processors. Gives where it may run, if there are others.
fn send_away(maker: Pid) -> Option<CpuSet> {
    let all = sched_getaffinity(Pid::from_raw(0)).ok()?;
    let mut others = all;
    others.unset(sched_getcpu().ok()?).ok()?;
    sched_setaffinity(maker, &others).ok()?;
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::CloneFlags;
    use crate::{file, namespace};

    fn own() -> u64 {
        file::kind(file::open_read(file::CWD, c"/proc/self/ns/net").unwrap()).unwrap().inode
    }

    fn is_reaped(maker: Pid) -> bool {
        let flags = Some(nix::sys::wait::WaitPidFlag::__WALL);
        nix::sys::wait::waitpid(maker, flags) == Err(Errno::ECHILD)
    }

    #[test]
    fn a_namespace_is_made_and_the_caller_stays_in_its_own() {
        let before = own();
        let mut new = NewNetwork::begin().unwrap();
        let maker = new.maker;
        new.settle();
        assert!(is_reaped(maker));
        assert_eq!(own(), before);
        let Some(made) = new.finish() else {
            assert!(std::env::var_os("REQUIRE_ALL").is_none(), "there may be no namespace");
            return eprintln!("skipped: there may be no network namespace");
        };
        assert_eq!(namespace::kind(&made), Ok(CloneFlags::NEWNET));
        assert_ne!(file::kind(&made).unwrap().inode, before);
    }

    #[test]
    fn dropped_it_is_waited_for() {
        let new = NewNetwork::begin().unwrap();
        let maker = new.maker;
        drop(new);
        assert!(is_reaped(maker));
    }
}
