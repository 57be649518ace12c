//! Whether others read in a tar's headers what a TOC can say of them.
//!
//! `containers/storage` compares a TOC with what Go's `archive/tar` makes of the tar-split's headers, and
//! refuses the layer if they differ. What Go keeps and a TOC of ours has not must not be in them.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::TocKind;
use super::check::clean;
use crate::layer::tar::{BLOCK, Dialect, Header, split_record};

/// Records of a PAX header that a TOC can say, or that no TOC says.
const KNOWN_RECORDS: [&[u8]; 8] =
    [b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime", b"uname", b"gname"];
/// Extended attributes.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// Paths that came.
#[derive(Debug, Default)]
pub(super) struct Paths(HashSet<u64>);

impl Paths {
    /// Whether the path is a new one; rarely, an old one is told of what is new.
    pub(super) fn add(&mut self, path: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        clean(path.as_bytes()).hash(&mut hasher);
        self.0.insert(hasher.finish())
    }
}

/// The mode as written, if the headers of an entry say nothing that its TOC entry, of `kind`, can't. They
/// are the end of `between`, after the padding of the file before.
pub(super) fn mode(between: &[u8], padding: usize, kind: TocKind) -> Option<i64> {
    let mut rest = between.get(padding..)?;
    loop {
        let block: &[u8; BLOCK] = rest.first_chunk()?;
        let header = Header::parse(block)?;
        let extended = matches!(header.typeflag(), b'x' | b'L' | b'K');
        if !extended {
            return is_plain(&header, block, kind).then(|| header.mode())?;
        }
        let size = usize::try_from(header.size()?).ok()?;
        let body = rest.get(BLOCK..BLOCK.checked_add(size)?)?;
        if header.typeflag() == b'x' && !has_known_records(body) {
            return None;
        }
        rest = rest.get(BLOCK.checked_add(size.checked_next_multiple_of(BLOCK)?)?..)?;
    }
}

fn is_plain(header: &Header<'_>, block: &[u8; BLOCK], kind: TocKind) -> bool {
    let typeflag: &[u8] = match kind {
        TocKind::Reg => b"0\0",
        TocKind::Hardlink => b"1",
        TocKind::Symlink => b"2",
        TocKind::Char => b"3",
        TocKind::Block => b"4",
        TocKind::Dir => b"5",
        TocKind::Fifo => b"6",
        TocKind::Chunk => b"",
    };
    let is_device = matches!(kind, TocKind::Char | TocKind::Block);
    // Access and change time have places in the headers of GNU tar and star.
    let has_times = match header.dialect() {
        Dialect::Gnu => block[345] != 0 || block[357] != 0,
        Dialect::Ustar => &block[508..512] == b"tar\0",
        Dialect::V7 => false,
    };
    typeflag.contains(&header.typeflag())
        && (kind == TocKind::Reg || header.size() == Some(0))
        && (is_device || header.device() == Some((0, 0)))
        && !has_times
}

fn has_known_records(mut body: &[u8]) -> bool {
    while !body.is_empty() {
        match split_record(body) {
            Some((key, _, rest)) if KNOWN_RECORDS.contains(&key) || key.starts_with(XATTR) => {
                body = rest;
            }
            _ => return false,
        }
    }
    true
}
