//! `linux` (config-linux.md).

use super::at::At;
use super::checks::{list, no_nul, optional, required, word};
use super::devices::{read_devices, read_net_devices};
use super::namespaces::{read_namespaces, read_time_offsets, read_user_mappings};
use super::resources::read_resources;
use super::seccomp::read_seccomp;
use super::sysctls::read_sysctls;
use super::{Context, Problem, SpecError, checks, limits, mount_options};
use crate::spec::wire::{self, Text};
use crate::spec::{
    ContainerPath, DeviceNode, IdMap, IntelRdt, MemoryPolicy, Namespaces, NetDevice, NumberSet,
    Personality, Propagation, Resources, SeccompProfile, Sysctl, TimeOffsets,
};

/// The checked section, whose fields [`crate::spec::ContainerSpec`] takes one by one.
pub(super) struct Linux {
    pub(super) namespaces: Namespaces,
    pub(super) uid_map: IdMap,
    pub(super) gid_map: IdMap,
    pub(super) time_offsets: TimeOffsets,
    pub(super) devices: Vec<DeviceNode>,
    pub(super) net_devices: Vec<NetDevice>,
    pub(super) cgroups_path: Option<String>,
    pub(super) resources: Resources,
    pub(super) rootfs_propagation: Option<Propagation>,
    pub(super) seccomp: Option<SeccompProfile>,
    pub(super) masked_paths: Vec<ContainerPath>,
    pub(super) readonly_paths: Vec<ContainerPath>,
    pub(super) mount_label: Option<String>,
    pub(super) sysctls: Vec<Sysctl>,
    pub(super) intel_rdt: Option<IntelRdt>,
    pub(super) personality: Option<Personality>,
    pub(super) memory_policy: Option<MemoryPolicy>,
}

/// `linux`.
pub(super) fn read_linux(
    linux: wire::Linux<'_>,
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<Linux, SpecError> {
    let wire::Linux {
        namespaces,
        uid_mappings,
        gid_mappings,
        time_offsets,
        devices,
        net_devices,
        cgroups_path,
        resources,
        intel_rdt,
        memory_policy,
        sysctl,
        seccomp,
        rootfs_propagation,
        masked_paths,
        readonly_paths,
        mount_label,
        personality,
    } = linux;
    let namespaces = read_namespaces(namespaces, &at.field("namespaces"))?;
    let (uid_map, gid_map) =
        read_user_mappings(uid_mappings, gid_mappings, &namespaces.user, at, cx)?;
    let network = &namespaces.network;
    Ok(Linux {
        uid_map,
        gid_map,
        time_offsets: read_time_offsets(time_offsets, &namespaces.time, &at.field("timeOffsets"))?,
        devices: read_devices(devices, &at.field("devices"), cx)?,
        net_devices: read_net_devices(net_devices, network, &at.field("netDevices"))?,
        cgroups_path: read_cgroups_path(cgroups_path, &at.field("cgroupsPath"))?,
        resources: match resources {
            Some(wire) => read_resources(wire, &at.field("resources"))?,
            None => Resources::default(),
        },
        rootfs_propagation: read_propagation(rootfs_propagation, &at.field("rootfsPropagation"))?,
        seccomp: match seccomp {
            Some(wire) => Some(read_seccomp(wire, &at.field("seccomp"), cx)?),
            None => None,
        },
        masked_paths: read_paths(masked_paths, &namespaces, &at.field("maskedPaths"))?,
        readonly_paths: read_paths(readonly_paths, &namespaces, &at.field("readonlyPaths"))?,
        mount_label: read_mount_label(mount_label, &at.field("mountLabel"))?,
        sysctls: read_sysctls(sysctl, &namespaces, &at.field("sysctl"))?,
        intel_rdt: match intel_rdt {
            Some(wire) => Some(read_intel_rdt(wire, &at.field("intelRdt"))?),
            None => None,
        },
        personality: match personality {
            Some(wire) => Some(read_personality(wire, &at.field("personality"))?),
            None => None,
        },
        memory_policy: match memory_policy {
            Some(wire) => Some(read_memory_policy(wire, &at.field("memoryPolicy"))?),
            None => None,
        },
        namespaces,
    })
}

/// Kept as written, for the driver to read. A newline can be in no cgroup's name.
fn read_cgroups_path(path: Option<Text<'_>>, at: &At<'_>) -> Result<Option<String>, SpecError> {
    let Some(path) = path.filter(|path| !path.is_empty()) else { return Ok(None) };
    checks::path(&path, at)?;
    let climbs = path.split('/').any(|part| part == "..");
    if path.contains('\n') || climbs && path.contains(':') {
        let expected = "a path of a cgroup without newlines, or a unit of systemd without `..`";
        return at.fail(Problem::Malformed { value: path.into_string(), expected });
    }
    let path = if climbs { without_parents(&path) } else { path.into_string() };
    Ok((!path.is_empty()).then_some(path))
}

/// A path that leads nowhere above where it begins, as runc has it.
fn without_parents(path: &str) -> String {
    let clean = ContainerPath::normalise(path);
    let clean = clean.as_ref().map_or("", ContainerPath::as_str);
    if path.starts_with('/') { clean } else { clean.trim_start_matches('/') }.to_owned()
}

fn read_propagation(name: Option<Text<'_>>, at: &At<'_>) -> Result<Option<Propagation>, SpecError> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
    match mount_options::propagation(&name) {
        Some(propagation) => Ok(Some(propagation)),
        None => at.fail(Problem::Unknown { what: "mount propagation", value: name.into_string() }),
    }
}

