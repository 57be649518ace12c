//! Stops a collection at its n-th file operation, for every n, and collects again.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::image::{Descriptor, ImageManifest, media};
use crate::layer::tar::{Entry, TarWriter};
use crate::layer::{Cancel, Ownership, UnpackOptions};
use crate::snapshot::{SnapshotKind, StoredImage};
use crate::store::crash_tests::{End, StoppingDisk};
use crate::store::{Disk, Durability, GcRequest, ImageEntry, RealDisk};

fn open(root: &Path, disk: Arc<dyn Disk>) -> Result<Upkeep, UpkeepError> {
    let options = UnpackOptions {
        durability: crate::layer::Durability::NoSync,
        ownership: Ownership::Caller,
        ..UnpackOptions::default()
    };
    let store = Store::open(&root.join("images"), Arc::clone(&disk))?;
    let layers = LayerStore::open_on(root.join("images/x-imgmgr/layers"), options, disk)?;
    Ok(Upkeep { store, layers, snapshots: Snapshots::open(root.join("snapshots"))? })
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
