//! The commands' deeds: create, start, kill, delete, exec and the rest, each one function with a
//! typed request and a typed result. Nothing here prints.

mod ahead;
mod bundle;
mod checkpoint;
mod child;
mod create;
mod delete;
mod entry;
mod error;
mod events;
mod exec;
mod explain;
mod facts;
mod handover;
mod idmap;
mod kill;
mod needs;
mod netdev;
mod prepare;
mod query;
mod restore;
mod rtnetlink;
mod start;
mod update;

pub use ahead::wants_network;
pub use checkpoint::checkpoint;
pub use create::{ConsoleEnd, Launched, launch};
pub use delete::{DeleteOutcome, delete};
pub use error::LifecycleError;
pub use events::{Event, EventsError, Usage, events};
pub use exec::exec;
pub use explain::{Explanation, Finding, check, explain};
pub use kill::{kill, pause, resume};
pub use query::{ContainerView, list, state, view};
pub use restore::restore;
pub use start::start;
pub use update::update;

use crate::journal::Journal;
use crate::request::Settings;

/// What every deed is given.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Where state is, and how cgroups are made.
    pub settings: &'a Settings,
    /// Where warnings go.
    pub journal: &'a dyn Journal,
}
