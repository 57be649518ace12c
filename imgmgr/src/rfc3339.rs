//! Whether a text is a time as RFC 3339 has it, and as Go's parser takes it.

/// Whether `text` is `YYYY-MM-DDThh:mm:ss[.fraction](Z|+hh:mm|-hh:mm)`, with a day that there is.
pub fn is_rfc3339(text: &str) -> bool {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u32>().ok())?
    };
    let bytes = text.as_bytes();
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| bytes.get(*at) != Some(mark)) {
        return false;
    }
    let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) else {
        return false;
    };
    let below = |range, end| number(range).is_some_and(|value| value < end);
    let is_time = below(11..13, 24) && below(14..16, 60) && below(17..19, 60);
    if !is_time || !(1..=days_of(year, month)).contains(&day) {
        return false;
    }
    let rest = &text[19..];
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
    };
    let at = text.len() - zone.len();
    zone == "Z"
        || zone.len() == 6
            && zone.starts_with(['+', '-'])
            && bytes[at + 3] == b':'
            && below(at + 1..at + 3, 24)
            && below(at + 4..at + 6, 60)
}

/// Days of a month; 0 for one that there is not.
fn days_of(year: u32, month: u32) -> u32 {
    let period = if year.is_multiple_of(100) { 400 } else { 4 };
    let is_leap = year.is_multiple_of(period);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::is_rfc3339;

    #[test]
    fn days_and_zones_must_exist() {
        for good in [
            "2024-01-02T03:04:05Z",
            "2024-02-29T23:59:59.123456789+02:00",
            "0001-01-01T00:00:00Z",
            "1969-12-31T00:00:00-11:30",
        ] {
            assert!(is_rfc3339(good), "{good}");
        }
        for bad in [
            "",
            "yesterday",
            "2024-01-02",
            "2024-01-02T03:04:05",
            "2024-01-02T03:04:05+2:00",
            "2024-01-02T03:04:05.Z",
            "2024-01-02t03:04:05z",
            "2024-01-02T24:00:00Z",
            "2024-13-02T03:04:05Z",
            "2020-02-30T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2024-01-02T03:04:05+02:60",
            "2024-01-02T03:04:05Zé",
            "+024-01-02T03:04:05Z",
        ] {
            assert!(!is_rfc3339(bad), "{bad}");
        }
    }
}
