//! From bytes to [`ContainerSpec`]: JSON to `wire`, and every property checked on the way out.
//!
//! What can't be honoured is refused by the path of its property; what the specification wants
//! ignored (unknown properties, other platforms' sections, unknown capabilities) becomes a
//! [`Warning`]. Nothing here looks at the host: no file is opened and no kernel asked.

mod annotations;
mod at;
mod checks;
mod devices;
mod error;
mod hooks;
mod id_maps;
pub mod limits;
mod linux;
mod mount_options;
mod mounts;
mod namespaces;
mod numbers;
mod place;
mod process;
mod resources;
mod scheduling;
mod seccomp;
mod sysctls;
mod version;

use std::path::{Path, PathBuf};

use at::At;
pub use error::{Problem, SpecError, Warning, WarningReason};
pub use mount_options::known_mount_options;
pub use version::zero_pids_are_unset;

use super::{Access, ContainerSpec, Process, Resources, Rootfs, wire};

/// A value read from JSON, and what in the JSON had no effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed<T = ContainerSpec> {
    /// Checked.
    pub spec: T,
    /// In the order met.
    pub warnings: Vec<Warning>,
}

/// What the administrator, not the bundle's author, decides.
#[derive(Clone, Copy, Debug, Default)]
pub struct ParseOptions<'a> {
    /// What `org.systemd.property.*` annotations do.
    pub systemd_properties: &'a SystemdProperties,
}

/// Which properties of the systemd scope annotations may set (CVE-2024-3154). The others are plain
/// annotations; a warning says so.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum SystemdProperties {
    /// None.
    #[default]
    None,
    /// These, by the names that annotations use.
    Named(Vec<String>),
    /// All: as much as root's own commands can, for some properties run programs on the host.
    All,
}

impl SystemdProperties {
    /// Whether annotations can name a property so: three letters or more, and nothing else.
    pub fn is_name(name: &str) -> bool {
        name.len() >= 3 && name.bytes().all(|b| b.is_ascii_alphabetic())
    }

    fn allow(&self, name: &str) -> bool {
        match self {
            SystemdProperties::None => false,
            SystemdProperties::Named(names) => names.iter().any(|allowed| allowed == name),
            SystemdProperties::All => true,
        }
    }
}

impl Default for &SystemdProperties {
    fn default() -> Self {
        &SystemdProperties::None
    }
}

impl ContainerSpec {
    /// Reads a `config.json` whose bundle is the absolute directory `bundle`.
    ///
    /// # Errors
    /// [`SpecError`] names the first property that can't be honoured.
    pub fn from_json(bytes: &[u8], bundle: &Path) -> Result<Parsed, SpecError> {
        ContainerSpec::from_json_with(bytes, bundle, ParseOptions::default())
    }

    /// As [`ContainerSpec::from_json`], with the administrator's choices.
    ///
    /// # Errors
    /// [`SpecError`] names the first property that can't be honoured.
    pub fn from_json_with(
        bytes: &[u8],
        bundle: &Path,
        options: ParseOptions<'_>,
    ) -> Result<Parsed, SpecError> {
        let mut cx = Context { bundle, options, warnings: Vec::new() };
        let config: wire::Config<'_> = decode(bytes, &mut cx)?;
        let spec = read_config(config, &mut cx)?;
        Ok(Parsed { spec, warnings: cx.warnings })
    }

    /// Checks a process for `exec` against this container: its ids must be mapped.
    ///
    /// # Errors
    /// [`SpecError`] names the property of `process` that has no meaning in this container.
    pub fn check_process(&self, process: &Process) -> Result<(), SpecError> {
        namespaces::check_ids(process, &self.namespaces, &self.uid_map, &self.gid_map, &At::ROOT)
    }
}

impl Process {
    /// Reads the file of `exec --process`; paths of properties start at its top.
    ///
    /// # Errors
    /// [`SpecError`] names the first property that can't be honoured.
    pub fn from_json(bytes: &[u8]) -> Result<Parsed<Process>, SpecError> {
        let mut cx = Context::without_bundle();
        let wire: wire::Process<'_> = decode(bytes, &mut cx)?;
        let spec = process::read_process(wire, &At::ROOT, &mut cx)?;
        Ok(Parsed { spec, warnings: cx.warnings })
    }
}

impl Resources {
    /// Reads the file of `update -r`: a `linux.resources` object.
    ///
    /// # Errors
    /// [`SpecError`] names the first property that can't be honoured.
    pub fn from_json(bytes: &[u8]) -> Result<Parsed<Resources>, SpecError> {
        let mut cx = Context::without_bundle();
        let wire: wire::Resources<'_> = decode(bytes, &mut cx)?;
        let spec = resources::read_resources(wire, &At::ROOT)?;
        Ok(Parsed { spec, warnings: cx.warnings })
    }
}

/// What every reader needs beside its own part of the file.
struct Context<'a> {
    bundle: &'a Path,
    options: ParseOptions<'a>,
    warnings: Vec<Warning>,
}

impl Context<'static> {
    /// For files that name no path relative to a bundle.
    fn without_bundle() -> Self {
        Context { bundle: Path::new("/"), options: ParseOptions::default(), warnings: Vec::new() }
    }
}

