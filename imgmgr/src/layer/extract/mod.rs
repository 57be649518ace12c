//! Extraction: entries of a tar stream become files beneath a directory descriptor.
//!
//! | entry | calls in the usual case |
//! |---|---|
//! | file | `openat(O_CREAT\|O_EXCL)` `write`* (`fchown`) (`fchmod`) (`fsetxattr`)* `futimens` `close` |
//! | directory | `mkdirat` `openat` (`fchown`) (`fchmod`) ... times when all is done |
//! | link, device, pipe | `symlinkat`/`mknodat` `openat(O_PATH)` `fstat` [...] `utimensat` `close` |
//! | hard link | `openat2` `linkat` |
//!
//! Calls in brackets are left out where they would change nothing.

mod below;
mod facts;
mod metadata;
mod names;
mod nodes;
mod path;
mod remove;
mod tree;
mod whiteout;

pub use below::{Below, BelowKind};
pub use facts::LayerFacts;
pub(crate) use metadata::copy_directory_and_times as copy_directory_metadata;
pub(crate) use remove::remove as remove_tree;

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::BufRead;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Mode, OFlags, Timestamps, fchmod, openat, utimensat};
use rustix::io::Errno;

use self::metadata::Creator;
pub(in crate::layer) use self::names::check_names;
pub(in crate::layer) use self::tree::times;
use self::tree::{DIR, Tree, failed, refused};
use self::whiteout::Name;
use super::narrow;
use super::tar::{Entry, EntryKind, TarReader};
use super::{Cancel, LayerError, LayerForm, UnpackOptions};
use crate::store::SyncAhead;

/// What an extraction did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extracted {
    pub(super) entries: u64,
    pub(super) facts: LayerFacts,
}

/// One layer on its way into a directory.
struct Extraction<'x> {
    options: &'x UnpackOptions,
    tree: Tree<'x>,
    creator: Creator,
    /// False once a directory passes group, mode or ACL on to what is made in it.
    plain_parents: bool,
    created: Created,
    links: nodes::LinkParent,
    ahead: Option<&'x SyncAhead>,
}

/// Extracts all entries of `reader` beneath `root`.
pub(super) fn extract<R: BufRead>(
    reader: &mut TarReader<R>,
    root: BorrowedFd<'_>,
    below: Option<&dyn Below>,
    options: &UnpackOptions,
    ahead: Option<&SyncAhead>,
    cancel: &Cancel,
) -> Result<Extracted, LayerError> {
    let plain_parents = options.form != LayerForm::Flat && passes_nothing_on(root)?;
    let mut extraction = Extraction {
        options,
        tree: Tree::new(root, options, below),
        creator: Creator::probe(),
        plain_parents,
        created: Created::new(options.form),
        links: nodes::LinkParent::default(),
        ahead,
    };
    match options.form {
        LayerForm::Flat => extraction.tree.keep_times(Vec::new(), root)?,
        // A layer in a store is the same whenever it is unpacked.
        _ => extraction.tree.date_root_at_epoch(),
    }
    let mut entries = 0u64;
    let mut cleaned = Vec::new();
    let mut root_described = false;
    while reader.next_entry()?.is_some() {
        if cancel.is_cancelled() {
            return Err(LayerError::Cancelled);
        }
        entries += 1;
        if entries > options.limits.max_entries {
            let value = options.limits.max_entries;
            return Err(LayerError::Limit { limit: "max_entries", value });
        }
        path::clean(&reader.entry().path, &mut cleaned)
            .map_err(|reason| refused(&reader.entry().path, reason))?;
        if cleaned.is_empty() {
            extraction.describe_root(reader.entry(), root)?;
            root_described = true;
            continue;
        }
        extraction.entry(&cleaned, reader)?;
    }
    let mut facts = extraction.finish()?;
    if !root_described && options.form != LayerForm::Flat {
        facts.implied.push(Vec::new());
    }
    facts.implied.sort();
    Ok(Extracted { entries, facts })
}

