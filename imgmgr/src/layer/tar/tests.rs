//! Round trips, GNU tar's own output, and streams that must be refused.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;

const MAX: u64 = 1 << 40;

fn read_all(bytes: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, TarError> {
    let mut reader = TarReader::new(bytes, MAX);
    let mut all = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let entry = entry.clone();
        let mut data = Vec::new();
        loop {
            let n = {
                let run = reader.data()?;
                data.extend_from_slice(run);
                run.len()
            };
            if n == 0 {
                break;
            }
            reader.consume(n);
        }
        all.push((entry, data));
    }
    Ok(all)
}

fn write_all(entries: &[(Entry, Vec<u8>)]) -> Vec<u8> {
    let mut writer = TarWriter::new(Vec::new());
    for (entry, data) in entries {
        writer.entry(entry).unwrap();
        writer.data(data).unwrap();
    }
    writer.finish().unwrap()
}

fn file(path: &str, data: &[u8]) -> (Entry, Vec<u8>) {
    let entry = Entry {
        path: path.into(),
        mode: 0o644,
        size: u64::try_from(data.len()).unwrap(),
        ..Entry::default()
    };
    (entry, data.to_vec())
}

#[test]
fn what_the_writer_writes_the_reader_reads() {
    let long = "d/".repeat(120) + "name";
    let mut all = vec![file("a", b"data"), file(&long, &[7; 1025]), file("\u{e4}", b"")];
    all[1].0.uid = 3_000_000_000;
    all[1].0.mtime = TarTime { secs: -5, nanos: 250_000_000 };
    all[1].0.atime = Some(TarTime { secs: 5, nanos: 1 });
    all[2].0.xattrs = vec![(b"user.a".to_vec(), b"x\ny\0=".to_vec())];
    all[2].0.mtime = TarTime { secs: 1 << 40, nanos: 0 };
    let link = Entry {
        path: b"l".to_vec(),
        link: vec![b'x'; 150],
        kind: EntryKind::Symlink,
        mode: 0o777,
        ..Entry::default()
    };
    all.push((link, Vec::new()));
    let device = Entry {
        path: b"dev".to_vec(),
        kind: EntryKind::BlockDevice,
        device: (259, 3_000_000),
        ..Entry::default()
    };
    all.push((device, Vec::new()));
    assert_eq!(read_all(&write_all(&all)).unwrap(), all);
    assert_eq!(write_all(&all), write_all(&all));
}

