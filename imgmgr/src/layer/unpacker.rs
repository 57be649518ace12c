//! One layer, from its compressed bytes to a directory, verified on the way.

use std::io::Read;
use std::os::fd::BorrowedFd;

use oci_spec::image::Digest;

use super::{Cancel, LayerError, UnpackOptions};

/// What a manifest and an image configuration say about one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerDescriptor {
    /// `mediaType`, which the bytes' magic must agree with.
    pub media_type: String,
    /// Digest of the bytes as transported.
    pub digest: Digest,
    /// Size of the bytes as transported.
    pub size: u64,
    /// Digest of the decompressed tar; `None` only where no configuration names it.
    pub diff_id: Option<Digest>,
}

/// What an unpack did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// Digest of the decompressed tar (sha256 where the descriptor named none).
    pub diff_id: Digest,
    /// Bytes of the decompressed tar.
    pub tar_bytes: u64,
    /// Entries of the tar.
    pub entries: u64,
}

/// Unpacks layers with one set of options; usable from several threads at once.
#[derive(Clone, Debug, Default)]
pub struct Unpacker {
    options: UnpackOptions,
}

impl Unpacker {
    /// Returns an unpacker with these options.
    #[must_use]
    pub fn new(options: UnpackOptions) -> Self {
        Self { options }
    }

    /// Reads `source` to its end and extracts it beneath `into`.
    ///
    /// The digests are computed while extracting, so that on an error `into` holds a part of
    /// the layer and must be thrown away. Blocks; stages run on threads of its own.
    ///
    /// # Errors
    /// [`LayerError`], whose `kind()` says whether the source lied, broke off, or the
    /// destination refused.
    pub fn unpack<R: Read + Send>(
        &self,
        source: R,
        layer: &LayerDescriptor,
        into: BorrowedFd<'_>,
        cancel: &Cancel,
    ) -> Result<Unpacked, LayerError> {
        let _ = (source, layer, into, cancel, &self.options);
        unimplemented!("lands next")
    }
}
