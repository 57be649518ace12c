//! `mounts` (config.md#mounts).

use std::path::PathBuf;

use super::at::At;
use super::checks::{self, list, no_nul, non_empty, required};
use super::id_maps::{mapping_option, read_id_map};
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
    let words = read_options(options, &at_options)?;
    let options = parse_mount_options(words.iter().map(|word| &**word));
    ignore(&options.for_mount8, "it is for mount(8)", &words, &at_options, cx);
    let (uid_mappings, gid_mappings) = match &options.id_map {
        None => (uid_mappings, gid_mappings),
        Some(_) if uid_mappings.is_some() || gid_mappings.is_some() => {
            let what = "the mapping in `options`";
            return at.field("uidMappings").fail(Problem::Contradicts { what });
        }
        Some((index, text)) => {
            let (uids, gids) = mapping_option(text, &at_options.index(*index))?;
            (Some(uids), Some(gids))
        }
    };
    let idmap = read_idmap(options.idmap, uid_mappings, gid_mappings, namespaces, at)?;
    let kind = read_kind(r#type, source, &options, &words, at, cx)?;
    if matches!(kind, MountKind::Bind { .. } | MountKind::Cgroup { .. }) {
        let why = "what is mounted has its superblock already";
        ignore(&options.superblock_at, why, &words, &at_options, cx);
    }
    if options.copy_up && !matches!(&kind, MountKind::Filesystem(fs) if fs.fstype == "tmpfs") {
        return at_options.fail(Problem::Needs { what: "the type `tmpfs` for `tmpcopyup`" });
    }
    if idmap.is_some() && !matches!(kind, MountKind::Bind { remount: false, .. }) {
        return at_options.fail(Problem::Needs { what: "`bind` or `rbind` for an id mapping" });
    }
    let MountOptions { attributes, recursive_attributes, propagation, .. } = options;
    Ok(Mount { destination, kind, attributes, recursive_attributes, propagation, idmap })
}

fn read_options<'a>(
    options: Option<Vec<Text<'a>>>,
    at: &At<'_>,
) -> Result<Vec<Text<'a>>, SpecError> {
    let options = list(options, limits::MAX_MOUNT_OPTIONS, at)?;
    for (index, option) in options.iter().enumerate() {
        non_empty(option, &at.index(index))?;
        no_nul(option, &at.index(index))?;
    }
    Ok(options)
}

/// Warns that the words at `indices` have no effect.
fn ignore(
    indices: &[usize],
    why: &'static str,
    words: &[Text<'_>],
    at: &At<'_>,
    cx: &mut Context<'_>,
) {
    for index in indices {
        let value = words[*index].to_string();
        cx.warn(&at.index(*index), WarningReason::IgnoredValue { value, why });
    }
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

fn read_kind(
    fstype: Option<Text<'_>>,
    source: Option<Text<'_>>,
    options: &MountOptions,
    words: &[Text<'_>],
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<MountKind, SpecError> {
    let at_options = at.field("options");
    if let Some(recursive) = options.bind {
        for (index, _) in &options.data {
            let value = words[*index].to_string();
            cx.warn(&at_options.index(*index), WarningReason::BindData { value });
        }
        return Ok(MountKind::Bind {
            source: read_bind_source(source, &at.field("source"), cx)?,
            recursive,
            nofollow: options.source_nofollow,
            dest_nofollow: options.destination_nofollow,
            remount: options.remount,
        });
    }
    if options.source_nofollow || options.destination_nofollow {
        let what = "`bind` or `rbind` for its `nofollow` options";
        return at_options.fail(Problem::Needs { what });
    }
    if options.remount {
        return Ok(MountKind::Remount { options: data(options), superblock: options.superblock });
    }
    filesystem_kind(fstype, source, options, at)
}

fn read_bind_source(
    source: Option<Text<'_>>,
    at: &At<'_>,
    cx: &Context<'_>,
) -> Result<PathBuf, SpecError> {
    let source = required(source, at)?;
    non_empty(&source, at)?;
    checks::path(&source, at)?;
    Ok(cx.host_path(&source))
}

fn filesystem_kind(
    fstype: Option<Text<'_>>,
    source: Option<Text<'_>>,
    options: &MountOptions,
    at: &At<'_>,
) -> Result<MountKind, SpecError> {
    let (at_type, at_source) = (at.field("type"), at.field("source"));
    let Some(fstype) = fstype.filter(|fstype| !fstype.is_empty()) else {
        let what = "`bind` or `rbind` in `options`, or a type of file system";
        return at_type.fail(Problem::Needs { what });
    };
    no_nul(&fstype, &at_type)?;
    let source = source.map(Text::into_string).unwrap_or_default();
    checks::path(&source, &at_source)?;
    match &*fstype {
        "bind" | "none" => {
            let why = "a bind mount has `bind` or `rbind` in its `options`";
            at_type.fail(Problem::Unsupported { value: fstype.into_string(), why })
        }
        "cgroup" | "cgroup2" => Ok(MountKind::Cgroup { options: data(options) }),
        _ => Ok(MountKind::Filesystem(Filesystem {
            fstype: fstype.into_string(),
            source,
            options: data(options),
            superblock: options.superblock,
            copy_up: options.copy_up,
        })),
    }
}

fn data(options: &MountOptions) -> Vec<FilesystemOption> {
    options.data.iter().map(|(_, option)| option.clone()).collect()
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
