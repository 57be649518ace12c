//! Any bytes as what a registry says beside content: errors, tokens, lists, where a list goes on, when
//! to come back.

use std::time::{Duration, Instant, UNIX_EPOCH};

use imgmgr::registry::parse_retry_after;
use imgmgr::registry::replies::{
    MAX_LIFETIME, MAX_MESSAGE_CHARS, TokenReply, error_message, next_page, parse_list,
};
use reqwest::Url;

use crate::text_of;

pub(crate) fn run(bytes: &[u8]) {
    let message = error_message(bytes);
    assert!(message.chars().count() <= MAX_MESSAGE_CHARS);
    assert!(!message.contains(char::is_control), "it goes to a terminal");
    if let Ok(reply) = TokenReply::parse(bytes) {
        assert!(!reply.value().is_empty() && reply.value().bytes().all(|b| b.is_ascii_graphic()));
        assert!((Duration::from_secs(1)..=MAX_LIFETIME).contains(&reply.lifetime()));
        assert!(Instant::now().checked_add(reply.lifetime()).is_some());
    }
    if let Ok(list) = parse_list(bytes) {
        assert!(list.iter().map(String::len).sum::<usize>() <= bytes.len());
    }
    let text = text_of(bytes);
    let at = Url::parse("https://r.io:5000/v2/a/tags/list?n=2").expect("a constant that parses");
    if let Some(next) = next_page(&at, Some(text)) {
        assert!(next != at && next.origin() == at.origin());
    }
    let now = UNIX_EPOCH + Duration::from_secs(1 << 31);
    let _ = parse_retry_after(text, now);
}
