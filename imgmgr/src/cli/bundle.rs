//! Commands that unpack images and take changes back.

use bundles::{BundleOptions, RootAccess, Terminal, UserNamespace};
use imgmgr::digest::Digest;
use imgmgr::layer::{Cancel, DeviceNodes, IdRange, Ownership, UnpackOptions};
use imgmgr::repack::{LayerNote, LayerSink, Placement};
use imgmgr::snapshot::{BundleIds, DiffOptions, StoredImage};
use imgmgr::store::{ImageEntry, Lease};
use imgmgr::unpack::{UnpackImage, refresh_bundle, repack_bundle, unpack_bundle};
use imgmgr::upkeep::{BASE, pin_bundle};

use super::args::{PlatformArgs, RepackArgs, UnpackArgs};
use super::context::{Context, platform};
use super::output::{CommandError, Done, line};

pub(crate) fn unpack(context: &Context, args: &UnpackArgs) -> Done {
    let (image, _lease) = load(context, &args.image, &args.platform)?;
    let is_root = rustix::process::geteuid().is_root();
    let (uids, gids) = (ranges(&args.uid_map)?, ranges(&args.gid_map)?);
    if !is_root && !uids.is_empty() {
        let message = "`--uid-map` and `--gid-map` take root; without them all files are yours";
        return Err(CommandError::usage(message));
    }
    let ownership = match (args.rootless || !is_root, uids.is_empty() && gids.is_empty()) {
        (true, _) => Ownership::Caller,
        (false, true) => Ownership::Keep,
        (false, false) => Ownership::Map { uids, gids },
    };
    let devices = match ownership {
        Ownership::Caller => DeviceNodes::Placeholder,
        Ownership::Keep | Ownership::Map { .. } => DeviceNodes::Create,
    };
    let user_namespace = user_namespace(&ownership);
    let options = UnpackOptions { ownership, devices, ..context.unpack_options() };
    let bundle_options = BundleOptions {
        user_namespace,
        command: (!args.args.is_empty()).then(|| args.args.clone()),
        env: args.env.clone(),
        user: args.user.clone(),
        working_dir: args.workdir.clone(),
        terminal: if args.tty { Terminal::Yes } else { Terminal::No },
        hostname: args.hostname.clone(),
        root_access: if args.read_only { RootAccess::ReadOnly } else { RootAccess::ReadWrite },
        ..BundleOptions::default()
    };
    let blobs = |layer: &imgmgr::layer::LayerDescriptor| image.open_blob(layer);
    let store = context.store()?;
    let parts = UnpackImage {
        config: &image.config,
        layers: &image.layers,
        blobs: &blobs,
        pin: Some((&store, &image.target)),
    };
    unpack_bundle(&parts, &args.bundle, &options, &bundle_options, &Cancel::default())
        .map_err(CommandError::run)
}

pub(crate) fn repack(context: &Context, args: &RepackArgs) -> Done {
    let base = match &args.base {
        Some(base) => base.clone(),
        None => {
            let path = args.bundle.join(BASE);
            let text = std::fs::read_to_string(&path);
            text.map_err(|e| CommandError::run(format!("cannot read `{}`: {e}", path.display())))?
        }
    };
    let store = context.store()?;
    let (image, lease) = load_base(context, &base, &args.platform)?;
    let latest = epoch()?;
    let sink = LayerSink::new(&store, &lease).map_err(CommandError::run)?;
    let durability = context.unpack_options().durability;
    let (sink, summary) = repack_bundle(&args.bundle, sink, DiffOptions { latest }, durability)
        .map_err(CommandError::run)?;
    let note = LayerNote { created: created(latest), created_by: args.created_by.clone() };
    let target = sink.finish(&image, Placement::OnTop, &note).map_err(CommandError::run)?;
    let name = imgmgr::reference::Reference::parse(&args.name).map_err(CommandError::usage)?;
    store.tag(&ImageEntry::new(&name.to_string(), target.clone()))?;
    if args.refresh {
        // In this order: on top of the new image, changes that it has already do no harm.
        pin_bundle(&store, &args.bundle, &target, durability)?;
        refresh_bundle(&args.bundle, durability).map_err(CommandError::run)?;
    }
    line(format_args!("{} ({} entries)", target.digest, summary.entries))
}

/// An image of the store, which stays there as long as the lease is held.
pub(super) fn load(
    context: &Context,
    name: &str,
    args: &PlatformArgs,
) -> Done<(StoredImage, Lease)> {
    let store = context.store()?;
    let (_, descriptor) = store.resolve_image(name, &platform(args)?)?;
    let lease = store.lease()?;
    lease.take(&descriptor)?;
    Ok((StoredImage::load(&store, &descriptor).map_err(CommandError::run)?, lease))
}

/// The image that a bundle names by digest, under a name or not; or one by name.
fn load_base(context: &Context, name: &str, args: &PlatformArgs) -> Done<(StoredImage, Lease)> {
    let Ok(digest) = name.trim().parse::<Digest>() else { return load(context, name, args) };
    let store = context.store()?;
    let target = store.describe_manifest(&digest)?;
    let lease = store.lease()?;
    lease.take(&target)?;
    Ok((StoredImage::load(&store, &target).map_err(CommandError::run)?, lease))
}

/// In which the bundle's files have the owners that the image says.
fn user_namespace(ownership: &Ownership) -> UserNamespace {
    let ranges = |ranges: &[IdRange]| ranges.iter().map(range).collect();
    match BundleIds::of(ownership) {
        BundleIds::Same => UserNamespace::Host,
        BundleIds::Mapped { uids, gids } => {
            UserNamespace::Mapped { uids: ranges(&uids), gids: ranges(&gids) }
        }
        BundleIds::Caller { uid, gid } => UserNamespace::Rootless { uid, gid },
    }
}

fn range(&IdRange { container, host, len }: &IdRange) -> bundles::IdRange {
    bundles::IdRange { container, host, len }
}

/// `CONTAINER:HOST:LENGTH`, as umoci and newuidmap write it.
fn ranges(texts: &[String]) -> Done<Vec<IdRange>> {
    let parse = |text: &String| {
        let mut numbers = text.split(':').map(|number| number.parse::<u32>().ok());
        let mut next = || numbers.next().flatten();
        match (next(), next(), next(), numbers.next()) {
            (Some(container), Some(host), Some(len), None) => Ok(IdRange { container, host, len }),
            _ => Err(CommandError::usage(format!("`{text}` is not CONTAINER:HOST:LENGTH"))),
        }
    };
    texts.iter().map(parse).collect()
}

/// `SOURCE_DATE_EPOCH`, if it is set.
pub(super) fn epoch() -> Done<Option<i64>> {
    let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let number = text.parse::<i64>();
    number.map(Some).map_err(|_| {
        CommandError::usage(format!("SOURCE_DATE_EPOCH is `{text}`, which is no number"))
    })
}

/// RFC 3339 of the given time, else of now.
pub(super) fn created(latest: Option<i64>) -> String {
    let now = std::time::SystemTime::now();
    let time = match latest.and_then(|secs| u64::try_from(secs).ok()) {
        Some(secs) => std::time::UNIX_EPOCH + std::time::Duration::from_secs(secs),
        None => now,
    };
    humantime::format_rfc3339_seconds(time).to_string()
}