#[test]
fn gnu_tar_reads_what_the_writer_writes() {
    let long = "d/".repeat(120) + "name";
    let bytes = write_all(&[file("a", b"data"), file(&long, b"x")]);
    let mut tar = Command::new("tar")
        .args(["-t"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    tar.stdin.take().unwrap().write_all(&bytes).unwrap();
    let out = tar.wait_with_output().unwrap();
    assert!(out.status.success());
    assert_eq!(String::from_utf8(out.stdout).unwrap(), format!("a\n{long}\n"));
}

/// Runs GNU tar in a directory with a sparse file, a long name and a link to it.
fn gnu_tar(format: &[&str]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let sparse = std::fs::File::create(dir.path().join("sparse")).unwrap();
    use std::os::unix::fs::FileExt;
    sparse.write_at(b"begin", 0).unwrap();
    sparse.write_at(&[1; 8192], 1 << 20).unwrap();
    sparse.set_len(3 << 20).unwrap();
    let long = "n".repeat(200);
    std::fs::write(dir.path().join(&long), b"long").unwrap();
    std::os::unix::fs::symlink(&long, dir.path().join("z-link")).unwrap();
    let out = Command::new("tar")
        .arg("-C")
        .arg(dir.path())
        .args(["-c", "--sort=name", "-S"])
        .args(format)
        .arg(".")
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

#[test]
fn every_sparse_format_of_gnu_tar_is_read() {
    for format in [
        &["--format=gnu"][..],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ] {
        let all = read_all(&gnu_tar(format)).unwrap();
        let find = |name: &str| {
            let path = format!("./{name}").into_bytes();
            all.iter().find(|(e, _)| e.path == path).unwrap_or_else(|| panic!("{format:?} {name}"))
        };
        let (sparse, data) = find("sparse");
        assert_eq!(sparse.size, 3 << 20, "{format:?}");
        let map = sparse.sparse.as_ref().expect("a sparse map");
        let mut content = vec![0; 3 << 20];
        let mut data = data.as_slice();
        for segment in map {
            let offset = usize::try_from(segment.offset).unwrap();
            let (now, rest) = data.split_at(usize::try_from(segment.len).unwrap());
            content[offset..offset + now.len()].copy_from_slice(now);
            data = rest;
        }
        assert!(data.is_empty());
        assert_eq!(&content[..5], b"begin");
        assert!(content[1 << 20..(1 << 20) + 8192].iter().all(|b| *b == 1));
        assert_eq!(content.iter().filter(|b| **b != 0).count(), 5 + 8192);
        let (_, data) = find(&"n".repeat(200));
        assert_eq!(data, b"long");
        assert_eq!(find("z-link").0.link, "n".repeat(200).into_bytes());
    }
}

#[test]
fn an_archive_cut_anywhere_is_never_taken_for_a_whole_file() {
    let whole = write_all(&[file("first", &[1; 700]), file("second", &[2; 700])]);
    for cut in 0..whole.len() {
        let got = read_all(&whole[..cut]);
        // Between entries the format itself cannot tell.
        let between = cut % 512 == 0 && [0, 1536, 3072, 3584].contains(&cut);
        assert_eq!(got.is_ok(), between, "cut at {cut}");
    }
}

#[test]
fn any_flipped_header_bit_is_noticed() {
    let whole = write_all(&[file("first", b"")]);
    for bit in 0..512 * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        // The checksum field's own unused bits may change without meaning.
        if !(148..156).contains(&(bit / 8)) {
            assert!(read_all(&bytes).is_err(), "bit {bit}");
        }
    }
}

/// Writes one entry, then changes its header by `edit` and mends the checksum.
fn edited(edit: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut bytes = write_all(&[file("name", b"0123456789")]);
    edit(&mut bytes[..512]);
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|b| u32::from(*b)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bytes
}

#[test]
fn hostile_numbers_are_refused() {
    let check = |edit: &dyn Fn(&mut [u8])| assert!(read_all(&edited(edit)).is_err());
    check(&|h| h[108..116].copy_from_slice(&[0xff; 8])); // uid -1
    check(&|h| h[108..116].copy_from_slice(&[0x80, 0, 0, 1, 0, 0, 0, 0])); // uid 2^32
    check(&|h| h[124..136].copy_from_slice(&[0xff; 12])); // size -1
    check(&|h| {
        h[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0x7f, 255, 255, 255, 255, 255, 255, 255])
    });
    check(&|h| h[124..136].copy_from_slice(b"00000000zzz\0"));
    check(&|h| h[156] = b'Q');
    check(&|h| h[0..100].fill(0));
}

#[test]
fn a_large_pax_header_meets_its_limit() {
    let bytes = edited(|h| {
        h[156] = b'x';
        h[124..136].copy_from_slice(b"77777777777\0");
    });
    assert!(matches!(read_all(&bytes), Err(TarError::Limit { limit: "MAX_PAX_BYTES", .. })));
}

#[test]
fn sparse_maps_that_lie_are_refused() {
    for (offset, len) in
        [(b"00000000000\0", b"00000000013\0"), (b"77777777777\0", b"00000000012\0")]
    {
        let bytes = edited(|h| {
            h[156] = b'S';
            h[257..265].copy_from_slice(b"ustar  \0");
            h[386..398].copy_from_slice(offset);
            h[398..410].copy_from_slice(len);
            h[483..495].copy_from_slice(b"00000000400\0");
        });
        assert!(read_all(&bytes).is_err());
    }
}

#[test]
fn a_v7_directory_is_one() {
    let bytes = edited(|h| {
        h[0..5].copy_from_slice(b"name/");
        h[124..136].copy_from_slice(b"00000000000\0");
        h[156] = 0;
        h[257..265].fill(0);
    });
    let mut reader = TarReader::new(&bytes[..], MAX);
    assert_eq!(reader.next_entry().unwrap().unwrap().kind, EntryKind::Directory);
}
