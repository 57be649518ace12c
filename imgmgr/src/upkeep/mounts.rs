//! Which layers are mounted, in whatever mount namespace: overlayfs tells its lower directories
//! among its options, a bind mount its root.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Most bytes of one namespace's table that are read: more than 100,000 mounts.
const MAX_MOUNTINFO_BYTES: u64 = 64 << 20;

/// Returns those of the layers `names` in the directory `root` that some mount of a process that
/// we may look at uses.
pub(super) fn mounted_layers(root: &Path, names: &[String]) -> BTreeSet<String> {
    let mut mounted = BTreeSet::new();
    if names.is_empty() {
        return mounted;
    }
    let root = escaped(&root.canonicalize().unwrap_or_else(|_| root.to_owned()));
    for table in tables() {
        for path in paths(&table) {
            let layer = path.strip_suffix("/tree").and_then(|layer| layer.rsplit_once('/'));
            let Some((dir, name)) = layer else { continue };
            if is_same_place(dir, &root) && names.iter().any(|known| known == name) {
                mounted.insert(name.to_owned());
            }
        }
    }
    mounted
}

/// True if one of these directories, each of a directory of its own name, is part of a mount.
pub(super) fn is_mounted(directories: &[PathBuf]) -> bool {
    let wanted: Vec<String> = directories
        .iter()
        .map(|path| escaped(&path.canonicalize().unwrap_or_else(|_| path.clone())))
        .collect();
    tables().any(|table| {
        paths(&table).any(|path| wanted.iter().any(|wanted| is_same_directory(path, wanted)))
    })
}

/// Everything in a table that may be a path.
fn paths(table: &str) -> impl Iterator<Item = &str> {
    table.split([' ', ',', '=', ':', '\n']).filter(|word| word.starts_with('/') && word.len() > 1)
}

/// True if the two paths may name the same: another namespace may see one below another root, and
/// a bind mount tells it from the root of its file system.
fn is_same_place(shown: &str, known: &str) -> bool {
    shown.ends_with(known) || known.ends_with(shown)
}

/// As [`is_same_place`], by the last two names at least: `/root` alone is where a service has
/// root's home hidden from it, and no snapshot's.
fn is_same_directory(shown: &str, known: &str) -> bool {
    let two_names = known.rmatch_indices('/').nth(1).map_or(0, |(at, _)| known.len() - at);
    shown.len() >= two_names && is_same_place(shown, known)
}

/// As the kernel writes a path there.
fn escaped(path: &Path) -> String {
    let text = path.to_string_lossy();
    text.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011").replace('\n', "\\012")
}

/// The table of each mount namespace that we may look at. A thread may have another than its
/// process, but only if something else than a container made it so.
fn tables() -> impl Iterator<Item = String> {
    let mut namespaces = BTreeSet::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(move |entry| {
        let process = entry.path();
        let namespace = fs::read_link(process.join("ns/mnt")).ok()?;
        namespaces.insert(namespace).then(|| read_table(&process.join("mountinfo")))
    })
}

/// A process that ended meanwhile had nothing mounted that another doesn't have.
fn read_table(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(MAX_MOUNTINFO_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_roots_name_places() {
        let table = "36 35 98:0 / /m rw - overlay none ro,lowerdir+=/s/a/tree,upperdir=/u/upper\n\
                     37 35 98:0 /s/b@cc/tree /n ro - ext4 /dev/sda rw\n";
        let found: Vec<&str> = paths(table).collect();
        for path in ["/s/a/tree", "/u/upper", "/s/b@cc/tree"] {
            assert!(found.contains(&path), "{path}: {found:?}");
        }
        assert!(is_same_place("/s/a", "/s/a"));
        assert!(is_same_place("/host/s/a", "/s/a"));
        assert!(is_same_place("/a", "/s/a"));
        assert!(!is_same_place("/t/a", "/s/a"));
        assert!(!is_same_place("/xs/a", "/s/a"));
        assert!(is_same_directory("/work/root", "/s/snapshots/work/root"));
        assert!(is_same_directory("/host/s/snapshots/work/root", "/s/snapshots/work/root"));
        assert!(!is_same_directory("/root", "/s/snapshots/work/root"));
        assert!(!is_same_directory("/upper", "/s/snapshots/work/upper"));
        assert_eq!(escaped(Path::new("/a b")), "/a\\040b");
    }
}
