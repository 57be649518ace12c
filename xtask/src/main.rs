//! Chores of this repository.
//!
//! `cargo xtask docs` writes the man pages and shell completions from the definition that
//! `--help` comes from; `cargo xtask docs --check` fails where the checked-in files differ.
//! They are made here so that the released programs need not hold what makes them.

#![forbid(unsafe_code)]

mod docs;
mod imgmgr_cli;

use std::env;
use std::path::Path;

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no repository")?;
    match words[..] {
        ["docs"] => docs::write(repository),
        ["docs", "--check"] => docs::check(repository),
        _ => bail!("usage: cargo xtask docs [--check]"),
    }
}
