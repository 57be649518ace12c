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

impl Ownership {
    /// The owner on the host of what `uid` and `gid` own in a layer; `None` leaves it as created.
    ///
    /// # Errors
    /// The id that no range holds.
    pub(crate) fn host_owner(&self, uid: u32, gid: u32) -> Result<Option<(u32, u32)>, u32> {
        match self {
            Self::Keep => Ok(Some((uid, gid))),
            Self::Map { uids, gids } => {
                let uid = map_id(uids, uid).ok_or(uid)?;
                Ok(Some((uid, map_id(gids, gid).ok_or(gid)?)))
            }
            Self::Caller => Ok(None),
        }
    }
}

fn map_id(ranges: &[IdRange], id: u32) -> Option<u32> {
    let holds = |r: &&IdRange| id.checked_sub(r.container).is_some_and(|d| d < r.len);
    let range = ranges.iter().find(holds)?;
    range.host.checked_add(id - range.container)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_outside_the_ranges_are_not_mapped() {
        let ranges = [
            IdRange { container: 0, host: 1000, len: 1 },
            IdRange { container: 1, host: u32::MAX - 1, len: 5 },
        ];
        assert_eq!(map_id(&ranges, 0), Some(1000));
        assert_eq!(map_id(&ranges, 2), Some(u32::MAX));
        assert_eq!(map_id(&ranges, 3), None);
        assert_eq!(map_id(&ranges, 6), None);
    }
}
