//! A root file system of busybox: made once per run, linked into each bundle.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Where distributions put a statically linked busybox.
const BUSYBOX: &[&str] = &["/bin/busybox", "/usr/bin/busybox"];

/// The directories that an image has.
const DIRECTORIES: &[&str] =
    &["bin", "dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr", "var"];

/// The applets that the tests call.
const APPLETS: &[&str] = &[
    "[",
    "awk",
    "basename",
    "cat",
    "chmod",
    "chown",
    "chroot",
    "chrt",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "dmesg",
    "echo",
    "egrep",
    "env",
    "expr",
    "false",
    "find",
    "getty",
    "grep",
    "head",
    "hostname",
    "httpd",
    "id",
    "ifconfig",
    "ionice",
    "ip",
    "ipcalc",
    "kill",
    "killall",
    "ln",
    "ls",
    "mkdir",
    "mkfifo",
    "mknod",
    "mktemp",
    "mount",
    "mountpoint",
    "mv",
    "nc",
    "nice",
    "nproc",
    "nsenter",
    "od",
    "pidof",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "realpath",
    "renice",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "setpriv",
    "setsid",
    "sh",
    "sleep",
    "sort",
    "stat",
    "stty",
    "sync",
    "sysctl",
    "tail",
    "tar",
    "taskset",
    "tee",
    "test",
    "time",
    "timeout",
    "top",
    "touch",
    "tr",
    "true",
    "tty",
    "umount",
    "uname",
    "uniq",
    "unlink",
    "unshare",
    "uptime",
    "usleep",
    "vi",
    "wc",
    "which",
    "whoami",
    "xargs",
    "xxd",
    "yes",
];

/// Copies busybox into `dir`, from where every root file system links it.
///
/// # Errors
/// If there is no busybox on this host (Debian: package `busybox-static`).
pub fn prepare(dir: &Path) -> Result<PathBuf> {
    let source = BUSYBOX
        .iter()
        .find(|path| Path::new(path).is_file())
        .context("no busybox here; install busybox-static")?;
    let copy = dir.join("busybox");
    fs::copy(source, &copy).context("copying busybox")?;
    fs::set_permissions(&copy, Permissions::from_mode(0o755))?;
    Ok(copy)
}

/// Makes a root file system at `rootfs`.
pub fn make(rootfs: &Path, busybox: &Path) -> Result<()> {
    for dir in DIRECTORIES {
        fs::create_dir_all(rootfs.join(dir))?;
    }
    fs::set_permissions(rootfs.join("tmp"), Permissions::from_mode(0o1777))?;
    let bin = rootfs.join("bin");
    fs::hard_link(busybox, bin.join("busybox")).context("linking busybox")?;
    for applet in APPLETS {
        symlink("busybox", bin.join(applet))?;
    }
    fs::write(rootfs.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
    fs::write(rootfs.join("etc/group"), "root:x:0:\n")?;
    Ok(())
}
