//! Where a cgroup lies below its hierarchy's mount point, and names of systemd units.

use std::fmt;

use super::CgroupError;

/// Longest name of a cgroup or unit the kernel and systemd take.
pub(super) const MAX_NAME_BYTES: usize = 255;
/// Longest path below a mount point.
pub(super) const MAX_PATH_BYTES: usize = 3500;

/// A path below a hierarchy's mount point: `/a/b`, or `/` for the hierarchy's root.
///
/// Starts with `/`; has no empty component, no `.`, no `..`, no NUL, no line end; every component
/// is at most `MAX_NAME_BYTES`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct CgroupPath(String);

impl TryFrom<String> for CgroupPath {
    type Error = CgroupError;

    fn try_from(text: String) -> Result<CgroupPath, CgroupError> {
        CgroupPath::parse(&text)
    }
}

impl From<CgroupPath> for String {
    fn from(path: CgroupPath) -> String {
        path.0
    }
}

impl CgroupPath {
    /// The root of a hierarchy.
    #[must_use]
    pub fn root() -> CgroupPath {
        CgroupPath("/".to_owned())
    }

    /// Reads an absolute or relative path; doubled slashes and `.` vanish.
    ///
    /// # Errors
    /// [`CgroupError::InvalidPath`] for `..` and for names the kernel refuses.
    pub fn parse(text: &str) -> Result<CgroupPath, CgroupError> {
        let invalid = |why| CgroupError::InvalidPath { path: text.to_owned(), why };
        let mut path = String::with_capacity(text.len() + 1);
        for name in text.split('/') {
            match name {
                "" | "." => continue,
                ".." => return Err(invalid("it has a `..` component")),
                name if name.len() > MAX_NAME_BYTES => return Err(invalid("a name is too long")),
                name if name.contains(['\0', '\n']) => {
                    return Err(invalid("a name has a NUL or a line end"));
                }
                name => {
                    path.push('/');
                    path.push_str(name);
                }
            }
        }
        if path.len() > MAX_PATH_BYTES {
            return Err(invalid("it is too long"));
        }
        Ok(if path.is_empty() { CgroupPath::root() } else { CgroupPath(path) })
    }

    /// This path with `below` appended.
    #[must_use]
    pub fn join(&self, below: &CgroupPath) -> CgroupPath {
        match (self.is_root(), below.is_root()) {
            (true, _) => below.clone(),
            (_, true) => self.clone(),
            (false, false) => CgroupPath(format!("{}{}", self.0, below.0)),
        }
    }

    /// The directory that holds this one; the root holds itself.
    #[must_use]
    pub fn parent(&self) -> CgroupPath {
        match self.0.rfind('/') {
            None | Some(0) => CgroupPath::root(),
            Some(slash) => CgroupPath(self.0[..slash].to_owned()),
        }
    }

    /// With the leading slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the leading slash, as the `*at` calls take it; `.` for the root.
    #[must_use]
    pub fn relative(&self) -> &str {
        match &self.0[1..] {
            "" => ".",
            rest => rest,
        }
    }

    /// Whether this is the root of the hierarchy.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// Every path from the one below the root to this one: `/a`, `/a/b`.
    pub fn ancestors_down(&self) -> impl Iterator<Item = &str> {
        let ends = self.0.match_indices('/').skip(1).map(|(slash, _)| slash);
        let whole = (!self.is_root()).then_some(self.0.len());
        ends.chain(whole).map(|end| &self.0[..end])
    }
}

impl fmt::Display for CgroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A systemd unit that holds one container, and the slice it lies in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitPath {
    /// `None` lets the caller choose: `system.slice`, or `user.slice` for a user's systemd.
    pub slice: Option<SliceName>,
    /// `prefix-name.scope`, or a name that ends in `.slice` as it stands.
    pub unit: UnitName,
}

impl UnitPath {
    /// Reads `slice:prefix:name`; an empty slice means the default.
    ///
    /// # Errors
    /// [`CgroupError::InvalidPath`] if there are not three parts or one is no valid name.
    pub fn parse(text: &str) -> Result<UnitPath, CgroupError> {
        let invalid = |why| CgroupError::InvalidPath { path: text.to_owned(), why };
        let mut parts = text.split(':');
        let (Some(slice), Some(prefix), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid(
                "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups",
            ));
        };
        let slice = match slice {
            "" => None,
            name => Some(SliceName::parse(name).ok_or_else(|| invalid("invalid slice name"))?),
        };
        let unit = UnitName::of_container(prefix, name)
            .ok_or_else(|| invalid("systemd takes no such unit name"))?;
        Ok(UnitPath { slice, unit })
    }
}

/// The name of a scope or slice, made of the characters systemd takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitName(String);

