//! Why a registry could not be used.

use std::time::Duration;

use reqwest::StatusCode;

use crate::digest::Mismatch;
use crate::image::ManifestError;
use crate::store::StoreError;

/// What a caller can do about a [`RegistryError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The thing is not there.
    NotFound,
    /// Credentials are missing or wrong.
    Unauthorized,
    /// The credentials don't allow it.
    Denied,
    /// Later it may work.
    Temporary,
    /// The registry broke its promise; another endpoint may keep it.
    Lied,
    /// Nothing but a person.
    Other,
}

/// Why a registry could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry answered with a status that is no success.
    #[error("{method} `{url}`: {status}{}", detail(message))]
    Status {
        /// `GET`, `HEAD`, ...
        method: &'static str,
        /// Without query.
        url: String,
        /// As answered.
        status: StatusCode,
        /// What the registry says about it.
        message: String,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// No answer, or one that broke off.
    #[error("no usable answer from `{url}`")]
    Network {
        /// Without query.
        url: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// Nothing of an upload moved for too long.
    #[error("the upload to `{url}` does not move")]
    Stalled {
        /// Without query.
        url: String,
    },
    /// An answer that broke off or came in a form we can't use, for a reason of our own finding.
    #[error("unusable answer from `{url}`: {reason}")]
    Protocol {
        /// Without query.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More bytes than the kind of answer may have.
    #[error("the answer from `{url}` is longer than {limit} bytes")]
    TooLarge {
        /// Without query.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// Redirects in a circle, or to where we don't go.
    #[error("`{url}` redirects {reason}")]
    Redirect {
        /// Where the request began.
        url: String,
        /// Why it was not followed.
        reason: String,
    },
    /// The token server's answer is of no use.
    #[error("cannot get a token for `{scope}` from `{realm}`: {reason}")]
    Token {
        /// The token server.
        realm: String,
        /// What for.
        scope: String,
        /// What is wrong.
        reason: String,
    },
    /// Credentials could not be looked up.
    #[error("cannot look up credentials for `{host}`: {reason}")]
    Credentials {
        /// The registry.
        host: String,
        /// What is wrong.
        reason: String,
    },
    /// The HTTP client could not be set up: bad certificate, key or proxy.
    #[error("cannot set up a client for `{host}`: {reason}")]
    Setup {
        /// The registry.
        host: String,
        /// What is wrong.
        reason: String,
    },
    /// The bytes are not what they were promised to be.
    #[error("`{url}` sent something else than was asked for")]
    Mismatch {
        /// Without query.
        url: String,
        /// The difference.
        source: Mismatch,
    },
    /// What came is no manifest.
    #[error("`{url}` sent a manifest that can't be used")]
    Manifest {
        /// Without query.
        url: String,
        /// Why.
        source: ManifestError,
    },
    /// registries.conf says that nothing may be had from there.
    #[error("`{name}` is blocked by registries.conf")]
    Blocked {
        /// The repository.
        name: String,
    },
    /// No endpoint may do this: a mirror for pulls only.
    #[error("the configuration allows no endpoint of `{host}` to {action}")]
    NoEndpoint {
        /// The registry.
        host: String,
        /// What was wanted.
        action: &'static str,
    },
    /// A list with too many pages or entries.
    #[error("`{url}` lists more than {limit} {what}")]
    TooMany {
        /// Without query.
        url: String,
        /// Tags, referrers, pages.
        what: &'static str,
        /// How many we read.
        limit: usize,
    },
    /// [`Client::interrupt`](super::Client::interrupt) was called.
    #[error("interrupted")]
    Interrupted,
    /// What a [`Nearby`](super::Nearby) promised could not be read.
    #[error("cannot read what another blob has too")]
    Nearby {
        /// Why.
        source: std::io::Error,
    },
    /// The store refused while something was fetched or sent.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The registry client's results.
pub type Result<T> = std::result::Result<T, RegistryError>;

fn detail(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl RegistryError {
    /// Says what a caller can do about it.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Status { status, .. } => match status.as_u16() {
                404 | 410 => FailureKind::NotFound,
                401 => FailureKind::Unauthorized,
                403 => FailureKind::Denied,
                408 | 425 | 429 | 500 | 502..=504 => FailureKind::Temporary,
                _ => FailureKind::Other,
            },
            Self::Network { source, .. } if source.is_builder() => FailureKind::Other,
            Self::Network { .. } | Self::Stalled { .. } => FailureKind::Temporary,
            Self::Protocol { .. }
            | Self::TooLarge { .. }
            | Self::Redirect { .. }
            | Self::Mismatch { .. }
            | Self::Manifest { .. }
            | Self::Nearby { .. }
            | Self::TooMany { .. } => FailureKind::Lied,
            Self::Store(StoreError::Mismatch(_)) => FailureKind::Lied,
            Self::Token { .. } => FailureKind::Unauthorized,
            _ => FailureKind::Other,
        }
    }

    /// How long the registry asks to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
