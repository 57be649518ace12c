//! One deed beside the main thread.
//!
//! The standard library's threads prepare for more than a small program asks of them: half of the
//! twenty calls that one takes. This one runs a function on a stack of the heap.

#![expect(unsafe_code, reason = "pthread_create(3) takes and gives raw pointers")]

use crate::{Errno, Result};
use rustix::process::Pid;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;

/// Room for calls that parse or ask the kernel, not for deep recursion.
const STACK_BYTES: usize = 128 << 10;

/// A page, at which stacks start.
#[repr(C, align(4096))]
#[derive(Clone, Copy)]
struct Page(MaybeUninit<[u8; 4096]>);

/// A deed under way. Dropped, it is waited for.
pub struct Beside<I, O> {
    thread: libc::pthread_t,
    // Both are the thread's until it is joined.
    job: *mut Job<I, O>,
    _stack: Vec<Page>,
}

struct Job<I, O> {
    deed: fn(I) -> O,
    input: Option<I>,
    output: Option<O>,
    thread: Option<Pid>,
}

impl<I: Send + 'static, O: Send + 'static> Beside<I, O> {
    /// Begins `deed`.
    ///
    /// # Errors
    /// `EAGAIN` where no thread can be had.
    pub fn begin(deed: fn(I) -> O, input: I) -> Result<Beside<I, O>> {
        let mut stack = vec![Page(MaybeUninit::uninit()); STACK_BYTES / size_of::<Page>()];
        let job =
            Box::into_raw(Box::new(Job { deed, input: Some(input), output: None, thread: None }));
        let thread = create(&mut stack, perform::<I, O>, job.cast()).inspect_err(|_| {
            // SAFETY: it came from `into_raw`, and no thread was made that knows it.
            drop(unsafe { Box::from_raw(job) });
        })?;
        Ok(Beside { thread, job, _stack: stack })
    }
}

impl<I, O> Beside<I, O> {
    /// Waits for the deed: what came of it. The caller is alone again then, also in the eyes of
    /// the kernel, which lets only processes with one thread change some namespaces.
    #[must_use]
    pub fn finish(mut self) -> Option<O> {
        self.join()
    }

    fn join(&mut self) -> Option<O> {
        if self.job.is_null() {
            return None;
        }
        // SAFETY: the thread was made joinable, and `job` says that nobody has joined it.
        unsafe { libc::pthread_join(self.thread, ptr::null_mut()) };
        // SAFETY: it came from `into_raw`, and the thread has ended.
        let job = unsafe { Box::from_raw(self.job) };
        self.job = ptr::null_mut();
        // It has left its function, not yet the process; nothing tells when.
        while job.thread.is_some_and(is_thread) {
            rustix::thread::sched_yield();
        }
        job.output
    }
}

impl<I, O> Drop for Beside<I, O> {
    fn drop(&mut self) {
        self.join();
    }
}

/// Whether the caller's process has such a thread.
fn is_thread(thread: Pid) -> bool {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: three integers go in; signal 0 is none.
    let ret = unsafe { libc::syscall(libc::SYS_tgkill, own, thread.as_raw_nonzero().get(), 0) };
    ret == 0
}

extern "C" fn perform<I, O>(job: *mut c_void) -> *mut c_void {
    // SAFETY: it is the `Job` of `begin`, which nobody else touches before the thread is joined.
    let job = unsafe { &mut *job.cast::<Job<I, O>>() };
    job.thread = Some(rustix::thread::gettid());
    job.output = job.input.take().map(job.deed);
    ptr::null_mut()
}

type Start = extern "C" fn(*mut c_void) -> *mut c_void;

fn create(stack: &mut [Page], start: Start, argument: *mut c_void) -> Result<libc::pthread_t> {
    let failed = |code: i32| if code == 0 { Ok(()) } else { Err(Errno::from_raw_os_error(code)) };
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: it writes to where the pointer says.
    failed(unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) })?;
    // SAFETY: `pthread_attr_init` has filled it.
    let mut attributes: libc::pthread_attr_t = unsafe { attributes.assume_init() };
    let mut thread = MaybeUninit::uninit();
    // SAFETY: the stack is nobody else's, and outlives the thread, which is joined before it is freed.
    let created = failed(unsafe {
        libc::pthread_attr_setstack(&mut attributes, stack.as_mut_ptr().cast(), size_of_val(stack))
    })
    .and_then(|()| {
        // SAFETY: attributes and room for the answer are there; the argument is what `start` wants.
        failed(unsafe { libc::pthread_create(thread.as_mut_ptr(), &attributes, start, argument) })
    });
    // SAFETY: `pthread_attr_init` has filled it.
    unsafe { libc::pthread_attr_destroy(&mut attributes) };
    // SAFETY: where `pthread_create` succeeds, it has filled it.
    created.map(|()| unsafe { thread.assume_init() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deed_is_done_beside_and_its_result_fetched() {
        let own = rustix::thread::gettid();
        let deed = |text: String| (text + "!", rustix::thread::gettid());
        let beside = Beside::begin(deed, "done".to_owned()).unwrap();
        let (text, thread) = beside.finish().unwrap();
        assert!(!is_thread(thread));
        assert_eq!(text, "done!");
        assert_ne!(thread, own);
    }

    #[test]
    fn dropped_it_is_waited_for() {
        let done = std::sync::Arc::new(());
        drop(Beside::begin(drop::<std::sync::Arc<()>>, done.clone()).unwrap());
        assert_eq!(std::sync::Arc::strong_count(&done), 1);
    }
}
