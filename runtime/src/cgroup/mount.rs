//! What a container sees at its `/sys/fs/cgroup`: the data, not the mounting.

use std::path::PathBuf;

use super::plan::Hierarchy;
use super::{CgroupRecord, LayoutKind};

/// The sources for a mount of type `cgroup`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerMount {
    /// Version 2: one tree.
    Unified {
        /// The container's own directory: the source to clone or bind, and the root of its cgroup
        /// namespace.
        own: PathBuf,
        /// The host's mount point: what a container without a cgroup namespace sees.
        mount: PathBuf,
    },
    /// Version 1: a tmpfs with a directory for each hierarchy, and links.
    Legacy {
        /// In the kernel's order.
        hierarchies: Vec<LegacyMount>,
        /// (name, target) for controllers mounted together: `cpu` to `cpu,cpuacct`.
        links: Vec<(String, String)>,
    },
}

/// One hierarchy of version 1 for a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyMount {
    /// Name of the directory below the tmpfs.
    pub name: String,
    /// The container's own directory: the source to clone or bind.
    pub own: PathBuf,
    /// Options of a fresh mount of type `cgroup`, for a container with a cgroup namespace.
    pub options: String,
}

impl CgroupRecord {
    /// What to mount for a `cgroup` mount of the config; `None` if the container has no cgroup.
    #[must_use]
    pub fn container_mount(&self) -> Option<ContainerMount> {
        if self.layout == LayoutKind::V2 {
            let place = self.places.iter().find(|p| p.hierarchy == Hierarchy::Unified)?;
            return Some(ContainerMount::Unified { own: place.dir(), mount: place.mount.clone() });
        }
        let mut hierarchies = Vec::new();
        let mut links = Vec::new();
        for place in &self.places {
            let Hierarchy::Legacy(names) = &place.hierarchy else { continue };
            let name = place.mount.file_name()?.to_str()?.to_owned();
            let plain = names.iter().filter(|n| !n.starts_with("name=") && **n != name);
            links.extend(plain.map(|link| (link.clone(), name.clone())));
            hierarchies.push(LegacyMount { own: place.dir(), options: names.join(","), name });
        }
        (!hierarchies.is_empty()).then_some(ContainerMount::Legacy { hierarchies, links })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::plan::{Driver, Place};
    use crate::cgroup::{CgroupPath, CoupledLimits};

    fn record(layout: LayoutKind, places: Vec<(Hierarchy, &str)>) -> CgroupRecord {
        let place = |(hierarchy, mount): (Hierarchy, &str)| Place {
            hierarchy,
            mount: PathBuf::from(mount),
            path: CgroupPath::parse("/c1").unwrap(),
        };
        CgroupRecord {
            driver: Driver::Cgroupfs,
            layout,
            places: places.into_iter().map(place).collect(),
            controllers: Vec::new(),
            unit: None,
            user: false,
            user_bus: None,
            coupled: CoupledLimits::default(),
        }
    }

    #[test]
    fn version_2_is_one_tree() {
        let record = record(LayoutKind::V2, vec![(Hierarchy::Unified, "/sys/fs/cgroup")]);
        let (own, mount) = ("/sys/fs/cgroup/c1".into(), "/sys/fs/cgroup".into());
        assert_eq!(record.container_mount(), Some(ContainerMount::Unified { own, mount }));
        assert_eq!(record.paths()[""], "/sys/fs/cgroup/c1");
    }

    #[test]
    fn version_1_is_a_directory_a_hierarchy_and_links() {
        let names = |names: &[&str]| {
            Hierarchy::Legacy(names.iter().map(|name| (*name).to_owned()).collect())
        };
        let places = vec![
            (names(&["cpu", "cpuacct"]), "/sys/fs/cgroup/cpu,cpuacct"),
            (names(&["name=systemd"]), "/sys/fs/cgroup/systemd"),
            (Hierarchy::Unified, "/sys/fs/cgroup/unified"),
        ];
        let record = record(LayoutKind::Hybrid, places);
        let Some(ContainerMount::Legacy { hierarchies, links }) = record.container_mount() else {
            panic!("a hybrid host mounts as version 1");
        };
        let named: Vec<_> = hierarchies.iter().map(|h| (&*h.name, &*h.options)).collect();
        assert_eq!(named, [("cpu,cpuacct", "cpu,cpuacct"), ("systemd", "name=systemd")]);
        assert_eq!(
            links,
            [
                ("cpu".to_owned(), "cpu,cpuacct".to_owned()),
                ("cpuacct".to_owned(), "cpu,cpuacct".to_owned())
            ]
        );
        assert_eq!(record.paths()["cpuacct"], "/sys/fs/cgroup/cpu,cpuacct/c1");
    }

    #[test]
    fn no_cgroup_no_mount() {
        assert_eq!(record(LayoutKind::V1, Vec::new()).container_mount(), None);
    }
}
