//! Device filters of control groups: eBPF programs loaded and attached by `bpf(2)`.

#![expect(unsafe_code, reason = "bpf(2) takes a pointer to a union that no crate wraps")]

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{Errno, Result, check};

/// Programs attached to one control group, at most (the kernel's `BPF_CGROUP_MAX_PROGS`).
pub const MAX_ATTACHED: usize = 64;

const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_PROG_ATTACH: libc::c_int = 8;
const BPF_PROG_DETACH: libc::c_int = 9;
const BPF_PROG_GET_FD_BY_ID: libc::c_int = 13;
const BPF_PROG_QUERY: libc::c_int = 16;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_F_ALLOW_MULTI: u32 = 1 << 1;
const BPF_F_REPLACE: u32 = 1 << 2;

/// One eBPF instruction, `struct bpf_insn` of `linux/bpf.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u8,
    /// Source register in the upper four bits, destination in the lower.
    pub registers: u8,
    /// Memory offset, or jump distance from the next instruction.
    pub offset: i16,
    /// Immediate operand.
    pub immediate: i32,
}

/// The part of `union bpf_attr` for `BPF_PROG_LOAD`, up to `prog_flags`.
#[repr(C)]
#[derive(Default)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

/// The part of `union bpf_attr` for `BPF_PROG_ATTACH` and `BPF_PROG_DETACH`.
#[repr(C)]
#[derive(Default)]
struct AttachAttr {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
}

/// The part of `union bpf_attr` for `BPF_PROG_QUERY`.
#[repr(C)]
#[derive(Default)]
struct QueryAttr {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    padding: u32,
}

/// The part of `union bpf_attr` for `BPF_PROG_GET_FD_BY_ID`.
#[repr(C)]
#[derive(Default)]
struct IdAttr {
    id: u32,
    next_id: u32,
    open_flags: u32,
}

/// A structure that `bpf(2)` may read and write as its attribute.
///
/// # Safety
/// `repr(C)`, plain integers without padding, the fields in the order of `union bpf_attr`, and
/// every address in it either null or of memory that outlives the call.
unsafe trait Attribute {}

// SAFETY: 8 + 16 + 8 + 8 + 8 bytes without padding; `load` keeps what it points to alive.
unsafe impl Attribute for LoadAttr {}
// SAFETY: five u32, no address.
unsafe impl Attribute for AttachAttr {}
// SAFETY: 16 + 8 + 8 bytes without padding; `attached_ids` keeps the array alive.
unsafe impl Attribute for QueryAttr {}
// SAFETY: three u32, no address.
unsafe impl Attribute for IdAttr {}

fn bpf<A: Attribute>(command: libc::c_int, attr: &mut A) -> Result<RawFd> {
    // SAFETY: `attr` is exclusively borrowed, its true size goes along, and `Attribute` promises
    // that the addresses inside are live for the call.
    let ret =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<A>()) };
    RawFd::try_from(check(ret)?).map_err(|_| Errno::OVERFLOW)
}

/// Takes the descriptor that a `bpf(2)` command just made.
fn new_fd(fd: RawFd) -> OwnedFd {
    // SAFETY: called only on the result of a command that returns a fresh descriptor, once.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn raw(fd: BorrowedFd<'_>) -> u32 {
    // A borrowed descriptor is never negative.
    fd.as_raw_fd().cast_unsigned()
}

/// Loads `program` as a device filter (`BPF_PROG_TYPE_CGROUP_DEVICE`).
///
/// Kernel: `bpf(BPF_PROG_LOAD)`, Linux 4.15. Before Linux 5.11 the program counts towards
/// `RLIMIT_MEMLOCK`, so that `EPERM` is answered by a second try with the limit lifted for the
/// length of the call.
pub fn load_device_filter(program: &[Instruction]) -> Result<OwnedFd> {
    match load(program) {
        Err(Errno::PERM) => {
            let before = getrlimit(Resource::Memlock);
            setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None })?;
            let loaded = load(program);
            setrlimit(Resource::Memlock, before)?;
            loaded
        }
        loaded => loaded,
    }
}

