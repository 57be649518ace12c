//! Hostile and odd tar files: the result is compared, file by file, with GNU tar's and umoci's,
//! and what must be refused is.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use crate::support::{Head, Tar, differences, gnu_tar, has, is_root, os, record, umoci, unpack};
use imgmgr::layer::{
    DeviceNodes, IdRange, LayerError, LayerErrorKind, LayerForm, LayerLimits, Ownership,
    UnpackOptions,
};

fn flat() -> UnpackOptions {
    UnpackOptions { form: LayerForm::Flat, ..UnpackOptions::default() }
}

/// A file capability as `setcap cap_net_raw+ep` stores it.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// An ACL as the kernel stores it: user::rwx user:1000:r-x group::r-x mask::r-x other::---
fn acl() -> Vec<u8> {
    let mut acl = vec![2, 0, 0, 0];
    for (tag, perm, id) in [
        (1u16, 7u16, u32::MAX),
        (2, 5, 1000),
        (4, 5, u32::MAX),
        (16, 5, u32::MAX),
        (32, 0, u32::MAX),
    ] {
        acl.extend_from_slice(&tag.to_le_bytes());
        acl.extend_from_slice(&perm.to_le_bytes());
        acl.extend_from_slice(&id.to_le_bytes());
    }
    acl
}

/// Who reads the torture set beside us.
#[derive(Clone, Copy, PartialEq)]
enum Peer {
    GnuTar,
    Umoci,
}

/// Everything odd on which the peers and the specification agree.
fn torture(peer: Peer) -> Tar {
    let mut tar = Tar::default();
    tar.add(&Head::new("./", b'5', 0o755).mtime(1_500_000_000), b"");
    // umoci refuses every archive with a global header, git's among them.
    if peer != Peer::Umoci {
        tar.pax(b'g', &[("comment", b"a global header that says nothing")]);
    }
    for (name, mode) in [("private/", 0o700), ("tmp/", 0o1777), ("shared/", 0o2775)] {
        tar.add(&Head::new(name, b'5', mode).owner(10, 20).mtime(1_400_000_000), b"");
        tar.file(format!("{name}inside"), b"x");
    }
    for len in [0usize, 1, 511, 512, 513, 1 << 20] {
        tar.file(format!("sizes/{len}"), &vec![b'a'; len]);
    }
    tar.add(&Head::new("modes/setuid", b'0', 0o4755).owner(1000, 1000), b"#!");
    tar.add(&Head::new("modes/setgid", b'0', 0o2755).owner(0, 1000), b"#!");
    tar.add(&Head::new("modes/none", b'0', 0).owner(5, 5), b"secret");
    tar.add(&Head::new("modes/all", b'0', 0o7777), b"");
    tar.pax(b'x', &[("SCHILY.xattr.security.capability", &CAPABILITY)]);
    tar.add(&Head::new("xattrs/capability", b'0', 0o755).owner(7, 7), b"elf");
    tar.pax(b'x', &[("SCHILY.xattr.user.a", b"1"), ("SCHILY.xattr.user.b\nc", b"line\nline\0")]);
    tar.file("xattrs/user", b"u");
    tar.pax(b'x', &[("SCHILY.xattr.system.posix_acl_access", &acl())]);
    tar.add(&Head::new("xattrs/acl", b'0', 0o750), b"acl");
    tar.pax(b'x', &[("SCHILY.xattr.user.dir", b"d")]);
    tar.add(&Head::new("xattrs/dir/", b'5', 0o755), b"");
    tar.pax(b'x', &[("SCHILY.xattr.trusted.link", b"l")]);
    tar.symlink("xattrs/link", "capability");
    for len in [99usize, 100, 101, 200, 255] {
        let name = [b"long/", vec![b'n'; len].as_slice()].concat();
        tar.gnu_long(b'L', &name)
            .add(&Head::new(&name[..100.min(name.len())], b'0', 0o644).gnu(), b"gnu");
        let name = [b"long/p", vec![b'p'; len - 1].as_slice()].concat();
        tar.pax(b'x', &[("path", &name)]).file(b"short", b"pax");
    }
    let deep = "deep/".repeat(60) + "end";
    tar.pax(b'x', &[("path", deep.as_bytes())]).file("short", b"deep");
    let target = "t/".repeat(150);
    tar.gnu_long(b'K', target.as_bytes())
        .add(&Head::new("links/gnu", b'2', 0o777).link("t").gnu(), b"");
    tar.pax(b'x', &[("linkpath", target.as_bytes())]).symlink("links/pax", "short");
    tar.symlink("links/absolute", "/etc/passwd").symlink("links/up", "../../../..");
    tar.add(&Head::new("links/owned", b'2', 0o777).link("x").owner(33, 44).mtime(1_234_567), b"");
    tar.file("hard/first", b"one file").hard_link("hard/second", "hard/first");
    tar.dir("hard/dir/").hard_link("hard/dir/third", "./hard/second");
    tar.hard_link("hard/of-link", "links/owned");
    tar.add(&Head::new("dev/null", b'3', 0o666).device(1, 3), b"");
    tar.add(&Head::new("dev/disk", b'4', 0o660).device(259, 70000).owner(0, 6), b"");
    tar.add(&Head::new("dev/pipe", b'6', 0o622).owner(1, 2), b"");
    tar.add(&Head::new("ids/base256", b'0', 0o644).owner(3_000_000, 4_000_000_000).gnu(), b"");
    tar.pax(b'x', &[("uid", b"2147483653"), ("gid", b"4294967294")]).file("ids/pax", b"");
    tar.pax(b'x', &[("mtime", b"1234567890.123456789")]).file("times/nano", b"");
    tar.pax(b'x', &[("mtime", b"1234567890.5")]).symlink("times/link", "nano");
    tar.pax(b'x', &[("mtime", b"987654321.000000001")]).dir("times/dir/");
    tar.file("times/dir/later", b"must not change the directory's time");
    tar.add(&Head::new("times/before-1970", b'0', 0o644).mtime(-86400).gnu(), b"");
    tar.add(&Head::new("times/after-2106", b'0', 0o644).mtime(5_000_000_000).gnu(), b"");
    tar.file(b"names/\xff\xfe", b"not UTF-8")
        .file(b"names/new\nline", b"")
        .file("names/ sp ace ", b"");
    tar.file("names/\\backslash", b"").file("names/-rf", b"").file("names/...", b"");
    tar.file("./dot/./slash//double", b"");
    tar.file("twice/file", b"first, longer").file("twice/file", b"second");
    tar.symlink("twice/link", "a").symlink("twice/link", "b");
    tar.symlink("twice/link-to-file", "file").file("twice/link-to-file", b"now a file");
    for sparse in SPARSE_FORMATS {
        // umoci doesn't know the type of GNU's sparse files.
        if !(peer == Peer::Umoci && sparse == "gnu") {
            add_sparse(&mut tar, sparse);
        }
    }
    tar
}

