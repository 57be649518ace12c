//! Any bytes as a manifest or index: within its limits, and the same after it was written again.

use imgmgr::image::{MAX_INDEX_ENTRIES, MAX_LAYERS, Manifest, Platform};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(manifest) = Manifest::parse(bytes, None) else { return };
    assert!(manifest.children().len() <= MAX_LAYERS.max(MAX_INDEX_ENTRIES) + 1);
    let written = match &manifest {
        Manifest::Image(image) => {
            assert!(image.layers.len() <= MAX_LAYERS);
            image.to_bytes()
        }
        Manifest::Index(index) => {
            assert!(index.manifests.len() <= MAX_INDEX_ENTRIES);
            let _ = Platform::host().choose(&index.manifests);
            serde_json::to_vec(index).expect("an index serialises")
        }
    };
    let again = Manifest::parse(&written, Some(manifest.media_type())).expect("accepted before");
    assert_eq!(again.children(), manifest.children());
    assert_eq!(again.subject(), manifest.subject());
}
