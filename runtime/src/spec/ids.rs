//! Ids, id maps and container paths.

use std::path::{Component, Path};

/// A user id as the container sees it. It becomes a [`HostUid`] only through an [`IdMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct ContainerUid(pub u32);

/// A group id as the container sees it. It becomes a [`HostGid`] only through an [`IdMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct ContainerGid(pub u32);

/// A user id in the runtime's user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct HostUid(pub u32);

/// A group id in the runtime's user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct HostGid(pub u32);

/// A process id in the runtime's pid namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HostPid(pub i32);

/// One line of a uid_map or gid_map (user_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdRange {
    /// First id inside.
    pub container: u32,
    /// First id outside.
    pub host: u32,
    /// How many, at least one; neither side wraps.
    pub len: u32,
}

/// An id mapping; ranges don't overlap on either side.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct IdMap(pub Vec<IdRange>);

impl IdMap {
    /// The host's id for `id`; `None` if no range covers it (the kernel would answer `EINVAL`).
    #[must_use]
    pub fn to_host(&self, id: u32) -> Option<u32> {
        let covers = |r: &&IdRange| id.checked_sub(r.container).is_some_and(|d| d < r.len);
        let range = self.0.iter().find(covers)?;
        range.host.checked_add(id - range.container)
    }

    /// True if nothing is mapped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An absolute path inside the container: starts with `/`, has no `..`, no `.`, no NUL and no
/// doubled or trailing slash. It is resolved beneath the root descriptor only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerPath(String);

impl ContainerPath {
    /// The path of the container that `path` of the host names, if it lies lexically beneath
    /// `rootfs`; `None` where it does not, or where the rootfs is the host's own root.
    #[must_use]
    pub fn of_host(path: &Path, rootfs: &Path) -> Option<ContainerPath> {
        let climbs = path.components().any(|part| part == Component::ParentDir);
        if climbs || rootfs.parent().is_none() {
            return None;
        }
        ContainerPath::normalise(path.strip_prefix(rootfs).ok()?.to_str()?)
    }

    /// Normalises `text` lexically: a relative path is taken from `/`, `..` above `/` stays there.
    /// `None` if it is empty or holds a NUL byte.
    #[must_use]
    pub fn normalise(text: &str) -> Option<ContainerPath> {
        if text.is_empty() || text.contains('\0') {
            return None;
        }
        let mut parts: Vec<&str> = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                name => parts.push(name),
            }
        }
        Some(ContainerPath(format!("/{}", parts.join("/"))))
    }

    /// With the leading slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the leading slash: what openat2(2) takes beneath the root; `.` for the root itself.
    #[must_use]
    pub fn relative(&self) -> &str {
        match &self.0[1..] {
            "" => ".",
            rest => rest,
        }
    }
}

impl std::fmt::Display for ContainerPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
