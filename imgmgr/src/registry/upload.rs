//! Uploads: not at all if the blob is there, mounted from a sibling, in one piece, or in chunks
//! that a later process resumes.
//!
//! A large blob goes in chunks. After each, the registry's answer says where the next one goes;
//! that is kept in a [`ResumeSlot`], so that a push that was cut off asks there for how much
//! arrived and goes on from it. Registries built on distribution (docker-registry) forget an
//! upload whose last chunk was cut off within: there only [`Client::interrupt`], which lets the
//! chunk end, leaves something to go on from. The `imgmgr` command sees to it that SIGKILL comes
//! down to that, too.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, LOCATION, RANGE};
use reqwest::{Body, Method, Response, StatusCode, Url};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::digest::Digest;
use crate::image::Descriptor;
use crate::reference::Repository;

use super::client::{Client, Remote};
use super::endpoint::Endpoint;
use super::session::{Ask, Retry, pause_of, shown};
use super::{FailureKind, RegistryError, Result};

/// Blobs up to this size go in one request; larger ones in chunks, and are resumed.
const RESUMABLE_BYTES: u64 = 16 << 20;
/// The smallest chunk of a larger blob; the registry may ask for more.
const CHUNK_BYTES: u64 = 16 << 20;
/// The largest chunk that a registry may ask for.
const MAX_CHUNK_BYTES: u64 = 1 << 30;
/// How many times the stall timeout an upload may stand still: some MiB lie in the kernel's buffers
/// after the last one was read, and then the registry may hash what it has.
const UPLOAD_PATIENCE: u32 = 4;
/// What is read from the disk at a time.
const READ_BYTES: usize = 256 << 10;

const CHUNK_MIN: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// How a blob got into the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It was in another repository of the same registry.
    Mounted,
    /// It was sent, the first `resumed` bytes by an earlier process.
    Sent {
        /// Bytes that had arrived before.
        resumed: u64,
    },
}

/// A repository of the same registry that may have the blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountFrom(pub Repository);

/// The bytes to send.
pub trait UploadSource: Send + Sync + std::fmt::Debug {
    /// Opens the blob, from its start.
    ///
    /// # Errors
    /// If it can't be read.
    fn open(&self) -> io::Result<std::fs::File>;
}

/// Where the address of an unfinished upload is kept.
pub trait ResumeSlot: Send + Sync + std::fmt::Debug {
    /// The address that was kept last.
    fn load(&self) -> Option<String>;
    /// Keeps an address, or forgets it.
    fn save(&self, location: Option<&str>);
}

impl Client {
    /// Ends transfers as soon as they can be resumed: downloads at once, uploads at the end of the
    /// chunk or small blob under way. They fail with [`RegistryError::Interrupted`].
    pub fn interrupt(&self) {
        self.0.interrupted.send_replace(true);
    }

    /// Returns once no upload moved for the time that `stall_timeout` names and what its last bytes
    /// may take in the kernel's buffers.
    pub async fn stalls(&self) {
        self.stops_counting(&self.0.sent).await;
    }

    pub(super) async fn stops_counting(&self, sent: &AtomicU64) {
        let patience = self.0.options.stall_timeout * UPLOAD_PATIENCE;
        loop {
            let before = sent.load(Ordering::Relaxed);
            tokio::time::sleep(patience).await;
            if sent.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }

    pub(super) fn go_on(&self) -> Result<()> {
        match *self.0.interrupted.borrow() {
            true => Err(RegistryError::Interrupted),
            false => Ok(()),
        }
    }
}

impl Remote {
    /// Returns once [`Client::interrupt`] was called.
    pub(crate) async fn interrupted(&self) {
        let mut told = self.client.0.interrupted.subscribe();
        // The sender lives as long as the client.
        let _ = told.wait_for(|interrupted| *interrupted).await;
    }

