//! The `WWW-Authenticate` header, RFC 9110 section 11.

use std::collections::BTreeMap;

/// The longest header that is looked at.
const MAX_CHALLENGE_BYTES: usize = 8 << 10;

/// One way in which a server wants us to authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// `bearer`, `basic`, ... in lower case.
    pub scheme: String,
    /// Parameters by lower-case name.
    pub parameters: BTreeMap<String, String>,
}

/// Reads one header value: challenges separated by commas, as their parameters are.
///
/// What can't be read ends the list; whatever was read before it counts.
pub fn parse_challenges(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    if header.len() > MAX_CHALLENGE_BYTES {
        return challenges;
    }
    let mut rest = header.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let (word, after) = split_token(rest);
        if word.is_empty() {
            break;
        }
        let spaced = after.trim_start_matches([' ', '\t']);
        if let Some(value) = spaced.strip_prefix('=')
            && let Some(current) = challenges.last_mut()
        {
            let Some((value, after)) = split_value(value.trim_start_matches([' ', '\t'])) else {
                break;
            };
            current.parameters.insert(word.to_ascii_lowercase(), value);
            rest = after;
        } else {
            let scheme = word.to_ascii_lowercase();
            challenges.push(Challenge { scheme, parameters: BTreeMap::new() });
            rest = spaced;
        }
        rest = rest.trim_start_matches([' ', '\t', ',']);
    }
    challenges
}

fn split_token(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)));
    text.split_at(end.unwrap_or(text.len()))
}

/// A token or a quoted string, unquoted.
fn split_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        // Unquoted URLs are against the grammar, and sent.
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(header: &str) -> String {
        parse_challenges(header).iter().fold(String::new(), |text, challenge| {
            format!("{text}{} {:?};", challenge.scheme, challenge.parameters)
        })
    }

    #[test]
    fn what_registries_send() {
        assert_eq!(
            shown(
                r#"Bearer realm="https://a.io/token",service="r.io",scope="repository:x:pull,push""#
            ),
            r#"bearer {"realm": "https://a.io/token", "scope": "repository:x:pull,push", "service": "r.io"};"#
        );
        assert_eq!(shown(r#"Basic realm="a \"b\"""#), r#"basic {"realm": "a \"b\""};"#);
        assert_eq!(
            shown(r#"Negotiate, Basic realm="x" , Bearer realm = https://a/b?c"#),
            r#"negotiate {};basic {"realm": "x"};bearer {"realm": "https://a/b?c"};"#
        );
    }

    #[test]
    fn garbage_ends_the_list() {
        for garbage in ["", ",,,", "\u{e9}", "\"", "=", "= =", "Basic realm=\"x", "a=\"\\"] {
            let count = parse_challenges(garbage).len();
            assert!(count <= 1, "{garbage:?}");
        }
        assert!(parse_challenges(&"a ".repeat(9000)).is_empty());
    }
}
