//! The tests, a file per subject.

use crate::suite::Area;

mod devices;
mod exec;
mod hooks;
mod ids;
mod kill;
mod lifecycle;
mod listing;
mod mount_options;
mod mounts;
mod namespaces;
mod process;
mod run;
mod terminal;

/// Every area, in the order of the table.
pub(crate) const AREAS: &[Area] = &[
    Area { name: "lifecycle", tests: &[lifecycle::TESTS, ids::TESTS, kill::TESTS] },
    Area { name: "commands", tests: &[run::TESTS, listing::TESTS] },
    Area { name: "process", tests: &[process::TESTS, exec::TESTS] },
    Area { name: "terminal", tests: &[terminal::TESTS] },
    Area { name: "mounts", tests: &[mounts::TESTS, mount_options::TESTS] },
    Area { name: "devices", tests: &[devices::TESTS] },
    Area { name: "namespaces", tests: &[namespaces::TESTS] },
    Area { name: "hooks", tests: &[hooks::TESTS] },
];
