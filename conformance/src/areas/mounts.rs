//! `mounts`: destinations, order, kinds, copies; options are in `mount_options`.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use crate::harness::bundle::Bundle;
use crate::harness::expect::{contains, equal, holds, lacks};
use crate::harness::scene::Scene;
use crate::suite::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test("rshared-reaches-the-host", "mount_namespaces(7)", &[], rshared_reaches_the_host),
    test("user-namespace-on-shared-mounts", "mount_namespaces(7)", &[], on_shared_mounts),
    test("mount-tmpfs", "config.md#mounts", &[], tmpfs),
    test("mount-tmpfs-size", "tmpfs(5)", &[], tmpfs_size),
    test("mount-proc", "config-linux.md#default-filesystems", &[], proc),
    test("mount-sysfs", "config-linux.md#default-filesystems", &[], sysfs),
    test("mount-devpts", "config-linux.md#default-filesystems", &[], devpts),
    test("mount-shm", "config-linux.md#default-filesystems", &[], shm),
    test("mount-mqueue", "config.md#mounts", &[], mqueue),
    test("mount-bind-directory", "config.md#mounts", &[], bind_directory),
    test("mount-bind-file", "config.md#mounts", &[], bind_file),
    test("mount-bind-file-on-missing", "runc", &[], bind_file_missing),
    test("mount-bind-symlink-source", "mount(2)", &[], bind_symlink_source),
    test("mount-bind-socket", "config.md#mounts", &[], bind_socket),
    test("mount-bind-source-relative-to-bundle", "config.md#mounts source", &[], bind_relative),
    test("mount-bind-source-missing-refused", "config.md#mounts", &[], bind_missing),
    test("mount-bind-is-not-recursive", "config.md#linux-mount-options", &[], bind_flat),
    test("mount-rbind-is-recursive", "config.md#linux-mount-options", &[], rbind),
    test("mount-bind-type-without-option", "runc", &[], bind_type),
    test("mount-order-is-kept", "config.md#mounts", &[], order),
    test("mount-order-later-covers", "config.md#mounts", &[], covers),
    test("mount-onto-earlier-mount", "config.md#mounts", &[], onto_earlier),
    test("mount-onto-a-read-only-tmpfs", "runc", &[], onto_read_only),
    test("mount-destination-relative", "config.md#mounts destination", &[], relative),
    test("mount-destination-missing-is-made", "runc", &[], missing_made),
    test("mount-destination-symlink", "runc", &[], symlinked),
    test("mount-destination-absolute-symlink-stays-inside", "runc", &[], absolute_symlink),
    test("mount-destination-parent-symlink-stays-inside", "runc", &[], parent_symlink),
    test("mount-destination-dangling-symlink", "runc", &[], dangling),
    test("mount-destination-dotdot-stays-inside", "runc", &[], dotdot),
    test("mount-file-over-directory-refused", "mount(2)", &[], file_over_directory),
    test("mount-directory-over-file-refused", "mount(2)", &[], directory_over_file),
    test("mount-unknown-type-refused", "config.md#posix-platform-mounts", &[], unknown_type),
    test("mount-bad-data-refused", "config.md#linux-mount-options", &[], bad_data),
    test("mount-on-proc-refused", "runc", &[], on_proc),
    test("mount-overlay", "config.md#mounts", &[], overlay),
    test("mount-cgroup", "config.md#mounts", &[], cgroup),
    test("mount-cgroup-read-only", "config.md#mounts", &[], cgroup_ro),
    test("mount-tmpcopyup", "config.md#linux-mount-options tmpcopyup", &[], tmpcopyup),
    test(
        "mount-tmpcopyup-read-only",
        "config.md#linux-mount-options tmpcopyup",
        &[],
        tmpcopyup_read_only,
    ),
    test("bind-file-on-directory-words", "config.md#mounts", &[], file_on_directory_words),
    test(
        "mount-tmpcopyup-missing",
        "config.md#linux-mount-options tmpcopyup",
        &[],
        tmpcopyup_missing,
    ),
    test("mount-hidden-from-host", "mount_namespaces(7)", &[], hidden),
    test("mount-host-tree-is-detached", "pivot_root(2)", &[], detached),
    test("root-readonly", "config.md#root readonly", &[], root_readonly),
    test("root-readonly-with-writable-mount", "config.md#root readonly", &[], root_readonly_mount),
    test("root-absolute-path", "config.md#root path", &[], root_absolute),
    test("root-is-a-mount-point", "pivot_root(2)", &[], root_mount),
    test("root-propagation-private", "config-linux.md#rootfs-mount-propagation", &[], root_private),
    test("root-propagation-shared", "config-linux.md#rootfs-mount-propagation", &[], root_shared),
    test("root-propagation-slave", "config-linux.md#rootfs-mount-propagation", &[], root_slave),
    test(
        "root-propagation-unbindable",
        "config-linux.md#rootfs-mount-propagation",
        &[],
        root_unbindable,
    ),
    test(
        "root-propagation-unknown-refused",
        "config-linux.md#rootfs-mount-propagation",
        &[],
        root_unknown,
    ),
    test("root-default-propagation-is-slave", "runc", &[], root_default),
];

