//! The clone itself: into namespaces that the child must be born in, and through a process
//! between where the order of namespaces demands one.

use super::LifecycleError;
use super::ahead::NetworkAhead;
use super::child::Child;
use super::error::kernel_error;
use crate::init::report::send_network;
use crate::init::{self, ChildInput};
use crate::plan::{Plan, Stage};
use crate::spec::{ClockOffset, TimeOffsets};
use kernel::process::{self, CloneFlags, Cloned, clone3};
use kernel::{Errno, file, namespace, unix_socket};
use std::fmt::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The namespaces that the runtime's next children would have been born in, to go back to.
#[derive(Debug, Default)]
pub(super) struct Former {
    pid: Option<OwnedFd>,
    time: Option<OwnedFd>,
}

impl Former {
    /// What the runtime starts from here on (hooks) belongs in its own namespaces.
    fn restore(&self) -> Result<(), LifecycleError> {
        for (former, kind) in [(&self.pid, CloneFlags::NEWPID), (&self.time, CloneFlags::NEWTIME)] {
            if let Some(former) = former {
                namespace::join(former, kind).map_err(kernel_error("return to own namespaces"))?;
            }
        }
        Ok(())
    }
}

/// Sets the namespaces up that take effect for children only: pid and time.
pub(super) fn enter_for_children(
    plan: &Plan,
    slots: &[Option<OwnedFd>],
) -> Result<Former, LifecycleError> {
    let mut former = Former::default();
    let own = |name: &str| {
        file::open_read(file::CWD, format!("/proc/self/ns/{name}"))
            .map_err(kernel_error("open own namespaces"))
    };
    if let Some(slot) = plan.pid_namespace {
        former.pid = Some(own("pid")?);
        let target = slots[slot.0].as_ref().ok_or(Errno::BADF);
        target
            .and_then(|target| namespace::join(target, CloneFlags::NEWPID))
            .map_err(kernel_error("join the pid namespace"))?;
    }
    if let Some(offsets) = &plan.runtime.time_offsets {
        former.time = Some(own("time")?);
        namespace::unshare(CloneFlags::NEWTIME).map_err(kernel_error("make a time namespace"))?;
        set_offsets(offsets).map_err(|errno| LifecycleError::ProcessFile {
            file: "timens_offsets",
            value: offsets_text(offsets).trim_end().to_owned(),
            source: errno.into(),
        })?;
    }
    Ok(former)
}

/// Sets the clocks of the time namespace that the next children are born in.
fn set_offsets(offsets: &TimeOffsets) -> kernel::Result<()> {
    let text = offsets_text(offsets);
    file::write_existing(file::CWD, c"/proc/self/timens_offsets", text.as_bytes())
}

fn offsets_text(offsets: &TimeOffsets) -> String {
    let mut text = String::new();
    for (clock, offset) in [("monotonic", offsets.monotonic), ("boottime", offsets.boottime)] {
        if let Some(ClockOffset { secs, nanosecs }) = offset {
            // Writing to a string can't fail.
            let _ = writeln!(text, "{clock} {secs} {nanosecs}");
        }
    }
    text
}

/// Clones the container's process, which runs `input` and never returns from here.
pub(super) fn clone_child(
    plan: &Plan,
    cgroup: Option<BorrowedFd<'_>>,
    input: ChildInput<'_>,
    ours: OwnedFd,
    former: Former,
    mut network: NetworkAhead,
) -> Result<Child, LifecycleError> {
    let mut flags = plan.new_namespaces;
    if input.awaits_network {
        flags -= CloneFlags::NEWNET;
    }
    if let Some(stage) = &plan.stage {
        let child = clone_through(stage, flags, cgroup, input, ours)?;
        return restored(child, &former);
    }
    let cloned = match clone3(flags, cgroup) {
        // Who makes the namespace may have the last place for a process.
        Err(Errno::AGAIN) if input.awaits_network => {
            network.settle();
            clone3(flags, cgroup)
        }
        other => other,
    };
    let wanted = plan.new_namespaces;
    match cloned.map_err(|errno| clone_error(wanted, cgroup, errno))? {
        Cloned::Child => {
            drop(ours);
            init::run(input)
        }
        Cloned::Parent { pid, pidfd } => {
            let child = Child { pid, pidfd, socket: ours };
            if input.awaits_network {
                give_network(&child, network.finish())?;
            }
            // Only now: a time namespace lets nobody in who shares memory with another process.
            restored(child, &former)
        }
    }
}

/// Gives the child what it awaits; without a namespace it makes its own.
fn give_network(child: &Child, network: Option<OwnedFd>) -> Result<(), LifecycleError> {
    // Who has too many descriptors under way can send no more.
    let sent = send_network(&child.socket, network.as_ref())
        .or_else(|_| send_network(&child.socket, None));
    match sent {
        // That the child is gone shows when its report is awaited.
        Ok(()) | Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
        Err(errno) => {
            child.kill();
            Err(kernel_error("give the container its network namespace")(errno))
        }
    }
}

