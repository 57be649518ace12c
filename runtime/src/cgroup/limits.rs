//! From `linux.resources` to writes. Pure: which hierarchy holds which controller decides whether
//! a limit becomes a file of version 1 or of version 2, or is refused by its name in the config.

use super::plan::{Absent, Hierarchy, Place, Step, Write};
use super::{CgroupError, convert};
use crate::spec::{BlockIo, Cpu, Extensions, Memory, Resources, ThrottleDevice};

/// The period the kernel starts with, in microseconds.
const DEFAULT_CPU_PERIOD: u64 = 100_000;
/// What a limit of "none" is in files of version 2.
const MAX: &str = "max";

/// Where limits can be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Homes<'a> {
    /// The container's directories.
    pub(super) places: &'a [Place],
    /// Controllers of the unified hierarchy.
    pub(super) available: &'a [String],
}

/// The controller's files, and in which place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    V1(usize),
    V2(usize),
}

impl Homes<'_> {
    /// A controller is in one hierarchy at a time. `legacy` is its name there.
    fn of(&self, unified: &str, legacy: &str) -> Option<Home> {
        let v1 = self.places.iter().position(|place| place.has_legacy(legacy)).map(Home::V1);
        v1.or_else(|| self.unified(unified).map(Home::V2))
    }

    fn unified(&self, controller: &str) -> Option<usize> {
        let is_available = self.available.iter().any(|name| name == controller);
        is_available.then(|| self.unified_place()).flatten()
    }

    fn unified_place(&self) -> Option<usize> {
        self.places.iter().position(|place| place.hierarchy == Hierarchy::Unified)
    }
}

/// The steps for a set of resources.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Limits {
    /// What must be there before a process can join.
    pub(super) prepare: Vec<Step>,
    /// The rest, in order.
    pub(super) steps: Vec<Step>,
    /// Controllers of the unified hierarchy that these steps need.
    pub(super) required: Vec<&'static str>,
    /// The first controller of any version that has a limit.
    pub(super) first_needed: Option<&'static str>,
}

/// Plans every limit of `resources` and `extensions`.
///
/// # Errors
/// [`CgroupError::NoController`] and [`CgroupError::Refused`], by the property's name.
pub(super) fn plan_limits(
    resources: &Resources,
    extensions: &Extensions,
    homes: &Homes<'_>,
) -> Result<Limits, CgroupError> {
    let mut plan = Planner { homes, limits: Limits::default() };
    plan.cpuset(&resources.cpu)?;
    plan.pids(resources.pids_limit)?;
    plan.memory(&resources.memory)?;
    plan.memory_extensions(extensions)?;
    plan.block_io(&resources.block_io)?;
    plan.cpu(&resources.cpu)?;
    plan.realtime(&resources.cpu)?;
    plan.hugepages(&resources.hugepages)?;
    plan.rdma(resources)?;
    plan.network(resources)?;
    plan.unified(resources)?;
    Ok(plan.limits)
}

struct Planner<'a> {
    homes: &'a Homes<'a>,
    limits: Limits,
}

fn refused(property: &str, why: &str) -> CgroupError {
    CgroupError::Refused { property: format!("linux.resources.{property}"), why: why.to_owned() }
}

fn write(place: usize, file: impl Into<String>, value: impl ToString) -> Write {
    Write { place, file: file.into(), value: value.to_string(), absent: Absent::Fail }
}

/// `Some` unless the value is 0, which has meant "leave it" since the first runtimes.
fn set<T: Copy + Default + PartialEq>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

/// -1 as version 2 spells it.
fn or_max(value: i64) -> String {
    if value < 0 { MAX.to_owned() } else { value.to_string() }
}

