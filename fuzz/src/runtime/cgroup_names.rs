//! Names of cgroups, slices and units, and the kernel's lists of them.

use runt::cgroup::{CgroupPath, SliceName, SubCgroups, UnitName, UnitPath};
use runt::cgroup::{parse_mountinfo, parse_own_cgroups};

use crate::text_of;

pub(crate) fn run(bytes: &[u8]) {
    let text = text_of(bytes);
    if let Ok(path) = CgroupPath::parse(text) {
        let shown = path.as_str();
        assert!(shown.starts_with('/') && !shown.contains('\0') && !shown.contains('\n'));
        assert!(shown == "/" || shown[1..].split('/').all(|n| !matches!(n, "" | "." | "..")));
        assert_eq!(CgroupPath::parse(shown).ok().as_ref(), Some(&path));
        assert_eq!(path.ancestors_down().last().unwrap_or("/"), shown);
    }
    if let Some(slice) = SliceName::parse(text) {
        let cgroup = slice.cgroup();
        assert!(cgroup.is_root() || cgroup.as_str().ends_with(slice.as_str()));
    }
    if let Ok(unit) = UnitPath::parse(text) {
        assert_eq!(UnitName::parse(unit.unit.as_str()), Some(unit.unit));
    }
    let arguments: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let _ = SubCgroups::parse(&arguments);
    let _ = parse_own_cgroups(text);
    let _ = parse_mountinfo(text);
}
