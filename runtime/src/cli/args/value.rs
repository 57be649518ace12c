//! Values that flags take, in the forms that runc takes them in.

use std::time::Duration;

use crate::request::{InheritedFds, SignalNumber};

/// A user or group id: decimal, without sign. 4294967295 is the kernel's "no id" and refused.
pub(super) fn parse_id(text: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u32>() {
        Ok(id) if digits && id != u32::MAX => Ok(id),
        _ => Err(format!("`{text}` is not a number from 0 to {}", u32::MAX - 1)),
    }
}

/// A working directory, by which nobody can mean one relative to the runtime's.
pub(super) fn parse_cwd(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('/') {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not an absolute path"))
}

/// A variable of the environment, as `process.env` takes them.
pub(super) fn parse_variable(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is not `NAME=value`")),
    }
}

/// The value of `--preserve-fds`.
pub(super) fn parse_preserve_fds(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(count) if count <= InheritedFds::MAX => Ok(count),
        _ => Err(format!("`{text}` is not a number from 0 to {}", InheritedFds::MAX)),
    }
}

/// Names of signal(7), with their numbers on every architecture this program is built for.
const SIGNALS: &[(&str, i32)] = &[
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// The first real-time signal that is free for programs: glibc and musl keep two or three below.
const RTMIN: i32 = 34;

/// A signal: number, name with or without `SIG`, `RTMIN+n` or `RTMAX-n`; case does not matter.
pub(super) fn parse_signal(text: &str) -> Result<SignalNumber, String> {
    let number = match text.parse::<i32>() {
        Ok(number) => Some(number),
        Err(_) => signal_by_name(&text.to_ascii_uppercase()),
    };
    number
        .filter(|number| (0..=SignalNumber::MAX).contains(number))
        .map(SignalNumber)
        .ok_or_else(|| format!("unknown signal \"{text}\""))
}

fn signal_by_name(upper: &str) -> Option<i32> {
    let name = upper.strip_prefix("SIG").unwrap_or(upper);
    if let Some(&(_, number)) = SIGNALS.iter().find(|(known, _)| *known == name) {
        return Some(number);
    }
    let in_range = |number: &i32| (RTMIN..=SignalNumber::MAX).contains(number);
    if let Some(offset) = name.strip_prefix("RTMIN") {
        return RTMIN.checked_add(signal_offset(offset, '+')?).filter(in_range);
    }
    let offset = name.strip_prefix("RTMAX")?;
    SignalNumber::MAX.checked_sub(signal_offset(offset, '-')?).filter(in_range)
}

fn signal_offset(text: &str, sign: char) -> Option<i32> {
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.strip_prefix(sign)?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Bytes: a decimal number, perhaps with a fraction, and `b`, `k`, `m`, `g`, `t` or `p` in powers
/// of 1024, perhaps with `b` or `ib` after it; `-1` for no limit.
pub(super) fn parse_bytes(text: &str) -> Result<i64, String> {
    let bad = || format!("invalid size: `{text}`");
    if text == "-1" {
        return Ok(-1);
    }
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.').ok_or_else(bad)? + 1;
    let (number, suffix) = text.split_at(end);
    let shift = match suffix.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        "p" | "pb" | "pib" => 50,
        _ => return Err(bad()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let dangling = number.contains('.') && fraction.is_empty();
    if whole.is_empty() || !digits(whole) || !digits(fraction) || dangling {
        return Err(bad());
    }
    let unit = 1_i128 << shift;
    let whole: i128 = whole.parse().map_err(|_| bad())?;
    // Nine digits of a fraction tell bytes apart for every unit up to a gigabyte.
    let (mut fraction_bytes, mut scale) = (0_i128, 1_i128);
    for digit in fraction.bytes().take(9) {
        scale *= 10;
        fraction_bytes = fraction_bytes * 10 + i128::from(digit - b'0');
    }
    let bytes = whole.checked_mul(unit).ok_or_else(bad)? + fraction_bytes * unit / scale;
    i64::try_from(bytes).map_err(|_| bad())
}

/// A length of time as Go writes it: `5s`, `1m30s`, `1.5h`, `300ms`, `10us`, `7ns`, or `0`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    const UNITS: &[(&str, u64)] = &[
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let bad = || format!("invalid duration: `{text}`");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let &(_, nanos) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
        let number: f64 = number.parse().map_err(|_| bad())?;
        // Exact for whole numbers of nanoseconds below 2^53, which is 104 days.
        #[expect(clippy::cast_precision_loss, reason = "at most 3.6e12, exact as f64")]
        let seconds = number * nanos as f64 / 1e9;
        let part = Duration::try_from_secs_f64(seconds).map_err(|_| bad())?;
        total = total.checked_add(part).ok_or_else(bad)?;
        rest = tail;
    }
    if text.is_empty() { Err(bad()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_decimal_and_never_wrap() {
        assert_eq!(parse_id("0"), Ok(0));
        assert_eq!(parse_id("4294967294"), Ok(u32::MAX - 1));
        for bad in ["", "-1", "+1", "0x10", " 1", "1 ", "4294967295", "4294967296", "root"] {
            assert!(parse_id(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn signals_by_name_and_number() {
        for (text, number) in [
            ("9", 9),
            ("0", 0),
            ("kill", 9),
            ("SIGTERM", 15),
            ("sigusr1", 10),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("rtmax-1", 63),
            ("64", 64),
        ] {
            assert_eq!(parse_signal(text), Ok(SignalNumber(number)), "{text}");
        }
        for bad in ["", "SIG", "-9", "65", "NOPE", "RTMIN+31", "RTMAX-31", "RTMIN-1", "RTMIN++1"] {
            assert!(parse_signal(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes_as_docker_writes_them() {
        for (text, bytes) in [
            ("0", 0),
            ("-1", -1),
            ("1024", 1024),
            ("1k", 1024),
            ("32M", 32 << 20),
            ("1.5g", 3 << 29),
            ("2GiB", 2 << 30),
            ("7 mb", 7 << 20),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for bad in ["", "x", "-2", "1x", "1.", ".5", "1..2", "9223372036854775808", "99999p"] {
            assert!(parse_bytes(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn durations_as_go_writes_them() {
        for (text, millis) in
            [("5s", 5_000), ("1m30s", 90_000), ("1.5h", 5_400_000), ("100ms", 100), ("0", 0)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "5", "s", "-5s", "1x", "1.2.3s", "99999999999999999999h"] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }
}
