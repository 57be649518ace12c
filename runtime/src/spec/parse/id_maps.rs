//! Id mappings (config-linux.md#user-namespace-mappings), as user_namespaces(7) accepts them.

use super::at::At;
use super::checks::{count, id, range, required};
use super::{Problem, SpecError, limits};
use crate::spec::wire;
use crate::spec::{IdMap, IdRange};

/// The ranges in listed order; empty if the property is absent.
pub(super) fn read_id_map(
    mappings: Option<Vec<wire::IdMapping>>,
    at: &At<'_>,
) -> Result<IdMap, SpecError> {
    let mappings = mappings.unwrap_or_default();
    count(mappings.len(), limits::MAX_ID_MAPPINGS, at)?;
    let mut map = IdMap(Vec::with_capacity(mappings.len()));
    for (index, mapping) in mappings.into_iter().enumerate() {
        let at = at.index(index);
        let range = read_id_range(mapping, &at)?;
        check_overlap(&map, range, &at)?;
        map.0.push(range);
    }
    Ok(map)
}

/// Reads what stands after `idmap=`: `uids=0-1000-10#10-2000-5;gids=0-1000-10`, crun(1). The first number is an
/// id of the file system, the second what it becomes.
pub(super) fn mapping_option(
    text: &str,
    at: &At<'_>,
) -> Result<(Vec<wire::IdMapping>, Vec<wire::IdMapping>), SpecError> {
    let unsupported = |why| at.error(Problem::Unsupported { value: text.to_owned(), why });
    let form = || unsupported("it is not of the form `idmap=uids=0-1000-10;gids=0-1000-10`");
    let (mut uids, mut gids) = (None, None);
    for part in text.split(';') {
        let (side, ranges) = match part.split_once('=') {
            Some(("uids", ranges)) => (&mut uids, ranges),
            Some(("gids", ranges)) => (&mut gids, ranges),
            _ => return Err(form()),
        };
        if ranges.starts_with('@') {
            let why = "write the ids as the host has them, not beside those of the container (`@`)";
            return Err(unsupported(why));
        }
        let range = |text: &str| {
            let mut numbers = text.split('-').map(|number| number.parse().ok());
            let mut next = || numbers.next().flatten();
            let (container_id, host_id, size) = (next()?, next()?, next()?);
            let mapping = wire::IdMapping {
                container_id: Some(container_id),
                host_id: Some(host_id),
                size: Some(size),
            };
            numbers.next().is_none().then_some(mapping)
        };
        let ranges = ranges.split('#').map(range).collect::<Option<Vec<_>>>();
        if side.replace(ranges.ok_or_else(form)?).is_some() {
            return Err(form());
        }
    }
    uids.zip(gids).ok_or_else(form)
}

fn read_id_range(mapping: wire::IdMapping, at: &At<'_>) -> Result<IdRange, SpecError> {
    let wire::IdMapping { container_id, host_id, size } = mapping;
    let (at_container, at_host, at_size) =
        (at.field("containerID"), at.field("hostID"), at.field("size"));
    let container = id(required(container_id, &at_container)?, &at_container)?;
    let host = id(required(host_id, &at_host)?, &at_host)?;
    // The last id of either side must stay below the largest number, which is no id.
    let max = u32::MAX - container.max(host);
    let len = range(required(size, &at_size)?, 1u32, max, &at_size)?;
    Ok(IdRange { container, host, len })
}

fn check_overlap(map: &IdMap, new: IdRange, at: &At<'_>) -> Result<(), SpecError> {
    let overlap =
        |a: u32, b: u32, len: u32| a < b.saturating_add(len) && b < a.saturating_add(new.len);
    for (other, old) in map.0.iter().enumerate() {
        if overlap(new.container, old.container, old.len) {
            return at.fail(Problem::Overlap { other, side: "inside the container" });
        }
        if overlap(new.host, old.host, old.len) {
            return at.fail(Problem::Overlap { other, side: "outside the container" });
        }
    }
    Ok(())
}
