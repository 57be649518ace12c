//! Runs one step of a plan: a match arm, a write.

use kernel::Errno;
use kernel::cgroupfs;

use super::CgroupError;
use super::handle::Dir;
use super::plan::{Absent, Place, Step, Write};

/// Runs `step`; its places are indices into `dirs`.
pub(super) fn run(dirs: &[Dir], step: &Step) -> Result<(), CgroupError> {
    match step {
        Step::Write(write) => finish(dirs, write, attempt(dirs, write)?),
        Step::AnyOrder(writes) => run_in_any_order(dirs, writes.iter().collect()),
        Step::FirstOf(writes) => run_first_of(dirs, writes),
        Step::RefuseBelowUsage { place, what, limit } => {
            refuse_below_usage(&dirs[*place], what, *limit)
        }
        Step::InheritCpuset { place } => inherit_cpuset(&dirs[*place].place),
    }
}

/// Writes; the kernel's answer is the inner result.
fn attempt(dirs: &[Dir], write: &Write) -> Result<Result<(), Errno>, CgroupError> {
    let fd = dirs[write.place].fd()?;
    Ok(match cgroupfs::write_file(fd, &write.file, write.value.as_bytes()) {
        Err(Errno::NOENT) if write.absent == Absent::Skip => Ok(()),
        answer => answer,
    })
}

fn finish(dirs: &[Dir], write: &Write, answer: Result<(), Errno>) -> Result<(), CgroupError> {
    let Err(errno) = answer else { return Ok(()) };
    let dir = &dirs[write.place];
    let error = dir.write_error(&write.file, &write.value, errno);
    // Version 1 refuses a limit below what it can reclaim at once; say what is in use.
    match (errno, write.file.as_str()) {
        (Errno::BUSY, "memory.limit_in_bytes") => {
            let number = |file| dir.read(file).ok()?.trim().parse().ok();
            let used = number("memory.usage_in_bytes").zip(number("memory.max_usage_in_bytes"));
            Err(used.map_or(error, |(usage, peak)| CgroupError::LimitBelowUsage {
                cgroup: dir.place.dir(),
                limit: write.value.clone(),
                usage,
                peak,
                source: errno.into(),
            }))
        }
        _ => Err(error),
    }
}

/// Rounds, until all are written or a whole round was in vain.
fn run_in_any_order(dirs: &[Dir], mut left: Vec<&Write>) -> Result<(), CgroupError> {
    while !left.is_empty() {
        let before = left.len();
        let mut refused = Vec::new();
        for write in left {
            match attempt(dirs, write)? {
                Err(Errno::INVAL) => refused.push(write),
                answer => finish(dirs, write, answer)?,
            }
        }
        if let Some(write) = refused.first().filter(|_| refused.len() == before) {
            return finish(dirs, write, Err(Errno::INVAL));
        }
        left = refused;
    }
    Ok(())
}

fn run_first_of(dirs: &[Dir], writes: &[Write]) -> Result<(), CgroupError> {
    let Some((last, before)) = writes.split_last() else { return Ok(()) };
    for write in before {
        match attempt(dirs, write)? {
            Err(Errno::NOENT) => {}
            answer => return finish(dirs, write, answer),
        }
    }
    finish(dirs, last, attempt(dirs, last)?)
}

/// A usage that can't be read refuses nothing: the check is a courtesy.
fn refuse_below_usage(dir: &Dir, what: &'static str, limit: u64) -> Result<(), CgroupError> {
    let usage = dir.read("memory.current").ok().and_then(|text| text.trim().parse().ok());
    match usage {
        Some(usage) if limit <= usage => {
            Err(CgroupError::RejectedBelowUsage { what, limit, usage })
        }
        _ => Ok(()),
    }
}

/// Copies `cpuset.cpus` and `cpuset.mems` from each directory to the next where it has none.
fn inherit_cpuset(place: &Place) -> Result<(), CgroupError> {
    let mut parent = Dir::new(Place { path: super::CgroupPath::root(), ..place.clone() });
    for path in place.path.ancestors_down() {
        let dir = Dir::new(Place { path: path.to_owned().try_into()?, ..place.clone() });
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if dir.read(file)?.trim().is_empty() {
                dir.write(file, parent.read(file)?.trim())?;
            }
        }
        parent = dir;
    }
    Ok(())
}
