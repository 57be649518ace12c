//! From compressed bytes to a verdict: what is verified, in which order, and what lies.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;

use imgmgr::layer::{
    Cancel, LayerDescriptor, LayerError, LayerErrorKind, LayerForm, LayerLimits, Ownership,
    UnpackOptions, Unpacked, Unpacker, chunk_channel,
};

use crate::support::{TAR, TAR_GZIP, TAR_ZSTD, Tar, descriptor, digest, gzip};

fn options() -> UnpackOptions {
    UnpackOptions {
        form: LayerForm::Flat,
        ownership: Ownership::Caller,
        ..UnpackOptions::default()
    }
}

fn sample() -> Vec<u8> {
    let mut tar = Tar::default();
    for i in 0..200u32 {
        let data: Vec<u8> = (0..i * 50).map(|n| u8::try_from(n * i % 251).unwrap()).collect();
        tar.file(format!("dir/{i}"), &data);
    }
    tar.end()
}

fn run(source: impl Read + Send, layer: &LayerDescriptor) -> Result<Unpacked, LayerError> {
    let into = tempfile::tempdir().unwrap();
    let dir = File::open(into.path()).unwrap();
    Unpacker::new(options()).unpack(source, layer, dir.as_fd(), &Cancel::default())
}

#[test]
fn every_compression_gives_the_same_layer() {
    let tar = sample();
    let (first, second) = tar.split_at(tar.len() / 2);
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 5, 0, 0, 0][..], b"table"].concat();
    for (media_type, bytes) in [
        (TAR, tar.clone()),
        (TAR_GZIP, gzip(&tar)),
        (TAR_GZIP, [gzip(first), gzip(second)].concat()),
        (TAR_ZSTD, zstd(&tar)),
        (TAR_ZSTD, [skippable.clone(), zstd(first), zstd(second), skippable].concat()),
    ] {
        let unpacked = run(&bytes[..], &descriptor(media_type, &bytes, &tar)).unwrap();
        assert_eq!(unpacked.diff_id.to_string(), digest(&tar));
        assert_eq!((unpacked.entries, unpacked.tar_bytes), (200, tar.len() as u64));
    }
}

#[test]
fn a_media_type_that_lies_is_noticed() {
    let tar = sample();
    for (media_type, bytes) in [(TAR, gzip(&tar)), (TAR_GZIP, tar.clone()), (TAR_ZSTD, gzip(&tar))]
    {
        let error = run(&bytes[..], &descriptor(media_type, &bytes, &tar)).unwrap_err();
        assert!(matches!(error, LayerError::Magic { .. }), "{error}");
    }
}

#[test]
fn any_damaged_byte_is_corruption() {
    let tar = sample();
    let bytes = gzip(&tar);
    let layer = descriptor(TAR_GZIP, &bytes, &tar);
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        let error = run(&damaged[..], &layer).unwrap_err();
        assert_eq!(error.kind(), LayerErrorKind::Corrupt, "byte {at}: {error}");
    }
}

#[test]
fn a_cut_or_stretched_stream_is_corruption() {
    let tar = sample();
    let bytes = gzip(&tar);
    let layer = descriptor(TAR_GZIP, &bytes, &tar);
    for len in [0, 1, 3, bytes.len() / 2, bytes.len() - 1] {
        let error = run(&bytes[..len], &layer).unwrap_err();
        assert!(matches!(error, LayerError::Size { .. }), "cut at {len}: {error}");
    }
    let error = run(bytes.chain(io::repeat(0)), &layer).unwrap_err();
    assert!(matches!(error, LayerError::Size { .. }), "endless: {error}");
}

#[test]
fn a_wrong_diff_id_is_noticed() {
    let (tar, other) = (sample(), b"other");
    let error = run(&tar[..], &descriptor(TAR, &tar, other)).unwrap_err();
    assert!(matches!(error, LayerError::DiffId { .. }), "{error}");
}

#[test]
fn an_invalid_layer_is_told_from_a_damaged_one() {
    let mut tar = Tar::default();
    tar.file("../x", b"").file("big", &vec![1; 4 << 20]);
    let tar = tar.end();
    let layer = descriptor(TAR, &tar, &tar);
    assert_eq!(run(&tar[..], &layer).unwrap_err().kind(), LayerErrorKind::Invalid);
    let mut damaged = tar.clone();
    *damaged.last_mut().unwrap() = 1;
    assert_eq!(run(&damaged[..], &layer).unwrap_err().kind(), LayerErrorKind::Corrupt);
}

