//! A transient unit: started with its first process, changed, stopped.

use std::time::Duration;

use super::bus::{Bus, BusError, Peer};
use super::properties::{device_properties, limit_properties, start_properties};
use super::value::Value;
use super::wire::Message;
use super::{CgroupError, LayoutKind, Property, UnitName};
use crate::cgroup::{CgroupPath, CgroupRecord, UnitPlan};
use crate::spec::{DeviceRule, HostPid, Resources};

/// A job that takes longer is given up.
const JOB_TIMEOUT: Duration = Duration::from_secs(30);

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT_EXISTS: &str = "org.freedesktop.systemd1.UnitExists";
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";

/// The container's unit.
#[derive(Debug)]
pub struct Unit {
    name: UnitName,
    manager: Manager,
    /// What is left to do; `None` once the unit runs.
    start: Option<Start>,
    connection: Option<Connection>,
}

/// Which systemd.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Manager {
    System,
    /// By the address of the user's bus.
    User(Option<String>),
}

#[derive(Debug)]
struct Start {
    properties: Vec<Property>,
    resources: Resources,
    device_rules: Vec<DeviceRule>,
    kind: LayoutKind,
}

/// A connection, and what systemd said of itself.
#[derive(Debug)]
struct Connection {
    bus: Bus,
    version: u32,
}

impl Unit {
    /// A unit that will be started with the first process.
    pub(in crate::cgroup) fn new(plan: &UnitPlan) -> Unit {
        Unit {
            name: plan.name.clone(),
            manager: manager(plan.user, plan.user_bus.as_deref()),
            start: Some(Start {
                properties: plan.properties.clone(),
                resources: plan.resources.clone(),
                device_rules: plan.device_rules.clone(),
                kind: plan.kind,
            }),
            connection: None,
        }
    }

    /// The unit of a container that exists.
    pub(in crate::cgroup) fn of_record(record: &CgroupRecord) -> Option<Unit> {
        let name = UnitName::parse(record.unit.as_deref()?)?;
        let manager = manager(record.user, record.user_bus.as_deref());
        Some(Unit { name, manager, start: None, connection: None })
    }

    pub(in crate::cgroup) fn is_started(&self) -> bool {
        self.start.is_none()
    }

    /// Whether systemd moves processes into the unit: a slice has none of its own.
    pub(in crate::cgroup) fn holds_processes(&self) -> bool {
        !self.name.is_slice()
    }

    /// Starts the unit around `pid`. Returns its cgroup, or `None` if it ran already.
    pub(in crate::cgroup) fn start(
        &mut self,
        pid: HostPid,
    ) -> Result<Option<CgroupPath>, CgroupError> {
        let Some(start) = self.start.take() else { return Ok(None) };
        let version = self.connection()?.version;
        let mut properties = start.properties;
        if self.holds_processes() {
            let pid = Value::Uint32(pid.0.unsigned_abs());
            properties.push(Property::new("PIDs", Value::Array("u".to_owned(), vec![pid])));
        }
        properties.extend(device_properties(&start.device_rules, start.kind, version));
        properties.extend(start_properties(&start.resources, version));
        properties.extend(limit_properties(&start.resources, start.kind, version)?);
        let arguments = vec![
            Value::Str(self.name.to_string()),
            Value::Str("replace".to_owned()),
            property_array(&properties),
            Value::Array("(sa(sv))".to_owned(), Vec::new()),
        ];
        let job = match self.manager_call("StartTransientUnit", arguments.clone()) {
            // What a failed container of the same name left behind; it makes room once reset.
            Err(error) if error.is_named(UNIT_EXISTS) => {
                let name = Value::Str(self.name.to_string());
                // If that fails, so does the second start, and its error says why.
                let _ = self.manager_call("ResetFailedUnit", vec![name]);
                self.manager_call("StartTransientUnit", arguments)
            }
            job => job,
        };
        let job = job.map_err(|source| self.error("start", source))?;
        let result = self.wait_for_job(&job).map_err(|source| self.error("start", source))?;
        if result != "done" {
            return Err(CgroupError::UnitJob { unit: self.name.to_string(), result });
        }
        self.control_group().map(Some)
    }

