//! What the container's process and the runtime tell each other before the program runs.
//!
//! ```text
//! child -> runtime   8 bytes: kind u32, errno i32 (native order), then up to 1 KiB of text
//!                    kind 0: a step failed, 1: likewise, and the text says it all
//!                    kind 2: ready, 3: run your hooks
//!                    kind 4: clone and map the tree of number errno, whose place is in the next
//!                    message; the answer is a byte and the tree
//!                    kind 5: the program could not be executed, and the text says it all
//!                    kind 6: a mount failed
//! runtime -> child   4 bytes: the child's pid as the runtime sees it: go on
//! end of stream      from the child: the program runs; from the runtime: it is gone, so end
//! ```

use kernel::{Errno, Result};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes of text a failure may carry.
pub const MAX_DETAIL: usize = 1024;
/// Bytes of the longest report.
pub const MAX_REPORT: usize = 8 + MAX_DETAIL;

const FAILED: u32 = 0;
const FAILED_WHOLE: u32 = 1;
const READY: u32 = 2;
const HOOKS: u32 = 3;
const MAP_TREE: u32 = 4;
const FAILED_EXECVE: u32 = 5;
const FAILED_MOUNT: u32 = 6;

/// From the child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// All steps up to the start are done.
    Ready,
    /// The runtime's hooks are due.
    RuntimeHooks,
    /// A tree is to be cloned and mapped; its place follows.
    MapTree {
        /// Its number in the plan.
        number: u32,
    },
    /// A step failed, and the child is gone.
    Failed(StepFailed),
}

/// Which step failed and why. The child writes the prose: `start` runs without the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepFailed {
    /// errno.
    pub errno: i32,
    /// The step in words, or a whole sentence.
    pub text: String,
    /// What the text is.
    pub telling: Telling,
}

/// What the text of a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// What was done; the errno says why it failed.
    Step,
    /// Likewise, and it was a mount.
    Mount,
    /// All there is to say.
    All,
    /// Likewise, of the last step: the program could not be executed.
    Execve,
}

impl Report {
    /// Writes it into `message`, and returns its length.
    pub fn encode(&self, message: &mut [u8; MAX_REPORT]) -> usize {
        let (kind, errno, detail) = match self {
            Report::Ready => (READY, 0, ""),
            Report::RuntimeHooks => (HOOKS, 0, ""),
            Report::MapTree { number } => (MAP_TREE, number.cast_signed(), ""),
            Report::Failed(f) => {
                let kind = match f.telling {
                    Telling::Step => FAILED,
                    Telling::Mount => FAILED_MOUNT,
                    Telling::All => FAILED_WHOLE,
                    Telling::Execve => FAILED_EXECVE,
                };
                (kind, f.errno, f.text.as_str())
            }
        };
        let detail = &detail.as_bytes()[..detail.floor_char_boundary(MAX_DETAIL)];
        message[..4].copy_from_slice(&kind.to_ne_bytes());
        message[4..8].copy_from_slice(&errno.to_ne_bytes());
        message[8..8 + detail.len()].copy_from_slice(detail);
        8 + detail.len()
    }

    /// Sends it.
    ///
    /// # Errors
    /// `EPIPE` if the runtime is gone.
    pub fn send(&self, socket: impl AsFd) -> Result<()> {
        let mut message = [0u8; MAX_REPORT];
        let len = self.encode(&mut message);
        kernel::unix_socket::send(socket, &message[..len], &[])
    }

    /// Waits for one; `None` at the end of the stream, when the program runs or the child died.
    ///
    /// # Errors
    /// `EPROTO` for a message that is none, else what recvmsg(2) says.
    pub fn receive(socket: impl AsFd) -> Result<Option<Report>> {
        let mut message = [0u8; MAX_REPORT];
        match kernel::unix_socket::receive(socket, &mut message) {
            Err(Errno::CONNRESET) => Ok(None),
            other => Report::decode(&message[..other?.0]),
        }
    }

