//! Stops a collection, a load and a commit at their n-th file operation, for every n, and runs
//! them again.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::copy::{self, ArchiveForm};
use crate::image::{Descriptor, ImageManifest, media};
use crate::layer::store::Chain;
use crate::layer::tar::{Entry, TarWriter};
use crate::layer::{Cancel, Ownership, UnpackOptions};
use crate::repack::{LayerNote, LayerSink, Placement};
use crate::snapshot::{SnapshotError, SnapshotKind, StoredImage};
use crate::store::crash_tests::{End, StoppingDisk};
use crate::store::{Disk, Durability, GcRequest, ImageEntry, RealDisk};

fn open(root: &Path, disk: Arc<dyn Disk>) -> Result<Upkeep, UpkeepError> {
    let options = UnpackOptions {
        durability: crate::layer::Durability::NoSync,
        ownership: Ownership::Caller,
        ..UnpackOptions::default()
    };
    let store = Store::open(&root.join("images"), Arc::clone(&disk))?;
    let snapshots = Snapshots::open_on(root.join("snapshots"), Arc::clone(&disk))?;
    let layers = LayerStore::open_on(root.join("images/x-imgmgr/layers"), options, disk)?;
    Ok(Upkeep { store, layers, snapshots })
}

fn layer(name: &str) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    let entry = Entry { path: name.into(), mode: 0o644, size: 5, ..Entry::default() };
    tar.entry(&entry).unwrap();
    tar.data(b"hello").unwrap();
    tar.finish().unwrap()
}

/// Makes an image of one layer, unpacks it and names it.
fn make(upkeep: &Upkeep, name: &str) -> Descriptor {
    let layer = upkeep.store.put_blob(media::OCI_LAYER, &layer(name)).unwrap();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        layer.digest
    );
    let config = upkeep.store.put_blob(media::OCI_CONFIG, config.as_bytes()).unwrap();
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: Some(media::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config,
        layers: vec![layer],
        subject: None,
        annotations: None,
    };
    let target = upkeep.store.put_blob(media::OCI_MANIFEST, &manifest.to_bytes()).unwrap();
    upkeep.store.tag(&ImageEntry::new(name, target.clone())).unwrap();
    let image = StoredImage::load(&upkeep.store, &target).unwrap();
    image.unpack(&upkeep.layers, &Cancel::default()).unwrap();
    target
}

fn stop_everywhere(end: End) {
    for budget in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let real: Arc<dyn Disk> = Arc::new(RealDisk::new(Durability::NoSync));
        let upkeep = open(root, Arc::clone(&real)).unwrap();
        make(&upkeep, "kept");
        let stood_upon = make(&upkeep, "stood-upon");
        for name in ["gone", "gone-too"] {
            make(&upkeep, name);
            upkeep.store.untag(name).unwrap();
        }
        let image = StoredImage::load(&upkeep.store, &stood_upon).unwrap();
        let chain = image.unpack(&upkeep.layers, &Cancel::default()).unwrap();
        upkeep.snapshots.prepare("s", &chain, SnapshotKind::View).unwrap();
        upkeep.store.untag("stood-upon").unwrap();

        let disk = StoppingDisk::new(budget);
        let stopping = open(root, Arc::clone(&disk) as Arc<dyn Disk>);
        let result = stopping.and_then(|upkeep| upkeep.gc(GcRequest::default()));
        assert_eq!(result.is_err(), disk.stopped(), "only a stop makes it fail: {result:?}");
        if end == End::PowerCut {
            disk.cut_power(root);
        }

        let upkeep = open(root, real).unwrap();
        let context = format!("{end:?} at operation {budget}");
        assert_eq!(upkeep.store.fsck().unwrap(), [], "{context}");
        assert_eq!(upkeep.check_layers(Repair::No, &Cancel::default()).unwrap(), [], "{context}");
        upkeep.gc(GcRequest::default()).unwrap();
        assert_eq!(upkeep.layers.names().unwrap().len(), 2, "{context}");
        assert_eq!(upkeep.usage().unwrap().content.blob_count, 6, "{context}");
        let layers = upkeep.layers.root();
        assert_eq!(std::fs::read_dir(layers.join("ingest")).unwrap().count(), 0, "{context}");
        for lower in upkeep.snapshots.get("s").unwrap().record().lowers.iter() {
            assert!(lower.exists(), "{context}");
        }
        if !disk.stopped() {
            assert!(budget > 15, "the collection has only {budget} operations");
            return;
        }
    }
}

