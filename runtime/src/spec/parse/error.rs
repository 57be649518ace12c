//! Why a configuration is refused, and what in it is passed over.

use std::fmt;

use super::limits;

/// Why a configuration, or a part of one given to `exec` or `update`, is refused.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// More bytes than any configuration needs.
    #[error("the configuration is too large: more than {} bytes", limits::MAX_CONFIG_BYTES)]
    TooLarge,
    /// Not JSON, or not UTF-8.
    #[error("the configuration is not valid JSON")]
    NotJson {
        /// With line and column.
        source: serde_json::Error,
    },
    /// JSON of another type, or a number that doesn't fit.
    #[error("`{property}` has the wrong type or value")]
    WrongType {
        /// Path of the property.
        property: String,
        /// With line and column.
        source: serde_json::Error,
    },
    /// A value that can't be honoured.
    #[error("`{property}`: {problem}")]
    Property {
        /// Path of the property.
        property: String,
        /// What is wrong with its value.
        problem: Problem,
    },
}

impl SpecError {
    /// The path of the property that is wrong; `None` if the file as a whole is.
    #[must_use]
    pub fn property(&self) -> Option<&str> {
        match self {
            SpecError::WrongType { property, .. } | SpecError::Property { property, .. } => {
                Some(property)
            }
            SpecError::TooLarge | SpecError::NotJson { .. } => None,
        }
    }
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A required property is absent.
    #[error("is missing")]
    Missing,
    /// An empty string or array where there must be something.
    #[error("must not be empty")]
    Empty,
    /// The kernel would take the string to end there.
    #[error("holds a NUL byte")]
    Nul,
    /// Relative where only an absolute path has a meaning.
    #[error("`{value}` is not an absolute path")]
    NotAbsolute {
        /// As written.
        value: String,
    },
    /// No word of the property's list.
    #[error("invalid {what} `{value}`")]
    Unknown {
        /// What kind of word.
        what: &'static str,
        /// As written.
        value: String,
    },
    /// A word that has a meaning, but none this runtime or Linux can give it.
    #[error("`{value}` is not supported: {why}")]
    Unsupported {
        /// As written.
        value: String,
        /// Why, or what to do.
        why: &'static str,
    },
    /// Text that doesn't have the form it must have.
    #[error("`{value}` is not {expected}")]
    Malformed {
        /// As written.
        value: String,
        /// The form.
        expected: &'static str,
    },
    /// A number outside its range.
    #[error("{value} is not between {min} and {max}")]
    OutOfRange {
        /// As written.
        value: i128,
        /// Smallest that is right.
        min: i128,
        /// Largest that is right.
        max: i128,
    },
    /// More elements than the named limit.
    #[error("has {count} entries, more than {max}")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// More bytes than the named limit.
    #[error("has {len} bytes, more than {max}")]
    TooLong {
        /// How many there are.
        len: usize,
        /// How many there may be.
        max: usize,
    },
    /// Given twice where only one can count.
    #[error("`{value}` is there twice")]
    Duplicate {
        /// As written.
        value: String,
    },
    /// Without meaning unless something else is set as well.
    #[error("needs {what}")]
    Needs {
        /// What must be set.
        what: &'static str,
    },
    /// Says the opposite of another property.
    #[error("contradicts {what}")]
    Contradicts {
        /// The other property.
        what: &'static str,
    },
    /// A range of an id mapping shares ids with one before it.
    #[error("overlaps entry {other} {side}")]
    Overlap {
        /// Index of the other range.
        other: usize,
        /// `inside` or `outside` the container.
        side: &'static str,
    },
    /// An id the container's user namespace doesn't have.
    #[error("id {id} is not mapped by `{map}`")]
    Unmapped {
        /// Inside the container.
        id: u32,
        /// The property that lacks it.
        map: &'static str,
    },
    /// A memory policy with nodes that must not have any.
    #[error("mode requires 0 nodes but got {count}")]
    NodesNotAllowed {
        /// How many there are.
        count: usize,
    },
}

/// Something in the configuration that is passed over, as the specification asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Path of the property.
    pub property: String,
    /// Why it has no effect.
    pub reason: WarningReason,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.property, self.reason)
    }
}

/// Why a property, or a part of it, has no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WarningReason {
    /// An extension, or a newer specification's property (config.md#extensibility).
    #[error("ignoring unknown property")]
    UnknownProperty,
    /// A property of another platform.
    #[error("ignoring property of another platform")]
    OtherPlatform,
    /// Names no capability has (config.md#linux-process).
    #[error("ignoring unknown or unavailable capabilities: [{}]", names.join(" "))]
    UnknownCapabilities {
        /// Sorted.
        names: Vec<String>,
    },
    /// The kernel would refuse to raise it.
    #[error("can't raise ambient capability {name}: it is not both permitted and inheritable")]
    AmbientNotRaised {
        /// `CAP_...`
        name: String,
    },
    /// Deprecated (config.md#mounts).
    #[error("`{value}` is relative, taking it from `/`")]
    RelativeDestination {
        /// As written.
        value: String,
    },
    /// mount(2) does not read them for a bind mount.
    #[error("ignoring `{value}`: a bind mount has no options of a file system")]
    BindData {
        /// As written.
        value: String,
    },
    /// One word of a list has no effect.
    #[error("ignoring `{value}`: {why}")]
    IgnoredValue {
        /// As written.
        value: String,
        /// Why.
        why: &'static str,
    },
    /// The property has no effect.
    #[error("ignored: {why}")]
    Ignored {
        /// Why.
        why: &'static str,
    },
}
