//! A wire before a server: it counts and keeps what goes through, and stops where it is told.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How much of what is sent is kept.
const KEPT_BYTES: usize = 1 << 20;

/// What a limit means for the side that reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client.
    Sent,
    /// To the client.
    Received,
}

/// What happens to connections at a dam.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dammed {
    /// They go on.
    Pass,
    /// They stand still until the dam is taken away, and go on then.
    Pause,
    /// They stand still until the dam is taken away, and end then.
    Cut,
}

/// Once `bytes` went in a direction somebody is told.
struct Dam {
    direction: Direction,
    bytes: u64,
    dammed: Dammed,
    full: SyncSender<()>,
}

#[derive(Default)]
struct Gauge {
    sent: AtomicU64,
    received: AtomicU64,
    kept: Mutex<Vec<u8>>,
    dam: Mutex<Option<Arc<Dam>>>,
    released: Condvar,
    /// Bytes that are sent in a second; 0 for all that come.
    rate: u64,
}

/// Forwards connections; it ends with the process.
pub(crate) struct Listener {
    pub(crate) host: String,
    gauge: Arc<Gauge>,
}

impl Listener {
    /// Forwards whatever comes to `server`.
    pub(crate) fn before(server: &str) -> Self {
        Self::slow(server, 0)
    }

    /// As [`Listener::before`], but clients send no more than `rate` bytes in a second.
    pub(crate) fn slow(server: &str, rate: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let gauge = Arc::new(Gauge { rate, ..Gauge::default() });
        let (server, shared) = (server.to_owned(), Arc::clone(&gauge));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(there) = TcpStream::connect(&server) else { continue };
                let (back, forth) = (client.try_clone().unwrap(), there.try_clone().unwrap());
                let gauge = Arc::clone(&shared);
                std::thread::spawn(move || forward(client, forth, &gauge, Direction::Sent));
                let gauge = Arc::clone(&shared);
                std::thread::spawn(move || forward(there, back, &gauge, Direction::Received));
            }
        });
        Self { host, gauge }
    }

    /// Bytes that went in a direction since the last time this was asked.
    pub(crate) fn moved(&self, direction: Direction) -> u64 {
        self.gauge.counter(direction).swap(0, Ordering::Relaxed)
    }

    /// The start of all that clients sent, as text.
    pub(crate) fn sent_text(&self) -> String {
        String::from_utf8_lossy(&self.gauge.kept.lock().unwrap()).into_owned()
    }

    /// Tells when `bytes` went in a direction.
    pub(crate) fn at(&self, direction: Direction, bytes: u64, dammed: Dammed) -> Receiver<()> {
        let (full, told) = sync_channel(64);
        let dam = Dam { direction, bytes, dammed, full };
        *self.gauge.dam.lock().unwrap() = Some(Arc::new(dam));
        told
    }

    /// Takes the dam away.
    pub(crate) fn release(&self) {
        *self.gauge.dam.lock().unwrap() = None;
        self.gauge.released.notify_all();
    }
}

impl Gauge {
    fn counter(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::Sent => &self.sent,
            Direction::Received => &self.received,
        }
    }

    /// Counts, waits where there is a dam, and says whether the bytes may pass.
    fn passes(&self, direction: Direction, bytes: &[u8]) -> bool {
        let before = self.counter(direction).fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if direction == Direction::Sent {
            let mut kept = self.kept.lock().unwrap();
            let room = KEPT_BYTES.saturating_sub(kept.len()).min(bytes.len());
            kept.extend_from_slice(&bytes[..room]);
        }
        let dam = self.dam.lock().unwrap().clone();
        let Some(dam) = dam.filter(|dam| dam.direction == direction) else { return true };
        if before + (bytes.len() as u64) < dam.bytes {
            return true;
        }
        let _ = dam.full.try_send(());
        if dam.dammed != Dammed::Pass {
            let there = self.dam.lock().unwrap();
            drop(self.released.wait_while(there, |dam| dam.is_some()).unwrap());
        }
        dam.dammed != Dammed::Cut
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, gauge: &Gauge, direction: Direction) {
    let mut buffer = [0; 32 << 10];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 {
            break;
        }
        if !gauge.passes(direction, &buffer[..count]) {
            break;
        }
        if gauge.rate > 0 && direction == Direction::Sent {
            std::thread::sleep(Duration::from_micros(count as u64 * 1_000_000 / gauge.rate));
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