/// `maskedPaths` and `readonlyPaths`: without a mount namespace they would hit the host.
fn read_paths(
    paths: Option<Vec<Text<'_>>>,
    namespaces: &Namespaces,
    at: &At<'_>,
) -> Result<Vec<ContainerPath>, SpecError> {
    let paths = list(paths, limits::MAX_PATHS, at)?;
    if !paths.is_empty() && namespaces.mount.is_inherited() {
        return at.fail(Problem::Needs { what: "a mount namespace in `linux.namespaces`" });
    }
    let paths = paths.iter().enumerate();
    paths.map(|(index, path)| checks::container_path(path, &at.index(index))).collect()
}

/// It is written into mount options between quotation marks.
fn read_mount_label(label: Option<Text<'_>>, at: &At<'_>) -> Result<Option<String>, SpecError> {
    let label = optional(label, at)?;
    match label {
        Some(value) if value.contains('"') => {
            at.fail(Problem::Malformed { value, expected: "an SELinux context" })
        }
        label => Ok(label),
    }
}

fn read_intel_rdt(rdt: wire::IntelRdt<'_>, at: &At<'_>) -> Result<IntelRdt, SpecError> {
    let wire::IntelRdt { clos_id, schemata, l3_cache_schema, mem_bw_schema, enable_monitoring } =
        rdt;
    let at_id = at.field("closID");
    let clos_id = optional(clos_id, &at_id)?;
    if let Some(id) = &clos_id {
        let is_name = id != "." && id != ".." && !id.contains(['/', '\n']);
        if !is_name && id != "/" {
            let expected = "the name of a directory, or `/`";
            return at_id.fail(Problem::Malformed { value: id.clone(), expected });
        }
    }
    let at_schemata = at.field("schemata");
    let lines = list(schemata, limits::MAX_ENTRIES, &at_schemata)?.into_iter().enumerate();
    let at_bandwidth = at.field("memBwSchema");
    let mem_bw_schema = schema_line(mem_bw_schema, &at_bandwidth)?;
    if let Some(value) = mem_bw_schema.as_ref().filter(|line| !line.starts_with("MB:")) {
        let expected = "a schema that starts with `MB:`";
        return at_bandwidth.fail(Problem::Malformed { value: value.clone(), expected });
    }
    Ok(IntelRdt {
        clos_id,
        l3_cache_schema: schema_line(l3_cache_schema, &at.field("l3CacheSchema"))?,
        mem_bw_schema,
        schemata: lines
            .filter_map(|(index, line)| {
                schema_line(Some(line), &at_schemata.index(index)).transpose()
            })
            .collect::<Result<_, _>>()?,
        monitoring: enable_monitoring.unwrap_or(false),
    })
}

/// One line; empty means not set.
fn schema_line(line: Option<Text<'_>>, at: &At<'_>) -> Result<Option<String>, SpecError> {
    let line = optional(line, at)?;
    match line {
        Some(value) if value.contains('\n') => {
            at.fail(Problem::Malformed { value, expected: "one line" })
        }
        line => Ok(line),
    }
}

const PERSONALITIES: [(&str, Personality); 2] =
    [("LINUX", Personality::Linux), ("LINUX32", Personality::Linux32)];

fn read_personality(
    personality: wire::Personality<'_>,
    at: &At<'_>,
) -> Result<Personality, SpecError> {
    let wire::Personality { domain, flags } = personality;
    if let Some(flag) = flags.unwrap_or_default().into_iter().next() {
        let why = "the specification has no flag yet";
        let value = flag.into_string();
        return at.field("flags").index(0).fail(Problem::Unsupported { value, why });
    }
    let at = at.field("domain");
    word(&required(domain, &at)?, &PERSONALITIES, "personality domain", &at)
}

