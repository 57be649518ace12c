//! Numbers as id mappings, against the rules of user_namespaces(7) in wider arithmetic.

use std::path::Path;

use runt::spec::{ContainerSpec, limits};

/// Container, host, size.
type Line = (u32, u32, u32);

pub(crate) fn run(bytes: &[u8]) {
    let numbers: Vec<u32> =
        bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    // The first line maps root, without which the container would be refused for another reason.
    let mut lines: Vec<Line> = vec![(0, 100_000, 1)];
    lines.extend(numbers.chunks_exact(3).map(|n| (n[0], n[1], n[2])));
    let mappings: Vec<_> = lines
        .iter()
        .map(|(c, h, s)| serde_json::json!({ "containerID": c, "hostID": h, "size": s }))
        .collect();
    let config = serde_json::json!({
        "ociVersion": "1.3.0",
        "root": { "path": "rootfs" },
        "linux": {
            "namespaces": [{ "type": "user" }],
            "uidMappings": mappings,
            "gidMappings": mappings,
        },
    });
    let config = config.to_string();
    let parsed = ContainerSpec::from_json(config.as_bytes(), Path::new("/bundle"));
    assert_eq!(parsed.is_ok(), is_right(&lines), "{lines:?}");
    let Ok(parsed) = parsed else { return };
    for id in numbers.iter().copied().chain([0, u32::MAX]) {
        assert_eq!(parsed.spec.uid_map.to_host(id), to_host(&lines, id));
    }
}

fn is_right(lines: &[Line]) -> bool {
    let fits = |&(c, h, s): &Line| {
        s > 0 && u64::from(c) + u64::from(s) < 1 << 32 && u64::from(h) + u64::from(s) < 1 << 32
    };
    let apart = |a: (u32, u32), b: (u32, u32)| {
        u64::from(a.0) + u64::from(a.1) <= b.0.into()
            || u64::from(b.0) + u64::from(b.1) <= a.0.into()
    };
    let disjoint = |(index, a): (usize, &Line)| {
        lines[..index]
            .iter()
            .all(|b| apart((a.0, a.2), (b.0, b.2)) && apart((a.1, a.2), (b.1, b.2)))
    };
    lines.len() <= limits::MAX_ID_MAPPINGS
        && lines.iter().all(fits)
        && lines.iter().enumerate().all(disjoint)
}

fn to_host(lines: &[Line], id: u32) -> Option<u32> {
    let id = u64::from(id);
    let covers = |(c, _, s): &&Line| (u64::from(*c)..u64::from(*c) + u64::from(*s)).contains(&id);
    let (container, host, _) = lines.iter().find(covers)?;
    u32::try_from(u64::from(*host) + id - u64::from(*container)).ok()
}
