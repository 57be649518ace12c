//! `linux.resources` (config-linux.md#control-groups).
//!
//! A 0 is left out wherever runc takes it for "not set": memory limits, CPU shares, quota, period
//! and their real-time twins, block I/O weights. Elsewhere 0 is a value.

use std::collections::BTreeMap;

use super::at::At;
use super::checks::{count, list, no_nul, non_empty, range, required};
use super::devices::{device_number, interface_name, wildcard_number};
use super::{Problem, SpecError, limits};
use crate::spec::wire::{self, Entries, Text};
use crate::spec::{
    BlockIo, Cpu, DeviceAccess, DeviceRule, DeviceRuleKind, Memory, Resources, ThrottleDevice,
    WeightDevice,
};

/// `linux.resources`, and the file of `update -r`.
pub(super) fn read_resources(
    resources: wire::Resources<'_>,
    at: &At<'_>,
) -> Result<Resources, SpecError> {
    let wire::Resources {
        devices,
        memory,
        cpu,
        cpu_in_capitals,
        block_io,
        pids,
        hugepage_limits,
        network,
        rdma,
        unified,
    } = resources;
    let (net_class_id, net_priorities) = read_network(network, &at.field("network"))?;
    Ok(Resources {
        devices: read_device_rules(devices, &at.field("devices"))?,
        memory: read_memory(memory, &at.field("memory"))?,
        cpu: read_cpu(cpu_in_capitals, &at.field("CPU"))?.or(read_cpu(cpu, &at.field("cpu"))?),
        block_io: read_block_io(block_io, &at.field("blockIO"))?,
        pids_limit: read_pids(pids, &at.field("pids"))?,
        hugepages: read_hugepages(hugepage_limits, &at.field("hugepageLimits"))?,
        net_class_id,
        net_priorities,
        rdma: read_rdma(rdma, &at.field("rdma"))?,
        unified: read_unified(unified, &at.field("unified"))?,
    })
}

fn read_device_rules(
    rules: Option<Vec<wire::DeviceRule<'_>>>,
    at: &At<'_>,
) -> Result<Vec<DeviceRule>, SpecError> {
    let rules = list(rules, limits::MAX_DEVICES, at)?;
    let rules = rules.into_iter().enumerate();
    rules.map(|(index, rule)| read_device_rule(rule, &at.index(index))).collect()
}

fn read_device_rule(rule: wire::DeviceRule<'_>, at: &At<'_>) -> Result<DeviceRule, SpecError> {
    let wire::DeviceRule { allow, r#type, major, minor, access } = rule;
    let kind = match r#type.as_deref() {
        None | Some("" | "a") => DeviceRuleKind::All,
        Some("c") => DeviceRuleKind::Char,
        Some("b") => DeviceRuleKind::Block,
        Some(other) => {
            let value = other.to_owned();
            return at.field("type").fail(Problem::Unknown { what: "device type", value });
        }
    };
    Ok(DeviceRule {
        allow: required(allow, &at.field("allow"))?,
        kind,
        major: wildcard_number(major, limits::MAX_MAJOR, &at.field("major"))?,
        minor: wildcard_number(minor, limits::MAX_MINOR, &at.field("minor"))?,
        access: read_access(&required(access, &at.field("access"))?, &at.field("access"))?,
    })
}

fn read_access(letters: &str, at: &At<'_>) -> Result<DeviceAccess, SpecError> {
    non_empty(letters, at)?;
    let mut access = DeviceAccess { read: false, write: false, mknod: false };
    for letter in letters.chars() {
        match letter {
            'r' => access.read = true,
            'w' => access.write = true,
            'm' => access.mknod = true,
            // Configurations say `rwa`; it is no letter of the specification, and runc passes it
            // over.
            'a' if letters.len() > 1 => {}
            _ => {
                let expected = "made of the letters `r`, `w` and `m`";
                return at.fail(Problem::Malformed { value: letters.to_owned(), expected });
            }
        }
    }
    Ok(access)
}

