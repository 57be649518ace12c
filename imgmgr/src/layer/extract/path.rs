//! Paths inside a layer: from what an entry says to components beneath the root.

use crate::layer::limits::{MAX_DEPTH, MAX_NAME, MAX_PATH};

/// Writes `path` into `out` as components joined by `/`, without a leading slash; the root is
/// empty.
///
/// `.` and empty components vanish and `..` takes the component before it back, by the text
/// alone, as the tools that make layers read them.
///
/// # Errors
/// The reason, if `..` leaves the root, a component is too long, or NUL occurs.
pub(super) fn clean(path: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    out.clear();
    if path.len() > MAX_PATH {
        return Err("path is longer than MAX_PATH");
    }
    if path.contains(&0) {
        return Err("path holds NUL");
    }
    let mut depth = 0usize;
    for component in path.split(|b| *b == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                if depth == 0 {
                    return Err("path leaves the root by `..`");
                }
                depth -= 1;
                pop(out);
            }
            name if name.len() > MAX_NAME => return Err("component is longer than MAX_NAME"),
            name => {
                depth += 1;
                push(out, name);
            }
        }
        if depth > MAX_DEPTH {
            return Err("path is deeper than MAX_DEPTH");
        }
    }
    Ok(())
}

/// Appends a component.
pub(super) fn push(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

/// Removes the last component.
pub(super) fn pop(path: &mut Vec<u8>) {
    let end = path.iter().rposition(|b| *b == b'/').unwrap_or(0);
    path.truncate(end);
}

/// Splits a cleaned path into its directory and its last component.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// True if `path` is `dir` or lies beneath it.
pub(super) fn is_beneath(path: &[u8], dir: &[u8]) -> bool {
    match path.strip_prefix(dir) {
        Some(rest) => dir.is_empty() || rest.is_empty() || rest[0] == b'/',
        None => false,
    }
}

/// For messages.
pub(super) fn display(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Option<&str>) {
        let mut out = b"old".to_vec();
        let got = clean(path.as_bytes(), &mut out).ok().map(|()| String::from_utf8(out).unwrap());
        assert_eq!(got.as_deref(), expected, "{path}");
    }

    #[test]
    fn paths_stay_beneath_the_root() {
        check("./a//b/./c/", Some("a/b/c"));
        check("/a", Some("a"));
        check("./", Some(""));
        check("a/../b", Some("b"));
        check("a/..", Some(""));
        check("..", None);
        check("a/../../etc/passwd", None);
        check("/../etc", None);
        check("...", Some("..."));
        check(&"a/".repeat(MAX_DEPTH + 1), None);
        check(&"n".repeat(MAX_NAME + 1), None);
        check("a\0b", None);
    }

    #[test]
    fn beneath_is_by_component() {
        assert!(is_beneath(b"a/b", b"a") && is_beneath(b"a", b"a") && is_beneath(b"a", b""));
        assert!(!is_beneath(b"ab", b"a") && !is_beneath(b"a", b"a/b"));
    }
}
