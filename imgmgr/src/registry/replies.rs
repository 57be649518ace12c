//! What registries and token servers answer besides content: errors, tokens, lists and where they go
//! on. All of it is foreign.

use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;

/// The longest message of a registry that is shown.
pub const MAX_MESSAGE_CHARS: usize = 300;
/// Errors of one answer that are shown.
const MAX_ERRORS: usize = 3;
/// A token is renewed this long before it runs out.
const EARLY: Duration = Duration::from_secs(10);
/// How long a token lives that doesn't say (distribution's token specification).
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// A token is renewed after this time, however long it says that it lives.
pub const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest token that is accepted.
const MAX_TOKEN_BYTES: usize = 64 << 10;

/// The registry's own words: its error list, or the start of a text that is no markup. At most
/// [`MAX_MESSAGE_CHARS`], none of which controls a terminal.
#[must_use]
pub fn error_message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        #[serde(default)]
        errors: Vec<Entry>,
        #[serde(default)]
        details: String,
    }
    #[derive(Deserialize)]
    struct Entry {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let text = match serde_json::from_slice::<Errors>(body) {
        Ok(Errors { errors, details }) if errors.is_empty() => details,
        Ok(Errors { errors, .. }) => {
            let lines: Vec<String> = errors
                .iter()
                .take(MAX_ERRORS)
                .map(|e| if e.message.is_empty() { e.code.clone() } else { e.message.clone() })
                .collect();
            lines.join("; ")
        }
        Err(_) if body.trim_ascii_start().starts_with(b"<") => String::new(),
        Err(_) => String::from_utf8_lossy(body).lines().next().unwrap_or_default().to_owned(),
    };
    // Foreign text ends up on terminals.
    text.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_CHARS).collect()
}

/// A token server's answer.
#[derive(Deserialize)]
pub struct TokenReply {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    expires_in: Option<u64>,
}

impl TokenReply {
    /// Reads an answer.
    ///
    /// # Errors
    /// What is wrong with it, in words; the token must be one that can go into a header.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let reply: Self = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        if reply.is_usable() { Ok(reply) } else { Err("no usable token".to_owned()) }
    }

    /// The token.
    #[must_use]
    pub fn value(&self) -> &str {
        if self.token.is_empty() { &self.access_token } else { &self.token }
    }

    /// How long it may be used, at most [`MAX_LIFETIME`].
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        let said = self.expires_in.map_or(DEFAULT_LIFETIME, Duration::from_secs);
        said.min(MAX_LIFETIME).saturating_sub(EARLY).max(Duration::from_secs(1))
    }

    fn is_usable(&self) -> bool {
        let value = self.value();
        !value.is_empty()
            && value.len() <= MAX_TOKEN_BYTES
            && value.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

impl std::fmt::Debug for TokenReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenReply(..)")
    }
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    repositories: Option<Vec<String>>,
}

/// Reads a page of tags or repositories.
///
/// # Errors
/// If it is none.
pub fn parse_list(body: &[u8]) -> serde_json::Result<Vec<String>> {
    let page: Page = serde_json::from_slice(body)?;
    Ok(page.tags.or(page.repositories).unwrap_or_default())
}

/// The target of `Link: <...>; rel="next"`, on the same server only.
#[must_use]
pub fn next_page(current: &Url, link: Option<&str>) -> Option<Url> {
    let (target, parameters) = link?.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = parameters.split(';').any(|p| matches!(p.trim(), "rel=\"next\"" | "rel=next"));
    let next = current.join(target).ok()?;
    (is_next && next.origin() == current.origin() && next != *current).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_pages_stay_on_the_server() {
        let at = Url::parse("https://r.io/v2/a/tags/list?n=2").unwrap();
        let next = |link| next_page(&at, Some(link)).map(|url| url.to_string());
        assert_eq!(
            next(r#"</v2/a/tags/list?n=2&last=b>; rel="next""#).as_deref(),
            Some("https://r.io/v2/a/tags/list?n=2&last=b")
        );
        assert_eq!(next(r#"<https://evil.io/v2/a/tags/list>; rel="next""#), None);
        assert_eq!(
            next(r#"</v2/a/tags/list?n=2>; rel="next""#),
            None,
            "a page that is its own next"
        );
        assert_eq!(next(r#"</x>; rel="prev""#), None);
        assert_eq!(next("garbage"), None);
    }

    #[test]
    fn messages_are_the_registrys_and_short() {
        let errors = r#"{"errors":[{"code":"DENIED","message":"no"},{"code":"UNKNOWN"}]}"#;
        assert_eq!(error_message(errors.as_bytes()), "no; UNKNOWN");
        assert_eq!(error_message(br#"{"details":"later"}"#), "later");
        assert_eq!(error_message(b"\x1b[2Jgone\nmore"), "[2Jgone");
        assert_eq!(error_message(b" <html>"), "");
        assert_eq!(error_message("é".repeat(1000).as_bytes()), "é".repeat(MAX_MESSAGE_CHARS));
    }

    #[test]
    fn a_token_lives_a_day_at_most() {
        let lifetime = |seconds: u64| {
            let body = format!(r#"{{"token":"t","expires_in":{seconds}}}"#);
            TokenReply::parse(body.as_bytes()).unwrap().lifetime().as_secs()
        };
        assert_eq!(lifetime(300), 290);
        assert_eq!(lifetime(0), 1);
        assert_eq!(lifetime(u64::MAX), MAX_LIFETIME.as_secs() - EARLY.as_secs());
    }

    #[test]
    fn tokens_that_break_a_header_are_refused() {
        for token in ["", "a b", "a\\nb", "\u{e9}"] {
            let body = format!(r#"{{"access_token":"{token}"}}"#);
            assert!(TokenReply::parse(body.as_bytes()).is_err(), "{token:?}");
        }
    }
}
