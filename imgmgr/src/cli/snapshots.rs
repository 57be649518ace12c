//! Commands about snapshots and mounts.

use std::path::{Path, PathBuf};

use imgmgr::digest::Digest;
use imgmgr::layer::Cancel;
use imgmgr::layer::store::Chain;
use imgmgr::snapshot::{
    IdMapping, Snapshot, SnapshotError, SnapshotKind, Snapshots, detached, detached_sealed,
};
use imgmgr::store::Lease;
use imgmgr::upkeep::{MountedOn, UpkeepError, mounted_on};
use serde_json::json;

use super::args::{
    Format, MountArgs, PlatformArgs, SnapshotCommand, SnapshotListArgs, SnapshotMountArgs,
    SnapshotPrepareArgs, UmountArgs,
};
use super::bundle::load;
use super::context::Context;
use super::output::{CommandError, Done, human, json, table};

pub(crate) fn snapshot(context: &Context, command: &SnapshotCommand) -> Done {
    match command {
        SnapshotCommand::Prepare(args) => prepare(context, args),
        SnapshotCommand::List(args) => list(context, args),
        SnapshotCommand::Mount(args) => mount_snapshot(context, args),
        SnapshotCommand::Umount(args) => unmount(&absolute(&args.target)?),
        SnapshotCommand::Rm(args) => {
            let upkeep = context.upkeep()?;
            args.names.iter().try_for_each(|name| Ok(upkeep.remove_snapshot(name)?))
        }
    }
}

fn prepare(context: &Context, args: &SnapshotPrepareArgs) -> Done {
    let kind = match (args.sealed, args.view) {
        (true, _) => SnapshotKind::Sealed,
        (false, true) => SnapshotKind::View,
        (false, false) => SnapshotKind::Active,
    };
    let (chain, _lease) = chain(context, &args.image, &args.platform, kind)?;
    context.snapshots()?.prepare(&args.name, &chain, kind).map_err(CommandError::run)?;
    Ok(())
}

fn list(context: &Context, args: &SnapshotListArgs) -> Done {
    let snapshots = context.snapshots()?;
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for id in snapshots.ids().map_err(CommandError::run)? {
        let snapshot = match snapshots.get(&id) {
            Err(SnapshotError::NotFound { .. }) => continue,
            got => got.map_err(CommandError::run)?,
        };
        let usage = snapshots.usage(&id).map_err(CommandError::run)?;
        let record = snapshot.record();
        let kind = match record.kind {
            SnapshotKind::Active => "active",
            SnapshotKind::View => "view",
            SnapshotKind::Sealed => "sealed",
        };
        let image = record.image.as_ref().map(|image| image.digest.clone());
        values.push(json!({
            "name": id,
            "kind": kind,
            "image": image,
            "chainID": record.chain_id,
            "layers": record.lowers.len(),
            "size": usage.bytes,
        }));
        let image = image.map_or_else(|| "-".to_owned(), |digest| digest.short().to_owned());
        rows.push(vec![id, kind.to_owned(), image, human(usage.bytes)]);
    }
    match args.format {
        Format::Json => json(&values),
        Format::Table => table(&["NAME", "KIND", "IMAGE", "CHANGES"], &rows),
    }
}

fn mount_snapshot(context: &Context, args: &SnapshotMountArgs) -> Done {
    let snapshot = context.snapshots()?.get(&args.name).map_err(CommandError::run)?;
    attach(context, &snapshot, &absolute(&args.target)?)
}

/// Unpacks what is missing of an image for a snapshot of this kind; the image stays as long as the
/// lease is held.
pub(super) fn chain(
    context: &Context,
    image: &str,
    args: &PlatformArgs,
    kind: SnapshotKind,
) -> Done<(Chain, Lease)> {
    let (image, lease) = load(context, image, args)?;
    let layers = context.layers()?;
    let chain = image.unpack(&layers, &Cancel::default()).map_err(CommandError::run)?;
    if kind == SnapshotKind::Sealed {
        image.seal(&layers, &chain, &Cancel::default()).map_err(CommandError::run)?;
    }
    Ok((chain, lease))
}

pub(crate) fn mount(context: &Context, args: &MountArgs) -> Done {
    let kind = match (args.sealed, args.writable) {
        (true, _) => SnapshotKind::Sealed,
        (false, true) => SnapshotKind::Active,
        (false, false) => SnapshotKind::View,
    };
    let (chain, _lease) = chain(context, &args.image, &args.platform, kind)?;
    let target = absolute(&args.target)?;
    let id = mount_id(&target);
    let snapshots = snapshots_for(context, kind)?;
    let snapshot = match snapshots.prepare(&id, &chain, kind) {
        Err(SnapshotError::Exists { .. }) => {
            discard_view(context, &id, &target)?;
            snapshots.prepare(&id, &chain, kind)
        }
        prepared => prepared,
    };
    let snapshot = snapshot.map_err(CommandError::run)?;
    let attached = attach(context, &snapshot, &target);
    if attached.is_err() {
        // The error that counts is the first one.
        let _ = snapshots.remove(&id);
    }
    attached
}

