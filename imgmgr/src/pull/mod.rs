//! Pull: from a registry into a store.
//!
//! ```text
//! manifest -> choose platform -> config -> layers, several at once:
//!     ingest (lock, resume) <- ranges      (tasks)
//!       `- read in order -> verify digest and size -> sink  (one blocking thread a layer)
//!     wait for the disk, with others -> the blob's name      (while the next ones come)
//! all layers there and durable -> name
//! ```
//! Every blob is leased before it is looked for, so a sweep can't take it in between.

mod blob;
mod error;
mod known;
mod layers;
mod splice;

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::Arc;

pub use error::PullError;
pub use layers::UnpackLayers;

use futures_util::{StreamExt, stream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{Id, JoinSet};

use crate::digest::Digest;
use crate::image::{Descriptor, ImageConfig, ImageManifest, MAX_CONFIG_BYTES, Manifest, Platform};
use crate::progress::{BlobState, Progress};
use crate::reference::Reference;
use crate::registry::{FetchedManifest, Remote};
use crate::store::{
    CROWD, Expected, ImageEntry, Ingest, Lease, MAX_INDEX_DEPTH, Store, Wait, Wanted,
};
use crate::trust::{Policy, check_registry};
use splice::Splicing;

/// What of an index is pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Platforms {
    /// The image that fits best; the name then points at it rather than at the index.
    One(Wanted),
    /// Everything that the index lists.
    All,
}

/// How to pull.
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// What of an index is pulled.
    pub platforms: Platforms,
    /// Layers that are fetched at the same time.
    pub parallel_layers: usize,
    /// Which images may come in.
    pub policy: Arc<Policy>,
}

impl Default for PullOptions {
    fn default() -> Self {
        Self {
            platforms: Platforms::One(Wanted::Host(Platform::host())),
            parallel_layers: 6,
            policy: Arc::default(),
        }
    }
}

/// Takes layers while they come.
pub trait LayerSink: Send + Sync {
    /// Prepares for these layers, lowest first; called once, before any is consumed, and before
    /// any blob is locked.
    ///
    /// # Errors
    /// Why it can't.
    fn reserve(&self, diff_ids: &[Digest]) -> std::io::Result<()>;

    /// Whether the layer is there already, so that it needs no consuming.
    fn has(&self, diff_id: &Digest) -> bool;

    /// Consumes one layer; called on a thread of its own, for several layers at once, in any
    /// order. The bytes are not verified: `Ok` says that `blob` was read to its end and has
    /// the digest and size of `layer`.
    ///
    /// # Errors
    /// Whatever `blob` failed with, or why the layer can't be used.
    fn consume(
        &self,
        layer: &Descriptor,
        diff_id: &Digest,
        blob: &mut (dyn Read + Send),
    ) -> std::io::Result<()>;

    /// Makes what is being consumed end soon with an error: another layer can't be had.
    fn cancel(&self);

    /// Keeps what was consumed; called once all layers are there.
    ///
    /// # Errors
    /// Why it can't.
    fn finish(&self) -> std::io::Result<()>;
}

/// What a pull did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The name and what it points at now.
    pub entry: ImageEntry,
    /// Whether everything was there and nothing but the question was sent.
    pub up_to_date: bool,
}

type Result<T> = std::result::Result<T, PullError>;

/// Pulls `reference` into `store` and names it `name`.
///
/// # Errors
/// [`PullError`]; what was fetched until then stays for the next try.
pub async fn pull(
    remote: &Remote,
    reference: &Reference,
    store: &Store,
    name: &str,
    options: &PullOptions,
    progress: Arc<dyn Progress>,
    sink: Option<Arc<dyn LayerSink>>,
) -> Result<Pulled> {
    let lease = store.lease()?;
    let (splicing, stop) = (Splicing::default(), watch::Sender::new(false));
    let pull = Pull { remote, reference, store, options, progress, sink, lease, splicing, stop };
    let known = pull.known(name)?;
    if let Some(entry) = &known
        && pull.is_certain_choice(entry)?
        && pull.is_current(entry).await?
    {
        return pull.up_to_date(entry.clone()).await;
    }
    let fetched = remote.manifest(&reference.selector()).await?;
    let origin_digest = fetched.descriptor.digest.clone();
    let top = match &options.platforms {
        Platforms::All => fetched,
        Platforms::One(wanted) => pull.choose(fetched, wanted).await?,
    };
    let target = top.descriptor.clone();
    if let Some(entry) = known
        && entry.origin_digest.as_ref() == Some(&origin_digest)
        && entry.target.digest == target.digest
    {
        return pull.up_to_date(entry).await;
    }
    pull.check_trust(Some(&origin_digest), &target.digest).await?;
    pull.check_platform(&top).await?;
    let mut entry = ImageEntry::new(name, target);
    pull.tree(top, 0).await?;
    if let Some(sink) = pull.sink.clone() {
        let name = reference.familiar();
        let kept = blocking(move || sink.finish()).await?;
        kept.map_err(|source| PullError::Layers { name, source })?;
    }
    entry.origin = Some(reference.to_string());
    entry.origin_digest = Some(origin_digest);
    let (store, named) = (store.clone(), entry.clone());
    blocking(move || store.tag(&named)).await??;
    Ok(Pulled { entry, up_to_date: false })
}

