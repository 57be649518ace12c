//! Seals layers, so that a read fails where the disk has changed a byte.
//!
//! ```text
//! layers/<name>/seal.erofs   the layer's metadata and the fs-verity digest of each of its files
//! layers/<name>/seal         the fs-verity digest of that
//! ```
//! Each file of `tree` gets fs-verity, in place, and so does the image. `seal` appears last, by
//! rename, once everything else is durable: an image without it is made again. A layer that `fsck`
//! replaces is sealed no more.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

use kernel::verity::{self, Digest};
use rustix::fs::{Timestamps, fstat, futimens};
use rustix::io::Errno;

use super::LayerStore;
use super::error::{self, LayerStoreError};
use crate::erofs::{self, FileBacking, Tree, TreeError};
use crate::layer::extract::times;

const HEADER: &str = "imgmgr-seal 1";
/// Most bytes of the record that are read.
const MAX_RECORD_BYTES: u64 = 4096;

/// A layer's metadata, open and found to be what was sealed.
#[derive(Debug)]
pub struct Sealed {
    image: File,
}

impl Sealed {
    /// Seals the directory `root` alone, at `path`, where nothing is then but what this says.
    ///
    /// # Errors
    /// As [`LayerStore::seal`].
    pub fn of_root(root: BorrowedFd<'_>, path: &Path) -> Result<Self, LayerStoreError> {
        let tree = erofs::read_root(root)
            .map_err(|source| LayerStoreError::Tree { path: path.to_owned(), source })?;
        match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(error::io("remove", path)(e));
            }
            _ => {}
        }
        let mut file = File::create_new(path).map_err(error::io("create", path))?;
        erofs::write(&tree, &mut file).map_err(error::io("write", path))?;
        drop(file);
        let image = File::open(path).map_err(error::io("open", path))?;
        verity::enable(&image).map_err(|errno| seal_error(path, errno))?;
        Ok(Self { image })
    }

    /// A path of the EROFS image, for as long as this lives in this process.
    #[must_use]
    pub fn image_path(&self) -> String {
        format!("/proc/self/fd/{}", self.image.as_raw_fd())
    }
}

impl LayerStore {
    /// Seals those of `trees`, which are trees of this store, that are not sealed.
    ///
    /// # Errors
    /// [`LayerStoreError::NoVerity`] where the file system has no fs-verity,
    /// [`LayerStoreError::Tree`] for a layer that EROFS can't describe.
    pub fn seal(&self, trees: &[PathBuf]) -> Result<(), LayerStoreError> {
        let (mut made, mut locks) = (Vec::new(), Vec::new());
        // Sorted: two processes with layers in common never wait for each other.
        let mut names =
            trees.iter().map(|tree| self.name_of(tree)).collect::<Result<Vec<_>, _>>()?;
        names.sort_unstable();
        names.dedup();
        for name in names {
            let lock = self.lock(&name)?;
            let dir = self.root.join(&name);
            if self.sealed_in(&dir)?.is_none() {
                made.push((self.make_seal(&name)?, dir));
                locks.push(lock);
            }
        }
        if made.is_empty() {
            return Ok(());
        }
        let root = File::open(&self.root).map_err(error::io("open", &self.root))?;
        self.disk.sync_all(&root).map_err(error::io("sync", &self.root))?;
        for (digest, dir) in made {
            let (new, path) = (dir.join("seal.new"), dir.join("seal"));
            self.disk.remove_file(&new).map_err(error::io("remove", &new))?;
            let file = self.disk.create_new(&new).map_err(error::io("create", &new))?;
            let text = format!("{HEADER}\n{}\n", hex(&digest));
            self.disk.write_at(&file, text.as_bytes(), 0).map_err(error::io("write", &new))?;
            self.disk.sync_data(&file).map_err(error::io("sync", &new))?;
            self.disk.rename(&new, &path).map_err(error::io("rename", &new))?;
            self.disk.sync_dir(&dir).map_err(error::io("sync", &dir))?;
        }
        Ok(())
    }

    /// The seal of `tree`, which is one of this store's.
    ///
    /// # Errors
    /// [`LayerStoreError::NotSealed`], [`LayerStoreError::BrokenSeal`].
    pub fn sealed(&self, tree: &Path) -> Result<Sealed, LayerStoreError> {
        let dir = self.root.join(self.name_of(tree)?);
        self.sealed_in(&dir)?.ok_or(LayerStoreError::NotSealed { path: dir })
    }

    /// Whether `tree` is sealed, by the looks of it.
    #[must_use]
    pub fn is_sealed(&self, tree: &Path) -> bool {
        self.name_of(tree).is_ok_and(|name| self.root.join(name).join("seal").exists())
    }

    /// What is wrong with the seal of the layer `name`, if it has one.
    pub(super) fn seal_problem(&self, name: &str) -> Result<Option<String>, LayerStoreError> {
        let dir = self.root.join(name);
        let sealed = match self.sealed_in(&dir) {
            Ok(None) => return Ok(None),
            Ok(Some(sealed)) => sealed,
            Err(error @ LayerStoreError::BrokenSeal { .. }) => return Ok(Some(error.to_string())),
            Err(error) => return Err(error),
        };
        let measure = |file: &File| verity::measure(file)?.ok_or(Errno::NODATA);
        let tree = match self.read_sealed(name, &measure) {
            Ok(tree) => tree,
            Err(error) => {
                let why = super::check::chain_of(&error);
                return Ok(Some(format!("its seal is of other files: {why}")));
            }
        };
        let mut differs = Differs { file: &sealed.image, found: false };
        let length = erofs::write(&tree, &mut differs).map_err(error::io("read", &dir))?;
        let stored = sealed.image.metadata().map_err(error::io("look at", &dir))?.len();
        let is_other = differs.found || length != stored;
        Ok(is_other.then(|| "its seal is of another tree".to_owned()))
    }

