//! Names of containers.

use std::fmt;
use std::str::FromStr;

/// A container's id: 1 to [`ContainerId::MAX_LEN`] of the bytes `A-Z a-z 0-9 _ + - .`, and
/// neither `.` nor `..`, so that it can stand as a file name of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(String);

/// Why a text is no container id.
///
/// The first words are those of runc, which clients look for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContainerIdError {
    /// Nothing was given.
    #[error("container id cannot be empty")]
    Empty,
    /// A byte that is not allowed, or a name with a meaning of its own.
    #[error("invalid container ID format: `{}`", id.escape_debug())]
    Format {
        /// As given, cut after a few dozen characters.
        id: String,
    },
    /// More than a file name may have.
    #[error("invalid container ID format: {len} bytes, of at most {}", ContainerId::MAX_LEN)]
    TooLong {
        /// Bytes given.
        len: usize,
    },
}

impl ContainerId {
    /// The id names a directory: `NAME_MAX` bytes.
    pub const MAX_LEN: usize = 255;

    /// Checks `text`.
    ///
    /// # Errors
    /// [`ContainerIdError`], one variant a reason.
    pub fn parse(text: &str) -> Result<ContainerId, ContainerIdError> {
        const SHOWN: usize = 64;
        if text.is_empty() {
            return Err(ContainerIdError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(ContainerIdError::TooLong { len: text.len() });
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+-.".contains(&b);
        if !text.bytes().all(allowed) || matches!(text, "." | "..") {
            return Err(ContainerIdError::Format { id: text.chars().take(SHOWN).collect() });
        }
        Ok(ContainerId(text.to_owned()))
    }

    /// The id as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ContainerId {
    type Err = ContainerIdError;

    fn from_str(text: &str) -> Result<ContainerId, ContainerIdError> {
        ContainerId::parse(text)
    }
}

impl AsRef<std::path::Path> for ContainerId {
    fn as_ref(&self) -> &std::path::Path {
        std::path::Path::new(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_runc_accepts() {
        for id in ["a", "web-1", "A_b+c.d", "...", "..a", "-x", &"x".repeat(255)] {
            assert_eq!(ContainerId::parse(id).map(|i| i.0), Ok(id.to_owned()));
        }
    }

    #[test]
    fn refuses_what_is_no_file_name_of_its_own() {
        for id in [".", "..", "a/b", "/a", "a b", "a\n", "a\0", "a@b", "ä", "a:b"] {
            let refused = matches!(ContainerId::parse(id), Err(ContainerIdError::Format { .. }));
            assert!(refused, "{id:?}");
        }
        assert_eq!(ContainerId::parse(""), Err(ContainerIdError::Empty));
        let long = "x".repeat(256);
        assert_eq!(ContainerId::parse(&long), Err(ContainerIdError::TooLong { len: 256 }));
    }
}
