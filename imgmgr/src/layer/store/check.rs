//! Checks unpacked layers against the blobs they came from, and mends them.
//!
//! No digest of a tree is kept: it would cost every unpack a second pass over all data. A check
//! unpacks the layer once more, aside, and compares the two trees. A layer that differs changes
//! places with the fresh one in one step, so that no moment is without it.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::os::fd::AsFd;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::chain::{chain_ids, seam_name, shown, trees, variant_name};
use super::compare::difference;
use super::error::{self, LayerStoreError};
use super::record::record_name;
use super::{BlobSource, ChainLayer, LayerStore, Made, Reserved, Stack, StoredLayer, layer_name};
use crate::digest::Digest;
use crate::layer::{Cancel, Durability, UnpackOptions};

/// What a check does about a layer that is damaged.
#[derive(Clone, Copy)]
pub enum Mend<'m> {
    /// Only says so.
    No,
    /// Replaces it, unless the function says that something has it mounted.
    Unless(&'m dyn Fn(&str) -> bool),
}

/// A layer that is not what its blob says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerProblem {
    /// Its name in the store.
    pub name: String,
    /// What is wrong.
    pub reason: String,
    /// Whether it is right now.
    pub mended: bool,
}

impl fmt::Display for LayerProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.mended { "mended" } else { "damaged" };
        write!(f, "{state} layer {}: {}", self.name, self.reason)
    }
}

/// The names of layers that one run of checks has seen already.
#[derive(Clone, Debug, Default)]
pub struct Checked(BTreeSet<String>);

impl LayerStore {
    /// Checks whatever of an image's layers, lowest first, is unpacked.
    ///
    /// # Errors
    /// [`LayerStoreError`] if the store itself can't be read or written.
    pub fn check(
        &self,
        layers: &[ChainLayer],
        blobs: BlobSource<'_>,
        checked: &mut Checked,
        mend: Mend<'_>,
        cancel: &Cancel,
    ) -> Result<Vec<LayerProblem>, LayerStoreError> {
        let mut problems = Vec::new();
        let check = Check { store: self, blobs, mend, cancel };
        let mut all: Vec<StoredLayer> = Vec::with_capacity(layers.len());
        let mut needs = Needs::default();
        let ids = chain_ids(layers.iter().map(|layer| &layer.diff_id));
        for (layer, id) in layers.iter().zip(&ids) {
            let name = layer_name(&layer.diff_id);
            if checked.0.insert(name.clone()) {
                problems.extend(check.layer(&name, layer, None)?);
                problems.extend(check.seal(&name)?);
            }
            // What lies above a layer that isn't unpacked, or is no layer, can't be checked.
            let Ok(Some(mut stored)) = self.get_named(&name) else { break };
            let below = trees(shown(&all));
            let below = Stack::open(&below).map_err(error::io("open", &self.root))?;
            let is_above = self.depends_on(&stored, &below)?;
            needs.above.push(is_above);
            if is_above {
                let name = variant_name(&layer.diff_id, id);
                if checked.0.insert(name.clone()) {
                    problems.extend(check.layer(&name, layer, Some(&below))?);
                    problems.extend(check.seal(&name)?);
                }
                let Ok(Some(variant)) = self.get_named(&name) else { break };
                stored = variant;
            }
            all.push(stored);
        }
        let Some(id) = ids.last() else { return Ok(problems) };
        if all.len() == layers.len() {
            let plan = self.plan_seam(shown(&all))?;
            needs.seam = Some(plan.is_some());
            let name = seam_name(id);
            if let Some(plan) = plan
                && checked.0.insert(name.clone())
            {
                let make = |reserved| self.make_seam(reserved, id, &plan);
                problems.extend(check.against(&name, make)?);
                problems.extend(check.seal(&name)?);
            }
        }
        problems.extend(check.record(id, &needs)?);
        Ok(problems)
    }
}

/// What a chain needs, as far as its layers are there to tell.
#[derive(Default)]
struct Needs {
    /// For each layer, lowest first, whether it must be unpacked above the others.
    above: Vec<bool>,
    seam: Option<bool>,
}

struct Check<'c> {
    store: &'c LayerStore,
    blobs: BlobSource<'c>,
    mend: Mend<'c>,
    cancel: &'c Cancel,
}

