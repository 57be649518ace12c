//! Any text as a reference: what is accepted means the same when it is written again.

use imgmgr::copy::Location;
use imgmgr::digest::Digest;
use imgmgr::image::Platform;
use imgmgr::reference::{MAX_NAME_BYTES, MAX_TAG_BYTES, Reference};

use crate::text_of;

pub(crate) fn run(bytes: &[u8]) {
    let text = text_of(bytes);
    if let Ok(reference) = Reference::parse(text) {
        let parse = |text: &str| Reference::parse(text).expect("accepted before");
        assert_eq!(parse(&reference.to_string()), reference);
        assert_eq!(parse(&reference.familiar()), reference);
        let repository = reference.repository();
        assert!(repository.to_string().len() <= MAX_NAME_BYTES + 1);
        assert!(!repository.path().split('/').any(|part| matches!(part, "" | "." | "..")));
        assert!(!repository.domain().contains(['/', '?', '#', '@', ' ']));
        assert!(reference.tag().is_none_or(|tag| tag.len() <= MAX_TAG_BYTES));
        assert!(!reference.selector().contains('/'));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
        assert!(digest.hex().bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    let _ = text.parse::<Platform>();
    let _ = text.parse::<Location>();
}
