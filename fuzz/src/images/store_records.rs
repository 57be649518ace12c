//! Any text as what the store keeps of layers and snapshots: what is read is what was written.

use imgmgr::layer::store::facts;
use imgmgr::snapshot::{Manifest, Record};

use crate::text_of;

pub(crate) fn run(bytes: &[u8]) {
    let text = text_of(bytes);
    if let Some(read) = facts::parse(text) {
        assert!(read.implied.is_sorted());
        assert_eq!(facts::parse(&facts::format(&read)).as_ref(), Some(&read));
    }
    if let Some(manifest) = Manifest::parse(text) {
        assert_eq!(Manifest::parse(&manifest.to_text()).as_ref(), Some(&manifest));
    }
    if let Ok(record) = serde_json::from_slice::<Record>(bytes) {
        let written = serde_json::to_vec(&record).expect("what was read can be written");
        assert_eq!(serde_json::from_slice::<Record>(&written).expect("accepted before"), record);
    }
}
