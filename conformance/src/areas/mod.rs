//! The tests, a file per subject.

use crate::suite::Area;

mod bad_input;
mod cgroups;
mod checkpoint;
mod devices;
mod exec;
mod hooks;
mod ids;
mod interface;
mod kill;
mod lifecycle;
mod linux;
mod listing;
mod mount_options;
mod mount_sources;
mod mounts;
mod namespaces;
mod oracle;
mod process;
mod resources;
mod rootless;
mod run;
mod seccomp;
mod security;
mod terminal;

/// Every area, in the order of the table.
pub(crate) const AREAS: &[Area] = &[
    Area { name: "lifecycle", tests: &[lifecycle::TESTS, ids::TESTS, kill::TESTS] },
    Area { name: "commands", tests: &[run::TESTS, listing::TESTS] },
    Area { name: "process", tests: &[process::TESTS, exec::TESTS] },
    Area { name: "terminal", tests: &[terminal::TESTS] },
    Area { name: "mounts", tests: &[mounts::TESTS, mount_sources::TESTS, mount_options::TESTS] },
    Area { name: "devices", tests: &[devices::TESTS] },
    Area { name: "namespaces", tests: &[namespaces::TESTS] },
    Area { name: "cgroups", tests: &[cgroups::TESTS, resources::TESTS] },
    Area { name: "checkpoint", tests: &[checkpoint::TESTS] },
    Area { name: "seccomp", tests: &[seccomp::TESTS] },
    Area { name: "linux", tests: &[linux::TESTS] },
    Area { name: "hooks", tests: &[hooks::TESTS] },
    Area { name: "interface", tests: &[interface::TESTS] },
    Area { name: "bad-input", tests: &[bad_input::TESTS] },
    Area { name: "rootless", tests: &[rootless::TESTS] },
    Area {
        name: "security",
        tests: &[
            security::descriptors::TESTS,
            security::paths::TESTS,
            security::identity::TESTS,
            security::records::TESTS,
            security::load::TESTS,
            security::interrupted::TESTS,
        ],
    },
    Area { name: "oracle", tests: &[oracle::TESTS] },
];
