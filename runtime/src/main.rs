//! The `runt` command.

#![no_main]
#![deny(unsafe_code)]

use kernel::heap::Heap;

/// Asks the kernel for memory in large pieces: the C library that the program is linked with
/// makes a call for every few pages.
#[global_allocator]
static ALLOCATOR: Heap = Heap::new();

kernel::program!(runt::cli::PROGRAM);
