//! Identity: ids, capabilities, keyring, stdio.

use super::{StepError, StepResult};
use crate::spec::{NumberSet, Scheduler};
use kernel::schedule::SchedulingAttributes;
use kernel::{Errno, file, identity, process, rootdir};
use std::ffi::CString;
use std::os::fd::OwnedFd;

/// Capability numbers end before this.
const CAPABILITY_BITS: u32 = 64;
/// Everything for the possessor but changing it, view and read and search for the user:
/// what runc leaves (keyctl_setperm(3)).
const KEYRING_PERMISSIONS: u32 = 0x3f0b_0000;

/// Joins a new session keyring: that of whoever called the runtime is not the container's.
pub(crate) fn join_keyring(name: &str) -> kernel::Result<()> {
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    let serial = match process::join_session_keyring(&name) {
        // Kernels without keys, and policies that pretend so, lose nothing by it.
        Err(Errno::NOSYS) => return Ok(()),
        other => other?,
    };
    process::set_keyring_permissions(serial, KEYRING_PERMISSIONS)
}

pub(super) fn set_scheduler(scheduler: &Scheduler, on_some_cpus: bool) -> StepResult {
    let Scheduler { policy, flags, nice, priority, runtime, deadline, period } = *scheduler;
    let attributes =
        SchedulingAttributes { policy, flags, nice, priority, runtime, deadline, period };
    kernel::schedule::set_scheduling(0, attributes).map_err(|errno| match errno {
        Errno::PERM if on_some_cpus => {
            let why = "process scheduler can't be used together with AllowedCPUs \
                       (`linux.resources.cpu.cpus`)";
            StepError::new(errno, why)
        }
        errno => errno.into(),
    })
}

pub(super) fn node_mask(nodes: &NumberSet) -> Vec<u64> {
    let mut mask = Vec::new();
    for node in nodes.0.iter().cloned().flatten() {
        let (word, bit) = ((node / 64) as usize, node % 64);
        if mask.len() <= word {
            mask.resize(word + 1, 0);
        }
        mask[word] |= 1 << bit;
    }
    mask
}

/// Opens the container's `/dev/null` where a standard stream is the host's, whose owner and mode the program
/// could change. Without one it stays: there is nothing else to take its place.
///
/// Returns what was opened.
pub(super) fn own_null_streams() -> Result<Option<OwnedFd>, StepError> {
    let mut streams = kernel::start::null_streams().peekable();
    if streams.peek().is_none() {
        return Ok(None);
    }
    let null = match file::open_device(file::CWD, c"/dev/null") {
        Ok(null) if file::kind(&null)?.is_char_device(1, 3) => null,
        _ => return Ok(None),
    };
    for stream in streams {
        process::dup_onto(&null, stream)?;
    }
    Ok(Some(null))
}

/// Gives the streams the user opens by name (`/dev/stdout`) to that user.
pub(super) fn own_stdio(uid: u32) -> StepResult {
    for stream in 0..3 {
        let Ok(stream) = process::inherited_fd(stream) else { continue };
        let kind = file::kind(stream)?;
        if kind.is_char_device(1, 3) || kind.uid == uid {
            continue;
        }
        match rootdir::set_owner_of_user(stream, uid) {
            // On a read-only file system, of another user, or with an id the file system
            // can't store: it stays as it is.
            Ok(()) | Err(Errno::ROFS | Errno::PERM | Errno::INVAL | Errno::OVERFLOW) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

pub(super) fn limit_bounding(drop: u64) -> StepResult {
    for number in (0..CAPABILITY_BITS).filter(|number| drop & (1 << number) != 0) {
        match identity::drop_bounding(number) {
            Ok(()) => {}
            // Past the last one this kernel knows.
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

pub(super) fn set(uid: u32, gid: u32, groups: Option<&[u32]>) -> StepResult {
    // Only from root to another user are they lost.
    let may_lose = uid != 0;
    if may_lose {
        identity::set_keep_capabilities(true)?;
    }
    if let Some(groups) = groups {
        identity::set_groups(groups)?;
    }
    identity::set_gid(gid)?;
    identity::set_uid(uid)?;
    if may_lose {
        identity::set_keep_capabilities(false)?;
    }
    Ok(())
}

/// Puts those of `effective` in force that are permitted.
pub(super) fn set_effective(effective: u64) -> StepResult {
    let mut sets = identity::capabilities()?;
    sets.effective = effective & sets.permitted;
    Ok(identity::set_capabilities(sets)?)
}

pub(super) fn set_capabilities(sets: identity::Capabilities, ambient: u64) -> StepResult {
    identity::set_capabilities(sets)?;
    match identity::clear_ambient() {
        Ok(()) => {}
        Err(Errno::INVAL) if ambient == 0 => return Ok(()),
        Err(errno) => return Err(errno.into()),
    }
    for number in (0..CAPABILITY_BITS).filter(|n| ambient & (1 << n) != 0) {
        identity::raise_ambient(number)?;
    }
    Ok(())
}
