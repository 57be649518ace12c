//! Readers of the kernel's statistics files. Foreign bytes: nothing here panics, and what is
//! malformed is named by its line.

use std::collections::BTreeMap;

use super::{BlkioEntry, Pressure, PressureLine, RdmaEntry};

/// CPUs and memory nodes of a list are below this; a longer list is malformed.
const MAX_LIST: u16 = u16::MAX;

/// A line that is not of the file's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

fn malformed(line: &str) -> Malformed {
    Malformed(line.chars().take(80).collect())
}

/// A number; `max` is [`u64::MAX`]; anything negative, which a racing kernel counter can show, is 0.
#[must_use]
pub fn parse_count(text: &str) -> Option<u64> {
    let text = text.trim();
    if text == "max" {
        return Some(u64::MAX);
    }
    match text.strip_prefix('-') {
        Some(digits) => {
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            is_number.then_some(0)
        }
        None => text.parse().ok(),
    }
}

/// The value of `key` in a file of `key value` lines.
#[must_use]
pub fn flat_value(text: &str, key: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    parse_count(value)
}

/// A file of `key value` lines: `memory.stat`, `cpu.stat`, `misc.current`.
///
/// # Errors
/// The first line of another form.
pub fn parse_flat(text: &str) -> Result<BTreeMap<String, u64>, Malformed> {
    let pair = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        (!key.is_empty()).then_some((key.to_owned(), parse_count(value)?))
    };
    text.lines().map(|line| pair(line).ok_or_else(|| malformed(line))).collect()
}

/// `0-3,7`; empty for an empty file.
///
/// # Errors
/// The text, if a number is none, above 65535, or a range runs backwards.
pub fn parse_list(text: &str) -> Result<Vec<u16>, Malformed> {
    let text = text.trim();
    let mut numbers = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
        let (first, last) = range.ok_or_else(|| malformed(text))?;
        if first > last || numbers.len() + usize::from(last - first) > usize::from(MAX_LIST) {
            return Err(malformed(text));
        }
        numbers.extend(first..=last);
    }
    Ok(numbers)
}

/// Numbers between spaces: `cpuacct.usage_percpu`.
///
/// # Errors
/// The text, if one is no number.
pub fn parse_numbers(text: &str) -> Result<Vec<u64>, Malformed> {
    let number = |word: &str| word.parse().map_err(|_| malformed(text));
    text.split_whitespace().map(number).collect()
}

