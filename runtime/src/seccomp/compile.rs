//! The way from a profile to a program.

use kernel::seccomp::{FilterFlags, MAX_INSTRUCTIONS};

use crate::spec::{SeccompAction, SeccompArch, SeccompProfile};

use super::arch;
use super::dispatch;
use super::graph::Graph;
use super::layout;
use super::program::Program;
use super::rules::Names;

/// Why a profile can't become a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeccompError {
    /// More than the kernel takes.
    #[error(
        "the seccomp filter has {instructions} instructions, the kernel takes {MAX_INSTRUCTIONS}"
    )]
    TooLong {
        /// What it would have.
        instructions: usize,
    },
    /// Too many conditions to even lay it out.
    #[error(
        "the seccomp profile has too many conditions for a filter of {MAX_INSTRUCTIONS} instructions"
    )]
    TooComplex,
    /// No such argument.
    #[error("seccomp rule on argument {index}: system calls have arguments 0 to 5")]
    ArgumentIndex {
        /// As in the profile.
        index: u8,
    },
    /// A machine runs programs of one byte order.
    #[error("seccomp architecture `{}` has another byte order than `{}`", arch::name(*arch), arch::name(*native))]
    ByteOrder {
        /// The listed one.
        arch: SeccompArch,
        /// The machine's.
        native: SeccompArch,
    },
    /// Nobody could answer before the agent has the listener.
    #[error("seccomp action `SCMP_ACT_NOTIFY` cannot be the default action")]
    NotifyByDefault,
    /// As above: handing the listener over may need it.
    #[error("seccomp action `SCMP_ACT_NOTIFY` cannot be used for `write`")]
    NotifyOnWrite,
}

/// Compiles `profile` for a machine of the architecture `native`.
///
/// The native architecture is always part of the filter, listed or not. Calls of architectures that
/// are not part of it kill the thread. Names that no architecture knows are skipped and listed in
/// the result. The rules' meaning is described in [`super::evaluate`].
///
/// # Errors
/// If the profile cannot be expressed: see [`SeccompError`].
pub fn compile(profile: &SeccompProfile, native: SeccompArch) -> Result<Program, SeccompError> {
    check_notify(profile)?;
    let archs = archs(profile, native)?;
    let names = Names::look_up(profile, native);
    let mut graph = Graph::default();
    let start = dispatch::filter(&mut graph, &names, &archs)?;
    let instructions = layout::instructions(&graph, start);
    if instructions.len() > MAX_INSTRUCTIONS {
        return Err(SeccompError::TooLong { instructions: instructions.len() });
    }
    let flags = filter_flags(profile);
    Ok(Program {
        instructions,
        flags,
        uses_notify: flags.contains(FilterFlags::NEW_LISTENER),
        skipped_names: names.unknown.iter().map(ToString::to_string).collect(),
    })
}

fn check_notify(profile: &SeccompProfile) -> Result<(), SeccompError> {
    if profile.default_action == SeccompAction::Notify {
        return Err(SeccompError::NotifyByDefault);
    }
    let mut notify = profile.rules.iter().filter(|rule| rule.action == SeccompAction::Notify);
    if notify.any(|rule| rule.names.iter().any(|name| name == "write")) {
        return Err(SeccompError::NotifyOnWrite);
    }
    Ok(())
}

/// Returns the architectures of the filter, each once, the native one first.
fn archs(profile: &SeccompProfile, native: SeccompArch) -> Result<Vec<SeccompArch>, SeccompError> {
    let mut archs = vec![native];
    for &arch in &profile.architectures {
        if arch::endian(arch) != arch::endian(native) {
            return Err(SeccompError::ByteOrder { arch, native });
        }
        if !archs.contains(&arch) {
            archs.push(arch);
        }
    }
    Ok(archs)
}

/// Returns the flags the filter of `profile` is to be loaded with.
///
/// With a notify rule that includes the one for a listener. The kernel has no listener for several
/// threads at once, and refuses to wait killably for a listener that isn't asked for; we have one
/// thread, so that neither flag has anything to do then.
#[must_use]
pub fn filter_flags(profile: &SeccompProfile) -> FilterFlags {
    let flags = FilterFlags::from_bits_retain(profile.flags);
    let notifies = profile.rules.iter().any(|rule| rule.action == SeccompAction::Notify);
    if notifies {
        flags.difference(FilterFlags::TSYNC) | FilterFlags::NEW_LISTENER
    } else {
        flags.difference(FilterFlags::WAIT_KILLABLE_RECV)
    }
}
