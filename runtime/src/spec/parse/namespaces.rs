//! Namespaces, and the properties that have a meaning only in one of the container's own.

use super::at::At;
use super::checks::{absolute, len, no_nul, optional, range, required};
use super::id_maps::read_id_map;
use super::{Context, Problem, SpecError, WarningReason, limits};
use crate::spec::wire::{self, Text};
use crate::spec::{ClockOffset, IdMap, Namespace, Namespaces, Process, TimeOffsets};

/// `linux.namespaces` (config-linux.md#namespaces).
pub(super) fn read_namespaces(
    list: Option<Vec<wire::Namespace<'_>>>,
    at: &At<'_>,
) -> Result<Namespaces, SpecError> {
    let mut namespaces = Namespaces::default();
    for (index, wire) in list.unwrap_or_default().into_iter().enumerate() {
        let at = at.index(index);
        let wire::Namespace { r#type, path } = wire;
        let at_type = at.field("type");
        let kind = required(r#type, &at_type)?;
        let place = match &*kind {
            "user" => &mut namespaces.user,
            "pid" => &mut namespaces.pid,
            "network" => &mut namespaces.network,
            "mount" => &mut namespaces.mount,
            "ipc" => &mut namespaces.ipc,
            "uts" => &mut namespaces.uts,
            "cgroup" => &mut namespaces.cgroup,
            "time" => &mut namespaces.time,
            _ => {
                let value = kind.into_string();
                return at_type.fail(Problem::Unknown { what: "namespace type", value });
            }
        };
        if !place.is_inherited() {
            return at_type.fail(Problem::Duplicate { value: kind.into_string() });
        }
        *place = match path {
            Some(path) if !path.is_empty() => Namespace::Join(absolute(path, &at.field("path"))?),
            Some(_) | None => Namespace::New,
        };
    }
    Ok(namespaces)
}

/// `linux.uidMappings` and `linux.gidMappings`: both for a new user namespace, none for an
/// inherited one. For one to join they are what callers repeat from it, and are kept so that
/// they can be compared with what it has.
pub(super) fn read_user_mappings(
    uids: Option<Vec<wire::IdMapping>>,
    gids: Option<Vec<wire::IdMapping>>,
    user: &Namespace,
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<(IdMap, IdMap), SpecError> {
    let (at_uids, at_gids) = (at.field("uidMappings"), at.field("gidMappings"));
    let uid_map = read_id_map(uids, &at_uids)?;
    let gid_map = read_id_map(gids, &at_gids)?;
    for (map, at, name) in
        [(&uid_map, &at_uids, "linux.uidMappings"), (&gid_map, &at_gids, "linux.gidMappings")]
    {
        match user {
            Namespace::Inherit if !map.is_empty() => {
                return at.fail(Problem::Needs { what: "a user namespace in `linux.namespaces`" });
            }
            Namespace::Join(_) if !map.is_empty() => {
                let why = "the user namespace to join has its own mappings, which must be the same";
                cx.warn(at, WarningReason::Ignored { why });
            }
            Namespace::New if map.is_empty() => return at.fail(Problem::Missing),
            // Whoever sets a container up is its root: default devices and mounts belong to it.
            Namespace::New if map.to_host(0).is_none() => {
                return at.fail(Problem::Unmapped { id: 0, map: name });
            }
            Namespace::Inherit | Namespace::New | Namespace::Join(_) => {}
        }
    }
    Ok((uid_map, gid_map))
}

/// The ids of `process` exist in the container's user namespace, as far as its map is known.
pub(super) fn check_ids(
    process: &Process,
    namespaces: &Namespaces,
    uid_map: &IdMap,
    gid_map: &IdMap,
    at: &At<'_>,
) -> Result<(), SpecError> {
    if !namespaces.user.is_new() {
        return Ok(());
    }
    let at = at.field("user");
    let user = &process.user;
    let check = |map: &IdMap, name: &'static str, id: u32, at: &At<'_>| match map.to_host(id) {
        Some(_) => Ok(()),
        None => at.fail(Problem::Unmapped { id, map: name }),
    };
    check(uid_map, "linux.uidMappings", user.uid.0, &at.field("uid"))?;
    check(gid_map, "linux.gidMappings", user.gid.0, &at.field("gid"))?;
    let at = at.field("additionalGids");
    for (index, gid) in user.additional_gids.iter().enumerate() {
        check(gid_map, "linux.gidMappings", gid.0, &at.index(index))?;
    }
    Ok(())
}

/// `hostname` and `domainname`: they need a UTS namespace that isn't the runtime's.
pub(super) fn read_uts_name(
    name: Option<Text<'_>>,
    uts: &Namespace,
    at: &At<'_>,
) -> Result<Option<String>, SpecError> {
    let name = optional(name, at)?;
    if let Some(name) = &name {
        len(name, limits::MAX_HOSTNAME_BYTES, at)?;
        if uts.is_inherited() {
            return at.fail(Problem::Needs { what: "a uts namespace in `linux.namespaces`" });
        }
    }
    Ok(name)
}

/// `linux.timeOffsets`: they need a new time namespace, where alone they can be set.
pub(super) fn read_time_offsets(
    offsets: Option<wire::Entries<'_, wire::TimeOffset>>,
    time: &Namespace,
    at: &At<'_>,
) -> Result<TimeOffsets, SpecError> {
    let mut read = TimeOffsets::default();
    for (clock, offset) in offsets.map(|entries| entries.0).unwrap_or_default() {
        let at_clock = at.key(&clock);
        no_nul(&clock, &at_clock)?;
        let place = match &*clock {
            "monotonic" => &mut read.monotonic,
            "boottime" => &mut read.boottime,
            name => {
                return at.fail(Problem::Unknown { what: "clock", value: name.to_owned() });
            }
        };
        match time {
            Namespace::New => {}
            Namespace::Inherit => {
                return at.fail(Problem::Needs { what: "a time namespace in `linux.namespaces`" });
            }
            Namespace::Join(_) => {
                let what = "the `path` of the time namespace, whose offsets are set already";
                return at.fail(Problem::Contradicts { what });
            }
        }
        if place.is_some() {
            return at.fail(Problem::Duplicate { value: clock.to_string() });
        }
        let wire::TimeOffset { secs, nanosecs } = offset;
        let at_clock = at_clock.field("nanosecs");
        let nanosecs = range(nanosecs.unwrap_or(0), 0u32, 999_999_999, &at_clock)?;
        *place = Some(ClockOffset { secs: secs.unwrap_or(0), nanosecs });
    }
    Ok(read)
}
