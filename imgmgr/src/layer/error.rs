//! Why a layer could not be unpacked or made.

use std::io;

use super::tar::TarError;
use crate::digest::Digest;

/// What a caller can do about a [`LayerError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerErrorKind {
    /// The bytes are not what the descriptor promised: fetch them again, from elsewhere.
    Corrupt,
    /// The bytes are what was promised, but no layer we accept.
    Invalid,
    /// A named limit was met.
    Limit,
    /// The source broke off: retry.
    Source,
    /// The destination refused (full, read-only, no permission).
    Destination,
    /// The caller asked to stop.
    Cancelled,
}

/// Why a layer could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// Reading the compressed bytes failed.
    #[error("cannot read the layer")]
    Source {
        /// What the source said.
        source: io::Error,
    },
    /// Fewer or more bytes than the descriptor's size.
    #[error("layer has {found} bytes where its descriptor says {expected}")]
    Size {
        /// From the descriptor.
        expected: u64,
        /// Counted; at least this many.
        found: u64,
    },
    /// The transported bytes have another digest.
    #[error("layer has digest `{found}` where its descriptor says `{expected}`")]
    Digest {
        /// From the descriptor.
        expected: Digest,
        /// Computed.
        found: Digest,
    },
    /// The decompressed bytes have another digest.
    #[error("layer has diff ID `{found}` where the image configuration says `{expected}`")]
    DiffId {
        /// From the configuration.
        expected: Digest,
        /// Computed.
        found: Digest,
    },
    /// The media type is none of a layer's.
    #[error("media type `{media_type}` is not that of a layer")]
    MediaType {
        /// As given.
        media_type: String,
    },
    /// The first bytes contradict the media type.
    #[error("layer is {found} where its media type `{media_type}` says otherwise")]
    Magic {
        /// As given.
        media_type: String,
        /// What the first bytes look like.
        found: &'static str,
    },
    /// The compressed stream is damaged.
    #[error("cannot decompress the layer")]
    Decompress {
        /// What the decompressor said.
        source: io::Error,
    },
    /// A limit was met.
    #[error("layer exceeds the limit {limit} of {value}")]
    Limit {
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        value: u64,
    },
    /// The tar stream breaks the format.
    #[error("invalid tar at byte {offset}: {reason}")]
    Tar {
        /// Offset in the decompressed stream.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// An entry that would leave the destination or is no valid path.
    #[error("refused entry `{path}`: {reason}")]
    Refused {
        /// The entry, lossily.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// A system call on the destination failed.
    #[error("cannot {call} `{path}`")]
    Destination {
        /// The call, as `strace` names it.
        call: &'static str,
        /// The entry, lossily.
        path: String,
        /// What the kernel said.
        source: rustix::io::Errno,
    },
    /// An owner outside the id maps.
    #[error("owner {id} of `{path}` is not in the id map")]
    Unmapped {
        /// The entry, lossily.
        path: String,
        /// The id.
        id: u32,
    },
    /// The caller asked to stop.
    #[error("unpacking was cancelled")]
    Cancelled,
}

impl LayerError {
    /// Says what a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> LayerErrorKind {
        match self {
            Self::Source { .. } => LayerErrorKind::Source,
            Self::Size { .. } | Self::Digest { .. } | Self::Decompress { .. } => {
                LayerErrorKind::Corrupt
            }
            Self::DiffId { .. }
            | Self::MediaType { .. }
            | Self::Magic { .. }
            | Self::Tar { .. }
            | Self::Refused { .. }
            | Self::Unmapped { .. } => LayerErrorKind::Invalid,
            Self::Limit { .. } => LayerErrorKind::Limit,
            Self::Destination { .. } => LayerErrorKind::Destination,
            Self::Cancelled => LayerErrorKind::Cancelled,
        }
    }
}

impl LayerError {
    /// Whether damaged bytes would explain it.
    pub(crate) fn is_of_the_bytes(&self) -> bool {
        self.kind() == LayerErrorKind::Invalid
    }
}

impl From<TarError> for LayerError {
    fn from(error: TarError) -> Self {
        match error {
            TarError::Read { source } => Self::Source { source },
            TarError::Format { offset, reason } => Self::Tar { offset, reason },
            TarError::Limit { limit, value } => Self::Limit { limit, value },
        }
    }
}