#[test]
fn a_source_that_breaks_off_says_so() {
    let tar = sample();
    let bytes = gzip(&tar);
    let (sender, source) = chunk_channel(2);
    let half = bytes[..bytes.len() / 2].to_vec();
    let feeder = std::thread::spawn(move || {
        sender.send(Ok(half)).unwrap();
        sender.send(Err(io::Error::from(io::ErrorKind::ConnectionReset))).unwrap();
    });
    let error = run(source, &descriptor(TAR_GZIP, &bytes, &tar)).unwrap_err();
    feeder.join().unwrap();
    assert_eq!(error.kind(), LayerErrorKind::Source, "{error}");
}

#[test]
fn a_bomb_meets_its_limits() {
    let bomb = gzip(&vec![0; 300 << 20]);
    let layer = descriptor(TAR_GZIP, &bomb, b"");
    // The ratio: gzip reaches 1000, a layer of real files 3.
    let limits = LayerLimits { max_ratio: 100, ..LayerLimits::default() };
    for (limits, expected) in [
        (limits, "max_ratio"),
        (LayerLimits { max_unpacked_bytes: 1 << 20, ..limits }, "max_unpacked_bytes"),
    ] {
        // Read as data of one file, so that the archive itself is fine.
        let mut whole = Vec::new();
        let mut tar = Tar::default();
        tar.add_with(&crate::support::Head::new("zeros", b'0', 0o644), b"", |block| {
            block[124..136].copy_from_slice(format!("{:011o}\0", 299u64 << 20).as_bytes());
        });
        whole.extend_from_slice(&gzip(&tar.0));
        whole.extend_from_slice(&bomb);
        let layer = LayerDescriptor {
            size: whole.len() as u64,
            digest: digest(&whole).parse().unwrap(),
            diff_id: None,
            ..layer.clone()
        };
        let into = tempfile::tempdir().unwrap();
        let dir = File::open(into.path()).unwrap();
        let unpacker = Unpacker::new(UnpackOptions { limits, ..options() });
        let error =
            unpacker.unpack(&whole[..], &layer, dir.as_fd(), &Cancel::default()).unwrap_err();
        assert!(matches!(error, LayerError::Limit { limit, .. } if limit == expected), "{error}");
    }
}

#[test]
fn cancelling_stops_a_stalled_unpack() {
    let tar = sample();
    let cancel = Cancel::default();
    let (sender, source) = chunk_channel::<Vec<u8>>(1);
    sender.send(Ok(tar[..4096].to_vec())).unwrap();
    let into = tempfile::tempdir().unwrap();
    let dir = File::open(into.path()).unwrap();
    let layer = descriptor(TAR, &tar, &tar);
    let error = std::thread::scope(|scope| {
        let unpack =
            scope.spawn(|| Unpacker::new(options()).unpack(source, &layer, dir.as_fd(), &cancel));
        cancel.cancel();
        // A stalled source ends by its own time limit; here, by an error.
        let _ = sender.send(Err(io::Error::other("stalled")));
        unpack.join().unwrap().unwrap_err()
    });
    assert!(matches!(error.kind(), LayerErrorKind::Cancelled | LayerErrorKind::Source), "{error}");
}

#[test]
fn a_full_disk_is_the_destinations_error() {
    if !crate::support::is_root() {
        return;
    }
    let at = tempfile::tempdir().unwrap();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(at.path())
        .status()
        .unwrap();
    if !crate::support::can_run("tmpfs mounts", mount.success()) {
        return;
    }
    let tar = sample();
    let layer = descriptor(TAR, &tar, &tar);
    let dir = File::open(at.path()).unwrap();
    let result = Unpacker::new(options()).unpack(&tar[..], &layer, dir.as_fd(), &Cancel::default());
    drop(dir);
    std::process::Command::new("umount").arg(at.path()).status().unwrap();
    let error = result.unwrap_err();
    assert_eq!(error.kind(), LayerErrorKind::Destination, "{error}");
    assert!(fs::read_dir(at.path()).unwrap().next().is_none());
}
