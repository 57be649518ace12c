//! Why a copy failed.

use std::path::{Path, PathBuf};

use crate::digest::{Digest, Mismatch};
use crate::image::ManifestError;
use crate::pull::PullError;
use crate::registry::RegistryError;
use crate::store::{Store, StoreError};
use crate::trust::TrustError;

use super::Location;

/// Why a copy failed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// While pulling.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// While pushing.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// In a store or layout.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The policy.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A file operation failed.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// As a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// An archive that can't be used.
    #[error("`{}` is not a usable archive: {}", path.display(), printable(reason))]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A manifest that can't be used.
    #[error("`{}` holds a manifest that can't be used", path.display())]
    Manifest {
        /// The directory or archive.
        path: PathBuf,
        /// Why.
        source: ManifestError,
    },
    /// Several images where one was expected.
    #[error("`{}` holds several images; name one of them: {}", path.display(), listed(names))]
    SeveralImages {
        /// The archive.
        path: PathBuf,
        /// Their names.
        names: Vec<String>,
    },
    /// A directory that is not ours to write to.
    #[error(
        "`{}` is not empty and holds no image of `dir:`; name an absent or empty directory",
        path.display()
    )]
    ForeignDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// An archive that would be lost.
    #[error(
        "`{}` exists, and a docker-archive: can't be added to; remove it, or name another file",
        path.display()
    )]
    ArchiveExists {
        /// The archive.
        path: PathBuf,
    },
    /// A digest that was to stay.
    #[error(
        "`{digest}` is docker's form of an image; in OCI's, which goes to {to}, it is `{new}`, and the digest \
         was to be preserved"
    )]
    DigestChanges {
        /// What was to be copied.
        digest: Digest,
        /// What it would become.
        new: Digest,
        /// The transport.
        to: &'static str,
    },
    /// A name that a layout or an archive has not, or no image at all.
    #[error("`{}` has no image{}; it has {}", path.display(), named(name.as_ref()), listed(names))]
    NoImage {
        /// The layout or archive.
        path: PathBuf,
        /// As it was asked for.
        name: Option<String>,
        /// What there is.
        names: Vec<String>,
    },
    /// A source that is no layout.
    #[error("there is no OCI image layout at `{}`", path.display())]
    NoLayout {
        /// Where it was to be.
        path: PathBuf,
    },
    /// A source that lacks something.
    #[error("`{}` is damaged: blob `{digest}` is not there", path.display())]
    LayoutLacks {
        /// The layout.
        path: PathBuf,
        /// What it lacks.
        digest: Digest,
    },
    /// A source of which something is not what it must be.
    #[error("`{}` is damaged", path.display())]
    LayoutDamaged {
        /// The layout.
        path: PathBuf,
        /// What and how.
        source: Mismatch,
    },
    /// A place that can't be opened like a file.
    #[error("`{place}` is neither a layout nor an archive or directory")]
    NoFile {
        /// The place.
        place: Location,
    },
    /// The own store is needed and was not given.
    #[error("no store was opened")]
    NoStore,
    /// Something that only an image of one platform can be made into.
    #[error("an index can't become {what}; choose a platform")]
    IndexUnsupported {
        /// The transport.
        what: &'static str,
    },
    /// More refers to an image than a copy takes along.
    #[error("more than {limit} manifests refer to `{digest}`")]
    TooManyReferrers {
        /// The image.
        digest: Digest,
        /// How many would go along.
        limit: usize,
    },
    /// A thread of ours died.
    #[error("an internal task failed")]
    Task {
        /// How.
        source: tokio::task::JoinError,
    },
}

impl CopyError {
    /// Whether it was [`Client::interrupt`](crate::registry::Client::interrupt).
    pub fn is_interrupted(&self) -> bool {
        let of = |error: &RegistryError| matches!(error, RegistryError::Interrupted);
        match self {
            Self::Registry(error) | Self::Pull(PullError::Registry(error)) => of(error),
            _ => false,
        }
    }

    /// Tells whose fault it is that a blob is not what it must be, where the image is of a layout: that may
    /// be in order, and the store that the image goes to have the fault.
    pub(super) fn of_layout(self, path: &Path) -> Self {
        let Ok(layout) = Store::view(path) else { return self };
        let path = path.to_owned();
        match self {
            Self::Store(error) | Self::Registry(RegistryError::Store(error)) => match error {
                StoreError::NoBlob { digest } if matches!(layout.blob_size(&digest), Ok(None)) => {
                    Self::LayoutLacks { path, digest }
                }
                StoreError::Mismatch(source) if !is_of_other(&source, &layout) => {
                    Self::LayoutDamaged { path, source }
                }
                error => error.into(),
            },
            error => error,
        }
    }

    /// Of reading an archive: the disk's fault or the archive's.
    pub(super) fn tar(path: &Path, source: std::io::Error) -> Self {
        match source.raw_os_error() {
            Some(_) => Self::io("read", path)(source),
            None => Self::Archive { path: path.to_owned(), reason: source.to_string() },
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// Whether the layout's blob has the size that it must have, and another store's has not. What a blob
/// hashes to is found out of the source's only.
fn is_of_other(mismatch: &Mismatch, layout: &Store) -> bool {
    match mismatch {
        Mismatch::Size { digest, expected, .. } => {
            matches!(layout.blob_size(digest), Ok(Some(size)) if size == *expected)
        }
        Mismatch::Digest { .. } => false,
    }
}

/// The most characters of a text of somebody else's.
const MAX_SHOWN_CHARS: usize = 400;

/// A text that may come from an archive or from anybody, for a terminal.
pub(super) fn printable(text: &str) -> String {
    let end = text.char_indices().nth(MAX_SHOWN_CHARS).map_or(text.len(), |(end, _)| end);
    visible(&text[..end])
}

/// Makes control characters visible: what a stranger named must not steer the terminal.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

/// The most names that a message tells.
const MAX_LISTED: usize = 10;

/// A name for a message that goes on after `image`.
fn named(name: Option<&String>) -> String {
    name.map_or_else(String::new, |name| format!(" `{}`", printable(name)))
}

/// Names for a message.
fn listed(names: &[String]) -> String {
    let named = |name: &String| match name.as_str() {
        "" => "one without a name".to_owned(),
        name => format!("`{}`", printable(name)),
    };
    let mut shown: Vec<String> = names.iter().take(MAX_LISTED).map(named).collect();
    if names.len() > MAX_LISTED {
        shown.push(format!("{} more", names.len() - MAX_LISTED));
    }
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}
