//! One blob: fetched, followed by whoever consumes it, verified and kept.

use std::sync::Arc;

use super::splice::Splice;
use super::{LayerSink, Pull, PullError, Result, blocking};
use crate::digest::{Digest, Mismatch, VerifyReader};
use crate::image::Descriptor;
use crate::progress::BlobState;
use crate::registry::{BlobFetch, FailureKind, Nearby};
use crate::store::{Counting, Expected, Ingest, IngestStart, StoreError, Wait};

/// Lets the readers of an ingest go when its fetch ends, whatever way that is.
struct FailOnDrop(Arc<Ingest>);

impl Drop for FailOnDrop {
    fn drop(&mut self) {
        self.0.fail("the pull ended");
    }
}

impl Pull<'_> {
    /// Brings one blob into the store and, if wanted, through the sink. What was fetched is still to
    /// be published.
    pub(super) async fn blob(
        &self,
        blob: &Descriptor,
        diff_id: Option<Digest>,
        expected: Option<Arc<Expected>>,
    ) -> Result<Option<Arc<Ingest>>> {
        let progress = Arc::clone(&self.progress);
        let wanted = match (&self.sink, diff_id) {
            (Some(sink), Some(diff_id)) if !sink.has(&diff_id) => Some((Arc::clone(sink), diff_id)),
            _ => None,
        };
        let present = self.lease.take(blob)?;
        if present {
            if let Some((sink, diff_id)) = wanted {
                let (store, blob) = (self.store.clone(), blob.clone());
                blocking(move || {
                    let expected = expected.as_deref();
                    let mut reader = Counting { blob: store.open_blob(&blob.digest)?, expected };
                    sink.consume(&blob, &diff_id, &mut reader)
                        .map_err(|source| PullError::Layer { digest: blob.digest.clone(), source })
                })
                .await??;
            }
            progress.state(blob, BlobState::Present);
            return Ok(None);
        }
        progress.state(blob, BlobState::Waiting);
        let mut reuse = Reuse::Chunks;
        let mut second_try = false;
        loop {
            match self.fetch(blob, wanted.clone(), &expected, &mut reuse).await {
                Ok(fetched) => return Ok(fetched),
                Err(error) if is_lie(&error) && reuse == Reuse::Chunks => reuse = Reuse::Nothing,
                Err(error) if is_lie(&error) && !second_try => second_try = true,
                Err(error) => {
                    progress.state(blob, BlobState::Failed);
                    return Err(error);
                }
            }
        }
    }

    async fn fetch(
        &self,
        blob: &Descriptor,
        wanted: Option<(Arc<dyn LayerSink>, Digest)>,
        expected: &Option<Arc<Expected>>,
        reuse: &mut Reuse,
    ) -> Result<Option<Arc<Ingest>>> {
        let (store, descriptor) = (self.store.clone(), blob.clone());
        let ingest = async { Ok(blocking(move || store.ingest(&descriptor)).await??) };
        let start = self.unless_stopped(blob, ingest).await?;
        let ingest = match start {
            IngestStart::Present if wanted.is_none() => {
                if let Some(expected) = expected {
                    expected.came(blob.size);
                }
                self.progress.state(blob, BlobState::Present);
                return Ok(None);
            }
            IngestStart::Present => {
                return Box::pin(self.blob(blob, wanted.map(|(_, id)| id), expected.clone())).await;
            }
            IngestStart::Fetch(ingest) => ingest,
        };
        let splice = match reuse {
            Reuse::Chunks => self.unless_stopped(blob, self.splice(blob, &ingest)).await?,
            Reuse::Nothing => None,
        };
        if splice.is_none() {
            *reuse = Reuse::Nothing;
        }
        let resumed = ingest.present() + splice.as_ref().map_or(0, |splice| splice.saves);
        self.progress.state(blob, BlobState::Moving { resumed });
        let nearby = splice.clone().map(|splice| splice as Arc<dyn Nearby>);
        let fetch =
            BlobFetch::new(Arc::clone(&ingest), self.progress.counter(blob)).with_nearby(nearby);
        let follower = tokio::task::spawn_blocking({
            let (ingest, blob, expected) = (Arc::clone(&ingest), blob.clone(), expected.clone());
            move || consume(&ingest, &blob, wanted, splice.as_deref(), expected.as_deref())
        });
        let over = FailOnDrop(Arc::clone(&ingest));
        let fetched = async { Ok(self.remote.fetch(&fetch).await?) };
        let fetched = self.unless_stopped(blob, fetched).await;
        drop(over);
        let consumed = follower.await.map_err(|source| PullError::Task { source })?;
        // Why the bytes did not come tells more than that they did not.
        fetched?;
        consumed?;
        Ok(Some(ingest))
    }
}

/// Reads an ingest to its end, as fast as bytes come, and verifies them.
fn consume(
    ingest: &Arc<Ingest>,
    blob: &Descriptor,
    wanted: Option<(Arc<dyn LayerSink>, Digest)>,
    splice: Option<&Splice>,
    expected: Option<&Expected>,
) -> Result<()> {
    let bytes = || Counting { blob: ingest.unverified_reader(), expected };
    let mut consumed = Ok(());
    if let Some((sink, diff_id)) = wanted {
        consumed = sink.consume(blob, &diff_id, &mut bytes());
        if consumed.is_ok() {
            return Ok(());
        }
    }
    match VerifyReader::new(bytes(), blob.digest.clone(), blob.size).finish() {
        // Whatever became of the layer, the blob is worth keeping if it is right.
        Ok(()) if consumed.is_err() => ingest.publish(Wait::ForSync)?,
        Ok(()) => {}
        Err(error) => {
            let mismatch = error.get_ref().and_then(|cause| cause.downcast_ref::<Mismatch>());
            let Some(mismatch) = mismatch else {
                return Err(PullError::Layer { digest: blob.digest.clone(), source: error });
            };
            match splice {
                // What was fetched may be right, and what another blob had is not the same.
                Some(splice) => ingest.forget(splice.near())?,
                None => ingest.discard()?,
            }
            return Err(StoreError::Mismatch(mismatch.clone()).into());
        }
    }
    consumed.map_err(|source| PullError::Layer { digest: blob.digest.clone(), source })
}

/// Whether a fetch takes from other blobs what they have too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reuse {
    Chunks,
    Nothing,
}

fn is_lie(error: &PullError) -> bool {
    match error {
        PullError::Registry(error) => error.kind() == FailureKind::Lied,
        PullError::Store(error) => error.is_corruption(),
        _ => false,
    }
}