/// -1 or more; 0 is left out.
fn limit(value: Option<i64>, at: &At<'_>) -> Result<Option<i64>, SpecError> {
    match value {
        None | Some(0) => Ok(None),
        Some(value) => range(value, -1, i64::MAX, at).map(Some),
    }
}

fn non_zero(value: Option<u64>) -> Option<u64> {
    value.filter(|value| *value != 0)
}

fn read_memory(memory: Option<wire::Memory>, at: &At<'_>) -> Result<Memory, SpecError> {
    let Some(wire::Memory {
        limit: max,
        reservation,
        swap,
        kernel,
        kernel_tcp,
        swappiness,
        disable_oom_killer,
        use_hierarchy,
        check_before_update,
    }) = memory
    else {
        return Ok(Memory::default());
    };
    Ok(Memory {
        limit: limit(max, &at.field("limit"))?,
        reservation: limit(reservation, &at.field("reservation"))?,
        swap: limit(swap, &at.field("swap"))?,
        kernel: limit(kernel, &at.field("kernel"))?,
        kernel_tcp: limit(kernel_tcp, &at.field("kernelTCP"))?,
        swappiness: match swappiness {
            Some(value) => Some(range(value, 0u64, 100, &at.field("swappiness"))?),
            None => None,
        },
        disable_oom_killer,
        use_hierarchy,
        check_before_update,
    })
}

impl Cpu {
    /// What is not set here is as in `other`.
    fn or(self, other: Cpu) -> Cpu {
        Cpu {
            shares: self.shares.or(other.shares),
            quota: self.quota.or(other.quota),
            burst: self.burst.or(other.burst),
            period: self.period.or(other.period),
            realtime_runtime: self.realtime_runtime.or(other.realtime_runtime),
            realtime_period: self.realtime_period.or(other.realtime_period),
            cpus: self.cpus.or(other.cpus),
            mems: self.mems.or(other.mems),
            idle: self.idle.or(other.idle),
        }
    }
}

fn read_cpu(cpu: Option<wire::Cpu<'_>>, at: &At<'_>) -> Result<Cpu, SpecError> {
    let Some(wire::Cpu {
        shares,
        quota,
        burst,
        period,
        realtime_runtime,
        realtime_period,
        cpus,
        mems,
        idle,
    }) = cpu
    else {
        return Ok(Cpu::default());
    };
    let quota = limit(quota, &at.field("quota"))?;
    if let (Some(burst), Some(quota)) = (burst, quota.and_then(|quota| u64::try_from(quota).ok())) {
        range(burst, 0, quota, &at.field("burst"))?;
    }
    Ok(Cpu {
        shares: non_zero(shares),
        quota,
        burst,
        period: non_zero(period),
        realtime_runtime: limit(realtime_runtime, &at.field("realtimeRuntime"))?,
        realtime_period: non_zero(realtime_period),
        cpus: read_cpuset(cpus, &at.field("cpus"))?,
        mems: read_cpuset(mems, &at.field("mems"))?,
        idle: match idle {
            Some(idle) => Some(range(idle, 0i64, 1, &at.field("idle"))?),
            None => None,
        },
    })
}

/// Text the kernel reads as a list; empty means not set.
fn read_cpuset(text: Option<Text<'_>>, at: &At<'_>) -> Result<Option<String>, SpecError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    // With `:` and `/`, for the strided ranges of the kernel's list format.
    match text.bytes().all(|b| b.is_ascii_digit() || b", -:/".contains(&b)) {
        true => Ok(Some(text.into_string())),
        false => {
            let expected = "a list of numbers such as `0-3,7`";
            at.fail(Problem::Malformed { value: text.into_string(), expected })
        }
    }
}

