//! Layers against the real kernel, and beside GNU tar and umoci.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests fail by panicking and say why they skip"
)]

mod bundle;
mod chains;
mod crash;
mod owners;
mod pipeline;
mod race;
mod sealed;
mod support;
mod torture;
mod trees;
mod upkeep;
mod whiteouts;
