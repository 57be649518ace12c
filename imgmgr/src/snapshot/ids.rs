//! Owners of a bundle's files on the host, and those they have in its layers.

use rustix::process::{getegid, geteuid};

use crate::layer::{IdRange, Ownership, rootless_owner};
use crate::xattrs::Xattrs;

/// How the owners of a bundle's files stand for those in its layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BundleIds {
    /// They are the same.
    #[default]
    Same,
    /// Through ranges, the other way than at unpacking.
    Mapped {
        /// For user ids.
        uids: Vec<IdRange>,
        /// For group ids.
        gids: Vec<IdRange>,
    },
    /// All belongs to who unpacked it, and stands for root or for what the attribute
    /// `user.rootlesscontainers` tells.
    Caller {
        /// Their user id.
        uid: u32,
        /// Their group id.
        gid: u32,
    },
}

impl BundleIds {
    /// Those of what is unpacked by this process with `ownership`.
    #[must_use]
    pub fn of(ownership: &Ownership) -> Self {
        match ownership {
            Ownership::Keep => Self::Same,
            Ownership::Map { uids, gids } => {
                Self::Mapped { uids: uids.clone(), gids: gids.clone() }
            }
            Ownership::Caller => Self::Caller { uid: geteuid().as_raw(), gid: getegid().as_raw() },
        }
    }

    /// The owner in a layer; `None` if there is none. The attributes lose what told it.
    pub(super) fn to_layer(
        &self,
        (uid, gid): (u32, u32),
        xattrs: &mut Xattrs,
    ) -> Option<(u32, u32)> {
        match self {
            Self::Same => Some((uid, gid)),
            Self::Mapped { uids, gids } => {
                Some((container_id(uids, uid)?, container_id(gids, gid)?))
            }
            Self::Caller { uid: own, gid: own_group } => {
                let told = rootless_owner::take(xattrs);
                ((uid, gid) == (*own, *own_group)).then(|| told.unwrap_or((0, 0)))
            }
        }
    }

    /// As in a manifest.
    pub(super) fn to_lines(&self) -> String {
        let lines = |name: &str, ranges: &[IdRange]| {
            let line = |IdRange { container, host, len }: &IdRange| {
                format!("{name} {container} {host} {len}\n")
            };
            ranges.iter().map(line).collect::<String>()
        };
        match self {
            Self::Same => String::new(),
            Self::Mapped { uids, gids } => lines("uid", uids) + &lines("gid", gids),
            Self::Caller { uid, gid } => format!("caller {uid} {gid}\n"),
        }
    }

    /// Reads a line of [`BundleIds::to_lines`], whose first word is `first`.
    pub(super) fn add_line<'w>(
        &mut self,
        first: &str,
        words: impl Iterator<Item = &'w str>,
    ) -> Option<()> {
        let numbers: Option<Vec<u32>> = words.map(|word| word.parse().ok()).collect();
        if *self == Self::Same && first != "caller" {
            *self = Self::Mapped { uids: Vec::new(), gids: Vec::new() };
        }
        match (&mut *self, first, numbers?.as_slice()) {
            (Self::Same, "caller", &[uid, gid]) => *self = Self::Caller { uid, gid },
            (Self::Mapped { uids, gids }, "uid" | "gid", &[container, host, len]) => {
                let ranges = if first == "uid" { uids } else { gids };
                ranges.push(IdRange { container, host, len });
            }
            _ => return None,
        }
        Some(())
    }
}

fn container_id(ranges: &[IdRange], id: u32) -> Option<u32> {
    let holds = |r: &&IdRange| id.checked_sub(r.host).is_some_and(|d| d < r.len);
    let range = ranges.iter().find(holds)?;
    range.container.checked_add(id - range.host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_back_through_the_ranges() {
        let range = |container, host, len| IdRange { container, host, len };
        let ids = BundleIds::Mapped {
            uids: vec![range(0, 1000, 1), range(1, 5000, 10)],
            gids: vec![range(0, 2000, 2)],
        };
        let mut none = Vec::new();
        assert_eq!(ids.to_layer((1000, 2001), &mut none), Some((0, 1)));
        assert_eq!(ids.to_layer((5009, 2000), &mut none), Some((10, 0)));
        assert_eq!(ids.to_layer((5010, 2000), &mut none), None);
        assert_eq!(ids.to_layer((0, 2000), &mut none), None);
        let ids = BundleIds::Caller { uid: 7, gid: 8 };
        let mut told = vec![rootless_owner::attribute(33, 4), (b"user.k".to_vec(), b"v".to_vec())];
        assert_eq!(ids.to_layer((7, 8), &mut told), Some((33, 4)));
        assert_eq!(told.len(), 1, "it is no content");
        assert_eq!(ids.to_layer((7, 8), &mut told), Some((0, 0)));
        assert_eq!(ids.to_layer((7, 9), &mut told), None);
    }
}