/// A host directory with a file `name` in it.
pub(crate) fn host_dir(scene: &Scene, name: &str) -> Result<PathBuf> {
    let dir = scene.path(&format!("host-{name}"));
    fs::create_dir_all(&dir)?;
    fs::write(dir.join(name), format!("{name}\n"))?;
    Ok(dir)
}

fn tmpfs(scene: &Scene) -> Result<()> {
    scene.prints(
        |b| {
            b.mount("/m", "tmpfs", "tmpfs", &[]);
        },
        "stat -f -c %T /m; touch /m/f && echo ok",
        "tmpfs\nok\n",
    )
}

fn tmpfs_size(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.mount("/m", "tmpfs", "tmpfs", &["size=64k", "mode=711", "nr_inodes=10"]);
    };
    scene.prints(
        edit,
        "df -k /m | awk 'NR==2{print $2}'; stat -c %a /m; df -i /m | awk 'NR==2{print $2}'",
        "64\n711\n10\n",
    )
}

fn proc(scene: &Scene) -> Result<()> {
    scene.prints(|_| {}, "cat /proc/1/comm; ls -d /proc/[0-9]* | head -n 1", "sh\n/proc/1\n")
}

fn sysfs(scene: &Scene) -> Result<()> {
    scene.prints(
        |_| {},
        "stat -f -c %T /sys; touch /sys/x 2>/dev/null || echo read-only",
        "sysfs\nread-only\n",
    )
}

fn devpts(scene: &Scene) -> Result<()> {
    scene.prints(
        |_| {},
        "stat -f -c %T /dev/pts; ls /dev/pts; stat -c %a /dev/pts/ptmx; readlink /dev/ptmx",
        "devpts\nptmx\n666\npts/ptmx\n",
    )
}

fn shm(scene: &Scene) -> Result<()> {
    scene.prints(|_| {}, "stat -f -c %T /dev/shm; stat -c %a /dev/shm", "tmpfs\n1777\n")
}

fn mqueue(scene: &Scene) -> Result<()> {
    let text = scene.sh(|_| {}, "grep ' /dev/mqueue ' /proc/mounts")?;
    contains("mount", &text, " mqueue rw,nosuid,nodev,noexec")
}

fn bind_directory(scene: &Scene) -> Result<()> {
    let dir = host_dir(scene, "a")?;
    scene.prints(
        |b| {
            b.bind(&dir, "/m", &[]);
        },
        "cat /m/a; echo new >/m/new",
        "a\n",
    )?;
    equal("file", fs::read_to_string(dir.join("new"))?.as_str(), "new\n")
}

fn bind_file(scene: &Scene) -> Result<()> {
    let file = host_dir(scene, "a")?.join("a");
    let mut bundle = scene.bundle()?;
    bundle.file("/etc/conf", "image\n")?;
    bundle.bind(&file, "/etc/conf", &["ro"]).sh("cat /etc/conf; echo x >/etc/conf || echo no");
    scene.run(&bundle)?.prints("a\nno\n")?;
    equal("image", fs::read_to_string(bundle.host_path("/etc/conf"))?.as_str(), "image\n")
}

fn bind_file_missing(scene: &Scene) -> Result<()> {
    let file = host_dir(scene, "a")?.join("a");
    scene.prints(
        |b| {
            b.bind(&file, "/made/for/file", &[]);
        },
        "cat /made/for/file",
        "a\n",
    )
}

fn bind_symlink_source(scene: &Scene) -> Result<()> {
    let dir = host_dir(scene, "a")?;
    symlink(&dir, scene.path("link"))?;
    scene.prints(
        |b| {
            b.bind(&scene.path("link"), "/m", &[]);
        },
        "cat /m/a",
        "a\n",
    )
}