const SPARSE_FORMATS: [&str; 4] = ["gnu", "0.0", "0.1", "1.0"];

/// A 3 MiB file with `head` at its start and 8 KiB of `7` at 1 MiB, in one of four formats.
fn add_sparse(tar: &mut Tar, format: &str) {
    let name = format!("sparse/{format}");
    let data = [vec![b'h'; 4096], vec![b'7'; 8192]].concat();
    let (offset, size) = ("1048576", "3145728");
    let head = Head::new(&name, b'0', 0o644);
    match format {
        "gnu" => {
            let head = Head::new(&name, b'S', 0o644).gnu();
            tar.add_with(&head, &data, |block| {
                for (at, number) in [
                    (386, 0),
                    (398, 4096),
                    (410, 1 << 20),
                    (422, 8192),
                    (434, 3 << 20),
                    (446, 0),
                    (483, 3u64 << 20),
                ] {
                    block[at..at + 12].copy_from_slice(format!("{number:011o}\0").as_bytes());
                }
            });
        }
        "0.0" => {
            tar.pax(
                b'x',
                &[
                    ("GNU.sparse.size", size.as_bytes()),
                    ("GNU.sparse.numblocks", b"3"),
                    ("GNU.sparse.offset", b"0"),
                    ("GNU.sparse.numbytes", b"4096"),
                    ("GNU.sparse.offset", offset.as_bytes()),
                    ("GNU.sparse.numbytes", b"8192"),
                    ("GNU.sparse.offset", size.as_bytes()),
                    ("GNU.sparse.numbytes", b"0"),
                ],
            );
            tar.add(&head, &data);
        }
        "0.1" => {
            let map = format!("0,4096,{offset},8192,{size},0");
            tar.pax(
                b'x',
                &[
                    ("GNU.sparse.size", size.as_bytes()),
                    ("GNU.sparse.numblocks", b"3"),
                    ("GNU.sparse.name", name.as_bytes()),
                    ("GNU.sparse.map", map.as_bytes()),
                ],
            );
            tar.add(&Head::new("GNUSparseFile.0/x", b'0', 0o644), &data);
        }
        _ => {
            tar.pax(
                b'x',
                &[
                    ("GNU.sparse.major", b"1"),
                    ("GNU.sparse.minor", b"0"),
                    ("GNU.sparse.name", name.as_bytes()),
                    ("GNU.sparse.realsize", size.as_bytes()),
                ],
            );
            let mut map = format!("3\n0\n4096\n{offset}\n8192\n{size}\n0\n").into_bytes();
            map.resize(512, 0);
            tar.add(&Head::new("GNUSparseFile.0/x", b'0', 0o644), &[map, data].concat());
        }
    }
}

