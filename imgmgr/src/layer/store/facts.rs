//! The format of `facts`, version 1: lines of words, bytes beyond printable ASCII as `%xx`.
//!
//! ```text
//! imgmgr-layer 1
//! opaque-root
//! implied <path>          sorted; the root is an empty word
//! link <path> <target>    in the layer's order
//! ```

use std::io::{self, Read};

use crate::layer::LayerFacts;

const HEADER: &str = "imgmgr-layer 1";
/// Most bytes of the file that are read.
const MAX_FACTS_BYTES: u64 = 256 << 20;

/// Writes the format.
#[must_use]
pub fn format(facts: &LayerFacts) -> String {
    let mut text = format!("{HEADER}\n");
    if facts.opaque_root {
        text.push_str("opaque-root\n");
    }
    for path in &facts.implied {
        text.push_str(&format!("implied {}\n", encode_path(path)));
    }
    for (path, target) in &facts.links_below {
        text.push_str(&format!("link {} {}\n", encode_path(path), encode_path(target)));
    }
    text
}

/// What decides how a layer is stacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) opaque_root: bool,
    /// An entry says what the root is.
    pub(super) describes_root: bool,
    /// Something else of it may depend on what is below.
    pub(super) may_depend: bool,
}

impl Head {
    pub(super) fn of(facts: &LayerFacts) -> Self {
        Self {
            opaque_root: facts.opaque_root,
            describes_root: facts.implied.first().is_none_or(|path| !path.is_empty()),
            may_depend: !facts.links_below.is_empty()
                || facts.implied.iter().any(|path| !path.is_empty()),
        }
    }
}

/// The first bytes of the file.
pub(super) enum Start {
    Whole(String),
    /// The whole lines among them.
    Part(String),
}

/// Bytes that are read at first: more than most files have.
const START_BYTES: usize = 4096;

/// Reads the first bytes.
pub(super) fn read_start(file: impl Read) -> io::Result<Start> {
    let mut bytes = Vec::with_capacity(START_BYTES);
    file.take(START_BYTES as u64).read_to_end(&mut bytes)?;
    let is_whole = bytes.len() < START_BYTES;
    if !is_whole {
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1));
    }
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    Ok(if is_whole { Start::Whole(text) } else { Start::Part(text) })
}

/// Reads the text, up to the limit.
pub(super) fn read(file: impl Read) -> io::Result<String> {
    let mut text = String::new();
    file.take(MAX_FACTS_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// What the first lines, which are not all, tell.
pub(super) fn parse_head(text: &str) -> Option<Head> {
    let facts = parse(text)?;
    // There is more, whatever it is.
    Some(Head { may_depend: true, ..Head::of(&facts) })
}

/// Reads the format; `None` if it is another, or one of another version.
#[must_use]
pub fn parse(text: &str) -> Option<LayerFacts> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    if lines.next() != Some(HEADER) {
        return None;
    }
    let mut facts = LayerFacts::default();
    for line in lines {
        match *line.split(' ').collect::<Vec<_>>() {
            ["opaque-root"] => facts.opaque_root = true,
            ["implied", path] => facts.implied.push(decode_path(path)?),
            ["link", path, target] => {
                facts.links_below.push((decode_path(path)?, decode_path(target)?))
            }
            _ => return None,
        }
    }
    facts.implied.is_sorted().then_some(facts)
}

/// Writes a path as one printable word.
pub(crate) fn encode_path(path: &[u8]) -> String {
    let mut word = String::with_capacity(path.len());
    for byte in path {
        match byte {
            b'!'..=b'~' if *byte != b'%' => word.push(char::from(*byte)),
            _ => word.push_str(&format!("%{byte:02x}")),
        }
    }
    word
}

/// Reads [`encode_path`]'s word; `None` if a `%` is not followed by two digits.
pub(crate) fn decode_path(word: &str) -> Option<Vec<u8>> {
    let mut path = Vec::with_capacity(word.len());
    let mut bytes = word.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
            path.push(digit(bytes.next()?)? * 16 + digit(bytes.next()?)?);
        } else {
            path.push(byte);
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_survives() {
        let all: Vec<u8> = (1..=255).collect();
        let facts = LayerFacts {
            implied: vec![Vec::new(), all.clone()],
            links_below: vec![(b"a b\n%".to_vec(), all)],
            opaque_root: true,
        };
        assert_eq!(parse(&format(&facts)), Some(facts));
    }

    #[test]
    fn the_start_of_a_long_file_tells_as_much_as_all_of_it() {
        for (implies_root, opaque_root) in
            [(true, true), (true, false), (false, true), (false, false)]
        {
            for lens in [[3; 2000].as_slice(), &[9000, 9000]] {
                let root = implies_root.then(Vec::new);
                let paths =
                    lens.iter().zip(0u32..).map(|(len, n)| format!("{n:0>len$}").into_bytes());
                let implied = root.into_iter().chain(paths).collect();
                let facts = LayerFacts { implied, opaque_root, ..LayerFacts::default() };
                let text = format(&facts);
                let Start::Part(start) = read_start(text.as_bytes()).unwrap() else {
                    panic!("all")
                };
                assert_eq!(parse_head(&start), Some(Head::of(&facts)));
            }
        }
        assert!(matches!(read_start(&b"x\n"[..]), Ok(Start::Whole(_))));
    }

    #[test]
    fn other_versions_and_cut_files_are_refused() {
        let facts = LayerFacts { implied: vec![b"a".to_vec()], ..LayerFacts::default() };
        let text = format(&facts);
        assert_eq!(parse(&text.replace('1', "2")), None);
        assert_eq!(parse(&text[..text.len() - 1]), None);
        assert_eq!(parse(""), None);
    }
}
