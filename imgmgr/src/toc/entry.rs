//! The JSON of a TOC, read as a stream: entry by entry, never whole.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufReader, Read};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{MAX_TOC_ENTRIES, MAX_TOC_ENTRY_BYTES, TOC_VERSION, TocError};
use crate::digest::Digest;
use crate::layer::limits::MAX_XATTRS;
use crate::layer::tar::EntryKind;

/// What an entry of a TOC describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TocKind {
    /// A directory.
    Dir,
    /// A file, and its first chunk.
    #[default]
    Reg,
    /// A further chunk of the file before it.
    Chunk,
    /// Another name of a file.
    Hardlink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    Char,
    /// A block device.
    Block,
    /// A named pipe.
    Fifo,
}

impl From<EntryKind> for TocKind {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Regular => Self::Reg,
            EntryKind::HardLink => Self::Hardlink,
            EntryKind::Symlink => Self::Symlink,
            EntryKind::CharDevice => Self::Char,
            EntryKind::BlockDevice => Self::Block,
            EntryKind::Directory => Self::Dir,
            EntryKind::Fifo => Self::Fifo,
        }
    }
}

/// One entry of a TOC, as written; fields that it hasn't are zero or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TocEntry {
    /// The path in the tar.
    pub name: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: TocKind,
    /// Target of a link.
    #[serde(default, skip_serializing_if = "is_default")]
    pub link_name: String,
    /// Mode; the kind of file may be among its bits.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: i64,
    /// Bytes of the file.
    #[serde(default, skip_serializing_if = "is_default")]
    pub size: u64,
    /// Owner.
    #[serde(default, skip_serializing_if = "is_default")]
    pub uid: u64,
    /// Group.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gid: u64,
    /// Owner's name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub user_name: String,
    /// Group's name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub group_name: String,
    /// Modification time, RFC 3339.
    #[serde(default, rename = "modtime", skip_serializing_if = "is_default")]
    pub mod_time: String,
    /// Major number of a device.
    #[serde(default, skip_serializing_if = "is_default")]
    pub dev_major: u64,
    /// Minor number of a device.
    #[serde(default, skip_serializing_if = "is_default")]
    pub dev_minor: u64,
    /// Extended attributes, values in base64.
    #[serde(default, deserialize_with = "few_xattrs", skip_serializing_if = "is_default")]
    pub xattrs: BTreeMap<String, String>,
    /// Digest of the file.
    #[serde(default, skip_serializing_if = "is_default")]
    pub digest: Option<Digest>,
    /// Where the chunk begins in the blob.
    #[serde(default, skip_serializing_if = "is_default")]
    pub offset: u64,
    /// zstd:chunked: where the file's last chunk ends.
    #[serde(default, skip_serializing_if = "is_default")]
    pub end_offset: u64,
    /// Where the chunk begins in the file.
    #[serde(default, skip_serializing_if = "is_default")]
    pub chunk_offset: u64,
    /// Bytes of the chunk; 0 for one that goes to the end of the file.
    #[serde(default, skip_serializing_if = "is_default")]
    pub chunk_size: u64,
    /// Digest of the chunk.
    #[serde(default, skip_serializing_if = "is_default")]
    pub chunk_digest: Option<Digest>,
    /// `zeros` for a hole.
    #[serde(default, skip_serializing_if = "is_default")]
    pub chunk_type: String,
    /// eStargz: where the chunk begins in its member, if not at the start.
    #[serde(default, skip_serializing_if = "is_default")]
    pub inner_offset: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl TocEntry {
    /// Whether bytes in the blob belong to it.
    pub fn has_chunk(&self) -> bool {
        let file = matches!(self.kind, TocKind::Reg | TocKind::Chunk);
        file && self.offset > 0 && self.chunk_type != "zeros"
    }
}

/// Reads no more attributes than a tar entry may have.
fn few_xattrs<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct Few;

    impl<'de> Visitor<'de> for Few {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("extended attributes")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut xattrs = BTreeMap::new();
            while let Some((name, value)) = map.next_entry()? {
                xattrs.insert(name, value);
                if xattrs.len() > MAX_XATTRS {
                    let reason = format!("an entry exceeds the limit MAX_XATTRS of {MAX_XATTRS}");
                    return Err(serde::de::Error::custom(reason));
                }
            }
            Ok(xattrs)
        }
    }

    from.deserialize_map(Few)
}

/// The fields of an entry, in small letters.
const FIELDS: [&str; 21] = [
    "name",
    "type",
    "linkname",
    "mode",
    "size",
    "uid",
    "gid",
    "username",
    "groupname",
    "modtime",
    "devmajor",
    "devminor",
    "xattrs",
    "digest",
    "offset",
    "endoffset",
    "chunkoffset",
    "chunksize",
    "chunkdigest",
    "chunktype",
    "inneroffset",
];
/// The fields of a TOC, in small letters.
const TOC_FIELDS: [&str; 2] = ["version", "entries"];

