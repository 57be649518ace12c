//! `mounts`.

use super::{accepted, check};
use crate::spec::parse::mount_options::{known_mount_options, parse_mount_options};
use crate::spec::{
    Filesystem, FilesystemOption, MountAttributes, MountKind, Propagation, PropagationKind,
};

/// [`check`] with one mount.
#[track_caller]
fn check_mount(mount: &str, expected: &str) {
    check(&format!("{{\"mounts\":[{{{mount}}}]}}"), expected);
}

/// The decoded attributes: of the mount, then of it and all below it.
fn attributes(options: &[&str]) -> (MountAttributes, MountAttributes) {
    let read = parse_mount_options(options.iter().copied());
    assert_eq!(read.data, [], "{options:?}");
    (read.attributes, read.recursive_attributes)
}

const NONE: MountAttributes = MountAttributes { set: 0, clear: 0 };

fn set(set: u64, clear: u64) -> MountAttributes {
    MountAttributes { set, clear }
}

#[test]
fn the_option_table_is_sorted_and_has_every_name_of_the_specification() {
    let known: Vec<_> = known_mount_options().collect();
    assert!(known.is_sorted());
    let specified = "async atime bind defaults dev diratime dirsync exec idmap iversion lazytime \
        loud mand noatime nodev nodiratime noexec noiversion nolazytime nomand norelatime \
        nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime remount \
        rexec ridmap rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid \
        rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow \
        runbindable rw shared silent slave strictatime suid symfollow sync tmpcopyup unbindable";
    for name in specified.split_whitespace() {
        assert!(known.contains(&name), "{name}");
    }
}

#[test]
fn attributes_are_set_and_cleared_in_order() {
    assert_eq!(attributes(&[]), (NONE, NONE));
    assert_eq!(attributes(&["ro", "nosuid", "nodev", "noexec"]), (set(0xf, 0), NONE));
    assert_eq!(attributes(&["ro", "rw", "nosuid", "suid"]), (set(0, 0x3), NONE));
    assert_eq!(attributes(&["rw", "ro"]), (set(1, 0), NONE));
    assert_eq!(attributes(&["nosymfollow"]), (set(0x20_0000, 0), NONE));
    assert_eq!(attributes(&["rro", "rnosymfollow"]), (NONE, set(0x20_0001, 0)));
    assert_eq!(attributes(&["rro", "rrw", "rnodev", "rexec"]), (NONE, set(4, 9)));
    assert_eq!(attributes(&["ro", "rrw"]), (set(1, 0), set(0, 1)));
}

/// As mount(2) reads its flags: any of them replaces the whole of what the mount had, and taking
/// one back leaves it alone.
#[test]
fn access_times() {
    let modes = |options: &[&str]| attributes(options).0;
    assert_eq!(modes(&["noatime"]), set(0x10, 0xf0));
    assert_eq!(modes(&["relatime"]), set(0, 0xf0));
    assert_eq!(modes(&["strictatime"]), set(0x20, 0xf0));
    assert_eq!(modes(&["nodiratime"]), set(0x80, 0x70));
    assert_eq!(modes(&["nodiratime", "strictatime"]), set(0xa0, 0x70));
    assert_eq!(modes(&["nodiratime", "norelatime"]), set(0x80, 0x70));
    assert_eq!(modes(&["diratime", "noatime"]), set(0x10, 0xf0));
    assert_eq!(modes(&["noatime", "strictatime"]), set(0x20, 0xf0));
    assert_eq!(modes(&["strictatime", "noatime"]), set(0x10, 0xf0));
    let taken_back =
        [&["atime"][..], &["diratime"], &["norelatime"], &["nostrictatime"], &["noatime", "atime"]];
    for nothing in taken_back {
        assert_eq!(modes(nothing), NONE, "{nothing:?}");
    }
}

#[test]
fn recursive_access_times() {
    let modes = |options: &[&str]| attributes(options).1;
    assert_eq!(modes(&["rnoatime"]), set(0x10, 0x70));
    assert_eq!(modes(&["rstrictatime"]), set(0x20, 0x70));
    for relatime in ["rrelatime", "ratime", "rnorelatime", "rnostrictatime"] {
        assert_eq!(modes(&[relatime]), set(0, 0x70), "{relatime}");
    }
    assert_eq!(modes(&["rstrictatime", "ratime"]), set(0x20, 0x70));
    assert_eq!(modes(&["rnodiratime"]), set(0x80, 0));
    assert_eq!(modes(&["rdiratime"]), set(0, 0x80));
}

#[test]
fn superblock_flags_go_with_a_new_file_system() {
    let read = |options: &[&str]| parse_mount_options(options.iter().copied()).superblock;
    assert_eq!(read(&["sync"]).set, 1 << 4);
    assert_eq!(read(&["dirsync", "lazytime", "iversion"]).set, 1 << 7 | 1 << 25 | 1 << 23);
    assert_eq!(read(&["mand", "silent", "ro"]).set, 1 << 6 | 1 << 15 | 1);
    let cleared = read(&["sync", "async", "loud", "nomand", "noiversion", "nolazytime", "rw"]);
    assert_eq!(cleared.set, 0);
    assert_eq!(cleared.clear, 1 << 4 | 1 << 15 | 1 << 6 | 1 << 23 | 1 << 25 | 1);
}

