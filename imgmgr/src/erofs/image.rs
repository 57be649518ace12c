//! Lays a tree out and writes its bytes.

use std::io::{self, Write};

use super::node::{Content, Node};
use super::read::Tree;

const BLOCK: u64 = 4096;
const BLOCK_BITS: u8 = 12;
const SUPER_OFFSET: u64 = 1024;
const SUPER_BYTES: u64 = 128;
const MAGIC: u32 = 0xe0f5_e1e2;
/// `EROFS_FEATURE_COMPAT_MTIME`.
const COMPAT_MTIME: u32 = 0x2;
/// `EROFS_FEATURE_INCOMPAT_CHUNKED_FILE`.
const INCOMPAT_CHUNKED: u32 = 0x4;
/// An inode's place is told in units of so many bytes.
const SLOT: u64 = 32;
/// Of an extended inode.
const INODE_BYTES: u64 = 64;
const XATTR_HEADER_BYTES: usize = 12;
const DIRENT_BYTES: usize = 12;
/// `EROFS_NULL_ADDR`: a hole.
const HOLE: u32 = u32::MAX;
/// Most that a chunk's size can be told to exceed a block's, as a power of two.
const MAX_CHUNK_BITS: u32 = 31;

/// How an inode's data lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// `EROFS_INODE_FLAT_PLAIN`
    Plain = 0,
    /// `EROFS_INODE_FLAT_INLINE`
    Inline = 2,
    /// `EROFS_INODE_CHUNK_BASED`
    Chunks = 4,
}

/// Where a node goes.
struct Place {
    offset: u64,
    layout: Layout,
    /// Of its data: what `i_size` says.
    bytes: u64,
    /// Number of its first block, if it has any.
    first_block: u64,
    blocks: u64,
}

/// Writes the image of `tree`; returns its length.
///
/// # Errors
/// What `out` says; `FileTooLarge` for more blocks or inodes than the format can count.
pub fn write(tree: &Tree, out: &mut impl Write) -> io::Result<u64> {
    let nodes = &tree.nodes;
    let directories: Vec<Vec<Block<'_>>> = nodes.iter().map(blocks_of).collect();
    let (places, end) = lay_out(nodes, &directories);
    let total = end / BLOCK;
    let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
    let count = u32::try_from(total).map_err(too_large)?;
    u32::try_from(nodes.len()).map_err(too_large)?;
    let mut writer = Writer { out, at: 0 };
    writer.pad_to(SUPER_OFFSET)?;
    writer.put(&super_block(&places, count))?;
    for (index, (node, place)) in nodes.iter().zip(&places).enumerate() {
        writer.pad_to(place.offset)?;
        writer.put(&inode(index, node, place))?;
        writer.put(&xattrs(node))?;
        match &node.content {
            Content::Symlink(target) if place.layout == Layout::Inline => writer.put(target)?,
            Content::Directory { parent, .. } if place.layout == Layout::Inline => {
                if let Some(last) = directories[index].last() {
                    writer.put(&last.encode(nodes, &places, index, *parent))?;
                }
            }
            Content::Regular(bytes) if *bytes > 0 => writer.put(&HOLE.to_le_bytes())?,
            _ => {}
        }
    }
    for (index, place) in places.iter().enumerate() {
        if place.blocks == 0 {
            continue;
        }
        writer.pad_to(place.first_block * BLOCK)?;
        match &nodes[index].content {
            Content::Symlink(target) => writer.put(target)?,
            Content::Directory { parent, .. } => {
                let whole = usize::try_from(place.blocks).unwrap_or(usize::MAX);
                for block in directories[index].iter().take(whole) {
                    writer.pad_to(writer.at.next_multiple_of(BLOCK))?;
                    writer.put(&block.encode(nodes, &places, index, *parent))?;
                }
            }
            _ => {}
        }
    }
    writer.pad_to(total * BLOCK)?;
    Ok(total * BLOCK)
}

struct Writer<'w, W> {
    out: &'w mut W,
    at: u64,
}