    /// Forgets the seal of the layer `name`.
    pub(super) fn unseal(&self, name: &str) -> Result<(), LayerStoreError> {
        let dir = self.root.join(name);
        for file in ["seal", "seal.erofs"] {
            let path = dir.join(file);
            self.disk.remove_file(&path).map_err(error::io("remove", &path))?;
            self.disk.sync_dir(&dir).map_err(error::io("sync", &dir))?;
        }
        Ok(())
    }

    /// Makes all but the record, for a layer that is locked; returns the digest of the image.
    fn make_seal(&self, name: &str) -> Result<Digest, LayerStoreError> {
        let enable = |file: &File| {
            let stat = fstat(file)?;
            let enabled = verity::enable(file);
            // ext4 takes it for a change, also where it fails.
            let (last_access, last_modification) = times(&stat);
            futimens(file, &Timestamps { last_access, last_modification })?;
            enabled?;
            verity::measure(file)?.ok_or(Errno::NODATA)
        };
        let tree = self.read_sealed(name, &enable)?;
        let path = self.root.join(name).join("seal.erofs");
        // What has fs-verity can't be written again.
        self.disk.remove_file(&path).map_err(error::io("remove", &path))?;
        let file = self.disk.create_new(&path).map_err(error::io("create", &path))?;
        let mut out = BufWriter::with_capacity(1 << 20, &file);
        erofs::write(&tree, &mut out)
            .and_then(|_| out.flush())
            .map_err(error::io("write", &path))?;
        drop(out);
        self.disk.sync_data(&file).map_err(error::io("sync", &path))?;
        drop(file);
        let file = File::open(&path).map_err(error::io("open", &path))?;
        enable(&file).map_err(|errno| seal_error(&path, errno))
    }

    fn read_sealed(
        &self,
        name: &str,
        digest: &dyn Fn(&File) -> Result<Digest, Errno>,
    ) -> Result<Tree, LayerStoreError> {
        let path = self.root.join(name).join("tree");
        let root = File::open(&path).map_err(error::io("open", &path))?;
        let prefix = format!("/{name}/tree/").into_bytes();
        let mut backing = |path: &[u8], file: &File| {
            let redirect = [prefix.as_slice(), path].concat();
            Ok(FileBacking { redirect, digest: Some(digest(file)?) })
        };
        erofs::read_tree(root.as_fd(), &mut backing).map_err(|source| {
            let errno = match &source {
                TreeError::Io { action: erofs::SEAL, source, .. } => Errno::from_io_error(source),
                _ => None,
            };
            match errno {
                Some(errno) if verity::is_missing(errno) => no_verity(&path, errno),
                _ => LayerStoreError::Tree { path: path.clone(), source },
            }
        })
    }

    fn sealed_in(&self, dir: &Path) -> Result<Option<Sealed>, LayerStoreError> {
        let path = dir.join("seal");
        let record = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(error::io("open", &path)(source)),
        };
        let mut text = String::new();
        record
            .take(MAX_RECORD_BYTES)
            .read_to_string(&mut text)
            .map_err(error::io("read", &path))?;
        let broken = |why| LayerStoreError::BrokenSeal { path: path.clone(), why };
        let mut lines = text.lines();
        let (Some(HEADER), Some(wanted), None) = (lines.next(), lines.next(), lines.next()) else {
            return Err(broken("it is not in its format"));
        };
        let image = dir.join("seal.erofs");
        let image = match File::open(&image) {
            Ok(image) => image,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(broken("it seals nothing"));
            }
            Err(source) => return Err(error::io("open", &image)(source)),
        };
        let measured = verity::measure(&image).map_err(error::errno("measure", &path))?;
        if measured.is_none_or(|measured| hex(&measured) != wanted) {
            return Err(broken("`seal.erofs` has another digest"));
        }
        Ok(Some(Sealed { image }))
    }

    /// The layer's name, from the path of its tree.
    fn name_of(&self, tree: &Path) -> Result<String, LayerStoreError> {
        let below = tree.strip_prefix(&self.root).ok().and_then(Path::to_str);
        let name = below.and_then(|below| below.strip_suffix("/tree"));
        let name = name.filter(|name| !name.contains('/'));
        name.map(str::to_owned).ok_or_else(|| LayerStoreError::NotSealed { path: tree.to_owned() })
    }
}

fn seal_error(path: &Path, errno: Errno) -> LayerStoreError {
    if verity::is_missing(errno) {
        no_verity(path, errno)
    } else {
        error::errno("seal", path)(errno)
    }
}

fn no_verity(path: &Path, source: Errno) -> LayerStoreError {
    LayerStoreError::NoVerity { path: path.to_owned(), source }
}

fn hex(digest: &Digest) -> String {
    let mut text = "sha256:".to_owned();
    for byte in digest {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Compares what is written with a file, from its start.
struct Differs<'f> {
    file: &'f File,
    found: bool,
}

impl Write for Differs<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut there = vec![0; bytes.len()];
        match self.file.read_exact(&mut there) {
            Ok(()) => self.found |= there != bytes,
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => self.found = true,
            Err(e) => return Err(e),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
