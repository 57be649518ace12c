//! Runs the suites over any OCI runtime binary and prints a table.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    conformance::cli::main()
}
