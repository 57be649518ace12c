//! Copies images between registries, the store, layouts, archives and directories.
//!
//! Everything passes through a [`Store`]: the destination's own where it is one, a scratch one
//! otherwise. So each transport is one way in or one way out, and every byte is verified once.

mod archive_in;
mod archive_out;
mod archive_stream;
mod dir;
mod error;
mod location;
mod oci_form;
mod output;
mod referrers;
mod source;
mod tree;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

pub use archive_in::{MAX_ARCHIVE_ENTRIES, load};
pub use archive_out::{ArchiveForm, save, save_file};
pub use error::{CopyError, visible};
pub use location::{Location, LocationError};
pub use referrers::is_referrer_tag;
pub use source::{Held, keep, open};
pub use tree::copy_tree;

use crate::image::Descriptor;
use crate::progress::Progress;
use crate::pull::{Platforms, PullOptions};
use crate::push::{Absent, PushRequest, push};
use crate::reference::Reference;
use crate::registry::{Client, MountFrom};
use crate::store::{Durability, ImageEntry, Store};
use oci_form::{OciForm, oci_form};
use output::blocking;
use source::take_in;
use tree::copy_tree_without;

type Result<T> = std::result::Result<T, CopyError>;

/// What a copy needs besides source and destination.
#[derive(Clone)]
pub struct CopyContext {
    /// Speaks to registries.
    pub client: Client,
    /// The own store; only copies between layouts, archives and directories do without.
    pub store: Option<Store>,
    /// Where scratch stores are made.
    pub scratch: PathBuf,
    /// What of an index is copied, and how many layers at once.
    pub pull: PullOptions,
    /// Whether what refers to an image goes along: signatures, attestations, SBOMs.
    pub referrers: Referrers,
    /// Whether docker's form of an image may become OCI's, where a layout is written.
    pub digests: Digests,
    /// For layouts that are written.
    pub durability: Durability,
    /// Hears about blobs.
    pub progress: Arc<dyn Progress>,
}

impl CopyContext {
    fn store(&self) -> Result<&Store> {
        self.store.as_ref().ok_or(CopyError::NoStore)
    }
}

/// Whether what refers to an image goes along, between registries and layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Referrers {
    /// It does.
    TakeAlong,
    /// It stays.
    Leave,
}

/// Whether a copy may have another digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digests {
    /// Where its form must change.
    MayChange,
    /// Never: a copy that would is refused.
    Preserve,
}

/// Copies one image (or index) and returns what its top manifest is.
///
/// # Errors
/// [`CopyError`].
pub async fn copy(context: &CopyContext, from: &Location, to: &Location) -> Result<Descriptor> {
    check_destination(to)?;
    let copied = copy_checked(context, from, to).await;
    copied.map_err(|error| match from {
        Location::Layout(path, _) => error.of_layout(path),
        _ => error,
    })
}

async fn copy_checked(context: &CopyContext, from: &Location, to: &Location) -> Result<Descriptor> {
    let held = take_in(context, from, to).await?;
    let mut target = held.entry.target.clone();
    if let Platforms::One(wanted) = &context.pull.platforms {
        target = held.store.choose_wanted(&held.entry.name, &target, wanted)?;
    }
    let form = form_for(context, &held.store, &target, to)?;
    match to {
        Location::Registry(reference) => {
            let request = PushRequest {
                target: target.clone(),
                selector: reference.selector(),
                mount: mount_from(&held.entry, reference),
                notes: context.store()?.clone(),
                absent: Absent::Skip,
            };
            let remote = context.client.remote(reference.repository());
            push(&held.store, &remote, &request, &*context.progress).await?;
        }
        Location::Store(name) => {
            let name = store_name(name);
            put_into(&held, context.store()?, &name, &target, &form).await?;
        }
        Location::Layout(path, name) => {
            let store = Store::open_real(path, context.durability)?;
            put_into(&held, &store, name.as_deref().unwrap_or_default(), &target, &form).await?;
        }
        Location::OciArchive(path, name) => {
            let images = vec![(name.clone().unwrap_or_default(), target.clone())];
            save_file(&held.store, images, ArchiveForm::Oci, path).await?;
        }
        Location::DockerArchive(path, reference) => {
            let name = reference.as_ref().map(ToString::to_string).unwrap_or_default();
            let images = vec![(name, target.clone())];
            save_file(&held.store, images, ArchiveForm::Docker, path).await?;
        }
        Location::Dir(path) => {
            dir::write(&held.store, &target, path).await?;
        }
    }
    // What refers to the image by another digest than the copy has would refer to nothing.
    if context.referrers == Referrers::TakeAlong && form.target.digest == target.digest {
        referrers::take_along(context, &held, from, to, &target).await?;
    }
    Ok(form.target)
}

/// What the image will be at its destination.
fn form_for(
    context: &CopyContext,
    store: &Store,
    target: &Descriptor,
    to: &Location,
) -> Result<OciForm> {
    let to = match to {
        Location::Layout(..) => "an oci: layout",
        Location::OciArchive(..) => "an oci-archive:",
        _ => return Ok(OciForm { target: target.clone(), replaced: HashSet::new() }),
    };
    let form = oci_form(store, target, &mut |_, _| Ok(()))?;
    let (digest, new) = (target.digest.clone(), form.target.digest.clone());
    if context.digests == Digests::Preserve && new != digest {
        return Err(CopyError::DigestChanges { digest, new, to });
    }
    Ok(form)
}

/// Refuses a file or directory that would be lost, before anything is fetched for it.
fn check_destination(to: &Location) -> Result<()> {
    match to {
        Location::Dir(path) => dir::check(path),
        // A pipe has no length.
        Location::DockerArchive(path, _)
            if path.metadata().is_ok_and(|found| found.is_file() && found.len() > 0) =>
        {
            Err(CopyError::ArchiveExists { path: path.clone() })
        }
        _ => Ok(()),
    }
}

/// The name in the own store: normalised if it is a reference.
fn store_name(name: &str) -> String {
    Reference::parse(name).map_or_else(|_| name.to_owned(), |reference| reference.to_string())
}

fn mount_from(entry: &ImageEntry, to: &Reference) -> Option<MountFrom> {
    let origin = Reference::parse(entry.origin.as_deref()?).ok()?;
    let sibling = origin.repository().domain() == to.repository().domain()
        && origin.repository() != to.repository();
    sibling.then(|| MountFrom(origin.repository().clone()))
}

async fn put_into(
    held: &Held,
    to: &Store,
    name: &str,
    target: &Descriptor,
    form: &OciForm,
) -> Result<()> {
    let mut entry = held.entry.clone();
    if entry.target.digest != form.target.digest {
        // Of one platform of what was held, or of another form.
        (entry.size, entry.created) = (None, None);
    }
    entry.name = name.to_owned();
    entry.target = Descriptor { annotations: None, ..form.target.clone() };
    let (from, to, target) = (held.store.clone(), to.clone(), target.clone());
    let replaced = form.replaced.clone();
    blocking(move || {
        let lease = to.lease()?;
        if from.root() != to.root() {
            copy_tree_without(&replaced, &from, &to, &target, &lease)?;
        }
        if !replaced.is_empty() {
            oci_form(&from, &target, &mut |new, bytes| {
                lease.put(&new.media_type, bytes)?;
                Ok(())
            })?;
        }
        // It came in under no name in its old form.
        let came = entry.name.is_empty() && replaced.contains(&target.digest);
        Ok(to.tag_in_place_of(&entry, came.then_some(&target.digest))?)
    })
    .await
}
