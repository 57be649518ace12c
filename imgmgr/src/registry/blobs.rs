//! Blobs: looked for, read whole, or fetched in ranges into an ingest.
//!
//! A fetch asks for what the ingest misses. Each range is retried from where it broke off as long
//! as bytes keep coming, at one endpoint after the other. Whether the bytes are right is told by
//! the ingest's reader at the end, not here.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, HeaderMap, RANGE};
use reqwest::{Method, Response, StatusCode};

use crate::digest::{Digest, Mismatch, verify};
use crate::image::Descriptor;
use crate::store::{Ingest, IngestWriter};

use super::client::Remote;
use super::endpoint::Endpoint;
use super::session::{Ask, Retry, pause_of, read_bounded, shown};
use super::{FailureKind, RegistryError, Result};

/// Blobs larger than this are fetched over several connections.
pub const PARALLEL_BLOB_BYTES: u64 = 32 << 20;
/// The range that one connection takes at a time.
const RANGE_BYTES: u64 = 16 << 20;

/// Bytes of a blob that can be had without the registry.
pub trait Nearby: Send + Sync + std::fmt::Debug {
    /// How far from `position` bytes are at hand, or must be fetched; never 0.
    fn reach(&self, position: u64) -> Reach;

    /// Fills `out` with the bytes at `position`, all of which are at hand.
    ///
    /// # Errors
    /// Why they can't be read.
    fn read(&self, position: u64, out: &mut [u8]) -> std::io::Result<()>;
}

/// Where the next bytes of a blob come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// So many are at hand.
    Near(u64),
    /// So many must be fetched.
    Far(u64),
}

/// A fetch of one blob and what to tell about it.
#[derive(Clone, Debug)]
pub struct BlobFetch {
    ingest: Arc<Ingest>,
    received: Arc<AtomicU64>,
    nearby: Option<Arc<dyn Nearby>>,
}

impl BlobFetch {
    /// Prepares to fetch what `ingest` misses; `received` counts the bytes that came.
    pub fn new(ingest: Arc<Ingest>, received: Arc<AtomicU64>) -> Self {
        Self { ingest, received, nearby: None }
    }

    /// Takes from `nearby` what it has.
    #[must_use]
    pub fn with_nearby(self, nearby: Option<Arc<dyn Nearby>>) -> Self {
        Self { nearby, ..self }
    }
}

/// What a request for a range turned out to be.
enum Served {
    /// The range that was asked for.
    Range(Response),
    /// Everything, because the server knows no ranges.
    Whole(Response),
}