fn read_block_io(block_io: Option<wire::BlockIo>, at: &At<'_>) -> Result<BlockIo, SpecError> {
    let Some(wire::BlockIo {
        weight,
        leaf_weight,
        weight_device,
        throttle_read_bps_device,
        throttle_write_bps_device,
        throttle_read_iops_device,
        throttle_write_iops_device,
    }) = block_io
    else {
        return Ok(BlockIo::default());
    };
    let at_devices = at.field("weightDevice");
    let devices = list(weight_device, limits::MAX_DEVICES, &at_devices)?.into_iter().enumerate();
    Ok(BlockIo {
        weight: read_weight(weight, &at.field("weight"))?,
        leaf_weight: read_weight(leaf_weight, &at.field("leafWeight"))?,
        weight_devices: devices
            .map(|(index, device)| read_weight_device(device, &at_devices.index(index)))
            .collect::<Result<_, _>>()?,
        read_bps: read_throttles(throttle_read_bps_device, &at.field("throttleReadBpsDevice"))?,
        write_bps: read_throttles(throttle_write_bps_device, &at.field("throttleWriteBpsDevice"))?,
        read_iops: read_throttles(throttle_read_iops_device, &at.field("throttleReadIOPSDevice"))?,
        write_iops: read_throttles(
            throttle_write_iops_device,
            &at.field("throttleWriteIOPSDevice"),
        )?,
    })
}

/// The range of cgroup v1, which is also the one runc converts from.
fn read_weight(weight: Option<u16>, at: &At<'_>) -> Result<Option<u16>, SpecError> {
    match weight {
        None | Some(0) => Ok(None),
        Some(weight) => range(weight, 10u16, 1000, at).map(Some),
    }
}

fn read_weight_device(device: wire::WeightDevice, at: &At<'_>) -> Result<WeightDevice, SpecError> {
    let wire::WeightDevice { major, minor, weight, leaf_weight } = device;
    let read = WeightDevice {
        major: device_number(major, limits::MAX_MAJOR, &at.field("major"))?,
        minor: device_number(minor, limits::MAX_MINOR, &at.field("minor"))?,
        weight: read_weight(weight, &at.field("weight"))?,
        leaf_weight: read_weight(leaf_weight, &at.field("leafWeight"))?,
    };
    if weight.is_none() && leaf_weight.is_none() {
        return at.fail(Problem::Needs { what: "`weight` or `leafWeight`" });
    }
    Ok(read)
}

fn read_throttles(
    devices: Option<Vec<wire::ThrottleDevice>>,
    at: &At<'_>,
) -> Result<Vec<ThrottleDevice>, SpecError> {
    let devices = list(devices, limits::MAX_DEVICES, at)?;
    let devices = devices.into_iter().enumerate();
    devices.map(|(index, device)| read_throttle(device, &at.index(index))).collect()
}

fn read_throttle(device: wire::ThrottleDevice, at: &At<'_>) -> Result<ThrottleDevice, SpecError> {
    let wire::ThrottleDevice { major, minor, rate } = device;
    Ok(ThrottleDevice {
        major: device_number(major, limits::MAX_MAJOR, &at.field("major"))?,
        minor: device_number(minor, limits::MAX_MINOR, &at.field("minor"))?,
        rate: required(rate, &at.field("rate"))?,
    })
}

fn read_pids(pids: Option<wire::Pids>, at: &At<'_>) -> Result<Option<i64>, SpecError> {
    match pids {
        Some(wire::Pids { limit: Some(limit) }) => {
            range(limit, -1, i64::MAX, &at.field("limit")).map(Some)
        }
        Some(wire::Pids { limit: None }) | None => Ok(None),
    }
}

fn read_hugepages(
    limits: Option<Vec<wire::HugepageLimit<'_>>>,
    at: &At<'_>,
) -> Result<Vec<(String, u64)>, SpecError> {
    let mut read: Vec<(String, u64)> = Vec::new();
    for (index, wire) in list(limits, limits::MAX_ENTRIES, at)?.into_iter().enumerate() {
        let at = at.index(index);
        let wire::HugepageLimit { page_size, limit } = wire;
        let at_size = at.field("pageSize");
        let size = required(page_size, &at_size)?.into_string();
        if !is_page_size(&size) {
            let expected = "a page size such as `64KB`, `2MB` or `1GB`";
            return at_size.fail(Problem::Malformed { value: size, expected });
        }
        if read.iter().any(|(other, _)| *other == size) {
            return at_size.fail(Problem::Duplicate { value: size });
        }
        read.push((size, required(limit, &at.field("limit"))?));
    }
    Ok(read)
}

