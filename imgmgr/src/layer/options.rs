//! What a caller can choose about an unpack.

use super::LayerLimits;

/// How whiteouts come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LayerForm {
    /// As one overlayfs lower directory: a whiteout is a character device 0:0, an opaque
    /// directory carries `trusted.overlay.opaque`.
    #[default]
    Overlay,
    /// As [`LayerForm::Overlay`] with `user.overlay.*` attributes, for mounts with `userxattr`.
    OverlayUserXattr,
    /// Applied to the destination, which holds the layers below already.
    Flat,
}

/// What a file's owner becomes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Ownership {
    /// As the layer says.
    #[default]
    Keep,
    /// Container ids to host ids through these ranges; an id outside them is an error.
    Map {
        /// For user ids.
        uids: Vec<IdRange>,
        /// For group ids.
        gids: Vec<IdRange>,
    },
    /// Everything belongs to the calling process.
    Caller,
}

/// `len` ids from `container` on are `host` and following.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// First id as the layer sees it.
    pub container: u32,
    /// First id on the host.
    pub host: u32,
    /// How many.
    pub len: u32,
}

/// What becomes of character and block devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DeviceNodes {
    /// Made with `mknodat(2)`.
    #[default]
    Create,
    /// An empty regular file in their place, for callers without `CAP_MKNOD`.
    Placeholder,
}

/// Whether the result is on the disk when the call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// A `syncfs(2)` ends the unpack.
    #[default]
    Durable,
    /// The caller ends several unpacks with one `syncfs(2)`.
    CallerSyncs,
    /// Nothing is asked of the disk.
    NoSync,
}

/// The options of an [`Unpacker`](super::Unpacker).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UnpackOptions {
    /// How whiteouts come out.
    pub form: LayerForm,
    /// What a file's owner becomes.
    pub ownership: Ownership,
    /// What becomes of devices.
    pub devices: DeviceNodes,
    /// Whether the result is on the disk at the end.
    pub durability: Durability,
    /// What a layer may make us do.
    pub limits: LayerLimits,
}