#[test]
fn propagation_keeps_its_order() {
    let read = parse_mount_options(["rslave", "shared"].into_iter()).propagation;
    let slave = Propagation { kind: PropagationKind::Slave, recursive: true };
    let shared = Propagation { kind: PropagationKind::Shared, recursive: false };
    assert_eq!(read, [slave, shared]);
}

#[test]
fn what_nobody_knows_is_for_the_file_system() {
    let spec = accepted(
        r#"{"mounts":[{"destination":"/tmp","type":"tmpfs","source":"tmpfs",
            "options":["mode=01777","noswap","context=\"a,b\"","nr_inodes="]}]}"#,
    );
    let option = |key: &str, value: Option<&str>| FilesystemOption {
        key: key.to_owned(),
        value: value.map(str::to_owned),
    };
    let MountKind::Filesystem(Filesystem { options, .. }) = &spec.mounts[0].kind else {
        panic!("{:?}", spec.mounts[0])
    };
    let expected = [
        option("mode", Some("01777")),
        option("noswap", None),
        option("context", Some("\"a,b\"")),
        option("nr_inodes", Some("")),
    ];
    assert_eq!(*options, expected);
}

#[test]
fn options_for_mount8_are_ignored_with_a_warning() {
    check_mount(
        r#""destination":"/a","source":"/b","options":["bind","x-systemd.automount","_netdev"]"#,
        "`mounts[0].options[1]`: ignoring `x-systemd.automount`: it is for mount(8)\n\
         `mounts[0].options[2]`: ignoring `_netdev`: it is for mount(8)",
    );
}

#[test]
fn a_bind_mount_takes_no_options_of_a_file_system() {
    check_mount(
        r#""destination":"/a","source":"/b","options":["rbind","size=1"]"#,
        "`mounts[0].options[1]`: ignoring `size=1`: a bind mount has no options of a file system",
    );
    check_mount(
        r#""destination":"/a","source":"/b","options":["sync","bind","async","silent"]"#,
        "`mounts[0].options[0]`: ignoring `sync`: what is mounted has its superblock already",
    );
}