    /// Changes the limits of a running unit.
    pub(in crate::cgroup) fn set_limits(
        &mut self,
        resources: &Resources,
        kind: LayoutKind,
    ) -> Result<(), CgroupError> {
        let version = self.connection()?.version;
        let properties = limit_properties(resources, kind, version)?;
        if properties.is_empty() {
            return Ok(());
        }
        let name = Value::Str(self.name.to_string());
        let arguments = vec![name, Value::Bool(true), property_array(&properties)];
        let set = self.manager_call("SetUnitProperties", arguments);
        set.map(drop).map_err(|source| self.error("change the properties", source))
    }

    /// Stops the unit and forgets a failure of it. One that is gone is fine.
    pub(in crate::cgroup) fn stop(&mut self) -> Result<(), CgroupError> {
        if !self.is_started() {
            return Ok(());
        }
        self.connection()?;
        let name = || Value::Str(self.name.to_string());
        let arguments = vec![name(), Value::Str("replace".to_owned())];
        let reset = vec![name()];
        let stopped = match self.manager_call("StopUnit", arguments) {
            Ok(job) => self.wait_for_job(&job).map(drop),
            Err(error) if error.is_named(NO_SUCH_UNIT) => return Ok(()),
            Err(error) => Err(error),
        };
        // Only a unit that failed is still there to be reset.
        let _ = self.manager_call("ResetFailedUnit", reset);
        stopped.map_err(|source| self.error("stop", source))
    }

    fn error(&self, what: &'static str, source: BusError) -> CgroupError {
        CgroupError::Unit { what, unit: self.name.to_string(), source }
    }

    fn connection(&mut self) -> Result<&mut Connection, CgroupError> {
        if self.connection.is_none() {
            let connected = Connection::open(&self.manager);
            self.connection = Some(connected.map_err(|source| CgroupError::Bus { source })?);
        }
        Ok(self.connection.as_mut().expect("it was just made"))
    }

    fn manager_call(
        &mut self,
        member: &str,
        arguments: Vec<Value>,
    ) -> Result<Vec<Value>, BusError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(&self.manager)?),
        };
        let call = Message::call(SYSTEMD, MANAGER_PATH, MANAGER, member);
        connection.bus.call(call.with(arguments))
    }

    /// Waits until the job that a call answered with is done; returns its result.
    fn wait_for_job(&mut self, answer: &[Value]) -> Result<String, BusError> {
        let [Value::ObjectPath(job)] = answer else { return Err(unexpected(answer)) };
        let Some(connection) = &mut self.connection else { return Err(unexpected(answer)) };
        let signal = connection.bus.wait_signal(JOB_TIMEOUT, |signal| {
            signal.member == "JobRemoved"
                && matches!(signal.body.get(1), Some(Value::ObjectPath(path)) if path == job)
        })?;
        match signal.body.into_iter().nth(3) {
            Some(Value::Str(result)) => Ok(result),
            _ => Err(unexpected(answer)),
        }
    }

    /// The unit's cgroup, as systemd knows it.
    fn control_group(&mut self) -> Result<CgroupPath, CgroupError> {
        let kind = if self.name.is_slice() { "Slice" } else { "Scope" };
        let interface = format!("{SYSTEMD}.{kind}");
        let path = format!("{MANAGER_PATH}/unit/{}", object_name(self.name.as_str()));
        let bus = &mut self.connection()?.bus;
        let text = get_text(bus, &path, &interface, "ControlGroup");
        let text = text.map_err(|source| self.error("find the cgroup", source))?;
        CgroupPath::parse(&text)
    }
}

