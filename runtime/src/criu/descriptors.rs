//! `descriptors.json`: what the standard streams of a checkpointed container were.

use serde::de::Error;

/// Standard streams.
const MAX_STREAMS: usize = 3;

/// Parses the file: a text for each stream.
///
/// # Errors
/// If it is no list of texts, or a longer one: criu would take a descriptor of its own for the
/// container's.
pub fn parse_descriptors(bytes: &[u8]) -> serde_json::Result<Vec<String>> {
    let streams: Vec<String> = serde_json::from_slice(bytes)?;
    if streams.len() > MAX_STREAMS {
        return Err(Error::invalid_length(streams.len(), &"the three standard streams"));
    }
    Ok(streams)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_standard_streams_are_given_anew() {
        let streams = parse_descriptors(br#"["/dev/null","pipe:[7]",""]"#).unwrap();
        assert_eq!(streams, ["/dev/null", "pipe:[7]", ""]);
        assert_eq!(parse_descriptors(b"[]").unwrap(), [""; 0]);
        for wrong in [&br#"["","","","pipe:[7]"]"#[..], b"[1]", b"{}", b""] {
            assert!(parse_descriptors(wrong).is_err());
        }
    }
}
