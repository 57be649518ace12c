//! `mounts` (config.md#mounts).

use super::at::At;
use super::checks::{self, list, no_nul, non_empty, required};
use super::id_maps::read_id_map;
use super::mount_options::{MountOptions, parse_mount_options};
use super::{Context, Problem, SpecError, WarningReason, limits};
use crate::spec::wire::{self, Text};
use crate::spec::{
    ContainerPath, Filesystem, FilesystemOption, IdMap, Mount, MountIdMap, MountKind, Namespaces,
};

/// All mounts, in listed order.
pub(super) fn read_mounts(
    mounts: Option<Vec<wire::Mount<'_>>>,
    namespaces: &Namespaces,
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<Vec<Mount>, SpecError> {
    let mounts = list(mounts, limits::MAX_MOUNTS, at)?.into_iter().enumerate();
    mounts.map(|(index, mount)| read_mount(mount, namespaces, &at.index(index), cx)).collect()
}

fn read_mount(
    mount: wire::Mount<'_>,
    namespaces: &Namespaces,
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<Mount, SpecError> {
    let wire::Mount { destination, source, r#type, options, uid_mappings, gid_mappings } = mount;
    let destination = read_destination(destination, &at.field("destination"), cx)?;
    let at_options = at.field("options");
    let options = list(options, limits::MAX_MOUNT_OPTIONS, &at_options)?;
    for (index, option) in options.iter().enumerate() {
        non_empty(option, &at_options.index(index))?;
        no_nul(option, &at_options.index(index))?;
    }
    let decoded = parse_mount_options(options.iter().map(|option| &**option));
    for index in &decoded.for_mount8 {
        let why = "it is for mount(8)";
        let value = options[*index].to_string();
        cx.warn(&at_options.index(*index), WarningReason::IgnoredValue { value, why });
    }
    let idmap = read_idmap(decoded.idmap, uid_mappings, gid_mappings, namespaces, at)?;
    let attributes = decoded.attributes;
    let recursive_attributes = decoded.recursive_attributes;
    let propagation = decoded.propagation.clone();
    let kind = if decoded.bind.is_some() {
        bind_kind(source, &decoded, &options, at, cx)?
    } else if decoded.remount {
        only_for_bind(&decoded, &at_options)?;
        MountKind::Remount { options: data(decoded.data), superblock: decoded.superblock }
    } else {
        filesystem_kind(r#type, source, decoded, at)?
    };
    if idmap.is_some() && !matches!(kind, MountKind::Bind { remount: false, .. }) {
        return at_options.fail(Problem::Needs { what: "`bind` or `rbind` for an id mapping" });
    }
    Ok(Mount { destination, kind, attributes, recursive_attributes, propagation, idmap })
}

fn read_destination(
    destination: Option<Text<'_>>,
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<ContainerPath, SpecError> {
    let text = required(destination, at)?;
    non_empty(&text, at)?;
    checks::path(&text, at)?;
    if !text.starts_with('/') {
        cx.warn(at, WarningReason::RelativeDestination { value: text.to_string() });
    }
    ContainerPath::normalise(&text).ok_or_else(|| at.error(Problem::Empty))
}

fn bind_kind(
    source: Option<Text<'_>>,
    options: &MountOptions,
    words: &[Text<'_>],
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<MountKind, SpecError> {
    let (at_source, at_options) = (at.field("source"), at.field("options"));
    let source = required(source, &at_source)?;
    non_empty(&source, &at_source)?;
    checks::path(&source, &at_source)?;
    if let Some((index, _)) = options.data.first() {
        let why = "a bind mount has no options of a file system";
        let value = words[*index].to_string();
        return at_options.index(*index).fail(Problem::Unsupported { value, why });
    }
    for index in &options.superblock_at {
        let why = "a bind mount can't change the superblock of its source";
        let value = words[*index].to_string();
        cx.warn(&at_options.index(*index), WarningReason::IgnoredValue { value, why });
    }
    if options.copy_up {
        return at_options.fail(Problem::Needs { what: "the type `tmpfs` for `tmpcopyup`" });
    }
    Ok(MountKind::Bind {
        source: cx.host_path(&source),
        recursive: options.bind.unwrap_or(false),
        nofollow: options.source_nofollow,
        dest_nofollow: options.destination_nofollow,
        remount: options.remount,
    })
}

fn filesystem_kind(
    fstype: Option<Text<'_>>,
    source: Option<Text<'_>>,
    options: MountOptions,
    at: &At<'_>,
) -> Result<MountKind, SpecError> {
    let (at_type, at_source, at_options) =
        (at.field("type"), at.field("source"), at.field("options"));
    only_for_bind(&options, &at_options)?;
    let fstype = fstype.filter(|fstype| !fstype.is_empty());
    let fstype = match fstype {
        Some(fstype) => fstype,
        None => {
            let what = "`bind` or `rbind` in `options`, or a type of file system";
            return at_type.fail(Problem::Needs { what });
        }
    };
    no_nul(&fstype, &at_type)?;
    let source = source.map(Text::into_string).unwrap_or_default();
    checks::path(&source, &at_source)?;
    if options.copy_up && &*fstype != "tmpfs" {
        return at_options.fail(Problem::Needs { what: "the type `tmpfs` for `tmpcopyup`" });
    }
    match &*fstype {
        "bind" | "none" => {
            let why = "a bind mount has `bind` or `rbind` in its `options`";
            at_type.fail(Problem::Unsupported { value: fstype.into_string(), why })
        }
        "cgroup" | "cgroup2" => Ok(MountKind::Cgroup { options: data(options.data) }),
        _ => Ok(MountKind::Filesystem(Filesystem {
            fstype: fstype.into_string(),
            source,
            options: data(options.data),
            superblock: options.superblock,
            copy_up: options.copy_up,
        })),
    }
}

fn only_for_bind(options: &MountOptions, at: &At<'_>) -> Result<(), SpecError> {
    if options.source_nofollow || options.destination_nofollow {
        return at.fail(Problem::Needs { what: "`bind` or `rbind` for its `nofollow` options" });
    }
    Ok(())
}

fn data(options: Vec<(usize, FilesystemOption)>) -> Vec<FilesystemOption> {
    options.into_iter().map(|(_, option)| option).collect()
}

/// Mappings without `idmap` or `ridmap` mean `idmap`, as for runc.
fn read_idmap(
    recursive: Option<bool>,
    uids: Option<Vec<wire::IdMapping>>,
    gids: Option<Vec<wire::IdMapping>>,
    namespaces: &Namespaces,
    at: &At<'_>,
) -> Result<Option<MountIdMap>, SpecError> {
    let (at_uids, at_gids) = (at.field("uidMappings"), at.field("gidMappings"));
    let uid_map = read_id_map(uids, &at_uids)?;
    let gid_map = read_id_map(gids, &at_gids)?;
    let mapping: Option<(IdMap, IdMap)> = match (uid_map.is_empty(), gid_map.is_empty()) {
        (true, true) => None,
        (false, false) => Some((uid_map, gid_map)),
        (true, false) => return at_uids.fail(Problem::Missing),
        (false, true) => return at_gids.fail(Problem::Missing),
    };
    match (recursive, mapping) {
        (None, None) => Ok(None),
        (Some(_), None) if namespaces.user.is_inherited() => {
            let what = "`uidMappings` and `gidMappings`, or a user namespace, for an id mapping";
            at.field("options").fail(Problem::Needs { what })
        }
        (recursive, mapping) => {
            Ok(Some(MountIdMap { recursive: recursive.unwrap_or(false), mapping }))
        }
    }
}
