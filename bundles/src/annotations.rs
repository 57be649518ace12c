//! Annotations of the bundle from the image (image-spec conversion.md#annotation-fields).

use std::collections::BTreeMap;

use oci_spec::image::ImageConfiguration;

/// Returns the annotations that image-spec derives from a configuration. A label goes before the
/// annotation of the same name, as the specification has it.
pub(crate) fn of_image(image: &ImageConfiguration) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        if !value.is_empty() {
            annotations.insert(format!("org.opencontainers.image.{name}"), value);
        }
    };
    set("os", image.os().to_string());
    set("architecture", image.architecture().to_string());
    set("variant", image.variant().clone().unwrap_or_default());
    set("os.version", image.os_version().clone().unwrap_or_default());
    set("os.features", image.os_features().clone().unwrap_or_default().join(","));
    set("author", image.author().clone().unwrap_or_default());
    set("created", image.created().clone().unwrap_or_default());
    if let Some(config) = image.config() {
        set("stopSignal", config.stop_signal().clone().unwrap_or_default());
        let mut ports = config.exposed_ports().clone().unwrap_or_default();
        ports.sort();
        set("exposedPorts", ports.join(","));
        for (name, value) in config.labels().iter().flatten() {
            annotations.insert(name.clone(), value.clone());
        }
    }
    annotations
}
