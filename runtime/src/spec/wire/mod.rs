//! `config.json` as written: one type an object of runtime-spec 1.3, one field a property.
//!
//! Nothing is checked here but JSON types. Every field is optional, because `null` and an absent
//! property are the same thing to the tools that write these files; what is required is decided,
//! with its path, in `parse`. There each type is taken apart without `..`, so that a property
//! added here doesn't compile until it has a meaning.

mod config;
mod linux;
mod process;
mod resources;
mod seccomp;
mod text;

pub(super) use config::*;
pub(super) use linux::*;
pub(super) use process::*;
pub(super) use resources::*;
pub(super) use seccomp::*;
pub(super) use text::{Entries, Text};
