//! Statistics of version 1.

use super::parse::{parse_blkio, parse_flat, parse_list, parse_numbers, parse_usage_all};
use super::{BlkioEntry, BlkioStats, Cgroup, CgroupError, CpusetStats, Dir};
use super::{HugetlbStats, MemoryEntry, Stats, page_sizes};

/// `cpuacct.stat` counts in these; USER_HZ is 100 on every architecture Rust runs on.
const NANOSECONDS_PER_TICK: u64 = 10_000_000;

impl Cgroup {
    pub(super) fn read_legacy(&self, stats: &mut Stats) -> Result<(), CgroupError> {
        if let Some(dir) = self.legacy("cpu") {
            dir.throttling_v1(stats)?;
        }
        if let Some(dir) = self.legacy("cpuacct") {
            dir.cpu_usage_v1(stats)?;
        }
        if let Some(dir) = self.legacy("cpuset") {
            stats.cpuset = dir.cpuset_v1()?;
        }
        if let Some(dir) = self.legacy("memory") {
            dir.memory_v1(stats)?;
        }
        if let Some(dir) = self.legacy("pids") {
            stats.pids = dir.pids_stats()?.unwrap_or_default();
        }
        if let Some(dir) = self.legacy("blkio") {
            dir.blkio_v1(&mut stats.blkio)?;
        }
        if let Some(dir) = self.legacy("hugetlb") {
            dir.hugetlb_v1(stats)?;
        }
        if let Some(dir) = self.legacy("rdma") {
            stats.rdma = dir.rdma_stats()?;
        }
        Ok(())
    }
}

impl Dir {
    fn throttling_v1(&self, stats: &mut Stats) -> Result<(), CgroupError> {
        let flat = self.parsed("cpu.stat", parse_flat)?.unwrap_or_default();
        let count = |key| flat.get(key).copied().unwrap_or(0);
        stats.cpu.throttling.periods = count("nr_periods");
        stats.cpu.throttling.throttled_periods = count("nr_throttled");
        stats.cpu.throttling.throttled_time = count("throttled_time");
        Ok(())
    }

    fn cpu_usage_v1(&self, stats: &mut Stats) -> Result<(), CgroupError> {
        let flat = self.parsed("cpuacct.stat", parse_flat)?.unwrap_or_default();
        let time =
            |key| flat.get(key).copied().unwrap_or(0u64).saturating_mul(NANOSECONDS_PER_TICK);
        let usage = &mut stats.cpu.usage;
        (usage.user, usage.kernel) = (time("user"), time("system"));
        usage.total = self.count("cpuacct.usage")?.unwrap_or(0);
        usage.percpu = self.parsed("cpuacct.usage_percpu", parse_numbers)?.unwrap_or_default();
        let modes = self.parsed("cpuacct.usage_all", parse_usage_all)?;
        (usage.percpu_kernel, usage.percpu_user) = modes.unwrap_or_default();
        Ok(())
    }

    fn cpuset_v1(&self) -> Result<CpusetStats, CgroupError> {
        let flag = |name: &str| Ok(self.count(&format!("cpuset.{name}"))?.unwrap_or(0));
        let list = |name: &str| {
            Ok(self.parsed(&format!("cpuset.{name}"), parse_list)?.unwrap_or_default())
        };
        let level = self.read_if_there("cpuset.sched_relax_domain_level")?;
        Ok(CpusetStats {
            cpus: list("cpus")?,
            cpu_exclusive: flag("cpu_exclusive")?,
            mems: list("mems")?,
            mem_hardwall: flag("mem_hardwall")?,
            mem_exclusive: flag("mem_exclusive")?,
            memory_migrate: flag("memory_migrate")?,
            memory_spread_page: flag("memory_spread_page")?,
            memory_spread_slab: flag("memory_spread_slab")?,
            memory_pressure: flag("memory_pressure")?,
            sched_load_balance: flag("sched_load_balance")?,
            sched_relax_domain_level: level
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or_default(),
        })
    }

