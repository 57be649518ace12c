//! One connection to a D-Bus peer: a bus daemon, or systemd's private socket.
//!
//! Calls are made one after the other. Signals that arrive meanwhile are kept, so that one which
//! overtakes its waiter is not lost.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::{Duration, Instant};

use super::value::Value;
use super::wire::{FIXED_HEADER_BYTES, Message, MessageKind, WireError};

/// An answer that takes longer is given up.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest line of the authentication.
const MAX_LINE_BYTES: usize = 4096;
/// How much is read at once.
const READ_BYTES: usize = 4096;
/// Signals kept for a later waiter; older ones are dropped.
const MAX_KEPT_SIGNALS: usize = 256;

/// Why a call over the bus failed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum BusError {
    #[error("`{address}` is no address of a unix socket")]
    Address { address: String },
    #[error("no address of the user's bus is known; is DBUS_SESSION_BUS_ADDRESS set?")]
    NoUserBus,
    #[error("cannot connect to `{address}`")]
    Connect { address: String, source: io::Error },
    #[error("the connection broke")]
    Broken { source: io::Error },
    #[error("the bus refused to authenticate us: `{line}`")]
    Rejected { line: String },
    #[error("malformed message from the bus")]
    Wire {
        #[from]
        source: WireError,
    },
    #[error("{message} ({name})")]
    Call { name: String, message: String },
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    #[error("unexpected answer `{answer}`")]
    Answer { answer: String },
}

impl BusError {
    /// Whether the peer answered with the error `name`.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        matches!(self, BusError::Call { name: found, .. } if found == name)
    }
}

/// What is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A bus that gives us a name first.
    Daemon,
    /// systemd itself.
    Direct,
}

/// A connection.
#[derive(Debug)]
pub struct Bus {
    stream: UnixStream,
    serial: u32,
    /// Read and not yet consumed.
    inbox: Vec<u8>,
    signals: VecDeque<Message>,
}

