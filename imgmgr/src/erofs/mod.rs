//! Writes EROFS images of a tree's metadata, as the kernel reads them (`fs/erofs/erofs_fs.h`, on-disk
//! format of Linux 5.16: chunk-based files, no compression).
//!
//! Regular files are holes of their size: their content is elsewhere, where overlayfs finds it by
//! `trusted.overlay.redirect`. Equal trees make equal images, byte for byte.
//!
//! ```text
//! 0      super block, at 1024
//! 1152   inodes: the root first, then by path; each with its attributes and what of its data is
//!        short, 32 bytes aligned
//! n*4096 blocks of directories that are longer
//! ```

mod image;
mod node;
mod read;

pub use image::write;
pub use node::{FileBacking, TreeError};
pub use read::{Backing, SEAL, Tree, read_root, read_tree};

#[cfg(test)]
mod tests;
