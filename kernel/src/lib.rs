//! Linux system calls as safe functions, a file per kernel object.
//!
//! The only crate of the workspace with `unsafe`. It knows no OCI word and makes no policy.

#![deny(unsafe_code)]
