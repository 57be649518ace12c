//! Bytes between the caller's standard streams and the master end of a terminal.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kernel::Errno;
use kernel::stream::{self, PollFd, PollFlags};

/// Room for one read.
const BUFFER_BYTES: usize = 16 * 1024;

/// What a pipe takes at once when poll(2) says that it takes anything (`PIPE_BUF`): standard
/// output is not ours to make non-blocking.
const WRITE_BYTES: usize = 4096;

/// Both directions.
#[derive(Debug)]
pub(super) struct Relay<'a> {
    master: OwnedFd,
    source: BorrowedFd<'a>,
    sink: BorrowedFd<'a>,
    input: Flow,
    output: Flow,
}

/// One direction: bytes that were read but not yet written.
#[derive(Debug)]
struct Flow {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Nothing more will be read.
    ended: bool,
    /// What is read is thrown away.
    discard: bool,
}

/// Which of the descriptors given to poll(2) are the relay's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Interest {
    source: Option<usize>,
    sink: Option<usize>,
    master: Option<usize>,
}

/// Where bytes can be moved.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ready {
    source: bool,
    sink: bool,
    master_in: bool,
    master_out: bool,
}

impl Interest {
    pub(super) fn ready(self, fds: &[PollFd<'_>]) -> Ready {
        let events = |at: Option<usize>| at.map_or(PollFlags::empty(), |at| fds[at].revents());
        let master = events(self.master);
        Ready {
            source: !events(self.source).is_empty(),
            sink: !events(self.sink).is_empty(),
            // A hang-up is found out by reading.
            master_in: master.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR),
            master_out: master.contains(PollFlags::OUT),
        }
    }
}

impl<'a> Relay<'a> {
    /// From `source` to `master`, and from `master` to `sink`.
    pub(super) fn new(
        master: OwnedFd,
        source: BorrowedFd<'a>,
        sink: BorrowedFd<'a>,
    ) -> Result<Relay<'a>, Errno> {
        stream::set_nonblocking(&master)?;
        Ok(Relay { master, source, sink, input: Flow::new(), output: Flow::new() })
    }

    pub(super) fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// Adds what is waited for to `fds`: a source while its buffer is empty, a sink while it is
    /// not. A descriptor that is not waited for is not added, as poll(2) tells of a hang-up
    /// unasked.
    pub(super) fn interest<'f>(&'f self, fds: &mut Vec<PollFd<'f>>) -> Interest {
        let mut add = |fd: BorrowedFd<'f>, events: PollFlags| {
            if events.is_empty() {
                return None;
            }
            fds.push(PollFd::from_borrowed_fd(fd, events));
            Some(fds.len() - 1)
        };
        let when = |flag: PollFlags, wanted: bool| if wanted { flag } else { PollFlags::empty() };
        let master = when(PollFlags::IN, self.output.wants_bytes())
            | when(PollFlags::OUT, self.input.has_bytes());
        Interest {
            source: add(self.source, when(PollFlags::IN, self.input.wants_bytes())),
            sink: add(self.sink, when(PollFlags::OUT, self.output.has_bytes())),
            master: add(self.master.as_fd(), master),
        }
    }

    /// Moves what can be moved.
    pub(super) fn transfer(&mut self, ready: Ready) {
        if ready.source {
            self.input.fill(self.source);
        }
        if ready.master_out {
            self.input.empty_to(self.master.as_fd(), BUFFER_BYTES);
        }
        if ready.master_in && self.output.wants_bytes() {
            self.output.fill(self.master.as_fd());
        }
        if ready.sink {
            self.output.empty_to(self.sink, WRITE_BYTES);
        }
    }

    /// Once the program has ended: writes out what it left, and waits for whoever reads it.
    ///
    /// A process it left behind may still hold the terminal; what that one writes later is not
    /// waited for.
    pub(super) fn drain(&mut self) {
        loop {
            while self.output.has_bytes() {
                let mut fds = [PollFd::from_borrowed_fd(self.sink, PollFlags::OUT)];
                if stream::wait(&mut fds, None).is_err() {
                    return;
                }
                self.output.empty_to(self.sink, WRITE_BYTES);
            }
            if !self.output.wants_bytes() || !self.output.fill(self.master.as_fd()) {
                return;
            }
        }
    }
}

impl Flow {
    fn new() -> Flow {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Flow { buffer, start: 0, end: 0, ended: false, discard: false }
    }

    fn has_bytes(&self) -> bool {
        self.start < self.end
    }

    fn wants_bytes(&self) -> bool {
        !self.has_bytes() && !self.ended
    }

