//! Maps of sparse files: the GNU header form and the PAX forms 0.0, 0.1 and 1.0.

use super::TarError;
use super::number::{parse_decimal, parse_numeric};
use crate::layer::limits::MAX_SPARSE_SEGMENTS;

/// A run of data in a sparse file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it starts in the file.
    pub offset: u64,
    /// Bytes of data.
    pub len: u64,
}

/// Appends `segment`, unless there are too many.
pub(super) fn push(map: &mut Vec<Segment>, segment: Segment) -> Result<(), TarError> {
    if map.len() >= MAX_SPARSE_SEGMENTS {
        let value = u64::try_from(MAX_SPARSE_SEGMENTS).unwrap_or(u64::MAX);
        return Err(TarError::Limit { limit: "MAX_SPARSE_SEGMENTS", value });
    }
    map.push(segment);
    Ok(())
}

/// Appends the segments of a GNU header or extension block: pairs of 12-byte numbers, of which
/// the first empty one ends the list.
pub(super) fn push_gnu(
    map: &mut Vec<Segment>,
    pairs: &[u8],
    invalid: impl Fn(&'static str) -> TarError,
) -> Result<(), TarError> {
    for pair in pairs.chunks_exact(24) {
        if pair[0] == 0 {
            break;
        }
        let number = |field: &[u8]| parse_numeric(field).and_then(|n| u64::try_from(n).ok());
        match (number(&pair[..12]), number(&pair[12..])) {
            (Some(offset), Some(len)) => push(map, Segment { offset, len })?,
            _ => return Err(invalid("sparse map holds no number")),
        }
    }
    Ok(())
}

/// Parses `GNU.sparse.map` of format 0.1: `offset,length,offset,length...`.
pub(super) fn parse_map_0_1(
    text: &[u8],
    invalid: impl Fn(&'static str) -> TarError,
) -> Result<Vec<Segment>, TarError> {
    let mut map = Vec::new();
    if text.is_empty() {
        return Ok(map);
    }
    let mut numbers = text.split(|b| *b == b',');
    while let Some(offset) = numbers.next() {
        let len = numbers.next().and_then(parse_decimal);
        match (parse_decimal(offset), len) {
            (Some(offset), Some(len)) => push(&mut map, Segment { offset, len })?,
            _ => return Err(invalid("GNU.sparse.map holds no pairs of numbers")),
        }
    }
    Ok(map)
}

/// Checks that segments ascend without overlap inside `real_size` and sum up to `stored`.
pub(super) fn check(map: &[Segment], real_size: u64, stored: u64) -> Result<(), &'static str> {
    let mut end = 0u64;
    let mut sum = 0u64;
    for segment in map {
        if segment.offset < end {
            return Err("sparse segments overlap or descend");
        }
        end = segment.offset.checked_add(segment.len).ok_or("sparse segment overflows")?;
        sum = sum.checked_add(segment.len).ok_or("sparse segments overflow")?;
    }
    if end > real_size {
        return Err("sparse segment beyond the file's end");
    }
    if sum != stored {
        return Err("sparse segments don't add up to the stored size");
    }
    Ok(())
}