fn bind_socket(scene: &Scene) -> Result<()> {
    let path = scene.path("listening.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&path)?;
    scene.prints(
        |b| {
            b.bind(&path, "/run/s.sock", &[]);
        },
        "test -S /run/s.sock && echo socket",
        "socket\n",
    )
}

fn bind_relative(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    fs::create_dir(bundle.dir.join("volume"))?;
    fs::write(bundle.dir.join("volume/f"), "v\n")?;
    bundle.mount("/m", "none", "volume", &["bind"]).sh("cat /m/f");
    scene.run(&bundle)?.prints("v\n").map(drop)
}

fn bind_missing(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.mount("/m", "none", "/nonexistent/source", &["bind"]);
        },
        &["/nonexistent/source", "no such file"],
    )
}

/// A host directory with a tmpfs mounted on `sub`, in which there is a file `deep`.
fn nested(scene: &Scene) -> Result<PathBuf> {
    let dir = host_dir(scene, "top")?;
    fs::create_dir_all(dir.join("sub"))?;
    nix::mount::mount(
        Some("tmpfs"),
        &dir.join("sub"),
        Some("tmpfs"),
        nix::mount::MsFlags::empty(),
        None::<&str>,
    )?;
    fs::write(dir.join("sub/deep"), "deep\n")?;
    Ok(dir)
}

fn unnest(dir: &std::path::Path) -> Result<()> {
    Ok(nix::mount::umount(&dir.join("sub"))?)
}

fn bind_flat(scene: &Scene) -> Result<()> {
    let dir = nested(scene)?;
    let got = scene.prints(
        |b| {
            b.bind(&dir, "/m", &[]);
        },
        "cat /m/top; ls /m/sub",
        "top\n",
    );
    unnest(&dir)?;
    got
}

fn rbind(scene: &Scene) -> Result<()> {
    let dir = nested(scene)?;
    let name = dir.to_string_lossy().into_owned();
    let got = scene.prints(
        |b| {
            b.mount("/m", "none", &name, &["rbind"]);
        },
        "cat /m/sub/deep",
        "deep\n",
    );
    unnest(&dir)?;
    got
}

/// runc takes the type `bind` for the option.
fn bind_type(scene: &Scene) -> Result<()> {
    let dir = host_dir(scene, "a")?;
    let name = dir.to_string_lossy().into_owned();
    scene.prints(
        |b| {
            b.mount("/m", "bind", &name, &["bind", "rw"]);
        },
        "cat /m/a",
        "a\n",
    )
}

fn order(scene: &Scene) -> Result<()> {
    let (a, b) = (host_dir(scene, "a")?, host_dir(scene, "b")?);
    fs::create_dir(a.join("inner"))?;
    let edit = |bundle: &mut Bundle| {
        bundle.bind(&a, "/m", &[]).bind(&b, "/m/inner", &[]);
    };
    scene.prints(edit, "ls /m; cat /m/inner/b", "a\ninner\nb\n")
}

fn covers(scene: &Scene) -> Result<()> {
    let (a, b) = (host_dir(scene, "a")?, host_dir(scene, "b")?);
    let edit = |bundle: &mut Bundle| {
        bundle.bind(&a, "/m/inner", &[]).bind(&b, "/m", &[]);
    };
    scene.prints(edit, "ls /m", "b\n")
}

/// A tmpfs turns read-only once all that is mounted in it has its place.
fn onto_read_only(scene: &Scene) -> Result<()> {
    let a = host_dir(scene, "a")?;
    let edit = |bundle: &mut Bundle| {
        bundle.mount("/t", "tmpfs", "tmpfs", &["ro"]).bind(&a, "/t/x/y", &[]);
        bundle.mount("/t/z", "tmpfs", "tmpfs", &["ro", "tmpcopyup"]).bind(&a, "/t/z/y", &[]);
    };
    let script = "cat /t/x/y/a /t/z/y/a; touch /t/new /t/z/new 2>/dev/null || echo read-only";
    scene.prints(edit, script, "a\na\nread-only\n")
}

fn onto_earlier(scene: &Scene) -> Result<()> {
    let a = host_dir(scene, "a")?;
    let edit = |bundle: &mut Bundle| {
        bundle.mount("/t", "tmpfs", "tmpfs", &[]).bind(&a, "/t/x/y", &[]);
    };
    let mut bundle = scene.bundle()?;
    edit(&mut bundle);
    scene.run(bundle.sh("cat /t/x/y/a"))?.prints("a\n")?;
    holds("the mount point was made beneath the tmpfs", !bundle.host_path("/t/x").exists())
}

