//! One layer, from its compressed bytes to a directory, verified on the way.

use std::io::Read;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::extract::{self, Below, Extracted, LayerFacts};
use super::pipeline;
use super::tar::TarReader;
use super::{Cancel, Durability, LayerError, LayerErrorKind, UnpackOptions};
use crate::digest::Digest;
use crate::store::SyncAhead;

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
    /// Where the layer depends on the layers below it.
    pub facts: LayerFacts,
}

/// Unpacks layers with one set of options; usable from several threads at once.
#[derive(Clone, Debug, Default)]
pub struct Unpacker {
    options: UnpackOptions,
    ahead: Option<Arc<SyncAhead>>,
}

impl Unpacker {
    /// Returns an unpacker with these options.
    #[must_use]
    pub fn new(options: UnpackOptions) -> Self {
        Self { options, ahead: None }
    }

    /// Lets this bring to the disk what is written, while more is written.
    #[must_use]
    pub fn syncing_ahead(self, ahead: Option<Arc<SyncAhead>>) -> Self {
        Self { ahead, ..self }
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
        self.unpack_above(source, layer, into, None, cancel)
    }

    /// As [`Unpacker::unpack`], for a layer whose meaning depends on what is `below` it:
    /// implied directories take their metadata from there, links are followed and found there.
    ///
    /// # Errors
    /// As [`Unpacker::unpack`].
    pub fn unpack_above<R: Read + Send>(
        &self,
        source: R,
        layer: &LayerDescriptor,
        into: BorrowedFd<'_>,
        below: Option<&dyn Below>,
        cancel: &Cancel,
    ) -> Result<Unpacked, LayerError> {
        let limits = &self.options.limits;
        let extract = |chunks: &mut pipeline::Chunks| {
            let mut reader = TarReader::new(chunks, limits.max_file_bytes);
            self.extract(&mut reader, into, below, cancel)
        };
        let is_invalid = |error: &LayerError| error.kind() == LayerErrorKind::Invalid;
        let (verified, extracted) =
            pipeline::follow(source, layer, limits, cancel, extract, is_invalid)?;
        if self.options.durability == Durability::Durable {
            rustix::fs::syncfs(into).map_err(|source| LayerError::Destination {
                call: "syncfs",
                path: "/".to_owned(),
                source,
            })?;
        }
        let Extracted { entries, facts } = extracted;
        Ok(Unpacked { diff_id: verified.diff_id, tar_bytes: verified.tar_bytes, entries, facts })
    }

    fn extract(
        &self,
        reader: &mut TarReader<&mut pipeline::Chunks>,
        into: BorrowedFd<'_>,
        below: Option<&dyn Below>,
        cancel: &Cancel,
    ) -> Result<Extracted, LayerError> {
        let extracted =
            extract::extract(reader, into, below, &self.options, self.ahead.as_deref(), cancel)?;
        reader.drain()?;
        Ok(extracted)
    }
}
