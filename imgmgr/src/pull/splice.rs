//! Partial pulls: what of a zstd:chunked or eStargz blob another blob of the store has too.
//!
//! The blob is put together from parts of other blobs and parts that are fetched, byte for byte
//! as the registry has it, and then verified like any other. Should an equal key have meant other
//! bytes, these granules are forgotten and fetched: a partial pull moves no more than a whole one
//! and the table of contents. So nothing is trusted that wasn't, the store stays a plain OCI
//! layout, and a resume knows nothing of it. docs/design/0011-partial-pulls.md has the reasons.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use tokio::sync::{Mutex, OnceCell, OwnedSemaphorePermit, Semaphore};

use super::{Pull, Result, blocking};
use crate::digest::Digest;
use crate::image::{Descriptor, Manifest};
use crate::registry::{Nearby, Reach};
use crate::store::{ImageEntry, Ingest, Store, StoreError, Visit};
use crate::toc::{MAX_TOC_BYTES, Piece, PieceKey, TocError, TocHint, TocPlace, pieces};

/// Smaller layers are fetched whole.
const MIN_LAYER_BYTES: u64 = 1 << 20;
/// Shorter runs between fetched ones are fetched with these: a request costs as much.
const MIN_RUN_BYTES: u64 = 64 << 10;
/// Splicing must save this part of what is missing.
const MIN_SAVED_FRACTION: u64 = 16;
/// Most blobs of the store that are looked at, those of the same repository first.
const MAX_SOURCES: usize = 32;
/// Most chunks that are remembered of them; each takes some 50 bytes.
const MAX_LOCAL_CHUNKS: usize = 400_000;

/// Most bytes of tails that one pull holds at a time; a layer waits for those of others.
const MAX_TAILS_BYTES: u64 = MAX_TOC_BYTES;
/// The unit in which room for tails is handed out.
const TAIL_UNIT_BYTES: u64 = 1 << 10;

/// What the layers of one pull share.
#[derive(Debug)]
pub(super) struct Splicing {
    /// Looked up when first asked for.
    chunks: OnceCell<Arc<LocalChunks>>,
    /// Room for tails.
    room: Arc<Semaphore>,
    /// Held while a table of contents is read: its pieces are in memory.
    reading: Mutex<()>,
}

impl Default for Splicing {
    fn default() -> Self {
        let units = usize::try_from(MAX_TAILS_BYTES / TAIL_UNIT_BYTES).unwrap_or(usize::MAX);
        let room = Arc::new(Semaphore::new(units));
        Self { chunks: OnceCell::new(), room, reading: Mutex::new(()) }
    }
}

impl Splicing {
    /// Waits for room for a tail of `bytes`.
    async fn room_for(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(TAIL_UNIT_BYTES)).ok()?;
        Arc::clone(&self.room).acquire_many_owned(units).await.ok()
    }
}

/// Where blobs of the store have which pieces.
#[derive(Debug, Default)]
struct LocalChunks {
    blobs: Vec<Arc<File>>,
    at: HashMap<PieceKey, (u32, u64)>,
}

/// How one blob is put together.
#[derive(Debug)]
pub(super) struct Splice {
    /// Ascending, with gaps that must be fetched.
    runs: Vec<Run>,
    size: u64,
    /// Bytes that need not be fetched.
    pub(super) saves: u64,
}

/// A part of the blob that is at hand.
#[derive(Clone, Debug)]
struct Run {
    at: Range<u64>,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    /// A part of another blob, from there on.
    Blob(Arc<File>, u64),
    /// The blob's tail, which was fetched for the table of contents in it.
    Fetched(Arc<TailBytes>),
}

/// Bytes of a tail, and the room that they take.
#[derive(Debug)]
struct TailBytes {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

/// The end of a blob, with its table of contents.
struct Tail {
    toc: Range<u64>,
    at: Range<u64>,
    fetched: TailBytes,
}

impl Tail {
    fn toc_bytes(&self) -> Option<&[u8]> {
        let start = usize::try_from(self.toc.start - self.at.start).ok()?;
        let length = usize::try_from(self.toc.end - self.toc.start).ok()?;
        self.fetched.bytes.get(start..)?.get(..length)
    }
}

impl Splice {
    /// What is at hand.
    pub(super) fn near(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.runs.iter().map(|run| run.at.clone())
    }

