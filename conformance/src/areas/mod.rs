//! The tests, a file per subject.

use crate::suite::Area;

mod ids;
mod kill;
mod lifecycle;
mod listing;
mod run;

/// Every area, in the order of the table.
pub(crate) const AREAS: &[Area] = &[
    Area { name: "lifecycle", tests: &[lifecycle::TESTS, ids::TESTS, kill::TESTS] },
    Area { name: "commands", tests: &[run::TESTS, listing::TESTS] },
];
