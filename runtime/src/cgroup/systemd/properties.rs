//! Limits as properties of a unit (systemd.resource-control(5)).
//!
//! Only what systemd would else overwrite or what it shows: the files are written as well, so a
//! property that this version of systemd lacks is left out.

use super::super::convert;
use super::super::devices::{allow_everything, allow_list};
use super::{CgroupError, LayoutKind, Property, Value};
use crate::spec::{DeviceRule, DeviceRuleKind, Resources};

const INFINITY: u64 = u64::MAX;
const MICROSECONDS_PER_SECOND: u64 = 1_000_000;
/// systemd keeps a CPU quota as whole percents: so many microseconds of a second.
const QUOTA_STEP: u64 = 10_000;
const DEFAULT_CPU_PERIOD: u64 = 100_000;
/// CPUs and memory nodes in a mask.
const MAX_MASK_BITS: usize = 65_536;

// The first versions of systemd that have a property.
const DEVICE_GLOBS: u32 = 240;
const QUOTA_PERIOD: u32 = 242;
const ALLOWED_CPUS: u32 = 244;
const IDLE_WEIGHT: u32 = 252;
const OOM_POLICY: u32 = 253;
/// Files of version 2.
const IDLE: &str = "cpu.idle";
const WEIGHT: &str = "cpu.weight";

/// The quota that systemd will make of `quota`, so that both write the same.
#[must_use]
pub fn rounded_quota(quota: i64, period: Option<u64>) -> i64 {
    let period = period.filter(|period| *period != 0).unwrap_or(DEFAULT_CPU_PERIOD);
    let Ok(wanted) = u64::try_from(quota) else { return quota };
    let per_second = wanted.saturating_mul(MICROSECONDS_PER_SECOND) / period;
    if per_second.is_multiple_of(QUOTA_STEP) {
        return quota;
    }
    let rounded = per_second.next_multiple_of(QUOTA_STEP).saturating_mul(period);
    i64::try_from(rounded / MICROSECONDS_PER_SECOND).unwrap_or(i64::MAX)
}

/// `resources` with what systemd rounds as it will round it, and without what it can't hold
/// ([`drops_weight`]).
#[must_use]
pub fn as_kept(resources: &Resources, kind: LayoutKind) -> Resources {
    let mut kept = resources.clone();
    kept.cpu.quota = kept.cpu.quota.map(|quota| rounded_quota(quota, kept.cpu.period));
    if drops_weight(resources, kind) {
        kept.cpu.shares = None;
        kept.unified.remove(WEIGHT);
    }
    kept
}

/// Whether a weight is asked for an idle cgroup: to systemd a weight of 0 is what makes it idle.
#[must_use]
pub fn drops_weight(resources: &Resources, kind: LayoutKind) -> bool {
    let (cpu, unified) = (&resources.cpu, &resources.unified);
    let is_idle = cpu.idle == Some(1) || unified.get(IDLE).is_some_and(|text| text.trim() == "1");
    let shares = cpu.shares.is_some_and(|shares| shares != 0);
    kind == LayoutKind::V2 && is_idle && (shares || unified.contains_key(WEIGHT))
}

/// The properties for `resources`, which are [`as_kept`], on a host of this shape, for systemd
/// `version`.
///
/// # Errors
/// [`CgroupError::Refused`] for a list of CPUs or a value of `unified` that is none.
pub fn limit_properties(
    resources: &Resources,
    kind: LayoutKind,
    version: u32,
) -> Result<Vec<Property>, CgroupError> {
    let mut list = List { properties: Vec::new(), version };
    let is_v2 = kind == LayoutKind::V2;
    let (memory, cpu) = (&resources.memory, &resources.cpu);
    let limit = memory.limit.filter(|limit| *limit != 0);
    list.bytes(if is_v2 { "MemoryMax" } else { "MemoryLimit" }, limit);
    if is_v2 {
        list.bytes("MemoryLow", memory.reservation.filter(|bytes| *bytes != 0));
        let swap = convert::swap_limit(memory.swap.unwrap_or(0), memory.limit.unwrap_or(0));
        // A contradiction was refused when the files were planned.
        list.bytes("MemorySwapMax", swap.unwrap_or(None));
    }
    let shares = cpu.shares.filter(|shares| *shares != 0);
    let is_idle = cpu.idle == Some(1) && version >= IDLE_WEIGHT;
    match shares {
        _ if is_v2 && is_idle => list.number("CPUWeight", 0),
        Some(shares) if is_v2 => list.number("CPUWeight", convert::cpu_weight(shares)),
        Some(shares) => list.number("CPUShares", shares),
        None => {}
    }
    list.quota(cpu.quota.filter(|quota| *quota != 0), cpu.period.filter(|period| *period != 0));
    if let Some(weight) = resources.block_io.weight.filter(|weight| *weight != 0 && !is_v2) {
        list.number("BlockIOWeight", u64::from(weight));
    }
    if let Some(limit) = resources.pids_limit {
        list.number("TasksMax", u64::try_from(limit).map_or(INFINITY, |limit| limit.max(1)));
    }
    for (property, name, text) in
        [("cpu.cpus", "AllowedCPUs", &cpu.cpus), ("cpu.mems", "AllowedMemoryNodes", &cpu.mems)]
    {
        if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
            list.mask(&format!("linux.resources.{property}"), name, text)?;
        }
    }
    for (file, text) in &resources.unified {
        list.unified(file, text.trim())?;
    }
    Ok(list.properties)
}