impl Bus {
    /// Connects and authenticates as this process's user.
    ///
    /// # Errors
    /// [`BusError::Connect`], [`BusError::Rejected`], [`BusError::Broken`].
    pub fn connect(address: &str, peer: Peer) -> Result<Bus, BusError> {
        let connect = |source| BusError::Connect { address: address.to_owned(), source };
        let socket = socket_address(address)?;
        let uid = kernel::identity::effective_uid();
        // The plain form suits every version; behind a user namespace only the peer knows who we
        // are, and the empty identity leaves it to say so.
        for identity in [Some(uid), None] {
            let stream = UnixStream::connect_addr(&socket).map_err(connect)?;
            stream.set_write_timeout(Some(CALL_TIMEOUT)).map_err(connect)?;
            let (inbox, signals) = (Vec::new(), VecDeque::new());
            let mut bus = Bus { stream, serial: 0, inbox, signals };
            match bus.authenticate(identity) {
                Err(BusError::Rejected { .. }) if identity.is_some() => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    if peer == Peer::Daemon {
                        let name = "org.freedesktop.DBus";
                        bus.call(Message::call(name, "/org/freedesktop/DBus", name, "Hello"))?;
                    }
                    return Ok(bus);
                }
            }
        }
        unreachable!("the second form's result is returned")
    }

    /// The EXTERNAL mechanism: the kernel vouches for us.
    ///
    /// All lines go out at once, as systemd's own library sends them: if `BEGIN` came in one read
    /// with the first message, systemd's side would not look at that message before the next.
    fn authenticate(&mut self, identity: Option<u32>) -> Result<(), BusError> {
        let hello = match identity {
            Some(uid) => {
                let digits = uid.to_string();
                let hex: String = digits.bytes().map(|digit| format!("{digit:02x}")).collect();
                format!("\0AUTH EXTERNAL {hex}\r\nBEGIN\r\n")
            }
            None => "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n".to_owned(),
        };
        self.send(hello.as_bytes())?;
        let end = Instant::now() + CALL_TIMEOUT;
        let mut line = self.read_line(end)?;
        if identity.is_none() && line == "DATA" {
            line = self.read_line(end)?;
        }
        if line.starts_with("OK") { Ok(()) } else { Err(BusError::Rejected { line }) }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), BusError> {
        self.stream.write_all(bytes).map_err(|source| BusError::Broken { source })
    }

    /// What follows the last line stays for the first message.
    fn read_line(&mut self, end: Instant) -> Result<String, BusError> {
        loop {
            if let Some(at) = self.inbox.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.inbox.drain(..=at).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.inbox.len() > MAX_LINE_BYTES {
                let line = String::from_utf8_lossy(&self.inbox[..20]).into_owned();
                return Err(BusError::Rejected { line });
            }
            self.read_more(end)?;
        }
    }

    /// Makes a call and waits for its answer.
    ///
    /// # Errors
    /// [`BusError::Call`] with the peer's error, or that of the connection.
    pub fn call(&mut self, message: Message) -> Result<Vec<Value>, BusError> {
        self.serial = self.serial.wrapping_add(1).max(1);
        let message = Message { serial: self.serial, ..message };
        self.send(&message.encode()?)?;
        let end = Instant::now() + CALL_TIMEOUT;
        loop {
            let answer = self.receive(end)?;
            match answer.kind {
                MessageKind::Signal => self.keep(answer),
                _ if answer.reply_serial != self.serial => {}
                MessageKind::Error => {
                    let message = match answer.body.into_iter().next() {
                        Some(Value::Str(text)) => text,
                        _ => "no message".to_owned(),
                    };
                    return Err(BusError::Call { name: answer.error_name, message });
                }
                _ => return Ok(answer.body),
            }
        }
    }

    /// Waits for a signal, one that came before included.
    ///
    /// # Errors
    /// [`BusError::TimedOut`] after `timeout`.
    pub fn wait_signal(
        &mut self,
        timeout: Duration,
        is_wanted: impl Fn(&Message) -> bool,
    ) -> Result<Message, BusError> {
        let end = Instant::now() + timeout;
        if let Some(at) = self.signals.iter().position(&is_wanted) {
            return Ok(self.signals.remove(at).expect("the position was just found"));
        }
        loop {
            let message = match self.receive(end) {
                Err(BusError::TimedOut(_)) => return Err(BusError::TimedOut(timeout)),
                message => message?,
            };
            if message.kind == MessageKind::Signal && is_wanted(&message) {
                return Ok(message);
            }
        }
    }

    fn keep(&mut self, signal: Message) {
        if self.signals.len() == MAX_KEPT_SIGNALS {
            self.signals.pop_front();
        }
        self.signals.push_back(signal);
    }

    fn receive(&mut self, end: Instant) -> Result<Message, BusError> {
        self.fill(FIXED_HEADER_BYTES, end)?;
        let length = Message::length(&self.inbox[..FIXED_HEADER_BYTES])?;
        self.fill(length, end)?;
        let bytes: Vec<u8> = self.inbox.drain(..length).collect();
        Ok(Message::decode(&bytes)?)
    }

    /// Reads until there are `count` bytes.
    fn fill(&mut self, count: usize, end: Instant) -> Result<(), BusError> {
        while self.inbox.len() < count {
            self.read_more(end)?;
        }
        Ok(())
    }

    fn read_more(&mut self, end: Instant) -> Result<(), BusError> {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(BusError::TimedOut(CALL_TIMEOUT));
        }
        let broken = |source| BusError::Broken { source };
        self.stream.set_read_timeout(Some(left)).map_err(broken)?;
        let mut chunk = [0; READ_BYTES];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(broken(io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => {
                self.inbox.extend(&chunk[..read]);
                Ok(())
            }
            // The time is looked at again by the next call.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(source) => Err(broken(source)),
        }
    }
}

/// The first unix socket of a D-Bus address: `unix:path=/run/user/7/bus,guid=..;...`.
fn socket_address(address: &str) -> Result<SocketAddr, BusError> {
    let bad = || BusError::Address { address: address.to_owned() };
    let of_part = |part: &str| {
        let pairs = part.strip_prefix("unix:")?;
        pairs.split(',').find_map(|pair| match pair.split_once('=')? {
            ("path", path) => SocketAddr::from_pathname(unescape(path)?).ok(),
            ("abstract", name) => SocketAddr::from_abstract_name(unescape(name)?).ok(),
            _ => None,
        })
    };
    address.split(';').find_map(of_part).ok_or_else(bad)
}

