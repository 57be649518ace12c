//! What `events` tells of a container's resctrl group, in the words of runc.

use super::ResctrlRecord;
use super::group::{read, schema_line};
use kernel::file;
use serde::Serialize;
use std::path::Path;
use std::str::FromStr;

/// Statistics; what the hardware or the kernel has not got is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ResctrlStats {
    #[serde(skip_serializing_if = "Option::is_none")]
    l3_cache_info: Option<CacheInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    l3_cache_schema_root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    l3_cache_schema: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mem_bw_info: Option<BandwidthInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mem_bw_schema_root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mem_bw_schema: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    schemata: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mbm_stats: Option<Vec<BandwidthUse>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmt_stats: Option<Vec<CacheUse>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct CacheInfo {
    cbm_mask: String,
    min_cbm_bits: u64,
    num_closids: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct BandwidthInfo {
    bandwidth_gran: u64,
    delay_linear: u64,
    min_bandwidth: u64,
    num_closids: u64,
}

/// Of one NUMA node, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct BandwidthUse {
    #[serde(skip_serializing_if = "Option::is_none")]
    mbm_total_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mbm_local_bytes: Option<u64>,
}

/// Of one NUMA node, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct CacheUse {
    #[serde(skip_serializing_if = "Option::is_none")]
    llc_occupancy: Option<u64>,
}

/// Reads what there is; a file that can't be read is a number that is missing.
#[must_use]
pub fn read_stats(record: &ResctrlRecord) -> ResctrlStats {
    let root = &record.root;
    let root_schemata = read(&root.join("schemata")).unwrap_or_default();
    let own_schemata = read(&record.group.join("schemata")).unwrap_or_default();
    let mut stats = ResctrlStats {
        schemata: own_schemata.lines().map(|line| line.trim().to_owned()).collect(),
        ..ResctrlStats::default()
    };
    let (cache, bandwidth) = (root.join("info/L3"), root.join("info/MB"));
    if file::exists(file::CWD, cache.as_path()) {
        stats.l3_cache_info = Some(CacheInfo {
            cbm_mask: value(&cache, "cbm_mask").unwrap_or_default(),
            min_cbm_bits: value(&cache, "min_cbm_bits").unwrap_or_default(),
            num_closids: value(&cache, "num_closids").unwrap_or_default(),
        });
        let is_cache = |name: &str| name.starts_with("L3");
        stats.l3_cache_schema_root = schema_line(&root_schemata, is_cache);
        stats.l3_cache_schema = schema_line(&own_schemata, is_cache);
    }
    if file::exists(file::CWD, bandwidth.as_path()) {
        stats.mem_bw_info = Some(BandwidthInfo {
            bandwidth_gran: value(&bandwidth, "bandwidth_gran").unwrap_or_default(),
            delay_linear: value(&bandwidth, "delay_linear").unwrap_or_default(),
            min_bandwidth: value(&bandwidth, "min_bandwidth").unwrap_or_default(),
            num_closids: value(&bandwidth, "num_closids").unwrap_or_default(),
        });
        let is_bandwidth = |name: &str| name == "MB";
        stats.mem_bw_schema_root = schema_line(&root_schemata, is_bandwidth);
        stats.mem_bw_schema = schema_line(&own_schemata, is_bandwidth);
    }
    read_monitoring(record, &mut stats);
    stats
}

fn read_monitoring(record: &ResctrlRecord, stats: &mut ResctrlStats) {
    let features = read(&record.root.join("info/L3_MON/mon_features")).unwrap_or_default();
    let has = |name: &str| features.lines().any(|line| line == name);
    let data = record.monitor.as_ref().unwrap_or(&record.group).join("mon_data");
    let Ok(dir) = file::open_dir(file::CWD, data.as_path()) else { return };
    let Ok(mut nodes) = file::list(std::os::fd::AsFd::as_fd(&dir)) else { return };
    nodes.sort();
    let of = |node: &String, name: &str| has(name).then(|| value(&data.join(node), name)).flatten();
    if has("mbm_total_bytes") || has("mbm_local_bytes") {
        let uses = nodes.iter().map(|node| BandwidthUse {
            mbm_total_bytes: of(node, "mbm_total_bytes"),
            mbm_local_bytes: of(node, "mbm_local_bytes"),
        });
        stats.mbm_stats = Some(uses.collect());
    }
    if has("llc_occupancy") {
        let uses = nodes.iter().map(|node| CacheUse { llc_occupancy: of(node, "llc_occupancy") });
        stats.cmt_stats = Some(uses.collect());
    }
}

fn value<T: FromStr>(dir: &Path, name: &str) -> Option<T> {
    read(&dir.join(name)).ok()?.trim().parse().ok()
}