/// Properties that can only be given to a unit that starts.
#[must_use]
pub(super) fn start_properties(resources: &Resources, version: u32) -> Vec<Property> {
    let policy = match resources.unified.get("memory.oom.group").map(|text| text.trim()) {
        Some("0") => "continue",
        Some("1") => "kill",
        _ => return Vec::new(),
    };
    let property = Property::new("OOMPolicy", Value::Str(policy.to_owned()));
    if version >= OOM_POLICY { vec![property] } else { Vec::new() }
}

/// The device rules as an allow list.
///
/// Rules that systemd can't hold need no filter of its own on version 2, where ours is beside it;
/// on version 1 it would allow everything whenever it writes, so what it can hold must do.
#[must_use]
pub fn device_properties(rules: &[DeviceRule], kind: LayoutKind, version: u32) -> Vec<Property> {
    let entry_type = || "(ss)".to_owned();
    let none = Property::new("DeviceAllow", Value::Array(entry_type(), Vec::new()));
    let policy = |policy: &str| Property::new("DevicePolicy", Value::Str(policy.to_owned()));
    let entries = allow_list(rules).map(|allowed| {
        let all: Vec<Option<Value>> =
            allowed.iter().map(|rule| device_entry(rule, version)).collect();
        let is_whole = all.iter().all(Option::is_some);
        (all.into_iter().flatten().collect::<Vec<Value>>(), is_whole)
    });
    match entries {
        _ if allow_everything(rules) => vec![none, policy("auto")],
        Some((entries, is_whole)) if is_whole || kind != LayoutKind::V2 => {
            let list = Property::new("DeviceAllow", Value::Array(entry_type(), entries));
            vec![none, policy("strict"), list]
        }
        None if kind != LayoutKind::V2 => vec![none, policy("strict")],
        _ => vec![none, policy("auto")],
    }
}

/// `None` for a rule that this systemd has no words for.
fn device_entry(rule: &DeviceRule, version: u32) -> Option<Value> {
    let kind = if rule.kind == DeviceRuleKind::Block { "block" } else { "char" };
    let path = match (rule.major, rule.minor) {
        (None, None) => format!("{kind}-*"),
        (Some(major), None) if version >= DEVICE_GLOBS => format!("{kind}-{major}"),
        (Some(major), Some(minor)) => format!("/dev/{kind}/{major}:{minor}"),
        _ => return None,
    };
    let letters = super::super::devices::letters(rule.access);
    Some(Value::Struct(vec![Value::Str(path), Value::Str(letters)]))
}

struct List {
    properties: Vec<Property>,
    version: u32,
}

fn refused(property: &str, why: &str) -> CgroupError {
    CgroupError::Refused { property: property.to_owned(), why: why.to_owned() }
}

impl List {
    fn number(&mut self, name: &str, number: u64) {
        self.properties.push(Property::new(name, Value::Uint64(number)));
    }

    /// Anything negative is unlimited.
    fn bytes(&mut self, name: &str, bytes: Option<i64>) {
        if let Some(bytes) = bytes {
            self.number(name, u64::try_from(bytes).unwrap_or(INFINITY));
        }
    }

    fn quota(&mut self, quota: Option<i64>, period: Option<u64>) {
        if let Some(period) = period.filter(|_| self.version >= QUOTA_PERIOD) {
            self.number("CPUQuotaPeriodUSec", period);
        }
        if quota.is_none() && period.is_none() {
            return;
        }
        let wanted = quota.and_then(|quota| u64::try_from(rounded_quota(quota, period)).ok());
        let per_second = wanted.map_or(INFINITY, |quota| {
            let period = period.unwrap_or(DEFAULT_CPU_PERIOD);
            (quota.saturating_mul(MICROSECONDS_PER_SECOND) / period).next_multiple_of(QUOTA_STEP)
        });
        self.number("CPUQuotaPerSecUSec", per_second);
    }

