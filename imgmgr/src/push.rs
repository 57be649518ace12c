//! Push: from a store to a registry, children before parents.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::digest::Digest;
use crate::image::{Descriptor, Manifest};
use crate::progress::{BlobState, Progress};
use crate::registry::{MountFrom, Pushed, RegistryError, Remote, UploadSource};
use crate::store::{MAX_INDEX_DEPTH, Store, StoreError, Upload};

/// Blobs that the registry is asked about at the same time.
const PARALLEL_QUESTIONS: usize = 8;
/// Small blobs that are sent at the same time.
const PARALLEL_BLOBS: usize = 4;
/// How long nobody is expected to have sent a blob that was not there.
const ANSWER_HOLDS: Duration = Duration::from_secs(1);
/// Blobs above this are large.
const LARGE_BYTES: u64 = 4 << 20;
/// Large blobs that are sent besides.
const PARALLEL_LARGE_BLOBS: usize = 2;

/// What to push.
#[derive(Clone, Debug)]
pub struct PushRequest {
    /// Manifest or index in the store.
    pub target: Descriptor,
    /// The tag or digest that it gets in the registry.
    pub selector: String,
    /// A repository of the same registry that may have the blobs.
    pub mount: Option<MountFrom>,
    /// Where addresses of unfinished uploads are kept: a store that may be written to.
    pub notes: Store,
    /// Entries of an index that the store has not are left to the registry to have.
    pub absent: Absent,
}

/// What becomes of an index's entries that the store has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// They are skipped.
    Skip,
    /// They are an error.
    Fail,
}

/// Pushes a manifest with everything below it.
///
/// # Errors
/// [`RegistryError`]; blobs that arrived stay, and a large one that did not is resumed.
pub async fn push(
    store: &Store,
    remote: &Remote,
    request: &PushRequest,
    progress: &dyn Progress,
) -> Result<(), RegistryError> {
    let push = Push { store, remote, request, progress };
    let mut seen = HashSet::new();
    push.tree(&request.target, 0, &mut seen).await
}

struct Push<'a> {
    store: &'a Store,
    remote: &'a Remote,
    request: &'a PushRequest,
    progress: &'a dyn Progress,
}

impl Push<'_> {
    async fn tree(
        &self,
        at: &Descriptor,
        depth: usize,
        seen: &mut HashSet<Digest>,
    ) -> Result<(), RegistryError> {
        if !seen.insert(at.digest.clone()) {
            return Ok(());
        }
        if depth > MAX_INDEX_DEPTH {
            let digest = at.digest.clone();
            return Err(StoreError::TooDeep { digest, limit: MAX_INDEX_DEPTH }.into());
        }
        let (bytes, manifest) = match self.store.manifest(at) {
            Err(StoreError::NoBlob { .. }) if depth > 0 && self.request.absent == Absent::Skip => {
                return Ok(());
            }
            other => other?,
        };
        match &manifest {
            Manifest::Index(index) => {
                for child in &index.manifests {
                    Box::pin(self.tree(child, depth + 1, seen)).await?;
                }
            }
            Manifest::Image(_) => {
                let mut own = HashSet::new();
                let blobs = manifest.children();
                self.blobs(blobs.into_iter().filter(|blob| own.insert(&blob.digest)).collect())
                    .await?;
            }
        }
        let selector =
            if depth == 0 { self.request.selector.clone() } else { at.digest.to_string() };
        self.remote.put_manifest(&selector, at, &bytes).await
    }

    /// Asks for all blobs at once, then sends what is missing: large ones side by side with small
    /// ones, the largest first, so that little is under way when something cuts in near the end.
    async fn blobs(&self, blobs: Vec<&Descriptor>) -> Result<(), RegistryError> {
        let mut missing: Vec<&Descriptor> = stream::iter(blobs)
            .map(|blob| async move { Ok((!self.is_there(blob).await?).then_some(blob)) })
            .buffer_unordered(PARALLEL_QUESTIONS)
            .try_filter_map(|missing| async move { Ok::<_, RegistryError>(missing) })
            .try_collect()
            .await?;
        let asked = Instant::now();
        missing.sort_by_key(|blob| std::cmp::Reverse(blob.size));
        let small = missing.partition_point(|blob| blob.size > LARGE_BYTES);
        let (large, small) = missing.split_at(small);
        let mut sent = stream::select(
            stream::iter(self.sends(large, asked)).buffer_unordered(PARALLEL_LARGE_BLOBS),
            stream::iter(self.sends(small, asked)).buffer_unordered(PARALLEL_BLOBS),
        );
        let mut interrupted = None;
        while let Some(result) = sent.next().await {
            match result {
                // What else is under way ends where it can be resumed.
                Err(error @ RegistryError::Interrupted) => interrupted = Some(error),
                other => other?,
            }
        }
        interrupted.map_or(Ok(()), Err)
    }

    fn sends<'a>(
        &'a self,
        blobs: &'a [&Descriptor],
        asked: Instant,
    ) -> Vec<impl Future<Output = Result<(), RegistryError>> + 'a> {
        blobs.iter().map(|blob| self.send(blob, asked)).collect()
    }

    async fn is_there(&self, blob: &Descriptor) -> Result<bool, RegistryError> {
        if !self.store.has(blob)? {
            return Err(StoreError::NoBlob { digest: blob.digest.clone() }.into());
        }
        let there = self.remote.has_blob(&blob.digest).await?;
        self.progress.state(blob, if there { BlobState::Present } else { BlobState::Waiting });
        Ok(there)
    }

    /// Sends what was not there when it was `asked` for.
    async fn send(&self, blob: &Descriptor, asked: Instant) -> Result<(), RegistryError> {
        let upload = self.take_up(blob).await?;
        let outdated = upload.waited() || asked.elapsed() > ANSWER_HOLDS;
        if outdated && self.remote.has_blob(&blob.digest).await? {
            self.progress.state(blob, BlobState::Present);
            return Ok(());
        }
        self.progress.state(blob, BlobState::Moving { resumed: 0 });
        let sent = self.progress.counter(blob);
        let source = StoredBlob { store: self.store.clone(), digest: blob.digest.clone() };
        let mount = self.request.mount.as_ref();
        let pushed = self.remote.push_blob(blob, &source, mount, &upload, &sent).await;
        self.progress.state(
            blob,
            match &pushed {
                Ok(Pushed::Mounted) => BlobState::Mounted,
                Ok(Pushed::Sent { .. }) => BlobState::Done,
                Err(_) => BlobState::Failed,
            },
        );
        pushed.map(drop)
    }

    /// Waits until nobody else who uses the store sends the blob there.
    async fn take_up(&self, blob: &Descriptor) -> Result<Upload, RegistryError> {
        let (store, digest) = (self.request.notes.clone(), blob.digest.clone());
        let repository = self.remote.repository().to_string();
        let taken = tokio::task::spawn_blocking(move || store.upload(&repository, &digest));
        tokio::select! {
            biased;
            () = self.remote.interrupted() => Err(RegistryError::Interrupted),
            // It only fails where the program is about to end.
            upload = taken => upload.map_err(|_| RegistryError::Interrupted),
        }
    }
}

#[derive(Debug)]
struct StoredBlob {
    store: Store,
    digest: Digest,
}

impl UploadSource for StoredBlob {
    fn open(&self) -> io::Result<fs::File> {
        self.store.open_blob(&self.digest).map_err(io::Error::other)
    }
}
