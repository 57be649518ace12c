//! Any bytes as `config.json`: never a panic, and what is accepted keeps the promises of its types.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use runt::spec::{ContainerPath, ContainerSpec, MountKind};

fuzz_target!(|bytes: &[u8]| {
    let read = || ContainerSpec::from_json(bytes, Path::new("/bundle"));
    let parsed = match read() {
        Ok(parsed) => parsed,
        Err(error) => {
            assert!(error.property().is_none_or(|property| !property.is_empty()));
            return;
        }
    };
    assert_eq!(read().expect("accepted before"), parsed);
    let spec = parsed.spec;
    let _ = spec.needs();
    assert!(spec.root.path.is_absolute());
    for mount in &spec.mounts {
        check_path(&mount.destination);
        if let MountKind::Bind { source, .. } = &mount.kind {
            assert!(source.is_absolute());
        }
    }
    spec.masked_paths.iter().chain(&spec.readonly_paths).for_each(check_path);
    spec.devices.iter().for_each(|device| check_path(&device.path));
    for sysctl in &spec.sysctls {
        assert!(!sysctl.path.split('/').any(|part| part.is_empty() || part.starts_with('.')));
    }
    for file in spec.resources.unified.keys() {
        assert!(!file.contains('/') && !file.starts_with('.'));
    }
    if let Some(path) = &spec.cgroups_path {
        assert!(!path.split('/').any(|part| part == ".."));
    }
    if let Some(process) = &spec.process {
        assert!(!process.args.is_empty() && process.cwd.starts_with('/'));
        assert!(process.user.uid.0 != u32::MAX && process.user.gid.0 != u32::MAX);
        assert!(spec.check_process(process).is_ok());
    }
});

fn check_path(path: &ContainerPath) {
    let text = path.as_str();
    assert!(text.starts_with('/') && !text.contains('\0'));
    let right = |part: &str| !matches!(part, "" | "." | "..");
    assert!(text == "/" || text[1..].split('/').all(right));
}
