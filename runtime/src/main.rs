//! The `runt` command.

#![forbid(unsafe_code)]

fn main() {}
