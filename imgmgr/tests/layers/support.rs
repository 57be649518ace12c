//! What the layer tests share: a tar generator that knows nothing of the product's writer, an
//! exact record of a directory tree, and the peers.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use imgmgr::layer::{Cancel, LayerDescriptor, LayerError, UnpackOptions, Unpacked, Unpacker};
use sha2::{Digest as _, Sha256};

/// Bytes of a tar archive in the making.
#[derive(Default)]
pub(crate) struct Tar(pub(crate) Vec<u8>);

/// One header, with every field as text or bytes of the test's choice.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) typeflag: u8,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) mtime: i64,
    pub(crate) device: (u32, u32),
    pub(crate) gnu: bool,
}

impl Head {
    pub(crate) fn new(name: impl AsRef<[u8]>, typeflag: u8, mode: u32) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            link: Vec::new(),
            typeflag,
            mode,
            uid: 0,
            gid: 0,
            mtime: 1_600_000_000,
            device: (0, 0),
            gnu: false,
        }
    }

    pub(crate) fn link(mut self, link: impl AsRef<[u8]>) -> Self {
        self.link = link.as_ref().to_vec();
        self
    }

    pub(crate) fn owner(mut self, uid: u64, gid: u64) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    pub(crate) fn mtime(mut self, mtime: i64) -> Self {
        self.mtime = mtime;
        self
    }

    pub(crate) fn device(mut self, major: u32, minor: u32) -> Self {
        self.device = (major, minor);
        self
    }

    pub(crate) fn gnu(mut self) -> Self {
        self.gnu = true;
        self
    }
}

impl Tar {
    /// Appends header and data.
    pub(crate) fn add(&mut self, head: &Head, data: &[u8]) -> &mut Self {
        self.add_with(head, data, |_| {})
    }

    /// Appends header, changed by `edit` before its checksum is made, and data.
    pub(crate) fn add_with(
        &mut self,
        head: &Head,
        data: &[u8],
        edit: impl Fn(&mut [u8]),
    ) -> &mut Self {
        let mut block = [0u8; 512];
        put(&mut block[0..100], &head.name);
        put(&mut block[100..108], format!("{:07o}", head.mode).as_bytes());
        number(&mut block[108..116], i128::from(head.uid));
        number(&mut block[116..124], i128::from(head.gid));
        number(&mut block[124..136], i128::try_from(data.len()).unwrap());
        number(&mut block[136..148], i128::from(head.mtime));
        block[156] = head.typeflag;
        put(&mut block[157..257], &head.link);
        block[257..265].copy_from_slice(if head.gnu { b"ustar  \0" } else { b"ustar\x0000" });
        number(&mut block[329..337], i128::from(head.device.0));
        number(&mut block[337..345], i128::from(head.device.1));
        edit(&mut block);
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&block);
        self.raw(data)
    }

    /// Appends data, padded to a block.
    pub(crate) fn raw(&mut self, data: &[u8]) -> &mut Self {
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// Appends a PAX header for the next entry (`x`) or all (`g`).
    pub(crate) fn pax(&mut self, typeflag: u8, records: &[(&str, &[u8])]) -> &mut Self {
        let mut body = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let len = (rest + 1..).find(|len| rest + len.to_string().len() == *len).unwrap();
            body.extend_from_slice(format!("{len} {key}=").as_bytes());
            body.extend_from_slice(value);
            body.push(b'\n');
        }
        self.add(&Head::new("PaxHeaders.0/x", typeflag, 0o644), &body)
    }

    /// Appends GNU's long name (`L`) or long link (`K`) header.
    pub(crate) fn gnu_long(&mut self, typeflag: u8, text: &[u8]) -> &mut Self {
        let body = [text, b"\0"].concat();
        self.add(&Head::new("././@LongLink", typeflag, 0).gnu(), &body)
    }

    pub(crate) fn file(&mut self, name: impl AsRef<[u8]>, data: &[u8]) -> &mut Self {
        self.add(&Head::new(name, b'0', 0o644), data)
    }

    pub(crate) fn dir(&mut self, name: impl AsRef<[u8]>) -> &mut Self {
        self.add(&Head::new(name, b'5', 0o755), b"")
    }

    pub(crate) fn symlink(
        &mut self,
        name: impl AsRef<[u8]>,
        target: impl AsRef<[u8]>,
    ) -> &mut Self {
        self.add(&Head::new(name, b'2', 0o777).link(target), b"")
    }

    pub(crate) fn hard_link(
        &mut self,
        name: impl AsRef<[u8]>,
        target: impl AsRef<[u8]>,
    ) -> &mut Self {
        self.add(&Head::new(name, b'1', 0o644).link(target), b"")
    }

    /// The archive with its end.
    pub(crate) fn end(&self) -> Vec<u8> {
        [self.0.as_slice(), &[0; 1024]].concat()
    }
}

