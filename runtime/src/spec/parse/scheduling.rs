//! `process.scheduler`, `process.ioPriority` and `process.execCPUAffinity`.

use super::at::At;
use super::checks::{range, required, word};
use super::{Problem, SpecError};
use crate::spec::wire::{self, Text};
use crate::spec::{ExecCpuAffinity, IoPriority, NumberSet, Scheduler};

const SCHED_OTHER: u32 = 0;
const SCHED_FIFO: u32 = 1;
const SCHED_RR: u32 = 2;
const SCHED_BATCH: u32 = 3;
const SCHED_ISO: u32 = 4;
const SCHED_IDLE: u32 = 5;
const SCHED_DEADLINE: u32 = 6;

const POLICIES: [(&str, u32); 7] = [
    ("SCHED_OTHER", SCHED_OTHER),
    ("SCHED_FIFO", SCHED_FIFO),
    ("SCHED_RR", SCHED_RR),
    ("SCHED_BATCH", SCHED_BATCH),
    ("SCHED_ISO", SCHED_ISO),
    ("SCHED_IDLE", SCHED_IDLE),
    ("SCHED_DEADLINE", SCHED_DEADLINE),
];

const FLAGS: [(&str, u64); 7] = [
    ("SCHED_FLAG_RESET_ON_FORK", 0x01),
    ("SCHED_FLAG_RECLAIM", 0x02),
    ("SCHED_FLAG_DL_OVERRUN", 0x04),
    ("SCHED_FLAG_KEEP_POLICY", 0x08),
    ("SCHED_FLAG_KEEP_PARAMS", 0x10),
    ("SCHED_FLAG_UTIL_CLAMP_MIN", 0x20),
    ("SCHED_FLAG_UTIL_CLAMP_MAX", 0x40),
];

/// Nanoseconds: the kernel's `1 << DL_SCALE`, the shortest run time of SCHED_DEADLINE.
const MIN_DEADLINE_RUNTIME: u64 = 1024;

/// Nanoseconds: the kernel wants the top bit clear.
const MAX_DEADLINE: u64 = i64::MAX as u64;

/// A combination sched_setattr(2) accepts.
pub(super) fn read_scheduler(
    scheduler: wire::Scheduler<'_>,
    at: &At<'_>,
) -> Result<Scheduler, SpecError> {
    let wire::Scheduler { policy, nice, priority, flags, runtime, deadline, period } = scheduler;
    let at_policy = at.field("policy");
    let name = required(policy, &at_policy)?;
    let policy = word(&name, &POLICIES, "scheduling policy", &at_policy)?;
    if policy == SCHED_ISO {
        let why = "Linux reserves its number and does not implement it";
        return at_policy.fail(Problem::Unsupported { value: name.into_string(), why });
    }
    let mut bits = 0;
    let at_flags = at.field("flags");
    for (index, flag) in flags.unwrap_or_default().iter().enumerate() {
        bits |= word(flag, &FLAGS, "scheduling flag", &at_flags.index(index))?;
    }
    let (min, max) = if matches!(policy, SCHED_FIFO | SCHED_RR) { (1, 99) } else { (0, 0) };
    let read = Scheduler {
        policy,
        flags: bits,
        nice: range(nice.unwrap_or(0), -20i32, 19, &at.field("nice"))?,
        priority: range(priority.unwrap_or(0), min, max, &at.field("priority"))?,
        runtime: runtime.unwrap_or(0),
        deadline: deadline.unwrap_or(0),
        period: period.unwrap_or(0),
    };
    check_deadline(&read, at)?;
    Ok(read)
}

fn check_deadline(scheduler: &Scheduler, at: &At<'_>) -> Result<(), SpecError> {
    let Scheduler { policy, runtime, deadline, period, .. } = *scheduler;
    let (at_runtime, at_deadline, at_period) =
        (at.field("runtime"), at.field("deadline"), at.field("period"));
    if policy != SCHED_DEADLINE {
        for (value, at) in [(runtime, at_runtime), (deadline, at_deadline), (period, at_period)] {
            if value != 0 {
                return at.fail(Problem::Needs { what: "the policy `SCHED_DEADLINE`" });
            }
        }
        return Ok(());
    }
    range(deadline, MIN_DEADLINE_RUNTIME, MAX_DEADLINE, &at_deadline)?;
    range(runtime, MIN_DEADLINE_RUNTIME, deadline, &at_runtime)?;
    if period != 0 {
        range(period, deadline, MAX_DEADLINE, &at_period)?;
    }
    Ok(())
}

const IO_CLASSES: [(&str, u8); 3] =
    [("IOPRIO_CLASS_RT", 1), ("IOPRIO_CLASS_BE", 2), ("IOPRIO_CLASS_IDLE", 3)];

/// An absent `priority` is 0, as in the schema, where it isn't required.
pub(super) fn read_io_priority(
    priority: wire::IoPriority<'_>,
    at: &At<'_>,
) -> Result<IoPriority, SpecError> {
    let wire::IoPriority { class, priority } = priority;
    let at_class = at.field("class");
    let class = word(&required(class, &at_class)?, &IO_CLASSES, "I/O class", &at_class)?;
    let level = range(priority.unwrap_or(0), 0u8, 7, &at.field("priority"))?;
    Ok(IoPriority { class, level })
}

/// An empty list leaves the affinity alone.
pub(super) fn read_affinity(
    affinity: Option<wire::ExecCpuAffinity<'_>>,
    at: &At<'_>,
) -> Result<ExecCpuAffinity, SpecError> {
    let Some(wire::ExecCpuAffinity { initial, r#final }) = affinity else {
        return Ok(ExecCpuAffinity::default());
    };
    Ok(ExecCpuAffinity {
        initial: read_cpus(initial, &at.field("initial"))?,
        r#final: read_cpus(r#final, &at.field("final"))?,
    })
}

fn read_cpus(list: Option<Text<'_>>, at: &At<'_>) -> Result<Option<NumberSet>, SpecError> {
    let Some(list) = list.filter(|list| !list.is_empty()) else { return Ok(None) };
    match NumberSet::parse(&list) {
        Some(cpus) if !cpus.is_empty() => Ok(Some(cpus)),
        _ => {
            let expected = "a list of CPUs such as `0-3,7`";
            at.fail(Problem::Malformed { value: list.into_string(), expected })
        }
    }
}
