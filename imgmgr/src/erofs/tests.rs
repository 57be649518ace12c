//! The kernel reads what was written.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags};

use super::*;
use crate::xattrs;

/// Everything that one name shows, but where a file's content is.
#[derive(Debug, PartialEq)]
struct Shown {
    mode: u32,
    owner: (u32, u32),
    device: u64,
    size: i64,
    mtime: (i64, u64),
    links: u64,
    target: Vec<u8>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

fn no_backing(_: &[u8], _: &File) -> Result<FileBacking, rustix::io::Errno> {
    Ok(FileBacking { redirect: b"/x".to_vec(), digest: None })
}

fn show(root: BorrowedFd<'_>) -> BTreeMap<Vec<u8>, Shown> {
    let mut all = BTreeMap::new();
    let mut left = vec![Vec::new()];
    while let Some(path) = left.pop() {
        let at: &[u8] = if path.is_empty() { b"." } else { &path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let dir = rustix::fs::openat(root, at, flags, Mode::empty()).unwrap();
        for entry in Dir::read_from(&dir).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_bytes();
            let stat = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).unwrap();
            let kind = FileType::from_raw_mode(stat.st_mode);
            assert_eq!(entry.file_type(), kind, "the type that the directory tells");
            if name == b".." {
                continue;
            }
            let is_directory = kind == FileType::Directory;
            let mut xattrs: BTreeMap<_, _> =
                xattrs::of_child(dir.as_fd(), name).unwrap().into_iter().collect();
            for own in ["trusted.overlay.metacopy", "trusted.overlay.redirect"] {
                xattrs.remove(own.as_bytes());
            }
            let shown = Shown {
                mode: stat.st_mode,
                owner: (stat.st_uid, stat.st_gid),
                device: stat.st_rdev,
                size: if is_directory { 0 } else { stat.st_size },
                mtime: (stat.st_mtime, stat.st_mtime_nsec),
                links: stat.st_nlink,
                target: match kind {
                    FileType::Symlink => {
                        rustix::fs::readlinkat(&dir, name, Vec::new()).unwrap().into_bytes()
                    }
                    _ => Vec::new(),
                },
                xattrs,
            };
            let mut below = path.clone();
            if name != b"." {
                below.extend_from_slice(if path.is_empty() { b"" } else { b"/" });
                below.extend_from_slice(name);
                if is_directory {
                    left.push(below.clone());
                }
            }
            all.insert(below, shown);
        }
    }
    all
}

/// Mounts the image at `path`, without a place.
fn mounted(path: &Path) -> OwnedFd {
    let context = kernel::mount::open_filesystem("erofs").unwrap();
    kernel::mount::set_string(&context, "source", path).unwrap();
    kernel::mount::create(&context, 1)
        .unwrap_or_else(|e| panic!("{e}: {}", kernel::mount::explain_failure(&context)))
}

fn check(tree: &Path) {
    let root = File::open(tree).unwrap();
    let read = read_tree(root.as_fd(), &mut no_backing).unwrap();
    let mut bytes = Vec::new();
    assert_eq!(write(&read, &mut bytes).unwrap(), bytes.len() as u64);
    let again = read_tree(root.as_fd(), &mut no_backing).unwrap();
    let mut second = Vec::new();
    write(&again, &mut second).unwrap();
    assert!(bytes == second, "equal trees make equal images");
    let mut image = tempfile::NamedTempFile::new().unwrap();
    image.write_all(&bytes).unwrap();
    let mount = mounted(image.path());
    let (want, got) = (show(root.as_fd()), show(mount.as_fd()));
    assert_eq!(want.keys().collect::<Vec<_>>(), got.keys().collect::<Vec<_>>());
    for (path, want) in &want {
        assert_eq!(got[path], *want, "{}", String::from_utf8_lossy(path));
    }
    let names: Vec<_> = want.keys().cloned().collect();
    for name in names.iter().filter(|name| !name.is_empty()) {
        let absent = [name.as_slice(), b"!"].concat();
        if absent.len() < 250 {
            let found = rustix::fs::statat(&mount, &absent, AtFlags::SYMLINK_NOFOLLOW);
            assert!(found.is_err(), "{}", String::from_utf8_lossy(&absent));
        }
    }
}

fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

