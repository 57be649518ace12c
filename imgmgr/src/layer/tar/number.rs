//! The ways tar writes numbers: octal text, base-256, and PAX decimal.

use super::TarTime;

/// Parses a header's numeric field: octal text, or base-256 where the first bit is set.
///
/// An empty field is 0. `None` if it is neither form or does not fit.
pub(super) fn parse_numeric(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => parse_base256(field),
        _ => parse_octal(field),
    }
}

/// Two's complement, big endian, in the bits after the marker bit.
fn parse_base256(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    let mut value = 0i64;
    for (i, byte) in field.iter().enumerate() {
        let bits = match (i, negative) {
            (0, false) => byte & 0x7f,
            (0, true) => byte | 0x80,
            _ => *byte,
        };
        value = if i == 0 {
            if negative { i64::from(bits) - 256 } else { i64::from(bits) }
        } else {
            value.checked_mul(256)? | i64::from(bits)
        };
    }
    Some(value)
}

fn parse_octal(field: &[u8]) -> Option<i64> {
    let text = field.iter().position(|b| *b == 0).map_or(field, |end| &field[..end]);
    let text = text.trim_ascii();
    text.iter().try_fold(0i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// Parses a PAX decimal number without a sign.
pub(super) fn parse_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// Parses a PAX time: seconds with an optional sign and fraction; digits beyond nanoseconds are
/// dropped towards the past.
pub(super) fn parse_time(text: &[u8]) -> Option<TarTime> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match text.iter().position(|b| *b == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &text[text.len()..]),
    };
    let secs = i64::try_from(parse_decimal(whole)?).ok()?;
    let mut nanos = 0u32;
    for i in 0..9 {
        let digit = match fraction.get(i) {
            Some(digit @ b'0'..=b'9') => u32::from(digit - b'0'),
            Some(_) => return None,
            None => 0,
        };
        nanos = nanos * 10 + digit;
    }
    let rest = fraction.get(9..).unwrap_or_default();
    if !rest.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if !negative {
        return Some(TarTime { secs, nanos });
    }
    let inexact = rest.iter().any(|digit| *digit != b'0');
    let nanos = nanos + u32::from(inexact);
    Some(match nanos {
        0 => TarTime { secs: -secs, nanos: 0 },
        _ => TarTime { secs: (-secs).checked_sub(1)?, nanos: 1_000_000_000 - nanos },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_and_base256_agree() {
        assert_eq!(parse_numeric(b"0000644\0"), Some(0o644));
        assert_eq!(parse_numeric(b"   644 \0"), Some(0o644));
        assert_eq!(parse_numeric(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(parse_numeric(b"0000648\0"), None);
        assert_eq!(parse_numeric(b"-000644\0"), None);
        assert_eq!(parse_numeric(&[0x80, 0, 0, 0, 0, 0, 1, 0]), Some(256));
        assert_eq!(parse_numeric(&[0xff; 12]), Some(-1));
        assert_eq!(parse_numeric(&[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        let max = [0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(parse_numeric(&max), Some(i64::MAX));
        let above = [0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(parse_numeric(&above), None);
    }

    #[test]
    fn times_keep_nanoseconds_on_both_sides_of_1970() {
        let time = |secs, nanos| Some(TarTime { secs, nanos });
        assert_eq!(parse_time(b"12.5"), time(12, 500_000_000));
        assert_eq!(parse_time(b"12.0000000019"), time(12, 1));
        assert_eq!(parse_time(b"-1.5"), time(-2, 500_000_000));
        assert_eq!(parse_time(b"-0.000000001"), time(-1, 999_999_999));
        assert_eq!(parse_time(b"-1"), time(-1, 0));
        assert_eq!(parse_time(b"-0.0000000001"), time(-1, 999_999_999));
        assert_eq!(parse_time(b"12."), time(12, 0));
        assert_eq!(parse_time(b".5"), None);
        assert_eq!(parse_time(b"1.5x"), None);
        assert_eq!(parse_time(b"99999999999999999999"), None);
    }
}
