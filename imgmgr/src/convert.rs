//! Images whose layers are compressed in another way.
//!
//! Only the blobs of the layers change, and what names them. The tars within stay, and with them the diff
//! IDs, the configuration, and all that is unpacked.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use crate::digest::Digest;
use crate::image::{Annotations, Descriptor, media};
use crate::layer::pipeline::{self, Chunks};
use crate::layer::store::ChainLayer;
use crate::layer::{Cancel, LayerError, LayerErrorKind, LayerLimits, gzip_encoder};
use crate::progress::{BlobState, Counted, Progress};
use crate::snapshot::{StoredImage, StoredImageError};
use crate::store::{BlobWriter, Lease, Store, StoreError};
use crate::toc::write::{LEVEL, WriteError, write_zstd_chunked};
use crate::toc::{self, TocHint};

/// Layers that are converted at the same time; each has two threads.
const LAYERS_AT_ONCE: usize = 2;

/// How a layer is to be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// By gzip.
    Gzip,
    /// By zstd.
    Zstd,
    /// By zstd, file by file, with a table of contents.
    ZstdChunked,
}

impl Packing {
    /// The media type of such a layer.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Plain => media::OCI_LAYER,
            Self::Gzip => media::OCI_LAYER_GZIP,
            Self::Zstd | Self::ZstdChunked => media::OCI_LAYER_ZSTD,
        }
    }

    /// Whether `layer` needs no conversion. A table of contents does no harm to who wants none.
    fn has(self, layer: &Descriptor) -> bool {
        let chunked = || TocHint::of(layer).is_ok_and(|hint| hint.is_some());
        match self {
            Self::Plain => matches!(&*layer.media_type, media::OCI_LAYER | media::DOCKER_LAYER),
            Self::Gzip => {
                matches!(&*layer.media_type, media::OCI_LAYER_GZIP | media::DOCKER_LAYER_GZIP)
            }
            Self::Zstd => layer.media_type == media::OCI_LAYER_ZSTD,
            Self::ZstdChunked => layer.media_type == media::OCI_LAYER_ZSTD && chunked(),
        }
    }
}

/// Why an image could not be converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The image can't be read.
    #[error(transparent)]
    Image(#[from] StoredImageError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A layer can't be read, or can't be written in the new form.
    #[error("cannot convert layer `{digest}`")]
    Layer {
        /// Its blob.
        digest: Digest,
        /// Why not.
        source: LayerFailure,
    },
}

