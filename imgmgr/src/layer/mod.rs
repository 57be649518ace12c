//! Layers: from a compressed tar stream to a directory, and from a directory's changes back to
//! a tar stream.
//!
//! ```text
//! source (Read) -> digest -> inflate -> digest -> tar -> extract beneath a descriptor
//!                  `- compressed digest and size   `- diff ID
//! ```
//! All stages run at once, on bounded buffers. Nothing here knows a registry, a reference or the
//! content store.

mod compression;
mod error;
mod extract;
pub mod limits;
pub(crate) mod narrow;
mod options;
pub(crate) mod pipeline;
pub(crate) mod rootless_owner;
mod scan;
mod source;
pub mod store;
pub mod tar;
mod unpacker;

pub use compression::Compression;
pub(crate) use compression::gzip_encoder;
pub use error::{LayerError, LayerErrorKind};
pub use extract::{Below, BelowKind, LayerFacts};
pub(crate) use extract::{copy_directory_metadata, remove_tree};
pub use limits::LayerLimits;
pub use options::{DeviceNodes, Durability, IdRange, LayerForm, Ownership, UnpackOptions};
pub(crate) use scan::scan;
pub use source::{CHUNKS_IN_FLIGHT, Cancel, ChunkSender, ChunkSource, chunk_channel};
pub(crate) use store::{decode_path, encode_path};
pub use unpacker::{LayerDescriptor, Unpacked, Unpacker};