/// Undoes `%20`; `None` for a malformed escape.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let value = digit(rest.next()?)? * 16 + digit(rest.next()?)?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_unix_sockets() {
        let path = |address: &str| {
            let socket = socket_address(address).ok()?;
            Some(socket.as_pathname()?.to_str()?.to_owned())
        };
        assert_eq!(path("unix:path=/run/user/7/bus").as_deref(), Some("/run/user/7/bus"));
        assert_eq!(path("unix:path=/a%20b,guid=0").as_deref(), Some("/a b"));
        assert_eq!(path("tcp:host=x;unix:guid=1,path=/c").as_deref(), Some("/c"));
        assert!(socket_address("unix:abstract=/tmp/dbus-x").is_ok());
        for bad in ["", "unix:", "tcp:host=localhost", "unix:path=%zz", "/run/bus"] {
            assert!(socket_address(bad).is_err(), "{bad}");
        }
    }

    /// A bus daemon of this test's own.
    struct Daemon {
        process: std::process::Child,
        directory: tempfile::TempDir,
    }

    impl Daemon {
        fn start() -> Option<Daemon> {
            let directory = tempfile::tempdir().unwrap();
            let started = std::process::Command::new("dbus-daemon")
                .args(["--session", "--nofork", "--nopidfile", "--print-address"])
                .arg(format!("--address=unix:path={}/bus", directory.path().display()))
                .stdout(std::process::Stdio::piped())
                .spawn();
            let Ok(mut process) = started else {
                crate::cgroup::tests::skip("no dbus-daemon here (Debian's package dbus)");
                return None;
            };
            // It prints its address once it listens.
            let mut byte = [0];
            process.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
            Some(Daemon { process, directory })
        }

        fn address(&self) -> String {
            format!("unix:path={}/bus", self.directory.path().display())
        }
    }

    impl Drop for Daemon {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    const DAEMON: &str = "org.freedesktop.DBus";

    fn to_daemon(member: &str, body: Vec<Value>) -> Message {
        Message::call(DAEMON, "/org/freedesktop/DBus", DAEMON, member).with(body)
    }

    fn text(text: &str) -> Value {
        Value::Str(text.to_owned())
    }

    #[test]
    fn a_real_bus_answers_refuses_and_signals() {
        let Some(daemon) = Daemon::start() else { return };
        let mut bus = Bus::connect(&daemon.address(), Peer::Daemon).unwrap();
        let names = bus.call(to_daemon("ListNames", Vec::new())).unwrap();
        let [Value::Array(member, names)] = names.as_slice() else { panic!("{names:?}") };
        assert!(member == "s" && names.contains(&text(DAEMON)), "{names:?}");

        let error = bus.call(to_daemon("NoSuchMember", Vec::new())).unwrap_err();
        assert!(error.is_named("org.freedesktop.DBus.Error.UnknownMethod"), "{error}");

        let rule = text("type='signal',member='NameOwnerChanged'");
        bus.call(to_daemon("AddMatch", vec![rule])).unwrap();
        let mut other = Bus::connect(&daemon.address(), Peer::Daemon).unwrap();
        let name = text("org.example.Runt");
        other.call(to_daemon("RequestName", vec![name.clone(), Value::Uint32(0)])).unwrap();
        // A call in between keeps the signals for their waiter.
        bus.call(to_daemon("GetId", Vec::new())).unwrap();
        let is_ours = |signal: &Message| signal.body.first() == Some(&name);
        let signal = bus.wait_signal(CALL_TIMEOUT, is_ours).unwrap();
        assert_eq!(signal.member, "NameOwnerChanged");
        let soon = Duration::from_millis(10);
        assert!(matches!(bus.wait_signal(soon, is_ours), Err(BusError::TimedOut(_))));

        // Every type there is goes through the daemon's own checks.
        let everything = vec![
            Value::Byte(1),
            Value::Bool(true),
            Value::Int16(-1),
            Value::Uint16(1),
            Value::Int64(-1),
            Value::Double(0.5),
            Value::ObjectPath("/a".to_owned()),
            Value::Array("(sv)".to_owned(), Vec::new()),
            Value::Struct(vec![Value::Variant(Box::new(Value::strings(["x"]))), Value::Uint64(1)]),
        ];
        let error = bus.call(to_daemon("GetId", everything)).unwrap_err();
        assert!(error.is_named("org.freedesktop.DBus.Error.InvalidArgs"), "{error}");
    }
}
