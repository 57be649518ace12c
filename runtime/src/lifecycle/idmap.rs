//! Id maps: written for the container's process, and as user namespaces for id-mapped mounts.

use super::LifecycleError;
use super::child::Child;
use super::error::kernel_error;
use crate::init::report;
use crate::plan::{LateTree, TreeIdMap, TreeMapping};
use crate::spec::{IdMap, IdRange};
use kernel::mount::{self, CloneTree, SetAttributes};
use kernel::process::{CloneFlags, Cloned, Exit, clone3};
use kernel::{Errno, file};
use std::fmt::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;

/// The text of a map file.
pub(super) fn text(map: &IdMap) -> String {
    let mut text = String::new();
    for range in &map.0 {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{} {} {}", range.container, range.host, range.len);
    }
    text
}

/// Writes the maps of process `pid`, which waits in a new user namespace.
pub(super) fn write(
    pid: i32,
    users: &IdMap,
    groups: &IdMap,
    privileged: bool,
) -> Result<(), LifecycleError> {
    if privileged {
        write_file(pid, "gid_map", &text(groups))?;
        return write_file(pid, "uid_map", &text(users));
    }
    let own_user = is_single(users, kernel::identity::effective_uid());
    let own_group = is_single(groups, kernel::identity::effective_gid());
    if own_group {
        write_file(pid, "setgroups", "deny")?;
        write_file(pid, "gid_map", &text(groups))?;
    } else {
        map_by_program("newgidmap", pid, groups)?;
    }
    if own_user {
        write_file(pid, "uid_map", &text(users))
    } else {
        map_by_program("newuidmap", pid, users)
    }
}

/// The maps of the user namespace behind `namespace`, users and groups, as the runtime sees them: read of a
/// process that enters it for that.
pub(super) fn maps_of(namespace: OwnedFd) -> kernel::Result<(IdMap, IdMap)> {
    let (here, there) = kernel::unix_socket::message_pair()?;
    match clone3(CloneFlags::empty(), None)? {
        Cloned::Child => {
            drop(here);
            let joined = kernel::namespace::join(&namespace, CloneFlags::NEWUSER);
            let word: &[u8] = if joined.is_ok() { b"j" } else { b"" };
            let _ = kernel::unix_socket::send(&there, word, &[]);
            // Nothing comes: the end of the stream lets it go.
            let _ = kernel::unix_socket::receive(&there, &mut [0u8; 1]);
            kernel::process::exit_now(0)
        }
        Cloned::Parent { pid, pidfd } => {
            drop(there);
            let maps = match kernel::unix_socket::receive(&here, &mut [0u8; 1]) {
                Ok((1, _)) => read_map(pid, "uid_map")
                    .and_then(|users| Ok((users, read_map(pid, "gid_map")?))),
                Ok(_) => Err(Errno::PERM),
                Err(errno) => Err(errno),
            };
            drop(here);
            kernel::process::wait_pidfd(pidfd.as_fd())?;
            maps
        }
    }
}

fn read_map(pid: i32, name: &str) -> kernel::Result<IdMap> {
    let path = format!("/proc/{pid}/{name}");
    let bytes = file::read_limited(file::CWD, path, MAX_MAP)?;
    Ok(parse(&String::from_utf8_lossy(&bytes)))
}

/// The ranges of a map file; what is no range is left out.
fn parse(text: &str) -> IdMap {
    let ranges = text.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(IdRange { container: next()?, host: next()?, len: next()? })
    });
    IdMap(ranges.collect())
}

/// Bytes of a map file: 340 lines of three numbers.
const MAX_MAP: usize = 64 << 10;

/// The one mapping that the kernel allows without privileges.
fn is_single(map: &IdMap, own: u32) -> bool {
    matches!(map.0.as_slice(), [range] if range.len == 1 && range.host == own)
}

pub(super) fn write_file(pid: i32, name: &'static str, value: &str) -> Result<(), LifecycleError> {
    file::write_existing(file::CWD, format!("/proc/{pid}/{name}"), value.as_bytes()).map_err(
        |errno| LifecycleError::ProcessFile {
            file: name,
            value: value.trim_end().to_owned(),
            source: errno.into(),
        },
    )
}

