//! Who a process is: ids, groups, capabilities.

use crate::{Result, check};
use rustix::process::{Gid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

/// Takes real, effective and saved group id `gid`.
///
/// # Errors
/// `EPERM` without CAP_SETGID, `EINVAL` if the user namespace doesn't map it.
pub fn set_gid(gid: u32) -> Result<()> {
    let gid = Gid::from_raw(gid);
    rustix::thread::set_thread_res_gid(gid, gid, gid)
}

/// Takes real, effective and saved user id `uid`.
///
/// # Errors
/// `EPERM` without CAP_SETUID, `EINVAL` if the user namespace doesn't map it.
pub fn set_uid(uid: u32) -> Result<()> {
    let uid = Uid::from_raw(uid);
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}

/// Takes exactly `groups` as supplementary groups.
///
/// # Errors
/// `EPERM` without CAP_SETGID or where the user namespace denies setgroups.
pub fn set_groups(groups: &[u32]) -> Result<()> {
    const INLINE: usize = 32;
    if groups.len() <= INLINE {
        let mut ids = [Gid::ROOT; INLINE];
        for (id, &group) in ids.iter_mut().zip(groups) {
            *id = Gid::from_raw(group);
        }
        return rustix::thread::set_thread_groups(&ids[..groups.len()]);
    }
    let ids: Vec<Gid> = groups.iter().map(|&g| Gid::from_raw(g)).collect();
    rustix::thread::set_thread_groups(&ids)
}

/// Effective user id of the caller.
#[must_use]
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Effective group id of the caller.
#[must_use]
pub fn effective_gid() -> u32 {
    rustix::process::getegid().as_raw()
}

/// Whether capabilities stay permitted when the user id changes from 0.
///
/// # Errors
/// `EPERM` if locked by the secure bits.
pub fn set_keep_capabilities(keep: bool) -> Result<()> {
    rustix::thread::set_keep_capabilities(keep)
}

/// The caller's capability sets, bit n for capability n.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// In force.
    pub effective: u64,
    /// What may be put in force.
    pub permitted: u64,
    /// What a program may keep.
    pub inheritable: u64,
}

/// Reads the caller's capability sets.
///
/// # Errors
/// What capget(2) says.
pub fn capabilities() -> Result<Capabilities> {
    let sets = rustix::thread::capabilities(None)?;
    Ok(Capabilities {
        effective: sets.effective.bits(),
        permitted: sets.permitted.bits(),
        inheritable: sets.inheritable.bits(),
    })
}

/// Sets the caller's capability sets.
///
/// # Errors
/// `EPERM` if something is added that is not permitted.
pub fn set_capabilities(sets: Capabilities) -> Result<()> {
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            effective: CapabilitySet::from_bits_retain(sets.effective),
            permitted: CapabilitySet::from_bits_retain(sets.permitted),
            inheritable: CapabilitySet::from_bits_retain(sets.inheritable),
        },
    )
}

/// Removes capability `number` from the bounding set.
///
/// # Errors
/// `EPERM` without CAP_SETPCAP, `EINVAL` for a number the kernel doesn't know.
#[expect(unsafe_code, reason = "rustix takes a flag type that ends at the last one it knows")]
pub fn drop_bounding(number: u32) -> Result<()> {
    // SAFETY: PR_CAPBSET_DROP takes one integer.
    check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number)) }.into())
        .map(drop)
}

/// Empties the ambient set.
///
/// # Errors
/// `EINVAL` before Linux 4.3.
pub fn clear_ambient() -> Result<()> {
    rustix::thread::clear_ambient_capability_set()
}

/// Adds capability `number` to the ambient set.
///
/// # Errors
/// `EPERM` if it is not both permitted and inheritable.
#[expect(unsafe_code, reason = "rustix takes a flag type that ends at the last one it knows")]
pub fn raise_ambient(number: u32) -> Result<()> {
    let raise = libc::PR_CAP_AMBIENT_RAISE;
    let number = libc::c_ulong::from(number);
    // SAFETY: PR_CAP_AMBIENT takes integers only.
    check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, raise, number, 0, 0) }.into()).map(drop)
}

/// The highest capability number of this kernel.
///
/// # Errors
/// `EINVAL` if `/proc/sys/kernel/cap_last_cap` holds no number.
pub fn last_capability() -> Result<u32> {
    let mut buffer = [0u8; 16];
    let text =
        crate::file::read_into(crate::file::CWD, c"/proc/sys/kernel/cap_last_cap", &mut buffer)?;
    std::str::from_utf8(text).ok().and_then(|t| t.trim().parse().ok()).ok_or(crate::Errno::INVAL)
}
