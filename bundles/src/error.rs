//! Why an image could not become a bundle.

use rustix::io::Errno;

/// Why an image and its options make no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The working directory is relative.
    #[error("working directory `{path}` is not absolute")]
    WorkingDir {
        /// As given.
        path: String,
    },
    /// An environment entry without a name.
    #[error("`{entry}` is no environment variable")]
    Environment {
        /// As given.
        entry: String,
    },
    /// The user can't be resolved.
    #[error("cannot run as user `{user}`")]
    User {
        /// As given.
        user: String,
        /// Why not.
        source: UserError,
    },
    /// The user namespace lacks an id that the process is to have.
    #[error("{kind} id {id} is not in the container's user namespace, which has {has}; {remedy}")]
    Unmapped {
        /// `user` or `group`.
        kind: &'static str,
        /// As in the container.
        id: u32,
        /// The ids that it has.
        has: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A value that the runtime specification's types refuse.
    #[error("the image makes no valid runtime configuration")]
    Spec {
        /// What they say.
        source: oci_spec::OciSpecError,
    },
}

/// Why `user[:group]` can't be resolved.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// Not of that form.
    #[error("it is not of the form `user[:group]`")]
    Form,
    /// A number that is no id, such as -1, 0x0 or 4294967295.
    #[error("`{text}` is no valid id")]
    Id {
        /// As given.
        text: String,
    },
    /// No such user in `/etc/passwd` of the image.
    #[error("the image has no user `{name}`")]
    UnknownUser {
        /// As given.
        name: String,
    },
    /// No such group in `/etc/group` of the image.
    #[error("the image has no group `{name}`")]
    UnknownGroup {
        /// As given.
        name: String,
    },
    /// The database can't be read.
    #[error("cannot read `{path}` of the image")]
    Read {
        /// `/etc/passwd` or `/etc/group`.
        path: &'static str,
        /// Why not.
        source: Errno,
    },
    /// The database is no regular file, or too large.
    #[error("`{path}` of the image is no regular file of at most {limit} bytes")]
    Database {
        /// `/etc/passwd` or `/etc/group`.
        path: &'static str,
        /// The limit.
        limit: u64,
    },
}
