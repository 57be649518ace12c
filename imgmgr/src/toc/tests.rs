//! Tables of contents that are right, and those that are not.

use std::io::{Read, Seek, Write};

use serde_json::{Value, json};

use super::check::check;
use super::*;
#[path = "../../tests/generators/chunked.rs"]
mod chunked;
use chunked::{File as Made, Format, Layer, layer};

const FORMATS: [Format; 2] = [Format::ZstdChunked, Format::Stargz];

fn files() -> Vec<Made> {
    vec![
        Made { name: "d/".into(), content: Vec::new() },
        Made::random("d/small", 1, 700),
        Made::random("d/large", 2, 600_000),
        Made { name: "d/empty".into(), content: Vec::new() },
        Made::random("last", 3, 512),
    ]
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn descriptor(layer: &Layer) -> Descriptor {
    let mut descriptor = Descriptor::of(layer.media_type, &layer.blob);
    descriptor.annotations = Some(layer.annotations.clone());
    descriptor
}

fn hint(layer: &Layer) -> TocHint {
    TocHint::of(&descriptor(layer)).unwrap().unwrap()
}

fn tail_of(hint: &TocHint, blob: &File) -> Range<u64> {
    let (place, _) = hint.read(blob).unwrap();
    hint.tail(&place).unwrap()
}

fn pieces_of(layer: &Layer) -> Result<Vec<Piece>, TocError> {
    let hint = hint(layer);
    let (place, bytes) = hint.read(&file(&layer.blob))?;
    pieces(&hint, &place, &bytes)
}

#[test]
fn pieces_cover_the_blob_up_to_its_toc() {
    for format in FORMATS {
        let layer = layer(format, &files(), |_| {});
        let tail = tail_of(&hint(&layer), &file(&layer.blob));
        let pieces = pieces_of(&layer).unwrap();
        let mut position = 0;
        for piece in &pieces {
            assert_eq!(piece.range.start, position, "{format:?}");
            position = piece.range.end;
        }
        assert_eq!(position, tail.start, "{format:?}");
        assert!(pieces.len() >= 6, "{format:?}: {pieces:?}");
    }
}

#[test]
fn equal_content_has_equal_keys_wherever_it_lies() {
    for format in FORMATS {
        let one = layer(format, &files(), |_| {});
        let mut more = files();
        more.insert(1, Made::random("d/new", 9, 5000));
        let two = layer(format, &more, |_| {});
        let known = pieces_of(&one).unwrap();
        let mut shared = 0;
        for piece in pieces_of(&two).unwrap() {
            let Some(same) = known.iter().find(|known| known.key == piece.key) else { continue };
            let bytes = |layer: &Layer, range: &Range<u64>| {
                layer.blob
                    [usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
                    .to_vec()
            };
            assert_eq!(bytes(&one, &same.range), bytes(&two, &piece.range), "{format:?}");
            shared += piece.range.end - piece.range.start;
        }
        assert!(shared > 600_000, "{format:?}: {shared}");
    }
}

/// To programs that know nothing of tables of contents these are ordinary layers.
#[test]
fn plain_decompressors_see_the_tar() {
    for format in FORMATS {
        let layer = layer(format, &files(), |_| {});
        let mut tar = Vec::new();
        let packed = layer.blob.as_slice();
        let read = match format {
            Format::ZstdChunked => zstd::stream::copy_decode(packed, &mut tar).map(drop),
            Format::Stargz => {
                flate2::bufread::MultiGzDecoder::new(packed).read_to_end(&mut tar).map(drop)
            }
        };
        assert!(read.is_ok() && tar == layer.tar, "{format:?}");
    }
}

#[test]
fn a_true_toc_has_no_findings() {
    for format in FORMATS {
        let layer = layer(format, &files(), |_| {});
        assert_eq!(check(&file(&layer.blob), &descriptor(&layer)).unwrap(), [""; 0], "{format:?}");
    }
}

/// A change to a table of contents, and a part of what is found then.
type Lie = (&'static str, fn(&mut Value));

#[test]
fn every_lie_is_found() {
    let other = format!("sha256:{}", "0".repeat(64));
    let lies: [Lie; 20] = [
        ("`d/nothing` is listed in its place", |toc| {
            toc["entries"][1]["name"] = json!("d/nothing")
        }),
        ("its type differs", |toc| toc["entries"][0]["type"] = json!("symlink")),
        ("its mode differs", |toc| toc["entries"][1]["mode"] = json!(0o4755)),
        ("its owner differs", |toc| toc["entries"][1]["uid"] = json!(1)),
        ("its size differs", |toc| toc["entries"][1]["size"] = json!(701)),
        ("its modification time differs", |toc| {
            toc["entries"][1]["modtime"] = json!("2020-09-13T12:26:41Z");
        }),
        ("its set of extended attributes differs", |toc| {
            toc["entries"][1]["xattrs"] = json!({ "user.a": "Yg==" });
        }),
        ("its digest differs", |toc| {
            toc["entries"][1]["digest"] = toc["entries"][2]["digest"].clone();
        }),
        ("its chunk has another digest", |toc| {
            toc["entries"][1]["chunkDigest"] = toc["entries"][2]["digest"].clone();
        }),
        ("there is no chunk at its offset", |toc| {
            let offset = toc["entries"][2]["offset"].as_u64().unwrap();
            toc["entries"][2]["offset"] = json!(offset + 1);
        }),
        ("its chunks have gaps", |toc| toc["entries"][3]["chunkOffset"] = json!(1)),
        ("its chunks are not as long as the file", |toc| {
            toc["entries"][4]["chunkSize"] = json!(100_000);
        }),
        ("its chunks are not as long as the file", |toc| {
            let entries = toc["entries"].as_array_mut().unwrap();
            let last = entries.iter().rposition(|entry| entry["type"] == "chunk").unwrap();
            drop(entries.remove(last));
        }),
        ("its chunks have gaps", |toc| toc["entries"][1]["chunkOffset"] = json!(1)),
        ("a chunk of it has no place", |toc| toc["entries"][1]["offset"] = json!(0)),
        ("a hole of it has data", |toc| toc["entries"][1]["chunkType"] = json!("zeros")),
        ("it has chunks but no data", |toc| {
            let chunk = json!({ "type": "chunk", "name": "d", "offset": 100, "chunkSize": 1 });
            toc["entries"].as_array_mut().unwrap().insert(1, chunk);
        }),
        ("`last`: it is not listed", |toc| drop(toc["entries"].as_array_mut().unwrap().pop())),
        ("`more`: it is not in the layer", |toc| {
            let more = json!({ "type": "dir", "name": "more" });
            toc["entries"].as_array_mut().unwrap().push(more);
        }),
        ("it has no digest", |toc| {
            drop(toc["entries"][1].as_object_mut().unwrap().remove("digest"))
        }),
    ];
    assert!(other.parse::<Digest>().is_ok());
    for format in FORMATS {
        for (expected, lie) in lies {
            let layer = layer(format, &files(), lie);
            let findings = check(&file(&layer.blob), &descriptor(&layer)).unwrap();
            assert!(
                findings.iter().any(|finding| finding.contains(expected)),
                "{format:?}, {expected}: {findings:?}"
            );
        }
    }
}

#[test]
fn a_toc_that_is_not_the_annotated_one_is_refused() {
    for format in FORMATS {
        let mut layer = layer(format, &files(), |_| {});
        let annotations = &mut layer.annotations;
        for value in annotations.values_mut().filter(|value| value.starts_with("sha256:")) {
            *value = Digest::of(b"another").to_string();
        }
        assert!(matches!(pieces_of(&layer), Err(TocError::Digest { .. })), "{format:?}");
    }
}

#[test]
fn chunks_out_of_order_or_past_the_end_are_refused() {
    for format in FORMATS {
        for offset in [1u64, u64::MAX, 1 << 40] {
            let layer =
                layer(format, &files(), |toc| toc["entries"][5 + 1]["offset"] = json!(offset));
            let refused = pieces_of(&layer);
            assert!(matches!(refused, Err(TocError::Entry { .. })), "{format:?}: {refused:?}");
        }
        let layer = layer(format, &files(), |toc| {
            let entry = toc["entries"][1].as_object_mut().unwrap();
            entry.remove("digest");
            entry.remove("chunkDigest");
        });
        assert!(matches!(pieces_of(&layer), Err(TocError::Entry { .. })), "{format:?}");
    }
}

#[test]
fn other_shapes_are_refused() {
    for json in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"version":1}"#,
        r#"{"entries":[]}"#,
        r#"{"version":2,"entries":[]}"#,
        r#"{"version":1,"entries":{}}"#,
        r#"{"version":1,"entries":[{"name":"a"}]}"#,
        r#"{"version":1,"entries":[{"name":"a","type":"door"}]}"#,
        r#"{"version":1,"entries":[{"name":"a","type":"reg","size":-1}]}"#,
        r#"{"version":1,"entries":[],"entries":[]}"#,
        r#"{"version":1,"entries":[]} x"#,
        r#"{"version":1,"entries":[],"ENTRIES":[]}"#,
        r#"{"version":1,"entries":[{"name":"a","type":"dir","Mode":2541}]}"#,
        "{\"version\":1,\"entries\":[{\"name\":\"a\",\"type\":\"dir\",\"\u{17f}ize\":1}]}",
    ] {
        let parsed = parse_entries(json.as_bytes(), &mut |_| Ok(()));
        assert!(matches!(parsed, Err(TocError::Json { .. })), "{json}: {parsed:?}");
    }
    let stopped = parse_entries(
        br#"{"version":1,"entries":[{"name":"a","type":"dir"}]}"#.as_slice(),
        &mut |_| Err(TocError::Footer { format: TocFormat::Stargz }),
    );
    assert!(matches!(stopped, Err(TocError::Footer { .. })));
}

#[test]
fn annotations_are_checked() {
    let refused = |position: &str| {
        let mut layer = layer(Format::ZstdChunked, &files(), |_| {});
        let annotations = &mut layer.annotations;
        annotations.insert(zstd_chunked::POSITION.to_owned(), position.to_owned());
        TocHint::of(&descriptor(&layer)).unwrap_err()
    };
    for position in ["", "1:2:3", "1:2:3:2", "1:2:3:1:4", "a:2:3:1", "-1:2:3:1"] {
        assert!(matches!(refused(position), TocError::Annotation { .. }), "{position}");
    }
    for position in ["0:100:100:1", "100:0:100:1", "99999999:10:10:1", "18446744073709551615:9:9:1"]
    {
        assert!(matches!(refused(position), TocError::Place { .. }), "{position}");
    }
    assert!(matches!(refused("10:20:99999999:1"), TocError::Limit { .. }));
    let mut bomb = descriptor(&layer(Format::ZstdChunked, &files(), |_| {}));
    bomb.size = 1 << 40;
    let annotations = bomb.annotations.as_mut().unwrap();
    annotations.insert(zstd_chunked::POSITION.to_owned(), "10:99999999:10:1".to_owned());
    assert!(matches!(TocHint::of(&bomb), Err(TocError::Limit { .. })));
}

#[test]
fn a_toc_longer_than_its_position_says_is_refused() {
    for by in [-1i64, 1] {
        let mut layer = layer(Format::ZstdChunked, &files(), |_| {});
        let annotations = &mut layer.annotations;
        let position = annotations.get_mut(zstd_chunked::POSITION).unwrap();
        let mut numbers: Vec<i64> = position.split(':').map(|n| n.parse().unwrap()).collect();
        numbers[2] += by;
        *position = numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(":");
        let refused = pieces_of(&layer);
        let cut_short = matches!(refused, Err(TocError::Json { .. } | TocError::Read { .. }));
        assert!(cut_short, "{refused:?}");
    }
}

#[test]
fn footers_are_checked() {
    let made = layer(Format::Stargz, &files(), |_| {});
    let hint = hint(&made);
    let footer = &made.blob[made.blob.len() - 51..];
    assert!(hint.read_footer(footer).is_ok());
    for at in [0, 3, 10, 12, 16, 33] {
        let mut broken = footer.to_vec();
        broken[at] ^= 0xff;
        assert!(matches!(hint.read_footer(&broken), Err(TocError::Footer { .. })), "{at}");
    }
    let mut past = footer.to_vec();
    past[16..32].copy_from_slice(b"00000000ffffffff");
    assert!(matches!(hint.read_footer(&past), Err(TocError::Place { .. })));
    let mut short = descriptor(&made);
    short.size = 50;
    let short = TocHint::of(&short).unwrap().unwrap();
    assert!(matches!(short.place(), Err(TocError::Footer { .. })));
}