fn map_by_program(program: &'static str, pid: i32, map: &IdMap) -> Result<(), LifecycleError> {
    let mut command = Command::new(program);
    command.arg(pid.to_string());
    for range in &map.0 {
        command.args([range.container, range.host, range.len].map(|n| n.to_string()));
    }
    let failed = |output: String| LifecycleError::IdMapProgram { program, output };
    let output = command.output().map_err(|e| failed(e.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// The user namespace that carries the mapping of a mount.
pub(super) fn tree_namespace(
    idmap: &TreeIdMap,
    slots: &[Option<OwnedFd>],
) -> Result<OwnedFd, LifecycleError> {
    match &idmap.mapping {
        TreeMapping::Maps(users, groups) => mapping_namespace(users, groups),
        TreeMapping::Namespace(slot) => {
            let joined = slots[slot.0].as_ref().ok_or(Errno::BADF);
            let joined = joined.map_err(kernel_error("use the user namespace that is joined"))?;
            joined.try_clone().map_err(|source| LifecycleError::Kernel {
                what: "use the user namespace that is joined",
                source,
            })
        }
    }
}

/// Maps the ids of a mount that hangs nowhere yet.
pub(super) fn map_tree(tree: &OwnedFd, namespace: &OwnedFd, recursive: bool) -> kernel::Result<()> {
    const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;
    let change = SetAttributes {
        set: MOUNT_ATTR_IDMAP,
        user_namespace: Some(namespace),
        recursive,
        ..SetAttributes::default()
    };
    mount::set_attributes(tree, change)
}

/// Clones and maps a tree of the container's own mounts, whose place the child sends, in a process
/// that enters the child's mount namespace for it; that process answers the child.
pub(super) fn serve_tree(
    child: &Child,
    tree: &LateTree,
    namespace: &OwnedFd,
) -> Result<(), LifecycleError> {
    let place = report::receive_descriptor(&child.socket)
        .map_err(kernel_error("hear from the container's process"))?;
    let failed = |errno: Errno| LifecycleError::MapMount {
        path: tree.source.as_str().into(),
        source: errno.into(),
    };
    match clone3(CloneFlags::empty(), None).map_err(failed)? {
        Cloned::Child => {
            let how = CloneTree { recursive: tree.recursive, nofollow: false };
            let served = kernel::namespace::join(&child.pidfd, CloneFlags::NEWNS)
                .and_then(|()| mount::clone_tree_at(&place, how))
                .and_then(|clone| {
                    map_tree(&clone, namespace, tree.idmap.recursive)?;
                    kernel::unix_socket::send(&child.socket, b"t", &[clone.as_fd()])
                });
            kernel::process::exit_now(served.map_or_else(Errno::raw_os_error, |()| 0))
        }
        Cloned::Parent { pidfd, .. } => {
            match kernel::process::wait_pidfd(pidfd.as_fd()).map_err(failed)? {
                Exit::Code(0) => Ok(()),
                Exit::Code(errno) => Err(failed(Errno::from_raw_os_error(errno))),
                Exit::Signal(_) => Err(failed(Errno::CANCELED)),
            }
        }
    }
}

/// Makes a user namespace that exists only to carry a mapping for mount_setattr(2).
fn mapping_namespace(users: &IdMap, groups: &IdMap) -> Result<OwnedFd, LifecycleError> {
    let failed = |errno: Errno| LifecycleError::Kernel {
        what: "make a user namespace for an id-mapped mount",
        source: errno.into(),
    };
    let (here, there) = kernel::unix_socket::message_pair().map_err(failed)?;
    match clone3(CloneFlags::NEWUSER, None).map_err(failed)? {
        Cloned::Child => {
            drop(here);
            // Nothing comes: the end of the stream lets it go.
            let _ = kernel::unix_socket::receive(&there, &mut [0u8; 1]);
            kernel::process::exit_now(0)
        }
        Cloned::Parent { pid, pidfd } => {
            drop(there);
            let namespace = write_file(pid, "gid_map", &text(groups))
                .and_then(|()| write_file(pid, "uid_map", &text(users)))
                .and_then(|()| {
                    file::open_read(file::CWD, format!("/proc/{pid}/ns/user")).map_err(failed)
                });
            drop(here);
            kernel::process::wait_pidfd(pidfd.as_fd()).map_err(failed)?;
            namespace
        }
    }
}