/// Why a layer could not be converted.
#[derive(Debug, thiserror::Error)]
pub enum LayerFailure {
    /// It can't be read.
    #[error(transparent)]
    Read(#[from] LayerError),
    /// It can't be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<io::Error> for LayerFailure {
    fn from(error: io::Error) -> Self {
        WriteError::from(error).into()
    }
}

impl LayerFailure {
    /// Whether damaged bytes would explain it.
    fn is_invalid(&self) -> bool {
        match self {
            Self::Read(error) => error.kind() == LayerErrorKind::Invalid,
            Self::Write(WriteError::Write { .. }) => false,
            Self::Write(_) => true,
        }
    }
}

/// Makes an OCI image of which every layer is compressed as `packing` says, from the image that `target`
/// describes. Layers that are so already stay, and so do those that registries don't hold.
///
/// # Errors
/// [`ConvertError`].
pub fn convert(
    store: &Store,
    lease: &Lease,
    target: &Descriptor,
    packing: Packing,
    progress: &dyn Progress,
) -> Result<Descriptor, ConvertError> {
    let image = StoredImage::load(store, target)?;
    let mut manifest = image.parsed.clone();
    let mut work: BTreeMap<&Digest, (&Descriptor, &ChainLayer)> = BTreeMap::new();
    for (layer, chained) in manifest.layers.iter().zip(&image.layers) {
        if !packing.has(layer) && !media::is_foreign(&layer.media_type) {
            work.insert(&layer.digest, (layer, chained));
        }
    }
    let mut work: Vec<_> = work.into_values().collect();
    // The largest first: it decides when all are done.
    work.sort_by_key(|(layer, _)| layer.size);
    let cancel = Cancel::default();
    let (work, converted) = (Mutex::new(work), Mutex::new(BTreeMap::new()));
    let convert_some = || -> Result<(), ConvertError> {
        let next = || lock(&work).pop();
        while let Some((layer, chained)) = next() {
            let new = Conversion { store, lease, packing, progress, cancel: &cancel };
            let new = new.layer(layer, chained).inspect_err(|_| {
                cancel.cancel();
                progress.state(layer, BlobState::Failed);
            })?;
            lock(&converted).insert(layer.digest.clone(), new);
        }
        Ok(())
    };
    let outcomes = std::thread::scope(|scope| {
        let threads = [(); LAYERS_AT_ONCE].map(|()| scope.spawn(convert_some));
        threads.map(|thread| thread.join().expect("no thread panics"))
    });
    let is_stopped = |outcome: &Result<(), ConvertError>| {
        use LayerFailure::Read;
        matches!(outcome, Err(ConvertError::Layer { source: Read(LayerError::Cancelled), .. }))
    };
    let (stopped, others): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(is_stopped);
    others.into_iter().chain(stopped).collect::<Result<(), _>>()?;
    let converted = converted.into_inner().unwrap_or_else(PoisonError::into_inner);
    for layer in &mut manifest.layers {
        match converted.get(&layer.digest) {
            Some((new, toc)) => {
                let mut annotations = layer.annotations.take().unwrap_or_default();
                // Another blob has another table of contents, or none.
                annotations.retain(|key, _| !toc::is_annotation(key));
                annotations.extend(toc.clone());
                let annotations = (!annotations.is_empty()).then_some(annotations);
                *layer = Descriptor { annotations, ..new.clone() };
            }
            None => layer.media_type = media::oci_layer(&layer.media_type).to_owned(),
        }
    }
    manifest.config.media_type = media::OCI_CONFIG.to_owned();
    manifest.media_type = Some(media::OCI_MANIFEST.to_owned());
    Ok(lease.put(media::OCI_MANIFEST, &manifest.to_bytes())?)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the layers of a conversion have in common.
struct Conversion<'c> {
    store: &'c Store,
    lease: &'c Lease,
    packing: Packing,
    progress: &'c dyn Progress,
    cancel: &'c Cancel,
}

impl Conversion<'_> {
    /// Converts a layer, and returns what points at the new blob, and the annotations that come with it.
    fn layer(
        &self,
        layer: &Descriptor,
        chained: &ChainLayer,
    ) -> Result<(Descriptor, Annotations), ConvertError> {
        self.progress.state(layer, BlobState::Moving { resumed: 0 });
        let counter = self.progress.counter(layer);
        let blob = Counted::new(self.store.open_blob(&layer.digest)?, counter);
        let writer = self.store.blob_writer()?;
        let limits = LayerLimits::default();
        let packed = pipeline::follow(
            blob,
            &chained.descriptor,
            &limits,
            self.cancel,
            |tar| pack(tar, self.packing, limits.max_file_bytes, writer),
            LayerFailure::is_invalid,
        );
        let failed = |source| ConvertError::Layer { digest: layer.digest.clone(), source };
        let (_, (writer, toc)) = packed.map_err(failed)?;
        let (digest, size) = self.lease.publish(writer)?;
        self.progress.state(layer, BlobState::Done);
        Ok((Descriptor::new(self.packing.media_type(), digest, size), toc))
    }
}

/// Writes an uncompressed layer as `packing` says.
fn pack(
    tar: &mut Chunks,
    packing: Packing,
    max_file_bytes: u64,
    mut out: BlobWriter,
) -> Result<(BlobWriter, Annotations), LayerFailure> {
    let out = match packing {
        Packing::Plain => {
            io::copy(tar, &mut out)?;
            out
        }
        Packing::Gzip => {
            let mut encoder = gzip_encoder(out);
            io::copy(tar, &mut encoder)?;
            encoder.finish()?
        }
        Packing::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(out, LEVEL)?;
            io::copy(tar, &mut encoder)?;
            encoder.finish()?
        }
        Packing::ZstdChunked => return Ok(write_zstd_chunked(tar, max_file_bytes, out)?),
    };
    Ok((out, Annotations::new()))
}
