#![expect(clippy::cast_possible_truncation, reason = "test sizes are small")]

use std::io::Read;

use super::*;
use crate::image::{Descriptor, media};

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open_real(&directory.path().join("store"), Durability::NoSync).unwrap();
    (directory, store)
}

/// Puts an image of one layer into the store and returns its manifest's descriptor.
fn put_image(store: &Store, layer: &[u8]) -> Descriptor {
    let layer = store.put_blob(media::OCI_LAYER, layer).unwrap();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        layer.digest
    );
    let config = store.put_blob(media::OCI_CONFIG, config.as_bytes()).unwrap();
    let manifest = crate::image::ImageManifest {
        schema_version: 2,
        media_type: Some(media::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config,
        layers: vec![layer],
        subject: None,
        annotations: None,
    };
    store.put_blob(media::OCI_MANIFEST, &manifest.to_bytes()).unwrap()
}

#[test]
fn names_survive_reopening_and_resolve() {
    let (directory, store) = store();
    let image = put_image(&store, b"one");
    store.tag(&ImageEntry::new("docker.io/library/a:latest", image.clone())).unwrap();
    store.tag(&ImageEntry::new("q.io/b:1", image.clone())).unwrap();
    let store = Store::open_real(&directory.path().join("store"), Durability::NoSync).unwrap();
    assert_eq!(store.list().unwrap().len(), 2);
    assert_eq!(store.resolve("a").unwrap().target, image);
    assert_eq!(store.resolve(image.digest.short()).unwrap().target, image);
    assert!(matches!(store.resolve("c"), Err(StoreError::NoImage { .. })));
    store.untag("q.io/b:1").unwrap();
    assert!(store.untag("q.io/b:1").is_err());
    assert_eq!(store.list().unwrap().len(), 1);
}

#[test]
fn gc_keeps_what_names_and_leases_reach() {
    let (_directory, store) = store();
    let named = put_image(&store, b"named");
    let leased = put_image(&store, b"leased");
    put_image(&store, b"garbage");
    store.tag(&ImageEntry::new("docker.io/library/a:latest", named)).unwrap();
    let lease = store.lease().unwrap();
    assert!(lease.take(&leased).unwrap());
    let report = store.gc(GcRequest::default()).unwrap();
    assert_eq!((report.removed.len(), report.kept), (3, 6));
    drop(lease);
    let report = store.gc(GcRequest::default()).unwrap();
    assert_eq!((report.removed.len(), report.kept), (3, 3));
    assert_eq!(fs::read_dir(store.private("leases")).unwrap().count(), 0);
}

#[test]
fn ingest_resumes_where_it_was_cut_and_follows() {
    let (_directory, store) = store();
    let bytes: Vec<u8> = (0..GRANULE * 3 + 77).map(|i| (i % 251) as u8).collect();
    let descriptor = Descriptor::of(media::OCI_LAYER, &bytes);
    let fetch = || match store.ingest(&descriptor).unwrap() {
        IngestStart::Fetch(ingest) => ingest,
        IngestStart::Present => panic!("the blob is not there yet"),
    };
    let ingest = fetch();
    assert_eq!(ingest.missing(u64::MAX), vec![0..bytes.len() as u64]);
    let mut last = ingest.writer(3 * GRANULE);
    last.write(&bytes[3 * GRANULE as usize..]).unwrap();
    assert!(last.write(b"x").is_err());
    ingest.writer(0).write(&bytes[..GRANULE as usize + 5]).unwrap();
    drop((last, ingest));

    let ingest = fetch();
    assert_eq!(ingest.missing(u64::MAX), vec![GRANULE..3 * GRANULE]);
    assert_eq!(ingest.missing(1).len(), 2);
    let mut reader = ingest.reader();
    let follower = std::thread::spawn(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).map(|_| all)
    });
    for start in [2 * GRANULE, GRANULE] {
        ingest.writer(start).write(&bytes[start as usize..(start + GRANULE) as usize]).unwrap();
    }
    assert_eq!(follower.join().unwrap().unwrap(), bytes);
    ingest.publish(Wait::ForSync).unwrap();
    drop(ingest);
    assert!(matches!(store.ingest(&descriptor).unwrap(), IngestStart::Present));
    assert_eq!(fs::read_dir(store.private("ingest")).unwrap().count(), 0);
}

/// Parts that share a granule are one loss, and all of them one write: killed at any moment, an
/// ingest has forgotten all or nothing.
#[test]
fn what_is_forgotten_is_forgotten_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let disk = crash_tests::StoppingDisk::new(1000);
    let store = Store::open(directory.path(), Arc::clone(&disk) as Arc<dyn Disk>).unwrap();
    let bytes = vec![7; 6 * GRANULE as usize + 5];
    let descriptor = Descriptor::of(media::OCI_LAYER, &bytes);
    let fetch = || match store.ingest(&descriptor).unwrap() {
        IngestStart::Fetch(ingest) => ingest,
        IngestStart::Present => panic!("the blob is not there yet"),
    };
    let ingest = fetch();
    ingest.writer(0).write(&bytes).unwrap();
    let left = disk.left();
    let parts = [10..20, 15..GRANULE, 2 * GRANULE - 1..2 * GRANULE + 1, 6 * GRANULE + 1..u64::MAX];
    ingest.forget(parts).unwrap();
    assert_eq!(left - disk.left(), 1);
    let missing = [0..3 * GRANULE, 6 * GRANULE..bytes.len() as u64];
    assert_eq!(ingest.missing(u64::MAX), missing);
    drop(ingest);
    assert_eq!(fetch().missing(u64::MAX), missing);
}

