//! Statistics of version 2, and of a hybrid host's controllers in its unified hierarchy.

use super::parse::{parse_flat, parse_io_stat, parse_pressure};
use super::{BlkioEntry, BlkioStats, HugetlbStats, MemoryEntry, MiscStats, Pressure, Stats};
use super::{CgroupError, Dir, LayoutKind, page_sizes};

const NANOSECONDS_PER_MICROSECOND: u64 = 1000;

impl Dir {
    pub(super) fn read_unified(
        &self,
        stats: &mut Stats,
        kind: LayoutKind,
    ) -> Result<(), CgroupError> {
        // Files of a controller exist where it is enabled; on a hybrid host version 1 has most.
        if kind == LayoutKind::V2 {
            self.cpu_v2(stats)?;
            self.memory_v2(stats)?;
            self.pids_v2(stats)?;
        }
        if let Some(entries) = self.parsed("io.stat", parse_io_stat)? {
            entries.into_iter().for_each(|(key, entry)| add_io(&mut stats.blkio, &key, entry));
        }
        stats.cpu.psi = self.pressure("cpu.pressure")?;
        stats.memory.psi = self.pressure("memory.pressure")?;
        stats.blkio.psi = self.pressure("io.pressure")?;
        self.hugetlb_v2(stats)?;
        let rdma = self.rdma_stats()?;
        if !rdma.current.is_empty() {
            stats.rdma = rdma;
        }
        self.misc(stats)
    }

    fn pressure(&self, file: &str) -> Result<Option<Pressure>, CgroupError> {
        self.parsed(file, parse_pressure)
    }

    fn cpu_v2(&self, stats: &mut Stats) -> Result<(), CgroupError> {
        let Some(flat) = self.parsed("cpu.stat", parse_flat)? else { return Ok(()) };
        let count = |key| flat.get(key).copied().unwrap_or(0);
        let time = |key| count(key).saturating_mul(NANOSECONDS_PER_MICROSECOND);
        stats.cpu.usage.total = time("usage_usec");
        stats.cpu.usage.user = time("user_usec");
        stats.cpu.usage.kernel = time("system_usec");
        stats.cpu.throttling.periods = count("nr_periods");
        stats.cpu.throttling.throttled_periods = count("nr_throttled");
        stats.cpu.throttling.throttled_time = time("throttled_usec");
        Ok(())
    }

    /// Swap is reported with memory in it, as version 1 counts it; its peak can't be had so.
    fn memory_v2(&self, stats: &mut Stats) -> Result<(), CgroupError> {
        let Some(raw) = self.parsed("memory.stat", parse_flat)? else { return Ok(()) };
        stats.memory.cache = raw.get("file").copied().unwrap_or(0);
        stats.memory.raw = raw;
        let Some(usage) = self.memory_entry("memory")? else { return Ok(()) };
        let swap = self.memory_entry("memory.swap")?.unwrap_or_default();
        stats.memory.usage = usage;
        stats.memory.swap = MemoryEntry {
            usage: swap.usage.saturating_add(usage.usage),
            limit: swap.limit.saturating_add(usage.limit),
            max: 0,
            failcnt: 0,
        };
        Ok(())
    }

    fn memory_entry(&self, name: &str) -> Result<Option<MemoryEntry>, CgroupError> {
        let Some(usage) = self.count(&format!("{name}.current"))? else { return Ok(None) };
        let limit = self.count(&format!("{name}.max"))?.unwrap_or(0);
        let max = self.count(&format!("{name}.peak"))?.unwrap_or(0);
        Ok(Some(MemoryEntry { limit, usage, max, failcnt: 0 }))
    }

    /// Without the controller the tasks are counted one by one.
    fn pids_v2(&self, stats: &mut Stats) -> Result<(), CgroupError> {
        stats.pids = match self.pids_stats()? {
            Some(pids) => pids,
            None => {
                let current = u64::try_from(self.all_pids()?.len()).unwrap_or(u64::MAX);
                super::PidsStats { current, limit: 0 }
            }
        };
        Ok(())
    }

    fn hugetlb_v2(&self, stats: &mut Stats) -> Result<(), CgroupError> {
        for size in page_sizes() {
            let reserved = self.count(&format!("hugetlb.{size}.rsvd.current"))?;
            let usage = match reserved {
                None => self.count(&format!("hugetlb.{size}.current"))?,
                reserved => reserved,
            };
            let Some(usage) = usage else { continue };
            let events = self.parsed(&format!("hugetlb.{size}.events"), parse_flat)?;
            let failcnt = events.and_then(|flat| flat.get("max").copied()).unwrap_or(0);
            stats.hugetlb.insert(size, HugetlbStats { usage, max: 0, failcnt });
        }
        Ok(())
    }

    fn misc(&self, stats: &mut Stats) -> Result<(), CgroupError> {
        for (key, usage) in self.parsed("misc.current", parse_flat)?.unwrap_or_default() {
            stats.misc.insert(key, MiscStats { usage, events: 0 });
        }
        for (key, events) in self.parsed("misc.events", parse_flat)?.unwrap_or_default() {
            if let Some(misc) = stats.misc.get_mut(key.trim_end_matches(".max")) {
                misc.events = events;
            }
        }
        Ok(())
    }
}

/// Keys of `io.stat` in the tables of version 1.
fn add_io(blkio: &mut BlkioStats, key: &str, entry: BlkioEntry) {
    let (table, op) = match key {
        "rbytes" => (&mut blkio.io_service_bytes_recursive, "Read"),
        "wbytes" => (&mut blkio.io_service_bytes_recursive, "Write"),
        "rios" => (&mut blkio.io_serviced_recursive, "Read"),
        "wios" => (&mut blkio.io_serviced_recursive, "Write"),
        _ => return,
    };
    table.push(BlkioEntry { op: op.to_owned(), ..entry });
}
