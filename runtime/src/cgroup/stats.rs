//! Statistics.

/// The value of `key` in a file of `key value` lines. A negative value, which a racing kernel
/// counter can show, is 0.
#[must_use]
pub fn flat_value(text: &str, key: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    parse_count(value)
}

/// A number; `max` is [`u64::MAX`], anything negative is 0.
#[must_use]
pub fn parse_count(text: &str) -> Option<u64> {
    match text.trim() {
        "max" => Some(u64::MAX),
        text => match text.strip_prefix('-') {
            Some(digits) if !digits.is_empty() => {
                digits.bytes().all(|b| b.is_ascii_digit()).then_some(0)
            }
            _ => text.parse().ok(),
        },
    }
}