#[test]
fn a_bind_mount_has_a_source_relative_to_the_bundle() {
    let spec =
        accepted(r#"{"mounts":[{"destination":"/a","source":"x/../y","options":["bind"]}]}"#);
    let MountKind::Bind { source, recursive: false, .. } = &spec.mounts[0].kind else {
        panic!("{:?}", spec.mounts[0])
    };
    assert_eq!(source, std::path::Path::new("/bundle/x/../y"));
    let bind = r#""destination":"/a","options":["bind"]"#;
    check_mount(bind, "error: `mounts[0].source`: is missing");
    check_mount(&format!("{bind},\"source\":\"\""), "error: `mounts[0].source`: must not be empty");
    check_mount(
        &format!("{bind},\"source\":\"/a\\u0000b\""),
        "error: `mounts[0].source`: holds a NUL byte",
    );
}

#[test]
fn a_type_is_needed_where_nothing_is_bound() {
    for kind in ["", r#","type":"""#] {
        check_mount(
            &format!("\"destination\":\"/a\"{kind}"),
            "error: `mounts[0].type`: needs `bind` or `rbind` in `options`, or a type of file \
             system",
        );
    }
    for kind in ["bind", "none"] {
        check_mount(
            &format!("\"destination\":\"/a\",\"source\":\"/b\",\"type\":\"{kind}\""),
            &format!(
                "error: `mounts[0].type`: `{kind}` is not supported: a bind mount has `bind` or \
                 `rbind` in its `options`"
            ),
        );
    }
    check_mount(
        r#""destination":"/a","type":"tm\u0000pfs""#,
        "error: `mounts[0].type`: holds a NUL byte",
    );
}

#[test]
fn a_destination_is_a_path_in_the_container() {
    check_mount(
        r#""destination":"tmp","type":"tmpfs""#,
        "`mounts[0].destination`: `tmp` is relative, taking it from `/`",
    );
    let spec = accepted(r#"{"mounts":[{"destination":"/../a//b/./c/../d/","type":"tmpfs"}]}"#);
    assert_eq!(spec.mounts[0].destination.as_str(), "/a/b/d");
    check_mount(r#""type":"tmpfs""#, "error: `mounts[0].destination`: is missing");
    check_mount(
        r#""destination":"","type":"tmpfs""#,
        "error: `mounts[0].destination`: must not be empty",
    );
    check_mount(
        r#""destination":"/a\u0000","type":"tmpfs""#,
        "error: `mounts[0].destination`: holds a NUL byte",
    );
    let long = "/x".repeat(2048);
    check_mount(
        &format!("\"destination\":\"{long}\",\"type\":\"tmpfs\""),
        "error: `mounts[0].destination`: has 4096 bytes, more than 4095",
    );
}

#[test]
fn options_with_a_place_of_their_own() {
    for mount in [
        r#""type":"proc","options":["tmpcopyup"]"#,
        r#""type":"tmpfs","source":"/b","options":["tmpcopyup","bind"]"#,
        r#""type":"tmpfs","options":["tmpcopyup","remount"]"#,
        r#""type":"cgroup","options":["tmpcopyup"]"#,
    ] {
        check_mount(
            &format!("\"destination\":\"/a\",{mount}"),
            "error: `mounts[0].options`: needs the type `tmpfs` for `tmpcopyup`",
        );
    }
    check_mount(
        r#""destination":"/a","type":"cgroup","options":["lazytime"]"#,
        "`mounts[0].options[0]`: ignoring `lazytime`: what is mounted has its superblock already",
    );
    check_mount(
        r#""destination":"/a","type":"proc","options":["src-nofollow"]"#,
        "error: `mounts[0].options`: needs `bind` or `rbind` for its `nofollow` options",
    );
    check_mount(
        r#""destination":"/a","type":"tmpfs","options":["ro",""]"#,
        "error: `mounts[0].options[1]`: must not be empty",
    );
    check_mount(
        r#""destination":"/a","type":"tmpfs","options":["size=1\u0000"]"#,
        "error: `mounts[0].options[0]`: holds a NUL byte",
    );
}

#[test]
fn remounts_are_told_apart() {
    let kind = |options: &str| {
        let mount = format!(
            "{{\"mounts\":[{{\"destination\":\"/a\",\"source\":\"/b\",\"options\":[{options}]}}]}}"
        );
        accepted(&mount).mounts[0].kind.clone()
    };
    assert!(matches!(kind(r#""remount","ro""#), MountKind::Remount { .. }));
    assert!(matches!(kind(r#""remount","bind","ro""#), MountKind::Bind { remount: true, .. }));
}

#[test]
fn an_id_mapping_has_both_sides_or_a_user_namespace() {
    let ids = r#"[{"containerID":0,"hostID":1,"size":2}]"#;
    let bind = r#""destination":"/a","source":"/b","options":["bind","idmap"]"#;
    check_mount(bind, "");
    check_mount(&format!("{bind},\"uidMappings\":{ids},\"gidMappings\":{ids}"), "");
    check_mount(
        &format!("{bind},\"uidMappings\":{ids}"),
        "error: `mounts[0].gidMappings`: is missing",
    );
    check_mount(
        &format!("{bind},\"gidMappings\":{ids}"),
        "error: `mounts[0].uidMappings`: is missing",
    );
    check_mount(
        r#""destination":"/a","type":"tmpfs","options":["ridmap"]"#,
        "error: `mounts[0].options`: needs `bind` or `rbind` for an id mapping",
    );
    check(
        &format!("{{\"mounts\":[{{{bind}}}],\"linux\":null}}"),
        "error: `mounts[0].options`: needs `uidMappings` and `gidMappings`, or a user namespace, \
         for an id mapping",
    );
    let option =
        |map: &str| format!(r#""destination":"/a","source":"/b","options":["bind","idmap={map}"]"#);
    check_mount(&option("uids=0-1-2#5-6-7;gids=0-1-2"), "");
    check_mount(
        &option("uids=@0-1-2;gids=0-1-2"),
        "error: `mounts[0].options[1]`: `uids=@0-1-2;gids=0-1-2` is not supported: write the ids as \
         the host has them, not beside those of the container (`@`)",
    );
    for form in ["", "uids=0-1-2", "uids=0-1;gids=0-1-2", "uids=0-1-2-3;gids=0-1-2", "x"] {
        check_mount(
            &option(form),
            &format!(
                "error: `mounts[0].options[1]`: `{form}` is not supported: it is not of the form \
                 `idmap=uids=0-1000-10;gids=0-1000-10`"
            ),
        );
    }
    // Without `idmap` the mappings themselves ask for it, as for runc.
    let spec = accepted(&format!(
        "{{\"mounts\":[{{\"destination\":\"/a\",\"source\":\"/b\",\"options\":[\"rbind\"],\
         \"uidMappings\":{ids},\"gidMappings\":{ids}}}]}}"
    ));
    let idmap = spec.mounts[0].idmap.clone().unwrap();
    assert!(!idmap.recursive && idmap.mapping.is_some());
}

#[test]
fn the_number_of_mounts_is_limited() {
    let mount = r#"{"destination":"/a","type":"tmpfs"}"#;
    check(
        &format!("{{\"mounts\":[{}]}}", vec![mount; 10_001].join(",")),
        "error: `mounts`: has 10001 entries, more than 10000",
    );
}