fn put(field: &mut [u8], text: &[u8]) {
    let n = text.len().min(field.len());
    field[..n].copy_from_slice(&text[..n]);
}

/// Octal if it fits, else base-256.
fn number(field: &mut [u8], value: i128) {
    let digits = field.len() - 1;
    let octal = format!("{value:0digits$o}");
    if value >= 0 && octal.len() <= digits {
        return put(field, octal.as_bytes());
    }
    let bytes = value.to_be_bytes();
    let n = field.len();
    field.copy_from_slice(&bytes[16 - n..]);
    field[0] |= 0x80;
}

/// Everything about one path that an unpack decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) kind_and_mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) mtime: (i64, i64),
    /// Directories' sizes and link counts belong to the file system.
    pub(crate) size: u64,
    pub(crate) device: u64,
    pub(crate) links: u64,
    /// The first path, in order, that is the same file.
    pub(crate) same_as: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) digest: String,
    pub(crate) xattrs: BTreeMap<String, Vec<u8>>,
    /// True if fewer than half of its bytes have blocks.
    pub(crate) sparse: bool,
}

/// Records a tree, without following links; the root is `.`.
pub(crate) fn record(root: &Path) -> BTreeMap<PathBuf, Record> {
    let mut records = BTreeMap::new();
    let mut inodes = BTreeMap::new();
    let mut paths = vec![PathBuf::new()];
    let mut all = Vec::new();
    while let Some(path) = paths.pop() {
        let full = root.join(&path);
        if fs::symlink_metadata(&full).unwrap().is_dir() {
            for child in fs::read_dir(&full).unwrap() {
                paths.push(path.join(child.unwrap().file_name()));
            }
        }
        all.push(path);
    }
    all.sort();
    for path in all {
        let full = if path.as_os_str().is_empty() { root.to_owned() } else { root.join(&path) };
        let meta = fs::symlink_metadata(&full).unwrap();
        let is_dir = meta.is_dir();
        let same_as = inodes.entry(meta.ino()).or_insert_with(|| path.clone()).clone();
        let digest = if meta.is_file() { digest(&fs::read(&full).unwrap()) } else { String::new() };
        let record = Record {
            kind_and_mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            size: if is_dir { 0 } else { meta.size() },
            device: if is_dir { 0 } else { meta.rdev() },
            links: if is_dir { 0 } else { meta.nlink() },
            same_as,
            target: fs::read_link(&full).unwrap_or_default(),
            digest,
            xattrs: xattrs(&full),
            sparse: meta.is_file() && meta.size() > 65536 && meta.blocks() * 1024 < meta.size(),
        };
        records.insert(path, record);
    }
    records
}

fn xattrs(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut list = vec![0; 65536];
    let Ok(len) = rustix::fs::llistxattr(path, &mut list[..]) else { return BTreeMap::new() };
    let names = list[..len].split(|b| *b == 0).filter(|n| !n.is_empty());
    names
        .map(|name| {
            let mut value = vec![0; 65536];
            let key = CString::new(name).unwrap();
            let len = rustix::fs::lgetxattr(path, &key, &mut value[..]).unwrap();
            (String::from_utf8_lossy(name).into_owned(), value[..len].to_vec())
        })
        .collect()
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

/// Says what differs, one line a path, empty if nothing.
pub(crate) fn differences(
    ours: &BTreeMap<PathBuf, Record>,
    theirs: &BTreeMap<PathBuf, Record>,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, our) in ours {
        match theirs.get(path) {
            None => lines.push(format!("{path:?}: only ours")),
            Some(their) if their != our => {
                lines.push(format!("{path:?}:\n  ours   {our:?}\n  theirs {their:?}"));
            }
            Some(_) => {}
        }
    }
    for path in theirs.keys().filter(|path| !ours.contains_key(*path)) {
        lines.push(format!("{path:?}: only theirs"));
    }
    lines
}

pub(crate) const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const TAR_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// The true descriptor of `bytes`, whose tar is `tar`.
pub(crate) fn descriptor(media_type: &str, bytes: &[u8], tar: &[u8]) -> LayerDescriptor {
    LayerDescriptor {
        media_type: media_type.to_owned(),
        digest: digest(bytes).parse().unwrap(),
        size: u64::try_from(bytes.len()).unwrap(),
        diff_id: Some(digest(tar).parse().unwrap()),
    }
}