/// The child, once the runtime is where it was before.
fn restored(child: Child, former: &Former) -> Result<Child, LifecycleError> {
    former.restore().inspect_err(|_| {
        child.kill();
    })?;
    Ok(child)
}

fn clone_error(flags: CloneFlags, cgroup: Option<BorrowedFd<'_>>, errno: Errno) -> LifecycleError {
    // What clone3(2) says of a cgroup only: controllers are on for those below it, it is of a
    // threaded subtree, it is removed.
    if let (Some(cgroup), Errno::BUSY | Errno::OPNOTSUPP | Errno::NODEV) = (cgroup, errno) {
        let cgroup = kernel::file::path_of(cgroup).unwrap_or_default();
        return LifecycleError::Join { cgroup, source: errno.into() };
    }
    let namespaces = flags.iter_names().map(|(name, _)| name).collect::<Vec<_>>().join(" ");
    LifecycleError::Clone { namespaces, source: errno.into() }
}

/// Clones a process that enters the stage's namespaces and clones the container's process as
/// its sibling, then ends.
fn clone_through(
    stage: &Stage,
    flags: CloneFlags,
    cgroup: Option<BorrowedFd<'_>>,
    input: ChildInput<'_>,
    ours: OwnedFd,
) -> Result<Child, LifecycleError> {
    let (answer, answers) =
        unix_socket::message_pair().map_err(kernel_error("make a socket for the stage"))?;
    // Where cgroup namespaces are boundaries (`nsdelegate`), no cgroup outside of one can be
    // entered from it: the stage goes there before, one process more for a moment.
    let joins_cgroup = stage.others.iter().any(|(kind, _)| *kind == CloneFlags::NEWCGROUP);
    let (own, cgroup) = if joins_cgroup { (cgroup, None) } else { (None, cgroup) };
    match clone3(CloneFlags::empty(), own).map_err(|errno| clone_error(flags, own, errno))? {
        Cloned::Child => {
            drop((ours, answer));
            run_stage(stage, flags, cgroup, input, answers)
        }
        Cloned::Parent { pidfd, .. } => {
            drop((answers, input));
            let mut message = [0u8; 4];
            let received = unix_socket::receive(&answer, &mut message);
            process::wait_pidfd(pidfd.as_fd()).map_err(kernel_error("wait for the stage"))?;
            let (_, mut fds) = received.map_err(kernel_error("hear from the stage"))?;
            let number = i32::from_ne_bytes(message);
            match fds.pop() {
                Some(pidfd) => Ok(Child { pid: number, pidfd, socket: ours }),
                None => {
                    let time =
                        stage.time_offsets.map_or(CloneFlags::empty(), |_| CloneFlags::NEWTIME);
                    Err(clone_error(flags | time, cgroup, Errno::from_raw_os_error(-number)))
                }
            }
        }
    }
}

fn run_stage(
    stage: &Stage,
    flags: CloneFlags,
    cgroup: Option<BorrowedFd<'_>>,
    input: ChildInput<'_>,
    answers: OwnedFd,
) -> ! {
    let cloned =
        enter_stage(stage, &input).and_then(|()| clone3(flags | CloneFlags::PARENT, cgroup));
    let sent = match cloned {
        Ok(Cloned::Child) => {
            drop(answers);
            init::run(input)
        }
        Ok(Cloned::Parent { pid, pidfd }) => {
            unix_socket::send(&answers, &pid.to_ne_bytes(), &[pidfd.as_fd()])
        }
        Err(errno) => unix_socket::send(&answers, &(-errno.raw_os_error()).to_ne_bytes(), &[]),
    };
    process::exit_now(i32::from(sent.is_err()))
}

/// Makes and enters what the former user namespace allows first, then the user namespace, then the rest.
fn enter_stage(stage: &Stage, input: &ChildInput<'_>) -> kernel::Result<()> {
    if let Some(offsets) = &stage.time_offsets {
        namespace::unshare(CloneFlags::NEWTIME)?;
        set_offsets(offsets)?;
    }
    let mut later = Vec::new();
    for (kind, slot) in &stage.others {
        let file = input.slots[slot.0].as_ref().ok_or(Errno::BADF)?;
        match namespace::join(file, *kind) {
            Err(Errno::PERM) if stage.user.is_some() => later.push((file, *kind)),
            other => other?,
        }
    }
    if let Some(slot) = stage.user {
        let file = input.slots[slot.0].as_ref().ok_or(Errno::BADF)?;
        namespace::join(file, CloneFlags::NEWUSER)?;
    }
    later.into_iter().try_for_each(|(file, kind)| namespace::join(file, kind))
}