    fn mask(&mut self, property: &str, name: &str, text: &str) -> Result<(), CgroupError> {
        let mask = parse_mask(text).ok_or_else(|| refused(property, "it is no list of numbers"))?;
        if self.version >= ALLOWED_CPUS {
            self.properties.push(Property::new(name, Value::bytes(&mask)));
        }
        Ok(())
    }

    /// A file of version 2 as the property that systemd keeps of it; unknown ones are written
    /// only.
    fn unified(&mut self, file: &str, text: &str) -> Result<(), CgroupError> {
        let property = format!("unified resource {file}");
        let bad = || refused(&property, "its value is no number");
        let count = || match text {
            "max" => Ok(INFINITY),
            text => text.parse::<u64>().map_err(|_| bad()),
        };
        match file {
            IDLE if text == "1" && self.version >= IDLE_WEIGHT => self.number("CPUWeight", 0),
            WEIGHT => self.number("CPUWeight", count()?),
            "cpu.max" => {
                let mut words = text.split_whitespace();
                let quota = match words.next() {
                    Some("max") => None,
                    Some(quota) => Some(quota.parse().map_err(|_| bad())?),
                    None => return Err(bad()),
                };
                let period = words.next().map(|period| period.parse().map_err(|_| bad()));
                self.quota(quota, Some(period.transpose()?.unwrap_or(DEFAULT_CPU_PERIOD)));
            }
            "cpuset.cpus" => self.mask(&property, "AllowedCPUs", text)?,
            "cpuset.mems" => self.mask(&property, "AllowedMemoryNodes", text)?,
            "memory.high" => self.number("MemoryHigh", count()?),
            "memory.low" => self.number("MemoryLow", count()?),
            "memory.min" => self.number("MemoryMin", count()?),
            "memory.max" => self.number("MemoryMax", count()?),
            "memory.swap.max" => self.number("MemorySwapMax", count()?),
            "pids.max" => self.number("TasksMax", count()?.max(1)),
            _ => {}
        }
        Ok(())
    }
}

