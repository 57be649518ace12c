//! Makes zstd:chunked and eStargz layers, true ones and ones whose table of contents lies.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};
use sha2::Digest as _;

/// Bytes of a chunk: larger files have several.
pub(crate) const CHUNK_BYTES: usize = 256 << 10;

/// A file of a layer; a directory if its name ends with `/`.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
}

impl File {
    /// A file whose content `seed` decides, of no use to a compressor.
    pub(crate) fn random(name: &str, seed: u64, len: usize) -> Self {
        let mut state = seed.wrapping_mul(2).wrapping_add(1);
        let content = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        });
        Self { name: name.to_owned(), content: content.take(len).collect() }
    }
}

/// A layer with all that is known of it.
pub(crate) struct Layer {
    pub(crate) blob: Vec<u8>,
    pub(crate) tar: Vec<u8>,
    pub(crate) media_type: &'static str,
    pub(crate) annotations: BTreeMap<String, String>,
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", sha2::Sha256::digest(bytes))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    ZstdChunked,
    Stargz,
}

/// Makes a layer whose table of contents, when it is done, `edit` may change.
pub(crate) fn layer(format: Format, files: &[File], edit: impl Fn(&mut Value)) -> Layer {
    layer_with(format, files, |mut toc| {
        edit(&mut toc);
        toc.to_string()
    })
}

/// Makes a layer whose table of contents `write` writes, given the true one.
pub(crate) fn layer_with(
    format: Format,
    files: &[File],
    write: impl FnOnce(Value) -> String,
) -> Layer {
    let mut writer = Writer { format, blob: Vec::new(), tar: Vec::new(), pending: Vec::new() };
    let mut entries = Vec::new();
    for file in files {
        writer.file(file, &mut entries);
    }
    let toc = write(json!({ "version": 1, "entries": entries }));
    let annotations = match format {
        Format::ZstdChunked => writer.end_zstd(toc.as_bytes()),
        Format::Stargz => writer.end_stargz(toc.as_bytes()),
    };
    let media_type = match format {
        Format::ZstdChunked => "application/vnd.oci.image.layer.v1.tar+zstd",
        Format::Stargz => "application/vnd.oci.image.layer.v1.tar+gzip",
    };
    Layer { blob: writer.blob, tar: writer.tar, media_type, annotations }
}

struct Writer {
    format: Format,
    blob: Vec<u8>,
    tar: Vec<u8>,
    /// Bytes of the tar that belong to no chunk and are not yet in the blob.
    pending: Vec<u8>,
}

impl Writer {
    fn pack(&self, bytes: &[u8]) -> Vec<u8> {
        match self.format {
            Format::ZstdChunked => zstd::encode_all(bytes, 3).unwrap(),
            Format::Stargz => {
                let mut encoder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    fn file(&mut self, file: &File, entries: &mut Vec<Value>) {
        let is_dir = file.name.ends_with('/');
        let mut header = tar::Header::new_ustar();
        header.set_path(&file.name).unwrap();
        header.set_size(file.content.len() as u64);
        header.set_mode(if is_dir { 0o755 } else { 0o644 });
        header.set_mtime(1_600_000_000);
        header.set_uid(0);
        header.set_gid(0);
        header.set_entry_type(if is_dir {
            tar::EntryType::Directory
        } else {
            tar::EntryType::Regular
        });
        header.set_cksum();
        self.pending.extend_from_slice(header.as_bytes());
        let mut first = json!({
            "type": if is_dir { "dir" } else { "reg" },
            "name": file.name,
            "mode": if is_dir { 0o755 } else { 0o644 },
            "size": file.content.len(),
            "modtime": "2020-09-13T12:26:40Z",
        });
        if !is_dir {
            first["digest"] = json!(digest(&file.content));
        }
        let mut list = vec![first];
        for (index, chunk) in file.content.chunks(CHUNK_BYTES).enumerate() {
            self.flush();
            if index > 0 {
                list.push(json!({ "type": "chunk", "name": file.name }));
            }
            list[index]["offset"] = json!(self.blob.len());
            list[index]["chunkOffset"] = json!(index * CHUNK_BYTES);
            list[index]["chunkSize"] = json!(chunk.len());
            list[index]["chunkDigest"] = json!(digest(chunk));
            self.pending.extend_from_slice(chunk);
            if self.format == Format::ZstdChunked {
                self.flush();
                list[0]["endOffset"] = json!(self.blob.len());
            }
        }
        let padded = file.content.len().next_multiple_of(512);
        self.pending.resize(self.pending.len() + padded - file.content.len(), 0);
        entries.append(&mut list);
    }

    /// Ends a frame or member.
    fn flush(&mut self) {
        if !self.pending.is_empty() {
            let packed = self.pack(&self.pending);
            self.blob.extend_from_slice(&packed);
            self.tar.append(&mut self.pending);
        }
    }

    fn skippable(&mut self, bytes: &[u8]) -> usize {
        self.blob.extend_from_slice(&[0x50, 0x2a, 0x4d, 0x18]);
        self.blob.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
        self.blob.extend_from_slice(bytes);
        self.blob.len() - bytes.len()
    }

    fn end_zstd(&mut self, toc: &[u8]) -> BTreeMap<String, String> {
        self.pending.extend_from_slice(&[0; 1024]);
        self.flush();
        let packed = self.pack(toc);
        let at = self.skippable(&packed);
        let split = self.pack(b"not read by us");
        let split_at = self.skippable(&split);
        let numbers = [at, packed.len(), toc.len(), 1, split_at, split.len(), 14];
        let mut footer: Vec<u8> =
            numbers.iter().flat_map(|number| (*number as u64).to_le_bytes()).collect();
        footer.extend_from_slice(b"GNUlInUx");
        self.skippable(&footer);
        let position = format!("{at}:{}:{}:1", packed.len(), toc.len());
        let key = |name| format!("io.github.containers.zstd-chunked.manifest-{name}");
        let checksum = digest(&packed);
        [(key("checksum"), checksum), (key("position"), position)].into()
    }

    fn end_stargz(&mut self, toc: &[u8]) -> BTreeMap<String, String> {
        self.flush();
        let at = self.blob.len();
        let mut header = tar::Header::new_ustar();
        header.set_path("stargz.index.json").unwrap();
        header.set_size(toc.len() as u64);
        header.set_mode(0o444);
        header.set_cksum();
        self.pending.extend_from_slice(header.as_bytes());
        self.pending.extend_from_slice(toc);
        self.pending.resize(self.pending.len().next_multiple_of(512) + 1024, 0);
        self.flush();
        self.blob.extend_from_slice(&[0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0]);
        self.blob.extend_from_slice(b"SG\x16\0");
        self.blob.extend_from_slice(format!("{at:016x}STARGZ").as_bytes());
        self.blob.extend_from_slice(&[1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
        let key = "containerd.io/snapshot/stargz/toc.digest".to_owned();
        [(key, digest(toc))].into()
    }
}
