//! What a test says about what it saw.

use std::fmt::Debug;

use anyhow::{Result, bail};

/// The test can't run here, and why. It is an error, so that `?` carries it out of the test.
#[derive(Debug)]
pub struct Skip(pub String);

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "skipped: {}", self.0)
    }
}

impl std::error::Error for Skip {}

/// Ends the test as skipped.
pub fn skip<T>(why: impl Into<String>) -> Result<T> {
    Err(Skip(why.into()).into())
}

/// Fails unless `got` is `want`; `what` names the thing that was looked at.
pub fn equal<A: PartialEq<B> + Debug, B: Debug>(what: &str, got: A, want: B) -> Result<()> {
    if got == want {
        return Ok(());
    }
    bail!("{what}: got {got:?}, want {want:?}")
}

/// Fails unless `text` holds `part`.
pub fn contains(what: &str, text: &str, part: &str) -> Result<()> {
    if text.contains(part) {
        return Ok(());
    }
    bail!("{what}: no {part:?} in {text:?}")
}

/// Fails if `text` holds `part`.
pub fn lacks(what: &str, text: &str, part: &str) -> Result<()> {
    if !text.contains(part) {
        return Ok(());
    }
    bail!("{what}: {part:?} in {text:?}")
}

/// Fails unless `text` holds at least one of `parts`, ignoring case.
pub fn mentions(what: &str, text: &str, parts: &[&str]) -> Result<()> {
    let lower = text.to_lowercase();
    if parts.iter().any(|part| lower.contains(&part.to_lowercase())) {
        return Ok(());
    }
    bail!("{what}: none of {parts:?} in {text:?}")
}

/// Fails with `what` unless `condition` holds.
pub fn holds(what: &str, condition: impl Into<bool>) -> Result<()> {
    if condition.into() {
        return Ok(());
    }
    bail!("{what}")
}