/// `^[1-9][0-9]*[KMG]B$`
fn is_page_size(text: &str) -> bool {
    let digits = ["KB", "MB", "GB"].iter().find_map(|unit| text.strip_suffix(unit));
    digits.is_some_and(|digits| {
        !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

type NetPriorities = Vec<(String, u32)>;

fn read_network(
    network: Option<wire::Network<'_>>,
    at: &At<'_>,
) -> Result<(Option<u32>, NetPriorities), SpecError> {
    let Some(wire::Network { class_id, priorities }) = network else {
        return Ok((None, Vec::new()));
    };
    let at = at.field("priorities");
    let mut read = Vec::new();
    for (index, wire) in list(priorities, limits::MAX_ENTRIES, &at)?.into_iter().enumerate() {
        let at = at.index(index);
        let wire::InterfacePriority { name, priority } = wire;
        let at_name = at.field("name");
        let name = required(name, &at_name)?;
        interface_name(&name, &at_name)?;
        read.push((name.into_string(), required(priority, &at.field("priority"))?));
    }
    Ok((class_id, read))
}

type RdmaLimits = BTreeMap<String, (Option<u32>, Option<u32>)>;

fn read_rdma(rdma: Option<Entries<'_, wire::Rdma>>, at: &At<'_>) -> Result<RdmaLimits, SpecError> {
    let mut read = BTreeMap::new();
    let entries = rdma.map(|entries| entries.0).unwrap_or_default();
    count(entries.len(), limits::MAX_ENTRIES, at)?;
    for (device, wire) in entries {
        let at = at.key(&device);
        // The control file separates its words by blanks and its lines by newlines.
        if device.is_empty() || device.contains(|c: char| c.is_whitespace() || c == '\0') {
            let expected = "the name of an RDMA device";
            return at.fail(Problem::Malformed { value: device.to_string(), expected });
        }
        let wire::Rdma { hca_handles, hca_objects } = wire;
        if hca_handles.is_none() && hca_objects.is_none() {
            return at.fail(Problem::Needs { what: "`hcaHandles` or `hcaObjects`" });
        }
        if read.insert(device.to_string(), (hca_handles, hca_objects)).is_some() {
            return at.fail(Problem::Duplicate { value: device.to_string() });
        }
    }
    Ok(read)
}

/// Files of a cgroup that are no property of it. A process of the host that is written to the first
/// would be killed with the container.
const PROCESS_FILES: [&str; 3] = ["cgroup.procs", "cgroup.threads", "cgroup.kill"];

fn read_unified(
    unified: Option<Entries<'_, Text<'_>>>,
    at: &At<'_>,
) -> Result<BTreeMap<String, String>, SpecError> {
    let mut read = BTreeMap::new();
    let entries = unified.map(|entries| entries.0).unwrap_or_default();
    count(entries.len(), limits::MAX_ENTRIES, at)?;
    for (file, value) in entries {
        let at = at.key(&file);
        let is_name = !file.is_empty() && !file.starts_with('.') && !file.contains(['/', '\0']);
        if !is_name {
            let expected = "the name of a file of a cgroup, such as `memory.high`";
            return at.fail(Problem::Malformed { value: file.to_string(), expected });
        }
        if PROCESS_FILES.contains(&&*file) {
            let why = "it moves or kills processes, which may be the host's, and limits nothing";
            return at.fail(Problem::Unsupported { value: file.to_string(), why });
        }
        no_nul(&value, &at)?;
        if read.insert(file.to_string(), value.into_string()).is_some() {
            return at.fail(Problem::Duplicate { value: file.to_string() });
        }
    }
    Ok(read)
}