#[test]
fn the_torture_set_is_what_gnu_tar_makes_of_it() {
    if !is_root() || !has("tar") {
        return;
    }
    let tar = torture(Peer::GnuTar).end();
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    unpack(&tar, ours.path(), flat()).unwrap();
    gnu_tar(&tar, theirs.path()).unwrap();
    let (mut ours, mut theirs) = (record(ours.path()), record(theirs.path()));
    // GNU tar gives directories it makes on its own the present time.
    let implied = [
        "sizes",
        "modes",
        "xattrs",
        "long",
        "links",
        "hard",
        "dev",
        "ids",
        "times",
        "names",
        "dot",
        "dot/slash",
        "twice",
        "sparse",
    ];
    for dir in implied.into_iter().map(PathBuf::from).chain(deep_dirs()) {
        ours.remove(&dir);
        theirs.remove(&dir);
    }
    // GNU tar has no way to set an attribute on a symbolic link.
    ours.get_mut(&os(b"xattrs/link")).unwrap().xattrs.clear();
    theirs.get_mut(&os(b"xattrs/link")).unwrap().xattrs.clear();
    let differences = differences(&ours, &theirs);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn deep_dirs() -> impl Iterator<Item = PathBuf> {
    (1..=60).map(|n| PathBuf::from("deep/".repeat(n)))
}

#[test]
fn the_torture_set_is_what_umoci_makes_of_it() {
    if !is_root() || !has("umoci") {
        return;
    }
    let tar = torture(Peer::Umoci).end();
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    unpack(&tar, ours.path(), flat()).unwrap();
    umoci(&[tar], &theirs.path().join("rootfs")).unwrap();
    let (mut ours, mut theirs) = (record(ours.path()), record(&theirs.path().join("rootfs")));
    let implied = [
        "sizes",
        "modes",
        "xattrs",
        "long",
        "links",
        "hard",
        "dev",
        "ids",
        "times",
        "names",
        "dot",
        "dot/slash",
        "twice",
        "sparse",
    ];
    for dir in implied.into_iter().map(PathBuf::from).chain(deep_dirs()) {
        ours.remove(&dir);
        theirs.remove(&dir);
    }
    // umoci changes the root once more after setting its time.
    for records in [&mut ours, &mut theirs] {
        records.get_mut(&PathBuf::new()).unwrap().mtime = (0, 0);
    }
    // umoci writes holes out as zeros.
    for record in ours.values_mut().chain(theirs.values_mut()) {
        record.sparse = false;
    }
    let differences = differences(&ours, &theirs);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn holes_stay_holes() {
    let mut tar = Tar::default();
    for sparse in SPARSE_FORMATS {
        add_sparse(&mut tar, sparse);
    }
    let dir = tempfile::tempdir().unwrap();
    unpack(&tar.end(), dir.path(), UnpackOptions { ownership: Ownership::Caller, ..flat() })
        .unwrap();
    for sparse in SPARSE_FORMATS {
        let meta = fs::metadata(dir.path().join("sparse").join(sparse)).unwrap();
        assert_eq!(meta.len(), 3 << 20);
        assert!(meta.blocks() * 512 <= 64 << 10, "{sparse}: {} blocks", meta.blocks());
    }
}

/// Unpacks into `root/inside` and says what became of `root/outside` and the result.
fn attack(tar: &Tar, form: LayerForm) -> (Result<(), LayerError>, bool) {
    let root = tempfile::tempdir().unwrap();
    let inside = root.path().join("inside");
    fs::create_dir(&inside).unwrap();
    fs::create_dir(root.path().join("outside")).unwrap();
    fs::write(root.path().join("outside/file"), b"precious").unwrap();
    let before = record(root.path());
    let result = unpack(&tar.end(), &inside, UnpackOptions { form, ..UnpackOptions::default() });
    let mut after = record(root.path());
    let mut expected = before;
    expected.retain(|path, _| !path.starts_with("inside"));
    after.retain(|path, _| !path.starts_with("inside"));
    (result.map(drop), after == expected)
}

#[test]
fn a_root_that_no_entry_describes_has_no_date_of_its_own() {
    let mut tar = Tar::default();
    tar.file("f", b"x");
    let dir = tempfile::tempdir().unwrap();
    let options = UnpackOptions { form: LayerForm::Overlay, ..UnpackOptions::default() };
    unpack(&tar.end(), dir.path(), options).unwrap();
    let times = fs::metadata(dir.path()).unwrap();
    assert_eq!((times.mtime(), times.mtime_nsec()), (0, 0));
}

#[test]
fn nothing_leaves_the_destination() {
    if !is_root() {
        return;
    }
    for form in [LayerForm::Flat, LayerForm::Overlay] {
        let check = |what: &str, tar: &Tar, refused: bool| {
            let (result, untouched) = attack(tar, form);
            assert!(untouched, "{what}: something outside changed");
            assert_eq!(result.is_err(), refused, "{what}: {result:?}");
            if let Err(error) = result {
                assert_eq!(error.kind(), LayerErrorKind::Invalid, "{what}: {error}");
            }
        };
        let mut t = Tar::default();
        check("dot dot", t.file("../outside/new", b""), true);
        let mut t = Tar::default();
        check("dot dot within", t.file("a/../../outside/new", b""), true);
        let mut t = Tar::default();
        check("absolute", t.file("/outside/new", b""), false);
        let mut t = Tar::default();
        check(
            "symlink up",
            t.symlink("l", "../outside").file("l/new", b"").file("l/file", b"x"),
            false,
        );
        let mut t = Tar::default();
        check(
            "symlink chain",
            t.symlink("a", "b").symlink("b", "../../../outside").file("a/file", b"x"),
            false,
        );
        let mut t = Tar::default();
        t.symlink("dir", "../outside").file("dir", b"replaces the link").file("dir", b"again");
        check("file over symlink", &t, false);
        let mut t = Tar::default();
        check("symlink loop", t.symlink("a", "b").symlink("b", "a").file("a/x", b""), true);
        let mut t = Tar::default();
        check(
            "write through a link",
            t.symlink("l", "../outside/file").file("l", b"overwritten"),
            false,
        );
        let mut t = Tar::default();
        check(
            "metadata through a link",
            t.symlink("l", "../outside/file").add(&Head::new("l", b'5', 0o777).owner(1, 1), b""),
            false,
        );
        let mut t = Tar::default();
        check("hard link up", t.hard_link("l", "../outside/file"), true);
        let mut t = Tar::default();
        // In the overlay form a link to a layer below, here to none, is only noted.
        check(
            "hard link through a symlink",
            t.symlink("d", "../outside").hard_link("l", "d/file"),
            form == LayerForm::Flat,
        );
        let mut t = Tar::default();
        check(
            "hard link to a symlink, written",
            t.symlink("s", "../outside/file").hard_link("h", "s").file("h", b"x"),
            false,
        );
        for name in [".wh.", ".wh..", ".wh...", "a/.wh..", "a/.wh..."] {
            let mut t = Tar::default();
            check(name, t.dir("a").file(name, b""), true);
        }
        let mut t = Tar::default();
        check(
            "whiteout through a symlink",
            t.symlink("d", "../outside").file("d/.wh.file", b""),
            false,
        );
        let mut t = Tar::default();
        check(
            "opaque through a symlink",
            t.symlink("d", "../outside").file("d/.wh..wh..opq", b""),
            false,
        );
        let mut t = Tar::default();
        check("below a whiteout", t.file(".wh.x/y", b""), true);
        let mut t = Tar::default();
        check("file as parent", t.file("f", b"").file("f/x", b""), true);
        let mut t = Tar::default();
        check("root as file", t.file("./", b"").file(".", b"x"), true);
    }
}

#[test]
fn hostile_fields_are_refused() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let refused = |tar: &Tar| unpack(&tar.end(), dir.path(), flat()).unwrap_err().kind();
    let mut t = Tar::default();
    t.pax(b'x', &[("uid", b"4294967295")]).file("a", b"");
    assert_eq!(refused(&t), LayerErrorKind::Invalid, "the id that chown takes for `none`");
    let mut t = Tar::default();
    t.add(&Head::new("dev", b'3', 0o600).device(4096, 0), b"");
    assert_eq!(refused(&t), LayerErrorKind::Invalid, "a major number the kernel would cut");
    let mut t = Tar::default();
    t.pax(b'x', &[("path", b"a\0b")]).file("a", b"");
    assert_eq!(refused(&t), LayerErrorKind::Invalid);
    let mut t = Tar::default();
    let long = vec![b'n'; 256];
    t.pax(b'x', &[("path", &long)]).file("a", b"");
    assert_eq!(refused(&t), LayerErrorKind::Invalid);
}

#[test]
fn limits_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let limited = |tar: &Tar, limits: LayerLimits| {
        let options = UnpackOptions { limits, ownership: Ownership::Caller, ..flat() };
        unpack(&tar.end(), dir.path(), options)
    };
    let mut t = Tar::default();
    t.file("a", &[1; 5000]).file("b", b"").file("c", b"");
    let limits = LayerLimits::default();
    assert!(limited(&t, limits).is_ok());
    for limits in [
        LayerLimits { max_entries: 2, ..limits },
        LayerLimits { max_file_bytes: 4999, ..limits },
        LayerLimits { max_unpacked_bytes: 5000, ..limits },
    ] {
        let error = limited(&t, limits).unwrap_err();
        assert_eq!(error.kind(), LayerErrorKind::Limit, "{error}");
    }
}