/// Removes the snapshot of an earlier mount on `target` that somebody unmounted without us; nothing
/// is lost by it if that was read-only.
fn discard_view(context: &Context, id: &str, target: &Path) -> Done {
    let at = target.display();
    let busy = || {
        let message = format!("an image is mounted on `{at}` already; `imgmgr umount {at}` first");
        CommandError::run(message)
    };
    let snapshot = context.snapshots()?.get(id).map_err(CommandError::run)?;
    match look_at(&snapshot, target)? {
        MountedOn::Top => return Err(busy()),
        MountedOn::Covered => return Err(covered(target)),
        MountedOn::Not => {}
    }
    if snapshot.record().kind == SnapshotKind::Active {
        return Err(CommandError::run(format!(
            "`{at}` was unmounted by other means, and its changes are kept: \
             `imgmgr commit {at} IMAGE` saves them, `imgmgr umount {at}` drops them"
        )));
    }
    match context.upkeep()?.remove_snapshot(id) {
        // In another mount namespace.
        Err(UpkeepError::Mounted { .. }) => Err(busy()),
        removed => Ok(removed?),
    }
}

fn look_at(snapshot: &Snapshot, target: &Path) -> Done<MountedOn> {
    mounted_on(snapshot, target).map_err(|e| CommandError::file("look at", target, e))
}

fn covered(target: &Path) -> CommandError {
    let at = target.display();
    CommandError::run(format!(
        "something else is mounted over the image on `{at}`; `umount {at}` takes that away"
    ))
}

/// The snapshot of what is mounted on `target`.
pub(super) fn mounted(context: &Context, target: &Path) -> Done<Snapshot> {
    match context.snapshots()?.get(&mount_id(target)) {
        Err(SnapshotError::NotFound { .. }) => {
            let message = format!("no image is mounted on `{}`", target.display());
            Err(CommandError::run(message))
        }
        found => found.map_err(CommandError::run),
    }
}

/// A read-only mount has nothing that a power cut could take.
fn snapshots_for(context: &Context, kind: SnapshotKind) -> Done<Snapshots> {
    match kind {
        SnapshotKind::Active => context.snapshots(),
        SnapshotKind::View | SnapshotKind::Sealed => context.passing_snapshots(),
    }
}

pub(crate) fn umount(context: &Context, args: &UmountArgs) -> Done {
    let target = absolute(&args.target)?;
    // Only what we mounted is unmounted.
    let snapshot = mounted(context, &target)?;
    match look_at(&snapshot, &target)? {
        MountedOn::Top => unmount(&target)?,
        MountedOn::Covered => return Err(covered(&target)),
        // By other means, or a `mount` was killed.
        MountedOn::Not => {}
    }
    let snapshots = snapshots_for(context, snapshot.record().kind)?;
    snapshots.remove(&mount_id(&target)).map_err(CommandError::run)
}

fn attach(context: &Context, snapshot: &Snapshot, target: &Path) -> Done {
    let mount = match snapshot.record().kind {
        SnapshotKind::Sealed => detached_sealed(snapshot, &context.layers()?),
        SnapshotKind::Active | SnapshotKind::View => detached(snapshot, IdMapping::None),
    };
    let mount = mount.map_err(CommandError::run)?;
    kernel::mount::attach_at_path(&mount, target)
        .map_err(|e| CommandError::run(format!("cannot mount on `{}`: {e}", target.display())))
}

/// Not lazily: the layers of what was mounted may go once the snapshot is gone.
fn unmount(target: &Path) -> Done {
    match rustix::mount::unmount(target, rustix::mount::UnmountFlags::NOFOLLOW) {
        // A `mount` that was killed may have left a snapshot without a mount.
        Ok(()) | Err(kernel::Errno::INVAL) => Ok(()),
        Err(e) => {
            let message = format!("cannot unmount `{}`: {e}", target.display());
            Err(CommandError::run(message))
        }
    }
}

/// The snapshot behind a mount point, so that `umount` finds it.
fn mount_id(target: &Path) -> String {
    let digest = Digest::of(std::os::unix::ffi::OsStrExt::as_bytes(target.as_os_str()));
    format!("mount.{}", digest.short())
}

pub(super) fn absolute(path: &Path) -> Done<PathBuf> {
    let real = path.canonicalize();
    let real =
        real.map_err(|e| CommandError::run(format!("cannot open `{}`: {e}", path.display())))?;
    if !real.is_dir() {
        return Err(CommandError::usage(format!("`{}` is not a directory", path.display())));
    }
    Ok(real)
}
