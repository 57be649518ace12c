//! Which layers are mounted, in whatever mount namespace: overlayfs tells its lower directories
//! among its options, a bind mount its root.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Most bytes of one namespace's table that are read: more than 100,000 mounts.
const MAX_MOUNTINFO_BYTES: u64 = 64 << 20;

/// Returns those of `names` that some mount of a process that we may look at uses.
pub(super) fn mounted_layers(names: &[String]) -> BTreeSet<String> {
    let mut mounted = BTreeSet::new();
    if names.is_empty() {
        return mounted;
    }
    let mut namespaces = BTreeSet::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let process = entry.path();
        // Threads may differ from their process, but then something else made them do so.
        let Ok(namespace) = fs::read_link(process.join("ns/mnt")) else { continue };
        if namespaces.insert(namespace) {
            let table = read_table(&process.join("mountinfo"));
            mounted.extend(names.iter().filter(|name| uses(&table, name)).cloned());
        }
    }
    mounted
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
