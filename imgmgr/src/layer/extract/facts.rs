//! What an extracted layer needs to know about the layers below it.

/// Where a layer's meaning depends on what lies below. Most layers depend on nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerFacts {
    /// Directories that no entry described, made because something lies in them: their metadata
    /// is that of the directory below. Sorted; the root is the empty path.
    pub implied: Vec<Vec<u8>>,
    /// Hard links whose target is in a layer below: path and target. In the layer's order.
    pub links_below: Vec<(Vec<u8>, Vec<u8>)>,
    /// The root is opaque: nothing of the layers below shows.
    pub opaque_root: bool,
}