fn load(program: &[Instruction]) -> Result<OwnedFd> {
    let license = c"Apache-2.0";
    let mut attr = LoadAttr {
        prog_type: BPF_PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(program.len()).map_err(|_| Errno::TOOBIG)?,
        insns: program.as_ptr().addr() as u64,
        license: license.as_ptr().addr() as u64,
        ..LoadAttr::default()
    };
    bpf(BPF_PROG_LOAD, &mut attr).map(new_fd)
}

/// Attaches a loaded device filter to the control group directory `cgroup`, beside those of its
/// ancestors and any other on itself.
///
/// Kernel: `bpf(BPF_PROG_ATTACH)` with `BPF_F_ALLOW_MULTI`, Linux 4.15.
pub fn attach_device_filter(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<()> {
    attach(cgroup, program, BPF_F_ALLOW_MULTI, 0)
}

/// Puts a loaded device filter in the place of `old` in one step.
///
/// Kernel: `BPF_F_REPLACE`, Linux 5.6. Fallback: none here; attach the new one, then
/// [`detach_device_filter`] the old.
pub fn replace_device_filter(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    old: BorrowedFd<'_>,
) -> Result<()> {
    attach(cgroup, program, BPF_F_ALLOW_MULTI | BPF_F_REPLACE, raw(old))
}

fn attach(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    flags: u32,
    replaced: u32,
) -> Result<()> {
    let mut attr = AttachAttr {
        target_fd: raw(cgroup),
        attach_bpf_fd: raw(program),
        attach_type: BPF_CGROUP_DEVICE,
        attach_flags: flags,
        replace_bpf_fd: replaced,
    };
    bpf(BPF_PROG_ATTACH, &mut attr).map(drop)
}

/// Takes a device filter off the control group directory `cgroup`.
pub fn detach_device_filter(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<()> {
    let mut attr = AttachAttr {
        target_fd: raw(cgroup),
        attach_bpf_fd: raw(program),
        attach_type: BPF_CGROUP_DEVICE,
        ..AttachAttr::default()
    };
    bpf(BPF_PROG_DETACH, &mut attr).map(drop)
}

/// Opens the device filters attached to the control group directory `cgroup` itself, in the order
/// they run in. One that goes away meanwhile is left out.
///
/// Kernel: `bpf(BPF_PROG_QUERY)`, Linux 4.15.
pub fn attached_device_filters(cgroup: BorrowedFd<'_>) -> Result<Vec<OwnedFd>> {
    let mut filters = Vec::new();
    for id in attached_ids(cgroup)? {
        let mut attr = IdAttr { id, ..IdAttr::default() };
        match bpf(BPF_PROG_GET_FD_BY_ID, &mut attr) {
            Ok(fd) => filters.push(new_fd(fd)),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(filters)
}

fn attached_ids(cgroup: BorrowedFd<'_>) -> Result<Vec<u32>> {
    let mut ids = vec![0u32; MAX_ATTACHED];
    let mut attr = QueryAttr {
        target_fd: raw(cgroup),
        attach_type: BPF_CGROUP_DEVICE,
        prog_ids: ids.as_mut_ptr().addr() as u64,
        prog_cnt: u32::try_from(MAX_ATTACHED).expect("64 fits"),
        ..QueryAttr::default()
    };
    bpf(BPF_PROG_QUERY, &mut attr)?;
    ids.truncate(attr.prog_cnt as usize);
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_are_the_kernels() {
        assert_eq!(size_of::<Instruction>(), 8);
        assert_eq!(size_of::<LoadAttr>(), 48);
        assert_eq!(size_of::<AttachAttr>(), 20);
        assert_eq!(size_of::<QueryAttr>(), 32);
    }

    #[test]
    fn a_program_the_verifier_refuses_is_not_loaded() {
        let exit_without_result =
            [Instruction { code: 0x95, registers: 0, offset: 0, immediate: 0 }];
        // The verifier needs R0 to be set; without the right to load at all it says EPERM.
        let error = load_device_filter(&exit_without_result).unwrap_err();
        assert!([Errno::ACCESS, Errno::PERM].contains(&error), "{error}");
    }
}
