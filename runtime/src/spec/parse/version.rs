//! `ociVersion` (config.md#specification-version).

use super::at::At;
use super::checks::required;
use super::{Problem, SpecError};
use crate::spec::wire::Text;

/// The newest version of the specification this build honours.
const MAJOR: u64 = 1;
const MINOR: u64 = 3;

/// A version of SemVer 2.0.0 with our major number and at most our minor one.
pub(super) fn read_version(text: Option<Text<'_>>, at: &At<'_>) -> Result<String, SpecError> {
    let text = required(text, at)?;
    let Some((major, minor)) = parse_semver(&text) else {
        let expected = "a version as SemVer 2.0.0 writes it, such as `1.3.0`";
        return at.fail(Problem::Malformed { value: text.into_string(), expected });
    };
    if major != MAJOR || minor > MINOR {
        let why = "this runtime honours versions 1.0.0 to 1.3";
        return at.fail(Problem::Unsupported { value: text.into_string(), why });
    }
    Ok(text.into_string())
}

/// Whether a configuration of this version, a valid one, means no limit where it says 0 for `pids.limit`: until 1.2
/// 0 stood for what wasn't set.
#[must_use]
pub fn zero_pids_are_unset(version: &str) -> bool {
    parse_semver(version).is_some_and(|(_, minor)| minor < 3)
}

/// Major and minor number; `None` if `text` is no version of SemVer 2.0.0.
fn parse_semver(text: &str) -> Option<(u64, u64)> {
    let (text, build) = split_off(text, '+');
    let (core, pre) = split_off(text, '-');
    let mut numbers = core.split('.').map(parse_number);
    let (major, minor) = (numbers.next()??, numbers.next()??);
    numbers.next()??;
    let identifiers = pre.into_iter().chain(build).flat_map(|list| list.split('.'));
    let well_formed =
        |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let right = numbers.next().is_none() && identifiers.into_iter().all(well_formed);
    right.then_some((major, minor))
}

fn split_off(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// Digits without a leading zero.
fn parse_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let right = digits && (text == "0" || !text.starts_with('0'));
    right.then(|| text.parse().ok()).flatten()
}
