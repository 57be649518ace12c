//! From an image's diff IDs to the directories that overlayfs stacks.
//!
//! Nearly every layer means the same wherever it stands, so its one tree serves all images. Two
//! things depend on what is below; both are rare and small:
//!
//! - A directory that no entry of the layer describes takes its metadata from below. Where the
//!   chain has such a directory described further down, a *seam* on top of all layers carries
//!   those directories, empty, with the right metadata: overlayfs takes a merged directory's
//!   metadata from the topmost.
//! - A parent that is a symbolic link below, or a hard link to a file below, moves or copies
//!   files. Such a layer is unpacked once more above that chain (`<name>@<chain>`).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, mkdirat, openat};

use super::error::{self, LayerStoreError};
use super::record::{Composed, record_name};
use super::walk::{Kind, Walk};
use super::{LayerStore, Made, Reserved, Slot, Stack, StoredLayer, layer_name, set_mode};
use crate::digest::{Algorithm, Digest, Hasher};
use crate::image::Descriptor;
use crate::layer::extract::copy_directory_metadata;
use crate::layer::{Cancel, LayerDescriptor, LayerFacts, Unpacked};

/// Opens a layer's compressed bytes, for the few layers that are unpacked once more.
pub type BlobSource<'b> = &'b dyn Fn(&LayerDescriptor) -> io::Result<Box<dyn Read + Send>>;

/// One layer of an image, as its manifest and its configuration name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainLayer {
    /// Of the decompressed tar.
    pub diff_id: Digest,
    /// Of the transported bytes; its `diff_id` is this one's.
    pub descriptor: LayerDescriptor,
}

/// The directories that a seam is to have.
pub(super) struct SeamPlan {
    stack: Stack,
    /// Of each of its layers, the lowest first.
    facts: Vec<Arc<LayerFacts>>,
    paths: Vec<Vec<u8>>,
}

/// What overlayfs stacks for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Identifies the stack: image-spec config.md#layer-chainid.
    pub chain_id: Digest,
    /// Lower directories, the topmost first.
    pub lowers: Vec<PathBuf>,
    /// The directory whose metadata is that of the root.
    pub root: PathBuf,
    /// The image's manifest, where the chain was made for one.
    pub image: Option<Descriptor>,
}

impl LayerStore {
    /// Returns what to stack for `layers`, lowest first; all of them must be unpacked.
    ///
    /// # Errors
    /// [`LayerStoreError::Missing`] for a layer that isn't; those of unpacking the layers that
    /// must be unpacked once more.
    pub fn compose(
        &self,
        layers: &[ChainLayer],
        blobs: BlobSource<'_>,
        cancel: &Cancel,
    ) -> Result<Chain, LayerStoreError> {
        self.compose_of(layers, &BTreeMap::new(), blobs, cancel)
    }

    /// As [`LayerStore::compose`], where some layers were looked up before.
    ///
    /// # Errors
    /// As [`LayerStore::compose`].
    pub fn compose_of(
        &self,
        layers: &[ChainLayer],
        known: &BTreeMap<Digest, StoredLayer>,
        blobs: BlobSource<'_>,
        cancel: &Cancel,
    ) -> Result<Chain, LayerStoreError> {
        let ids = chain_ids(layers.iter().map(|layer| &layer.diff_id));
        let mut plain = Vec::with_capacity(layers.len());
        for layer in layers {
            let stored = match known.get(&layer.diff_id) {
                Some(known) => Some(known.clone()),
                None => self.get(&layer.diff_id)?,
            };
            plain.push(stored.ok_or_else(|| {
                let diff_id = layer.diff_id.to_string();
                LayerStoreError::Missing { diff_id }
            })?);
        }
        let composed = if plain.iter().any(|layer| layer.head.may_depend) {
            match self.recorded(layers, &ids, &plain)? {
                Some(composed) => composed,
                None => {
                    let composed = self.find_out(layers, &ids, plain, blobs, cancel)?;
                    // Whoever can't note it finds it out each time.
                    let _ = self.record(layers, &ids, &composed);
                    composed
                }
            }
        } else {
            Composed { layers: plain, seam: None }
        };
        let stacked = shown(&composed.layers);
        let mut lowers = trees(stacked);
        lowers.splice(0..0, composed.seam);
        let is_described = |layer: &&StoredLayer| layer.head.describes_root;
        let root = stacked.iter().rev().find(is_described).or(stacked.first());
        let root = root.map_or_else(|| self.root.join("ingest"), StoredLayer::tree);
        let chain_id = ids.last().cloned().unwrap_or_else(|| Digest::of(b""));
        Ok(Chain { chain_id, lowers, root, image: None })
    }