fn manager(user: bool, address: Option<&str>) -> Manager {
    if user { Manager::User(address.map(str::to_owned)) } else { Manager::System }
}

impl Connection {
    fn open(manager: &Manager) -> Result<Connection, BusError> {
        let mut bus = match manager {
            Manager::User(None) => return Err(BusError::NoUserBus),
            Manager::User(Some(address)) => subscribed(Bus::connect(address, Peer::Daemon)?)?,
            // systemd's own socket needs no bus daemon, and sends its signals unasked.
            Manager::System => match Bus::connect("unix:path=/run/systemd/private", Peer::Direct) {
                Ok(bus) => bus,
                Err(_) => {
                    let address = "unix:path=/run/dbus/system_bus_socket";
                    subscribed(Bus::connect(address, Peer::Daemon)?)?
                }
            },
        };
        let version = get_text(&mut bus, MANAGER_PATH, MANAGER, "Version")?;
        let version = parse_version(&version).ok_or(BusError::Answer { answer: version })?;
        Ok(Connection { bus, version })
    }
}

/// Asks the daemon and systemd for the signals about jobs.
fn subscribed(mut bus: Bus) -> Result<Bus, BusError> {
    let daemon = "org.freedesktop.DBus";
    let rule = format!("type='signal',interface='{MANAGER}',member='JobRemoved'");
    let add = Message::call(daemon, "/org/freedesktop/DBus", daemon, "AddMatch");
    bus.call(add.with(vec![Value::Str(rule)]))?;
    bus.call(Message::call(SYSTEMD, MANAGER_PATH, MANAGER, "Subscribe"))?;
    Ok(bus)
}

fn get_text(
    bus: &mut Bus,
    path: &str,
    interface: &str,
    property: &str,
) -> Result<String, BusError> {
    let get = Message::call(SYSTEMD, path, "org.freedesktop.DBus.Properties", "Get");
    let names = [interface, property].map(|name| Value::Str(name.to_owned()));
    let answer = bus.call(get.with(names.to_vec()))?;
    match answer.as_slice() {
        [Value::Variant(value)] if matches!(**value, Value::Str(_)) => match &**value {
            Value::Str(text) => Ok(text.clone()),
            _ => Err(unexpected(&answer)),
        },
        _ => Err(unexpected(&answer)),
    }
}

fn unexpected(answer: &[Value]) -> BusError {
    BusError::Answer { answer: Value::Struct(answer.to_vec()).to_string() }
}

fn property_array(properties: &[Property]) -> Value {
    let pair = |property: &Property| {
        let value = Value::Variant(Box::new(property.value.clone()));
        Value::Struct(vec![Value::Str(property.name.clone()), value])
    };
    Value::Array("(sv)".to_owned(), properties.iter().map(pair).collect())
}

/// `252` of `252.36-1~deb12u1`, `v245.4` and `257~rc1`.
fn parse_version(text: &str) -> Option<u32> {
    let text = text.trim_start_matches(['v', '"']);
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// A unit's name as the last part of its object path: what is neither a letter nor a digit, and a
/// digit in the first place, is `_` and two hexadecimal digits.
fn object_name(unit: &str) -> String {
    let escape = |(at, byte): (usize, u8)| match byte {
        b'0'..=b'9' if at > 0 => char::from(byte).to_string(),
        b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
        byte => format!("_{byte:02x}"),
    };
    unit.bytes().enumerate().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_object_names() {
        for (text, version) in
            [("252.36-1~deb12u1", 252), ("v245.4", 245), ("257~rc1", 257), ("239", 239)]
        {
            assert_eq!(parse_version(text), Some(version), "{text}");
        }
        assert_eq!(parse_version("new"), None);
        assert_eq!(object_name("runt-c1.scope"), "runt_2dc1_2escope");
        assert_eq!(object_name("1a.slice"), "_31a_2eslice");
    }
}
