//! Which layers are mounted, in whatever mount namespace: overlayfs tells its lower directories
//! among its options, a bind mount its root.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Most bytes of one namespace's table that are read: more than 100,000 mounts.
const MAX_MOUNTINFO_BYTES: u64 = 64 << 20;

/// Returns those of `names` that some mount of a process that we may look at uses.
pub(super) fn mounted_layers(names: &[String]) -> BTreeSet<String> {
    let mut mounted = BTreeSet::new();
    if names.is_empty() {
        return mounted;
    }
    for table in tables() {
        mounted.extend(names.iter().filter(|name| uses(&table, name)).cloned());
    }
    mounted
}

/// True if one of these directories is part of a mount.
pub(super) fn is_mounted(directories: &[PathBuf]) -> bool {
    let shown: Vec<String> = directories.iter().map(|path| escaped(path)).collect();
    tables().any(|table| {
        let mut words = table.split([' ', ',', '=', ':', '\n']);
        words.any(|word| shown.iter().any(|path| path == word))
    })
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

/// Names of layers are long and never escaped.
fn uses(table: &str, name: &str) -> bool {
    table.contains(&format!("/{name}/tree"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_options_and_roots() {
        let table = "36 35 98:0 / /m rw - overlay none ro,lowerdir+=/s/sha256-aa/tree\n\
                     37 35 98:0 /s/sha256-bb@cc/tree /n ro - ext4 /dev/sda rw\n";
        assert!(uses(table, "sha256-aa"));
        assert!(uses(table, "sha256-bb@cc"));
        assert!(!uses(table, "sha256-bb"));
        assert!(!uses(table, "sha256-a"));
    }
}
