//! A wire between a client and a registry: it counts what goes each way, and tells once so much went,
//! or stops.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Result;

/// Bytes that are passed on at a time.
const PASS_BYTES: usize = 64 << 10;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToRegistry,
    ToClient,
}

/// Whether anything goes through a wire after it told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passing {
    GoesOn,
    Stops,
}

/// Forwards connections on the loopback; its threads end with the program.
pub(crate) struct Wire {
    pub(crate) host: String,
    meter: Arc<Meter>,
}

#[derive(Default)]
struct Meter {
    state: Mutex<State>,
    reopened: Condvar,
}

#[derive(Default)]
struct State {
    to_registry: u64,
    to_client: u64,
    mark: Option<Mark>,
}

/// When the wire tells, and whom.
struct Mark {
    way: Way,
    at: u64,
    passing: Passing,
    reached: Sender<()>,
}

impl State {
    fn count(&mut self, way: Way) -> &mut u64 {
        match way {
            Way::ToRegistry => &mut self.to_registry,
            Way::ToClient => &mut self.to_client,
        }
    }
}

impl Meter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts bytes that arrived. If they are past where the wire stops, waits until it is open
    /// again and says that they go nowhere.
    fn pass(&self, way: Way, bytes: u64) -> bool {
        let mut state = self.state();
        *state.count(way) += bytes;
        let count = *state.count(way);
        match &state.mark {
            Some(mark) if mark.way == way && count >= mark.at => {
                let _ = mark.reached.send(());
                if mark.passing == Passing::GoesOn {
                    return true;
                }
            }
            _ => return true,
        }
        while state.mark.is_some() {
            state = self.reopened.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        false
    }
}

impl Wire {
    /// A wire to `server`.
    pub(crate) fn before(server: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let host = listener.local_addr()?.to_string();
        let meter = Arc::new(Meter::default());
        let (server, shared) = (server.to_owned(), Arc::clone(&meter));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A registry that is gone is an end of the connection to the client.
                let _ = connect(client, &server, &shared);
            }
        });
        Ok(Self { host, meter })
    }

    /// Bytes that went a way since this was asked last.
    pub(crate) fn take(&self, way: Way) -> u64 {
        std::mem::take(self.meter.state().count(way))
    }

    /// Tells once `bytes` went a way.
    pub(crate) fn tell_at(&self, way: Way, bytes: u64, passing: Passing) -> Receiver<()> {
        let (reached, told) = channel();
        self.meter.state().mark = Some(Mark { way, at: bytes, passing, reached });
        told
    }

    /// Lets connections go through again; those that were stopped end.
    pub(crate) fn reopen(&self) {
        self.meter.state().mark = None;
        self.meter.reopened.notify_all();
    }
}

fn connect(client: TcpStream, server: &str, meter: &Arc<Meter>) -> Result<()> {
    let registry = TcpStream::connect(server)?;
    let ends = [(client.try_clone()?, registry.try_clone()?), (registry, client)];
    for ((from, to), way) in ends.into_iter().zip([Way::ToRegistry, Way::ToClient]) {
        let meter = Arc::clone(meter);
        thread::spawn(move || forward(from, to, way, &meter));
    }
    Ok(())
}

fn forward(mut from: TcpStream, mut to: TcpStream, way: Way, meter: &Meter) {
    let mut buffer = vec![0; PASS_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !meter.pass(way, count as u64) || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