fn relative(scene: &Scene) -> Result<()> {
    let a = host_dir(scene, "a")?;
    scene.prints(
        |b| {
            b.bind(&a, "here/m", &[]);
        },
        "cat /here/m/a",
        "a\n",
    )
}

fn missing_made(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.mount("/one/two/three", "tmpfs", "tmpfs", &[]).sh("stat -f -c %T /one/two/three");
    scene.run(&bundle)?.prints("tmpfs\n")?;
    equal("mode", fs::metadata(bundle.host_path("/one/two"))?.mode() & 0o7777, 0o755)
}

/// Mounts a host directory at `destination` in a root where `link` points to `target`; returns
/// what `script` prints.
fn with_link(
    scene: &Scene,
    link: &str,
    target: &str,
    destination: &str,
    script: &str,
) -> Result<String> {
    let a = host_dir(scene, "a")?;
    let mut bundle = scene.bundle()?;
    symlink(target, bundle.host_path(link))?;
    bundle.bind(&a, destination, &[]).sh(script);
    Ok(scene.run(&bundle)?.ok()?.stdout)
}

fn symlinked(scene: &Scene) -> Result<()> {
    equal(
        "output",
        with_link(scene, "/link", "home", "/link", "cat /home/a; readlink /link")?.as_str(),
        "a\nhome\n",
    )
}

fn absolute_symlink(scene: &Scene) -> Result<()> {
    let before = fs::read_dir("/mnt")?.count();
    equal("output", with_link(scene, "/link", "/mnt", "/link", "cat /mnt/a")?.as_str(), "a\n")?;
    equal("entries of the host's /mnt", fs::read_dir("/mnt")?.count(), before)
}

fn parent_symlink(scene: &Scene) -> Result<()> {
    let outside = scene.path("outside");
    fs::create_dir(&outside)?;
    let target = outside.to_string_lossy().into_owned();
    let script = format!("cat {target}/sub/a");
    equal("output", with_link(scene, "/link", &target, "/link/sub", &script)?.as_str(), "a\n")?;
    equal("entries outside", fs::read_dir(&outside)?.count(), 0)
}

fn dangling(scene: &Scene) -> Result<()> {
    equal(
        "output",
        with_link(scene, "/link", "/not/yet", "/link", "cat /not/yet/a")?.as_str(),
        "a\n",
    )
}

fn dotdot(scene: &Scene) -> Result<()> {
    let text = with_link(
        scene,
        "/link",
        "../../../../../../tmp",
        "/link/../../up",
        "cat /up/a /../up/a | sort -u",
    )?;
    equal("output", text.as_str(), "a\n")
}

fn file_over_directory(scene: &Scene) -> Result<()> {
    let file = host_dir(scene, "a")?.join("a");
    scene.refuses(
        |b| {
            b.bind(&file, "/etc", &[]);
        },
        &["not a directory", "is a directory", "/etc"],
    )
}

fn directory_over_file(scene: &Scene) -> Result<()> {
    let dir = host_dir(scene, "a")?;
    scene.refuses(
        |b| {
            b.bind(&dir, "/etc/passwd", &[]);
        },
        &["not a directory", "/etc/passwd"],
    )
}

fn unknown_type(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.mount("/m", "frobfs", "x", &[]);
        },
        &["frobfs", "no such device"],
    )
}

fn bad_data(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.mount("/m", "tmpfs", "x", &["frobnicate=1"]);
        },
        &["invalid argument", "frobnicate"],
    )
}

fn on_proc(scene: &Scene) -> Result<()> {
    let dir = host_dir(scene, "a")?;
    scene.refuses(
        |b| {
            b.bind(&dir, "/proc/bus", &[]);
        },
        &["proc"],
    )
}

fn overlay(scene: &Scene) -> Result<()> {
    let (lower, upper, work) =
        (host_dir(scene, "low")?, host_dir(scene, "up")?, scene.path("work"));
    fs::create_dir(&work)?;
    let options = [
        format!("lowerdir={}", lower.display()),
        format!("upperdir={}", upper.display()),
        format!("workdir={}", work.display()),
    ];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    scene.prints(
        |b| {
            b.mount("/m", "overlay", "overlay", &options);
        },
        "cat /m/low /m/up",
        "low\nup\n",
    )
}

