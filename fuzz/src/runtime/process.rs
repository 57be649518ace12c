//! Any bytes as the file of `exec --process`, and as that of `update -r`.

use std::collections::HashSet;

use runt::spec::{Process, Resources};

pub(crate) fn run(bytes: &[u8]) {
    let _ = Resources::from_json(bytes);
    let Ok(parsed) = Process::from_json(bytes) else { return };
    let process = parsed.spec;
    // An empty name is that of a program that isn't found.
    assert!(!process.args.is_empty());
    assert!(process.cwd.starts_with('/'));
    assert!(process.args.iter().chain(&process.env).all(|text| !text.contains('\0')));
    let names: Vec<_> = process.env.iter().map(|variable| variable.split_once('=')).collect();
    assert!(names.iter().all(|name| name.is_some_and(|(name, _)| !name.is_empty())));
    let distinct: HashSet<_> = names.iter().flatten().map(|(name, _)| name).collect();
    assert_eq!(distinct.len(), names.len());
    assert!(process.user.uid.0 != u32::MAX && process.user.gid.0 != u32::MAX);
    assert!(process.user.additional_gids.iter().all(|gid| gid.0 != u32::MAX));
    if let Some(caps) = process.capabilities {
        assert_eq!(caps.effective.0 & !caps.permitted.0, 0);
        assert_eq!(caps.ambient.0 & !(caps.permitted.0 & caps.inheritable.0), 0);
    }
    for (index, rlimit) in process.rlimits.iter().enumerate() {
        assert!(rlimit.soft <= rlimit.hard);
        assert!(process.rlimits[..index].iter().all(|other| other.resource != rlimit.resource));
    }
}