struct Pull<'a> {
    remote: &'a Remote,
    reference: &'a Reference,
    store: &'a Store,
    options: &'a PullOptions,
    progress: Arc<dyn Progress>,
    sink: Option<Arc<dyn LayerSink>>,
    lease: Lease,
    splicing: Splicing,
    /// True once a blob failed: the others end, too, and are waited for.
    stop: watch::Sender<bool>,
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|source| PullError::Task { source })
}

/// Blobs that came and wait for the disk.
#[derive(Default)]
struct Publishing<'b> {
    tasks: JoinSet<Result<()>>,
    blobs: HashMap<Id, &'b Descriptor>,
}

impl<'b> Publishing<'b> {
    /// Publishes a blob, and frees its `room` then.
    fn start<R: Send + 'static>(&mut self, blob: &'b Descriptor, ingest: Arc<Ingest>, room: R) {
        let task = self.tasks.spawn_blocking(move || {
            let _room = room;
            Ok(ingest.publish(Wait::WithOthers)?)
        });
        self.blobs.insert(task.id(), blob);
    }

    /// What became of the next blob; `None` if there is none.
    async fn next(&mut self, progress: &dyn Progress) -> Option<Result<()>> {
        let (id, published) = match self.tasks.join_next_with_id().await? {
            Ok((id, published)) => (id, published),
            Err(source) => (source.id(), Err(PullError::Task { source })),
        };
        let state = if published.is_ok() { BlobState::Done } else { BlobState::Failed };
        if let Some(blob) = self.blobs.remove(&id) {
            progress.state(blob, state);
        }
        Some(published)
    }
}

