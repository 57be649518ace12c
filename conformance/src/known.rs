//! The lists of tests that a runtime is known to fail, one file per runtime.
//!
//! ```text
//! # comment
//! area/name: reason
//! area/name [v2]: reason, on hosts with pure cgroup v2 only
//! area/name [v1]: reason, on hosts with cgroup v1 only
//! area/name [race]: reason; an attacker's thread may also lose, so that the test may pass
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::harness::host::has_cgroup_v2;

/// Why a test is known to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) text: String,
    /// Whether the failure depends on who wins a race.
    pub(crate) may_pass: bool,
}

/// Test name to reason.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Known(BTreeMap<String, Reason>);

impl Known {
    /// Reads `DIR/RUNTIME.txt`; no file means no known failures.
    pub(crate) fn load(dir: &Path, runtime: &str) -> Result<Known> {
        let path = dir.join(format!("{runtime}.txt"));
        if !path.exists() {
            return Ok(Known::default());
        }
        let text = fs::read_to_string(&path)?;
        Known::parse(&text, if has_cgroup_v2() { "v2" } else { "v1" })
            .with_context(|| path.display().to_string())
    }

    fn parse(text: &str, host: &str) -> Result<Known> {
        let mut known = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, reason)) = line.split_once(": ") else {
                bail!("line {}: want `area/name: reason`", number + 1);
            };
            let (name, condition) = match name.split_once(" [") {
                Some((name, rest)) => (name, rest.strip_suffix(']')),
                None => (name, Some(host)),
            };
            let Some(condition) = condition else { bail!("line {}: no `]`", number + 1) };
            let may_pass = condition == "race";
            if condition != host && !may_pass {
                continue;
            }
            let reason = Reason { text: reason.to_owned(), may_pass };
            if known.insert(name.to_owned(), reason).is_some() {
                bail!("line {}: `{name}` is listed twice", number + 1);
            }
        }
        Ok(Known(known))
    }

    /// Why the test is known to fail, if it is.
    pub(crate) fn reason(&self, name: &str) -> Option<&Reason> {
        self.0.get(name)
    }

    /// The listed names that are not among `names`.
    pub(crate) fn strangers<'k>(&'k self, names: &[String]) -> Vec<&'k str> {
        self.0.keys().map(String::as_str).filter(|key| !names.iter().any(|n| n == key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_select_the_host() {
        let text = "# c\n\na/x: old\na/y [v2]: not here\na/z [v1]: here\n";
        let known = Known::parse(text, "v1").unwrap();
        let text = |name| known.reason(name).map(|reason| reason.text.as_str());
        assert_eq!(text("a/x"), Some("old"));
        assert_eq!(text("a/y"), None);
        assert_eq!(text("a/z"), Some("here"));
        assert_eq!(known.strangers(&["a/x".to_owned()]), ["a/z"]);
    }

    #[test]
    fn a_race_may_be_lost() {
        let known = Known::parse("a/x [race]: old\n", "v1").unwrap();
        assert!(known.reason("a/x").is_some_and(|reason| reason.may_pass));
    }

    #[test]
    fn a_line_without_reason_is_an_error() {
        assert!(Known::parse("a/x\n", "v1").is_err());
    }
}
