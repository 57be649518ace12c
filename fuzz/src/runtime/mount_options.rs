//! Lines of text as the options of a mount: nothing is both set and cleared, and every option is
//! known, the file system's, or refused.

use std::path::Path;

use runt::spec::{ContainerSpec, MountAttributes, MountKind, known_mount_options};

use crate::text_of;

/// `MOUNT_ATTR__ATIME`, of which all is cleared where one mode is set.
const ATIME: u64 = 0x70;

pub(crate) fn run(bytes: &[u8]) {
    let text = text_of(bytes);
    let options: Vec<&str> = text.lines().collect();
    let config = serde_json::json!({
        "ociVersion": "1.3.0",
        "root": { "path": "rootfs" },
        "mounts": [{ "destination": "/a", "source": "b", "type": "tmpfs", "options": options }],
    });
    let config = config.to_string();
    let Ok(parsed) = ContainerSpec::from_json(config.as_bytes(), Path::new("/bundle")) else {
        return;
    };
    let mount = &parsed.spec.mounts[0];
    check(mount.attributes);
    check(mount.recursive_attributes);
    let has = |names: &[&str]| options.iter().any(|option| names.contains(option));
    let data = match &mount.kind {
        MountKind::Bind { recursive, .. } => {
            assert!(has(&["bind", "rbind"]) && (!recursive || has(&["rbind"])));
            0
        }
        MountKind::Filesystem(filesystem) => {
            let superblock = filesystem.superblock;
            assert_eq!(superblock.set & superblock.clear, 0);
            filesystem.options.len()
        }
        MountKind::Remount { options, .. } | MountKind::Cgroup { options } => options.len(),
    };
    let known = options.iter().filter(|option| known_mount_options().any(|name| name == **option));
    let reasons = ["it is for mount(8)", "a bind mount has no options of a file system"];
    let is_ignored = |warning: &str| reasons.iter().any(|reason| warning.contains(reason));
    let ignored = parsed.warnings.iter().filter(|w| is_ignored(&w.to_string())).count();
    assert_eq!(known.count() + data + ignored, options.len());
}

fn check(attributes: MountAttributes) {
    assert_eq!(attributes.set & attributes.clear & !ATIME, 0);
    if attributes.set & ATIME != 0 {
        assert_eq!(attributes.clear & ATIME, ATIME);
    }
}
