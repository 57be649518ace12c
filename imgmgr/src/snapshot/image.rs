//! An image of the content store, as the layers that it stacks.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Mutex;

use crate::digest::Digest;
use crate::image::{Descriptor, ImageManifest, Manifest};
use crate::layer::store::{
    Chain, ChainLayer, Checked, LayerProblem, LayerStore, LayerStoreError, Made, Mend, Slot,
    StoredLayer,
};
use crate::layer::{Cancel, LayerDescriptor, UnpackOptions};
use crate::store::{Counting, Store, StoreError};

/// Layers that are unpacked at the same time: each has two threads.
const LAYERS_AT_ONCE: usize = 3;

/// Why an image's layers can't be had.
#[derive(Debug, thiserror::Error)]
pub enum StoredImageError {
    /// The content store failed.
    #[error("cannot read image `{digest}`")]
    Store {
        /// The image's manifest.
        digest: String,
        /// Why not.
        source: StoreError,
    },
    /// The descriptor leads to an index: choose a platform first.
    #[error("`{digest}` is an index of images")]
    Index {
        /// The descriptor's digest.
        digest: String,
    },
    /// Manifest and configuration name different numbers of layers.
    #[error("image `{digest}` has {layers} layers and {diff_ids} diff IDs")]
    Layers {
        /// The image's manifest.
        digest: String,
        /// In the manifest.
        layers: usize,
        /// In the configuration.
        diff_ids: usize,
    },
    /// A layer is not what its blob says.
    #[error("{problem}; `imgmgr fsck --repair` mends it")]
    Damaged {
        /// The first one.
        problem: LayerProblem,
    },
    /// The layers could not be sealed.
    #[error("cannot seal image `{digest}`")]
    Seal {
        /// The image's manifest.
        digest: String,
        /// Why not.
        source: LayerStoreError,
    },
    /// The store of unpacked layers failed.
    #[error("cannot unpack image `{digest}`")]
    Unpack {
        /// The image's manifest.
        digest: String,
        /// Why not.
        source: LayerStoreError,
    },
}

/// An image's configuration and layers, read and checked against each other.
#[derive(Clone, Debug)]
pub struct StoredImage {
    store: Store,
    /// The image's manifest.
    pub target: Descriptor,
    /// The manifest's bytes.
    pub manifest: Vec<u8>,
    /// What they say.
    pub parsed: ImageManifest,
    /// The configuration's bytes.
    pub config: Vec<u8>,
    /// Lowest first.
    pub layers: Vec<ChainLayer>,
}

impl StoredImage {
    /// Reads the image that `target`, a manifest of `store`, describes.
    ///
    /// # Errors
    /// [`StoredImageError`].
    pub fn load(store: &Store, target: &Descriptor) -> Result<Self, StoredImageError> {
        let digest = || target.digest.to_string();
        let failed = |source| StoredImageError::Store { digest: digest(), source };
        let (bytes, manifest) = store.manifest(target).map_err(failed)?;
        let Manifest::Image(manifest) = manifest else {
            return Err(StoredImageError::Index { digest: digest() });
        };
        let (config_bytes, config) = store.image_config(&manifest.config).map_err(failed)?;
        let diff_ids = &config.rootfs.diff_ids;
        if diff_ids.len() != manifest.layers.len() {
            let (layers, diff_ids) = (manifest.layers.len(), diff_ids.len());
            return Err(StoredImageError::Layers { digest: digest(), layers, diff_ids });
        }
        let layers = manifest.layers.iter().zip(diff_ids).map(|(layer, diff_id)| ChainLayer {
            diff_id: diff_id.clone(),
            descriptor: LayerDescriptor {
                media_type: layer.media_type.clone(),
                digest: layer.digest.clone(),
                size: layer.size,
                diff_id: Some(diff_id.clone()),
            },
        });
        Ok(Self {
            store: store.clone(),
            target: target.clone(),
            layers: layers.collect(),
            manifest: bytes,
            parsed: *manifest,
            config: config_bytes,
        })
    }

