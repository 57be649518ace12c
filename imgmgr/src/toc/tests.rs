//! Tables of contents that are right, and those that are not.

use std::io::{Read, Seek, Write};

use serde_json::{Value, json};

use super::check::check;
use super::*;
#[path = "../../tests/generators/chunked.rs"]
mod chunked;
use chunked::{File as Made, Format, Layer, layer, layer_with};

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

/// The reason why the pieces of a layer with such a table of contents are refused.
fn refusal(format: Format, lie: impl Fn(&mut Value)) -> &'static str {
    let made = layer(format, &files(), lie);
    let refused = pieces_of(&made);
    let Err(TocError::Entry { reason, .. }) = refused else { panic!("{format:?}: {refused:?}") };
    let finding = check(&file(&made.blob), &descriptor(&made)).unwrap().swap_remove(0);
    assert!(finding.contains(reason) || reason.contains("no digest"), "{format:?}: {finding}");
    reason
}

/// Entries of [`files`]: the small file, and the three chunks of the large one.
const SMALL: usize = 1;
const LARGE: [usize; 3] = [2, 3, 4];

#[test]
fn chunks_that_lie_where_they_can_not_are_refused_by_name() {
    for format in FORMATS {
        let entry_at = |at: usize, offset: u64| {
            refusal(format, move |toc| toc["entries"][at]["offset"] = json!(offset))
        };
        assert_eq!(entry_at(LARGE[2], 1), "its chunk lies before one that is listed earlier");
        for offset in [u64::MAX, 1 << 40] {
            assert_eq!(entry_at(LARGE[2], offset), "its chunk reaches past the layer's data");
        }
        let same_place = refusal(format, |toc| {
            toc["entries"][LARGE[1]]["offset"] = toc["entries"][LARGE[0]]["offset"].clone();
        });
        assert_eq!(same_place, "its chunk overlaps another one");
        let no_digest = refusal(format, |toc| {
            let entry = toc["entries"][SMALL].as_object_mut().unwrap();
            entry.remove("digest");
            entry.remove("chunkDigest");
        });
        assert_eq!(no_digest, "its chunk has no digest");
    }
}

#[test]
fn ends_of_files_that_can_not_be_are_refused_by_name() {
    let refusal = |lie: fn(&mut Value)| refusal(Format::ZstdChunked, lie);
    // Its own chunk begins there, and a later one, which has the end from the file's first entry.
    for lie in [
        |toc: &mut Value| {
            toc["entries"][SMALL]["endOffset"] = toc["entries"][SMALL]["offset"].clone();
        },
        |toc: &mut Value| {
            toc["entries"][LARGE[0]]["endOffset"] = toc["entries"][LARGE[1]]["offset"].clone();
        },
        |toc: &mut Value| {
            toc["entries"][LARGE[1]]["endOffset"] = json!(1);
        },
    ] {
        assert_eq!(refusal(lie), "its file ends before its chunk begins");
    }
    let into_the_next = refusal(|toc| {
        let end = toc["entries"][LARGE[1]]["offset"].clone();
        toc["entries"][SMALL]["endOffset"] = end;
    });
    assert_eq!(into_the_next, "its chunk overlaps another one");
    let past = refusal(|toc| toc["entries"][6]["endOffset"] = json!(1u64 << 40));
    assert_eq!(past, "its chunk reaches past the layer's data");
}

/// Whatever a table of contents says of places, its pieces are in order and without gaps, or it is
/// refused.
#[test]
fn pieces_never_overlap_whatever_is_said() {
    let mut state = 1u64;
    let mut random = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let digest = Digest::of(b"").to_string();
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..2000u64 {
        let format = FORMATS[usize::from(round % 2 == 1)];
        let mut at = 0;
        let entries: Vec<Value> = (0..1 + random(5))
            .map(|_| {
                // Mostly ahead, or nearly all would be refused.
                at = if random(8) == 0 { random(300) } else { at + random(60) };
                let kind = ["reg", "reg", "chunk", "dir"][usize::try_from(random(4)).unwrap()];
                let end = [0, 0, at + random(40), random(300)][usize::try_from(random(4)).unwrap()];
                let inner = if random(4) == 0 { 512 } else { 0 };
                json!({
                    "type": kind, "name": "a", "digest": digest,
                    "offset": at, "endOffset": end, "innerOffset": inner,
                })
            })
            .collect();
        let made = layer_with(format, &[Made::random("a", 1, 256)], |_| {
            json!({ "version": 1, "entries": entries }).to_string()
        });
        let Ok(pieces) = pieces_of(&made) else {
            refused += 1;
            continue;
        };
        accepted += 1;
        let mut position = 0;
        for piece in &pieces {
            assert!(
                piece.range.start == position && piece.range.end > position,
                "{format:?}: {pieces:?} of {entries:?}"
            );
            position = piece.range.end;
        }
        assert_eq!(position, tail_of(&hint(&made), &file(&made.blob)).start, "{entries:?}");
    }
    assert!(accepted > 200 && refused > 200, "{accepted} accepted, {refused} refused");
}

