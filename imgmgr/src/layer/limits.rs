//! The named limits on everything a layer can make us do.

/// Most bytes of one PAX extended header (GNU tar writes a few hundred).
pub const MAX_PAX_BYTES: u64 = 1 << 20;
/// Most bytes of a path or link target inside a layer (`PATH_MAX`).
pub const MAX_PATH: usize = 4096;
/// Most bytes of one path component (`NAME_MAX`).
pub const MAX_NAME: usize = 255;
/// Most components of a path inside a layer.
pub const MAX_DEPTH: usize = 512;
/// Most extended attributes of one entry.
pub const MAX_XATTRS: usize = 256;
/// Most bytes of all extended attributes of one entry, those of global headers included.
pub const MAX_XATTR_BYTES: usize = 1 << 20;
/// Most bytes of one extended attribute's value (`XATTR_SIZE_MAX`).
pub const MAX_XATTR_VALUE: usize = 64 << 10;
/// Most data segments of a sparse file.
pub const MAX_SPARSE_SEGMENTS: usize = 1 << 20;
/// Most symbolic links followed while one parent directory is resolved.
pub const MAX_SYMLINKS: usize = 40;
/// Largest major device number that the kernel has.
pub const MAX_DEVICE_MAJOR: u32 = (1 << 12) - 1;
/// Largest minor device number that the kernel has.
pub const MAX_DEVICE_MINOR: u32 = (1 << 20) - 1;
/// Largest window of a zstd frame, as a power of two: what the format's tools accept unasked.
pub const MAX_ZSTD_WINDOW_LOG: u32 = 27;

/// The limits that a caller may set; each refusal names the one it met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerLimits {
    /// Most entries of one layer.
    pub max_entries: u64,
    /// Most bytes of one decompressed layer.
    pub max_unpacked_bytes: u64,
    /// Most decompressed bytes for each compressed byte, once more than
    /// [`LayerLimits::RATIO_FREE_BYTES`] have come out.
    pub max_ratio: u64,
    /// Most bytes of any one file, holes included.
    pub max_file_bytes: u64,
}

impl LayerLimits {
    /// Decompressed bytes to which no ratio applies: short layers of zeros are common.
    pub const RATIO_FREE_BYTES: u64 = 256 << 20;
}

impl Default for LayerLimits {
    fn default() -> Self {
        Self {
            max_entries: 5_000_000,
            max_unpacked_bytes: 128 << 30,
            max_ratio: 400,
            max_file_bytes: 1 << 40,
        }
    }
}