fn cgroup(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev"]);
    };
    // Without a cgroup namespace the own cgroup may lie deep.
    let script = "for f in $(find /sys/fs/cgroup -name cgroup.procs); do
        grep -qx 1 $f && echo found && break; done";
    scene.prints(edit, script, "found\n")
}

fn cgroup_ro(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        b.mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "ro"]);
    };
    let script = "for d in /sys/fs/cgroup /sys/fs/cgroup/*/; do mkdir $d/x 2>/dev/null && echo made $d; done; echo end";
    scene.prints(edit, script, "end\n")
}

fn tmpcopyup(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.file("/data/sub/f", "from image\n")?;
    symlink("sub/f", bundle.host_path("/data/link"))?;
    bundle.mount("/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
    bundle.sh("stat -f -c %T /data; cat /data/sub/f; readlink /data/link; echo new >/data/sub/f");
    scene.run(&bundle)?.prints("tmpfs\nfrom image\nsub/f\n")?;
    equal("image", fs::read_to_string(bundle.host_path("/data/sub/f"))?.as_str(), "from image\n")
}

fn tmpcopyup_read_only(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.file("/data/file", "content")?;
    bundle.mount("/data", "tmpfs", "tmpfs", &["tmpcopyup", "ro"]);
    scene
        .run(bundle.sh("cat /data/file; touch /data/x 2>/dev/null || echo ' ro'"))?
        .prints("content ro\n")
        .map(drop)
}

/// Callers tell people what to do by these words.
fn file_on_directory_words(scene: &Scene) -> Result<()> {
    let file = scene.path("file");
    fs::write(&file, "")?;
    let mut bundle = scene.bundle()?;
    fs::create_dir_all(bundle.host_path("/directory"))?;
    bundle.bind(&file, "/directory", &[]);
    let id = scene.id();
    scene.write(&bundle, &id)?;
    scene.refuses_bundle(&bundle, &id, &["ot a directory"])
}

fn tmpcopyup_missing(scene: &Scene) -> Result<()> {
    scene.prints(
        |b| {
            b.mount("/new", "tmpfs", "tmpfs", &["tmpcopyup"]);
        },
        "ls /new; stat -f -c %T /new",
        "tmpfs\n",
    )
}

fn hidden(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.mount("/m", "tmpfs", "tmpfs", &[]).idle();
    let container = scene.start(&bundle)?;
    lacks("mounts of the host", &fs::read_to_string("/proc/self/mountinfo")?, &scene.tag)?;
    contains("mounts of the container", &container.proc("mountinfo")?, " /m ")
}

/// Nothing of the host's tree is left in the container's mount table.
fn detached(scene: &Scene) -> Result<()> {
    let text = scene.sh(|_| {}, "awk '{print $5}' /proc/self/mountinfo | sort -u")?;
    let expected = ["/", "/dev", "/proc", "/sys"];
    for line in text.lines() {
        let known = expected
            .iter()
            .any(|at| line == *at || (*at != "/" && line.starts_with(&format!("{at}/"))));
        holds(&format!("mount {line}"), known)?;
    }
    Ok(())
}

fn root_readonly(scene: &Scene) -> Result<()> {
    scene.prints(
        |b| {
            b.set("/root/readonly", json!(true));
        },
        "touch /x 2>/dev/null || echo no; touch /dev/shm/x && echo yes",
        "no\nyes\n",
    )
}

fn root_readonly_mount(scene: &Scene) -> Result<()> {
    let dir = host_dir(scene, "a")?;
    let edit = |b: &mut Bundle| {
        b.set("/root/readonly", json!(true)).bind(&dir, "/made", &[]);
    };
    scene.prints(edit, "touch /made/x && echo yes; touch /x 2>/dev/null || echo no", "yes\nno\n")
}

fn root_absolute(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    let path = bundle.rootfs();
    bundle.set("/root/path", json!(path)).sh("echo ran");
    scene.run(&bundle)?.prints("ran\n").map(drop)
}

fn root_mount(scene: &Scene) -> Result<()> {
    let script = "stat -c %d:%i / >/tmp/a; stat -c %d:%i /.. >/tmp/b; cmp /tmp/a /tmp/b && \
        awk '$5==\"/\"{n++} END{print n}' /proc/self/mountinfo";
    scene.prints(|_| {}, script, "1\n")
}

/// The optional fields (`shared:N`, `master:N`, `unbindable`) of the container's root mount.
fn root_fields(scene: &Scene, propagation: Option<&str>) -> Result<String> {
    let edit = |b: &mut Bundle| {
        if let Some(word) = propagation {
            b.set("/linux/rootfsPropagation", json!(word));
        }
    };
    scene
        .sh(edit, "awk '$5==\"/\"{for(i=7;$i!=\"-\";i++) printf \"%s \", $i}' /proc/self/mountinfo")
}

/// Makes this mount namespace's root shared, as it is on a machine with systemd.
fn share_root() -> Result<()> {
    use nix::mount::MsFlags;
    Ok(nix::mount::mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_SHARED | MsFlags::MS_REC,
        None::<&str>,
    )?)
}

