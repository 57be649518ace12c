//! Any bytes over the sockets that a container's processes write to: the report to the runtime, the
//! terminal's name, messages to the service manager. Real sockets, and what comes out at the other end.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use kernel::Errno;
use kernel::unix_socket::{self, message_pair};
use runt::foreground::{NotifyProxy, passed_on};
use runt::init::report::{MAX_REPORT, Report, await_go, receive_descriptor};

/// A queue of datagrams is as long, at least: half for what the program says.
const MAX_MESSAGES: usize = 4;
/// A longer one is cut.
const MAX_MESSAGE_BYTES: usize = 4096;
/// What ends a message.
const END: u8 = 0;
/// The pid that the service manager is told.
const MAIN_PID: u32 = 7;

pub(crate) fn run(bytes: &[u8]) {
    report(bytes);
    notify(bytes);
}

fn report(bytes: &[u8]) {
    let (ours, theirs) = message_pair().expect("a pair of sockets");
    // A message without a byte looks like the end of the stream.
    let expected = match bytes.len() {
        ..=MAX_REPORT => Report::decode(bytes),
        _ => Err(Errno::MSGSIZE),
    };
    let send = || unix_socket::send(&theirs, bytes, &[]).expect("the peer is there");
    send();
    assert_eq!(Report::receive(&ours), expected);
    if let Ok(Some(report)) = expected {
        let mut message = [0; MAX_REPORT];
        let len = report.encode(&mut message);
        let again = Report::decode(&message[..len]).expect("just written").expect("not empty");
        match (&report, &again) {
            (Report::Failed(a), Report::Failed(b)) => {
                assert_eq!((a.errno, a.telling), (b.errno, b.telling));
                assert!(a.text.starts_with(&b.text), "a long text is cut");
            }
            _ => assert_eq!(report, again),
        }
    }
    send();
    assert!(receive_descriptor(&ours).is_err(), "none came with it");
    send();
    assert_eq!(await_go(&ours).is_ok(), bytes.len() == 4);
}

fn notify(bytes: &[u8]) {
    let name = format!("fuzz-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a short name");
    let manager = UnixDatagram::bind_addr(&address).expect("a name of our own");
    manager.set_nonblocking(true).expect("a socket can");
    let dir = tempfile::tempdir().expect("a directory for a socket");
    let path = dir.path().join("notify");
    let mut proxy = NotifyProxy::bind(&path, Path::new(&format!("@{name}"))).expect("bound");
    let program = UnixDatagram::unbound().expect("a socket");
    for message in bytes.split(|byte| *byte == END).take(MAX_MESSAGES) {
        program.send_to(message, &path).expect("there is room");
        let is_ready = proxy.forward(MAIN_PID).expect("the manager is there");
        let expected = passed_on(&message[..message.len().min(MAX_MESSAGE_BYTES)]);
        let mut buffer = [0; 1 << 14];
        let mut next = || manager.recv(&mut buffer).ok().map(|n| buffer[..n].to_vec());
        assert_eq!(next(), expected.clone().map(String::into_bytes));
        let Some(text) = expected else { continue };
        assert_eq!(is_ready, text.lines().any(|line| line == "READY=1"));
        assert_eq!(next(), is_ready.then(|| format!("MAINPID={MAIN_PID}\n").into_bytes()));
        assert_eq!(next(), None);
        assert!(text.ends_with('\n'));
        for line in text.trim_end().split(['\n', '\r']) {
            let (key, _) = line.split_once('=').expect("a variable");
            let other = ["MAINPID", "BARRIER", "FDSTORE", "FDNAME", "NOTIFYACCESS"];
            assert!(!other.contains(&key), "{line}");
        }
        assert_eq!(passed_on(text.as_bytes()), Some(text));
    }
}
