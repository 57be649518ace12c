//! The owner of a file that belongs to whoever unpacked it, as umoci, PRoot and others keep it: the
//! extended attribute `user.rootlesscontainers`, in Protocol Buffers
//! ([its definition](https://github.com/rootless-containers/proto)).
//!
//! ```text
//! message Resource { uint32 uid = 1; uint32 gid = 2; }     4294967295: not told
//! ```

use crate::xattrs::Xattrs;

/// The attribute's name.
pub(crate) const NAME: &[u8] = b"user.rootlesscontainers";
const UID_TAG: u8 = 1 << 3;
const GID_TAG: u8 = 2 << 3;
/// Not told.
const NO_ID: u32 = u32::MAX;

/// The attribute of a file with this owner.
pub(crate) fn attribute(uid: u32, gid: u32) -> (Vec<u8>, Vec<u8>) {
    let mut value = Vec::new();
    for (tag, id) in [(UID_TAG, uid), (GID_TAG, gid)] {
        if id != 0 {
            value.push(tag);
            put(&mut value, id);
        }
    }
    (NAME.to_vec(), value)
}

/// Removes the attribute, and returns the owner that it tells; what it doesn't tell is root.
pub(crate) fn take(xattrs: &mut Xattrs) -> Option<(u32, u32)> {
    let at = xattrs.iter().position(|(name, _)| name == NAME)?;
    let (_, value) = xattrs.remove(at);
    parse(&value)
}

fn parse(mut value: &[u8]) -> Option<(u32, u32)> {
    let (mut uid, mut gid) = (0, 0);
    while let Some((tag, rest)) = value.split_first() {
        let (id, rest) = get(rest)?;
        match *tag {
            UID_TAG => uid = id,
            GID_TAG => gid = id,
            _ => return None,
        }
        value = rest;
    }
    let told = |id: u32| if id == NO_ID { 0 } else { id };
    Some((told(uid), told(gid)))
}

fn put(value: &mut Vec<u8>, mut id: u32) {
    loop {
        let low = id.to_le_bytes()[0] & 0x7f;
        id >>= 7;
        value.push(if id == 0 { low } else { low | 0x80 });
        if id == 0 {
            return;
        }
    }
}

fn get(value: &[u8]) -> Option<(u32, &[u8])> {
    let mut id = 0u64;
    for (at, byte) in value.iter().enumerate().take(5) {
        id |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(id).ok()?, &value[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attribute_tells_the_owner() {
        for owner in [(0, 0), (33, 4), (0, 1000), (300, 0), (u32::MAX - 1, 70_000)] {
            let mut xattrs = vec![attribute(owner.0, owner.1)];
            assert_eq!(take(&mut xattrs), Some(owner));
            assert!(xattrs.is_empty());
        }
        assert_eq!(attribute(33, 300).1, [0x08, 33, 0x10, 0xac, 0x02], "as umoci writes it");
        assert_eq!(parse(&[0x08]), None);
        assert_eq!(parse(&[0x1a, 1]), None);
        assert_eq!(parse(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), None);
        assert_eq!(parse(&[0x08, 0xff, 0xff, 0xff, 0xff, 0x0f]), Some((0, 0)));
    }
}
