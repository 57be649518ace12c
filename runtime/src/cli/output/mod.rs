//! What commands print on standard output, byte for byte as runc prints it.

pub(super) mod events;
pub(super) mod features;
pub(super) mod list;
pub(super) mod ps;
pub(super) mod spec;
pub(super) mod state;

pub(super) use state::StateReport;
