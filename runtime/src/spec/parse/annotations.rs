//! `annotations` (config.md#annotations) and the typed ones of this runtime.
//!
//! | key | value | effect |
//! |---|---|---|
//! | `io.tug.runt.landlock.read` | absolute paths, `:` between them | [`Landlock::read`] |
//! | `io.tug.runt.landlock.write` | absolute paths, `:` between them | [`Landlock::write`] |
//! | `io.tug.runt.core-scheduling` | `true`, `false` | [`Extensions::core_scheduling`] |
//! | `io.tug.runt.memory.high` | bytes: `64M`, `1GiB`, `max` | [`Extensions::memory_high`] |
//! | `io.tug.runt.memory.low` | the same | [`Extensions::memory_low`] |
//! | `io.tug.runt.memory.min` | the same | [`Extensions::memory_min`] |
//! | `org.systemd.property.*` | a GVariant in text form | [`Extensions::systemd_properties`] |

use std::collections::BTreeMap;

use super::at::At;
use super::checks::{container_path, count, no_nul, non_empty};
use super::{Context, Problem, SpecError, SystemdProperties, WarningReason, limits};
use crate::spec::wire::{Entries, Text};
use crate::spec::{ContainerPath, Extensions, Landlock};

/// Annotations that are this runtime's, of which it refuses those it doesn't know.
const PREFIX: &str = "io.tug.runt.";

const SYSTEMD_PREFIX: &str = "org.systemd.property.";

/// All annotations, and what the typed ones ask for.
pub(super) fn read_annotations(
    annotations: Option<Entries<'_, Text<'_>>>,
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<(BTreeMap<String, String>, Extensions), SpecError> {
    let entries = annotations.map(|entries| entries.0).unwrap_or_default();
    count(entries.len(), limits::MAX_ENTRIES, at)?;
    let mut read = BTreeMap::new();
    let mut extensions = Extensions::default();
    for (key, value) in entries {
        let at = at.key(&key);
        non_empty(&key, &at)?;
        if let Some(name) = key.strip_prefix(PREFIX) {
            read_extension(name, &value, &mut extensions, &at)?;
        } else if let Some(name) = key.strip_prefix(SYSTEMD_PREFIX) {
            read_systemd_property(name, &value, &mut extensions, &at, cx)?;
        }
        if read.insert(key.to_string(), value.into_string()).is_some() {
            return at.fail(Problem::Duplicate { value: key.to_string() });
        }
    }
    extensions.systemd_properties.sort_unstable();
    Ok((read, extensions))
}

fn read_extension(
    name: &str,
    value: &str,
    extensions: &mut Extensions,
    at: &At<'_>,
) -> Result<(), SpecError> {
    match name {
        "landlock.read" => {
            extensions.landlock.get_or_insert_with(Landlock::default).read = read_paths(value, at)?;
        }
        "landlock.write" => {
            extensions.landlock.get_or_insert_with(Landlock::default).write =
                read_paths(value, at)?;
        }
        "core-scheduling" => extensions.core_scheduling = read_bool(value, at)?,
        "memory.high" => extensions.memory_high = Some(read_bytes(value, at)?),
        "memory.min" => extensions.memory_min = Some(read_bytes(value, at)?),
        "memory.low" => extensions.memory_low = Some(read_bytes(value, at)?),
        _ => {
            let value = format!("{PREFIX}{name}");
            return at.fail(Problem::Unknown { what: "annotation of this runtime", value });
        }
    }
    Ok(())
}

/// Nothing between two colons is nothing; no path at all allows none.
fn read_paths(value: &str, at: &At<'_>) -> Result<Vec<ContainerPath>, SpecError> {
    let paths: Vec<&str> = value.split(':').filter(|path| !path.is_empty()).collect();
    count(paths.len(), limits::MAX_ENTRIES, at)?;
    paths.into_iter().map(|path| container_path(path, at)).collect()
}

fn read_bool(value: &str, at: &At<'_>) -> Result<bool, SpecError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => at.fail(Problem::Malformed { value: value.to_owned(), expected: "`true` or `false`" }),
    }
}

/// Bytes with a unit of 1024: `k`, `M`, `G`, `T`, with `B` or `iB` behind it or not. `max` is the
/// largest number.
fn read_bytes(value: &str, at: &At<'_>) -> Result<u64, SpecError> {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = value.split_at(digits);
    let shift = match unit.to_ascii_lowercase().trim_end_matches('b').trim_end_matches('i') {
        "" => Some(0),
        "k" => Some(10),
        "m" => Some(20),
        "g" => Some(30),
        "t" => Some(40),
        _ => None,
    };
    let scale = shift.map(|shift| 1u64 << shift);
    let bytes =
        number.parse().ok().zip(scale).and_then(|(n, scale): (u64, u64)| n.checked_mul(scale));
    match bytes {
        _ if value == "max" => Ok(u64::MAX),
        Some(bytes) => Ok(bytes),
        None => {
            let expected = "a number of bytes such as `64M`, or `max`";
            at.fail(Problem::Malformed { value: value.to_owned(), expected })
        }
    }
}

fn read_systemd_property(
    name: &str,
    value: &str,
    extensions: &mut Extensions,
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<(), SpecError> {
    if !cx.options.systemd_properties.allow(name) {
        let why = "the administrator has not allowed annotations to set systemd properties";
        cx.warn(at, WarningReason::Ignored { why });
        return Ok(());
    }
    if !SystemdProperties::is_name(name) {
        let expected = "the name of a systemd property";
        return at.fail(Problem::Malformed { value: name.to_owned(), expected });
    }
    non_empty(value, at)?;
    no_nul(value, at)?;
    extensions.systemd_properties.push((name.to_owned(), value.to_owned()));
    Ok(())
}