const MPOL_DEFAULT: u32 = 0;
const MPOL_PREFERRED: u32 = 1;
const MPOL_BIND: u32 = 2;
const MPOL_INTERLEAVE: u32 = 3;
const MPOL_LOCAL: u32 = 4;
const MPOL_PREFERRED_MANY: u32 = 5;
const MPOL_WEIGHTED_INTERLEAVE: u32 = 6;

const MEMORY_POLICIES: [(&str, u32); 7] = [
    ("MPOL_DEFAULT", MPOL_DEFAULT),
    ("MPOL_BIND", MPOL_BIND),
    ("MPOL_INTERLEAVE", MPOL_INTERLEAVE),
    ("MPOL_WEIGHTED_INTERLEAVE", MPOL_WEIGHTED_INTERLEAVE),
    ("MPOL_PREFERRED", MPOL_PREFERRED),
    ("MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY),
    ("MPOL_LOCAL", MPOL_LOCAL),
];

const MPOL_F_NUMA_BALANCING: u32 = 1 << 13;
const MPOL_F_RELATIVE_NODES: u32 = 1 << 14;
const MPOL_F_STATIC_NODES: u32 = 1 << 15;

const MEMORY_POLICY_FLAGS: [(&str, u32); 3] = [
    ("MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING),
    ("MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES),
    ("MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES),
];

/// The words `features` lists.
impl MemoryPolicy {
    /// `MPOL_*`
    pub fn known_modes() -> impl Iterator<Item = &'static str> {
        MEMORY_POLICIES.iter().map(|(name, _)| *name)
    }

    /// `MPOL_F_*`
    pub fn known_flags() -> impl Iterator<Item = &'static str> {
        MEMORY_POLICY_FLAGS.iter().map(|(name, _)| *name)
    }
}

/// A combination set_mempolicy(2) accepts.
fn read_memory_policy(
    policy: wire::MemoryPolicy<'_>,
    at: &At<'_>,
) -> Result<MemoryPolicy, SpecError> {
    let wire::MemoryPolicy { mode, nodes, flags } = policy;
    let (at_mode, at_nodes, at_flags) = (at.field("mode"), at.field("nodes"), at.field("flags"));
    let name = mode.map(Text::into_string).unwrap_or_default();
    let mode = word(&name, &MEMORY_POLICIES, "memory policy mode", &at_mode)?;
    let text = nodes.map(Text::into_string).unwrap_or_default();
    no_nul(&text, &at_nodes)?;
    let Some(nodes) = NumberSet::parse(&text) else {
        return at_nodes.fail(Problem::Unknown { what: "memory policy nodes", value: text });
    };
    let mut bits = 0;
    for (index, flag) in flags.unwrap_or_default().iter().enumerate() {
        let at = at_flags.index(index);
        bits |= word(flag, &MEMORY_POLICY_FLAGS, "memory policy flag", &at)?;
    }
    check_memory_policy(mode, bits, &nodes, at)?;
    Ok(MemoryPolicy { mode: mode | bits, nodes })
}

fn check_memory_policy(
    mode: u32,
    flags: u32,
    nodes: &NumberSet,
    at: &At<'_>,
) -> Result<(), SpecError> {
    let (at_nodes, at_flags) = (at.field("nodes"), at.field("flags"));
    let placing = flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES);
    if placing == MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES {
        let what = "itself: `MPOL_F_STATIC_NODES` excludes `MPOL_F_RELATIVE_NODES`";
        return at_flags.fail(Problem::Contradicts { what });
    }
    let balancing = flags & MPOL_F_NUMA_BALANCING != 0;
    if balancing && !matches!(mode, MPOL_BIND | MPOL_PREFERRED_MANY) {
        let what = "the mode `MPOL_BIND` or `MPOL_PREFERRED_MANY` for `MPOL_F_NUMA_BALANCING`";
        return at_flags.fail(Problem::Needs { what });
    }
    match mode {
        MPOL_DEFAULT | MPOL_LOCAL if !nodes.is_empty() => {
            at_nodes.fail(Problem::NodesNotAllowed { count: nodes.count() })
        }
        MPOL_DEFAULT => Ok(()),
        MPOL_LOCAL | MPOL_PREFERRED if nodes.is_empty() && placing != 0 => {
            at_flags.fail(Problem::Needs { what: "`nodes`" })
        }
        MPOL_LOCAL | MPOL_PREFERRED => Ok(()),
        _ if nodes.is_empty() => at_nodes.fail(Problem::Empty),
        _ => Ok(()),
    }
}
