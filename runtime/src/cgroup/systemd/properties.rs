//! Limits as properties of a unit.
/// x
pub fn limit_properties() {}
