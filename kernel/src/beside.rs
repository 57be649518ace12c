//! A network namespace that a process beside the caller makes.
//!
//! That process shares memory and descriptors with the caller, and nothing else: unlike a thread it
//! holds no lock of the C library, and the caller may be cloned meanwhile.

#![expect(unsafe_code, reason = "clone(2) on a stack of its own, and what that process shares")]

use crate::{Result, from_nix, netdev};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use rustix::fs::{Mode, OFlags};
use rustix::thread::UnshareFlags;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// Room for a few calls to the kernel.
const STACK_BYTES: usize = 16 << 10;
/// In place of a descriptor: not made yet.
const PENDING: RawFd = -2;
/// In place of a descriptor: there will be none.
const NONE: RawFd = -1;

/// A namespace under way. Dropped, it is waited for.
pub struct NewNetwork {
    maker: Option<Pid>,
    made: Box<AtomicI32>,
    _stack: Box<[MaybeUninit<u8>]>,
    /// Where the maker may run, if it was begun on a processor other than the caller's.
    processors: Option<CpuSet>,
}

impl NewNetwork {
    /// Begins to make one, its loopback device up.
    ///
    /// Kernel: clone(2), `CLONE_VM` and `CLONE_FILES`. No fallback.
    ///
    /// # Errors
    /// `EAGAIN` where no process can be had.
    pub fn begin() -> Result<NewNetwork> {
        let made = Box::new(AtomicI32::new(PENDING));
        let mut stack = Box::<[u8]>::new_uninit_slice(STACK_BYTES);
        // A stack grows downwards, from a multiple of 16.
        let top = stack.as_mut_ptr_range().end.map_addr(|address| address & !0xf);
        let flags = libc::CLONE_VM | libc::CLONE_FILES;
        let shared = std::ptr::from_ref::<AtomicI32>(&made).cast_mut();
        // SAFETY: the stack is the process's own, and lives as what it shares until it was waited
        // for. It calls nothing but the kernel: it takes no memory and no lock, writes no `errno`.
        let maker = unsafe { libc::clone(perform, top.cast(), flags, shared.cast()) };
        let maker = Pid::from_raw(Errno::result(maker).map_err(from_nix)?);
        Ok(NewNetwork { maker: Some(maker), made, _stack: stack, processors: send_away(maker) })
    }

    /// Waits for the namespace; `None` if there could be none. Nobody shares the caller's memory
    /// then, which is what the kernel asks of those who enter some namespaces.
    #[must_use]
    pub fn finish(mut self) -> Option<OwnedFd> {
        self.wait()
    }

    fn wait(&mut self) -> Option<OwnedFd> {
        let maker = self.maker.take()?;
        if let Some(processors) = &self.processors
            && self.made.load(Ordering::Acquire) == PENDING
        {
            // The caller's processor is free now.
            let _ = sched_setaffinity(maker, processors);
        }
        // It has no signal to tell of its end.
        while waitpid(maker, Some(WaitPidFlag::__WALL)) == Err(Errno::EINTR) {}
        let descriptor = self.made.load(Ordering::Acquire);
        // SAFETY: the maker opened it in the table of both, and nobody else knows it.
        (descriptor >= 0).then(|| unsafe { OwnedFd::from_raw_fd(descriptor) })
    }
}

impl Drop for NewNetwork {
    fn drop(&mut self) {
        self.wait();
    }
}

/// What the process does.
extern "C" fn perform(made: *mut c_void) -> c_int {
    // SAFETY: it is the box of `begin`.
    let made = unsafe { &*made.cast::<AtomicI32>() };
    made.store(make().unwrap_or(NONE), Ordering::Release);
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

    #[test]
    fn a_namespace_is_made_and_the_caller_stays_in_its_own() {
        let before = own();
        let mut new = NewNetwork::begin().unwrap();
        let maker = new.maker.unwrap();
        let made = new.wait().unwrap();
        assert_eq!(namespace::kind(&made), Ok(CloneFlags::NEWNET));
        assert_ne!(file::kind(&made).unwrap().inode, before);
        assert_eq!(own(), before);
        assert_eq!(waitpid(maker, Some(WaitPidFlag::__WALL)), Err(Errno::ECHILD));
    }

    #[test]
    fn dropped_it_is_waited_for() {
        let new = NewNetwork::begin().unwrap();
        let maker = new.maker.unwrap();
        drop(new);
        assert_eq!(waitpid(maker, Some(WaitPidFlag::__WALL)), Err(Errno::ECHILD));
    }
}
