//! The tar format as layers use it: ustar, PAX, GNU, and their sparse files.
//!
//! The reader streams: it holds one entry's metadata and hands out data as the slices it was
//! given, without copying. The writer is reproducible: the same entries give the same bytes.
//! Neither knows a file system.
//!
//! ```text
//! block 512   header: name, mode, owner, size, mtime, type, link, magic, device, prefix
//! 'x' 'g'     PAX records `<length> <key>=<value>\n` for the next entry, for all that follow
//! 'L' 'K'     GNU long name, long link of the next entry
//! 'S'         GNU sparse file, map in the header and extension blocks
//! data        padded to 512; two zero blocks end the archive
//! ```

mod header;
mod number;
mod pax;
mod reader;
mod sparse;
mod writer;

pub(crate) use header::{Dialect, Header};
pub(crate) use pax::split_record;
pub use reader::TarReader;
pub use sparse::Segment;
pub use writer::TarWriter;

use std::io;

/// Bytes of a tar block.
pub(crate) const BLOCK: usize = 512;

/// A point in time; `nanos` counts upwards also before 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TarTime {
    /// Seconds since 1970, negative before.
    pub secs: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntryKind {
    /// A file with data.
    #[default]
    Regular,
    /// Another name of an earlier entry, named by `link`.
    HardLink,
    /// `link` is its target.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// One entry's metadata, with every extension applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// As written, without normalisation; no NUL byte, not empty.
    pub path: Vec<u8>,
    /// Target of a hard link or symbolic link, else empty.
    pub link: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits with setuid, setgid and sticky: at most `0o7777`.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Bytes of the file as extracted, holes included.
    pub size: u64,
    /// Modification time.
    pub mtime: TarTime,
    /// Access time, where a PAX record gives it.
    pub atime: Option<TarTime>,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes in the order of the records.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// `Some` for a sparse file: where its data goes, ascending, not overlapping.
    pub sparse: Option<Vec<Segment>>,
}

/// Why a tar stream could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// The stream below failed.
    #[error("cannot read the tar stream")]
    Read {
        /// What it said.
        source: io::Error,
    },
    /// The stream breaks the format.
    #[error("invalid tar at byte {offset}: {reason}")]
    Format {
        /// Offset of the block concerned.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// A limit was met.
    #[error("tar exceeds the limit {limit} of {value}")]
    Limit {
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        value: u64,
    },
}

#[cfg(test)]
mod tests;
