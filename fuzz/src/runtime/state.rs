//! Any bytes as what tells a command which process it is about: `state.json`, `init`, and the name
//! that the container gave its process in `/proc/PID/stat`.

use kernel::process::{ProcStat, parse_stat};
use runt::cgroup::Cgroup;
use runt::state::{RECORD_VERSION, parse_init, parse_record};

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(record) = parse_record("c", bytes) {
        assert_eq!(record.version, RECORD_VERSION);
        for place in &record.cgroup.places {
            let below = place.path.as_str();
            assert!(below.starts_with('/') && !below.split('/').any(|part| part == ".."));
        }
        assert!(record.cgroup.paths().values().all(|dir| !dir.contains('\0')));
        let _ = Cgroup::open(&record.cgroup);
        let written = serde_json::to_vec(&record).expect("what was read can be written");
        assert_eq!(parse_record("c", &written).expect("accepted before"), record);
    }
    if let Some(init) = parse_init(bytes) {
        assert!(init.pid > 0);
        assert_eq!(parse_init(init.to_text().as_bytes()), Some(init));
    }
    let _ = parse_stat(bytes);
    let after = b") S 3 7 7 0 -1 4194560 95 0 0 0 0 1 0 0 20 0 1 0 345 4000 100 0 0 0\n";
    let stat = parse_stat(&[b"7 (", bytes, after].concat());
    assert_eq!(stat, Some(ProcStat { state: b'S', parent: 3, start_time: 345 }));
}
