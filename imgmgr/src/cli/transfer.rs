//! Commands that move images.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::sync::Arc;

use imgmgr::copy::{self, ArchiveForm, Digests, Location, Referrers};
use imgmgr::digest::Digest;
use imgmgr::image::Descriptor;
use imgmgr::pull::{Platforms, PullOptions, UnpackLayers};
use imgmgr::reference::Reference;
use imgmgr::registry::{FailureKind, RegistryError, Remote};
use imgmgr::store::{ImageEntry, Store};
use imgmgr::whole_file::WholeFile;

use super::args::{
    CopyArgs, LoadArgs, PullArgs, PushArgs, ReferrersFlag, SaveArgs, SaveForm, SyncArgs,
};
use super::context::{Context, platform, platforms, registry_reference};
use super::output::{CommandError, Done, line};
use super::progress::Display;

pub(crate) fn pull(context: &Context, args: &PullArgs) -> Done {
    let options = PullOptions {
        platforms: platforms(&args.platform)?,
        parallel_layers: args.parallel,
        policy: context.policy()?,
    };
    let references: Vec<Reference> =
        args.references.iter().map(|text| registry_reference(text)).collect::<Done<_>>()?;
    let (store, client) = (context.store()?, context.client()?);
    let display = Display::start(context.global.progress, args.quiet);
    let layers = args.unpack.then(|| context.layers()).transpose()?;
    let mut pulled = Vec::new();
    let result = context.wait(async {
        for reference in &references {
            let sink = layers.clone().map(|layers| Arc::new(UnpackLayers::new(layers)) as Arc<_>);
            let remote = client.remote(reference.repository());
            let (name, progress) = (reference.to_string(), display.progress());
            let outcome =
                imgmgr::pull::pull(&remote, reference, &store, &name, &options, progress, sink);
            pulled.push((reference, outcome.await?));
        }
        Ok(())
    });
    drop(display);
    for (reference, outcome) in pulled {
        let state = if outcome.up_to_date { "up to date" } else { "pulled" };
        let digest = &outcome.entry.target.digest;
        if args.quiet {
            line(digest)?;
        } else {
            line(format_args!("{state}: {} {digest}", reference.familiar()))?;
        }
    }
    result
}

pub(crate) fn push(context: &Context, args: &PushArgs) -> Done {
    let to = registry_reference(args.destination.as_deref().unwrap_or(&args.image))?;
    let from = Location::Store(args.image.clone());
    let platforms =
        stored_platforms(args.platform.one.platform.as_ref(), platforms(&args.platform)?);
    let (place, referrers) = (Location::Registry(to.clone()), Referrers::Leave);
    let pushed = copy_one(context, &from, &place, platforms, referrers, Digests::Preserve)?;
    line(format_args!("pushed: {} {}", to.familiar(), pushed.digest))
}

/// What is in the store goes as it is, unless a platform was named.
fn stored_platforms(named: Option<&String>, platforms: Platforms) -> Platforms {
    if named.is_some() { platforms } else { Platforms::All }
}

pub(crate) fn copy(context: &Context, args: &CopyArgs) -> Done {
    let from: Location = args.source.parse().map_err(CommandError::usage)?;
    let to = Location::destination(&args.destination).map_err(CommandError::usage)?;
    let referrers = referrers(&args.referrers, args.platform.all);
    let digests = if args.preserve_digests { Digests::Preserve } else { Digests::MayChange };
    let platforms = platforms(&args.platform)?;
    let copied = copy_one(context, &from, &to, platforms, referrers, digests)?;
    if let Some(path) = &args.digestfile {
        write_digest(path, &copied.digest)
            .map_err(|source| CommandError::file("write", path, source))?;
    }
    line(copied.digest)
}

fn write_digest(path: &Path, digest: &Digest) -> io::Result<()> {
    let whole = WholeFile::create(path)?;
    whole.file().write_all(digest.to_string().as_bytes())?;
    whole.keep()
}

/// What was said, or else `unless_said`.
fn referrers(flag: &ReferrersFlag, unless_said: bool) -> Referrers {
    if flag.referrers.unwrap_or(unless_said) { Referrers::TakeAlong } else { Referrers::Leave }
}

