//! `linux.netDevices`: network devices that move into the container.

use super::LifecycleError;
use crate::spec::NetDevice;

/// Moves one device into the network namespace of `pid`.
pub(super) fn move_device(device: &NetDevice, _pid: i32) -> Result<(), LifecycleError> {
    Err(LifecycleError::Unsupported {
        property: "linux.netDevices",
        reason: format!("moving `{}` is not built in yet", device.host_name),
    })
}