#[test]
fn a_reader_of_a_failed_ingest_fails() {
    let (_directory, store) = store();
    let descriptor = Descriptor::of(media::OCI_LAYER, b"hello");
    let IngestStart::Fetch(ingest) = store.ingest(&descriptor).unwrap() else { panic!() };
    ingest.fail("connection reset");
    let error = ingest.reader().read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "connection reset");
}

#[test]
fn foreign_directories_are_not_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("precious"), "x").unwrap();
    let result = Store::open_real(directory.path(), Durability::NoSync);
    assert!(matches!(result, Err(StoreError::NotALayout { .. })));
}

/// Whoever holds the blob may wait for one that waits for the disk here.
#[test]
fn who_waits_for_a_blob_lets_nobody_else_wait() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open_real(directory.path(), Durability::Sync).unwrap();
    let expected = store.expect(100).unwrap();
    let [theirs, ours] = [b"theirs", b"oursss"].map(|blob| {
        let descriptor = Descriptor::of(media::OCI_LAYER, blob);
        let IngestStart::Fetch(ingest) = store.ingest(&descriptor).unwrap() else { panic!() };
        ingest.writer(0).write(blob).unwrap();
        (descriptor, ingest)
    });
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| store.ingest(&theirs.0).unwrap());
        while !store.sync_ahead().unwrap().has_blocked() {
            assert!(!waiting.is_finished());
            std::thread::yield_now();
        }
        ours.1.publish(Wait::WithOthers).unwrap();
        theirs.1.publish(Wait::ForSync).unwrap();
        drop(theirs.1);
        assert!(matches!(waiting.join().unwrap(), IngestStart::Present));
    });
    assert!(!store.sync_ahead().unwrap().has_blocked());
    drop(expected);
}

#[test]
fn what_a_manifest_needs_that_comes_while_a_sweep_looks_stays() {
    let (_elsewhere, other) = store();
    let (_directory, store) = store();
    let image = put_image(&other, b"new");
    let asked = std::cell::Cell::new(0);
    // First it is on its way, and then it has come and is needed.
    let roots = || -> Result<Vec<Descriptor>> {
        asked.set(asked.get() + 1);
        if asked.get() == 2 {
            assert_eq!(put_image(&store, b"new"), image);
        }
        Ok(vec![image.clone()])
    };
    let report = store.collect(GcRequest::default(), &roots, |live| {
        assert_eq!(live.configs.len(), 1);
        Ok::<(), StoreError>(())
    });
    let report = report.unwrap();
    assert_eq!((report.removed, report.kept), (Vec::new(), 3));
}

#[test]
fn a_named_image_stays_whole_while_its_manifest_is_read_from_an_archive() {
    let (_directory, store) = store();
    let image = put_image(&store, b"one");
    store.tag(&ImageEntry::new("a:1", image.clone())).unwrap();
    let (bytes, _) = store.manifest(&image).unwrap();
    let lease = store.lease().unwrap();
    // Nobody knows yet what it is.
    let mut writer = store.blob_writer().unwrap();
    std::io::Write::write_all(&mut writer, &bytes).unwrap();
    assert_eq!(lease.publish(writer).unwrap().0, image.digest);
    let report = store.collect(GcRequest::default(), &|| Ok(Vec::new()), |live| {
        assert_eq!(live.configs.len(), 1);
        Ok::<(), StoreError>(())
    });
    assert_eq!(report.unwrap().removed, []);
}

#[test]
fn an_image_that_names_anothers_manifest_as_its_layer_takes_nothing_from_it() {
    let (_directory, store) = store();
    let image = put_image(&store, b"one");
    let as_layer = Descriptor::new(media::OCI_LAYER, image.digest.clone(), image.size);
    let (_, manifest) = store.manifest(&image).unwrap();
    let crate::image::Manifest::Image(manifest) = manifest else { panic!("not an image") };
    let hostile = crate::image::ImageManifest { layers: vec![as_layer], ..*manifest };
    let hostile = store.put_blob(media::OCI_MANIFEST, &hostile.to_bytes()).unwrap();
    store.tag(&ImageEntry::new("a:1", hostile.clone())).unwrap();
    store.tag(&ImageEntry::new("b:1", image.clone())).unwrap();
    assert_eq!(store.gc(GcRequest::default()).unwrap().removed, []);
    let (_, manifest) = store.manifest(&image).unwrap();
    std::fs::remove_file(store.blob_path(&manifest.children()[1].digest)).unwrap();
    assert!(store.first_missing(&[hostile, image]).unwrap().is_some());
}