impl Remote {
    /// The size of a blob in the registry, `None` if it is not there or not told.
    ///
    /// # Errors
    /// For anything but absence.
    pub async fn has_blob(&self, digest: &Digest) -> Result<bool> {
        let endpoint = self.writer()?;
        let url = self.client.url(endpoint, &format!("blobs/{digest}")).await?;
        let ask = Ask::new(Method::HEAD, url).actions("pull,push");
        match self.client.send(endpoint, &ask).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == FailureKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads a small blob whole and verifies it.
    ///
    /// # Errors
    /// If it is larger than `limit` or not what `descriptor` says, besides [`RegistryError`].
    pub async fn blob(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>> {
        let (digest, size) = (&descriptor.digest, descriptor.size);
        if size > limit {
            let url = format!("{}@{digest}", self.repository);
            return Err(RegistryError::TooLarge { url, limit });
        }
        let endpoints = self.endpoints_for("pull", |can| can.pull)?;
        self.first(endpoints, |endpoint| async move {
            let url = self.client.url(endpoint, &format!("blobs/{digest}")).await?;
            let ask = Ask::new(Method::GET, url).header(ACCEPT_ENCODING, "identity");
            let response = self.client.send(endpoint, &ask).await?;
            let url = shown(response.url());
            let bytes = read_bounded(response, size).await?;
            verify(&bytes, digest, size)
                .map_err(|source| RegistryError::Mismatch { url, source })?;
            Ok(bytes)
        })
        .await
    }

    /// Reads a part of a blob; `None` if the registry knows no ranges. The bytes are not
    /// verified.
    ///
    /// # Errors
    /// [`RegistryError`] of the last endpoint that was tried.
    pub async fn blob_part(&self, blob: &Descriptor, part: Range<u64>) -> Result<Option<Vec<u8>>> {
        let endpoints = self.endpoints_for("pull", |can| can.pull)?;
        let part = &part;
        self.first(endpoints, |endpoint| async move {
            match self.ask_range(endpoint, blob, part.start, part.end).await? {
                Served::Range(response) => {
                    let length = part.end - part.start;
                    Ok(Some(read_bounded(response, length).await?))
                }
                Served::Whole(_) => Ok(None),
            }
        })
        .await
    }

    /// Fetches what the ingest misses. When this returns `Ok`, every byte is there; when it fails,
    /// the ingest's readers fail too, and what came stays for a resume.
    ///
    /// # Errors
    /// [`RegistryError`] of the last endpoint that was tried.
    pub async fn fetch(&self, fetch: &BlobFetch) -> Result<()> {
        let result = self.fetch_missing(fetch).await;
        if let Err(error) = &result {
            fetch.ingest.fail(&super::session::explain(error));
        }
        result
    }

    async fn fetch_missing(&self, fetch: &BlobFetch) -> Result<()> {
        let size = fetch.ingest.descriptor().size;
        if size <= PARALLEL_BLOB_BYTES {
            for range in fetch.ingest.missing(u64::MAX) {
                if self.fetch_range(fetch, range).await? == RangeOutcome::Everything {
                    break;
                }
            }
            return Ok(());
        }
        let mut queue: VecDeque<Range<u64>> = fetch.ingest.missing(RANGE_BYTES).into();
        // The first range tells whether the server knows ranges, before others ask for theirs.
        if let Some(first) = queue.pop_front()
            && self.fetch_range(fetch, first).await? == RangeOutcome::Everything
        {
            return Ok(());
        }
        let queue = Mutex::new(queue);
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let lane = || async {
            while let Some(range) = next() {
                self.fetch_range(fetch, range).await?;
            }
            Ok(())
        };
        let lanes = self.client.0.options.connections_per_blob.max(1);
        futures_util::future::try_join_all((0..lanes).map(|_| lane())).await.map(drop)
    }

    /// Brings one range, from wherever it can be had.
    async fn fetch_range(&self, fetch: &BlobFetch, range: Range<u64>) -> Result<RangeOutcome> {
        let mut writer = fetch.ingest.writer(range.start);
        let Some(nearby) = &fetch.nearby else {
            return self.fetch_to(fetch, &mut writer, range.end).await;
        };
        while writer.position() < range.end {
            let left = range.end - writer.position();
            match nearby.reach(writer.position()) {
                Reach::Near(bytes) => {
                    self.copy_nearby(nearby, &mut writer, bytes.min(left)).await?
                }
                Reach::Far(bytes) => {
                    let end = writer.position() + bytes.min(left);
                    if self.fetch_to(fetch, &mut writer, end).await? == RangeOutcome::Everything {
                        return Ok(RangeOutcome::Everything);
                    }
                }
            }
        }
        Ok(RangeOutcome::Range)
    }

    /// Fetches what is missing before `end`, resuming where an answer broke off.
    async fn fetch_to(
        &self,
        fetch: &BlobFetch,
        writer: &mut IngestWriter,
        end: u64,
    ) -> Result<RangeOutcome> {
        let endpoints = self.endpoints_for("pull", |can| can.pull)?;
        let mut attempt = 0;
        loop {
            let before = writer.position();
            let endpoint = endpoints[attempt as usize % endpoints.len()];
            let failure = match self.stream(endpoint, fetch, writer, end).await {
                Ok(outcome) => return Ok(outcome),
                Err(error @ RegistryError::Store(_)) if error.kind() != FailureKind::Lied => {
                    return Err(error);
                }
                Err(failure) => failure,
            };
            attempt = if writer.position() > before { 1 } else { attempt + 1 };
            let others = (attempt as usize) < endpoints.len();
            match pause_of(&failure, attempt, &self.client) {
                _ if others => {}
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(failure),
            }
        }
    }

    /// One answer, written as it comes.
    async fn stream(
        &self,
        endpoint: &Endpoint,
        fetch: &BlobFetch,
        writer: &mut IngestWriter,
        end: u64,
    ) -> Result<RangeOutcome> {
        let size = fetch.ingest.descriptor().size;
        let (mut response, mut whole, outcome, end) = match self
            .ask_range(endpoint, fetch.ingest.descriptor(), writer.position(), end)
            .await?
        {
            Served::Range(response) => (response, None, RangeOutcome::Range, end),
            Served::Whole(response) => {
                // The server knows no ranges: what is there already comes again.
                let again = (writer.position() > 0).then(|| fetch.ingest.writer(0));
                (response, again, RangeOutcome::Everything, size)
            }
        };
        let url = shown(response.url());
        let writer = whole.as_mut().unwrap_or(writer);
        while let Some(chunk) = response.chunk().await.map_err(|source| RegistryError::Network {
            url: url.clone(),
            source: source.without_url(),
        })? {
            if writer.position() + chunk.len() as u64 > end {
                let digest = fetch.ingest.descriptor().digest.clone();
                let actual = writer.position() + chunk.len() as u64;
                let source = Mismatch::Size { digest, expected: end, actual };
                return Err(RegistryError::Mismatch { url, source });
            }
            self.client.go_on()?;
            fetch.received.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            writer.write(&chunk)?;
        }
        if writer.position() < end {
            // The answer was shorter than its own header allows for; the rest may come.
            let reason = format!("it ended {} bytes early", end - writer.position());
            return Err(RegistryError::Protocol { url, reason });
        }
        Ok(outcome)
    }

    async fn ask_range(
        &self,
        endpoint: &Endpoint,
        descriptor: &Descriptor,
        start: u64,
        end: u64,
    ) -> Result<Served> {
        let url = self.client.url(endpoint, &format!("blobs/{}", descriptor.digest)).await?;
        let mut ask =
            Ask::new(Method::GET, url).header(ACCEPT_ENCODING, "identity").retry(Retry::No);
        let partial = start > 0 || end < descriptor.size;
        if partial {
            ask = ask.header(RANGE, &format!("bytes={start}-{}", end - 1));
        }
        let response = self.client.send(endpoint, &ask).await?;
        let url = shown(response.url());
        let stated = response.content_length();
        let expected = match response.status() {
            StatusCode::PARTIAL_CONTENT if partial => {
                check_range(response.headers(), start, end, descriptor.size)
                    .map_err(|reason| RegistryError::Protocol { url: url.clone(), reason })?;
                end - start
            }
            StatusCode::OK => descriptor.size,
            status => {
                let reason = format!("status {status} for a blob");
                return Err(RegistryError::Protocol { url, reason });
            }
        };
        if let Some(actual) = stated.filter(|&length| length != expected) {
            let digest = descriptor.digest.clone();
            let source = Mismatch::Size { digest, expected, actual };
            return Err(RegistryError::Mismatch { url, source });
        }
        let is_whole = response.status() == StatusCode::OK;
        Ok(if is_whole { Served::Whole(response) } else { Served::Range(response) })
    }

    /// Writes the next bytes of a blob from where they are at hand.
    async fn copy_nearby(
        &self,
        nearby: &Arc<dyn Nearby>,
        writer: &mut IngestWriter,
        bytes: u64,
    ) -> Result<()> {
        let end = writer.position() + bytes;
        while writer.position() < end {
            self.client.go_on()?;
            let length = (end - writer.position()).min(NEARBY_BYTES);
            let mut buffer = vec![0; usize::try_from(length).unwrap_or(0)];
            nearby
                .read(writer.position(), &mut buffer)
                .map_err(|source| RegistryError::Nearby { source })?;
            writer.write(&buffer)?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// Bytes that are copied between two looks at what else is to do.
const NEARBY_BYTES: u64 = 1 << 20;

/// How much a request for a range brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RangeOutcome {
    Range,
    Everything,
}

/// Compares `Content-Range: bytes a-b/size` with what was asked for.
fn check_range(
    headers: &HeaderMap,
    start: u64,
    end: u64,
    size: u64,
) -> std::result::Result<(), String> {
    let text = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let expected =
        [format!("bytes {start}-{}/{size}", end - 1), format!("bytes {start}-{}/*", end - 1)];
    if expected.iter().any(|form| form == text) {
        Ok(())
    } else {
        Err(format!("asked for `{}`, got `{text}`", expected[0]))
    }
}
