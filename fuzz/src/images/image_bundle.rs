//! From an image to a container: any bytes as an image's configuration, and after a line `---` each
//! its `/etc/passwd` and `/etc/group`. What an image says decides what runs, never how it is confined.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use bundles::{BundleOptions, resolve_user_in, runtime_spec, to_json};
use oci_spec::image::ImageConfiguration;
use runt::spec::{ContainerSpec, Extensions, Namespace};

use crate::text_of;

const SEPARATOR: &str = "\n---\n";
/// A directory without an `/etc`.
const EMPTY_ROOT: &str = "/proc/self/task";

pub(crate) fn run(bytes: &[u8]) {
    let text = text_of(bytes);
    let mut parts = text.split(SEPARATOR);
    let [config, passwd, group] = [0; 3].map(|_| parts.next().unwrap_or_default());
    let Ok(image) = serde_json::from_str::<ImageConfiguration>(config) else { return };
    let user = image.config().as_ref().and_then(|config| config.user().clone()).unwrap_or_default();
    check_user(&user, passwd, group);
    let root = File::open(EMPTY_ROOT).expect("procfs is mounted");
    let Ok(spec) = runtime_spec(&image, root.as_fd(), &BundleOptions::default()) else { return };
    let json = to_json(&spec);
    match ContainerSpec::from_json(&json, Path::new("/bundle")) {
        Ok(parsed) => check_confined(&parsed.spec),
        Err(error) => {
            let property = error.property().expect("the document is right");
            let is_the_images = ["process", "annotations"].iter().any(|p| property.starts_with(p));
            assert!(is_the_images, "{property}: {error}");
        }
    }
}

fn check_user(user: &str, passwd: &str, group: &str) {
    let Ok(resolved) = resolve_user_in(user, passwd, group) else { return };
    assert!(resolved.uid != u32::MAX && resolved.gid != u32::MAX);
    assert!(resolved.home.starts_with('/'));
    assert!(resolved.additional_gids.is_sorted_by(|a, b| a < b));
    assert!(!resolved.additional_gids.contains(&u32::MAX));
    let name = user.split(':').next().unwrap_or_default();
    match name.parse::<u32>() {
        Ok(uid) => assert_eq!(resolved.uid, uid),
        Err(_) if name.is_empty() => assert_eq!(resolved.uid, 0),
        Err(_) => assert!(passwd.contains(name), "a name comes from the database"),
    }
}

fn check_confined(spec: &ContainerSpec) {
    assert_eq!(spec.extensions, Extensions::default());
    assert!(!spec.annotations.contains_key("org.criu.config"));
    let namespaces = &spec.namespaces;
    for namespace in [&namespaces.pid, &namespaces.network, &namespaces.mount, &namespaces.ipc] {
        assert_eq!(*namespace, Namespace::New);
    }
    assert!(!spec.masked_paths.is_empty() && !spec.readonly_paths.is_empty());
    assert!(spec.devices.is_empty() && spec.sysctls.is_empty());
    assert_eq!(spec.hooks, Default::default());
    let process = spec.process.as_ref().expect("an image has a command");
    let capabilities = process.capabilities.expect("they are given");
    assert_eq!(capabilities.ambient.0 | capabilities.inheritable.0, 0);
    assert_eq!(capabilities.bounding.0.count_ones() as usize, bundles::DEFAULT_CAPABILITIES.len());
    assert!(process.user.uid.0 == 0 || capabilities.effective.0 == 0);
}