impl Check<'_> {
    fn layer(
        &self,
        name: &str,
        layer: &ChainLayer,
        below: Option<&Stack>,
    ) -> Result<Option<LayerProblem>, LayerStoreError> {
        // What is only compared need not reach the disk; a replacement is synced as a whole.
        let options =
            UnpackOptions { durability: Durability::NoSync, ..self.store.options.clone() };
        let quick = LayerStore { options, ..self.store.clone() };
        self.against(name, |reserved| {
            let source = (self.blobs)(&layer.descriptor)
                .map_err(error::io("open the blob of", &reserved.ingest))?;
            let below = below.map(|stack| stack as &dyn crate::layer::Below);
            quick.unpack_above(reserved, source, &layer.descriptor, below, self.cancel)
        })
    }

    /// Compares what was noted of a chain, if anything was, with what it needs.
    fn record(
        &self,
        chain_id: &Digest,
        needs: &Needs,
    ) -> Result<Option<LayerProblem>, LayerStoreError> {
        let Some((above, seam)) = self.store.noted(chain_id) else { return Ok(None) };
        if above.starts_with(&needs.above) && needs.seam.is_none_or(|needed| needed == seam) {
            return Ok(None);
        }
        let name = record_name(chain_id);
        let mended = !matches!(self.mend, Mend::No) && self.store.forget_record(&name)?;
        let reason = "does not say what the layers do".to_owned();
        Ok(Some(LayerProblem { name, reason, mended }))
    }

    /// Compares the seal of the layer `name`, if it has one, with its tree.
    fn seal(&self, name: &str) -> Result<Option<LayerProblem>, LayerStoreError> {
        let _lock = self.store.lock(name)?;
        let Some(reason) = self.store.seal_problem(name)? else { return Ok(None) };
        let mended = match self.mend {
            Mend::Unless(is_mounted) => !is_mounted(name),
            Mend::No => false,
        };
        if mended {
            self.store.unseal(name)?;
        }
        Ok(Some(LayerProblem { name: name.to_owned(), reason, mended }))
    }

    /// Compares the layer `name`, if it is there, with what `make` makes.
    fn against(
        &self,
        name: &str,
        make: impl FnOnce(Reserved) -> Result<Made, LayerStoreError>,
    ) -> Result<Option<LayerProblem>, LayerStoreError> {
        let lock = self.store.lock(name)?;
        let dir = self.store.root.join(name);
        if !dir.exists() {
            return Ok(None);
        }
        let problem = |reason, mended| LayerProblem { name: name.to_owned(), reason, mended };
        let reserved = self.store.start(name.to_owned(), lock)?;
        let made = match make(reserved) {
            Ok(made) => made,
            // The blob's own damage is told by the check of blobs.
            Err(error) => return Ok(Some(problem(chain_of(&error), false))),
        };
        let ingest = made.reserved.ingest.clone();
        let Some(reason) = self.compare(name, &made) else {
            self.store.remove_all(&ingest)?;
            return Ok(None);
        };
        let is_mounted = match self.mend {
            Mend::No => {
                self.store.remove_all(&ingest)?;
                return Ok(Some(problem(reason, false)));
            }
            Mend::Unless(is_mounted) => is_mounted(name),
        };
        if is_mounted {
            self.store.remove_all(&ingest)?;
            let reason = format!("{reason}; it is mounted, and can be mended when it is not");
            return Ok(Some(problem(reason, false)));
        }
        self.store.finish(std::slice::from_ref(&made))?;
        renameat_with(CWD, &ingest, CWD, &dir, RenameFlags::EXCHANGE)
            .map_err(error::errno("exchange", &dir))?;
        let root = &self.store.root;
        self.store.disk.sync_dir(root).map_err(error::io("sync", root))?;
        self.store.remove_all(&ingest)?;
        Ok(Some(problem(reason, true)))
    }

    fn compare(&self, name: &str, made: &Made) -> Option<String> {
        match self.store.get_named(name) {
            Ok(Some(stored)) if stored.facts().is_ok_and(|facts| *facts == made.unpacked.facts) => {
                let open = |tree| File::open(tree);
                let trees = open(stored.tree()).and_then(|stored| {
                    let fresh = open(made.reserved.ingest.join("tree"))?;
                    difference(stored.as_fd(), fresh.as_fd())
                });
                trees.unwrap_or_else(|error| Some(format!("cannot be read: {error}")))
            }
            Ok(Some(_)) => Some("facts differ".to_owned()),
            Ok(None) => {
                Some("has lost its facts, or was made without sync before the last boot".to_owned())
            }
            Err(error) => Some(chain_of(&error)),
        }
    }
}

/// An error with its causes, in one line.
pub(super) fn chain_of(error: &LayerStoreError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
