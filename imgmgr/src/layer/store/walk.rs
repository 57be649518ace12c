//! Looking many paths up in the merged view, each where the last one ended.
//!
//! A walk from the root opens every directory of a path in every layer. For thousands of paths that are
//! sorted, what is known of the directories above stays known, and one stat(2) a layer is enough.

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags, openat};
use rustix::io::Errno;

use super::stack::{AtEnd, DIR, Found, Says, Stack, is_opaque, says};

/// What a path is in the merged view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Absent,
    Directory,
    Symlink,
    Other,
}

impl Kind {
    /// Of what is no directory.
    fn of(kind: FileType) -> Self {
        if kind == FileType::Symlink { Self::Symlink } else { Self::Other }
    }
}

/// Longer paths are not given to the kernel in one piece (`PATH_MAX`).
const MAX_PATH_BYTES: usize = 4000;

/// The place where the last look-up ended.
pub(super) struct Walk<'s> {
    stack: &'s Stack,
    path: Vec<u8>,
    /// The root first.
    levels: Vec<Level>,
    /// The layers of the last directory that was found from the root.
    long: Vec<usize>,
}

/// A directory of the merged view.
struct Level {
    /// Length of its path.
    end: usize,
    /// The layers that have a say on the directory itself, the topmost first.
    layers: Vec<usize>,
    /// How many of them have a say on what is in it, once that has been asked.
    shown: Option<usize>,
}

impl<'s> Walk<'s> {
    pub(super) fn new(stack: &'s Stack) -> Self {
        let layers: Vec<usize> = (0..stack.roots().len()).collect();
        let root = Level { end: 0, shown: Some(layers.len()), layers };
        Self { stack, path: Vec::new(), levels: vec![root], long: Vec::new() }
    }

    /// What is at `path`, and for a directory the layers that have a say on it, the topmost
    /// first. An opaque directory hides what is in those below it, not what they say of it.
    pub(super) fn find(&mut self, path: &[u8]) -> Result<(Kind, &[usize]), Errno> {
        if path.len() > MAX_PATH_BYTES {
            return self.find_from_root(path);
        }
        self.go_up_to_common(path);
        while self.path.len() < path.len() {
            let from = self.path.len() + usize::from(!self.path.is_empty());
            let len = path[from..].iter().position(|b| *b == b'/');
            let end = len.map_or(path.len(), |len| from + len);
            let kind = self.go_down(&path[..end])?;
            if kind != Kind::Directory {
                return Ok((if end == path.len() { kind } else { Kind::Absent }, &[]));
            }
        }
        Ok((Kind::Directory, self.levels.last().map_or(&[], |level| &level.layers)))
    }

    /// As [`Walk::find`], name by name.
    fn find_from_root(&mut self, path: &[u8]) -> Result<(Kind, &[usize]), Errno> {
        match self.stack.walk(path, AtEnd::PassOpaque)? {
            Found::Absent => Ok((Kind::Absent, &[])),
            Found::Other { kind, .. } => Ok((Kind::of(kind), &[])),
            Found::Directory(merged) => {
                self.long = merged.parts.into_iter().map(|(layer, _)| layer).collect();
                Ok((Kind::Directory, &self.long))
            }
        }
    }

    /// Leaves the directories that do not lead to `path`.
    fn go_up_to_common(&mut self, path: &[u8]) {
        let leads_to = |level: &Level| {
            let above = &self.path[..level.end];
            let ends = path.get(level.end).is_none_or(|b| above.is_empty() || *b == b'/');
            path.starts_with(above) && ends
        };
        let kept = self.levels.iter().take_while(|level| leads_to(level)).count();
        self.levels.truncate(kept.max(1));
        self.path.truncate(self.levels.last().map_or(0, |level| level.end));
    }

