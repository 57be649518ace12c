//! `linux.devices` and `linux.netDevices`.

use super::at::At;
use super::checks::{count, list, range, required};
use super::{Context, Problem, SpecError, WarningReason, checks, limits};
use crate::spec::wire::{self, Entries};
use crate::spec::{ContainerGid, ContainerUid, DeviceKind, DeviceNode, Namespace, NetDevice};

/// The file type bits of a mode, which some tools leave in `fileMode`.
const S_IFMT: u32 = 0o170_000;

/// `linux.devices` (config-linux.md#devices).
pub(super) fn read_devices(
    devices: Option<Vec<wire::Device<'_>>>,
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<Vec<DeviceNode>, SpecError> {
    let devices = list(devices, limits::MAX_DEVICES, at)?;
    let read = devices.into_iter().enumerate();
    read.map(|(index, device)| read_device(device, &at.index(index), cx)).collect()
}

fn read_device(
    device: wire::Device<'_>,
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<DeviceNode, SpecError> {
    let wire::Device { r#type, path, major, minor, file_mode, uid, gid } = device;
    let at_type = at.field("type");
    let (at_major, at_minor) = (at.field("major"), at.field("minor"));
    let name = required(r#type, &at_type)?;
    let numbers = || -> Result<(u32, u32), SpecError> {
        Ok((
            range(required(major, &at_major)?, 0, limits::MAX_MAJOR, &at_major)?,
            range(required(minor, &at_minor)?, 0, limits::MAX_MINOR, &at_minor)?,
        ))
    };
    let kind = match &*name {
        "c" | "u" => numbers().map(|(major, minor)| DeviceKind::Char { major, minor })?,
        "b" => numbers().map(|(major, minor)| DeviceKind::Block { major, minor })?,
        "p" => {
            for (number, at) in [(major, &at_major), (minor, &at_minor)] {
                if number.is_some_and(|number| number != 0) {
                    cx.warn(at, WarningReason::Ignored { why: "a FIFO has no device number" });
                }
            }
            DeviceKind::Fifo
        }
        _ => {
            let value = name.into_string();
            return at_type.fail(Problem::Unknown { what: "device type", value });
        }
    };
    let at_path = at.field("path");
    let owner = |id: Option<u32>, at: At<'_>| id.map(|id| checks::id(id, &at)).transpose();
    Ok(DeviceNode {
        path: checks::container_path(&required(path, &at_path)?, &at_path)?,
        kind,
        mode: match file_mode {
            Some(mode) => Some(range(mode & !S_IFMT, 0u32, 0o7777, &at.field("fileMode"))?),
            None => None,
        },
        uid: owner(uid, at.field("uid"))?.map(ContainerUid),
        gid: owner(gid, at.field("gid"))?.map(ContainerGid),
    })
}

/// `linux.netDevices` (config-linux.md#network-devices), in the order written.
pub(super) fn read_net_devices(
    devices: Option<Entries<'_, wire::NetDevice<'_>>>,
    network: &Namespace,
    at: &At<'_>,
) -> Result<Vec<NetDevice>, SpecError> {
    let devices = devices.map(|entries| entries.0).unwrap_or_default();
    count(devices.len(), limits::MAX_NET_DEVICES, at)?;
    if !devices.is_empty() && network.is_inherited() {
        return at.fail(Problem::Needs { what: "a network namespace in `linux.namespaces`" });
    }
    let mut read: Vec<NetDevice> = Vec::with_capacity(devices.len());
    for (host_name, device) in devices {
        let at_device = at.key(&host_name);
        interface_name(&host_name, &at_device)?;
        let wire::NetDevice { name } = device;
        let at_name = at_device.field("name");
        let name = match name.filter(|name| !name.is_empty()) {
            Some(name) => name.into_string(),
            None => host_name.to_string(),
        };
        interface_name(name.strip_suffix("%d").unwrap_or(&name), &at_name)?;
        checks::len(&name, limits::MAX_INTERFACE_NAME_BYTES, &at_name)?;
        let template = name.ends_with("%d");
        if read.iter().any(|other| other.host_name == *host_name) {
            return at_device.fail(Problem::Duplicate { value: host_name.to_string() });
        }
        if !template && read.iter().any(|other| other.name == name) {
            return at_name.fail(Problem::Duplicate { value: name });
        }
        read.push(NetDevice { host_name: host_name.to_string(), name });
    }
    Ok(read)
}

/// A name the kernel's `dev_valid_name` accepts, and no template.
pub(super) fn interface_name(name: &str, at: &At<'_>) -> Result<(), SpecError> {
    let wrong = |b: u8| b == b'/' || b == b':' || b == b'%' || b == 0 || is_space(b);
    let right = !name.is_empty()
        && name.len() <= limits::MAX_INTERFACE_NAME_BYTES
        && name != "."
        && name != ".."
        && !name.bytes().any(wrong);
    let expected =
        "a name a network device can have: 1 to 15 bytes without `/`, `:`, `%` or blanks";
    match right {
        true => Ok(()),
        false => at.fail(Problem::Malformed { value: name.to_owned(), expected }),
    }
}

/// The kernel's isspace(): Latin-1, so that the no-break space counts too.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ' | 0xa0)
}

/// A device number of a cgroup rule: absent and -1 stand for all.
pub(super) fn wildcard_number(
    number: Option<i64>,
    max: u32,
    at: &At<'_>,
) -> Result<Option<u32>, SpecError> {
    match number {
        None | Some(-1) => Ok(None),
        Some(number) => range(number, 0, max, at).map(Some),
    }
}

/// A device number that must be there.
pub(super) fn device_number(number: Option<i64>, max: u32, at: &At<'_>) -> Result<u32, SpecError> {
    range(required(number, at)?, 0, max, at)
}
