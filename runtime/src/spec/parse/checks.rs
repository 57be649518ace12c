//! The checks many properties share.

use std::path::PathBuf;

use super::at::At;
use super::{Problem, SpecError, limits};
use crate::spec::ContainerPath;
use crate::spec::wire::Text;

/// The value, or the error that it is missing.
pub(super) fn required<T>(value: Option<T>, at: &At<'_>) -> Result<T, SpecError> {
    value.ok_or_else(|| at.error(Problem::Missing))
}

/// At least one byte.
pub(super) fn non_empty(text: &str, at: &At<'_>) -> Result<(), SpecError> {
    if text.is_empty() { at.fail(Problem::Empty) } else { Ok(()) }
}

/// No NUL byte: the kernel would take the text to end there.
pub(super) fn no_nul(text: &str, at: &At<'_>) -> Result<(), SpecError> {
    if text.contains('\0') { at.fail(Problem::Nul) } else { Ok(()) }
}

/// At most `max` bytes.
pub(super) fn len(text: &str, max: usize, at: &At<'_>) -> Result<(), SpecError> {
    match text.len() {
        len if len > max => at.fail(Problem::TooLong { len, max }),
        _ => Ok(()),
    }
}

/// At most `max` entries.
pub(super) fn count(count: usize, max: usize, at: &At<'_>) -> Result<(), SpecError> {
    if count > max { at.fail(Problem::TooMany { count, max }) } else { Ok(()) }
}

/// A list that may be absent, with at most `max` entries.
pub(super) fn list<T>(list: Option<Vec<T>>, max: usize, at: &At<'_>) -> Result<Vec<T>, SpecError> {
    let list = list.unwrap_or_default();
    count(list.len(), max, at)?;
    Ok(list)
}

/// A string that means nothing when empty; no NUL byte.
pub(super) fn optional(text: Option<Text<'_>>, at: &At<'_>) -> Result<Option<String>, SpecError> {
    match text {
        Some(text) if !text.is_empty() => {
            no_nul(&text, at)?;
            Ok(Some(text.into_string()))
        }
        _ => Ok(None),
    }
}

/// Something the kernel takes as a path, of either kind.
pub(super) fn path(text: &str, at: &At<'_>) -> Result<(), SpecError> {
    no_nul(text, at)?;
    len(text, limits::MAX_PATH_BYTES, at)
}

/// An absolute path on the host.
pub(super) fn absolute(text: Text<'_>, at: &At<'_>) -> Result<PathBuf, SpecError> {
    path(&text, at)?;
    match text.starts_with('/') {
        true => Ok(PathBuf::from(text.into_string())),
        false => at.fail(Problem::NotAbsolute { value: text.into_string() }),
    }
}

/// An absolute path in the container.
pub(super) fn container_path(text: &str, at: &At<'_>) -> Result<ContainerPath, SpecError> {
    path(text, at)?;
    match ContainerPath::normalise(text) {
        Some(path) if text.starts_with('/') => Ok(path),
        _ => at.fail(Problem::NotAbsolute { value: text.to_owned() }),
    }
}

/// A number within `min..=max`, as the type it has from then on.
pub(super) fn range<N, T>(value: N, min: T, max: T, at: &At<'_>) -> Result<T, SpecError>
where
    N: Into<i128>,
    T: Into<i128> + TryFrom<i128> + Copy,
{
    let value: i128 = value.into();
    let (min, max): (i128, i128) = (min.into(), max.into());
    match T::try_from(value) {
        Ok(number) if (min..=max).contains(&value) => Ok(number),
        _ => at.fail(Problem::OutOfRange { value, min, max }),
    }
}

/// An id: all but the largest number, which system calls take to mean "leave it alone".
pub(super) fn id(value: u32, at: &At<'_>) -> Result<u32, SpecError> {
    range(value, 0u32, u32::MAX - 1, at)
}

/// One of the words of `table`.
pub(super) fn word<T: Copy>(
    text: &str,
    table: &[(&str, T)],
    what: &'static str,
    at: &At<'_>,
) -> Result<T, SpecError> {
    match table.iter().find(|(word, _)| *word == text) {
        Some((_, value)) => Ok(*value),
        None => at.fail(Problem::Unknown { what, value: text.to_owned() }),
    }
}
