//! The time between the start of a program in the foreground and its end: signals go in, its
//! terminal is carried both ways, its orphans are reaped, and its exit is waited for.
//!
//! ```text
//!   stdin  --> [buffer] --> master          signalfd --> resize, reap, or on to the program
//!   stdout <-- [buffer] <-- master          pidfd    --> drain the terminal, return the exit
//!                                           notify   --> $NOTIFY_SOCKET of the caller
//! ```
//! One thread, one poll(2). Nothing here knows what a container is.

mod host_terminal;
mod notify;
mod relay;

pub use notify::{NotifyError, NotifyProxy, passed_on};

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kernel::Errno;
use kernel::process::Exit;
use kernel::received::{Received, SignalQueue};
use kernel::stream::{self, PollFd, PollFlags};

use self::host_terminal::HostTerminal;
use self::relay::Relay;
use crate::journal::Journal;

const SIGPIPE: i32 = 13;
const SIGCHLD: i32 = 17;
const SIGWINCH: i32 = 28;

/// Why the program was lost sight of.
#[derive(Debug, thiserror::Error)]
pub enum ForegroundError {
    /// No descriptor for signals.
    #[error("cannot receive signals by descriptor")]
    Signals(#[source] Errno),
    /// The caller's terminal, or that of the program.
    #[error("cannot set up the terminal")]
    Terminal(#[source] Errno),
    /// poll(2).
    #[error("cannot wait for the program")]
    Wait(#[source] Errno),
    /// waitid(2).
    #[error("cannot learn how the program ended")]
    Exit(#[source] Errno),
}

/// A program in the foreground.
#[derive(Debug)]
pub struct Foreground<'a> {
    /// A child of the caller.
    pub pid: i32,
    /// The same.
    pub pidfd: BorrowedFd<'a>,
    /// Master end of its terminal, where it has one.
    pub terminal: Option<OwnedFd>,
    /// Where it reports readiness, where the caller wants to know.
    pub notify: Option<NotifyProxy>,
}

impl Foreground<'_> {
    /// Stays with the program until it ends, and says how.
    ///
    /// The caller has blocked all signals (before the program was made: else its end could be
    /// missed), and has one thread.
    ///
    /// # Errors
    /// See [`ForegroundError`]; the program may go on then.
    pub fn supervise(self, journal: &dyn Journal) -> Result<Exit, ForegroundError> {
        let signals = SignalQueue::new().map_err(ForegroundError::Signals)?;
        let terminal = self.terminal.map(Terminal::open).transpose();
        let mut supervision = Supervision {
            pid: self.pid,
            pidfd: self.pidfd,
            signals,
            terminal: terminal.map_err(ForegroundError::Terminal)?,
            notify: self.notify,
            journal,
        };
        supervision.resize();
        let exit = supervision.run()?;
        if let Some(terminal) = &mut supervision.terminal {
            terminal.relay.drain();
        }
        Ok(exit)
    }
}

/// The program's terminal and the caller's.
struct Terminal {
    relay: Relay<'static>,
    host: Option<HostTerminal>,
}

impl Terminal {
    fn open(master: OwnedFd) -> Result<Terminal, Errno> {
        // Raw mode comes last: an error before it leaves nothing to restore.
        let [stdin, stdout, _] = stream::standard();
        let relay = Relay::new(master, stdin, stdout)?;
        Ok(Terminal { relay, host: HostTerminal::open()? })
    }
}

/// What [`Foreground::supervise`] holds while it runs.
struct Supervision<'a> {
    pid: i32,
    pidfd: BorrowedFd<'a>,
    signals: SignalQueue,
    terminal: Option<Terminal>,
    notify: Option<NotifyProxy>,
    journal: &'a dyn Journal,
}

/// What poll(2) found.
#[derive(Clone, Copy, Default)]
struct Ready {
    signals: bool,
    exited: bool,
    notify: bool,
    relay: relay::Ready,
}

impl Supervision<'_> {
    fn run(&mut self) -> Result<Exit, ForegroundError> {
        loop {
            let ready = self.wait().map_err(ForegroundError::Wait)?;
            if ready.signals {
                self.take_signals().map_err(ForegroundError::Signals)?;
            }
            if let Some(terminal) = &mut self.terminal {
                terminal.relay.transfer(ready.relay);
            }
            if ready.notify
                && let Some(notify) = &mut self.notify
                && let Err(error) = notify.forward(std::process::id())
            {
                self.journal.warn(format_args!("readiness was not reported: {error}"));
            }
            if ready.exited {
                let exit = kernel::process::wait_pidfd(self.pidfd);
                return exit.map_err(ForegroundError::Exit);
            }
        }
    }

    fn wait(&self) -> Result<Ready, Errno> {
        let relay = self.terminal.as_ref().map(|terminal| &terminal.relay);
        let mut fds = Vec::with_capacity(6);
        fds.push(PollFd::new(&self.signals, PollFlags::IN));
        fds.push(PollFd::new(&self.pidfd, PollFlags::IN));
        let notify = self.notify.as_ref().map(|notify| {
            fds.push(PollFd::new(notify, PollFlags::IN));
            fds.len() - 1
        });
        let interest = relay.map(|relay| relay.interest(&mut fds)).unwrap_or_default();
        stream::wait(&mut fds, None)?;
        let is_ready = |at: usize| !fds[at].revents().is_empty();
        Ok(Ready {
            signals: is_ready(0),
            exited: is_ready(1),
            notify: notify.is_some_and(is_ready),
            relay: interest.ready(&fds),
        })
    }

    fn take_signals(&mut self) -> Result<(), Errno> {
        while let Some(received) = self.signals.next()? {
            match received {
                Received { number: SIGCHLD, .. } => self.reap_orphans(),
                Received { number: SIGWINCH, .. } if self.terminal.is_some() => self.resize(),
                // Of our own making: a write to a pipe that nobody reads any more.
                Received { number: SIGPIPE, sender } if sender == std::process::id() => {}
                Received { number, .. } => self.forward(number),
            }
        }
        Ok(())
    }

    fn forward(&self, signal: i32) {
        match kernel::process::pidfd_send_signal(self.pidfd, signal) {
            // It has ended, which its pidfd tells too.
            Ok(()) | Err(Errno::SRCH) => {}
            Err(errno) => {
                self.journal.warn(format_args!("signal {signal} was not forwarded: {errno}"));
            }
        }
    }

    /// Reaps children that became ours because we are their subreaper. The program itself is
    /// left for the one who asks for its exit.
    fn reap_orphans(&self) {
        while let Ok(Some(pid)) = kernel::received::ended_child() {
            if pid == self.pid {
                return;
            }
            kernel::received::discard_child(pid);
        }
    }

    /// The program's terminal gets the size of the caller's. No error matters: either may have
    /// just hung up.
    fn resize(&self) {
        let Some(Terminal { relay, host: Some(host) }) = &self.terminal else { return };
        if let Ok(size) = kernel::terminal::size(host.as_fd()) {
            let _ = kernel::pty::set_size(relay.master(), size.width, size.height);
        }
    }
}