/// `0-2,7` as a bit mask, the lowest byte first. `None` if malformed or empty.
fn parse_mask(text: &str) -> Option<Vec<u8>> {
    let mut mask: Vec<u8> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= MAX_MASK_BITS {
            return None;
        }
        mask.resize(mask.len().max(last / 8 + 1), 0);
        (first..=last).for_each(|bit| mask[bit / 8] |= 1 << (bit % 8));
    }
    (!mask.is_empty()).then_some(mask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Cpu, DeviceAccess, Memory};

    #[track_caller]
    fn check(resources: &Resources, kind: LayoutKind, version: u32, golden: &[&str]) {
        let shown: Vec<String> = limit_properties(resources, kind, version)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(shown, golden);
    }

    fn sample() -> Resources {
        Resources {
            memory: Memory {
                limit: Some(100),
                swap: Some(300),
                reservation: Some(50),
                ..Memory::default()
            },
            cpu: Cpu {
                shares: Some(1024),
                quota: Some(50_000),
                period: Some(100_000),
                cpus: Some("0-1,9".to_owned()),
                ..Cpu::default()
            },
            pids_limit: Some(0),
            ..Resources::default()
        }
    }

    #[test]
    fn what_systemd_can_not_hold_is_not_kept() {
        let cpu = Cpu {
            quota: Some(500_000),
            period: Some(900_000),
            shares: Some(200),
            idle: Some(1),
            ..Cpu::default()
        };
        let resources = Resources { cpu, ..Resources::default() };
        let kept = as_kept(&resources, LayoutKind::V2).cpu;
        assert_eq!((kept.quota, kept.shares), (Some(504_000), None));
        let mut unified = Resources::default();
        unified.unified.insert(IDLE.to_owned(), "1".to_owned());
        assert_eq!(as_kept(&unified, LayoutKind::V2), unified);
        unified.unified.insert(WEIGHT.to_owned(), "8".to_owned());
        assert_eq!(as_kept(&unified, LayoutKind::V2).unified.len(), 1);
        let kept = as_kept(&resources, LayoutKind::V1).cpu;
        assert_eq!((kept.quota, kept.shares), (Some(504_000), Some(200)));
    }

    #[test]
    fn limits_of_each_version() {
        check(
            &sample(),
            LayoutKind::V2,
            252,
            &[
                "MemoryMax=uint64 100",
                "MemoryLow=uint64 50",
                "MemorySwapMax=uint64 200",
                "CPUWeight=uint64 100",
                "CPUQuotaPeriodUSec=uint64 100000",
                "CPUQuotaPerSecUSec=uint64 500000",
                "TasksMax=uint64 1",
                "AllowedCPUs=[byte 3, byte 2]",
            ],
        );
        check(
            &sample(),
            LayoutKind::V1,
            239,
            &[
                "MemoryLimit=uint64 100",
                "CPUShares=uint64 1024",
                "CPUQuotaPerSecUSec=uint64 500000",
                "TasksMax=uint64 1",
            ],
        );
        let idle = Resources {
            cpu: Cpu { idle: Some(1), quota: Some(-1), ..Cpu::default() },
            pids_limit: Some(-1),
            memory: Memory { limit: Some(-1), ..Memory::default() },
            ..Resources::default()
        };
        check(
            &idle,
            LayoutKind::V2,
            252,
            &[
                "MemoryMax=uint64 18446744073709551615",
                "MemorySwapMax=uint64 18446744073709551615",
                "CPUWeight=uint64 0",
                "CPUQuotaPerSecUSec=uint64 18446744073709551615",
                "TasksMax=uint64 18446744073709551615",
            ],
        );
    }

    #[test]
    fn unified_files_have_properties() {
        let mut resources = Resources::default();
        for (file, text) in [
            ("cpu.max", "5000 10000"),
            ("cpu.weight", "42"),
            ("memory.high", "max"),
            ("pids.max", "0"),
            ("cpuset.mems", "0"),
            ("hugetlb.2MB.max", "1"),
        ] {
            resources.unified.insert(file.to_owned(), text.to_owned());
        }
        check(
            &resources,
            LayoutKind::V2,
            252,
            &[
                "CPUQuotaPeriodUSec=uint64 10000",
                "CPUQuotaPerSecUSec=uint64 500000",
                "CPUWeight=uint64 42",
                "AllowedMemoryNodes=[byte 1]",
                "MemoryHigh=uint64 18446744073709551615",
                "TasksMax=uint64 1",
            ],
        );
        resources.unified.insert("memory.max".to_owned(), "lots".to_owned());
        assert!(limit_properties(&resources, LayoutKind::V2, 252).is_err());
    }

    #[test]
    fn quotas_round_up_to_a_percent() {
        assert_eq!(rounded_quota(50_000, None), 50_000);
        assert_eq!(rounded_quota(50_001, None), 51_000);
        assert_eq!(rounded_quota(1, Some(1_000_000)), 10_000);
        assert_eq!(rounded_quota(-1, None), -1);
    }

    #[test]
    fn masks() {
        assert_eq!(parse_mask("0-2, 8"), Some(vec![7, 1]));
        for bad in ["", ",", "2-1", "x", "99999999"] {
            assert_eq!(parse_mask(bad), None, "{bad}");
        }
    }

    fn rule(
        allow: bool,
        kind: DeviceRuleKind,
        major: Option<u32>,
        minor: Option<u32>,
    ) -> DeviceRule {
        let access = DeviceAccess { read: true, write: true, mknod: true };
        DeviceRule { allow, kind, major, minor, access }
    }

    #[test]
    fn devices_as_an_allow_list() {
        use DeviceRuleKind::{All, Block, Char};
        let shown = |rules: &[DeviceRule], kind, version| {
            let list = device_properties(rules, kind, version);
            list.iter().skip(1).map(ToString::to_string).collect::<Vec<_>>()
        };
        let rules = [
            rule(false, All, None, None),
            rule(true, Char, Some(1), Some(3)),
            rule(true, Char, Some(136), None),
            rule(true, Block, None, None),
        ];
        assert_eq!(
            shown(&rules, LayoutKind::V2, 252),
            [
                "DevicePolicy='strict'",
                "DeviceAllow=[('block-*', 'rwm'), ('/dev/char/1:3', 'rwm'), ('char-136', 'rwm')]"
            ]
        );
        // A version without the words leaves the filtering to us.
        assert_eq!(shown(&rules, LayoutKind::V2, 239), ["DevicePolicy='auto'"]);
        assert_eq!(shown(&rules, LayoutKind::V1, 239).len(), 2);
        assert_eq!(
            shown(&[rule(true, All, None, None)], LayoutKind::V1, 252),
            ["DevicePolicy='auto'"]
        );
    }
}
