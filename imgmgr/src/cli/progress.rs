//! Progress on stderr: a line for each layer on a terminal, JSON lines for programs.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use imgmgr::digest::Digest;
use imgmgr::image::Descriptor;
use imgmgr::progress::{BlobState, Progress};

use super::args::ProgressForm;
use super::context::SharedProgress;
use super::output::human;

/// How often bytes are shown.
const INTERVAL: Duration = Duration::from_millis(200);

/// Shows progress until it is dropped.
pub(crate) struct Display {
    board: Option<Arc<Board>>,
    painter: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Board {
    json: bool,
    blobs: Mutex<Vec<Line>>,
    places: Mutex<HashMap<Digest, usize>>,
    over: AtomicBool,
}

#[derive(Clone, Debug)]
struct Line {
    blob: Descriptor,
    state: BlobState,
    moved: Arc<AtomicU64>,
}

impl Display {
    pub(crate) fn start(form: Option<ProgressForm>, quiet: bool) -> Self {
        let json = match form {
            _ if quiet => return Self { board: None, painter: None },
            Some(ProgressForm::None) => return Self { board: None, painter: None },
            Some(ProgressForm::Json) => true,
            Some(ProgressForm::Plain) => false,
            None if io::stderr().is_terminal() => false,
            None => return Self { board: None, painter: None },
        };
        let board = Arc::new(Board {
            json,
            blobs: Mutex::default(),
            places: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let painter = std::thread::spawn({
            let board = Arc::clone(&board);
            move || board.paint()
        });
        Self { board: Some(board), painter: Some(painter) }
    }

    pub(crate) fn progress(&self) -> SharedProgress {
        match &self.board {
            Some(board) => Arc::clone(board) as SharedProgress,
            None => Arc::new(()),
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(board) = &self.board {
            board.over.store(true, Ordering::Relaxed);
        }
        if let Some(painter) = self.painter.take() {
            painter.thread().unpark();
            let _ = painter.join();
        }
    }
}

impl Board {
    fn with(&self, blob: &Descriptor, change: impl FnOnce(&mut Line)) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        let place = *places.entry(blob.digest.clone()).or_insert_with(|| {
            let (state, moved) = (BlobState::Waiting, Arc::default());
            blobs.push(Line { blob: blob.clone(), state, moved });
            blobs.len() - 1
        });
        change(&mut blobs[place]);
    }

    fn paint(&self) {
        let lines = || self.blobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let terminal = can_paint();
        let mut painted = 0;
        loop {
            let over = self.over.load(Ordering::Relaxed);
            if self.json {
                self.write(&moving(&lines()));
            } else if terminal {
                let current = lines();
                let mut text = if painted > 0 { format!("\x1b[{painted}A") } else { String::new() };
                for line in &current {
                    text.push_str(&format!("\x1b[2K{}\n", line.words()));
                }
                painted = current.len();
                self.write(&text);
            }
            if over {
                return;
            }
            std::thread::park_timeout(INTERVAL);
        }
    }

    fn write(&self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Whether lines can be painted over.
fn can_paint() -> bool {
    let capable = std::env::var_os("TERM").is_some_and(|term| term != "dumb");
    capable && io::stderr().is_terminal()
}

/// One JSON line for each blob whose bytes move.
fn moving(lines: &[Line]) -> String {
    let moving = lines.iter().filter(|line| matches!(line.state, BlobState::Moving { .. }));
    moving.map(|line| line.json()).collect()
}

impl Line {
    fn moved(&self) -> u64 {
        let resumed = match self.state {
            BlobState::Moving { resumed } => resumed,
            _ => 0,
        };
        resumed + self.moved.load(Ordering::Relaxed)
    }

    fn word(&self) -> &'static str {
        match self.state {
            BlobState::Present => "present",
            BlobState::Mounted => "mounted",
            BlobState::Waiting => "waiting",
            BlobState::Moving { .. } => "moving",
            BlobState::Done => "done",
            BlobState::Failed => "failed",
        }
    }

    fn words(&self) -> String {
        let size = human(self.blob.size);
        match self.state {
            BlobState::Moving { .. } => {
                let percent = self.moved().saturating_mul(100) / self.blob.size.max(1);
                let amount = human(self.moved());
                format!(
                    "{}  {:>3} %  {amount} of {size}",
                    self.blob.digest.short(),
                    percent.min(100)
                )
            }
            _ => format!("{}  {}  {size}", self.blob.digest.short(), self.word()),
        }
    }

    fn json(&self) -> String {
        let line = serde_json::json!({
            "digest": self.blob.digest,
            "state": self.word(),
            "moved": self.moved(),
            "size": self.blob.size,
        });
        format!("{line}\n")
    }
}

impl Progress for Board {
    fn counter(&self, blob: &Descriptor) -> Arc<AtomicU64> {
        let mut counter = Arc::default();
        self.with(blob, |line| counter = Arc::clone(&line.moved));
        counter
    }

    fn state(&self, blob: &Descriptor, state: BlobState) {
        self.with(blob, |line| {
            line.state = state;
            if self.json {
                self.write(&line.json());
            } else if !can_paint() {
                self.write(&format!("{}\n", line.words()));
            }
        });
    }
}
