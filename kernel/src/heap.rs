//! The program's memory: Doug Lea's allocator behind a lock of one byte.
//!
//! The lock of `dlmalloc`'s own global allocator is the C library's mutex, a tenth of what it takes
//! to read a configuration. Nothing contends for this one in a program with one
//! thread.

#![expect(unsafe_code, reason = "an allocator deals in raw memory")]

use dlmalloc::Dlmalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::hint;
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes memory from the kernel in pieces of 64 KiB. For `#[global_allocator]`.
pub struct Heap {
    busy: AtomicBool,
    memory: UnsafeCell<Dlmalloc>,
}

// SAFETY: `memory` is used by whoever set `busy`, and by nobody else until it is cleared.
unsafe impl Sync for Heap {}

/// Tries before another thread is let run.
const MAX_SPINS: u32 = 100;

impl Default for Heap {
    fn default() -> Heap {
        Heap::new()
    }
}

impl Heap {
    /// A heap that has taken nothing yet.
    #[must_use]
    pub const fn new() -> Heap {
        Heap { busy: AtomicBool::new(false), memory: UnsafeCell::new(Dlmalloc::new()) }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Dlmalloc) -> T) -> T {
        let mut spins = 0;
        while self.busy.swap(true, Ordering::Acquire) {
            spins += 1;
            // Whoever has it may wait for this very processor.
            if spins % MAX_SPINS == 0 { rustix::thread::sched_yield() } else { hint::spin_loop() }
        }
        // SAFETY: `busy` was clear, and is set until this reference has ended.
        let result = work(unsafe { &mut *self.memory.get() });
        self.busy.store(false, Ordering::Release);
        result
    }
}

// SAFETY: each function passes on to the allocator what it was given; nothing in it unwinds.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: a layout is never larger than an allocation may be.
        self.with(|memory| unsafe { memory.malloc(layout.size(), layout.align()) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        self.with(|memory| unsafe { memory.calloc(layout.size(), layout.align()) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller vouches that it came from here with this layout.
        self.with(|memory| unsafe { memory.free(pointer, layout.size(), layout.align()) });
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above, and the new size is not larger than an allocation may be.
        self.with(|memory| unsafe { memory.realloc(pointer, layout.size(), layout.align(), size) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_it() {
        static HEAP: Heap = Heap::new();
        let layout = Layout::from_size_align(24, 8).unwrap();
        let writer = |byte: u8| {
            for _ in 0..2000 {
                // SAFETY: the layout is not empty.
                let pointer = unsafe { HEAP.alloc(layout) };
                assert!(!pointer.is_null());
                // SAFETY: 24 bytes are there.
                unsafe { pointer.write_bytes(byte, 24) };
                // SAFETY: it came from there.
                let pointer = unsafe { HEAP.realloc(pointer, layout, 5000) };
                assert!(!pointer.is_null());
                // SAFETY: realloc kept the first 24 bytes.
                assert_eq!(unsafe { *pointer.cast::<[u8; 24]>() }, [byte; 24]);
                // SAFETY: it has this layout now.
                unsafe { HEAP.dealloc(pointer, Layout::from_size_align(5000, 8).unwrap()) };
            }
        };
        std::thread::scope(|scope| {
            (1..5).for_each(|byte| drop(scope.spawn(move || writer(byte))));
        });
    }
}
