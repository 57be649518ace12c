//! Runs the suites over any OCI runtime binary and prints a table.

#![forbid(unsafe_code)]

fn main() {}