fn copy_one(
    context: &Context,
    from: &Location,
    to: &Location,
    platforms: Platforms,
    referrers: Referrers,
    digests: Digests,
) -> Done<Descriptor> {
    let needs_store = |place: &Location| matches!(place, Location::Store(_));
    let store = if needs_store(from) || needs_store(to) {
        Some(context.store()?)
    } else if matches!(to, Location::Registry(_)) {
        // Nothing but the notes of an upload goes there.
        Some(Store::view(&context.store_path()).or_else(|_| context.store())?)
    } else {
        None
    };
    let display = Display::start(context.global.progress, false);
    let mut copying = context.copying(store, platforms, referrers, &display)?;
    copying.digests = digests;
    let client = copying.client.clone();
    let work = async { Ok(copy::copy(&copying, from, to).await?) };
    match to {
        Location::Registry(_) => context.wait_or_interrupt(&client, work),
        // What comes in or stays here can be cut off.
        _ => context.wait_or_end(work),
    }
}

pub(crate) fn save(context: &Context, args: &SaveArgs) -> Done {
    let store = context.store()?;
    let form = match args.format {
        SaveForm::DockerArchive => ArchiveForm::Docker,
        SaveForm::OciArchive => ArchiveForm::Oci,
    };
    let mut images = Vec::new();
    for image in &args.images {
        let whole = args.platform.one.platform.is_none() && form == ArchiveForm::Oci;
        let (entry, target) = if whole {
            let entry = store.resolve(image)?;
            (entry.clone(), entry.target)
        } else {
            store.resolve_image(image, &platform(&args.platform.one)?)?
        };
        images.push((entry.name, target));
    }
    let _lease = copy::keep(&store, images.iter().map(|(_, target)| target))?;
    match &args.output {
        Some(path) => {
            context.wait_or_end(async { Ok(copy::save_file(&store, images, form, path).await?) })
        }
        None if io::stdout().is_terminal() => {
            Err(CommandError::usage("an archive does not go to a terminal; use --output FILE"))
        }
        None => Ok(copy::save(&store, &images, form, io::stdout().lock())?),
    }
}

pub(crate) fn load(context: &Context, args: &LoadArgs) -> Done {
    let name = match &args.name {
        Some(text) => Some(Reference::parse(text).map_err(CommandError::usage)?),
        None => None,
    };
    let store = context.store()?;
    let lease = store.lease()?;
    let (input, path): (Box<dyn Read>, _) = match &args.input {
        Some(path) => {
            let file = File::open(path)
                .map_err(|e| CommandError::run(format!("cannot open `{}`: {e}", path.display())))?;
            (Box::new(file), path.as_path())
        }
        None if io::stdin().is_terminal() => {
            return Err(CommandError::usage("no archive: use --input FILE or standard input"));
        }
        None => (Box::new(io::stdin().lock()), Path::new("standard input")),
    };
    imgmgr::trust::check_file(&*context.policy()?, "docker-archive", path)
        .map_err(CommandError::run)?;
    let images = copy::load(&store, &lease, input, path)?;
    for image in images {
        let given = name.as_ref().map(ToString::to_string);
        let entry = ImageEntry { name: given.unwrap_or_else(|| name_of(&image)), ..image };
        store.tag(&entry)?;
        line(format_args!("loaded: {} {}", entry.name, entry.target.digest))?;
    }
    Ok(())
}

/// The name in the archive, made one by which the store can be asked.
fn name_of(image: &ImageEntry) -> String {
    match Reference::parse(&image.name) {
        Ok(reference) if image.name.contains(['/', ':']) => reference.to_string(),
        _ => Reference::parse(&format!("localhost/loaded:{}", image.name)).map_or_else(
            |_| format!("localhost/loaded:{}", image.target.digest.short()),
            |reference| reference.to_string(),
        ),
    }
}