    /// Opens a layer's transported bytes, which whoever reads them verifies.
    ///
    /// # Errors
    /// If the blob isn't there.
    pub fn open_blob(&self, layer: &LayerDescriptor) -> io::Result<Box<dyn Read + Send>> {
        match self.store.open_blob(&layer.digest) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Unpacks the layers that aren't unpacked, several at a time and in no order, and returns
    /// what to stack.
    ///
    /// # Errors
    /// [`StoredImageError::Unpack`]; what could be unpacked before is kept if it is whole.
    pub fn unpack(&self, layers: &LayerStore, cancel: &Cancel) -> Result<Chain, StoredImageError> {
        let unpacked = self
            .unpack_missing(layers, cancel)
            .and_then(|known| {
                layers.compose_of(&self.layers, &known, &|layer| self.open_blob(layer), cancel)
            })
            .map(|chain| Chain { image: Some(self.target.clone()), ..chain });
        unpacked.map_err(|source| StoredImageError::Unpack {
            digest: self.target.digest.to_string(),
            source,
        })
    }

    /// Seals the layers of `chain`, which is this image's, once all were compared with their blobs.
    /// Nothing is compared if all are sealed already.
    ///
    /// # Errors
    /// [`StoredImageError::Damaged`]; [`StoredImageError::Seal`].
    pub fn seal(
        &self,
        layers: &LayerStore,
        chain: &Chain,
        cancel: &Cancel,
    ) -> Result<(), StoredImageError> {
        if chain.lowers.iter().all(|tree| layers.is_sealed(tree)) {
            return Ok(());
        }
        let failed =
            |source| StoredImageError::Seal { digest: self.target.digest.to_string(), source };
        let mut checked = Checked::default();
        let blobs = |layer: &LayerDescriptor| self.open_blob(layer);
        let problems =
            layers.check(&self.layers, &blobs, &mut checked, Mend::No, cancel).map_err(failed)?;
        if let Some(problem) = problems.into_iter().next() {
            return Err(StoredImageError::Damaged { problem });
        }
        layers.seal(&chain.lowers).map_err(failed)
    }

    /// Returns the layers that were there.
    fn unpack_missing(
        &self,
        layers: &LayerStore,
        cancel: &Cancel,
    ) -> Result<BTreeMap<Digest, StoredLayer>, LayerStoreError> {
        let diff_ids: Vec<_> = self.layers.iter().map(|layer| layer.diff_id.clone()).collect();
        let (mut work, mut known) = (Vec::new(), BTreeMap::new());
        for (diff_id, slot) in layers.reserve(&diff_ids)? {
            match slot {
                Slot::Reserved(reserved) => {
                    let layer = self.layers.iter().find(|layer| layer.diff_id == diff_id);
                    let layer = layer.expect("it was reserved for one of them");
                    work.push((reserved, &layer.descriptor));
                }
                Slot::Present(layer) => drop(known.insert(diff_id, layer)),
            }
        }
        if work.is_empty() {
            return Ok(known);
        }
        // The largest first: it decides when all are done.
        work.sort_by_key(|(_, layer)| layer.size);
        let expected =
            layers.expect(work.iter().fold(0, |sum, (_, layer)| sum.saturating_add(layer.size)));
        let threads = work.len().min(LAYERS_AT_ONCE);
        let work = Mutex::new(work);
        let results: Mutex<Vec<Result<Made, LayerStoreError>>> = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some((reserved, layer)) = pop(&work) {
                        let blob = Late { image: self, layer, open: None };
                        let source = Counting { blob, expected: expected.as_ref() };
                        let made = layers.unpack(reserved, source, layer, cancel);
                        let failed = made.is_err();
                        push(&results, made);
                        if failed {
                            return;
                        }
                    }
                });
            }
        });
        let results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut made = Vec::new();
        let mut first_error = None;
        for result in results {
            match result {
                Ok(layer) => made.push(layer),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        layers.publish(made)?;
        first_error.map_or(Ok(known), Err)
    }
}

fn pop<T>(stack: &Mutex<Vec<T>>) -> Option<T> {
    stack.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop()
}

fn push<T>(stack: &Mutex<Vec<T>>, item: T) {
    stack.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(item);
}

/// A blob that is opened when it is first read, so that a missing one is a source's error.
struct Late<'i> {
    image: &'i StoredImage,
    layer: &'i LayerDescriptor,
    open: Option<Box<dyn Read + Send>>,
}

impl Read for Late<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.open.is_none() {
            self.open = Some(self.image.open_blob(self.layer)?);
        }
        self.open.as_mut().map_or(Ok(0), |open| open.read(out))
    }
}

/// Options for unpacked layers that this process can have mounted: as root, or with
/// `user.overlay.*` attributes in a user namespace of its own, where every file belongs to the
/// caller and devices are empty files.
#[must_use]
pub fn layer_options(options: UnpackOptions) -> UnpackOptions {
    use crate::layer::{DeviceNodes, LayerForm, Ownership};
    if rustix::process::geteuid().is_root() && !kernel::namespace::in_user_namespace() {
        return UnpackOptions { form: LayerForm::Overlay, ..options };
    }
    UnpackOptions {
        form: LayerForm::OverlayUserXattr,
        ownership: Ownership::Caller,
        devices: DeviceNodes::Placeholder,
        ..options
    }
}
