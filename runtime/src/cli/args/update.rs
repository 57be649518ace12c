//! `update`.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use clap::Args;

use super::super::Environment;
use super::super::request::{Request, UsageError};
use super::Resolve;
use super::path::absolute;
use super::value::parse_bytes;
use crate::container_id::ContainerId;
use crate::request::{ResourceChange, UpdateRequest};
use crate::spec::Resources;

/// More JSON than any set of limits needs.
const MAX_RESOURCES_BYTES: u64 = 4 << 20;

#[derive(Args)]
#[command(after_help = "The JSON of --resources is a linux.resources object of config.json; what \
it leaves out stays as it is. The other limits on the command line are then ignored.")]
pub(super) struct UpdateArgs {
    /// File with the new limits as JSON, or - for standard input
    #[arg(long, short, value_name = "FILE")]
    resources: Option<PathBuf>,

    /// Relative weight of block I/O, 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    blkio_weight: Option<u16>,

    /// Length of a period of CPU time, in microseconds; 0 for the default
    #[arg(long, value_name = "USEC")]
    cpu_period: Option<String>,

    /// CPU time in a period, in microseconds
    #[arg(long, value_name = "USEC", allow_hyphen_values = true)]
    cpu_quota: Option<String>,

    /// CPU time saved up for a burst, in microseconds
    #[arg(long, value_name = "USEC")]
    cpu_burst: Option<String>,

    /// Relative weight of CPU time
    #[arg(long, value_name = "SHARES")]
    cpu_share: Option<String>,

    /// Period of real-time CPU time, in microseconds; 0 for the default
    #[arg(long, value_name = "USEC")]
    cpu_rt_period: Option<String>,

    /// Real-time CPU time in a period, in microseconds
    #[arg(long, value_name = "USEC", allow_hyphen_values = true)]
    cpu_rt_runtime: Option<String>,

    /// CPUs to use, such as 0-3,7
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,

    /// Memory nodes to use
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,

    /// Obsolete: the kernel has no such limit any more
    #[arg(long, value_name = "BYTES", hide = true, allow_hyphen_values = true)]
    kernel_memory: Option<String>,

    /// Obsolete: the kernel has no such limit any more
    #[arg(long, value_name = "BYTES", hide = true, allow_hyphen_values = true)]
    kernel_memory_tcp: Option<String>,

    /// Memory limit, in bytes or with a suffix such as 512m; -1 for none
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    memory: Option<String>,

    /// 1 to run only when CPUs are idle (SCHED_IDLE), 0 for as usual
    #[arg(long, value_name = "0|1", allow_hyphen_values = true)]
    cpu_idle: Option<String>,

    /// Soft limit of memory, in bytes
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    memory_reservation: Option<String>,

    /// Limit of memory and swap together, in bytes; -1 for none
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    memory_swap: Option<String>,

    /// How many tasks; -1 for any number
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pids_limit: Option<i64>,

    /// Intel RDT: schema of the L3 cache
    #[arg(long, value_name = "SCHEMA")]
    l3_cache_schema: Option<String>,

    /// Intel RDT: schema of memory bandwidth
    #[arg(long, value_name = "SCHEMA")]
    mem_bw_schema: Option<String>,

    /// The container
    #[arg(value_name = "CONTAINER-ID")]
    id: ContainerId,
}

impl Resolve for UpdateArgs {
    fn resolve(self, environment: &Environment) -> Result<Request, UsageError> {
        let non_empty = |text: &String| !text.is_empty();
        let file = self.resources.as_ref().filter(|path| !path.as_os_str().is_empty());
        let change = match file {
            Some(path) if path.as_os_str() == "-" => ResourceChange::Json(
                read_limited(io::stdin().lock())
                    .map_err(|source| UsageError::Resources { path: path.clone(), source })?,
            ),
            Some(path) => ResourceChange::Json(
                File::open(absolute(path, environment))
                    .and_then(read_limited)
                    .map_err(|source| UsageError::Resources { path: path.clone(), source })?,
            ),
            None => ResourceChange::Flags(Box::new(self.limits()?)),
        };
        Ok(Request::Update(Box::new(UpdateRequest {
            id: self.id,
            change,
            l3_cache_schema: self.l3_cache_schema.filter(non_empty),
            mem_bw_schema: self.mem_bw_schema.filter(non_empty),
        })))
    }
}

impl UpdateArgs {
    fn limits(&self) -> Result<Resources, UsageError> {
        let mut limits = Resources { pids_limit: self.pids_limit, ..Resources::default() };
        limits.block_io.weight = self.blkio_weight.filter(|weight| *weight != 0);
        limits.cpu.period = number("cpu-period", self.cpu_period.as_deref())?;
        limits.cpu.quota = number("cpu-quota", self.cpu_quota.as_deref())?;
        limits.cpu.burst = number("cpu-burst", self.cpu_burst.as_deref())?;
        limits.cpu.shares = number("cpu-share", self.cpu_share.as_deref())?;
        limits.cpu.realtime_period = number("cpu-rt-period", self.cpu_rt_period.as_deref())?;
        limits.cpu.realtime_runtime = number("cpu-rt-runtime", self.cpu_rt_runtime.as_deref())?;
        limits.cpu.idle = number("cpu-idle", self.cpu_idle.as_deref())?;
        limits.cpu.cpus = self.cpuset_cpus.clone().filter(|list| !list.is_empty());
        limits.cpu.mems = self.cpuset_mems.clone().filter(|list| !list.is_empty());
        limits.memory.limit = bytes("memory", self.memory.as_deref())?;
        limits.memory.reservation =
            bytes("memory-reservation", self.memory_reservation.as_deref())?;
        limits.memory.swap = bytes("memory-swap", self.memory_swap.as_deref())?;
        limits.memory.kernel = bytes("kernel-memory", self.kernel_memory.as_deref())?;
        limits.memory.kernel_tcp = bytes("kernel-memory-tcp", self.kernel_memory_tcp.as_deref())?;
        Ok(limits)
    }
}

fn read_limited(file: impl Read) -> io::Result<Vec<u8>> {
    let mut json = Vec::new();
    file.take(MAX_RESOURCES_BYTES + 1).read_to_end(&mut json)?;
    if json.len() as u64 > MAX_RESOURCES_BYTES {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    Ok(json)
}

fn number<T: std::str::FromStr<Err = std::num::ParseIntError>>(
    flag: &'static str,
    given: Option<&str>,
) -> Result<Option<T>, UsageError> {
    let Some(text) = given.filter(|text| !text.is_empty()) else { return Ok(None) };
    let number = text.parse().map_err(|source: std::num::ParseIntError| UsageError::Value {
        flag,
        given: text.to_owned(),
        reason: source.to_string(),
    })?;
    Ok(Some(number))
}

fn bytes(flag: &'static str, given: Option<&str>) -> Result<Option<i64>, UsageError> {
    let Some(text) = given.filter(|text| !text.is_empty()) else { return Ok(None) };
    let bytes = parse_bytes(text).map_err(|reason| UsageError::Value {
        flag,
        given: text.to_owned(),
        reason,
    })?;
    Ok(Some(bytes))
}