    fn memory_v1(&self, stats: &mut Stats) -> Result<(), CgroupError> {
        let Some(raw) = self.parsed("memory.stat", parse_flat)? else { return Ok(()) };
        stats.memory.cache = raw.get("cache").copied().unwrap_or(0);
        stats.memory.raw = raw;
        stats.memory.usage = self.memory_entry_v1("memory")?;
        stats.memory.swap = self.memory_entry_v1("memory.memsw")?;
        stats.memory.kernel = self.memory_entry_v1("memory.kmem")?;
        stats.memory.kernel_tcp = self.memory_entry_v1("memory.kmem.tcp")?;
        Ok(())
    }

    /// Swap and kernel memory are counted only by some kernels.
    fn memory_entry_v1(&self, name: &str) -> Result<MemoryEntry, CgroupError> {
        let count = |what: &str| Ok(self.count(&format!("{name}.{what}"))?.unwrap_or(0));
        Ok(MemoryEntry {
            limit: count("limit_in_bytes")?,
            usage: count("usage_in_bytes")?,
            max: count("max_usage_in_bytes")?,
            failcnt: count("failcnt")?,
        })
    }

    /// The first family of files that the kernel has and that counted something, from the most
    /// telling to the one that is always there.
    fn blkio_v1(&self, blkio: &mut BlkioStats) -> Result<(), CgroupError> {
        for family in ["blkio.bfq.", "blkio."] {
            if let Some(sectors) = self.blkio_table(family, "sectors_recursive")? {
                let table = |name: &str| Ok(self.blkio_table(family, name)?.unwrap_or_default());
                blkio.sectors_recursive = sectors;
                blkio.io_service_time_recursive = table("io_service_time_recursive")?;
                blkio.io_wait_time_recursive = table("io_wait_time_recursive")?;
                blkio.io_merged_recursive = table("io_merged_recursive")?;
                blkio.io_queued_recursive = table("io_queued_recursive")?;
                blkio.io_time_recursive = table("time_recursive")?;
                blkio.io_serviced_recursive = table("io_serviced_recursive")?;
                blkio.io_service_bytes_recursive = table("io_service_bytes_recursive")?;
                return Ok(());
            }
        }
        for (family, tail) in [
            ("blkio.bfq.", "_recursive"),
            ("blkio.throttle.", "_recursive"),
            ("blkio.throttle.", ""),
        ] {
            if let Some(serviced) = self.blkio_table(family, &format!("io_serviced{tail}"))? {
                let bytes = self.blkio_table(family, &format!("io_service_bytes{tail}"))?;
                blkio.io_serviced_recursive = serviced;
                blkio.io_service_bytes_recursive = bytes.unwrap_or_default();
                return Ok(());
            }
        }
        Ok(())
    }

    /// `None` for a file that is absent or has only its total.
    fn blkio_table(
        &self,
        family: &str,
        name: &str,
    ) -> Result<Option<Vec<BlkioEntry>>, CgroupError> {
        let entries = self.parsed(&format!("{family}{name}"), parse_blkio)?;
        Ok(entries.filter(|entries| !entries.is_empty()))
    }

    fn hugetlb_v1(&self, stats: &mut Stats) -> Result<(), CgroupError> {
        for size in page_sizes() {
            let reserved = format!("hugetlb.{size}.rsvd");
            let has_reserved = self.count(&format!("{reserved}.usage_in_bytes"))?.is_some();
            let name = if has_reserved { reserved } else { format!("hugetlb.{size}") };
            let count = |what: &str| Ok(self.count(&format!("{name}.{what}"))?.unwrap_or(0));
            let entry = HugetlbStats {
                usage: count("usage_in_bytes")?,
                max: count("max_usage_in_bytes")?,
                failcnt: count("failcnt")?,
            };
            stats.hugetlb.insert(size, entry);
        }
        Ok(())
    }
}