#[test]
fn a_killed_collection_leaves_a_store_that_goes_on() {
    stop_everywhere(End::Killed);
}

#[test]
fn a_power_cut_in_a_collection_leaves_a_store_that_goes_on() {
    stop_everywhere(End::PowerCut);
}

/// A command's work on a store that has the image `base`; it names `new`.
type Work = fn(&Upkeep) -> Result<(), Box<dyn std::error::Error>>;

/// Two images in one archive, of which one shares its layer with `base`.
fn load(upkeep: &Upkeep) -> Result<(), Box<dyn std::error::Error>> {
    let elsewhere = tempfile::tempdir()?;
    let other = open(elsewhere.path(), Arc::new(RealDisk::new(Durability::NoSync)))?;
    let images = ["new", "base"].map(|name| (format!("r.io/{name}:1"), make(&other, name)));
    let mut archive = Vec::new();
    copy::save(&other.store, &images, ArchiveForm::Docker, &mut archive)?;
    let lease = upkeep.store.lease()?;
    let loaded = copy::load(&upkeep.store, &lease, archive.as_slice(), Path::new("archive"))?;
    for entry in loaded.into_iter().filter(|entry| entry.name.contains("new")) {
        upkeep.store.tag(&ImageEntry { name: "new".to_owned(), ..entry })?;
    }
    Ok(())
}

/// A layer on top of `base`, as `commit` and `repack` make it.
fn commit(upkeep: &Upkeep) -> Result<(), Box<dyn std::error::Error>> {
    let base = upkeep.store.resolve("base")?;
    let lease = upkeep.store.lease()?;
    lease.take(&base.target)?;
    let image = StoredImage::load(&upkeep.store, &base.target)?;
    let mut sink = LayerSink::new(&upkeep.store, &lease)?;
    std::io::Write::write_all(&mut sink, &layer("changed"))?;
    let (created, created_by) = ("2024-01-02T03:04:05Z".to_owned(), "test".to_owned());
    let note = LayerNote { created, created_by };
    let target = sink.finish(&image, Placement::OnTop, &note)?;
    Ok(upkeep.store.tag(&ImageEntry::new("new", target))?)
}

fn stop_work_everywhere(work: Work, end: End) {
    for budget in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let real: Arc<dyn Disk> = Arc::new(RealDisk::new(Durability::NoSync));
        make(&open(root, Arc::clone(&real)).unwrap(), "base");

        let disk = StoppingDisk::new(budget);
        let stopping = open(root, Arc::clone(&disk) as Arc<dyn Disk>);
        let result = stopping.map_err(Box::from).and_then(|upkeep| work(&upkeep));
        assert!(result.is_ok() || disk.stopped(), "only a stop makes it fail: {result:?}");
        if end == End::PowerCut {
            disk.cut_power(root);
        }

        let upkeep = open(root, real).unwrap();
        let context = format!("{end:?} at operation {budget}");
        assert_eq!(upkeep.store.fsck().unwrap(), [], "{context}");
        // What was reported done survives: only the lease's file may be left.
        assert!(result.is_err() || upkeep.store.resolve("new").is_ok(), "{context}");
        work(&upkeep).unwrap_or_else(|error| panic!("{context}: {error}"));
        let names: Vec<String> =
            upkeep.store.list().unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["base", "new"], "{context}");
        upkeep.gc(GcRequest::default()).unwrap();
        assert_eq!(upkeep.store.fsck().unwrap(), [], "{context}");
        for place in ["ingest", "leases"] {
            let left = std::fs::read_dir(upkeep.store.private(place)).unwrap().count();
            assert_eq!(left, 0, "{context}: {place}");
        }
        if !disk.stopped() {
            assert!(budget > 15, "the work has only {budget} operations");
            return;
        }
    }
}

#[test]
fn a_load_that_stops_leaves_a_store_that_goes_on() {
    stop_work_everywhere(load, End::Killed);
    stop_work_everywhere(load, End::PowerCut);
}

#[test]
fn a_commit_that_stops_leaves_a_store_that_goes_on() {
    stop_work_everywhere(commit, End::Killed);
    stop_work_everywhere(commit, End::PowerCut);
}

/// A snapshot that was there before goes, and one is made.
fn replace_snapshot(upkeep: &Upkeep, chain: &Chain) -> Result<(), UpkeepError> {
    upkeep.remove_snapshot("old")?;
    upkeep.snapshots.prepare("new", chain, SnapshotKind::Active)?;
    Ok(())
}