#[test]
fn owners_go_through_the_map_or_nowhere() {
    if !is_root() {
        return;
    }
    let ranges = vec![IdRange { container: 0, host: 100_000, len: 1000 }];
    let mapped = |tar: &Tar| {
        let dir = tempfile::tempdir().unwrap();
        let ownership = Ownership::Map { uids: ranges.clone(), gids: ranges.clone() };
        let result = unpack(&tar.end(), dir.path(), UnpackOptions { ownership, ..flat() });
        result.map(|_| record(dir.path()))
    };
    let mut t = Tar::default();
    t.add(&Head::new("d", b'5', 0o755).owner(1, 2), b"").file("d/f", b"");
    t.add(&Head::new("d/s", b'0', 0o4755).owner(999, 999), b"");
    let records = mapped(&t).unwrap();
    assert_eq!(records[&os(b"d")].owner, (100_001, 100_002));
    assert_eq!(records[&os(b"d/f")].owner, (100_000, 100_000));
    assert_eq!(records[&os(b"d/s")].owner, (100_999, 100_999));
    assert_eq!(records[&os(b"d/s")].kind_and_mode & 0o7777, 0o4755);
    t.add(&Head::new("out", b'0', 0o644).owner(1000, 0), b"");
    assert!(matches!(mapped(&t), Err(LayerError::Unmapped { id: 1000, .. })));
}

#[test]
fn an_ordinary_user_unpacks_as_himself() {
    let mut t = Tar::default();
    t.add(&Head::new("d", b'5', 0o500).owner(1, 2), b"");
    t.add(&Head::new("d/f", b'0', 0o644).owner(3, 4), b"data");
    t.add(&Head::new("null", b'3', 0o666).device(1, 3), b"");
    let options =
        UnpackOptions { ownership: Ownership::Caller, devices: DeviceNodes::Placeholder, ..flat() };
    let dir = tempfile::tempdir().unwrap();
    unpack(&t.end(), dir.path(), options).unwrap();
    let records = record(dir.path());
    let me = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    assert!(records.values().all(|r| r.owner == me));
    assert_eq!(records[&os(b"d")].kind_and_mode & 0o7777, 0o500);
    assert_eq!(fs::read(dir.path().join("d/f")).unwrap(), b"data");
    assert!(fs::metadata(dir.path().join("null")).unwrap().is_file());
    fs::set_permissions(dir.path().join("d"), fs::Permissions::from_mode(0o700)).unwrap();
}
