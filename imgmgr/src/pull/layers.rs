//! Unpacks layers while they are pulled.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::digest::Digest;
use crate::image::Descriptor;
use crate::layer::store::{LayerStore, Made, Reserved, Slot};
use crate::layer::{Cancel, LayerDescriptor};

use super::LayerSink;

/// Feeds a [`LayerStore`]; one value serves one pull.
#[derive(Debug)]
pub struct UnpackLayers {
    layers: LayerStore,
    state: Mutex<State>,
    cancel: Cancel,
}

#[derive(Debug, Default)]
struct State {
    reserved: BTreeMap<Digest, Reserved>,
    /// Diff IDs that some thread of this pull unpacks or has unpacked.
    taken: BTreeSet<Digest>,
    made: Vec<Made>,
}

impl UnpackLayers {
    /// Unpacks into `layers`.
    pub fn new(layers: LayerStore) -> Self {
        Self { layers, state: Mutex::default(), cancel: Cancel::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves what is neither there nor reserved yet.
    fn reserve_all(&self, diff_ids: &[Digest]) -> io::Result<()> {
        let slots = self.layers.reserve(diff_ids).map_err(io::Error::other)?;
        let reserved = slots.into_iter().filter_map(|(diff_id, slot)| match slot {
            Slot::Reserved(reserved) => Some((diff_id, reserved)),
            Slot::Present(_) => None,
        });
        self.state().reserved.extend(reserved);
        Ok(())
    }
}

impl LayerSink for UnpackLayers {
    fn reserve(&self, diff_ids: &[Digest]) -> io::Result<()> {
        self.reserve_all(diff_ids)
    }

    fn has(&self, diff_id: &Digest) -> bool {
        matches!(self.layers.get(diff_id), Ok(Some(_)))
    }

    fn consume(
        &self,
        layer: &Descriptor,
        diff_id: &Digest,
        blob: &mut (dyn Read + Send),
    ) -> io::Result<()> {
        if !self.state().taken.insert(diff_id.clone()) {
            // The same layer in another compression: its blob is wanted, its files are there.
            let reader = crate::digest::VerifyReader::new(blob, layer.digest.clone(), layer.size);
            return reader.finish();
        }
        if !self.state().reserved.contains_key(diff_id) {
            // A first try failed, and its reservation went with it.
            self.reserve_all(std::slice::from_ref(diff_id))?;
        }
        let reserved = self.state().reserved.remove(diff_id);
        let Some(reserved) = reserved else {
            let reader = crate::digest::VerifyReader::new(blob, layer.digest.clone(), layer.size);
            return reader.finish();
        };
        let descriptor = LayerDescriptor {
            media_type: layer.media_type.clone(),
            digest: layer.digest.clone(),
            size: layer.size,
            diff_id: Some(diff_id.clone()),
        };
        match self.layers.unpack(reserved, blob, &descriptor, &self.cancel) {
            Ok(made) => self.state().made.push(made),
            Err(error) => {
                self.state().taken.remove(diff_id);
                return Err(io::Error::other(error));
            }
        }
        Ok(())
    }

    fn cancel(&self) {
        self.cancel.cancel();
    }

    fn finish(&self) -> io::Result<()> {
        let made = std::mem::take(&mut self.state().made);
        self.layers.publish(made).map(drop).map_err(io::Error::other)
    }
}