    /// The run that `position` is in, or else the next one.
    fn run_at(&self, position: u64) -> Option<&Run> {
        let index = self.runs.partition_point(|run| run.at.end <= position);
        self.runs.get(index)
    }
}

impl Nearby for Splice {
    fn reach(&self, position: u64) -> Reach {
        match self.run_at(position) {
            Some(run) if run.at.start <= position => Reach::Near(run.at.end - position),
            Some(run) => Reach::Far(run.at.start - position),
            None => Reach::Far(self.size.saturating_sub(position).max(1)),
        }
    }

    fn read(&self, position: u64, out: &mut [u8]) -> io::Result<()> {
        let run = self.run_at(position).filter(|run| run.at.start <= position);
        let run = run.ok_or(io::ErrorKind::InvalidInput)?;
        let skipped = position - run.at.start;
        match &run.source {
            Source::Blob(file, from) => file.read_exact_at(out, from + skipped),
            Source::Fetched(tail) => {
                let start = usize::try_from(skipped).unwrap_or(usize::MAX);
                let part = tail.bytes.get(start..).and_then(|rest| rest.get(..out.len()));
                out.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}

impl Pull<'_> {
    /// Looks for what of `blob` need not be fetched; `None` if that isn't worth the effort.
    ///
    /// A table of contents that can't be used is no reason to fail: the layer is fetched whole.
    pub(super) async fn splice(
        &self,
        blob: &Descriptor,
        ingest: &Ingest,
    ) -> Result<Option<Arc<Splice>>> {
        let missing = blob.size - ingest.present();
        if missing < MIN_LAYER_BYTES {
            return Ok(None);
        }
        let Ok(Some(hint)) = TocHint::of(blob) else { return Ok(None) };
        let chunks = self.splicing.chunks.get_or_try_init(|| self.local_chunks()).await?;
        if chunks.at.is_empty() {
            return Ok(None);
        }
        let Some(tail) = self.fetch_tail(blob, &hint).await else { return Ok(None) };
        let chunks = Arc::clone(chunks);
        let size = blob.size;
        let _reading = self.splicing.reading.lock().await;
        let planned = blocking(move || {
            let pieces = pieces(&hint, &tail.toc, tail.toc_bytes()?).ok()?;
            Some(plan(&chunks, &pieces, tail, size))
        });
        let Some(mut splice) = planned.await? else { return Ok(None) };
        splice.saves = ingest
            .missing(u64::MAX)
            .iter()
            .flat_map(|gap| splice.near().map(|run| overlap(gap, &run)))
            .sum();
        Ok((splice.saves > missing / MIN_SAVED_FRACTION).then(|| Arc::new(splice)))
    }

    async fn fetch_tail(&self, blob: &Descriptor, hint: &TocHint) -> Option<Tail> {
        let toc = match hint.place().ok()? {
            TocPlace::At(range) => range,
            TocPlace::Footer(range) => {
                let footer = self.remote.blob_part(blob, range).await.ok()??;
                hint.read_footer(&footer).ok()?
            }
        };
        let at = hint.tail(&toc).ok()?;
        let room = self.splicing.room_for(at.end - at.start).await?;
        let mut bytes = self.remote.blob_part(blob, at.clone()).await.ok()??;
        bytes.shrink_to_fit();
        Some(Tail { toc, at, fetched: TailBytes { bytes, _room: room } })
    }

    async fn local_chunks(&self) -> Result<Arc<LocalChunks>> {
        let store = self.store.clone();
        let repository = self.reference.repository().to_string();
        let found = blocking(move || LocalChunks::of(&store, &repository)).await??;
        Ok(Arc::new(found))
    }
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> u64 {
    one.end.min(other.end).saturating_sub(one.start.max(other.start))
}

impl LocalChunks {
    /// Reads the tables of contents of the store's layers. What can't be read is left out.
    fn of(store: &Store, repository: &str) -> std::result::Result<Self, StoreError> {
        let mut entries = store.list()?;
        let prefix = repository.to_owned();
        entries.sort_by_key(|entry: &ImageEntry| !entry.name.starts_with(&prefix));
        let (mut local, mut seen) = (Self::default(), HashSet::new());
        for entry in entries {
            let _ = store.walk(&entry.target, &mut |visit| {
                if let Visit::Manifest(_, Manifest::Image(image)) = visit {
                    for layer in &image.layers {
                        local.add(store, layer, &mut seen);
                    }
                }
                Ok(())
            });
            if local.is_full(&seen) {
                break;
            }
        }
        Ok(local)
    }

    /// Whether no more may be looked at; those that turned out to be of no use count, too.
    fn is_full(&self, seen: &HashSet<Digest>) -> bool {
        seen.len() >= MAX_SOURCES || self.at.len() >= MAX_LOCAL_CHUNKS
    }

    fn add(&mut self, store: &Store, layer: &Descriptor, seen: &mut HashSet<Digest>) {
        let Ok(Some(hint)) = TocHint::of(layer) else { return };
        if self.is_full(seen) || !seen.insert(layer.digest.clone()) {
            return;
        }
        let Ok(blob) = store.open_blob(&layer.digest) else { return };
        let read = || -> std::result::Result<Vec<Piece>, TocError> {
            let (place, toc) = hint.read(&blob)?;
            pieces(&hint, &place, &toc)
        };
        let Ok(found) = read() else { return };
        let number = u32::try_from(self.blobs.len()).unwrap_or(u32::MAX);
        let room = MAX_LOCAL_CHUNKS.saturating_sub(self.at.len());
        for piece in found.into_iter().take(room) {
            self.at.entry(piece.key).or_insert((number, piece.range.start));
        }
        self.blobs.push(Arc::new(blob));
    }
}

/// Decides which parts of a blob come from where.
fn plan(chunks: &LocalChunks, pieces: &[Piece], tail: Tail, size: u64) -> Splice {
    let mut runs: Vec<Run> = Vec::new();
    for piece in pieces {
        let Some(&(number, from)) = chunks.at.get(&piece.key) else { continue };
        let Some(file) = chunks.blobs.get(number as usize) else { continue };
        if let Some(Run { at, source: Source::Blob(last, start) }) = runs.last_mut()
            && at.end == piece.range.start
            && Arc::ptr_eq(last, file)
            && *start + (at.end - at.start) == from
        {
            at.end = piece.range.end;
            continue;
        }
        let source = Source::Blob(Arc::clone(file), from);
        runs.push(Run { at: piece.range.clone(), source });
    }
    runs.push(Run { at: tail.at, source: Source::Fetched(Arc::new(tail.fetched)) });
    Splice { runs: without_short(runs), size, saves: 0 }
}

/// Leaves out runs that, with those that adjoin them, are too short for a request to be saved.
fn without_short(runs: Vec<Run>) -> Vec<Run> {
    let mut kept = Vec::with_capacity(runs.len());
    let mut group: Vec<Run> = Vec::new();
    let mut end_group = |group: &mut Vec<Run>| {
        let bytes: u64 = group.iter().map(|run| run.at.end - run.at.start).sum();
        if bytes >= MIN_RUN_BYTES {
            kept.append(group);
        }
        group.clear();
    };
    for run in runs {
        if group.last().is_some_and(|last| last.at.end != run.at.start) {
            end_group(&mut group);
        }
        group.push(run);
    }
    end_group(&mut group);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(at: Range<u64>) -> Run {
        Run { at, source: Source::Blob(Arc::new(tempfile::tempfile().unwrap()), 0) }
    }

    #[test]
    fn short_runs_are_fetched_with_their_neighbours() {
        let k = 1 << 10;
        let runs = [0..10, 10 * k..50 * k, 50 * k..90 * k, 200 * k..210 * k, 300 * k..900 * k];
        let kept = without_short(runs.into_iter().map(run).collect());
        let kept: Vec<_> = kept.into_iter().map(|run| run.at).collect();
        assert_eq!(kept, [10 * k..50 * k, 50 * k..90 * k, 300 * k..900 * k]);
    }

    #[test]
    fn reach_tells_what_comes_next() {
        let splice = Splice { runs: vec![run(10..20), run(30..40)], size: 50, saves: 0 };
        let reaches = [0, 10, 19, 20, 30, 40, 49].map(|position| splice.reach(position));
        let expected = [
            Reach::Far(10),
            Reach::Near(10),
            Reach::Near(1),
            Reach::Far(10),
            Reach::Near(10),
            Reach::Far(10),
            Reach::Far(1),
        ];
        assert_eq!(reaches, expected);
    }
}
