//! Why criu did not do what it was asked for.

use std::io;

/// Why criu did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's message says it")]
pub enum CriuError {
    #[error("criu is not installed: the package `criu` has it")]
    NotInstalled,
    #[error("cannot start criu: {reason}")]
    Start { reason: String },
    #[error("cannot start criu")]
    Spawn(#[source] io::Error),
    #[error("criu {found} is too old, {wanted} or newer is needed")]
    TooOld { found: String, wanted: String },
    #[error("criu or the kernel lacks a feature: {feature}")]
    MissingFeature { feature: &'static str },
    #[error("criu ended without an answer (`criu check` may tell why){output}")]
    Silent { output: String },
    #[error("criu failed to {deed}{reason}")]
    Failed { deed: &'static str, reason: String },
    #[error("cannot talk to criu")]
    Talk(#[source] io::Error),
    #[error("criu's answer is not understood")]
    Answer(#[from] prost::DecodeError),
    #[error("criu can't handle the id mapping of the mount at `{destination}`")]
    IdMappedMount { destination: String },
    #[error("criu can't handle `{property}`: {reason}")]
    Unsupported { property: &'static str, reason: &'static str },
}

/// Attaches nothing: what was done is always the conversation.
pub(super) fn talk(errno: kernel::Errno) -> CriuError {
    CriuError::Talk(errno.into())
}