    async fn pause(&self, pause: Duration) -> Result<()> {
        tokio::select! {
            biased;
            () = self.interrupted() => Err(RegistryError::Interrupted),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    /// Brings a blob into the registry that [`Remote::has_blob`] did not find there; `sent` counts
    /// the bytes that go out.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn push_blob(
        &self,
        descriptor: &Descriptor,
        source: &dyn UploadSource,
        mount: Option<&MountFrom>,
        slot: &dyn ResumeSlot,
        sent: &Arc<AtomicU64>,
    ) -> Result<Pushed> {
        let endpoint = self.writer()?;
        self.client.go_on()?;
        let upload = Upload { remote: self, endpoint, descriptor, source, slot, sent };
        if descriptor.size > RESUMABLE_BYTES
            && let Some((location, offset)) = upload.resumable().await
        {
            match upload.chunks(location, offset).await {
                Ok(()) => return Ok(Pushed::Sent { resumed: offset }),
                // The registry has lost it or takes it for something else: start over.
                Err(error) if error.kind() == FailureKind::Temporary => return Err(error),
                Err(_) => slot.save(None),
            }
        }
        let Some(location) = upload.start(mount).await? else { return Ok(Pushed::Mounted) };
        if descriptor.size > RESUMABLE_BYTES {
            upload.chunks(location, 0).await?;
        } else {
            upload.whole(&location).await?;
        }
        Ok(Pushed::Sent { resumed: 0 })
    }
}

struct Upload<'a> {
    remote: &'a Remote,
    endpoint: &'a Endpoint,
    descriptor: &'a Descriptor,
    source: &'a dyn UploadSource,
    slot: &'a dyn ResumeSlot,
    sent: &'a Arc<AtomicU64>,
}

/// Where the next bytes go, and how many at least.
#[derive(Clone, Debug)]
struct Location {
    url: Url,
    chunk: u64,
}

impl Upload<'_> {
    /// Opens an upload; `None` if the registry mounted the blob instead.
    async fn start(&self, mount: Option<&MountFrom>) -> Result<Option<Location>> {
        let client = &self.remote.client;
        let mut url = client.url(self.endpoint, "blobs/uploads/").await?;
        if let Some(MountFrom(repository)) = mount {
            url.query_pairs_mut()
                .append_pair("mount", &self.descriptor.digest.to_string())
                .append_pair("from", repository.path());
        }
        let ask = Ask::new(Method::POST, url)
            .actions("pull,push")
            .mounting(mount.map(|from| from.0.path().to_owned()))
            .header(CONTENT_LENGTH, "0")
            .body(|| Body::from(""));
        let response = match client.send(self.endpoint, &ask).await {
            // Not allowed to read the sibling: send it.
            Err(error) if mount.is_some() && error.kind() != FailureKind::Temporary => {
                return Box::pin(self.start(None)).await;
            }
            other => other?,
        };
        if response.status() == StatusCode::CREATED {
            return Ok(None);
        }
        self.location(&response).map(Some)
    }

    /// Reads where an answer says that the upload goes on. Only the registry itself may take it.
    fn location(&self, response: &Response) -> Result<Location> {
        let at = response.url();
        let protocol = |reason: String| RegistryError::Protocol { url: shown(at), reason };
        let text = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let text = text.ok_or_else(|| protocol("no `Location` for the upload".to_owned()))?;
        let url = at.join(text).map_err(|error| protocol(format!("bad `Location`: {error}")))?;
        if at.scheme() == "https" && url.scheme() != "https" {
            return Err(protocol("an upload must not leave TLS".to_owned()));
        }
        let asked = response.headers().get(CHUNK_MIN).and_then(|v| v.to_str().ok()?.parse().ok());
        let chunk = asked.unwrap_or(0).clamp(CHUNK_BYTES, MAX_CHUNK_BYTES);
        Ok(Location { url, chunk })
    }

    /// The upload that an earlier process left, and how much of it arrived.
    async fn resumable(&self) -> Option<(Location, u64)> {
        let url = Url::parse(&self.slot.load()?).ok()?;
        let ask = Ask::new(Method::GET, url).actions("pull,push");
        let response = self.remote.client.send(self.endpoint, &ask).await.ok()?;
        let offset = arrived(&response)?;
        let location = self.location(&response).ok()?;
        (offset <= self.descriptor.size).then_some((location, offset))
    }

