//! The systemd driver: a container's cgroup as a transient unit, over D-Bus.
//!
//! ```text
//! value       D-Bus values, and the GVariant text of annotations
//! properties  limits as properties of a unit
//! wire        messages to bytes and back
//! bus         one connection: authentication, calls, signals
//! unit        start, change, stop
//! ```

mod bus;
mod properties;
mod unit;
mod value;
mod wire;

use std::fmt;

pub use bus::{Bus, BusError, Peer};
pub use properties::{as_kept, device_properties, drops_weight, limit_properties, rounded_quota};
pub use unit::Unit;
pub use value::{TextError, Value};
pub use wire::{Message, MessageKind, WireError};

use super::{CgroupError, LayoutKind, SliceName, UnitName};
use crate::spec::SystemdProperties;

/// One property of a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// systemd's name of it.
    pub name: String,
    /// Its value.
    pub value: Value,
}

impl Property {
    fn new(name: &str, value: Value) -> Property {
        Property { name: name.to_owned(), value }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

/// What every container's unit has: a slice, delegation, accounting.
///
/// A slice as a unit lies where its name says and only wants its parent.
#[must_use]
pub fn unit_properties(
    id: &str,
    name: &UnitName,
    slice: &SliceName,
    kind: LayoutKind,
) -> Vec<Property> {
    let slice = slice.as_str();
    let description = format!("container {id}");
    let mut properties = vec![Property::new("Description", Value::Str(description))];
    if name.is_slice() {
        properties.push(Property::new("Wants", Value::strings([slice])));
    } else {
        properties.push(Property::new("Slice", Value::Str(slice.to_owned())));
        properties.push(Property::new("Delegate", Value::Bool(true)));
    }
    let io = if kind == LayoutKind::V2 { "IOAccounting" } else { "BlockIOAccounting" };
    for name in ["MemoryAccounting", "CPUAccounting", io, "TasksAccounting"] {
        properties.push(Property::new(name, Value::Bool(true)));
    }
    properties.push(Property::new("DefaultDependencies", Value::Bool(false)));
    properties
}

/// Properties from annotations, (name, GVariant text); a name in `Sec` becomes microseconds.
///
/// # Errors
/// [`CgroupError::Refused`] for a name that is none, and a text that is no value.
pub fn annotated_properties(asked: &[(String, String)]) -> Result<Vec<Property>, CgroupError> {
    asked.iter().map(|(name, text)| annotated(name, text)).collect()
}

fn annotated(name: &str, text: &str) -> Result<Property, CgroupError> {
    let refused = |why: String| CgroupError::Refused {
        property: format!("annotation org.systemd.property.{name}"),
        why,
    };
    if !SystemdProperties::is_name(name) {
        return Err(refused("its name is not made of letters".to_owned()));
    }
    let value = Value::parse(text).map_err(|error| refused(error.to_string()))?;
    // `TimeoutStopSec`, but not `Sec` and not `FooUSec`.
    match name.strip_suffix("Sec") {
        Some(stem) if stem.ends_with(|c: char| c.is_ascii_lowercase()) => {
            let micro = value.seconds_to_microseconds();
            let value = micro.ok_or_else(|| refused("it is not a number of seconds".to_owned()))?;
            Ok(Property { name: format!("{stem}USec"), value })
        }
        _ => Ok(Property::new(name, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, text: &str, shown: &str) {
        assert_eq!(annotated(name, text).unwrap().to_string(), shown);
    }

    #[test]
    fn annotations_become_properties() {
        check("TimeoutStopSec", "uint64 5", "TimeoutStopUSec=uint64 5000000");
        check("TimeoutStopUSec", "uint64 5", "TimeoutStopUSec=uint64 5");
        check("CollectMode", "'inactive-or-failed'", "CollectMode='inactive-or-failed'");
        for (name, text) in [("X", "1"), ("a b", "1"), ("TimeoutSec", "'x'"), ("Foo", "bar")] {
            assert!(annotated(name, text).is_err(), "{name}={text}");
        }
    }
}