#[test]
fn the_kernel_shows_what_the_tree_has() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("a/b/c")).unwrap();
    fs::set_permissions(at("a/b"), fs::Permissions::from_mode(0o1751)).unwrap();
    fs::write(at("a/file"), "content").unwrap();
    fs::write(at("empty"), "").unwrap();
    fs::hard_link(at("a/file"), at("a/b/second")).unwrap();
    fs::set_permissions(at("a/file"), fs::Permissions::from_mode(0o4755)).unwrap();
    std::os::unix::fs::chown(at("a/file"), Some(3_000_000_000), Some(7)).unwrap();
    File::create(at("large")).unwrap().set_len(5 << 40).unwrap();
    symlink("a/file", at("link")).unwrap();
    symlink("t".repeat(4095), at("long-link")).unwrap();
    symlink("t".repeat(4032), at("a/nearly-a-block")).unwrap();
    for (name, kind, major, minor) in [
        ("whiteout", FileType::CharacterDevice, 0, 0),
        ("null", FileType::CharacterDevice, 1, 3),
        ("disk", FileType::BlockDevice, 4095, 1_048_575),
        ("pipe", FileType::Fifo, 0, 0),
        ("socket", FileType::Socket, 0, 0),
    ] {
        let mode = Mode::from_raw_mode(0o640);
        rustix::fs::mknodat(CWD, at(name), kind, mode, rustix::fs::makedev(major, minor)).unwrap();
    }
    for (seconds, nanoseconds, name) in [(-1, 5, "a/b/c"), (1 << 33, 999_999_999, "empty")] {
        let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, at(name), &times, AtFlags::empty()).unwrap();
    }
    set_xattr(&at("a"), "trusted.overlay.opaque", b"y");
    set_xattr(&at("a/file"), "user.note", &[7; 2000]);
    set_xattr(&at("a/file"), "user.empty", b"");
    set_xattr(&at("link"), "trusted.of-a-link", b"x");
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    set_xattr(&at("empty"), "security.capability", &capability);
    // Version 2: the owner may all, user 7 may read, mask, the group and others nothing.
    let mut acl = vec![2, 0, 0, 0];
    for (tag, rights, id) in
        [(1, 7, u32::MAX), (2, 4, 7), (4, 0, u32::MAX), (16, 5, u32::MAX), (32, 0, u32::MAX)]
    {
        acl.extend([tag, 0, rights, 0]);
        acl.extend(id.to_le_bytes());
    }
    set_xattr(&at("a/b"), "system.posix_acl_default", &acl);
    set_xattr(&at("empty"), "system.posix_acl_access", &acl);
    check(dir.path());
}

#[test]
fn directories_of_many_blocks_are_searched() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for number in 0..3000 {
        // Around `.` and `..` in the order of names, and of all lengths.
        let first = ["!", "-", ".a", "..b", "0", "~", "é"][number % 7];
        fs::write(at(&format!("{first}{number}{}", "n".repeat(number % 200))), "x").unwrap();
    }
    // One whose names fill a block to the last byte.
    fs::create_dir(at("whole")).unwrap();
    let mut left = 4096 - (12 + 1) - (12 + 2);
    let mut number = 0;
    while left > 0 {
        let len = if left > 300 { 100 } else { left.min(267) - 12 };
        fs::create_dir(at("whole").join(format!("{number:0>len$}"))).unwrap();
        left -= 12 + len;
        number += 1;
    }
    check(dir.path());
    let links = fs::metadata(at("whole")).unwrap().nlink();
    assert_eq!(links, u64::try_from(number).unwrap() + 2);
}

#[test]
fn content_is_found_below_a_data_only_layer() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("layers/one/tree/etc")).unwrap();
    fs::write(at("layers/one/tree/etc/motd"), "hello").unwrap();
    let root = File::open(at("layers/one/tree")).unwrap();
    let mut backing = |path: &[u8], _: &File| {
        Ok(FileBacking { redirect: [b"/one/tree/", path].concat(), digest: None })
    };
    let tree = read_tree(root.as_fd(), &mut backing).unwrap();
    write(&tree, &mut File::create(at("image")).unwrap()).unwrap();
    let lower = mounted(&at("image"));
    let alone = read_root(lower.as_fd()).unwrap();
    write(&alone, &mut File::create(at("alone")).unwrap()).unwrap();
    assert_eq!(show(mounted(&at("alone")).as_fd()).len(), 1, "the root and nothing else");
    let context = kernel::mount::open_filesystem("overlay").unwrap();
    let set = |key: &str, value: &str| kernel::mount::set_string(&context, key, value).unwrap();
    set("metacopy", "on");
    set("redirect_dir", "on");
    set("lowerdir+", &format!("/proc/self/fd/{}", lower.as_raw_fd()));
    set("datadir+", at("layers").to_str().unwrap());
    let mount = kernel::mount::create(&context, 1)
        .unwrap_or_else(|e| panic!("{e}: {}", kernel::mount::explain_failure(&context)));
    let path = format!("/proc/self/fd/{}/etc/motd", mount.as_raw_fd());
    assert_eq!(fs::read_to_string(path).unwrap(), "hello");
}

#[test]
fn what_the_format_cannot_say_is_refused() {
    let tree = |name: &[u8], value: Vec<u8>| super::node::Xattr::new(name, value).is_some();
    assert!(tree(b"user.a", vec![0; 65_535]));
    assert!(!tree(b"user.a", vec![0; 65_536]));
    assert!(!tree(b"system.nfs4_acl", vec![1]));
    assert!(!tree(b"system.posix_acl_access_", vec![1]));
}
