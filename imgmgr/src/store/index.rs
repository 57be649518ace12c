//! `index.json`: the names of images and what they point at.
//!
//! Each entry is a descriptor with annotations: `org.opencontainers.image.ref.name` is the full
//! reference; the others below are ours and save `list` from opening a thousand manifests.

use std::fs::File;
use std::io::Read;

use crate::digest::Digest;
use crate::image::{Annotations, Descriptor, Index, Manifest};
use crate::reference::Reference;

use super::lock::Lock;
use super::{Result, Store, StoreError, Visit, Wanted};

/// The largest `index.json` that is read: about 200,000 references.
pub const MAX_STORE_INDEX_BYTES: u64 = 128 << 20;

const REF_NAME: &str = "org.opencontainers.image.ref.name";
const CREATED: &str = "org.opencontainers.image.created";
const SIZE: &str = "x-imgmgr.size";
const ORIGIN: &str = "x-imgmgr.origin";
const ORIGIN_DIGEST: &str = "x-imgmgr.origin.digest";

/// One named image of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageEntry {
    /// The full reference, or whatever a foreign writer chose.
    pub name: String,
    /// What it points at, without the annotations that are this entry's other fields.
    pub target: Descriptor,
    /// When the image was built, RFC 3339.
    pub created: Option<String>,
    /// Bytes of manifest, configuration and layers as stored.
    pub size: Option<u64>,
    /// Where it was pulled from.
    pub origin: Option<String>,
    /// What the name meant there: the digest of the index that the image was chosen from.
    pub origin_digest: Option<Digest>,
}

impl ImageEntry {
    /// A name for `target` and nothing more.
    pub fn new(name: &str, target: Descriptor) -> Self {
        let (created, size, origin, origin_digest) = (None, None, None, None);
        Self { name: name.to_owned(), target, created, size, origin, origin_digest }
    }

    fn from_descriptor(mut descriptor: Descriptor) -> Self {
        let mut annotations = descriptor.annotations.take().unwrap_or_default();
        let name = annotations.remove(REF_NAME).unwrap_or_default();
        Self {
            name,
            created: annotations.remove(CREATED),
            size: annotations.remove(SIZE).and_then(|text| text.parse().ok()),
            origin: annotations.remove(ORIGIN),
            origin_digest: annotations.remove(ORIGIN_DIGEST).and_then(|text| text.parse().ok()),
            target: Descriptor {
                annotations: (!annotations.is_empty()).then_some(annotations),
                ..descriptor
            },
        }
    }

    fn to_descriptor(&self) -> Descriptor {
        let mut annotations: Annotations = self.target.annotations.clone().unwrap_or_default();
        if !self.name.is_empty() {
            annotations.insert(REF_NAME.to_owned(), self.name.clone());
        }
        for (key, value) in [
            (CREATED, self.created.clone()),
            (SIZE, self.size.map(|size| size.to_string())),
            (ORIGIN, self.origin.clone()),
            (ORIGIN_DIGEST, self.origin_digest.as_ref().map(ToString::to_string)),
        ] {
            if let Some(value) = value {
                annotations.insert(key.to_owned(), value);
            }
        }
        Descriptor { annotations: Some(annotations), ..self.target.clone() }
    }
}

impl Store {
    /// Returns every entry of `index.json`, named or not.
    pub(super) fn read_index(&self) -> Result<Index> {
        let path = self.index_path();
        // As text, since then the parser need not look for invalid UTF-8 in each string.
        let mut text = String::new();
        let read = File::open(&path).and_then(|file| {
            let room = file.metadata()?.len().min(MAX_STORE_INDEX_BYTES);
            text.reserve_exact(usize::try_from(room).unwrap_or(0) + 1);
            file.take(MAX_STORE_INDEX_BYTES).read_to_string(&mut text)
        });
        read.map_err(StoreError::io("read", &path))?;
        serde_json::from_str(&text).map_err(|source| StoreError::Damaged { path, source })
    }

    /// Returns every image, named or not.
    pub(crate) fn entries(&self) -> Result<Vec<ImageEntry>> {
        let index = self.read_index()?;
        Ok(index.manifests.into_iter().map(ImageEntry::from_descriptor).collect())
    }

    /// Returns the named images, in the order in which they were named.
    ///
    /// # Errors
    /// If `index.json` can't be read.
    pub fn list(&self) -> Result<Vec<ImageEntry>> {
        let mut entries = self.entries()?;
        entries.retain(|entry| !entry.name.is_empty());
        Ok(entries)
    }

    /// Gives an image a name, in place of whatever had it.
    ///
    /// Everything the name makes reachable must be in the store; it is made durable first. Size and time
    /// of creation that the entry doesn't tell are looked up there.
    ///
    /// # Errors
    /// If the target is absent or the disk refuses.
    pub fn tag(&self, entry: &ImageEntry) -> Result<()> {
        self.tag_in_place_of(entry, None)
    }

