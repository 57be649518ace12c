//! `kill` and `delete`.

use clap::Args;

use super::super::Environment;
use super::super::request::{Request, UsageError};
use super::Resolve;
use super::value::parse_signal;
use crate::container_id::ContainerId;
use crate::request::{DeleteRequest, KillRequest, SignalNumber};

#[derive(Args)]
pub(super) struct KillArgs {
    /// Send it to every process of the container, and don't fail where none is left
    #[arg(long, short, hide = true)]
    all: bool,

    /// The container
    #[arg(value_name = "CONTAINER-ID")]
    id: ContainerId,

    /// Name, with or without SIG, or number [default: TERM]
    #[arg(value_name = "SIGNAL", value_parser = parse_signal)]
    signal: Option<SignalNumber>,
}

impl Resolve for KillArgs {
    fn resolve(self, _: &Environment) -> Result<Request, UsageError> {
        let signal = self.signal.unwrap_or(SignalNumber::TERM);
        Ok(Request::Kill(KillRequest { id: self.id, signal, all: self.all }))
    }
}

#[derive(Args)]
pub(super) struct DeleteArgs {
    /// Kill the container if it runs; succeed if there is none
    #[arg(long, short)]
    force: bool,

    /// The container
    #[arg(value_name = "CONTAINER-ID")]
    id: ContainerId,
}

impl Resolve for DeleteArgs {
    fn resolve(self, _: &Environment) -> Result<Request, UsageError> {
        Ok(Request::Delete(DeleteRequest { id: self.id, force: self.force }))
    }
}
