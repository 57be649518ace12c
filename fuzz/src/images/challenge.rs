//! Any header as `WWW-Authenticate`.

use imgmgr::registry::parse_challenges;

use crate::text_of;

pub(crate) fn run(bytes: &[u8]) {
    let header = text_of(bytes);
    let challenges = parse_challenges(header);
    let mut bytes = 0;
    for challenge in &challenges {
        assert!(!challenge.scheme.is_empty());
        assert_eq!(challenge.scheme, challenge.scheme.to_ascii_lowercase());
        bytes += challenge.scheme.len();
        bytes += challenge.parameters.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
    }
    assert!(bytes <= header.len(), "nothing comes from nowhere");
}
