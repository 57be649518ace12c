//! Times as a TOC has them: RFC 3339.

/// Reads RFC 3339; the empty text is 1970.
pub(super) fn seconds(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let zone = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone.as_bytes() {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), rest @ ..] if rest.len() == 5 => {
            let at = text.len() - 5;
            let minutes = number(at..at + 2)? * 60 + number(at + 3..at + 5)?;
            if *sign == b'-' { -minutes * 60 } else { minutes * 60 }
        }
        _ => return None,
    };
    // Days since 1970 in the Gregorian calendar, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (month * 153 + 2) / 5
        + day
        - 1
        - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

/// Writes RFC 3339 in UTC, with nanoseconds where there are any; `None` for a year that it can't
/// have.
pub(super) fn rfc3339(secs: i64, nanos: u32) -> Option<String> {
    let (days, second) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    // Years that begin in March, in periods of 400 years.
    let days = days.checked_add(719_468)?;
    let (period, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = period.checked_mul(400)?.checked_add(year + next)?;
    if !(0..=9999).contains(&year) {
        return None;
    }
    let fraction = match nanos {
        0 => String::new(),
        nanos => format!(".{nanos:09}").trim_end_matches('0').to_owned(),
    };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Some(format!(
        "{year:04}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"
    ))
}

#[cfg(test)]
mod tests {
    use super::{rfc3339, seconds};

    #[test]
    fn times_are_read_with_their_zone() {
        assert_eq!(seconds(""), Some(0));
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2020-09-13T12:26:40Z"), Some(1_600_000_000));
        assert_eq!(seconds("2020-09-13T14:26:40.5+02:00"), Some(1_600_000_000));
        assert_eq!(seconds("1969-12-31T23:59:59Z"), Some(-1));
        assert_eq!(seconds("0001-01-01T00:00:00Z"), Some(-62_135_596_800));
        assert_eq!(seconds("2000-03-01T00:00:00Z"), Some(951_868_800));
        assert_eq!(seconds("yesterday"), None);
        assert_eq!(seconds("2020-09-13T12:26:40"), None);
    }

    #[test]
    fn what_is_written_is_read() {
        for (secs, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (1_600_000_000, 500_000_000, "2020-09-13T12:26:40.5Z"),
            (-1, 1, "1969-12-31T23:59:59.000000001Z"),
            (951_782_400, 0, "2000-02-29T00:00:00Z"),
            (-62_135_596_800, 0, "0001-01-01T00:00:00Z"),
            (253_402_300_799, 0, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(secs, nanos).as_deref(), Some(text));
            assert_eq!(seconds(text), Some(secs));
        }
        for day in (-800_000..2_900_000).step_by(13) {
            let text = rfc3339(day * 86_400, 0);
            assert_eq!(text.and_then(|text| seconds(&text)).unwrap_or(day * 86_400), day * 86_400);
        }
        assert_eq!(rfc3339(253_402_300_800, 0), None);
        assert_eq!(rfc3339(i64::MIN, 0), None);
        assert_eq!(rfc3339(i64::MAX, 0), None);
    }
}