/// A file that begins with a hole has no chunk there; its end is its own, not that of the file
/// before it.
#[test]
fn a_file_that_begins_with_a_hole_has_its_own_end() {
    let made = layer(Format::ZstdChunked, &files(), |toc| {
        toc["entries"][LARGE[0]]["chunkType"] = json!("zeros");
        toc["entries"][LARGE[0]]["offset"] = json!(0);
    });
    let pieces = pieces_of(&made).unwrap();
    assert!(pieces.windows(2).all(|pair| pair[0].range.end == pair[1].range.start));
}

/// Several small files may share a member of an eStargz layer; the first one's place counts.
#[test]
fn files_that_share_a_member_do_not_overlap() {
    let shared = |toc: &mut Value| {
        let entries = toc["entries"].as_array_mut().unwrap();
        let mut second = entries[SMALL].clone();
        second["innerOffset"] = json!(1024);
        entries.insert(SMALL + 1, second);
    };
    let made = layer(Format::Stargz, &files(), shared);
    assert!(pieces_of(&made).is_ok());
}

#[test]
fn an_unknown_version_is_refused_by_name() {
    for format in FORMATS {
        for version in [0u64, 2, u64::MAX] {
            let made = layer(format, &files(), |toc| toc["version"] = json!(version));
            for refused in
                [pieces_of(&made).map(drop), check(&file(&made.blob), &descriptor(&made)).map(drop)]
            {
                let Err(TocError::Version { found }) = refused else { panic!("{refused:?}") };
                assert_eq!(found, version);
            }
        }
    }
    let text = TocError::Version { found: 2 }.to_string();
    assert_eq!(text, "the table of contents has version 2, and only 1 is known");
    // Also where it comes after the entries.
    let late = r#"{"entries":[{"name":"a","type":"dir"}],"version":2}"#;
    let refused = parse_entries(late.as_bytes(), &mut |_| Ok(()));
    assert!(matches!(refused, Err(TocError::Version { found: 2 })), "{refused:?}");
}

/// The name of the limit that a table of contents meets.
fn limit<T: std::fmt::Debug>(refused: Result<T, TocError>) -> &'static str {
    let Err(TocError::Limit { limit, .. }) = refused else { panic!("{refused:?}") };
    limit
}

#[test]
fn an_entry_has_a_limit_and_what_is_passed_over_has_none() {
    let parse = |json: &str| parse_entries(json.as_bytes(), &mut |_| Ok(()));
    let long = "x".repeat(usize::try_from(MAX_TOC_ENTRY_BYTES).unwrap() + (64 << 10));
    for json in [
        format!(r#"{{"version":1,"entries":[{{"type":"dir","name":"{long}"}}]}}"#),
        format!(r#"{{"version":1,"entries":[{{"type":"dir","name":"a","more":"{long}"}}]}}"#),
        format!(r#"{{"version":1,"{long}":1,"entries":[]}}"#),
    ] {
        assert_eq!(limit(parse(&json)), "MAX_TOC_ENTRY_BYTES");
    }
    parse(&format!(r#"{{"version":1,"more":"{long}","entries":[]}}"#)).unwrap();
    // The limit is for each.
    let half = &long[..long.len() / 2];
    let entry = format!(r#"{{"type":"dir","name":"{half}"}}"#);
    parse(&format!(r#"{{"version":1,"entries":[{}]}}"#, [&*entry; 4].join(","))).unwrap();

    let xattrs = |count: usize| {
        let xattrs: Vec<String> = (0..count).map(|n| format!(r#""user.{n}":"""#)).collect();
        let xattrs = xattrs.join(",");
        parse(&format!(
            r#"{{"version":1,"entries":[{{"type":"dir","name":"a","xattrs":{{{xattrs}}}}}]}}"#
        ))
    };
    let most = crate::layer::limits::MAX_XATTRS;
    xattrs(most).unwrap();
    let refused = xattrs(most + 1);
    let Err(TocError::Json { source }) = refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("the limit MAX_XATTRS of 256"), "{source}");
}

#[test]
fn the_number_of_entries_has_a_limit() {
    let toc = |count: usize| {
        let entries = vec![r#"{"type":"dir","name":""}"#; count].join(",");
        let mut seen = 0;
        let json = format!(r#"{{"version":1,"entries":[{entries}]}}"#);
        let parsed = parse_entries(json.as_bytes(), &mut |_| {
            seen += 1;
            Ok(())
        });
        (seen, parsed)
    };
    let (seen, refused) = toc(MAX_TOC_ENTRIES + 1);
    assert_eq!((seen, limit(refused)), (MAX_TOC_ENTRIES, "MAX_TOC_ENTRIES"));
}

#[test]
fn the_memory_of_entries_has_a_limit() {
    let json = r#"{"name":"","type":"dir","xattrs":{"":""}}"#;
    let entry: TocEntry = serde_json::from_str(json).unwrap();
    let cost = listing::memory(&entry);
    assert_eq!(cost, 344 + 656, "for {} bytes of JSON", json.len());
    let mut listing = listing::Listing::default();
    let mut count = 0;
    let refused = loop {
        match listing.push(entry.clone()) {
            Ok(()) => count += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(limit(Err::<(), _>(refused)), "MAX_TOC_MEMORY");
    assert_eq!(count, MAX_TOC_MEMORY / cost);
    assert_eq!(listing.iter().count(), count);
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
        r#"{"version":"1","entries":[]}"#,
        r#"{"version":1.0,"entries":[]}"#,
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
