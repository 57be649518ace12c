//! What a container uses, as `runc events --stats` prints it.
//!
//! The field names and what is left out when zero (numbers and lists, but no objects) are runc's,
//! so that its readers keep working.
//! Times are nanoseconds, sizes bytes; [`u64::MAX`] is no limit.

mod legacy;
pub mod parse;
mod unified;

use std::collections::BTreeMap;

use serde::Serialize;

use parse::Malformed;
pub(super) use parse::flat_value;

use super::handle::{Cgroup, Dir};
use super::{CgroupError, LayoutKind};

/// Everything the cgroup counts.
#[derive(Clone, Debug, PartialEq, Default, Serialize)]
#[expect(missing_docs, reason = "the names of the controllers")]
pub struct Stats {
    pub cpu: CpuStats,
    pub cpuset: CpusetStats,
    pub memory: MemoryStats,
    pub pids: PidsStats,
    pub blkio: BlkioStats,
    /// By page size, as `2MB`.
    pub hugetlb: BTreeMap<String, HugetlbStats>,
    #[serde(skip_serializing_if = "is_default")]
    pub rdma: RdmaStats,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub misc: BTreeMap<String, MiscStats>,
}

/// CPU time.
#[derive(Clone, Debug, PartialEq, Default, Serialize)]
#[expect(missing_docs, reason = "the names that runc prints")]
pub struct CpuStats {
    pub usage: CpuUsage,
    pub throttling: Throttling,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// Nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
#[expect(missing_docs, reason = "the names that runc prints")]
pub struct CpuUsage {
    #[serde(skip_serializing_if = "is_default")]
    pub total: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_kernel: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_user: Vec<u64>,
    pub kernel: u64,
    pub user: u64,
}

/// What a CPU quota held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names that runc prints")]
pub struct Throttling {
    #[serde(skip_serializing_if = "is_default")]
    pub periods: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub throttled_periods: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub throttled_time: u64,
}

/// Pressure stall information.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize)]
#[expect(missing_docs, reason = "the names of the kernel")]
pub struct Pressure {
    pub some: PressureLine,
    pub full: PressureLine,
}

/// Percent over 10, 60 and 300 seconds, and microseconds in total.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize)]
#[expect(missing_docs, reason = "the names of the kernel")]
pub struct PressureLine {
    pub avg10: f64,
    pub avg60: f64,
    pub avg300: f64,
    pub total: u64,
}

/// Placement; version 1 only.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
#[expect(missing_docs, reason = "the names of the kernel")]
pub struct CpusetStats {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<u16>,
    pub cpu_exclusive: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mems: Vec<u16>,
    pub mem_hardwall: u64,
    pub mem_exclusive: u64,
    pub memory_migrate: u64,
    pub memory_spread_page: u64,
    pub memory_spread_slab: u64,
    pub memory_pressure: u64,
    pub sched_load_balance: u64,
    pub sched_relax_domain_level: i64,
}

/// Memory.
#[derive(Clone, Debug, PartialEq, Default, Serialize)]
#[expect(missing_docs, reason = "the names that runc prints")]
pub struct MemoryStats {
    #[serde(skip_serializing_if = "is_default")]
    pub cache: u64,
    pub usage: MemoryEntry,
    /// Memory and swap together, on both versions.
    pub swap: MemoryEntry,
    pub kernel: MemoryEntry,
    #[serde(rename = "kernelTCP")]
    pub kernel_tcp: MemoryEntry,
    /// `memory.stat`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub raw: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// One kind of memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
#[expect(missing_docs, reason = "the names that runc prints")]
pub struct MemoryEntry {
    pub limit: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub usage: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub max: u64,
    pub failcnt: u64,
}

/// Tasks; a limit of 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
#[expect(missing_docs, reason = "the names that runc prints")]
pub struct PidsStats {
    #[serde(skip_serializing_if = "is_default")]
    pub current: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub limit: u64,
}

/// Block devices.
#[derive(Clone, Debug, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names that runc prints")]
pub struct BlkioStats {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_serviced_recursive: Vec<BlkioEntry>,
    #[serde(rename = "ioQueueRecursive", skip_serializing_if = "Vec::is_empty")]
    pub io_queued_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_wait_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_merged_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sectors_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// A count of one block device.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
#[expect(missing_docs, reason = "the names that runc prints")]
pub struct BlkioEntry {
    #[serde(skip_serializing_if = "is_default")]
    pub major: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub minor: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub op: String,
    #[serde(skip_serializing_if = "is_default")]
    pub value: u64,
}

/// Huge pages of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
#[expect(missing_docs, reason = "the names that runc prints")]
pub struct HugetlbStats {
    #[serde(skip_serializing_if = "is_default")]
    pub usage: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub max: u64,
    pub failcnt: u64,
}

/// Remote DMA devices.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
#[expect(missing_docs, reason = "the names of the kernel")]
pub struct RdmaStats {
    pub limit: Vec<RdmaEntry>,
    pub current: Vec<RdmaEntry>,
}

/// One RDMA device; [`u32::MAX`] is no limit.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
#[expect(missing_docs, reason = "the names of the kernel")]
pub struct RdmaEntry {
    pub device: String,
    pub hca_handles: u32,
    pub hca_objects: u32,
}

/// A resource of the misc controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
#[expect(missing_docs, reason = "the names of the kernel")]
pub struct MiscStats {
    pub usage: u64,
    pub events: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Cgroup {
    /// Reads every counter there is. What the host does not count stays zero.
    ///
    /// # Errors
    /// [`CgroupError::Read`] and [`CgroupError::Parse`].
    pub fn stats(&self) -> Result<Stats, CgroupError> {
        let mut stats = Stats::default();
        if self.kind != LayoutKind::V2 {
            self.read_legacy(&mut stats)?;
        }
        if let Some(dir) = self.unified() {
            dir.read_unified(&mut stats, self.kind)?;
        }
        Ok(stats)
    }
}

impl Dir {
    /// The file's text; `None` where there is no such file.
    fn read_if_there(&self, file: &str) -> Result<Option<String>, CgroupError> {
        const ENOTSUP: i32 = 95;
        match self.read(file) {
            Ok(text) => Ok(Some(text)),
            Err(CgroupError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound
                    || source.raw_os_error() == Some(ENOTSUP) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The file read by `parse`; `None` where there is no such file.
    fn parsed<T>(
        &self,
        file: &str,
        parse: impl FnOnce(&str) -> Result<T, Malformed>,
    ) -> Result<Option<T>, CgroupError> {
        let Some(text) = self.read_if_there(file)? else { return Ok(None) };
        parse(&text).map(Some).map_err(|Malformed(line)| CgroupError::Parse {
            cgroup: self.place.dir(),
            file: file.to_owned(),
            line,
        })
    }

    /// A file of one number.
    fn count(&self, file: &str) -> Result<Option<u64>, CgroupError> {
        self.parsed(file, |text| {
            parse::parse_count(text).ok_or_else(|| Malformed(text.trim().to_owned()))
        })
    }

    fn pids_stats(&self) -> Result<Option<PidsStats>, CgroupError> {
        let Some(current) = self.count("pids.current")? else { return Ok(None) };
        let limit = self.count("pids.max")?.filter(|limit| *limit != u64::MAX);
        Ok(Some(PidsStats { current, limit: limit.unwrap_or(0) }))
    }

    fn rdma_stats(&self) -> Result<RdmaStats, CgroupError> {
        let entries = |file| {
            let text = self.read_if_there(file)?;
            Ok(text.map(|text| parse::parse_rdma(&text)).unwrap_or_default())
        };
        let (limit, current): (Vec<RdmaEntry>, Vec<RdmaEntry>) =
            (entries("rdma.max")?, entries("rdma.current")?);
        // A device that went away between the two reads.
        let is_whole = limit.len() == current.len();
        Ok(if is_whole { RdmaStats { limit, current } } else { RdmaStats::default() })
    }
}

/// Sizes of huge pages this kernel has, as the control files spell them.
fn page_sizes() -> Vec<String> {
    let dir = kernel::cgroupfs::open_absolute("/sys/kernel/mm/hugepages".as_ref());
    let names = dir.and_then(|dir| kernel::cgroupfs::child_dirs(std::os::fd::AsFd::as_fd(&dir)));
    // A kernel without huge pages has no such directory.
    let names = names.unwrap_or_default();
    names.iter().filter_map(|name| parse::page_size(name.to_str()?)).collect()
}
