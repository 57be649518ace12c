//! Turns an image configuration and options into an OCI bundle.
//!
//! ```text
//! image configuration --+
//! options --------------+--> runtime spec --> config.json
//! rootfs descriptor ----+    (users and groups are looked up beneath it)
//! ```
//! It fetches nothing, starts nothing, and reads of the rootfs only the user database.

#![forbid(unsafe_code)]

mod annotations;
mod defaults;
mod error;
mod options;
mod spec;
mod user;

pub use defaults::{DEFAULT_CAPABILITIES, DEFAULT_PATH, MASKED_PATHS, READONLY_PATHS};
pub use error::{BundleError, UserError};
pub use options::{BundleOptions, IdRange, RootAccess, Terminal, UserNamespace};
pub use spec::{runtime_spec, to_json};
pub use user::{ResolvedUser, resolve_user, resolve_user_in};