    /// As [`Store::tag`], and takes away the entry without a name that points at `nameless` at the same time.
    pub(crate) fn tag_in_place_of(
        &self,
        entry: &ImageEntry,
        nameless: Option<&Digest>,
    ) -> Result<()> {
        let _no_sweep = Lock::shared(&*self.disk, &self.private("gc.lock"))?;
        if !self.has(&entry.target)? {
            return Err(StoreError::NoBlob { digest: entry.target.digest.clone() });
        }
        let descriptor = self.measured(entry).to_descriptor();
        for name in ["sha256", "sha512"] {
            let directory = self.root.join("blobs").join(name);
            if directory.exists() {
                self.disk.sync_dir(&directory).map_err(StoreError::io("sync", &directory))?;
            }
        }
        self.edit_index(|manifests| {
            let before = manifests.len();
            manifests.retain(|d| d.annotation(REF_NAME).is_some() || Some(&d.digest) != nameless);
            let forgot = manifests.len() < before;
            let named = |d: &&mut Descriptor| match entry.name.as_str() {
                "" => d.annotation(REF_NAME).is_none() && d.digest == entry.target.digest,
                name => d.annotation(REF_NAME) == Some(name),
            };
            match manifests.iter_mut().find(named) {
                Some(place) if *place == descriptor => forgot,
                Some(place) => {
                    *place = descriptor.clone();
                    true
                }
                None => {
                    manifests.push(descriptor.clone());
                    true
                }
            }
        })
    }

    /// The entry with its size and time of creation, as far as they can be found out.
    fn measured(&self, entry: &ImageEntry) -> ImageEntry {
        let mut entry = entry.clone();
        if entry.size.is_some() && entry.created.is_some() {
            return entry;
        }
        let (mut size, mut created) = (0u64, None);
        let walked = self.walk(&entry.target, &mut |visit| {
            if let Visit::Manifest(found, _) | Visit::Blob(found) = &visit {
                size = size.saturating_add(found.size);
            }
            if let Visit::Manifest(_, Manifest::Image(image)) = &visit
                && image.is_image()
                && created.is_none()
            {
                created = self.image_config(&image.config).ok().and_then(|(_, read)| read.created);
            }
            Ok(())
        });
        if walked.is_ok() {
            entry.size = entry.size.or(Some(size));
            entry.created = entry.created.or(created);
        }
        entry
    }

    /// Takes a name away; the blobs stay until [`Store::gc`].
    ///
    /// # Errors
    /// [`StoreError::NoImage`] if nothing has the name.
    pub fn untag(&self, name: &str) -> Result<()> {
        let mut found = false;
        self.edit_index(|manifests| {
            let before = manifests.len();
            manifests.retain(|d| d.annotation(REF_NAME) != Some(name));
            found = manifests.len() < before;
            found
        })?;
        if found { Ok(()) } else { Err(StoreError::NoImage { name: name.to_owned() }) }
    }

    /// Rewrites `index.json` under its lock if `edit` says that it changed something.
    fn edit_index(&self, edit: impl FnOnce(&mut Vec<Descriptor>) -> bool) -> Result<()> {
        let _writer = Lock::exclusive(&*self.disk, &self.private("index.lock"))?;
        let mut index = self.read_index()?;
        if !edit(&mut index.manifests) {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&index)
            .map_err(|source| StoreError::Damaged { path: self.index_path(), source })?;
        self.replace_file(&self.index_path(), &bytes)
    }

    /// Finds an image by reference (normalised or not), digest, or the first digits of one.
    ///
    /// # Errors
    /// [`StoreError::NoImage`] or [`StoreError::AmbiguousImage`].
    pub fn resolve(&self, text: &str) -> Result<ImageEntry> {
        let full = Reference::parse(text).ok();
        let name = full.as_ref().map(ToString::to_string);
        let images = self.list()?;
        let exact = |entry: &&ImageEntry| entry.name == text || Some(&entry.name) == name.as_ref();
        if let Some(entry) = images.iter().find(exact) {
            return Ok(entry.clone());
        }
        let wanted = full.as_ref().and_then(Reference::digest);
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let is_id = digits.len() >= 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let mut hits: Vec<&ImageEntry> = images
            .iter()
            .filter(|entry| match wanted {
                Some(digest) => {
                    let same_name = full
                        .as_ref()
                        .is_some_and(|full| entry.name.starts_with(&full.repository().to_string()));
                    let known = [Some(&entry.target.digest), entry.origin_digest.as_ref()];
                    same_name && known.contains(&Some(digest))
                }
                None => is_id && entry.target.digest.hex().starts_with(digits),
            })
            .collect();
        hits.dedup_by(|a, b| a.target.digest == b.target.digest);
        match hits[..] {
            [] => Err(StoreError::NoImage { name: text.to_owned() }),
            [entry] => Ok(entry.clone()),
            _ => Err(StoreError::AmbiguousImage { name: text.to_owned(), count: hits.len() }),
        }
    }

    /// Finds an image of a foreign layout by its exact name, or the only one there is.
    ///
    /// # Errors
    /// [`StoreError::NoImage`] or [`StoreError::AmbiguousImage`].
    pub fn find(&self, name: Option<&str>) -> Result<ImageEntry> {
        let Some(name) = name else {
            let mut manifests = self.read_index()?.manifests;
            return match (manifests.pop(), manifests.len()) {
                (Some(only), 0) => Ok(ImageEntry::from_descriptor(only)),
                (None, _) => Err(StoreError::NoImage { name: String::new() }),
                (_, others) => {
                    let name = self.root.display().to_string();
                    Err(StoreError::AmbiguousImage { name, count: others + 1 })
                }
            };
        };
        self.resolve(name)
    }

    /// Finds an image and, if it is an index, the entry for the wanted platform in it, at any depth.
    ///
    /// # Errors
    /// As [`Store::resolve`], and [`StoreError::NoPlatform`].
    pub fn resolve_image(&self, text: &str, wanted: &Wanted) -> Result<(ImageEntry, Descriptor)> {
        let entry = self.resolve(text)?;
        let descriptor = self.choose_wanted(&entry.name, &entry.target, wanted)?;
        Ok((entry, descriptor))
    }
}