impl UnitName {
    /// `prefix-name.scope`, or `name` itself where it ends in `.slice`. `None` if systemd would
    /// refuse the result.
    #[must_use]
    pub fn of_container(prefix: &str, name: &str) -> Option<UnitName> {
        if name.ends_with(".slice") {
            return SliceName::parse(name).map(|slice| UnitName(slice.0));
        }
        let unit = format!("{prefix}-{name}.scope");
        (!name.is_empty() && is_unit_name(&unit)).then_some(UnitName(unit))
    }

    /// Takes back a name from a state file. `None` if systemd would refuse it.
    #[must_use]
    pub fn parse(text: &str) -> Option<UnitName> {
        let known = text.ends_with(".scope") || text.ends_with(".slice");
        (known && is_unit_name(text)).then(|| UnitName(text.to_owned()))
    }

    /// With its suffix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the unit is a slice: it holds no process of its own.
    #[must_use]
    pub fn is_slice(&self) -> bool {
        self.0.ends_with(".slice")
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a slice: `a-b.slice`, whose cgroup is `/a.slice/a-b.slice`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceName(String);

impl SliceName {
    /// `None` unless `text` ends in `.slice` and no part between the dashes is empty; `-.slice`
    /// is the root.
    #[must_use]
    pub fn parse(text: &str) -> Option<SliceName> {
        let stem = text.strip_suffix(".slice")?;
        let parts_are_named = stem == "-" || stem.split('-').all(|part| !part.is_empty());
        (parts_are_named && is_unit_name(text)).then(|| SliceName(text.to_owned()))
    }

    /// With its suffix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The cgroup systemd makes for it.
    #[must_use]
    pub fn cgroup(&self) -> CgroupPath {
        let stem = self.0.strip_suffix(".slice").unwrap_or(&self.0);
        if stem == "-" {
            return CgroupPath::root();
        }
        let ends = stem.match_indices('-').map(|(dash, _)| dash).chain([stem.len()]);
        CgroupPath(ends.map(|end| format!("/{}.slice", &stem[..end])).collect())
    }
}

impl fmt::Display for SliceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// systemd's `unit_name_is_valid`, for a plain name without an instance.
fn is_unit_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b":-_.\\".contains(&b);
    !text.is_empty() && text.len() <= MAX_NAME_BYTES && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn path(text: &str) -> String {
        CgroupPath::parse(text).unwrap().to_string()
    }

    #[test]
    fn paths_are_cleaned_and_never_climb() {
        assert_eq!(path("/a//b/./c/"), "/a/b/c");
        assert_eq!(path("a"), "/a");
        assert_eq!(path(""), "/");
        for bad in ["/a/../b", "..", "a\nb", "a\0b", &"x".repeat(256), &"x/".repeat(2000)] {
            assert!(CgroupPath::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn paths_join_and_split() {
        let (a, b) = (CgroupPath::parse("/a").unwrap(), CgroupPath::parse("b/c").unwrap());
        assert_eq!(a.join(&b).as_str(), "/a/b/c");
        assert_eq!(CgroupPath::root().join(&b).as_str(), "/b/c");
        assert_eq!(a.join(&CgroupPath::root()).as_str(), "/a");
        assert_eq!(b.parent().as_str(), "/b");
        assert!(a.parent().is_root() && CgroupPath::root().parent().is_root());
        assert_eq!(b.ancestors_down().collect::<Vec<_>>(), ["/b", "/b/c"]);
        assert_eq!(CgroupPath::root().ancestors_down().count(), 0);
        assert_eq!(CgroupPath::root().relative(), ".");
    }

    #[test]
    fn slices_nest_by_their_dashes() {
        let cgroup = |name| SliceName::parse(name).map(|slice| slice.cgroup().to_string());
        assert_eq!(cgroup("a-b-c.slice").as_deref(), Some("/a.slice/a-b.slice/a-b-c.slice"));
        assert_eq!(cgroup("-.slice").as_deref(), Some("/"));
        assert_eq!(cgroup("system.slice").as_deref(), Some("/system.slice"));
        assert_eq!(cgroup("a.slice.slice").as_deref(), Some("/a.slice.slice"));
        for bad in ["", ".slice", "a", "-a.slice", "a--b.slice", "a-.slice", "a/b.slice"] {
            assert_eq!(cgroup(bad), None, "{bad}");
        }
    }

    #[test]
    fn units_are_named_after_prefix_and_name() {
        let unit = |text| UnitPath::parse(text).map(|u| (u.slice.map(|s| s.0), u.unit.0));
        let some = unit("machine.slice:libpod:1234").unwrap();
        assert_eq!(some, (Some("machine.slice".into()), "libpod-1234.scope".into()));
        assert_eq!(unit(":runt:c1").unwrap(), (None, "runt-c1.scope".into()));
        assert_eq!(unit("a.slice:x:kubepods.slice").unwrap().1, "kubepods.slice");
        for bad in ["", "a", "a:b", "a.slice:b:c:d", "a:b:c", "a.slice:b:", "a.slice:b:c/d", "::+"]
        {
            assert!(unit(bad).is_err(), "{bad}");
        }
    }
}