impl Context<'_> {
    fn warn(&mut self, at: &At<'_>, reason: WarningReason) {
        self.warnings.push(Warning { property: at.to_string(), reason });
    }

    /// An absolute path on the host, a relative one taken from the bundle.
    fn host_path(&self, path: &str) -> PathBuf {
        self.bundle.join(path)
    }
}

/// Bytes to wire types, with the path of what doesn't fit and of what has no field.
fn decode<'de, T: serde::Deserialize<'de>>(
    bytes: &'de [u8],
    cx: &mut Context<'_>,
) -> Result<T, SpecError> {
    if bytes.len() > limits::MAX_CONFIG_BYTES {
        return Err(SpecError::TooLarge);
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let result = serde_ignored::deserialize(&mut json, |path| {
        let property = ignored_path(&path);
        let reason = match OTHER_PLATFORMS.contains(&property.as_str()) {
            true => WarningReason::OtherPlatform,
            false => WarningReason::UnknownProperty,
        };
        cx.warnings.push(Warning { property, reason });
    });
    match result {
        Ok(value) => {
            json.end().map_err(|source| SpecError::NotJson { source })?;
            Ok(value)
        }
        Err(source) => Err(decode_error(source, bytes)),
    }
}

/// Properties the specification gives to other platforms only.
const OTHER_PLATFORMS: [&str; 9] = [
    "freebsd",
    "solaris",
    "vm",
    "windows",
    "zos",
    "process.commandLine",
    "process.user.username",
    "commandLine",
    "user.username",
];

fn decode_error(source: serde_json::Error, bytes: &[u8]) -> SpecError {
    if source.classify() == serde_json::error::Category::Data {
        let property = place::property_at(bytes, source.line(), source.column());
        if !property.is_empty() {
            return SpecError::WrongType { property, source };
        }
    }
    SpecError::NotJson { source }
}

fn ignored_path(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", ignored_path(parent)),
        Path::Map { parent, key } => match ignored_path(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => ignored_path(parent),
    }
}

fn read_config(config: wire::Config<'_>, cx: &mut Context<'_>) -> Result<ContainerSpec, SpecError> {
    let at = At::ROOT;
    let wire::Config {
        oci_version,
        root,
        mounts,
        process,
        hostname,
        domainname,
        hooks,
        annotations,
        linux,
    } = config;
    let oci_version = version::read_version(oci_version, &at.field("ociVersion"))?;
    let root = read_root(root, &at.field("root"), cx)?;
    let mut linux = linux::read_linux(linux.unwrap_or_default(), &at.field("linux"), cx)?;
    if version::zero_pids_are_unset(&oci_version) {
        linux.resources.pids_limit = linux.resources.pids_limit.filter(|limit| *limit != 0);
    }
    let mut mounts = mounts::read_mounts(mounts, &linux.namespaces, &at.field("mounts"), cx)?;
    mounts.iter_mut().for_each(|mount| mount.strip_rootfs(&root.path));
    let process = match process {
        Some(wire) => Some(process::read_process(wire, &at.field("process"), cx)?),
        None => None,
    };
    if let Some(process) = &process {
        let at = at.field("process");
        namespaces::check_ids(process, &linux.namespaces, &linux.uid_map, &linux.gid_map, &at)?;
    }
    let uts = &linux.namespaces.uts;
    let hostname = namespaces::read_uts_name(hostname, uts, &at.field("hostname"))?;
    let domainname = namespaces::read_uts_name(domainname, uts, &at.field("domainname"))?;
    let hooks = hooks::read_hooks(hooks, &at.field("hooks"))?;
    let (annotations, extensions) =
        annotations::read_annotations(annotations, &at.field("annotations"), cx)?;
    Ok(ContainerSpec {
        oci_version,
        root,
        mounts,
        process,
        hostname,
        domainname,
        hooks,
        annotations,
        namespaces: linux.namespaces,
        uid_map: linux.uid_map,
        gid_map: linux.gid_map,
        time_offsets: linux.time_offsets,
        devices: linux.devices,
        net_devices: linux.net_devices,
        cgroups_path: linux.cgroups_path,
        resources: linux.resources,
        rootfs_propagation: linux.rootfs_propagation,
        seccomp: linux.seccomp,
        masked_paths: linux.masked_paths,
        readonly_paths: linux.readonly_paths,
        mount_label: linux.mount_label,
        sysctls: linux.sysctls,
        intel_rdt: linux.intel_rdt,
        personality: linux.personality,
        memory_policy: linux.memory_policy,
        extensions,
    })
}

fn read_root(
    root: Option<wire::Root<'_>>,
    at: &At<'_>,
    cx: &Context<'_>,
) -> Result<Rootfs, SpecError> {
    let wire::Root { path, readonly } = checks::required(root, at)?;
    let at_path = at.field("path");
    let path = checks::required(path, &at_path)?;
    checks::non_empty(&path, &at_path)?;
    checks::path(&path, &at_path)?;
    let access = match readonly {
        Some(true) => Access::ReadOnly,
        Some(false) | None => Access::ReadWrite,
    };
    Ok(Rootfs { path: cx.host_path(&path), access })
}

#[cfg(test)]
mod tests;