    /// Reads a message; `None` if it is empty, which is the end of the stream.
    ///
    /// # Errors
    /// `EPROTO` for a message that is none.
    pub fn decode(message: &[u8]) -> Result<Option<Report>> {
        let (kind, errno) = match *message {
            [] => return Ok(None),
            [a, b, c, d, e, f, g, h, ..] => {
                (u32::from_ne_bytes([a, b, c, d]), i32::from_ne_bytes([e, f, g, h]))
            }
            _ => return Err(Errno::PROTO),
        };
        Ok(Some(match kind {
            READY => Report::Ready,
            HOOKS => Report::RuntimeHooks,
            MAP_TREE => Report::MapTree { number: errno.cast_unsigned() },
            FAILED | FAILED_MOUNT | FAILED_WHOLE | FAILED_EXECVE => {
                let text = String::from_utf8_lossy(&message[8..]).into_owned();
                let telling = match kind {
                    FAILED => Telling::Step,
                    FAILED_MOUNT => Telling::Mount,
                    FAILED_WHOLE => Telling::All,
                    _ => Telling::Execve,
                };
                Report::Failed(StepFailed { errno, text, telling })
            }
            _ => return Err(Errno::PROTO),
        }))
    }
}

/// Asks the runtime to clone and map the tree of `number` whose place is `place`.
///
/// # Errors
/// `EPIPE` if the runtime is gone.
pub fn map_tree(socket: impl AsFd, number: u32, place: BorrowedFd<'_>) -> Result<OwnedFd> {
    Report::MapTree { number }.send(&socket)?;
    kernel::unix_socket::send(&socket, b"t", &[place])?;
    receive_descriptor(socket)
}

/// Takes the descriptor that the next message carries.
///
/// # Errors
/// `EPIPE` if the peer is gone.
pub fn receive_descriptor(socket: impl AsFd) -> Result<OwnedFd> {
    kernel::unix_socket::receive(socket, &mut [0u8; 1])?.1.pop().ok_or(Errno::PIPE)
}

/// Gives the child the network namespace that was made for it, if one was. Comes before all else.
///
/// # Errors
/// `EPIPE` if the child is gone.
pub fn send_network(socket: impl AsFd, network: Option<&OwnedFd>) -> Result<()> {
    let network = network.map(AsFd::as_fd);
    kernel::unix_socket::send(socket, &[0], network.as_slice())
}

/// Waits for what [`send_network`] gives.
///
/// # Errors
/// `EPIPE` if the runtime is gone.
pub fn await_network(socket: impl AsFd) -> Result<Option<OwnedFd>> {
    match kernel::unix_socket::receive(socket, &mut [0u8; 1])? {
        (1, mut network) => Ok(network.pop()),
        _ => Err(Errno::PIPE),
    }
}

/// Lets the child go on.
///
/// # Errors
/// `EPIPE` if the child is gone.
pub fn send_go(socket: impl AsFd, pid: i32) -> Result<()> {
    kernel::unix_socket::send(socket, &pid.to_ne_bytes(), &[])
}

/// Waits to be let go on: the caller's pid as the runtime sees it.
///
/// # Errors
/// `EPIPE` if the runtime is gone.
pub fn await_go(socket: impl AsFd) -> Result<i32> {
    let mut message = [0u8; 4];
    match kernel::unix_socket::receive(socket, &mut message)? {
        (4, _) => Ok(i32::from_ne_bytes(message)),
        _ => Err(Errno::PIPE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_arrive_as_sent() {
        let (a, b) = kernel::unix_socket::message_pair().unwrap();
        let failed =
            |telling| Report::Failed(StepFailed { errno: 13, text: "why".into(), telling });
        for report in [
            Report::Ready,
            Report::RuntimeHooks,
            Report::MapTree { number: 7 },
            failed(Telling::Step),
            failed(Telling::Mount),
            failed(Telling::All),
            failed(Telling::Execve),
        ] {
            report.send(&a).unwrap();
            assert_eq!(Report::receive(&b).unwrap(), Some(report));
        }
        send_go(&b, 42).unwrap();
        assert_eq!(await_go(&a).unwrap(), 42);
        drop(a);
        assert_eq!(Report::receive(&b).unwrap(), None);
    }

    #[test]
    fn a_network_namespace_arrives_or_its_absence() {
        let (a, b) = kernel::unix_socket::message_pair().unwrap();
        let file = kernel::file::open_read(kernel::file::CWD, c"/proc/self/ns/net").unwrap();
        send_network(&b, Some(&file)).unwrap();
        send_network(&b, None).unwrap();
        let inode = |file: &OwnedFd| kernel::file::kind(file).unwrap().inode;
        assert_eq!(inode(&await_network(&a).unwrap().unwrap()), inode(&file));
        assert!(await_network(&a).unwrap().is_none());
        drop(b);
        assert_eq!(await_network(&a).unwrap_err(), Errno::PIPE);
    }

    #[test]
    fn a_runtime_that_is_gone_is_noticed() {
        let (a, b) = kernel::unix_socket::message_pair().unwrap();
        drop(b);
        assert_eq!(await_go(&a), Err(Errno::PIPE));
    }
}
