//! Which property of a JSON text lies at a position: for the errors of a reader that knows only
//! lines and columns. Keeping the path while it reads would make the reader larger by half.

/// What lies around a position.
enum Frame {
    /// An object, and the key that was read last.
    Object { key: Option<String> },
    /// An array, and the element that was begun last.
    Array { index: Option<usize> },
}

/// The path of the value that was begun last before `line` and `column` of `text`, as
/// `serde_json` counts them: `mounts[2].options`. Empty at the root.
pub(super) fn property_at(text: &[u8], line: usize, column: usize) -> String {
    let start: usize = text
        .split_inclusive(|byte| *byte == b'\n')
        .take(line.saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    let read = &text[..text.len().min(start.saturating_add(column))];
    path(&frames(read))
}

fn frames(read: &[u8]) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    // Whether the next token begins an element, or is a key.
    let mut expects_item = false;
    let mut rest = read;
    while let [byte, after @ ..] = rest {
        let length = if *byte == b'"' { string_length(rest) } else { 1 };
        if std::mem::take(&mut expects_item) {
            match frames.last_mut() {
                _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => expects_item = true,
                Some(Frame::Object { key }) => *key = serde_json::from_slice(&rest[..length]).ok(),
                Some(Frame::Array { index }) if *byte != b']' => *index = next(*index),
                _ => {}
            }
        }
        match byte {
            b'{' => frames.push(Frame::Object { key: None }),
            b'[' => frames.push(Frame::Array { index: None }),
            b'}' | b']' => drop(frames.pop()),
            _ => {}
        }
        expects_item |= matches!(byte, b'{' | b'[' | b',');
        rest = if length == 1 { after } else { &rest[length..] };
    }
    // A value of the wrong type may not have been read at all.
    if let (true, Some(Frame::Array { index })) = (expects_item, frames.last_mut()) {
        *index = next(*index);
    }
    frames
}

fn next(index: Option<usize>) -> Option<usize> {
    Some(index.map_or(0, |index| index + 1))
}

/// Bytes of the string that `text` begins with, quotes included, or of what there is of it.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    let end = text.iter().skip(1).position(|byte| match byte {
        b'"' if !escaped => true,
        byte => {
            escaped = *byte == b'\\' && !escaped;
            false
        }
    });
    end.map_or(text.len(), |end| end + 2)
}

fn path(frames: &[Frame]) -> String {
    frames.iter().fold(String::new(), |path, frame| match frame {
        Frame::Object { key: Some(key) } if path.is_empty() => key.clone(),
        Frame::Object { key: Some(key) } => format!("{path}.{key}"),
        Frame::Array { index: Some(index) } => format!("{path}[{index}]"),
        Frame::Object { key: None } | Frame::Array { index: None } => path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::wire;

    /// Every value of a whole configuration, in turn replaced by one of another type: the path is
    /// the one that a reader which keeps it all the while names.
    #[test]
    fn paths_are_those_of_a_reader_that_tracks_them() {
        let full: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/data/full.json")).unwrap();
        let mut pointers = Vec::new();
        collect(&full, String::new(), &mut pointers);
        let mut compared = 0;
        for pointer in &pointers {
            for wrong in ["[[]]", "{\"a\\\"\": {}}", "1.5", "\"\\\\\"", "-1", "true"] {
                let mut changed = full.clone();
                *changed.pointer_mut(pointer).unwrap() = serde_json::from_str(wrong).unwrap();
                for text in [changed.to_string(), format!("{changed:#}")] {
                    let mut json = serde_json::Deserializer::from_str(&text);
                    let tracked: Result<wire::Config<'_>, _> =
                        serde_path_to_error::deserialize(&mut json);
                    let Err(error) = tracked else { continue };
                    let (line, column) = (error.inner().line(), error.inner().column());
                    let place = property_at(text.as_bytes(), line, column);
                    let expected = error.path().to_string();
                    assert_eq!(
                        place,
                        expected.trim_start_matches('.'),
                        "{}\n{text}",
                        error.inner()
                    );
                    compared += 1;
                }
            }
        }
        assert!(compared > 1000, "{compared}");
    }

    fn collect(value: &serde_json::Value, pointer: String, pointers: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    collect(value, format!("{pointer}/{key}"), pointers);
                }
            }
            serde_json::Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    collect(value, format!("{pointer}/{index}"), pointers);
                }
            }
            _ => {}
        }
        pointers.push(pointer);
    }

    #[test]
    fn a_key_that_repeats_is_the_place() {
        let text = br#"{"a": [1, {"b": 2}], "a" : 3}"#;
        assert_eq!(property_at(text, 1, 24), "a");
        assert_eq!(property_at(text, 1, 15), "a[1].b");
        assert_eq!(property_at(text, 1, 18), "a[1]");
        assert_eq!(property_at(text, 1, 20), "a");
        assert_eq!(property_at(text, 9, 9), "");
    }
}