    /// Enters `path`, in the directory where the walk is, if it is a directory.
    fn go_down(&mut self, path: &[u8]) -> Result<Kind, Errno> {
        let Some(parent) = self.levels.last_mut() else { return Ok(Kind::Absent) };
        let shown = match parent.shown {
            Some(shown) => shown,
            None => *parent.shown.insert(count_shown(self.stack, &self.path, &parent.layers)?),
        };
        let mut layers = Vec::new();
        for layer in &parent.layers[..shown] {
            match says(&self.stack.roots()[*layer], path)? {
                Says::Nothing => {}
                Says::Directory => layers.push(*layer),
                Says::Other(kind) if layers.is_empty() => return Ok(Kind::of(kind)),
                Says::Other(_) | Says::Whiteout => break,
            }
        }
        if layers.is_empty() {
            return Ok(Kind::Absent);
        }
        self.path.clear();
        self.path.extend_from_slice(path);
        self.levels.push(Level { end: path.len(), layers, shown: None });
        Ok(Kind::Directory)
    }
}

/// How many of the layers show what they have in the directory at `path`: all up to the first
/// that is opaque.
fn count_shown(stack: &Stack, path: &[u8], layers: &[usize]) -> Result<usize, Errno> {
    let Some((_, above)) = layers.split_last() else { return Ok(0) };
    for (index, layer) in above.iter().enumerate() {
        let dir: OwnedFd =
            openat(&stack.roots()[*layer], path, OFlags::RDONLY | DIR, Mode::empty())?;
        if is_opaque(&dir)? {
            return Ok(index + 1);
        }
    }
    Ok(layers.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    #[test]
    fn it_finds_what_a_walk_from_the_root_finds() {
        let dir = tempfile::tempdir().unwrap();
        let trees: Vec<PathBuf> = (0..3).map(|n| dir.path().join(n.to_string())).collect();
        let make = |layer: usize, path: &str| fs::create_dir_all(trees[layer].join(path)).unwrap();
        // The topmost first.
        make(0, "a/b");
        make(0, "a.b");
        make(1, "a/b/c");
        make(1, "ab/hidden");
        make(2, "a/b/c/d");
        make(2, "file/below");
        make(2, "link/below");
        fs::write(trees[1].join("file"), "").unwrap();
        std::os::unix::fs::symlink("a", trees[0].join("link")).unwrap();
        let stack = Stack::open(&trees).unwrap();
        let paths = [
            "a",
            "a.b",
            "a/b",
            "a/b/c",
            "a/b/c/d",
            "a/x",
            "ab",
            "ab/hidden",
            "file",
            "file/below",
            "link",
            "link/below",
        ];
        let mut walk = Walk::new(&stack);
        // In any order: only the speed depends on it.
        for path in paths.iter().chain(paths.iter().rev()) {
            let (_, found) = walk.find(path.as_bytes()).unwrap();
            let parts = stack.directory_parts(path.as_bytes()).unwrap();
            let wanted: Vec<usize> = parts.iter().map(|(layer, _)| *layer).collect();
            assert_eq!(found, wanted, "{path}");
        }
        assert_eq!(walk.find(b"link").unwrap().0, Kind::Symlink);
        assert_eq!(walk.find(b"file").unwrap().0, Kind::Other);
        assert_eq!(walk.find(b"link/below").unwrap().0, Kind::Absent);
        let mut deep = OwnedFd::from(fs::File::open(&trees[1]).unwrap());
        let name = "n".repeat(250);
        for _ in 0..20 {
            rustix::fs::mkdirat(&deep, &name, Mode::RWXU).unwrap();
            deep = openat(&deep, &name, OFlags::RDONLY | DIR, Mode::empty()).unwrap();
        }
        let deep = vec![name; 20].join("/");
        assert_eq!(walk.find(deep.as_bytes()).unwrap(), (Kind::Directory, &[1][..]));
        assert_eq!(walk.find(format!("{deep}/x").as_bytes()).unwrap().0, Kind::Absent);
        assert_eq!(walk.find(&[b'x'; 5000]).unwrap_err(), Errno::NAMETOOLONG);
    }
}
