//! Walks from a manifest to everything it needs.

use std::collections::HashSet;

use crate::digest::Digest;
use crate::image::{Descriptor, Manifest, Platform, media};

use super::{Result, Store, StoreError};

/// How deep indexes may nest: an index of indexes of images is 2.
pub const MAX_INDEX_DEPTH: usize = 8;

/// For which platform an image is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Somebody named it: an image that does not run there is refused.
    Named(Platform),
    /// It is this machine's: an image that leaves no choice is taken as it is.
    Host(Platform),
}

impl Wanted {
    /// The platform itself.
    pub fn platform(&self) -> &Platform {
        match self {
            Self::Named(platform) | Self::Host(platform) => platform,
        }
    }

    /// Chooses among an index's entries.
    ///
    /// # Errors
    /// [`StoreError::NoPlatform`] if there is none; `name` is for that message.
    pub fn choose<'e>(&self, name: &str, entries: &'e [Descriptor]) -> Result<&'e Descriptor> {
        let platform = self.platform();
        platform.choose(entries).ok_or_else(|| StoreError::NoPlatform {
            name: name.to_owned(),
            platform: platform.to_string(),
            available: platforms(entries),
        })
    }

    /// Refuses the image `name` if it is for `found`, and that does not run on a platform that somebody named.
    ///
    /// # Errors
    /// [`StoreError::NoPlatform`].
    pub fn check(&self, name: &str, found: Option<Platform>) -> Result<()> {
        match (self, found) {
            (Self::Named(platform), Some(found)) if found.fit(platform).is_none() => {
                Err(StoreError::NoPlatform {
                    name: name.to_owned(),
                    platform: platform.to_string(),
                    available: found.to_string(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// As what a digest is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Manifest,
    Config,
    Other,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Manifest, Self::Config, Self::Other];

    fn of(descriptor: &Descriptor) -> Self {
        match &descriptor.media_type {
            kind if media::is_index(kind) || media::is_manifest(kind) => Self::Manifest,
            kind if media::is_image_config(kind) => Self::Config,
            _ => Self::Other,
        }
    }
}

/// What walks came by. A manifest that somebody names as a layer, or leases before it is known what it is, is
/// still walked where it is named as one.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(HashSet<(Digest, Kind)>);

impl Seen {
    fn insert(&mut self, descriptor: &Descriptor) -> bool {
        self.0.insert((descriptor.digest.clone(), Kind::of(descriptor)))
    }

    /// Lets it be visited again.
    pub(super) fn forget(&mut self, descriptor: &Descriptor) {
        self.0.remove(&(descriptor.digest.clone(), Kind::of(descriptor)));
    }

    pub(super) fn into_digests(self) -> HashSet<Digest> {
        self.0.into_iter().map(|(digest, _)| digest).collect()
    }

    pub(super) fn contains(&self, digest: &Digest) -> bool {
        Kind::ALL.iter().any(|kind| self.0.contains(&(digest.clone(), *kind)))
    }
}

/// What a walk reports, each digest once as what it is named.
#[derive(Clone, Debug)]
pub enum Visit {
    /// A manifest or index that is there, after which its children come.
    Manifest(Descriptor, Manifest),
    /// A configuration or layer, there or not.
    Blob(Descriptor),
    /// A manifest that an index lists and the store has not (another platform's).
    Absent(Descriptor),
}

impl Store {
    /// Visits everything reachable from `root`, parents first.
    ///
    /// # Errors
    /// If a manifest that is there can't be used, or from `visit`.
    pub fn walk(
        &self,
        root: &Descriptor,
        visit: &mut dyn FnMut(Visit) -> Result<()>,
    ) -> Result<()> {
        self.walk_from(root, 0, &mut Seen::default(), visit)
    }

    pub(super) fn walk_from(
        &self,
        at: &Descriptor,
        depth: usize,
        seen: &mut Seen,
        visit: &mut dyn FnMut(Visit) -> Result<()>,
    ) -> Result<()> {
        if !seen.insert(at) {
            return Ok(());
        }
        if Kind::of(at) != Kind::Manifest {
            return visit(Visit::Blob(at.clone()));
        }
        if depth > MAX_INDEX_DEPTH {
            return Err(StoreError::TooDeep { digest: at.digest.clone(), limit: MAX_INDEX_DEPTH });
        }
        let manifest = match self.manifest(at) {
            Ok((_, manifest)) => manifest,
            Err(StoreError::NoBlob { .. }) => return visit(Visit::Absent(at.clone())),
            Err(error) => return Err(error),
        };
        let children: Vec<Descriptor> = manifest.children().into_iter().cloned().collect();
        visit(Visit::Manifest(at.clone(), manifest))?;
        children.iter().try_for_each(|child| self.walk_from(child, depth + 1, seen, visit))
    }

    /// The first root that needs a blob which is not there, and that blob. A manifest that an index
    /// lists may be absent, together with what it needs.
    ///
    /// # Errors
    /// As [`Store::walk`].
    pub fn first_missing(&self, roots: &[Descriptor]) -> Result<Option<(Digest, Digest)>> {
        let mut seen = Seen::default();
        for root in roots {
            let mut missing = (!self.has(root)?).then(|| root.digest.clone());
            let walked = self.walk_from(root, 0, &mut seen, &mut |visit| match visit {
                Visit::Blob(blob) if !self.has(&blob)? => {
                    missing = Some(blob.digest.clone());
                    Err(StoreError::NoBlob { digest: blob.digest })
                }
                _ => Ok(()),
            });
            if let Some(missing) = missing {
                return Ok(Some((root.digest.clone(), missing)));
            }
            walked?;
        }
        Ok(None)
    }

    /// Returns the images that `roots` reach and that are there, each once.
    ///
    /// # Errors
    /// As [`Store::walk`].
    pub fn images_of(&self, roots: &[Descriptor]) -> Result<Vec<Descriptor>> {
        let (mut seen, mut images) = (Seen::default(), Vec::new());
        for root in roots {
            self.walk_from(root, 0, &mut seen, &mut |visit| {
                if let Visit::Manifest(descriptor, Manifest::Image(image)) = visit
                    && image.is_image()
                {
                    images.push(descriptor);
                }
                Ok(())
            })?;
        }
        Ok(images)
    }

    /// Descends from an index to the image that is wanted; an image is its own answer.
    fn choose(&self, name: &str, target: &Descriptor, wanted: &Wanted) -> Result<Descriptor> {
        let mut at = target.clone();
        for _ in 0..=MAX_INDEX_DEPTH {
            if !media::is_index(&at.media_type) {
                return Ok(at);
            }
            let (_, manifest) = self.manifest(&at)?;
            let Manifest::Index(index) = manifest else { return Ok(at) };
            at = wanted.choose(name, &index.manifests)?.clone();
        }
        Err(StoreError::TooDeep { digest: at.digest, limit: MAX_INDEX_DEPTH })
    }

    /// What an image runs on, as the index says that it was chosen from, or else its configuration.
    /// `None` for an artifact, and for an image without a usable configuration.
    ///
    /// # Errors
    /// If the manifest can't be read.
    pub(crate) fn platform_of(&self, target: &Descriptor) -> Result<Option<Platform>> {
        if let Some(platform) = &target.platform {
            return Ok(Some(platform.clone()));
        }
        Ok(match self.manifest(target)? {
            (_, Manifest::Image(image)) if image.is_image() => {
                self.image_config(&image.config).ok().map(|(_, config)| config.platform())
            }
            _ => None,
        })
    }

    /// Descends from an index to the image that is wanted; an image is its own answer, and refused if it does
    /// not run on a platform that somebody named.
    ///
    /// # Errors
    /// [`StoreError::NoPlatform`]; `name` is for that message.
    pub fn choose_wanted(
        &self,
        name: &str,
        target: &Descriptor,
        wanted: &Wanted,
    ) -> Result<Descriptor> {
        let chosen = self.choose(name, target, wanted)?;
        if let Wanted::Named(_) = wanted {
            wanted.check(name, self.platform_of(&chosen)?)?;
        }
        Ok(chosen)
    }
}

/// Lists the platforms of an index for a message.
fn platforms(entries: &[Descriptor]) -> String {
    let mut names: Vec<String> =
        entries.iter().filter_map(|e| e.platform.as_ref()).map(ToString::to_string).collect();
    names.dedup();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
