//! The command against real registries on the loopback: the distribution-spec's workflows,
//! mirrors, certificates, proxies, logins, and transfers that are cut off.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]
#![expect(clippy::print_stderr, reason = "a skip says why")]

mod certificates;
#[path = "../generators/chunked.rs"]
mod chunked;
mod convert;
mod crowd;
mod docker_form;
mod edits;
mod full;
mod kills;
mod logins;
mod mirrors;
mod named;
mod output;
mod partial;
mod places;
mod platforms;
mod power;
mod proxies;
mod quota;
mod registry;
mod signals;
mod support;
mod sync;
mod syscalls;
mod transfers;
mod uploads;
mod validate;
mod wire;
mod workflows;
