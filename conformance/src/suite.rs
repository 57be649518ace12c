//! What a test is, and the table of all of them.

use anyhow::Result;

use crate::areas;
use crate::harness::host::Need;
use crate::harness::scene::Scene;

/// One test: a name, where the behaviour is specified, what the host must have, and the code.
#[derive(Clone, Copy)]
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) spec: &'static str,
    pub(crate) needs: &'static [Need],
    pub(crate) run: fn(&Scene) -> Result<()>,
}

/// A group of tests that share a subject.
pub(crate) struct Area {
    pub(crate) name: &'static str,
    pub(crate) tests: &'static [&'static [Test]],
}

/// A row of an area's table.
pub(crate) const fn test(
    name: &'static str,
    spec: &'static str,
    needs: &'static [Need],
    run: fn(&Scene) -> Result<()>,
) -> Test {
    Test { name, spec, needs, run }
}

/// A test together with the area it belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) area: &'static str,
    pub(crate) test: &'static Test,
}

impl Entry {
    /// `area/name`, as the known-failure lists spell it.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.area, self.test.name)
    }
}

/// Every test, in the order of the tables.
pub(crate) fn entries() -> Vec<Entry> {
    let mut all = Vec::new();
    for area in areas::AREAS {
        for test in area.tests.iter().copied().flatten() {
            all.push(Entry { area: area.name, test });
        }
    }
    all
}

/// Every test of `area` (or all), whose name is `wanted` (or all).
///
/// `wanted` is a name, `area/name`, or a prefix that ends in `*`.
pub(crate) fn select(areas: &[String], wanted: &[String]) -> Vec<Entry> {
    entries()
        .into_iter()
        .filter(|entry| areas.is_empty() || areas.iter().any(|area| area == entry.area))
        .filter(|entry| wanted.is_empty() || wanted.iter().any(|name| is_named(entry, name)))
        .collect()
}

fn is_named(entry: &Entry, wanted: &str) -> bool {
    let full = entry.full_name();
    match wanted.strip_suffix('*') {
        Some(prefix) => full.starts_with(prefix) || entry.test.name.starts_with(prefix),
        None => full == wanted || entry.test.name == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_plain() {
        let mut seen = BTreeSet::new();
        for entry in entries() {
            let name = entry.full_name();
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '/';
            assert!(name.chars().all(plain), "{name}");
            assert!(seen.insert(name.clone()), "{name} is listed twice");
        }
    }

    #[test]
    fn every_test_names_its_specification() {
        for entry in entries() {
            assert!(!entry.test.spec.is_empty(), "{}", entry.full_name());
        }
    }
}