impl Planner<'_> {
    /// The controller's home, noted as needed.
    fn need(
        &mut self,
        property: &str,
        unified: &'static str,
        legacy: &'static str,
    ) -> Result<Home, CgroupError> {
        let home = self.homes.of(unified, legacy).ok_or_else(|| CgroupError::NoController {
            property: format!("linux.resources.{property}"),
            controller: if self
                .homes
                .places
                .iter()
                .any(|place| place.hierarchy == Hierarchy::Unified)
            {
                unified.to_owned()
            } else {
                legacy.to_owned()
            },
        })?;
        if matches!(home, Home::V2(_)) && !self.limits.required.contains(&unified) {
            self.limits.required.push(unified);
        }
        self.limits.first_needed.get_or_insert(unified);
        Ok(home)
    }

    fn push(&mut self, write: Write) {
        self.limits.steps.push(Step::Write(write));
    }

    /// One write, or several that depend on each other.
    fn push_group(&mut self, mut writes: Vec<Write>) {
        match writes.len() {
            0 => {}
            1 => self.limits.steps.extend(writes.pop().map(Step::Write)),
            _ => self.limits.steps.push(Step::AnyOrder(writes)),
        }
    }

    /// On version 1 an empty cpuset takes no process, so it is filled from the parent first.
    fn cpuset(&mut self, cpu: &Cpu) -> Result<(), CgroupError> {
        if let Some(Home::V1(place)) = self.homes.of("cpuset", "cpuset") {
            self.limits.prepare.push(Step::InheritCpuset { place });
        }
        for (property, file, value) in
            [("cpu.cpus", "cpuset.cpus", &cpu.cpus), ("cpu.mems", "cpuset.mems", &cpu.mems)]
        {
            let Some(value) = value.as_ref().filter(|value| !value.is_empty()) else { continue };
            match self.need(property, "cpuset", "cpuset")? {
                // A member whose cpuset shrinks is moved at once: set it before anyone joins.
                Home::V1(place) => self.limits.prepare.push(Step::Write(write(place, file, value))),
                Home::V2(place) => self.push(write(place, file, value)),
            }
        }
        Ok(())
    }

    /// A limit of 0 is written as 1: systemd takes no 0, and in both cases nothing can fork.
    fn pids(&mut self, limit: Option<i64>) -> Result<(), CgroupError> {
        let Some(limit) = limit else { return Ok(()) };
        let (Home::V1(place) | Home::V2(place)) = self.need("pids.limit", "pids", "pids")?;
        let value = if limit < 0 { MAX.to_owned() } else { limit.max(1).to_string() };
        self.push(write(place, "pids.max", value));
        Ok(())
    }

    fn memory(&mut self, memory: &Memory) -> Result<(), CgroupError> {
        if *memory == Memory::default() {
            return Ok(());
        }
        match self.homes.of("memory", "memory") {
            Some(Home::V1(place)) => self.memory_v1(place, memory),
            _ => self.memory_v2(memory),
        }
    }

    fn memory_v1(&mut self, place: usize, memory: &Memory) -> Result<(), CgroupError> {
        self.need("memory", "memory", "memory")?;
        let limit = set(memory.limit);
        let swap = set(memory.swap);
        let mut group: Vec<Write> = Vec::new();
        group.extend(limit.map(|limit| write(place, "memory.limit_in_bytes", limit)));
        group.extend(swap.map(|swap| write(place, "memory.memsw.limit_in_bytes", swap)));
        if limit == Some(-1) && swap.is_none() {
            // No limit at all; the memsw file is there only where the kernel accounts swap.
            let memsw = write(place, "memory.memsw.limit_in_bytes", -1);
            group.insert(0, Write { absent: Absent::Skip, ..memsw });
        }
        self.push_group(group);
        let kernel = [
            ("memory.soft_limit_in_bytes", set(memory.reservation)),
            ("memory.kmem.limit_in_bytes", memory.kernel.filter(|limit| *limit > 0)),
            ("memory.kmem.tcp.limit_in_bytes", memory.kernel_tcp.filter(|limit| *limit > 0)),
        ];
        for (file, value) in kernel {
            if let Some(value) = value {
                self.push(write(place, file, value));
            }
        }
        if memory.disable_oom_killer == Some(true) {
            self.push(write(place, "memory.oom_control", 1));
        }
        if let Some(use_hierarchy) = memory.use_hierarchy {
            self.push(write(place, "memory.use_hierarchy", u8::from(use_hierarchy)));
        }
        match swappiness(memory) {
            None => {}
            Some(value @ 0..=100) => self.push(write(place, "memory.swappiness", value)),
            Some(_) => return Err(refused("memory.swappiness", "the valid range is 0 to 100")),
        }
        Ok(())
    }

    fn memory_v2(&mut self, memory: &Memory) -> Result<(), CgroupError> {
        let v1_only = "cgroup v2 has no such control";
        for (property, is_asked) in [
            ("memory.kernel", memory.kernel.is_some_and(|limit| limit > 0)),
            ("memory.kernelTCP", memory.kernel_tcp.is_some_and(|limit| limit > 0)),
            ("memory.swappiness", swappiness(memory).is_some()),
            ("memory.disableOOMKiller", memory.disable_oom_killer == Some(true)),
            ("memory.useHierarchy", memory.use_hierarchy == Some(false)),
        ] {
            if is_asked {
                return Err(refused(property, v1_only));
            }
        }
        let (limit, reservation) = (set(memory.limit), set(memory.reservation));
        let swap = convert::swap_limit(memory.swap.unwrap_or(0), memory.limit.unwrap_or(0))
            .map_err(|why| refused("memory.swap", why))?;
        if limit.is_none() && swap.is_none() && reservation.is_none() {
            return Ok(());
        }
        let (Home::V1(place) | Home::V2(place)) = self.need("memory", "memory", "memory")?;
        if memory.check_before_update == Some(true) {
            let checks = [("memory+swap", memory.swap), ("memory", memory.limit)];
            for (what, limit) in checks {
                if let Some(limit) =
                    limit.and_then(|limit| u64::try_from(limit).ok()).filter(|l| *l > 0)
                {
                    self.limits.steps.push(Step::RefuseBelowUsage { place, what, limit });
                }
            }
        }
        if let Some(swap) = swap {
            // Without swap in the kernel there is nothing to forbid.
            let absent = if swap <= 0 { Absent::Skip } else { Absent::Fail };
            self.push(Write { absent, ..write(place, "memory.swap.max", or_max(swap)) });
        }
        if let Some(limit) = limit {
            self.push(write(place, "memory.max", or_max(limit)));
        }
        if let Some(reservation) = reservation {
            self.push(write(place, "memory.low", or_max(reservation)));
        }
        Ok(())
    }

    fn memory_extensions(&mut self, extensions: &Extensions) -> Result<(), CgroupError> {
        for (file, value) in [
            ("memory.high", extensions.memory_high),
            ("memory.min", extensions.memory_min),
            ("memory.low", extensions.memory_low),
        ] {
            let Some(value) = value else { continue };
            let place = self.homes.unified("memory").ok_or_else(|| CgroupError::NoController {
                property: format!("annotation for {file}"),
                controller: "memory".to_owned(),
            })?;
            self.need(file, "memory", "memory")?;
            self.push(write(place, file, value));
        }
        Ok(())
    }

    fn block_io(&mut self, io: &BlockIo) -> Result<(), CgroupError> {
        if *io == BlockIo::default() {
            return Ok(());
        }
        let home = self.need("blockIO", "io", "blkio")?;
        for weight in io.weight.iter().chain(io.weight_devices.iter().flat_map(|d| &d.weight)) {
            if !matches!(weight, 0 | 10..=1000) {
                return Err(refused("blockIO.weight", "the valid range is 10 to 1000"));
            }
        }
        match home {
            Home::V1(place) => self.block_io_v1(place, io),
            Home::V2(place) => self.block_io_v2(place, io),
        }
    }

    fn block_io_v1(&mut self, place: usize, io: &BlockIo) -> Result<(), CgroupError> {
        let either = |file: &str, value: String| {
            let of_bfq = format!("blkio.bfq.{file}");
            let plain = format!("blkio.{file}");
            Step::FirstOf(vec![write(place, plain, &value), write(place, of_bfq, &value)])
        };
        if let Some(weight) = set(io.weight) {
            self.limits.steps.push(either("weight", weight.to_string()));
        }
        if let Some(weight) = set(io.leaf_weight) {
            self.push(write(place, "blkio.leaf_weight", weight));
        }
        for device in &io.weight_devices {
            let at = format!("{}:{}", device.major, device.minor);
            if let Some(weight) = set(device.weight) {
                self.limits.steps.push(either("weight_device", format!("{at} {weight}")));
            }
            if let Some(weight) = set(device.leaf_weight) {
                self.push(write(place, "blkio.leaf_weight_device", format!("{at} {weight}")));
            }
        }
        for (file, devices) in [
            ("blkio.throttle.read_bps_device", &io.read_bps),
            ("blkio.throttle.write_bps_device", &io.write_bps),
            ("blkio.throttle.read_iops_device", &io.read_iops),
            ("blkio.throttle.write_iops_device", &io.write_iops),
        ] {
            for ThrottleDevice { major, minor, rate } in devices {
                self.push(write(place, file, format!("{major}:{minor} {rate}")));
            }
        }
        Ok(())
    }

    fn block_io_v2(&mut self, place: usize, io: &BlockIo) -> Result<(), CgroupError> {
        let leaf = io.weight_devices.iter().map(|device| device.leaf_weight);
        if leaf.chain([io.leaf_weight]).any(|weight| set(weight).is_some()) {
            return Err(refused("blockIO.leafWeight", "cgroup v2 has no such control"));
        }
        let either = |before: &str, weight: u16| {
            let scaled = convert::io_weight(weight);
            Step::FirstOf(vec![
                write(place, "io.bfq.weight", format!("{before}{weight}")),
                write(place, "io.weight", format!("{before}{scaled}")),
            ])
        };
        if let Some(weight) = set(io.weight) {
            self.limits.steps.push(either("", weight));
        }
        for device in &io.weight_devices {
            if let Some(weight) = set(device.weight) {
                let before = format!("{}:{} ", device.major, device.minor);
                self.limits.steps.push(either(&before, weight));
            }
        }
        for (key, devices) in [
            ("rbps", &io.read_bps),
            ("wbps", &io.write_bps),
            ("riops", &io.read_iops),
            ("wiops", &io.write_iops),
        ] {
            for ThrottleDevice { major, minor, rate } in devices {
                let rate = if *rate == 0 { MAX.to_owned() } else { rate.to_string() };
                self.push(write(place, "io.max", format!("{major}:{minor} {key}={rate}")));
            }
        }
        Ok(())
    }

    fn cpu(&mut self, cpu: &Cpu) -> Result<(), CgroupError> {
        let asked = set(cpu.shares).is_some()
            || set(cpu.quota).is_some()
            || set(cpu.period).is_some()
            || cpu.burst.is_some()
            || cpu.idle.is_some();
        if !asked {
            return Ok(());
        }
        if let (Some(quota @ 1..), Some(burst)) = (cpu.quota, cpu.burst)
            && burst > quota.unsigned_abs()
        {
            return Err(refused("cpu.burst", "it is larger than the quota"));
        }
        match self.need("cpu", "cpu", "cpu")? {
            Home::V1(place) => self.cpu_v1(place, cpu),
            Home::V2(place) => {
                self.cpu_v2(place, cpu);
                Ok(())
            }
        }
    }

    fn cpu_v1(&mut self, place: usize, cpu: &Cpu) -> Result<(), CgroupError> {
        match set(cpu.shares) {
            None => {}
            Some(0..convert::MIN_SHARES) => {
                return Err(refused("cpu.shares", "the minimum allowed cpu-shares is 2"));
            }
            Some(shares @ convert::MIN_SHARES..=convert::MAX_SHARES) => {
                self.push(write(place, "cpu.shares", shares));
            }
            Some(_) => {
                return Err(refused("cpu.shares", "the maximum allowed cpu-shares is 262144"));
            }
        }
        let mut group: Vec<Write> = Vec::new();
        group.extend(set(cpu.period).map(|period| write(place, "cpu.cfs_period_us", period)));
        group.extend(cpu.burst.map(|burst| write(place, "cpu.cfs_burst_us", burst)));
        group.extend(set(cpu.quota).map(|quota| write(place, "cpu.cfs_quota_us", quota)));
        self.push_group(group);
        if let Some(idle) = cpu.idle {
            self.push(write(place, "cpu.idle", idle));
        }
        Ok(())
    }

    /// An idle cgroup takes no weight, so a weight comes before it becomes idle and after it
    /// stops to be.
    fn cpu_v2(&mut self, place: usize, cpu: &Cpu) {
        let idle = cpu.idle.map(|idle| write(place, "cpu.idle", idle));
        let weight = set(cpu.shares).map(convert::cpu_weight);
        let weight = weight.map(|weight| write(place, "cpu.weight", weight));
        let idle_last = cpu.idle.is_some_and(|idle| idle != 0);
        let (first, last) = if idle_last { (weight, idle) } else { (idle, weight) };
        self.limits.steps.extend(first.into_iter().chain(last).map(Step::Write));
        let mut group: Vec<Write> = Vec::new();
        group.extend(cpu.burst.map(|burst| write(place, "cpu.max.burst", burst)));
        if set(cpu.quota).is_some() || set(cpu.period).is_some() {
            let quota = cpu.quota.filter(|quota| *quota > 0);
            let quota = quota.map_or(MAX.to_owned(), |quota| quota.to_string());
            let period = set(cpu.period).unwrap_or(DEFAULT_CPU_PERIOD);
            group.push(write(place, "cpu.max", format!("{quota} {period}")));
        }
        self.push_group(group);
    }

    /// Before a realtime process joins a cgroup, the cgroup must have time for it.
    fn realtime(&mut self, cpu: &Cpu) -> Result<(), CgroupError> {
        let (period, runtime) = (set(cpu.realtime_period), set(cpu.realtime_runtime));
        if period.is_none() && runtime.is_none() {
            return Ok(());
        }
        let property = if runtime.is_some() { "cpu.realtimeRuntime" } else { "cpu.realtimePeriod" };
        let Home::V1(place) = self.need(property, "cpu", "cpu")? else {
            return Err(refused(property, "cgroup v2 has no such control"));
        };
        let mut group: Vec<Write> = Vec::new();
        group.extend(period.map(|period| write(place, "cpu.rt_period_us", period)));
        group.extend(runtime.map(|runtime| write(place, "cpu.rt_runtime_us", runtime)));
        self.limits.prepare.push(Step::AnyOrder(group));
        Ok(())
    }

    /// Reservations are limited too where the kernel can (Linux 5.7).
    fn hugepages(&mut self, limits: &[(String, u64)]) -> Result<(), CgroupError> {
        for (size, limit) in limits {
            let (place, tail) = match self.need("hugepageLimits", "hugetlb", "hugetlb")? {
                Home::V1(place) => (place, "limit_in_bytes"),
                Home::V2(place) => (place, MAX),
            };
            self.push(write(place, format!("hugetlb.{size}.{tail}"), limit));
            let reserved = write(place, format!("hugetlb.{size}.rsvd.{tail}"), limit);
            self.push(Write { absent: Absent::Skip, ..reserved });
        }
        Ok(())
    }

    fn rdma(&mut self, resources: &Resources) -> Result<(), CgroupError> {
        for (device, (handles, objects)) in &resources.rdma {
            let (Home::V1(place) | Home::V2(place)) = self.need("rdma", "rdma", "rdma")?;
            let mut value = device.clone();
            value.extend(handles.map(|handles| format!(" hca_handle={handles}")));
            value.extend(objects.map(|objects| format!(" hca_object={objects}")));
            self.push(write(place, "rdma.max", value));
        }
        Ok(())
    }

    fn network(&mut self, resources: &Resources) -> Result<(), CgroupError> {
        if let Some(id) = set(resources.net_class_id) {
            let (Home::V1(place) | Home::V2(place)) =
                self.need("network.classID", "net_cls", "net_cls")?;
            self.push(write(place, "net_cls.classid", id));
        }
        for (interface, priority) in &resources.net_priorities {
            let (Home::V1(place) | Home::V2(place)) =
                self.need("network.priorities", "net_prio", "net_prio")?;
            self.push(write(place, "net_prio.ifpriomap", format!("{interface} {priority}")));
        }
        Ok(())
    }

    fn unified(&mut self, resources: &Resources) -> Result<(), CgroupError> {
        if resources.unified.is_empty() {
            return Ok(());
        }
        let is_v2 = self.homes.places.iter().all(|place| place.hierarchy == Hierarchy::Unified);
        let Some(place) = self.homes.unified_place().filter(|_| is_v2) else {
            let why = "invalid configuration: cannot use unified on cgroup v1";
            return Err(refused("unified", why));
        };
        for (file, text) in &resources.unified {
            let Some((controller, _)) = file.split_once('.') else {
                let property = format!("unified resource {file}");
                return Err(refused(&property, "it must be in the form CONTROLLER.PARAMETER"));
            };
            let known = self.homes.available.iter().any(|name| name == controller);
            if !known && controller != "cgroup" {
                return Err(CgroupError::NoController {
                    property: format!("unified resource {file}"),
                    controller: controller.to_owned(),
                });
            }
            if let Some(name) = CONTROLLERS.iter().find(|name| **name == controller) {
                self.need("unified", name, name)?;
            }
            for line in text.lines() {
                self.push(write(place, file.as_str(), line));
            }
        }
        Ok(())
    }
}

/// Every controller of version 2 that has files, as of Linux 7.0.
const CONTROLLERS: [&str; 9] =
    ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc", "dmem"];

/// -1, however an engine wrote it, is the same as absent.
fn swappiness(memory: &Memory) -> Option<u64> {
    memory.swappiness.filter(|value| *value != u64::MAX)
}
