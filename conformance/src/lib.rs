//! Black-box conformance suite for OCI runtimes.
//!
//! One suite, any binary: every test starts the runtime as a program, looks at what the kernel
//! and the container show, and never at the runtime's own files. No crate of the product is
//! linked.
//!
//! ```text
//! cli      flags
//! runner   a worker process per test, time limits, known failures
//! worker   one test: private mount namespace, child subreaper, leak check
//! harness  bundles, commands, containers, sockets
//! areas    the tests, a file per area, in static tables
//! ```

#![forbid(unsafe_code)]

pub mod cli;
pub mod harness;

mod areas;
mod known;
mod report;
mod runner;
mod suite;
mod worker;
