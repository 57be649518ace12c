//! Where in the JSON a value stands.

use std::fmt;

use super::{Problem, SpecError};

/// A property path as a chain on the stack: free until an error or a warning prints it.
#[derive(Clone, Copy, Debug)]
pub(in crate::spec) struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Root,
    Field(&'static str),
    Key(&'a str),
    Index(usize),
}

impl At<'static> {
    /// The whole file.
    pub(in crate::spec) const ROOT: At<'static> = At { parent: None, step: Step::Root };
}

impl At<'_> {
    /// A property of this object.
    pub(in crate::spec) fn field<'b>(&'b self, name: &'static str) -> At<'b> {
        At { parent: Some(self), step: Step::Field(name) }
    }

    /// A value of this map.
    pub(in crate::spec) fn key<'b>(&'b self, key: &'b str) -> At<'b> {
        At { parent: Some(self), step: Step::Key(key) }
    }

    /// An element of this array.
    pub(in crate::spec) fn index<'b>(&'b self, index: usize) -> At<'b> {
        At { parent: Some(self), step: Step::Index(index) }
    }

    /// The error that `problem` is at this place.
    pub(in crate::spec) fn error(&self, problem: Problem) -> SpecError {
        SpecError::Property { property: self.to_string(), problem }
    }

    /// `Err` with `problem` at this place.
    pub(in crate::spec) fn fail<T>(&self, problem: Problem) -> Result<T, SpecError> {
        Err(self.error(problem))
    }
}

impl fmt::Display for At<'_> {
    /// `linux.namespaces[2].type`; keys of maps as `annotations["a.b"]`; empty for the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else { return Ok(()) };
        parent.fmt(f)?;
        match self.step {
            Step::Root => Ok(()),
            Step::Field(name) if parent.parent.is_none() => f.write_str(name),
            Step::Field(name) => write!(f, ".{name}"),
            Step::Key(key) => write!(f, "[{key:?}]"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}
