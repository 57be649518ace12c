//! seccomp filters: a checked profile in, a program for the kernel out.
//!
//! ```text
//! SeccompProfile -> rules (verdict by call) -> graph (dispatch, conditions) -> layout -> Program
//! ```
//! [`compile()`] is pure: the same profile gives the same program on every machine of an
//! architecture. Nothing here loads a filter; `kernel::seccomp` does. What a profile means is said
//! once more, slowly, in [`evaluate`]: tests hold the two against each other, and against
//! libseccomp.

mod action;
mod arch;
mod bpf;
mod compile;
mod conditions;
mod dispatch;
mod encode;
pub mod evaluate;
pub mod features;
mod graph;
pub mod interpret;
mod layout;
mod program;
mod rules;
mod table;
mod table_data;
#[cfg(test)]
mod tests;

pub use action::{decode as action_of, encode as result_of};
pub use arch::{audit as audit_arch, name as arch_name, native as native_arch};
pub use compile::{SeccompError, compile, filter_flags};
pub use encode::ProgramBytesError;
pub use program::Program;
pub use table::{name_of, names, number_of};

/// How many nodes a filter may have while it is built; far more than a program the kernel takes.
const MAX_NODES: usize = 64 * 1024;
