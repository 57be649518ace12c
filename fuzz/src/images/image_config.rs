//! Any bytes as an image configuration.

use imgmgr::image::ImageConfig;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(config) = ImageConfig::parse(bytes) else { return };
    let _ = config.platform().to_string();
    let layers = config.rootfs.diff_ids.len();
    if let Ok(ids) = config.diff_ids_for(layers) {
        assert_eq!(ids.len(), layers);
    }
    assert!(config.diff_ids_for(layers + 1).is_err());
}