/// Unpacks an uncompressed archive into an existing directory.
pub(crate) fn unpack(
    tar: &[u8],
    into: &Path,
    options: UnpackOptions,
) -> Result<Unpacked, LayerError> {
    let dir = File::open(into).unwrap();
    let layer = descriptor(TAR, tar, tar);
    Unpacker::new(options).unpack(tar, &layer, dir.as_fd(), &Cancel::default())
}

/// Unpacks with GNU tar, every attribute kept.
pub(crate) fn gnu_tar(tar: &[u8], into: &Path) -> Result<(), String> {
    let mut child = Command::new("tar")
        .args(["--xattrs", "--xattrs-include=*", "--numeric-owner", "--same-owner", "-xpf", "-"])
        .arg("-C")
        .arg(into)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // GNU tar may stop reading at the archive's end.
    let _ = stdin.write_all(tar);
    drop(stdin);
    let out = child.wait_with_output().unwrap();
    if out.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&out.stderr).into()) }
}

/// Unpacks layers with umoci, by way of an image layout made for it.
pub(crate) fn umoci(layers: &[Vec<u8>], into: &Path) -> Result<(), String> {
    let layout = tempfile::tempdir().unwrap();
    let names: Vec<_> =
        layers.iter().map(|tar| (TAR.to_owned(), tar.clone(), digest(tar))).collect();
    write_layout(layout.path(), &names, "{}");
    let image = format!("{}:latest", layout.path().display());
    let out = Command::new("umoci")
        .args(["raw", "unpack", "--image", &image])
        .arg(into)
        .output()
        .unwrap();
    if out.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&out.stderr).into()) }
}

/// Writes an OCI image layout of one image: (media type, bytes, diff ID) of each layer.
pub(crate) fn write_layout(layout: &Path, layers: &[(String, Vec<u8>, String)], config: &str) {
    let blob = |bytes: &[u8]| {
        let dir = layout.join("blobs/sha256");
        fs::create_dir_all(&dir).unwrap();
        let name = digest(bytes);
        fs::write(dir.join(&name["sha256:".len()..]), bytes).unwrap();
        format!(r#""digest":"{name}","size":{}"#, bytes.len())
    };
    let diff_ids: Vec<_> = layers.iter().map(|(_, _, id)| format!("{id:?}")).collect();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{config},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        diff_ids.join(",")
    );
    let config = blob(config.as_bytes());
    let layers: Vec<_> = layers
        .iter()
        .map(|(media_type, bytes, _)| format!(r#"{{"mediaType":{media_type:?},{}}}"#, blob(bytes)))
        .collect();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json",{config}}},"layers":[{}]}}"#,
        layers.join(",")
    );
    let manifest = blob(manifest.as_bytes());
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(
        layout.join("index.json"),
        format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json",{manifest},"annotations":{{"org.opencontainers.image.ref.name":"latest"}}}}]}}"#
        ),
    )
    .unwrap();
}

/// False, with a word about it, if a test can't run here; with `REQUIRE_ALL=1` that is a failure.
pub(crate) fn can_run(what: &str, possible: bool) -> bool {
    if !possible {
        let required = std::env::var_os("REQUIRE_ALL").is_some_and(|v| v == *"1");
        assert!(!required, "REQUIRE_ALL=1, but {what} is missing");
        eprintln!("skipped: {what} is missing");
    }
    possible
}

/// The command; on another machine than it was built on, it is where `IMGMGR` says.
pub(crate) fn imgmgr() -> std::ffi::OsString {
    std::env::var_os("IMGMGR").unwrap_or_else(|| env!("CARGO_BIN_EXE_imgmgr").into())
}

/// Whether this is Linux `wanted` or newer.
pub(crate) fn is_linux(wanted: (u32, u32)) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= wanted
}

/// True for root in the first user namespace's sense: devices and owners work.
pub(crate) fn is_root() -> bool {
    can_run("root", rustix::process::geteuid().is_root())
}

/// True if a program is on the PATH.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    can_run(program, std::env::split_paths(&path).any(|dir| dir.join(program).exists()))
}

/// True if `/bin/busybox` runs where there are no libraries: no program header names a loader.
pub(crate) fn has_static_busybox() -> bool {
    let bytes = fs::read("/bin/busybox").unwrap_or_default();
    let number = |at: usize, len: usize| -> usize {
        let field = bytes.get(at..at + len).unwrap_or_default();
        field.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte))
    };
    // Of 64 bits and little-endian: where the headers are, and their size and number.
    let (start, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    const PT_INTERP: usize = 3;
    let is_static = (0..count).all(|i| number(start + i * size, 4) != PT_INTERP);
    can_run("a static busybox", bytes.starts_with(b"\x7fELF\x02\x01") && is_static)
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzEncoder::new(bytes, flate2::Compression::fast()).read_to_end(&mut out).unwrap();
    out
}

pub(crate) fn os(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}