fn root_private(scene: &Scene) -> Result<()> {
    share_root()?;
    equal("fields", root_fields(scene, Some("private"))?.as_str(), "")
}

fn root_shared(scene: &Scene) -> Result<()> {
    share_root()?;
    let fields = root_fields(scene, Some("shared"))?;
    contains("fields", &fields, "shared:")
}

fn root_slave(scene: &Scene) -> Result<()> {
    share_root()?;
    let fields = root_fields(scene, Some("slave"))?;
    lacks("fields", &fields, "shared:")?;
    contains("fields", &fields, "master:")
}

fn root_unbindable(scene: &Scene) -> Result<()> {
    contains("fields", &root_fields(scene, Some("unbindable"))?, "unbindable")
}

fn root_unknown(scene: &Scene) -> Result<()> {
    scene.refuses(
        |b| {
            b.set("/linux/rootfsPropagation", json!("contagious"));
        },
        &["rootfsPropagation", "propagation"],
    )
}

fn root_default(scene: &Scene) -> Result<()> {
    share_root()?;
    lacks("fields", &root_fields(scene, None)?, "shared:")
}

/// What is mounted below a volume that is shared both ways is mounted on the host, and nothing else
/// changes there: `rootfsPropagation` is what such volumes need.
fn rshared_reaches_the_host(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.capabilities(&["CAP_SYS_ADMIN"]).set("/linux/rootfsPropagation", json!("shared"));
    let volume = scene.path("volume");
    fs::create_dir_all(volume.join("below"))?;
    bundle.bind(&volume, "/volume", &["rbind", "rshared"]);
    // What masks it may be the host's /dev/null: what is mounted over that stays here.
    bundle.file("/secret", "secret")?;
    bundle.set("/linux/maskedPaths", json!(["/secret", "/secret"]));
    bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", &[]);
    bundle.sh("mount --bind /bin/busybox /secret && mount -t tmpfs own /sys/fs/cgroup/ &&
            mount -t tmpfs conformance /volume/below");
    // A mount of its own: the one that the rootfs lies in is no peer of the host's.
    let script = "mount --make-rshared / && mount --bind $0 $0 || exit 97
        before=$(cut -d ' ' -f 4- /proc/self/mountinfo)
        \"$@\" || exit 98
        grep -c ' - tmpfs conformance ' /proc/self/mountinfo
        others=$(grep -v ' - tmpfs conformance ' /proc/self/mountinfo | cut -d ' ' -f 4-)
        [ \"$before\" = \"$others\" ] || exit 99";
    let volume = volume.to_string_lossy();
    let host = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, &volume];
    let output = scene.run_command(&bundle, &scene.id(), &[])?.under(&host).run()?.exits(0)?;
    // Below the bind mount, and below the place that it was made of.
    equal("mounts on the host", output.stdout.trim(), "2")
}

/// A host run by systemd shares its mounts. What a container mounts stays its own, also below what
/// is bound to it, where the runtime itself takes the mounts since the container's root may not.
fn on_shared_mounts(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.user_namespace(100_000, 65_536).capabilities(&["CAP_SYS_ADMIN"]);
    let shared = scene.path("shared");
    fs::create_dir_all(shared.join("below"))?;
    fs::create_dir(bundle.host_path("/shared"))?;
    bundle.bind(&shared, "/shared", &["rbind"]);
    bundle.sh("mount -t tmpfs none /shared/below && grep -c ' /shared/below ' /proc/mounts");
    let script = "mount --make-rshared / || exit 97
        before=$(cat /proc/self/mounts)
        \"$@\" || exit 98
        [ \"$before\" = \"$(cat /proc/self/mounts)\" ] || exit 99";
    let host = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"];
    let output = scene.run_command(&bundle, &scene.id(), &[])?.under(&host).run()?.exits(0)?;
    equal("mounts at the place", output.stdout.trim(), "1")
}
