//! Groups made, changed and removed in a mounted resctrl file system.

use super::{
    IntelRdt, ResctrlError, ResctrlPlan, ResctrlRecord, ResctrlRefusal, ResctrlStep, group_name,
    schemata::Schemata,
};
use kernel::mount::filesystem_info_at;
use kernel::{Errno, file};
use std::path::{Path, PathBuf};

/// `RDTGROUP_SUPER_MAGIC`.
const RESCTRL_MAGIC: u64 = 0x0765_5821;
/// Where the kernel has a place for it.
const USUAL_ROOT: &str = "/sys/fs/resctrl";
/// Bytes of mountinfo read to find it elsewhere.
const MAX_MOUNTINFO: usize = 16 << 20;
/// Bytes of a file of resctrl.
const MAX_FILE: usize = 1 << 20;

/// What of the host a plan needs.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum ResctrlFacts {
    /// Nobody asks for it, or it is not mounted.
    #[default]
    Absent,
    /// It is there.
    Mounted {
        /// Its root.
        root: PathBuf,
        /// The `schemata` of the group that the spec asks for; `None` if there is no such group.
        schemata: Option<String>,
    },
}

/// Looks for resctrl and the group of container `id`.
#[must_use]
pub fn probe(rdt: &IntelRdt, id: &str) -> ResctrlFacts {
    let Some(root) = find_root() else { return ResctrlFacts::Absent };
    probe_at(root, rdt, id)
}

pub(super) fn probe_at(root: PathBuf, rdt: &IntelRdt, id: &str) -> ResctrlFacts {
    let schemata = read(&root.join(group_name(rdt, id)).join("schemata")).ok();
    ResctrlFacts::Mounted { root, schemata }
}

fn find_root() -> Option<PathBuf> {
    // Without the directory, the kernel has no resctrl at all.
    let usual = filesystem_info_at(USUAL_ROOT).ok()?;
    if usual.magic == RESCTRL_MAGIC {
        return Some(USUAL_ROOT.into());
    }
    let mounts = file::read_limited(file::CWD, c"/proc/self/mountinfo", MAX_MOUNTINFO).ok()?;
    let mounts = String::from_utf8_lossy(&mounts);
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let place = before.split(' ').nth(4)?;
        (after.split(' ').next()? == "resctrl").then(|| place.into())
    })
}

/// The groups that [`make`] has made, oldest first.
#[derive(Debug, Default)]
pub struct MadeGroups(Vec<PathBuf>);

impl MadeGroups {
    /// Removes them, newest first; what can't be removed stays.
    pub fn undo(&mut self) {
        for group in self.0.drain(..).rev() {
            let _ = file::rmdir(file::CWD, group.as_path());
        }
    }
}

/// Does what `plan` says for process `pid`; on failure nothing of it is left.
///
/// # Errors
/// [`ResctrlError::Kernel`], with what the kernel has to say.
pub fn make(plan: &ResctrlPlan, pid: i32) -> Result<MadeGroups, ResctrlError> {
    let mut made = MadeGroups::default();
    for step in &plan.steps {
        if let Err(errno) = perform(step, pid, plan.record.is_own, &mut made) {
            let error = kernel_error(&plan.record.root, step.to_string(), errno);
            made.undo();
            return Err(error);
        }
    }
    Ok(made)
}

fn perform(
    step: &ResctrlStep,
    pid: i32,
    is_own: bool,
    made: &mut MadeGroups,
) -> kernel::Result<()> {
    match step {
        ResctrlStep::MakeGroup(group) => match file::mkdir(file::CWD, group.as_path(), 0o755) {
            // Another container of the same class was a moment faster.
            Err(Errno::EXIST) if !is_own => Ok(()),
            other => other.map(|()| made.0.push(group.clone())),
        },
        ResctrlStep::MakeMonitor(group) => {
            let done = file::mkdir(file::CWD, group.as_path(), 0o755);
            done.map(|()| made.0.push(group.clone()))
        }
        ResctrlStep::WriteSchemata { group, text } => write_schemata(group, text),
        ResctrlStep::AddTask(group) => write_task(group, pid),
    }
}

fn write_schemata(group: &Path, text: &str) -> kernel::Result<()> {
    file::write_existing(file::CWD, group.join("schemata").as_path(), text.as_bytes())
}

fn write_task(group: &Path, pid: i32) -> kernel::Result<()> {
    file::write_existing(file::CWD, group.join("tasks").as_path(), pid.to_string().as_bytes())
}

/// Puts a further process of the container where the others are.
///
/// # Errors
/// [`ResctrlError::Kernel`].
pub fn add_task(record: &ResctrlRecord, pid: i32) -> Result<(), ResctrlError> {
    for group in std::iter::once(&record.group).chain(&record.monitor) {
        write_task(group, pid).map_err(|errno| {
            kernel_error(&record.root, ResctrlStep::AddTask(group.clone()).to_string(), errno)
        })?;
    }
    Ok(())
}

/// Writes other schemata for the container's group: properties as the error shall name them, and
/// lines.
///
/// # Errors
/// [`ResctrlRefusal::Malformed`], [`ResctrlError::Kernel`].
pub fn update(record: &ResctrlRecord, lines: &[(&'static str, &str)]) -> Result<(), ResctrlError> {
    for &(property, line) in lines {
        if line.contains('\n') || Schemata::parse("").has(line).is_none() {
            return Err(ResctrlRefusal::Malformed { property, wanted: line.to_owned() }.into());
        }
    }
    let text: String = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
    write_schemata(&record.group, &text).map_err(|errno| {
        let step = ResctrlStep::WriteSchemata { group: record.group.clone(), text };
        kernel_error(&record.root, step.to_string(), errno)
    })
}

/// Removes what goes with the container.
///
/// # Errors
/// [`ResctrlError::Kernel`]; a group that is gone is none.
pub fn remove(record: &ResctrlRecord) -> Result<(), ResctrlError> {
    let own = record.is_own.then_some(&record.group);
    for group in record.monitor.iter().chain(own) {
        match file::rmdir(file::CWD, group.as_path()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => {
                let what = format!("remove resctrl group `{}`", group.display());
                return Err(kernel_error(&record.root, what, errno));
            }
        }
    }
    Ok(())
}

fn kernel_error(root: &Path, what: String, errno: Errno) -> ResctrlError {
    let status = match read(&root.join("info/last_cmd_status")) {
        Ok(status) if !status.trim().is_empty() => {
            format!(", last_cmd_status: {}", status.trim())
        }
        _ => String::new(),
    };
    ResctrlError::Kernel { what, status, source: errno.into() }
}

/// The text of a file of resctrl.
pub(super) fn read(path: &Path) -> kernel::Result<String> {
    let bytes = file::read_limited(file::CWD, path, MAX_FILE)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The line of a resource in a group's schemata.
pub(super) fn schema_line(text: &str, is_wanted: impl Fn(&str) -> bool) -> Option<String> {
    Schemata::parse(text).line(is_wanted).map(str::to_owned)
}
