//! Scheduling and limits: sched_setattr(2), ioprio_set(2), affinity, rlimits, NUMA policy, core
//! scheduling.

#![expect(unsafe_code, reason = "sched_setattr, ioprio_set and set_mempolicy have no safe wrapper")]

use crate::{Errno, Result, check};

/// What sched_setattr(2) takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names of sched_setattr(2)")]
pub struct SchedulingAttributes {
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

/// `struct sched_attr`, version 0.
#[repr(C)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Sets the scheduling of process `pid`; 0 is the caller.
///
/// # Errors
/// `EPERM` without the privilege, `EINVAL` for a contradiction.
pub fn set_scheduling(pid: i32, attributes: SchedulingAttributes) -> Result<()> {
    let attr = SchedAttr {
        size: 48,
        policy: attributes.policy,
        flags: attributes.flags,
        nice: attributes.nice,
        priority: attributes.priority,
        runtime: attributes.runtime,
        deadline: attributes.deadline,
        period: attributes.period,
    };
    // SAFETY: `attr` has the layout and says the size of `struct sched_attr` version 0.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, pid, &raw const attr, 0) }).map(drop)
}

/// Sets the I/O priority of the caller's process group, or of process `pid` where given.
///
/// # Errors
/// `EPERM` for the real-time class without CAP_SYS_ADMIN or CAP_SYS_NICE.
pub fn set_io_priority(pid: i32, class: u8, level: u8) -> Result<()> {
    const IOPRIO_WHO_PROCESS: i32 = 1;
    let value = i32::from(class) << 13 | i32::from(level);
    // SAFETY: three integers go in.
    let ret = unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, value) };
    check(ret).map(drop)
}

/// Lets process `pid` (0 is the caller) run on `cpus` only.
///
/// # Errors
/// `EINVAL` if none of them is there, or one is past 1023.
pub fn set_affinity(pid: i32, cpus: impl IntoIterator<Item = u32>) -> Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    for cpu in cpus {
        let cpu = usize::try_from(cpu).map_err(|_| Errno::INVAL)?;
        if cpu >= rustix::thread::CpuSet::MAX_CPU {
            return Err(Errno::INVAL);
        }
        set.set(cpu);
    }
    rustix::thread::sched_setaffinity(rustix::process::Pid::from_raw(pid), &set)
}

/// The CPUs that process `pid` (0 is the caller) may run on: bit n of the first word is CPU n.
///
/// # Errors
/// `ESRCH` if there is no such process.
pub fn affinity(pid: i32) -> Result<Vec<u64>> {
    let set = rustix::thread::sched_getaffinity(rustix::process::Pid::from_raw(pid))?;
    let mut mask = vec![0u64; rustix::thread::CpuSet::MAX_CPU / 64];
    for cpu in (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)) {
        mask[cpu / 64] |= 1 << (cpu % 64);
    }
    Ok(mask)
}

/// Sets both limits of `resource` (a number) of process `pid`; 0 is the caller.
///
/// # Errors
/// `EPERM` if a hard limit is raised without CAP_SYS_RESOURCE.
pub fn set_rlimit(pid: i32, resource: u32, soft: u64, hard: u64) -> Result<()> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    // SAFETY: `limit` lives through the call; the old value is not asked for.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            pid,
            resource,
            &raw const limit,
            std::ptr::null_mut::<libc::rlimit64>(),
        )
    };
    check(ret).map(drop)
}

/// The soft and the hard limit of `resource` (a number) of process `pid`; 0 is the caller.
///
/// # Errors
/// `EINVAL` for an unknown resource.
pub fn rlimit(pid: i32, resource: u32) -> Result<(u64, u64)> {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives through the call and is written by it; no new value is given.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            pid,
            resource,
            std::ptr::null::<libc::rlimit64>(),
            &raw mut limit,
        )
    };
    check(ret).map(|_| (limit.rlim_cur, limit.rlim_max))
}

/// Sets the caller's NUMA policy; bit n of `nodes` is node n.
///
/// # Errors
/// `EINVAL` for nodes that are not there or a mode that takes none.
pub fn set_memory_policy(mode: u32, nodes: &[u64]) -> Result<()> {
    let bits = nodes.len() * 64;
    let (pointer, count) =
        if nodes.is_empty() { (std::ptr::null(), 0) } else { (nodes.as_ptr(), bits + 1) };
    // SAFETY: the kernel reads `count - 1` bits from `pointer`, which holds as many.
    check(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, pointer, count) }).map(drop)
}

/// Gives the caller's thread group a core-scheduling cookie of its own.
///
/// Kernel: `PR_SCHED_CORE`, Linux 5.14 with CONFIG_SCHED_CORE.
///
/// # Errors
/// `EINVAL` without the option, `ENODEV` without SMT.
pub fn create_core_cookie() -> Result<()> {
    const PR_SCHED_CORE: i32 = 62;
    const PR_SCHED_CORE_CREATE: libc::c_ulong = 1;
    const SCOPE_THREAD_GROUP: libc::c_ulong = 1;
    // SAFETY: PR_SCHED_CORE with CREATE takes integers only.
    let ret = unsafe { libc::prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, SCOPE_THREAD_GROUP, 0) };
    check(ret.into()).map(drop)
}