pub(crate) fn sync(context: &Context, args: &SyncArgs) -> Done {
    let source = args.source.strip_prefix("docker://").unwrap_or(&args.source);
    let one = Reference::parse(source).map_err(CommandError::usage)?;
    let repository = one.repository().clone();
    let store = context.store()?;
    let display = Display::start(context.global.progress, false);
    let along = referrers(&args.referrers, true);
    let copying = context.copying(Some(store), platforms(&args.platform)?, along, &display)?;
    let target = |tag: &str| -> Done<Location> {
        let name = match &args.to {
            None => return Ok(Location::Store(format!("{repository}:{tag}"))),
            Some(to) => format!("{}/{}:{tag}", to.trim_end_matches('/'), repository.path()),
        };
        Ok(Location::Registry(Reference::parse(&name).map_err(CommandError::usage)?))
    };
    let client = copying.client.clone();
    let work = async {
        let is_repository = Reference::parse_repository(source).is_ok();
        let tags = if is_repository {
            let mut tags = copying.client.remote(&repository).tags().await?;
            // They go along with the images that they are about, or not at all.
            tags.retain(|tag| !copy::is_referrer_tag(tag));
            tags
        } else {
            vec![one.tag().unwrap_or("latest").to_owned()]
        };
        let (mut failures, mut synced) = (0, HashSet::new());
        for tag in &tags {
            let from = Location::Registry(one.tagged(tag).map_err(CommandError::usage)?);
            match copy::copy(&copying, &from, &target(tag)?).await {
                Ok(copied) => {
                    line(format_args!("synced: {repository}:{tag} {}", copied.digest))?;
                    synced.insert(copied.digest);
                }
                Err(error) if error.is_interrupted() => return Err(error.into()),
                Err(error) => {
                    failures += 1;
                    super::output::report(&error.into());
                }
            }
        }
        if args.delete && is_repository && failures == 0 {
            delete_others(&copying, &target("latest")?, &tags, synced).await?;
        }
        if failures == 0 {
            Ok(())
        } else {
            Err(CommandError::run(format!("{failures} of {} tags failed", tags.len())))
        }
    };
    match args.to {
        Some(_) => context.wait_or_interrupt(&client, work),
        None => context.wait_or_end(work),
    }
}

/// Removes tags that the source has not. `needed` are the images that
/// were just copied there.
async fn delete_others(
    copying: &copy::CopyContext,
    to: &Location,
    keep: &[String],
    mut needed: HashSet<Digest>,
) -> Done {
    let Location::Registry(reference) = to else { return Ok(()) };
    let remote = copying.client.remote(reference.repository());
    let stays = |tag: &String| keep.contains(tag) || tag.starts_with("sha256-");
    let (staying, others): (Vec<String>, Vec<String>) =
        remote.tags().await?.into_iter().partition(stays);
    let (mut all_known, mut shared) = (false, Vec::new());
    for tag in &others {
        let deleted = remote.delete_manifest(tag).await;
        if deleted.as_ref().is_err_and(takes_digests_only) {
            if !all_known {
                needed.extend(digests(&remote, &staying).await?);
                all_known = true;
            }
            match digest(&remote, tag).await? {
                Some(digest) if needed.contains(&digest) => {
                    shared.push(format!("`{tag}`"));
                    continue;
                }
                Some(digest) => remote.delete_manifest(&digest.to_string()).await?,
                // It went with another tag of the same image.
                None => {}
            }
        } else {
            deleted?;
        }
        line(format_args!("deleted: {}:{tag}", reference.repository()))?;
    }
    if shared.is_empty() {
        return Ok(());
    }
    Err(CommandError::run(format!(
        "`{}` deletes whole images only, no tags; these share theirs with tags that stay: {}",
        reference.repository().domain(),
        shared.join(", ")
    )))
}

/// Whether a registry refuses to delete a tag where it might delete an image (docker-registry 2.8).
fn takes_digests_only(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Status { status, .. } if [400, 405].contains(&status.as_u16()))
}

async fn digests(remote: &Remote, tags: &[String]) -> Done<HashSet<Digest>> {
    let mut digests = HashSet::new();
    for tag in tags {
        digests.extend(digest(remote, tag).await?);
    }
    Ok(digests)
}

/// What a tag points at; `None` if it is gone.
async fn digest(remote: &Remote, tag: &str) -> Done<Option<Digest>> {
    if let Some(descriptor) = remote.head_manifest(tag).await? {
        return Ok(Some(descriptor.digest));
    }
    match remote.manifest(tag).await {
        Ok(fetched) => Ok(Some(fetched.descriptor.digest)),
        Err(error) if error.kind() == FailureKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
