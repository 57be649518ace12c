//! A transfer that is killed when nine tenths of the bytes went, and run again.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::cost::{Cost, Moved, cost_of};
use crate::wire::{Passing, Way, Wire};

/// Most bytes of requests and answers besides blobs.
const TALK_BYTES: u64 = 256 << 10;
/// A transfer that has not come that far by then never will.
const PATIENCE: Duration = Duration::from_secs(600);

/// Runs `words` (an imgmgr that shows its progress as JSON) through `wire`, kills it at nine tenths of
/// `whole` bytes, runs it again once nothing of the first is left, and returns what the second run
/// took and moved.
pub(crate) fn killed_and_again(
    words: &[String],
    wire: &Wire,
    way: Way,
    whole: u64,
) -> Result<Cost> {
    let nine_tenths = whole / 10 * 9;
    let (program, args) = words.split_first().context("no command")?;
    let reached = match way {
        // What the registry sent may not have arrived yet: the program tells what has, and the wire
        // lets through no more than is needed for that.
        Way::ToClient => wire.tell_at(way, nine_tenths + TALK_BYTES, Passing::Stops),
        Way::ToRegistry => wire.tell_at(way, nine_tenths, Passing::GoesOn),
    };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut progress = BufReader::new(child.stderr.take().context("no standard error")?);
    let waited = match way {
        Way::ToClient => wait_for_progress(&mut progress, nine_tenths),
        Way::ToRegistry => wait_for_wire(&reached),
    };
    child.kill()?;
    let status = child.wait()?;
    wire.reopen();
    waited?;
    // A process that outlives it has the same standard error.
    io::copy(&mut progress, &mut io::sink())?;
    ensure!(!status.success(), "it ended before it was killed");
    wire.take(way);
    let cost = cost_of(words)?;
    Ok(Cost { moved: Some(Moved { bytes: wire.take(way), of: whole }), ..cost })
}

fn wait_for_wire(reached: &Receiver<()>) -> Result<()> {
    reached.recv_timeout(PATIENCE).context("nine tenths never went")
}

/// Reads lines of progress until so many bytes are there.
fn wait_for_progress(progress: &mut impl BufRead, bytes: u64) -> Result<()> {
    let mut moved: HashMap<String, u64> = HashMap::new();
    for line in progress.lines() {
        let line = line?;
        let value: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        let count = value["moved"].as_u64().context("a line without a number")?;
        moved.insert(value["digest"].to_string(), count);
        if moved.values().sum::<u64>() >= bytes {
            return Ok(());
        }
    }
    bail!("it ended at {} of {bytes} bytes", moved.values().sum::<u64>())
}
