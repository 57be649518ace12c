//! Any header as `WWW-Authenticate`.

#![no_main]

use imgmgr::registry::parse_challenges;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &str| {
    let challenges = parse_challenges(header);
    let mut bytes = 0;
    for challenge in &challenges {
        assert!(!challenge.scheme.is_empty());
        assert_eq!(challenge.scheme, challenge.scheme.to_ascii_lowercase());
        bytes += challenge.scheme.len();
        bytes += challenge.parameters.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
    }
    assert!(bytes <= header.len(), "nothing comes from nowhere");
});
