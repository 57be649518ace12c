//! What a chain came out as, kept: finding it out takes a look at every implied directory in
//! every layer.
//!
//! `layers/stack@<chain>/stack` has a line for each layer, lowest first, and one for the seam. It says nothing
//! that the layers don't: one that is absent, damaged, or names what isn't there any more is made
//! again.
//!
//! ```text
//! imgmgr-stack 1
//! plain                   the layer's own tree
//! above                   the one that was unpacked above this chain
//! seam                    or `seamless`
//! ```

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use super::chain::{seam_name, variant_name};
use super::error::{self, LayerStoreError};
use super::{ChainLayer, LayerStore, StoredLayer};
use crate::digest::Digest;

const HEADER: &str = "imgmgr-stack 1";
/// Most bytes of the file that are read: more than any number of layers that an image may have.
const MAX_STACK_BYTES: u64 = 1 << 20;

/// A chain that was composed.
#[derive(Debug)]
pub(super) struct Composed {
    /// Lowest first.
    pub(super) layers: Vec<StoredLayer>,
    /// The tree on top of them.
    pub(super) seam: Option<PathBuf>,
}

pub(super) fn record_name(chain_id: &Digest) -> String {
    format!("stack@{}", chain_id.hex())
}

impl LayerStore {
    /// What was noted of the chain of `plain`, the layers' own trees, if all of it is there.
    pub(super) fn recorded(
        &self,
        layers: &[ChainLayer],
        ids: &[Digest],
        plain: &[StoredLayer],
    ) -> Result<Option<Composed>, LayerStoreError> {
        let Some(chain_id) = ids.last() else { return Ok(None) };
        let Some((are_above, has_seam)) = self.noted(chain_id) else { return Ok(None) };
        if are_above.len() != plain.len() {
            return Ok(None);
        }
        let mut stored = Vec::with_capacity(plain.len());
        for (index, layer) in plain.iter().enumerate() {
            let layer = match are_above[index] {
                true => self.get_named(&variant_name(&layers[index].diff_id, &ids[index]))?,
                false => Some(layer.clone()),
            };
            let Some(layer) = layer else { return Ok(None) };
            stored.push(layer);
        }
        let seam = match has_seam {
            true => match self.get_named(&seam_name(chain_id))? {
                Some(seam) => Some(seam.tree()),
                None => return Ok(None),
            },
            false => None,
        };
        Ok(Some(Composed { layers: stored, seam }))
    }

    /// For each layer whether it was unpacked above the others, and whether there is a seam, as
    /// noted of a chain.
    pub(super) fn noted(&self, chain_id: &Digest) -> Option<(Vec<bool>, bool)> {
        let path = self.root.join(record_name(chain_id)).join("stack");
        let mut text = String::new();
        fs::File::open(path).ok()?.take(MAX_STACK_BYTES).read_to_string(&mut text).ok()?;
        parse(&text)
    }

    /// Notes what a chain came out as; what was noted before goes.
    pub(super) fn record(
        &self,
        layers: &[ChainLayer],
        ids: &[Digest],
        composed: &Composed,
    ) -> Result<(), LayerStoreError> {
        let Some(chain_id) = ids.last() else { return Ok(()) };
        let mut text = format!("{HEADER}\n");
        for ((layer, id), stored) in layers.iter().zip(ids).zip(&composed.layers) {
            let is_above = stored.dir.ends_with(variant_name(&layer.diff_id, id));
            text.push_str(if is_above { "above\n" } else { "plain\n" });
        }
        text.push_str(if composed.seam.is_some() { "seam\n" } else { "seamless\n" });
        let name = record_name(chain_id);
        // Somebody else notes the same, or removes what was noted before.
        let Some(lock) = self.try_lock(&name)? else { return Ok(()) };
        let reserved = self.start(name.clone(), lock)?;
        let file = reserved.ingest.join("stack");
        fs::write(&file, text).map_err(error::io("write", &file))?;
        let dir = self.root.join(&name);
        self.remove_all(&dir)?;
        self.disk.rename(&reserved.ingest, &dir).map_err(error::io("rename", &dir))
    }

    /// Forgets what was noted under this name; true if anything was.
    pub(super) fn forget_record(&self, name: &str) -> Result<bool, LayerStoreError> {
        let _lock = self.lock(name)?;
        let dir = self.root.join(name);
        let exists = dir.exists();
        self.remove_all(&dir)?;
        Ok(exists)
    }
}

/// For each layer whether it was unpacked above the others, and whether there is a seam.
fn parse(text: &str) -> Option<(Vec<bool>, bool)> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    if lines.next() != Some(HEADER) {
        return None;
    }
    let has_seam = match lines.next_back()? {
        "seam" => true,
        "seamless" => false,
        _ => return None,
    };
    let are_above = lines.map(|line| match line {
        "above" => Some(true),
        "plain" => Some(false),
        _ => None,
    });
    Some((are_above.collect::<Option<_>>()?, has_seam))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_lost_a_part_is_none() {
        let whole = "imgmgr-stack 1\nplain\nabove\nseamless\n";
        assert_eq!(parse(whole), Some((vec![false, true], false)));
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), None, "{cut}");
        }
        assert_eq!(parse("imgmgr-stack 2\nplain\nseam\n"), None);
        assert_eq!(parse("imgmgr-stack 1\nelse\nseam\n"), None);
    }
}
