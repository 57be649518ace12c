//! Commands about whole root file systems: an image's, a snapshot's, what is mounted.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::Path;

use imgmgr::reference::Reference;
use imgmgr::repack::{LayerNote, LayerSink, Placement};
use imgmgr::snapshot::{
    Change, ChangeKind, DiffOptions, Snapshot, SnapshotKind, StoredImage, Tree, changes, diff,
    write_tar,
};
use imgmgr::store::{ImageEntry, Lease};
use imgmgr::whole_file::WholeFile;
use serde_json::json;

use super::args::{CommitArgs, DiffArgs, ExportArgs, FlattenArgs, Format, PlatformArgs};
use super::bundle::{created, epoch, load};
use super::context::Context;
use super::output::{CommandError, Done, json, line, print};
use super::snapshots::{absolute, chain, mounted};

pub(crate) fn export(context: &Context, args: &ExportArgs) -> Done {
    let (tree, _lease) = tree(context, &args.tree, &args.platform)?;
    let options = DiffOptions { latest: epoch()? };
    match &args.output {
        Some(path) => {
            let failed = |source| CommandError::file("write", path, source);
            let whole = WholeFile::create(path).map_err(failed)?;
            let out = BufWriter::new(whole.file());
            let (mut out, _) = write_tar(&tree, out, options).map_err(failed)?;
            out.flush().map_err(failed)?;
            drop(out);
            whole.keep().map_err(failed)
        }
        None if io::stdout().is_terminal() => {
            Err(CommandError::usage("a tar does not go to a terminal; use --output FILE"))
        }
        None => {
            let (mut out, _) = write_tar(&tree, BufWriter::new(io::stdout().lock()), options)?;
            Ok(out.flush()?)
        }
    }
}

pub(crate) fn flatten(context: &Context, args: &FlattenArgs) -> Done {
    let store = context.store()?;
    let (image, lease) = load(context, &args.image, &args.platform)?;
    let chain = image
        .unpack(&context.layers()?, &imgmgr::layer::Cancel::default())
        .map_err(CommandError::run)?;
    let name = match &args.tag {
        Some(name) => Reference::parse(name).map_err(CommandError::usage)?.to_string(),
        None => store.resolve(&args.image)?.name,
    };
    let latest = epoch()?;
    let sink = LayerSink::new(&store, &lease).map_err(CommandError::run)?;
    let (sink, _) = write_tar(&Tree::of_chain(&chain), sink, DiffOptions { latest })?;
    let note = LayerNote { created: created(latest), created_by: "imgmgr flatten".to_owned() };
    let target = sink.finish(&image, Placement::Alone, &note).map_err(CommandError::run)?;
    name_image(context, &name, target)
}

pub(crate) fn commit(context: &Context, args: &CommitArgs) -> Done {
    let name = Reference::parse(&args.name).map_err(CommandError::usage)?.to_string();
    let store = context.store()?;
    let snapshot = snapshot_of(context, &args.tree)?.ok_or_else(|| {
        CommandError::usage(format!("`{}` is neither a snapshot nor a mount of one", args.tree))
    })?;
    let upper = snapshot.upper().ok_or_else(|| {
        CommandError::usage(format!("`{}` is read-only: it has no changes", args.tree))
    })?;
    let (image, lease) = image_of(context, &snapshot)?;
    let latest = epoch()?;
    let sink = LayerSink::new(&store, &lease).map_err(CommandError::run)?;
    let chain = image.unpack(&context.layers()?, &imgmgr::layer::Cancel::default());
    let root = chain.map_err(CommandError::run)?.root;
    let (upper, root) = (File::open(&upper)?, File::open(&root)?);
    let (sink, _) = diff(upper.as_fd(), root.as_fd(), sink, DiffOptions { latest })?;
    let note = LayerNote { created: created(latest), created_by: args.created_by.clone() };
    let target = sink.finish(&image, Placement::OnTop, &note).map_err(CommandError::run)?;
    name_image(context, &name, target)
}

fn name_image(context: &Context, name: &str, target: imgmgr::image::Descriptor) -> Done {
    line(&target.digest)?;
    Ok(context.store()?.tag(&ImageEntry::new(name, target))?)
}

pub(crate) fn diff_trees(context: &Context, args: &DiffArgs) -> Done {
    let (first, second) = match &args.new {
        Some(new) => {
            let first = tree(context, &args.old, &args.platform)?;
            (first, tree(context, new, &args.platform)?)
        }
        None => {
            let snapshot = snapshot_of(context, &args.old)?.ok_or_else(|| {
                CommandError::usage("name a second image, or a snapshot or mount alone")
            })?;
            let (image, lease) = image_of(context, &snapshot)?;
            let chain = image
                .unpack(&context.layers()?, &imgmgr::layer::Cancel::default())
                .map_err(CommandError::run)?;
            ((Tree::of_chain(&chain), Some(lease)), (Tree::of_snapshot(&snapshot), None))
        }
    };
    let changes = changes(&first.0, &second.0)?;
    match args.format {
        Format::Json => json(&changes.iter().map(as_json).collect::<Vec<_>>()),
        Format::Table => {
            let mut text = Vec::new();
            for change in &changes {
                text.extend_from_slice(letter(change.kind));
                text.extend_from_slice(b" /");
                text.extend_from_slice(&change.path);
                text.push(b'\n');
            }
            print(&String::from_utf8_lossy(&text))
        }
    }
}

/// As `docker diff` prints them.
fn letter(kind: ChangeKind) -> &'static [u8] {
    match kind {
        ChangeKind::Added => b"A",
        ChangeKind::Modified => b"C",
        ChangeKind::Deleted => b"D",
    }
}

fn as_json(change: &Change) -> serde_json::Value {
    let kind = match change.kind {
        ChangeKind::Added => "added",
        ChangeKind::Modified => "modified",
        ChangeKind::Deleted => "deleted",
    };
    let path = format!("/{}", String::from_utf8_lossy(&change.path));
    json!({ "path": path, "change": kind, "size": change.size })
}

/// The tree that a word on the command line means, and what keeps its layers.
fn tree(context: &Context, word: &str, args: &PlatformArgs) -> Done<(Tree, Option<Lease>)> {
    match snapshot_of(context, word)? {
        Some(snapshot) => Ok((Tree::of_snapshot(&snapshot), None)),
        None => {
            let (chain, lease) = chain(context, word, args, SnapshotKind::View)?;
            Ok((Tree::of_chain(&chain), Some(lease)))
        }
    }
}

/// `snapshot:NAME`, or the directory that something is mounted on, which has a slash first or
/// after dots; `None` for the name of an image.
fn snapshot_of(context: &Context, word: &str) -> Done<Option<Snapshot>> {
    match word.strip_prefix("snapshot:") {
        Some(id) => Ok(Some(context.snapshots()?.get(id).map_err(CommandError::run)?)),
        None if word.starts_with(['/', '.']) => {
            Ok(Some(mounted(context, &absolute(Path::new(word))?)?))
        }
        None => Ok(None),
    }
}

fn image_of(context: &Context, snapshot: &Snapshot) -> Done<(StoredImage, Lease)> {
    let none = || CommandError::run("the snapshot doesn't tell its image: an older build made it");
    let target = snapshot.record().image.as_ref().ok_or_else(none)?;
    let store = context.store()?;
    let lease = store.lease()?;
    lease.take(target)?;
    Ok((StoredImage::load(&store, target).map_err(CommandError::run)?, lease))
}