/// Whether a key that is none of ours is one to readers that don't tell its letters apart: Go's
/// `encoding/json`, which folds these two besides ASCII's.
fn is_disguised(key: &str, fields: &[&str]) -> bool {
    let folded: String = key
        .chars()
        .map(|letter| match letter {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            letter => letter.to_ascii_lowercase(),
        })
        .collect();
    fields.contains(&folded.as_str())
}

/// What is read ahead.
const BUFFER_BYTES: usize = 64 << 10;

/// Lets no more through than one key or entry may have, lest a text without an end fill memory.
/// What is buffered when an entry begins comes on top.
struct Metered<'m, R> {
    json: R,
    left: &'m Cell<u64>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.left.get()).unwrap_or(usize::MAX);
        if left == 0 {
            return Err(io::Error::other("an entry is too long"));
        }
        let n = out.len().min(left);
        let n = self.json.read(&mut out[..n])?;
        self.left.set(self.left.get() - n as u64);
        Ok(n)
    }
}

/// Parses the JSON of a TOC and hands out its entries in order.
///
/// # Errors
/// [`TocError::Json`], [`TocError::Version`], [`TocError::Limit`], or what `each` returns.
pub fn parse_entries(
    json: impl Read,
    each: &mut dyn FnMut(TocEntry) -> Result<(), TocError>,
) -> Result<(), TocError> {
    let left = Cell::new(MAX_TOC_ENTRY_BYTES);
    let mut outcome = Outcome { count: 0, left: &left, each, failed: None };
    let metered = BufReader::with_capacity(BUFFER_BYTES, Metered { json, left: &left });
    let mut parser = serde_json::Deserializer::from_reader(metered);
    let parsed = parser.deserialize_map(TocVisitor(&mut outcome)).and_then(|()| parser.end());
    match (outcome.failed, parsed) {
        (Some(error), _) => Err(error),
        (None, Err(_)) if left.get() == 0 => {
            Err(TocError::Limit { limit: "MAX_TOC_ENTRY_BYTES", value: MAX_TOC_ENTRY_BYTES })
        }
        (None, Err(source)) => Err(TocError::Json { source }),
        (None, Ok(())) => Ok(()),
    }
}

struct Outcome<'f> {
    count: usize,
    /// What may still be read of the key or entry at hand.
    left: &'f Cell<u64>,
    each: &'f mut dyn FnMut(TocEntry) -> Result<(), TocError>,
    /// Why the parser was stopped: its own errors can't carry ours.
    failed: Option<TocError>,
}

impl Outcome<'_> {
    fn stop<E: serde::de::Error>(&mut self, error: TocError) -> E {
        self.failed = Some(error);
        E::custom("stopped")
    }
}

struct TocVisitor<'o, 'f>(&'o mut Outcome<'f>);

impl<'de> Visitor<'de> for TocVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of contents")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        use serde::de::Error;
        let (mut version, mut entries) = (None, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "version" if version.is_none() => match map.next_value()? {
                    TOC_VERSION => version = Some(TOC_VERSION),
                    found => return Err(self.0.stop(TocError::Version { found })),
                },
                "entries" if !entries => {
                    map.next_value_seed(Entries(&mut *self.0))?;
                    entries = true;
                }
                "version" | "entries" => return Err(A::Error::custom("a field comes twice")),
                other if is_disguised(other, &TOC_FIELDS) => {
                    return Err(A::Error::custom(format!("`{other}` is a field in other letters")));
                }
                _ => {
                    // Passed over, and kept nowhere.
                    self.0.left.set(u64::MAX);
                    map.next_value::<IgnoredAny>()?;
                }
            }
            self.0.left.set(MAX_TOC_ENTRY_BYTES);
        }
        match (version, entries) {
            (Some(_), true) => Ok(()),
            (Some(_), false) => Err(A::Error::missing_field("entries")),
            (None, _) => Err(A::Error::missing_field("version")),
        }
    }
}

/// Reads an entry whose every field has one spelling.
struct OneSpelling;

impl<'de> DeserializeSeed<'de> for OneSpelling {
    type Value = TocEntry;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<TocEntry, D::Error> {
        let mut disguised = None;
        let entry: TocEntry = serde_ignored::deserialize(deserializer, |path| {
            if let serde_ignored::Path::Map { parent: serde_ignored::Path::Root, key } = &path
                && is_disguised(key, &FIELDS)
            {
                disguised.get_or_insert_with(|| key.clone());
            }
        })?;
        let refuse = |key| format!("`{key}` is a field in other letters");
        disguised.map_or(Ok(entry), |key| Err(serde::de::Error::custom(refuse(key))))
    }
}

struct Entries<'o, 'f>(&'o mut Outcome<'f>);

impl<'de> DeserializeSeed<'de> for Entries<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        loop {
            self.0.left.set(MAX_TOC_ENTRY_BYTES);
            let Some(entry) = list.next_element_seed(OneSpelling)? else { return Ok(()) };
            self.0.count += 1;
            let taken = if self.0.count > MAX_TOC_ENTRIES {
                Err(TocError::limit("MAX_TOC_ENTRIES", MAX_TOC_ENTRIES))
            } else {
                (self.0.each)(entry)
            };
            taken.map_err(|error| self.0.stop(error))?;
        }
    }
}
