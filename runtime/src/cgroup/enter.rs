//! Where `exec` puts a process: the container's cgroup, one below it, or where init moved to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::handle::Cgroup;
use super::layout::parse_own_cgroups;
use super::plan::Hierarchy;
use super::{CgroupError, CgroupPath, LayoutKind};
use crate::spec::HostPid;

/// The arguments of `exec --cgroup`: a path below the container's cgroup for every hierarchy, or
/// one for each controller named.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SubCgroups {
    /// Controller to path; the empty name is every hierarchy.
    paths: BTreeMap<String, CgroupPath>,
}

impl SubCgroups {
    /// Reads `PATH`, or any number of `CONTROLLER[,CONTROLLER]:PATH`.
    ///
    /// # Errors
    /// [`CgroupError::BadSubPath`], naming the argument.
    pub fn parse(arguments: &[String]) -> Result<SubCgroups, CgroupError> {
        let mut paths = BTreeMap::new();
        for argument in arguments {
            let bad = || CgroupError::BadSubPath { path: argument.clone() };
            let (names, path) = match argument.split_once(':') {
                Some((names, path)) => (names.split(',').collect(), path),
                None if arguments.len() == 1 => (vec![""], argument.as_str()),
                None => return Err(bad()),
            };
            let path = CgroupPath::parse(path).map_err(|_| bad())?;
            for name in names {
                let is_missing = name.is_empty() && argument.contains(':');
                if is_missing || paths.insert(name.to_owned(), path.clone()).is_some() {
                    return Err(bad());
                }
            }
        }
        Ok(SubCgroups { paths })
    }

    /// Whether nothing was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    fn path_of(&self, hierarchy: &Hierarchy) -> Option<&CgroupPath> {
        let own = match hierarchy {
            Hierarchy::Unified => None,
            Hierarchy::Legacy(names) => names.iter().find_map(|name| self.paths.get(name)),
        };
        own.or_else(|| self.paths.get(""))
    }
}

impl Cgroup {
    /// Goes down to existing cgroups below the container's, for [`Cgroup::clone_target`] and
    /// [`Cgroup::attach`].
    ///
    /// # Errors
    /// [`CgroupError::UnknownController`], and [`CgroupError::SubCgroup`] if one does not exist.
    pub fn narrow(&mut self, below: &SubCgroups) -> Result<(), CgroupError> {
        for name in below.paths.keys().filter(|name| !name.is_empty()) {
            if self.legacy(name).is_none() {
                return Err(CgroupError::UnknownController { controller: name.clone() });
            }
        }
        for dir in &mut self.dirs {
            if let Some(path) = below.path_of(&dir.place.hierarchy) {
                dir.relocate(dir.place.path.join(path));
            }
            dir.fd().map_err(|error| match error {
                CgroupError::Open { cgroup, source } => CgroupError::SubCgroup { cgroup, source },
                other => other,
            })?;
        }
        Ok(())
    }

    /// Goes to the cgroup that `init` is in by now, if the container's own takes no process any
    /// more: on version 2 a container with a writable cgroup mount may have moved its processes
    /// down and turned controllers on for them (cgroups(7), "no internal processes"), or away,
    /// so that its own cgroup was removed.
    ///
    /// # Errors
    /// [`CgroupError::Read`], and [`CgroupError::Probe`] and [`CgroupError::ProbeParse`] if init
    /// is gone.
    pub fn follow_init(&mut self, init: HostPid) -> Result<(), CgroupError> {
        if self.kind != LayoutKind::V2 {
            return Ok(());
        }
        let Some(dir) = self.unified() else { return Ok(()) };
        match dir.read("cgroup.subtree_control") {
            Ok(controllers) if controllers.trim().is_empty() => return Ok(()),
            Err(error) if !error.is_gone() => return Err(error),
            Ok(_) | Err(_) => {}
        }
        let file = PathBuf::from(format!("/proc/{}/cgroup", init.0));
        let bytes = kernel::cgroupfs::read_path(&file)
            .map_err(|errno| CgroupError::Probe { file: file.clone(), source: errno.into() })?;
        let text = String::from_utf8_lossy(&bytes);
        let own = parse_own_cgroups(&text).unwrap_or_default();
        let Some(own) = own.into_iter().find(|own| own.names.is_empty()) else {
            return Err(CgroupError::ProbeParse { file, line: text.trim().to_owned() });
        };
        self.dirs.iter_mut().for_each(|dir| dir.relocate(own.path.clone()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Option<Vec<(String, String)>> {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let parsed = SubCgroups::parse(&arguments).ok()?;
        Some(parsed.paths.into_iter().map(|(name, path)| (name, path.into())).collect())
    }

    #[test]
    fn arguments_of_exec() {
        let own = |pairs: &[(&str, &str)]| {
            Some(pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect())
        };
        assert_eq!(parse(&[]), own(&[]));
        assert_eq!(parse(&["second"]), own(&[("", "/second")]));
        assert_eq!(
            parse(&["cpu,memory:/x", "pids:y"]),
            own(&[("cpu", "/x"), ("memory", "/x"), ("pids", "/y")])
        );
        for bad in [&["a", "b"][..], &[":x"], &["cpu:a", "cpu:b"], &["../x"], &["cpu,:x"]] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
