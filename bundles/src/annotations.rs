//! Annotations of the bundle from the image (image-spec conversion.md#annotation-fields).

use std::collections::BTreeMap;

use oci_spec::image::ImageConfiguration;

/// Beginnings of the annotations by which a runtime does something: runc's, crun's, Kata's and ours.
const ACTED_ON: [&str; 5] =
    ["io.tug.runt.", "org.systemd.property.", "org.criu.", "run.oci.", "io.katacontainers."];

/// Returns the annotations that image-spec derives from a configuration. A label goes before the
/// annotation of the same name, as the specification has it; one that a runtime would act on, or
/// refuse, is left out: the author of an image has no say in that.
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
        let is_plain =
            |name: &str| !name.is_empty() && !ACTED_ON.iter().any(|start| name.starts_with(start));
        for (name, value) in config.labels().iter().flatten().filter(|(name, _)| is_plain(name)) {
            annotations.insert(name.clone(), value.clone());
        }
    }
    annotations
}