    /// Sends everything in one `PUT`.
    async fn whole(&self, location: &Location) -> Result<()> {
        let size = self.descriptor.size;
        let mut attempt = 0;
        let mut location = location.clone();
        loop {
            let url = with_digest(&location.url, &self.descriptor.digest);
            let ask = Ask::new(Method::PUT, url)
                .actions("pull,push")
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_LENGTH, &size.to_string())
                .body(|| self.body(0, size))
                .counted(self.sent)
                .retry(Retry::No);
            let failure = match self.remote.client.send(self.endpoint, &ask).await {
                Ok(_) => return Ok(()),
                Err(failure) => failure,
            };
            attempt += 1;
            let Some(pause) = pause_of(&failure, attempt, &self.remote.client) else {
                return Err(failure);
            };
            self.remote.pause(pause).await?;
            let Some(again) = self.start(None).await? else { return Ok(()) };
            location = again;
        }
    }

    /// Sends the blob from `offset` in chunks and closes the upload.
    async fn chunks(&self, mut location: Location, mut offset: u64) -> Result<()> {
        let size = self.descriptor.size;
        let mut attempt = 0;
        while offset < size {
            self.slot.save(Some(location.url.as_str()));
            self.remote.client.go_on()?;
            let end = size.min(offset + location.chunk);
            let ask = Ask::new(Method::PATCH, location.url.clone())
                .actions("pull,push")
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_LENGTH, &(end - offset).to_string())
                .header(CONTENT_RANGE, &format!("{offset}-{}", end - 1))
                .body(move || self.body(offset, end))
                .counted(self.sent)
                .retry(Retry::No);
            match self.remote.client.send(self.endpoint, &ask).await {
                Ok(response) => {
                    // The registry may have taken less than was sent.
                    let taken = arrived(&response).unwrap_or(end);
                    if taken <= offset || taken > end {
                        let url = shown(response.url());
                        let reason = format!("{taken} bytes arrived after sending up to {end}");
                        return Err(RegistryError::Protocol { url, reason });
                    }
                    location = self.location(&response)?;
                    (offset, attempt) = (taken, 0);
                }
                Err(failure) => {
                    attempt += 1;
                    let Some(pause) = pause_of(&failure, attempt, &self.remote.client) else {
                        return Err(failure);
                    };
                    self.remote.pause(pause).await?;
                    match self.resumable().await {
                        Some(found) => (location, offset) = found,
                        None => {
                            let Some(fresh) = self.start(None).await? else { return Ok(()) };
                            (location, offset) = (fresh, 0);
                        }
                    }
                }
            }
        }
        let url = with_digest(&location.url, &self.descriptor.digest);
        let ask = Ask::new(Method::PUT, url)
            .actions("pull,push")
            .header(CONTENT_LENGTH, "0")
            .body(|| Body::from(""));
        let closed = self.remote.client.send(self.endpoint, &ask).await;
        self.slot.save(None);
        closed.map(drop)
    }

    /// Streams `start..end` of the source.
    fn body(&self, start: u64, end: u64) -> Body {
        let (client, sent) = (self.remote.client.clone(), Arc::clone(self.sent));
        let opened = self.source.open();
        let stream = futures_util::stream::try_unfold(
            (opened.map(tokio::fs::File::from_std).map_err(Some), start),
            move |(file, at)| {
                let (client, sent) = (client.clone(), Arc::clone(&sent));
                async move {
                    if at >= end {
                        return Ok(None);
                    }
                    let mut file = file
                        .map_err(|error| error.unwrap_or_else(|| io::ErrorKind::NotFound.into()))?;
                    if at == start {
                        file.set_max_buf_size(READ_BYTES);
                        file.seek(io::SeekFrom::Start(start)).await?;
                    }
                    let want = (end - at).min(READ_BYTES as u64);
                    let mut buffer = Vec::with_capacity(READ_BYTES);
                    let count = (&mut file).take(want).read_buf(&mut buffer).await?;
                    if count == 0 {
                        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                    }
                    sent.fetch_add(count as u64, Ordering::Relaxed);
                    client.0.sent.fetch_add(count as u64, Ordering::Relaxed);
                    Ok::<_, io::Error>(Some((buffer, (Ok(file), at + count as u64))))
                }
            },
        );
        Body::wrap_stream(stream)
    }
}

/// How many bytes of an upload arrived: `Range: 0-<last>`. Docker's registry says `0-0` for none.
fn arrived(response: &Response) -> Option<u64> {
    let text = response.headers().get(RANGE)?.to_str().ok()?;
    let last: u64 = text.trim_start_matches("bytes=").split_once('-')?.1.parse().ok()?;
    Some(if last == 0 { 0 } else { last.checked_add(1)? })
}

fn with_digest(url: &Url, digest: &Digest) -> Url {
    let mut url = url.clone();
    url.query_pairs_mut().append_pair("digest", &digest.to_string());
    url
}