/// `cpuacct.usage_all`: (kernel, user) of each CPU.
///
/// # Errors
/// The first line of another form than `cpu user system`.
pub fn parse_usage_all(text: &str) -> Result<(Vec<u64>, Vec<u64>), Malformed> {
    let mut lines = text.lines();
    match lines.next() {
        Some(header) if header.starts_with("cpu user system") => {}
        header => return Err(malformed(header.unwrap_or_default())),
    }
    let of_cpu = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let user = words.next()?.parse().ok()?;
        Some((words.next()?.parse().ok()?, user))
    };
    let pairs: Result<Vec<(u64, u64)>, Malformed> =
        lines.map(|line| of_cpu(line).ok_or_else(|| malformed(line))).collect();
    Ok(pairs?.into_iter().unzip())
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0` and the same for `full`.
///
/// # Errors
/// The first line with a malformed field; unknown lines and fields are skipped.
pub fn parse_pressure(text: &str) -> Result<Pressure, Malformed> {
    let mut pressure = Pressure::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let target = match words.next() {
            Some("some") => &mut pressure.some,
            Some("full") => &mut pressure.full,
            _ => continue,
        };
        for word in words {
            let field = word.split_once('=').and_then(|(key, value)| set_field(target, key, value));
            field.ok_or_else(|| malformed(line))?;
        }
    }
    Ok(pressure)
}

fn set_field(line: &mut PressureLine, key: &str, value: &str) -> Option<()> {
    let average = || value.parse::<f64>().ok().filter(|average| average.is_finite());
    match key {
        "avg10" => line.avg10 = average()?,
        "avg60" => line.avg60 = average()?,
        "avg300" => line.avg300 = average()?,
        "total" => line.total = value.parse().ok()?,
        _ => {}
    }
    Some(())
}

/// `8:0 rbytes=1 wbytes=2 ...`, (key, entry) in the file's order.
///
/// # Errors
/// The first line without device numbers or with a value that is no number.
pub fn parse_io_stat(text: &str) -> Result<Vec<(String, BlkioEntry)>, Malformed> {
    let mut entries = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(device) = words.next() else { continue };
        let numbers = device.split_once(':').and_then(|(major, minor)| {
            Some((major.parse::<u64>().ok()?, minor.parse::<u64>().ok()?))
        });
        let (major, minor) = numbers.ok_or_else(|| malformed(line))?;
        for word in words {
            let Some((key, value)) = word.split_once('=') else { continue };
            let value = value.parse().map_err(|_| malformed(line))?;
            let entry = BlkioEntry { major, minor, op: String::new(), value };
            entries.push((key.to_owned(), entry));
        }
    }
    Ok(entries)
}

/// A blkio file of version 1: `8:0 Read 5`, or `8:0 5`; the totals are skipped.
///
/// # Errors
/// The first line of another form.
pub fn parse_blkio(text: &str) -> Result<Vec<BlkioEntry>, Malformed> {
    let entry = |line: &str| {
        let mut words = line.split([' ', ':']).filter(|word| !word.is_empty());
        let (major, minor) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let third = words.next()?;
        let (op, value) = match words.next() {
            Some(value) => (third, value),
            None => ("", third),
        };
        Some(BlkioEntry { major, minor, op: op.to_owned(), value: value.parse().ok()? })
    };
    let lines = text.lines().filter(|line| !line.starts_with("Total") && !line.is_empty());
    lines.map(|line| entry(line).ok_or_else(|| malformed(line))).collect()
}

/// `mlx4_0 hca_handle=2 hca_object=max`; lines of another form are skipped.
#[must_use]
pub fn parse_rdma(text: &str) -> Vec<RdmaEntry> {
    let limit = |value: &str| match value {
        "max" => Some(u32::MAX),
        value => value.parse().ok(),
    };
    let entry = |line: &str| {
        let mut words = line.split(' ');
        let mut entry = RdmaEntry { device: words.next()?.to_owned(), ..RdmaEntry::default() };
        for word in words.filter(|word| !word.is_empty()) {
            match word.split_once('=')? {
                ("hca_handle", value) => entry.hca_handles = limit(value)?,
                ("hca_object", value) => entry.hca_objects = limit(value)?,
                _ => {}
            }
        }
        Some(entry)
    };
    text.lines().filter_map(entry).collect()
}

/// `hugepages-2048kB` as the control files spell it: `2MB`.
#[must_use]
pub fn page_size(directory: &str) -> Option<String> {
    let kib: u64 = directory.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
    Some(match kib {
        kib if kib >= 1 << 20 => format!("{}GB", kib >> 20),
        kib if kib >= 1 << 10 => format!("{}MB", kib >> 10),
        kib => format!("{kib}KB"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_flat_files() {
        assert_eq!(parse_count("max\n"), Some(u64::MAX));
        assert_eq!(parse_count("-5"), Some(0));
        assert_eq!(parse_count("-99999999999999999999999"), Some(0));
        assert_eq!((parse_count("-"), parse_count("x"), parse_count("")), (None, None, None));
        assert_eq!(flat_value("frozen 0\npopulated 1\n", "populated"), Some(1));
        assert_eq!(flat_value("oom_kill_disable 1\noom_kill 3\n", "oom_kill"), Some(3));
        let flat = parse_flat("anon 1\nfile 2\n").unwrap();
        assert_eq!(flat["file"], 2);
        assert_eq!(parse_flat("anon\n").unwrap_err(), Malformed("anon".into()));
    }

    #[test]
    fn lists_of_cpus() {
        assert_eq!(parse_list("0-2,7\n").unwrap(), [0, 1, 2, 7]);
        assert_eq!(parse_list("\n").unwrap(), [0u16; 0]);
        assert_eq!(parse_list("0-65535").unwrap().len(), 65_536);
        for bad in ["3-1", "x", "1-", "0-65536", "0-65535,0-65535"] {
            assert!(parse_list(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cpu_usage_of_version_1() {
        assert_eq!(parse_numbers("5 6 \n").unwrap(), [5, 6]);
        let (kernel, user) = parse_usage_all("cpu user system\n0 1 2\n1 3 4\n").unwrap();
        assert_eq!((kernel, user), (vec![2, 4], vec![1, 3]));
        assert!(parse_usage_all("").is_err() && parse_usage_all("cpu user system\n0 1").is_err());
    }

    #[test]
    fn pressure_has_two_lines() {
        let text = "some avg10=1.50 avg60=0.00 avg300=0.25 total=42\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        let pressure = parse_pressure(text).unwrap();
        assert_eq!((pressure.some.avg10, pressure.some.total), (1.5, 42));
        assert_eq!(pressure.full.total, 7);
        assert!(parse_pressure("some avg10\n").is_err());
        assert!(parse_pressure("some avg10=nan\n").is_err());
        assert_eq!(parse_pressure("future x=1\n\n").unwrap(), Pressure::default());
    }

    #[test]
    fn io_of_both_versions() {
        let entries = parse_io_stat("8:0 rbytes=1 wbytes=2\n259:3\n").unwrap();
        assert_eq!(entries[1].0, "wbytes");
        assert_eq!((entries[1].1.major, entries[1].1.value), (8, 2));
        assert!(parse_io_stat("8 rbytes=1\n").is_err() && parse_io_stat("8:0 a=b\n").is_err());
        let entries = parse_blkio("8:0 Read 5\n8:16 6\nTotal 11\n").unwrap();
        assert_eq!((entries[0].op.as_str(), entries[0].value), ("Read", 5));
        assert_eq!((entries[1].op.as_str(), entries[1].minor), ("", 16));
        assert!(parse_blkio("8:0\n").is_err());
    }

    #[test]
    fn rdma_and_page_sizes() {
        let entries = parse_rdma("mlx4_0 hca_handle=2 hca_object=max\nbad x\n");
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].hca_handles, entries[0].hca_objects), (2, u32::MAX));
        assert_eq!(page_size("hugepages-2048kB").as_deref(), Some("2MB"));
        assert_eq!(page_size("hugepages-1048576kB").as_deref(), Some("1GB"));
        assert_eq!(page_size("hugepages-64kB").as_deref(), Some("64KB"));
        assert_eq!(page_size("hugepages-x"), None);
    }
}