impl<W: Write> Writer<'_, W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn pad_to(&mut self, offset: u64) -> io::Result<()> {
        const ZEROS: [u8; 512] = [0; 512];
        while self.at < offset {
            let len = usize::try_from(offset - self.at).map_or(ZEROS.len(), |n| n.min(ZEROS.len()));
            self.put(&ZEROS[..len])?;
        }
        Ok(())
    }
}

/// Gives each node its place, and returns the image's length.
fn lay_out(nodes: &[Node], directories: &[Vec<Block<'_>>]) -> (Vec<Place>, u64) {
    let mut at = SUPER_OFFSET + SUPER_BYTES;
    let mut places: Vec<Place> = Vec::with_capacity(nodes.len());
    for (node, blocks) in nodes.iter().zip(directories) {
        let fixed = INODE_BYTES + xattr_bytes(node) as u64;
        let (bytes, tail, layout) = match &node.content {
            Content::Regular(0) | Content::Device { .. } | Content::Empty => (0, 0, Layout::Plain),
            Content::Regular(bytes) => (*bytes, 4, Layout::Chunks),
            Content::Symlink(target) => in_line(target.len() as u64, fixed),
            Content::Directory { .. } => in_line(directory_bytes(blocks), fixed),
        };
        let mut offset = at.next_multiple_of(SLOT);
        // A tail lies within one block.
        if layout == Layout::Inline && (offset + fixed) % BLOCK + tail > BLOCK {
            offset = offset.next_multiple_of(BLOCK);
        }
        at = offset + fixed + tail;
        let blocks = match layout {
            Layout::Plain => bytes.div_ceil(BLOCK),
            Layout::Inline => (bytes - tail) / BLOCK,
            Layout::Chunks => 0,
        };
        places.push(Place { offset, layout, bytes, first_block: 0, blocks });
    }
    let mut block = at.div_ceil(BLOCK);
    for place in &mut places {
        if place.blocks > 0 {
            place.first_block = block;
            block += place.blocks;
        }
    }
    (places, block * BLOCK)
}

/// Size, tail and layout of data whose end may stand behind the inode.
fn in_line(bytes: u64, fixed: u64) -> (u64, u64, Layout) {
    let tail = bytes % BLOCK;
    if tail > 0 && fixed + tail <= BLOCK {
        (bytes, tail, Layout::Inline)
    } else {
        (bytes, 0, Layout::Plain)
    }
}

fn super_block(places: &[Place], blocks: u32) -> Vec<u8> {
    let root = places.first().map_or(0, |place| place.offset / SLOT);
    let mut out = Vec::with_capacity(128);
    out.extend(MAGIC.to_le_bytes());
    out.extend([0; 4]); // checksum: fs-verity guards all of it
    out.extend(COMPAT_MTIME.to_le_bytes());
    out.extend([BLOCK_BITS, 0]); // block size; extended slots
    out.extend(u16::try_from(root).unwrap_or(0).to_le_bytes());
    out.extend((places.len() as u64).to_le_bytes());
    out.extend([0; 12]); // build time
    out.extend(blocks.to_le_bytes());
    out.extend([0; 8]); // block addresses of inodes and of shared attributes
    out.extend([0; 32]); // UUID, volume name
    out.extend(INCOMPAT_CHUNKED.to_le_bytes());
    out.resize(128, 0);
    out
}

fn inode(index: usize, node: &Node, place: &Place) -> Vec<u8> {
    let xattrs = xattr_bytes(node);
    let count = if xattrs == 0 { 0 } else { (xattrs - XATTR_HEADER_BYTES) / 4 + 1 };
    let union = match &node.content {
        Content::Regular(bytes) if *bytes > 0 => chunk_bits(*bytes),
        Content::Device { major, minor } => (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12),
        _ => u32::try_from(place.first_block).unwrap_or(0),
    };
    let mut out = Vec::with_capacity(64);
    out.extend((1 | ((place.layout as u16) << 1)).to_le_bytes());
    out.extend(u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
    out.extend(node.mode.to_le_bytes());
    out.extend([0; 2]);
    out.extend(place.bytes.to_le_bytes());
    out.extend(union.to_le_bytes());
    out.extend(u32::try_from(index + 1).unwrap_or(0).to_le_bytes());
    out.extend(node.uid.to_le_bytes());
    out.extend(node.gid.to_le_bytes());
    out.extend(node.mtime.0.to_le_bytes());
    out.extend(node.mtime.1.to_le_bytes());
    out.extend(node.links.to_le_bytes());
    out.resize(64, 0);
    out
}

/// `chunkbits - blkszbits`, so that one chunk holds the file.
fn chunk_bits(bytes: u64) -> u32 {
    let blocks = bytes.div_ceil(BLOCK);
    blocks.next_power_of_two().trailing_zeros().min(MAX_CHUNK_BITS)
}

fn xattr_bytes(node: &Node) -> usize {
    let all: usize = node.xattrs.iter().map(super::node::Xattr::bytes).sum();
    if all == 0 { 0 } else { XATTR_HEADER_BYTES + all }
}

fn xattrs(node: &Node) -> Vec<u8> {
    if node.xattrs.is_empty() {
        return Vec::new();
    }
    let mut out = vec![0; XATTR_HEADER_BYTES];
    for xattr in &node.xattrs {
        // Both lengths were looked at when it was made.
        out.push(u8::try_from(xattr.name.len()).unwrap_or(u8::MAX));
        out.push(xattr.index);
        out.extend(u16::try_from(xattr.value.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend(&xattr.name);
        out.extend(&xattr.value);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

/// One block of a directory: whom its names name is told by [`Name`].
struct Block<'n> {
    names: Vec<(&'n [u8], Name)>,
    bytes: usize,
}

#[derive(Clone, Copy)]
enum Name {
    Itself,
    Parent,
    Node(usize),
}

/// The names of a directory, `.` and `..` among them, sorted and put into blocks.
fn blocks_of(node: &Node) -> Vec<Block<'_>> {
    let Content::Directory { entries, .. } = &node.content else { return Vec::new() };
    let mut names: Vec<(&[u8], Name)> = vec![(b".", Name::Itself), (b"..", Name::Parent)];
    names.extend(entries.iter().map(|(name, index)| (name.as_slice(), Name::Node(*index))));
    names.sort_unstable_by_key(|(name, _)| *name);
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (name, target) in names {
        let bytes = DIRENT_BYTES + name.len();
        match blocks.last_mut() {
            Some(block) if (block.bytes + bytes) as u64 <= BLOCK => {
                block.bytes += bytes;
                block.names.push((name, target));
            }
            _ => blocks.push(Block { names: vec![(name, target)], bytes }),
        }
    }
    blocks
}

/// All blocks but the last are whole.
fn directory_bytes(blocks: &[Block<'_>]) -> u64 {
    let last = blocks.last().map_or(0, |block| block.bytes as u64);
    (blocks.len().saturating_sub(1)) as u64 * BLOCK + last
}

impl Block<'_> {
    fn encode(&self, nodes: &[Node], places: &[Place], own: usize, parent: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes);
        let mut name_at = self.names.len() * DIRENT_BYTES;
        for (name, target) in &self.names {
            let index = match target {
                Name::Itself => own,
                Name::Parent => parent,
                Name::Node(index) => *index,
            };
            out.extend((places[index].offset / SLOT).to_le_bytes());
            out.extend(u16::try_from(name_at).unwrap_or(0).to_le_bytes());
            out.extend([file_type(&nodes[index]), 0]);
            name_at += name.len();
        }
        for (name, _) in &self.names {
            out.extend(*name);
        }
        out
    }
}

/// As `enum erofs_ftype`.
fn file_type(node: &Node) -> u8 {
    use rustix::fs::FileType;
    match FileType::from_raw_mode(node.mode.into()) {
        FileType::RegularFile => 1,
        FileType::Directory => 2,
        FileType::CharacterDevice => 3,
        FileType::BlockDevice => 4,
        FileType::Fifo => 5,
        FileType::Socket => 6,
        FileType::Symlink => 7,
        FileType::Unknown => 0,
    }
}