fn stop_snapshots_everywhere(end: End) {
    for budget in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let real: Arc<dyn Disk> = Arc::new(RealDisk::new(Durability::NoSync));
        let upkeep = open(root, Arc::clone(&real)).unwrap();
        let image = StoredImage::load(&upkeep.store, &make(&upkeep, "base")).unwrap();
        let chain = image.unpack(&upkeep.layers, &Cancel::default()).unwrap();
        upkeep.snapshots.prepare("old", &chain, SnapshotKind::Active).unwrap();
        let upper = upkeep.snapshots.get("old").unwrap().upper().unwrap();
        std::fs::write(upper.join("changed"), "x").unwrap();

        let disk = StoppingDisk::new(budget);
        let snapshots = Snapshots::open_on(root.join("snapshots"), Arc::clone(&disk) as _).unwrap();
        let stopping = Upkeep { snapshots, ..open(root, Arc::clone(&real)).unwrap() };
        let result = replace_snapshot(&stopping, &chain);
        assert_eq!(result.is_err(), disk.stopped(), "only a stop makes it fail: {result:?}");
        if end == End::PowerCut {
            disk.cut_power(root);
        }

        let upkeep = open(root, real).unwrap();
        let context = format!("{end:?} at operation {budget}");
        // Whatever has a name is whole; what was reported done is so.
        for id in upkeep.snapshots.ids().unwrap() {
            let snapshot = upkeep.snapshots.get(&id).unwrap_or_else(|e| panic!("{context}: {e}"));
            assert_eq!(snapshot.record().chain_id, chain.chain_id, "{context}");
            assert!(id != "old" || upper.join("changed").exists(), "{context}: {id} lacks a file");
        }
        if result.is_ok() {
            assert_eq!(upkeep.snapshots.ids().unwrap(), ["new"], "{context}");
        }
        for id in upkeep.snapshots.ids().unwrap() {
            upkeep.remove_snapshot(&id).unwrap();
        }
        upkeep.snapshots.prepare("new", &chain, SnapshotKind::Active).unwrap();
        upkeep.gc(GcRequest::default()).unwrap();
        let left = std::fs::read_dir(root.join("snapshots")).unwrap().flatten();
        let mut left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, [".lock", "new"], "{context}");
        if !disk.stopped() {
            assert!(budget > 8, "the work has only {budget} operations");
            return;
        }
    }
}

#[test]
fn a_snapshot_that_stops_on_its_way_in_or_out_is_whole_or_gone() {
    stop_snapshots_everywhere(End::Killed);
    stop_snapshots_everywhere(End::PowerCut);
}

/// That of a read-only mount is not synced when it is made: a power cut may leave its record empty.
#[test]
fn a_snapshot_whose_record_was_lost_is_in_nobodys_way() {
    let directory = tempfile::tempdir().unwrap();
    let upkeep = open(directory.path(), Arc::new(RealDisk::new(Durability::NoSync))).unwrap();
    let target = make(&upkeep, "base");
    let image = StoredImage::load(&upkeep.store, &target).unwrap();
    let chain = image.unpack(&upkeep.layers, &Cancel::default()).unwrap();
    for id in ["kept", "lost", "lost-too"] {
        upkeep.snapshots.prepare(id, &chain, SnapshotKind::View).unwrap();
    }
    for id in ["lost", "lost-too"] {
        std::fs::write(directory.path().join("snapshots").join(id).join("record.json"), b"")
            .unwrap();
    }
    upkeep.gc(GcRequest::default()).unwrap();
    assert_eq!(upkeep.snapshots.all().unwrap().len(), 1);
    assert!(matches!(upkeep.snapshots.get("lost"), Err(SnapshotError::NotFound { .. })));
    // It can be removed, and made again without that.
    upkeep.remove_snapshot("lost-too").unwrap();
    upkeep.snapshots.prepare("lost", &chain, SnapshotKind::View).unwrap();
    assert_eq!(upkeep.snapshots.ids().unwrap(), ["kept", "lost"]);
    // A record with something else in it is damage, which nobody passes over.
    std::fs::write(directory.path().join("snapshots/lost/record.json"), b"{").unwrap();
    assert!(upkeep.gc(GcRequest::default()).is_err());
    assert!(upkeep.snapshots.prepare("lost", &chain, SnapshotKind::View).is_err());
}