    /// Composes a chain of `plain`, the layers' own trees.
    fn find_out(
        &self,
        layers: &[ChainLayer],
        ids: &[Digest],
        plain: Vec<StoredLayer>,
        blobs: BlobSource<'_>,
        cancel: &Cancel,
    ) -> Result<Composed, LayerStoreError> {
        let mut all: Vec<StoredLayer> = Vec::with_capacity(layers.len());
        for ((layer, id), mut stored) in layers.iter().zip(ids).zip(plain) {
            // False for most layers, for which nothing below need be opened.
            if stored.head.may_depend {
                let below = trees(shown(&all));
                let below = Stack::open(&below).map_err(error::io("open", &self.root))?;
                if self.depends_on(&stored, &below)? {
                    stored = self.variant(layer, &stored, &below, id, blobs, cancel)?;
                }
            }
            all.push(stored);
        }
        let seam = match ids.last() {
            Some(id) => self.seam(shown(&all), id)?,
            None => None,
        };
        Ok(Composed { layers: all, seam })
    }

    /// True if the layer's own tree is wrong above `below`.
    pub(super) fn depends_on(
        &self,
        layer: &StoredLayer,
        below: &Stack,
    ) -> Result<bool, LayerStoreError> {
        let facts = layer.facts()?;
        if !facts.links_below.is_empty() {
            return Ok(true);
        }
        let mut walk = Walk::new(below);
        for path in facts.implied.iter().filter(|path| !path.is_empty()) {
            let (kind, _) = walk.find(path).map_err(error::errno("look up in", &layer.dir))?;
            if kind == Kind::Symlink {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The layer as it is above a certain chain.
    fn variant(
        &self,
        layer: &ChainLayer,
        stored: &StoredLayer,
        below: &Stack,
        chain_id: &Digest,
        blobs: BlobSource<'_>,
        cancel: &Cancel,
    ) -> Result<StoredLayer, LayerStoreError> {
        let name = variant_name(&layer.diff_id, chain_id);
        let reserved = match self.reserve_named(name)? {
            Slot::Present(variant) => return Ok(variant),
            Slot::Reserved(reserved) => reserved,
        };
        let source =
            blobs(&layer.descriptor).map_err(error::io("open the blob of", &stored.dir))?;
        let made = self.unpack_above(reserved, source, &layer.descriptor, Some(below), cancel)?;
        let published = self.publish(vec![made])?;
        Ok(published.into_iter().next().expect("one was published"))
    }

    /// The directory that carries metadata of implied directories; `None` if none needs it.
    fn seam(
        &self,
        stacked: &[StoredLayer],
        chain_id: &Digest,
    ) -> Result<Option<PathBuf>, LayerStoreError> {
        let Some(plan) = self.plan_seam(stacked)? else { return Ok(None) };
        let reserved = match self.reserve_named(seam_name(chain_id))? {
            Slot::Present(seam) => return Ok(Some(seam.tree())),
            Slot::Reserved(reserved) => reserved,
        };
        let made = self.make_seam(reserved, chain_id, &plan)?;
        let published = self.publish(vec![made])?;
        Ok(published.first().map(StoredLayer::tree))
    }

    /// Finds the directories whose metadata the topmost layer that has them does not tell.
    pub(super) fn plan_seam(
        &self,
        stacked: &[StoredLayer],
    ) -> Result<Option<SeamPlan>, LayerStoreError> {
        let facts: Vec<_> = stacked.iter().map(StoredLayer::facts).collect::<Result<_, _>>()?;
        let mut implied: Vec<&[u8]> = Vec::new();
        for facts in facts.iter().skip(1) {
            implied.extend(facts.implied.iter().map(Vec::as_slice));
        }
        implied.retain(|path| !path.is_empty());
        implied.sort_unstable();
        implied.dedup();
        if implied.is_empty() {
            return Ok(None);
        }
        let stack = Stack::open(&trees(stacked)).map_err(error::io("open", &self.root))?;
        let mut models = Vec::new();
        let mut walk = Walk::new(&stack);
        for path in implied {
            let (_, parts) = walk.find(path).map_err(error::errno("look up in", &self.root))?;
            if needs_seam(parts, &facts, path) {
                models.push(path.to_vec());
            }
        }
        Ok((!models.is_empty()).then_some(SeamPlan { stack, facts, paths: models }))
    }

    pub(super) fn make_seam(
        &self,
        reserved: Reserved,
        chain_id: &Digest,
        plan: &SeamPlan,
    ) -> Result<Made, LayerStoreError> {
        let SeamPlan { stack, facts, paths } = plan;
        let tree = reserved.ingest.join("tree");
        fs::create_dir(&tree).map_err(error::io("create", &tree))?;
        set_mode(&tree, 0o755)?;
        let root = OwnedFd::from(File::open(&tree).map_err(error::io("open", &tree))?);
        let model = described_part(stack, facts, b"", &tree)?;
        let mut made = vec![(root.try_clone().map_err(error::io("open", &tree))?, model)];
        for path in paths {
            let mut dir = root.try_clone().map_err(error::io("open", &tree))?;
            let mut at = Vec::new();
            for name in path.split(|b| *b == b'/') {
                at.extend_from_slice(if at.is_empty() { b"" } else { b"/" });
                at.extend_from_slice(name);
                let new = mkdirat(&dir, name, Mode::from_raw_mode(0o755)).is_ok();
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                dir = openat(&dir, name, flags, Mode::empty())
                    .map_err(error::errno("open", &tree))?;
                if new {
                    let copy = dir.try_clone().map_err(error::io("open", &tree))?;
                    made.push((copy, described_part(stack, facts, &at, &tree)?));
                }
            }
        }
        // When all are there, so that none changes another's times any more.
        for (dir, model) in &made {
            if let Some(model) = model {
                copy_directory_metadata(model.as_fd(), dir.as_fd())
                    .map_err(error::errno("copy metadata to", &tree))?;
            }
        }
        let unpacked = Unpacked {
            diff_id: chain_id.clone(),
            tar_bytes: 0,
            entries: 0,
            facts: LayerFacts::default(),
        };
        Ok(Made { reserved, unpacked, _ahead: None })
    }
}

/// Whether the topmost of the layers that have the directory `path` does not describe it, and one below does.
fn needs_seam(parts: &[usize], facts: &[Arc<LayerFacts>], path: &[u8]) -> bool {
    let mut are_implied = parts.iter().map(|layer| is_implied(facts, *layer, path));
    are_implied.next() == Some(true) && are_implied.any(|is_implied| !is_implied)
}

/// What nothing above hides altogether: all from the topmost opaque root on.
pub(super) fn shown(layers: &[StoredLayer]) -> &[StoredLayer] {
    &layers[layers.iter().rposition(|layer| layer.head.opaque_root).unwrap_or(0)..]
}

/// The part of a merged directory that an entry describes, else the topmost.
fn described_part(
    stack: &Stack,
    facts: &[Arc<LayerFacts>],
    path: &[u8],
    at: &Path,
) -> Result<Option<OwnedFd>, LayerStoreError> {
    let mut parts = stack.directory_parts(path).map_err(error::errno("look up in", at))?;
    let described = parts.iter().position(|(i, _)| !is_implied(facts, *i, path));
    Ok((!parts.is_empty()).then(|| parts.swap_remove(described.unwrap_or(0)).1))
}

/// `index` counts from the topmost.
fn is_implied(facts: &[Arc<LayerFacts>], index: usize, path: &[u8]) -> bool {
    facts
        .iter()
        .rev()
        .nth(index)
        .is_some_and(|facts| facts.implied.binary_search_by(|p| p.as_slice().cmp(path)).is_ok())
}

/// The names of everything that an image with these layers, lowest first, may have unpacked.
pub fn names_of_chain(diff_ids: &[Digest]) -> Vec<String> {
    let mut names = Vec::with_capacity(diff_ids.len() * 4);
    for (diff_id, id) in diff_ids.iter().zip(&chain_ids(diff_ids)) {
        names.extend([layer_name(diff_id), variant_name(diff_id, id)]);
        names.extend([seam_name(id), record_name(id)]);
    }
    names
}

pub(super) fn variant_name(diff_id: &Digest, chain_id: &Digest) -> String {
    format!("{}@{}", layer_name(diff_id), chain_id.hex())
}

pub(super) fn seam_name(chain_id: &Digest) -> String {
    format!("seam@{}", chain_id.hex())
}

/// The layers' trees, the topmost first.
pub(super) fn trees(stacked: &[StoredLayer]) -> Vec<PathBuf> {
    stacked.iter().rev().map(StoredLayer::tree).collect()
}

/// image-spec config.md#layer-chainid: that of the lowest layer, of the lowest two, and so on.
pub(super) fn chain_ids<'d>(diff_ids: impl IntoIterator<Item = &'d Digest>) -> Vec<Digest> {
    let mut ids: Vec<Digest> = Vec::new();
    for diff_id in diff_ids {
        ids.push(match ids.last() {
            None => diff_id.clone(),
            Some(parent) => {
                let mut hasher = Hasher::new(Algorithm::Sha256);
                hasher.update(format!("{parent} {diff_id}").as_bytes());
                hasher.finish()
            }
        });
    }
    ids
}