    /// Reads once into the empty buffer; true if there was something.
    ///
    /// `EIO` is how a terminal says that its far end is closed.
    fn fill(&mut self, source: BorrowedFd<'_>) -> bool {
        match stream::read(source, &mut self.buffer) {
            Ok(0) => self.ended = true,
            Ok(count) if !self.discard => (self.start, self.end) = (0, count),
            Ok(_) => return true,
            Err(Errno::AGAIN) => {}
            Err(_) => self.ended = true,
        }
        self.has_bytes()
    }

    /// Writes once, at most `limit` bytes. A sink that is gone takes everything from then on.
    fn empty_to(&mut self, sink: BorrowedFd<'_>, limit: usize) {
        let end = self.end.min(self.start.saturating_add(limit));
        match stream::write(sink, &self.buffer[self.start..end]) {
            Ok(count) => self.start += count,
            Err(Errno::AGAIN) => {}
            Err(_) => {
                self.start = self.end;
                self.discard = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write};
    use std::process::{Child, Command, Stdio};

    /// `script` on a terminal of its own, and the master end.
    fn spawn(script: &str) -> (Child, OwnedFd) {
        let dev = kernel::file::open_path(kernel::file::CWD, "/dev").unwrap();
        let master = kernel::pty::open_master(&dev, "ptmx").unwrap();
        kernel::terminal::pass_newlines(&master).unwrap();
        let peer = || Stdio::from(kernel::pty::open_peer(&master).unwrap());
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(peer()).stdout(peer()).stderr(peer());
        (command.spawn().unwrap(), master)
    }

    /// Runs `script` to its end; what came out of it.
    #[expect(clippy::disallowed_methods, reason = "someone must read while the relay writes")]
    fn converse(script: &str, input: &[u8]) -> Vec<u8> {
        let (mut child, master) = spawn(script);
        let pidfd = kernel::process::pidfd_open(child.id().cast_signed()).unwrap();
        let (source, mut writer) = stream::pipe().map(|(r, w)| (r, File::from(w))).unwrap();
        let (reader, sink) = stream::pipe().unwrap();
        writer.write_all(input).unwrap();
        drop(writer);
        let collector = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            File::from(reader).read_to_end(&mut bytes).map(|_| bytes)
        });
        let mut relay = Relay::new(master, source.as_fd(), sink.as_fd()).unwrap();
        loop {
            let mut fds = vec![PollFd::new(&pidfd, PollFlags::IN)];
            let interest = relay.interest(&mut fds);
            stream::wait(&mut fds, None).unwrap();
            let (ready, exited) = (interest.ready(&fds), !fds[0].revents().is_empty());
            drop(fds);
            relay.transfer(ready);
            if exited {
                break;
            }
        }
        relay.drain();
        child.wait().unwrap();
        drop(sink);
        collector.join().unwrap().unwrap()
    }

    #[test]
    fn what_was_written_just_before_the_end_comes_out() {
        assert_eq!(converse("echo one; printf two", b""), b"one\ntwo");
    }

    #[test]
    fn input_reaches_the_program() {
        let script = "stty -echo; echo ready; read line; echo \"got $line\"";
        let output = converse(script, b"hello\n");
        let text = String::from_utf8(output).unwrap();
        assert!(text.ends_with("got hello\n"), "{text:?}");
    }

    #[test]
    fn more_than_every_buffer_holds_comes_out_whole() {
        let output = converse("head -c 1000000 /dev/zero | tr '\\0' x", b"");
        assert_eq!(output.len(), 1_000_000);
        assert!(output.iter().all(|&b| b == b'x'));
    }

    #[test]
    fn a_process_left_behind_is_not_waited_for() {
        let output = converse("sleep 60 & echo $!", b"");
        let pid: i32 = String::from_utf8(output).unwrap().trim().parse().unwrap();
        let left = kernel::process::pidfd_open(pid).unwrap();
        kernel::process::pidfd_send_signal(left.as_fd(), 9).unwrap();
    }

    #[test]
    fn a_reader_that_leaves_does_not_stop_the_program() {
        let (mut child, master) = spawn("head -c 200000 /dev/zero; exit 3");
        let pidfd = kernel::process::pidfd_open(child.id().cast_signed()).unwrap();
        let null = File::open("/dev/null").unwrap();
        let (reader, sink) = stream::pipe().unwrap();
        drop(reader);
        let mut relay = Relay::new(master, null.as_fd(), sink.as_fd()).unwrap();
        loop {
            let mut fds = vec![PollFd::new(&pidfd, PollFlags::IN)];
            let interest = relay.interest(&mut fds);
            stream::wait(&mut fds, None).unwrap();
            let (ready, exited) = (interest.ready(&fds), !fds[0].revents().is_empty());
            drop(fds);
            relay.transfer(ready);
            if exited {
                break;
            }
        }
        assert_eq!(child.wait().unwrap().code(), Some(3));
    }
}
