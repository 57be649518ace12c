//! An image becomes an OCI bundle with a flat root file system, and its changes a layer again.
//!
//! ```text
//! <bundle>/config.json        by crate `bundles`
//! <bundle>/rootfs/            all layers applied
//! <bundle>/imgmgr.manifest    what rootfs was, for `repack` (format: `snapshot::Manifest`)
//! ```

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bundles::{BundleError, BundleOptions};
use oci_spec::image::ImageConfiguration;

use crate::image::Descriptor;
use crate::layer::store::ChainLayer;
use crate::layer::{
    Cancel, Durability, LayerDescriptor, LayerError, LayerForm, Ownership, UnpackOptions, Unpacker,
    remove_tree,
};
use crate::snapshot::{BundleIds, DiffOptions, DiffSummary, Manifest, OpenLog, diff_flat};
use crate::store::{Counting, Store, StoreError, SyncAhead};
use crate::upkeep::pin_bundle;
use crate::whole_file::replace;

const MANIFEST: &str = "imgmgr.manifest";
/// What of the root file system is open by force.
const OPENED: &str = "imgmgr.opened";
/// Most bytes of a manifest that are read.
const MAX_MANIFEST_BYTES: u64 = 2 << 30;

/// Why a bundle could not be made, or its changes not be read.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// A file operation failed.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The bundle is there already.
    #[error("`{}` exists already and is not empty", path.display())]
    Exists {
        /// The bundle.
        path: PathBuf,
    },
    /// The image's configuration is none.
    #[error("the image's configuration is not valid")]
    Config {
        /// Where it breaks.
        source: serde_json::Error,
    },
    /// A layer could not be unpacked.
    #[error("cannot unpack layer `{diff_id}`")]
    Layer {
        /// Which one.
        diff_id: String,
        /// Why not.
        source: LayerError,
    },
    /// The root of the file system belongs to an id that the given ranges lack.
    #[error("id {id} is in no range, and `{}` belongs to it", path.display())]
    Unmapped {
        /// The root file system.
        path: PathBuf,
        /// As in the image.
        id: u32,
    },
    /// The configuration makes no bundle.
    #[error("cannot make `config.json`")]
    Bundle {
        /// Why not.
        source: BundleError,
    },
    /// The store could not note that the bundle needs its image.
    #[error("cannot note that the bundle needs its image")]
    Pin {
        /// Why not.
        source: StoreError,
    },
    /// The bundle was not unpacked by us, or its manifest is damaged.
    #[error("`{}` does not tell what the root file system was", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
    },
}

/// An image as its manifest and blobs give it.
pub struct UnpackImage<'i> {
    /// The bytes of the configuration blob, verified.
    pub config: &'i [u8],
    /// Lowest first.
    pub layers: &'i [ChainLayer],
    /// Opens a layer's transported bytes; they are verified while they are unpacked.
    pub blobs: crate::layer::store::BlobSource<'i>,
    /// The store that shall keep the image as long as the bundle is there, and its manifest.
    pub pin: Option<(&'i Store, &'i Descriptor)>,
}

impl std::fmt::Debug for UnpackImage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnpackImage").field("layers", &self.layers).finish_non_exhaustive()
    }
}

/// Makes the bundle `bundle`, which must not exist or be empty.
///
/// `options.form` is always flat. The result is durable unless `options` say otherwise; after an
/// error nothing is left of it.
///
/// # Errors
/// [`UnpackError`].
pub fn unpack_bundle(
    image: &UnpackImage<'_>,
    bundle: &Path,
    options: &UnpackOptions,
    bundle_options: &BundleOptions,
    cancel: &Cancel,
) -> Result<(), UnpackError> {
    let config: ImageConfiguration =
        serde_json::from_slice(image.config).map_err(|source| UnpackError::Config { source })?;
    let was_there = bundle.exists();
    fs::create_dir_all(bundle).map_err(io_error("create", bundle))?;
    let mut content = fs::read_dir(bundle).map_err(io_error("read", bundle))?;
    if content.next().is_some() {
        return Err(UnpackError::Exists { path: bundle.to_owned() });
    }
    let made = fill(image, &config, bundle, options, bundle_options, cancel);
    if made.is_err() {
        // The error that counts is the first one.
        let _ = empty(bundle);
        if !was_there {
            let _ = fs::remove_dir(bundle);
        }
    }
    made
}

/// Removes all in a directory, also where an image's modes keep its owner out.
fn empty(dir: &Path) -> io::Result<()> {
    let open = File::open(dir)?;
    for entry in fs::read_dir(dir)? {
        remove_tree(open.as_fd(), entry?.file_name().as_bytes())?;
    }
    Ok(())
}

