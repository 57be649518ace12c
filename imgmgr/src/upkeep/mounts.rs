//! Which layers are mounted, in whatever mount namespace: overlayfs tells its lower directories
//! among its options, a bind mount its root.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use crate::snapshot::Snapshot;

/// Most bytes of one namespace's table that are read: more than 100,000 mounts.
const MAX_MOUNTINFO_BYTES: u64 = 64 << 20;

/// What of a snapshot is mounted on a directory, in the caller's mount namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountedOn {
    /// Nothing; what is mounted there is somebody else's.
    Not,
    /// It is what the directory shows.
    Top,
    /// Something else is mounted over it.
    Covered,
}

/// Returns what of `snapshot` is mounted on `target`, a path without links.
///
/// Kernel: `STATX_MNT_ID`, Linux 5.8. Fallback: the last mount on `target` is the one that shows.
///
/// # Errors
/// Those of looking at `target` and of reading the table of mounts.
pub fn mounted_on(snapshot: &Snapshot, target: &Path) -> io::Result<MountedOn> {
    let stat = statx(CWD, target, AtFlags::empty(), StatxFlags::MNT_ID)?;
    let has_id = stat.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    let mut table = Vec::new();
    File::open("/proc/self/mountinfo")?.take(MAX_MOUNTINFO_BYTES).read_to_end(&mut table)?;
    let mut parts = snapshot.own_directories();
    parts.extend(snapshot.record().lowers.iter().cloned());
    let top = has_id.then_some(stat.stx_mnt_id);
    let parts: Vec<String> = parts.iter().map(|part| real(part).to_string_lossy().into()).collect();
    Ok(found_on(&String::from_utf8_lossy(&table), target, top, &parts))
}

fn found_on(table: &str, target: &Path, top: Option<u64>, parts: &[String]) -> MountedOn {
    let target = escaped(target);
    let on_target = |line: &&str| line.split(' ').nth(4) == Some(target.as_str());
    let mounts: Vec<&str> = table.lines().filter(on_target).collect();
    let id = |line: &str| line.split(' ').next().and_then(|id| id.parse().ok());
    let shown = match top {
        Some(_) => mounts.iter().find(|line| id(line) == top),
        None => mounts.last(),
    };
    if shown.is_some_and(|line| is_made_of(line, parts)) {
        return MountedOn::Top;
    }
    let is_there = mounts.iter().any(|line| is_made_of(line, parts));
    if is_there { MountedOn::Covered } else { MountedOn::Not }
}

/// Whether one of the directories `parts` is the root of a mount, or among overlayfs' options.
fn is_made_of(line: &str, parts: &[String]) -> bool {
    let root = line.split(' ').nth(3).unwrap_or_default();
    let (kind, options) = line.split_once(" - ").map_or(("", ""), |(_, source)| {
        let mut words = source.split(' ');
        (words.next().unwrap_or_default(), words.next_back().unwrap_or_default())
    });
    let layers = (kind == "overlay").then(|| paths(options));
    [unescaped(root)].into_iter().chain(layers.into_iter().flatten()).any(|shown| {
        // A layer whose path no list of options can hold.
        shown.starts_with("/proc/self/fd/")
            || parts.iter().any(|part| is_same_directory(&shown, part))
    })
}

/// Reads `\ooo` for bytes that would end a word, and leaves out what tells that the path is gone.
fn unescaped(word: &str) -> String {
    let mut parts = word.strip_suffix("//deleted").unwrap_or(word).split('\\');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.extend(code.or(Some(b'\\')));
        bytes.extend(part.bytes().skip(if code.is_some() { 3 } else { 0 }));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns those of the layers `names` in the directory `root` that some mount of a process that
/// we may look at uses.
pub(super) fn mounted_layers(root: &Path, names: &[String]) -> BTreeSet<String> {
    let mut mounted = BTreeSet::new();
    if names.is_empty() {
        return mounted;
    }
    let root = real(root).to_string_lossy().into_owned();
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
    let wanted = directories.iter().map(|path| real(path).to_string_lossy().into_owned());
    let wanted: Vec<String> = wanted.collect();
    tables().any(|table| {
        paths(&table).any(|path| wanted.iter().any(|wanted| is_same_directory(&path, wanted)))
    })
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Everything in a table that may be a path: a word, the value of an option, and each of such a value's list.
/// A comma is escaped in options only, and a colon and a `=` never.
fn paths(table: &str) -> impl Iterator<Item = String> {
    table.split([' ', '\n']).flat_map(|word| {
        let options = word.split(',').map(|option| option.split_once('=').unwrap_or(("", option)));
        let listed = options.flat_map(|(_, value)| [value].into_iter().chain(value.split(':')));
        let all = [word].into_iter().chain(listed);
        all.filter(|path| path.starts_with('/') && path.len() > 1).map(unescaped)
    })
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
    fn only_what_is_of_the_snapshot_is_its_mount() {
        let ours = "36 35 0:50 / /m rw - overlay none ro,lowerdir+=/s/l/a/tree\n";
        let bound = "37 35 8:1 /s/l/a/tree /m ro - ext4 /dev/sda rw\n";
        let foreign =
            "38 36 0:51 / /m rw - tmpfs /s/l/x/tree rw\n39 35 0:52 / /n rw - tmpfs t rw\n";
        let parts = ["/s/l/a/tree".to_owned()];
        let on = |table: &str, top| found_on(table, Path::new("/m"), top, &parts);
        for own in [ours, bound] {
            let id = own.split(' ').next().and_then(|id| id.parse().ok());
            assert_eq!((on(own, id), on(own, None)), (MountedOn::Top, MountedOn::Top));
            let both = own.to_owned() + foreign;
            assert_eq!(
                (on(&both, Some(38)), on(&both, None)),
                (MountedOn::Covered, MountedOn::Covered)
            );
            assert_eq!(on(&both, id), MountedOn::Top);
        }
        assert_eq!((on(foreign, Some(38)), on(foreign, None)), (MountedOn::Not, MountedOn::Not));
        assert_eq!(on("", Some(1)), MountedOn::Not);
        let odd = "40 35 0:50 / /m rw - overlay none ro,lowerdir+=/o\\054d:\\040d/a/tree,x=y\n";
        let odd = found_on(odd, Path::new("/m"), None, &["/o,d: d/a/tree".to_owned()]);
        assert_eq!(odd, MountedOn::Top);
    }

    #[test]
    fn options_and_roots_name_places() {
        let table = "36 35 98:0 / /m rw - overlay none ro,lowerdir+=/s/a/tree,upperdir=/u/upper\n\
                     37 35 98:0 /s/b@cc/tree /n ro - ext4 /dev/sda rw\n";
        let odd = "38 35 0:50 / /m rw - overlay none ro,lowerdir+=/o\\054d:d=\\040d/a/tree,x=y\n\
                   39 35 98:0 /o,d:d=\\040d/b/tree//deleted /n ro - ext4 /dev/sda rw\n\
                   40 35 0:51 / /m rw - overlay none ro,lowerdir=/l/a=b/tree:/l/c/tree,upperdir=/u:u\n";
        let found: Vec<String> = [table, odd].into_iter().flat_map(paths).collect();
        let plain = ["/s/a/tree", "/u/upper", "/s/b@cc/tree", "/l/a=b/tree", "/l/c/tree"];
        for path in plain.into_iter().chain(["/o,d:d= d/a/tree", "/o,d:d= d/b/tree", "/u:u"]) {
            assert!(found.iter().any(|found| found == path), "{path}: {found:?}");
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