impl Pull<'_> {
    /// Asks the policy before anything but manifests is fetched.
    async fn check_trust(&self, origin: Option<&Digest>, target: &Digest) -> Result<()> {
        let mut digests: Vec<Digest> = origin.into_iter().chain([target]).cloned().collect();
        digests.dedup();
        let policy = &self.options.policy;
        Ok(check_registry(policy, self.remote, self.reference, &digests).await?)
    }

    /// Descends from an index to the image that is wanted.
    async fn choose(&self, from: FetchedManifest, wanted: &Wanted) -> Result<FetchedManifest> {
        let name = self.reference.familiar();
        let mut at = from;
        for _ in 0..=MAX_INDEX_DEPTH {
            let Manifest::Index(index) = &at.manifest else { return Ok(at) };
            at = self.known_manifest(wanted.choose(&name, &index.manifests)?).await?;
        }
        Err(PullError::TooDeep { name })
    }

    /// Refuses an image that does not run on a platform that somebody named, before its layers are fetched:
    /// no index may have said so.
    async fn check_platform(&self, chosen: &FetchedManifest) -> Result<()> {
        let Platforms::One(wanted @ Wanted::Named(_)) = &self.options.platforms else {
            return Ok(());
        };
        let platform = match (&chosen.descriptor.platform, &chosen.manifest) {
            (None, Manifest::Image(image)) if image.is_image() => {
                Some(self.config(image).await?.platform())
            }
            (platform, _) => platform.clone(),
        };
        Ok(wanted.check(&self.reference.familiar(), platform)?)
    }

    /// The configuration of an image, which is in the store then.
    async fn config(&self, image: &ImageManifest) -> Result<ImageConfig> {
        if !self.lease.take(&image.config)? {
            let bytes = self.remote.blob(&image.config, MAX_CONFIG_BYTES).await?;
            self.store.put_verified(&image.config.digest, &bytes)?;
        }
        Ok(self.store.image_config(&image.config)?.1)
    }

    /// A manifest by descriptor, from the store if it is there.
    async fn known_manifest(&self, descriptor: &Descriptor) -> Result<FetchedManifest> {
        if self.lease.take(descriptor)? {
            let (bytes, manifest) = self.store.manifest(descriptor)?;
            return Ok(FetchedManifest { descriptor: descriptor.clone(), bytes, manifest });
        }
        Ok(self.remote.manifest_of(descriptor).await?)
    }

    /// Brings a manifest with everything below it into the store; children first, so that a
    /// manifest in the store is a whole one.
    async fn tree(&self, top: FetchedManifest, depth: usize) -> Result<()> {
        self.lease.take(&top.descriptor)?;
        match &top.manifest {
            Manifest::Image(image) => self.image(image, &top.descriptor).await?,
            Manifest::Index(index) => {
                if depth >= MAX_INDEX_DEPTH {
                    return Err(PullError::TooDeep { name: self.reference.familiar() });
                }
                for child in &index.manifests {
                    let fetched = self.known_manifest(child).await?;
                    Box::pin(self.tree(fetched, depth + 1)).await?;
                }
            }
        }
        self.store.put_verified(&top.descriptor.digest, &top.bytes)?;
        Ok(())
    }

    async fn image(&self, image: &ImageManifest, at: &Descriptor) -> Result<()> {
        let mut diff_ids: Vec<Option<Digest>> = vec![None; image.layers.len()];
        if image.is_image() {
            let config = self.config(image).await?;
            let ids = config
                .diff_ids_for(image.layers.len())
                .map_err(|source| PullError::Config { digest: at.digest.clone(), source })?;
            diff_ids = ids.iter().cloned().map(Some).collect();
            if let Some(sink) = self.sink.clone() {
                // Once more, now that it can be read: from here on a sweep sees its layers.
                self.lease.take(&image.config)?;
                let ids = ids.to_vec();
                let reserved = blocking(move || sink.reserve(&ids)).await?;
                reserved.map_err(|source| PullError::Layers {
                    name: self.reference.familiar(),
                    source,
                })?;
            }
        }
        let config = (!image.is_image()).then_some(&image.config);
        let mut seen = HashSet::new(); // the empty layer often comes twice
        let blobs: Vec<(&Descriptor, Option<Digest>)> = config
            .map(|config| (config, None))
            .into_iter()
            .chain(image.layers.iter().zip(diff_ids))
            .filter(|(blob, _)| !blob.is_elsewhere() && seen.insert(&blob.digest))
            .collect();
        let size = blobs.iter().fold(0, |sum: u64, (blob, _)| sum.saturating_add(blob.size));
        self.blobs(blobs, self.store.expect(size)).await
    }

    /// Brings blobs into the store, several at a time. One that came waits for the disk beside those
    /// that still come; the first failure ends all.
    async fn blobs(
        &self,
        blobs: Vec<(&Descriptor, Option<Digest>)>,
        expected: Option<Expected>,
    ) -> Result<()> {
        let expected = expected.map(Arc::new);
        let at_once = self.options.parallel_layers.max(1);
        // Each blob that is not published has files open.
        let room = Arc::new(Semaphore::new(at_once + CROWD));
        let mut publishing = Publishing::default();
        // Not `try_collect`: nothing may go on behind the back of whom the error is returned to.
        let mut first = Ok(());
        {
            let fetches = blobs.into_iter().map(async |(blob, diff_id)| {
                let room = Arc::clone(&room).acquire_owned().await;
                let fetched = self.blob(blob, diff_id, expected.clone()).await;
                (blob, room, self.or_stop(fetched))
            });
            let mut fetches = std::pin::pin!(stream::iter(fetches).buffer_unordered(at_once));
            loop {
                tokio::select! {
                    fetched = fetches.next() => match fetched {
                        Some((blob, room, Ok(Some(ingest)))) => publishing.start(blob, ingest, room),
                        Some((.., fetched)) => first = first.and(fetched.map(drop)),
                        None => break,
                    },
                    Some(published) = publishing.next(&*self.progress) => {
                        first = first.and(self.or_stop(published));
                    }
                }
            }
        }
        drop(expected);
        while let Some(published) = publishing.next(&*self.progress).await {
            first = first.and(published);
        }
        first
    }

    /// Ends the others after a failure.
    fn or_stop<T>(&self, outcome: Result<T>) -> Result<T> {
        if outcome.is_err() {
            self.stop.send_replace(true);
            if let Some(sink) = &self.sink {
                sink.cancel();
            }
        }
        outcome
    }

    /// Awaits `work` unless another blob failed.
    async fn unless_stopped<T>(
        &self,
        blob: &Descriptor,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => {
                Err(PullError::Stopped { digest: blob.digest.clone() })
            }
            result = work => result,
        }
    }
}