impl Extraction<'_> {
    fn entry<R: BufRead>(
        &mut self,
        path: &[u8],
        reader: &mut TarReader<R>,
    ) -> Result<(), LayerError> {
        let (dir, name) = path::split(path);
        if dir.split(|b| *b == b'/').any(whiteout::is_reserved) {
            if whiteout::is_aufs_directory(dir) {
                return Ok(());
            }
            return Err(refused(path, "a parent of it has a whiteout's name"));
        }
        let name = match whiteout::classify(name) {
            Ok(Name::Plain(name)) => name,
            Ok(Name::Whiteout(hidden)) => {
                self.tree.enter(dir)?;
                return self.whiteout(hidden);
            }
            Ok(Name::Opaque) => {
                self.tree.enter(dir)?;
                return self.opaque();
            }
            Ok(Name::AufsMetadata) => return Ok(()),
            Err(reason) => return Err(refused(path, reason)),
        };
        self.tree.enter(dir)?;
        self.created.note(|| self.tree.path_of(name));
        let kind = reader.entry().kind;
        match kind {
            EntryKind::Regular => self.file(name, reader),
            EntryKind::Directory => self.directory(name, reader.entry()),
            EntryKind::HardLink => self.hard_link(name, reader.entry()),
            EntryKind::Symlink => self.symlink(name, reader.entry()),
            EntryKind::CharDevice | EntryKind::BlockDevice => self.device(name, reader.entry()),
            EntryKind::Fifo => self.fifo(name, reader.entry()),
        }
    }

    /// Sets what waited until nothing more happens in a directory: times, and narrow modes.
    fn finish(mut self) -> Result<LayerFacts, LayerError> {
        let ends = std::mem::take(&mut self.tree.ends);
        let mut ends: Vec<_> = ends.into_iter().collect();
        ends.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        for (dir, end) in &ends {
            let times = Timestamps { last_access: end.atime, last_modification: end.mtime };
            let (parent, name) = path::split(dir);
            if name.is_empty() {
                let root = self.tree.root();
                rustix::fs::futimens(root, &times).map_err(|e| failed("futimens", dir, e))?;
                if let Some(mode) = end.mode {
                    fchmod(root, mode).map_err(|e| failed("fchmod", dir, e))?;
                }
                continue;
            }
            self.tree.enter_existing(parent)?;
            let parent = self.tree.current_dir();
            if let Some(mode) = end.mode {
                match openat(parent, name, OFlags::PATH | DIR, Mode::empty()) {
                    Ok(fd) => narrow::set_mode(fd.as_fd(), mode),
                    // Something else is in its place.
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                    Err(e) => Err(e),
                }
                .map_err(|e| failed("chmod", dir, e))?;
            }
            match utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(e) => return Err(failed("utimensat", dir, e)),
            }
        }
        Ok(self.tree.facts)
    }

    /// Notes that a new directory hands something on to what is made in it.
    fn note_directory(&mut self, entry: &Entry) {
        let acl = |(name, _): &(Vec<u8>, Vec<u8>)| name == b"system.posix_acl_default";
        if entry.mode & 0o2000 != 0 || entry.xattrs.iter().any(acl) {
            self.plain_parents = false;
        }
    }
}

/// True if what is made in `dir` gets our group and the mode we ask for.
fn passes_nothing_on(dir: BorrowedFd<'_>) -> Result<bool, LayerError> {
    let stat = rustix::fs::fstat(dir).map_err(|e| failed("fstat", b"", e))?;
    let acl = metadata::list_xattrs(dir).map_err(|e| failed("flistxattr", b"", e))?;
    Ok(stat.st_mode & 0o2000 == 0 && !acl.iter().any(|name| &**name == c"system.posix_acl_default"))
}

/// Which paths this layer itself made: whiteouts don't reach them. Needed only where whiteouts
/// are applied.
struct Created {
    hashes: Option<HashSet<u64>>,
    hasher: RandomState,
}

impl Created {
    fn new(form: LayerForm) -> Self {
        let hashes = (form == LayerForm::Flat).then(HashSet::new);
        Self { hashes, hasher: RandomState::new() }
    }

    /// Notes a path and, since it makes them part of the layer, its parents.
    fn note(&mut self, path: impl FnOnce() -> Vec<u8>) {
        let Some(hashes) = &mut self.hashes else { return };
        let mut path = path();
        while !path.is_empty() && hashes.insert(self.hasher.hash_one(&path)) {
            path::pop(&mut path);
        }
    }

    fn has(&self, path: &[u8]) -> bool {
        self.hashes.as_ref().is_some_and(|hashes| hashes.contains(&self.hasher.hash_one(path)))
    }
}