fn fill(
    image: &UnpackImage<'_>,
    config: &ImageConfiguration,
    bundle: &Path,
    options: &UnpackOptions,
    bundle_options: &BundleOptions,
    cancel: &Cancel,
) -> Result<(), UnpackError> {
    let path = bundle.join("rootfs");
    fs::create_dir(&path).map_err(io_error("create", &path))?;
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
        .map_err(io_error("chmod", &path))?;
    let rootfs = File::open(&path).map_err(io_error("open", &path))?;
    if let Ownership::Map { .. } = options.ownership {
        let unmapped = |id| UnpackError::Unmapped { path: path.clone(), id };
        let owner = options.ownership.host_owner(0, 0).map_err(unmapped)?;
        let (uid, gid) = owner.unzip();
        std::os::unix::fs::fchown(&rootfs, uid, gid).map_err(io_error("chown", &path))?;
    }
    let durability = match options.durability {
        Durability::NoSync => Durability::NoSync,
        Durability::Durable | Durability::CallerSyncs => Durability::CallerSyncs,
    };
    let ahead = match options.durability {
        Durability::Durable => {
            let own = rootfs.try_clone().and_then(SyncAhead::start).map(Arc::new);
            Some(own.map_err(io_error("sync", bundle))?)
        }
        Durability::NoSync | Durability::CallerSyncs => None,
    };
    let unpacker =
        Unpacker::new(UnpackOptions { form: LayerForm::Flat, durability, ..options.clone() })
            .syncing_ahead(ahead.clone());
    let sizes = image.layers.iter().map(|layer| layer.descriptor.size);
    let sizes = sizes.fold(0, u64::saturating_add);
    let expected = ahead.as_ref().map(|ahead| ahead.expect(sizes));
    for layer in image.layers {
        let failed = |source| UnpackError::Layer { diff_id: layer.diff_id.to_string(), source };
        let source = (image.blobs)(&layer.descriptor)
            .map_err(|source| failed(LayerError::Source { source }))?;
        let descriptor =
            LayerDescriptor { diff_id: Some(layer.diff_id.clone()), ..layer.descriptor.clone() };
        let source = Counting { blob: source, expected: expected.as_ref() };
        unpacker.unpack(source, &descriptor, rootfs.as_fd(), cancel).map_err(failed)?;
    }
    let spec = bundles::runtime_spec(config, rootfs.as_fd(), bundle_options)
        .map_err(|source| UnpackError::Bundle { source })?;
    let config = bundle.join("config.json");
    fs::write(&config, bundles::to_json(&spec)).map_err(io_error("write", &config))?;
    let ids = BundleIds::of(&options.ownership);
    write_manifest(bundle, &rootfs, ids, durability, &OpenLog::default())?;
    if let Some((store, image)) = image.pin {
        pin_bundle(store, bundle, image, durability)
            .map_err(|source| UnpackError::Pin { source })?;
    }
    ahead.map_or(Ok(()), |ahead| ahead.settle()).map_err(io_error("sync", bundle))
}

/// Writes what changed in the bundle's root file system since it was unpacked as an uncompressed
/// layer; the same changes give the same bytes when `options` limit the times.
///
/// # Errors
/// [`UnpackError`].
pub fn repack_bundle<W: Write>(
    bundle: &Path,
    output: W,
    options: DiffOptions,
    durability: Durability,
) -> Result<(W, DiffSummary), UnpackError> {
    let mut base = read_manifest(bundle)?;
    let path = bundle.join("rootfs");
    let rootfs = File::open(&path).map_err(io_error("open", &path))?;
    let log = open_log(bundle, &rootfs)?;
    let written = diff_flat(rootfs.as_fd(), &mut base, output, options, log)
        .map_err(io_error("read the changes of", &path));
    let saved = if base.is_newer() { save_manifest(bundle, &base, durability) } else { Ok(()) };
    let written = written?;
    saved.map(|()| written)
}

/// Takes the bundle's root file system as it is now for the base of the next `repack`.
///
/// # Errors
/// [`UnpackError::Io`], [`UnpackError::Manifest`].
pub fn refresh_bundle(bundle: &Path, durability: Durability) -> Result<(), UnpackError> {
    let path = bundle.join("rootfs");
    let rootfs = File::open(&path).map_err(io_error("open", &path))?;
    let ids = read_manifest(bundle)?.ids().clone();
    write_manifest(bundle, &rootfs, ids, durability, &open_log(bundle, &rootfs)?)
}

fn open_log(bundle: &Path, rootfs: &File) -> Result<OpenLog, UnpackError> {
    let path = bundle.join(OPENED);
    OpenLog::begin(&path, rootfs.as_fd()).map_err(io_error("go by", &path))
}

fn read_manifest(bundle: &Path) -> Result<Manifest, UnpackError> {
    let path = bundle.join(MANIFEST);
    let file = File::open(&path).map_err(io_error("open", &path))?;
    let mut text = String::new();
    file.take(MAX_MANIFEST_BYTES).read_to_string(&mut text).map_err(io_error("read", &path))?;
    Manifest::parse(&text).ok_or(UnpackError::Manifest { path })
}

fn write_manifest(
    bundle: &Path,
    rootfs: &File,
    ids: BundleIds,
    durability: Durability,
    log: &OpenLog,
) -> Result<(), UnpackError> {
    let path = bundle.join("rootfs");
    let manifest = Manifest::of(rootfs.as_fd(), ids, log).map_err(io_error("read", &path))?;
    save_manifest(bundle, &manifest, durability)
}

fn save_manifest(
    bundle: &Path,
    manifest: &Manifest,
    durability: Durability,
) -> Result<(), UnpackError> {
    let path = bundle.join(MANIFEST);
    replace(&path, manifest.to_text().as_bytes(), durability).map_err(io_error("write", &path))
}

fn io_error<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> UnpackError + use<'a> {
    move |source| UnpackError::Io { action, path: path.to_owned(), source }
}
