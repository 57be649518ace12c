//! What an image holds, before its bytes are laid out.

use std::io;

use crate::layer::limits;

/// Most bytes of all extended attributes of one file: what the inode's counter can say.
pub(super) const MAX_XATTR_BYTES: usize = 4 * (u16::MAX as usize - 1);

/// Why a tree has no image.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The tree can't be read.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what, below the tree's root.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The format has no place for it.
    #[error("`{path}`: {what}")]
    Refused {
        /// On what, below the tree's root.
        path: String,
        /// What it is.
        what: String,
    },
    /// More entries than [`limits::LayerLimits::max_entries`].
    #[error("the tree has more than {limit} entries")]
    TooMany {
        /// That many.
        limit: u64,
    },
}

/// Where the content of a regular file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileBacking {
    /// For `trusted.overlay.redirect`: absolute, from the root of a data-only lower layer.
    pub redirect: Vec<u8>,
    /// The fs-verity digest that overlayfs must find there.
    pub digest: Option<kernel::verity::Digest>,
}

/// One inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// With the type's bits.
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: (i64, u32),
    pub(super) links: u32,
    pub(super) xattrs: Vec<Xattr>,
    pub(super) content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Names, sorted by their bytes, and the nodes they name; `.` and `..` are not among them.
    Directory {
        parent: usize,
        entries: Vec<(Vec<u8>, usize)>,
    },
    Symlink(Vec<u8>),
    /// Of that many bytes, all of them holes.
    Regular(u64),
    Device {
        major: u32,
        minor: u32,
    },
    /// A FIFO or a socket.
    Empty,
}

/// An extended attribute, its name split as the format does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Xattr {
    pub(super) index: u8,
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
}

impl Xattr {
    /// `None` for a name that the format has no prefix for, or one too long.
    pub(super) fn new(name: &[u8], value: Vec<u8>) -> Option<Self> {
        const PREFIXES: &[(u8, &[u8])] = &[
            (1, b"user."),
            (2, b"system.posix_acl_access"),
            (3, b"system.posix_acl_default"),
            (4, b"trusted."),
            (6, b"security."),
        ];
        let (index, name) = PREFIXES
            .iter()
            .find_map(|(index, prefix)| Some((*index, name.strip_prefix(*prefix)?)))?;
        let is_acl = matches!(index, 2 | 3);
        let fits = name.len() <= limits::MAX_NAME && value.len() < limits::MAX_XATTR_VALUE;
        (fits && is_acl == name.is_empty()).then(|| Self { index, name: name.to_owned(), value })
    }

    /// Header, name and value, padded to four bytes.
    pub(super) fn bytes(&self) -> usize {
        (4 + self.name.len() + self.value.len()).next_multiple_of(4)
    }
}

impl FileBacking {
    /// The attributes that say so to overlayfs.
    pub(super) fn xattrs(&self) -> impl Iterator<Item = Xattr> {
        // struct ovl_metacopy: version, length, flags, algorithm (1: SHA-256), digest.
        let metacopy = match &self.digest {
            Some(digest) => [&[0, 36, 0, 1], digest.as_slice()].concat(),
            None => Vec::new(),
        };
        let trusted = |name: &[u8], value| Xattr { index: 4, name: name.to_owned(), value };
        let redirect = trusted(b"overlay.redirect", self.redirect.clone());
        [trusted(b"overlay.metacopy", metacopy), redirect].into_iter()
    }
}
