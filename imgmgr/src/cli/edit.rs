//! Commands that make new images out of old ones.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use imgmgr::convert::{self, ConvertError, Packing};
use imgmgr::edit::{self, Edit, EditError, Step};
use imgmgr::reference::Reference;
use imgmgr::store::ImageEntry;

use super::args::{AppendArgs, Compress, ConfigArgs, ConvertArgs, ImportArgs};
use super::context::{Context, platform};
use super::output::{CommandError, Done, line};
use super::progress::Display;

impl From<EditError> for CommandError {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Store(error) => error.into(),
            error => Self::run(error),
        }
    }
}

pub(crate) fn config(context: &Context, args: &ConfigArgs) -> Done {
    let edits = edits(args)?;
    let store = context.store()?;
    let (entry, target) = store.resolve_image(&args.image, &platform(&args.platform)?)?;
    let name = new_name(args.tag.as_deref(), &entry.name)?;
    let lease = store.lease()?;
    lease.take(&target)?;
    let step = step(args.created.as_deref(), "imgmgr config", args.comment.clone())?;
    let edited = edit::edit_config(&store, &lease, &target, &edits, &step)?;
    store.tag(&ImageEntry::new(&name, edited.clone()))?;
    line(edited.digest)
}

pub(crate) fn append(context: &Context, args: &AppendArgs) -> Done {
    let store = context.store()?;
    let (entry, target) = store.resolve_image(&args.image, &platform(&args.platform)?)?;
    let name = new_name(args.tag.as_deref(), &entry.name)?;
    let lease = store.lease()?;
    lease.take(&target)?;
    let mut last = target;
    for layer in &args.layers {
        let by = format!("imgmgr append {}", layer.display());
        let step = step(args.created.as_deref(), &by, None)?;
        last = edit::append_layer(&store, &lease, &last, open(layer)?, &step)?;
        store.tag(&ImageEntry::new(&name, last.clone()))?;
    }
    line(last.digest)
}

impl From<ConvertError> for CommandError {
    fn from(error: ConvertError) -> Self {
        match error {
            ConvertError::Store(error) => error.into(),
            error => Self::run(error),
        }
    }
}

pub(crate) fn convert(context: &Context, args: &ConvertArgs) -> Done {
    let packing = match args.compress {
        Compress::None => Packing::Plain,
        Compress::Gzip => Packing::Gzip,
        Compress::Zstd => Packing::Zstd,
        Compress::ZstdChunked => Packing::ZstdChunked,
    };
    let store = context.store()?;
    let (entry, target) = store.resolve_image(&args.image, &platform(&args.platform)?)?;
    let name = new_name(args.tag.as_deref(), &entry.name)?;
    let lease = store.lease()?;
    lease.take(&target)?;
    let display = Display::start(context.global.progress, args.quiet);
    let converted = convert::convert(&store, &lease, &target, packing, &*display.progress());
    drop(display);
    let converted = converted?;
    store.tag(&ImageEntry::new(&name, converted.clone()))?;
    line(converted.digest)
}

pub(crate) fn import(context: &Context, args: &ImportArgs) -> Done {
    let name = Reference::parse(&args.name).map_err(CommandError::usage)?.to_string();
    let store = context.store()?;
    let lease = store.lease()?;
    let step = step(args.created.as_deref(), "imgmgr import", args.comment.clone())?;
    let platform = platform(&args.platform)?;
    let image = edit::import(&store, &lease, platform.platform(), open(&args.archive)?, &step)?;
    store.tag(&ImageEntry::new(&name, image.clone()))?;
    line(image.digest)
}

fn new_name(given: Option<&str>, old: &str) -> Done<String> {
    match given {
        None => Ok(old.to_owned()),
        Some(text) => Ok(Reference::parse(text).map_err(CommandError::usage)?.to_string()),
    }
}

/// A file, or standard input for `-`.
fn open(path: &Path) -> Done<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    match File::open(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(CommandError::run(format!("cannot open `{}`: {error}", path.display()))),
    }
}

/// The time that was given, else SOURCE_DATE_EPOCH, else now.
fn step(created: Option<&str>, by: &str, comment: Option<String>) -> Done<Step> {
    let created = match (created, std::env::var("SOURCE_DATE_EPOCH")) {
        (Some(text), _) => text.to_owned(),
        (None, Ok(seconds)) => {
            let seconds = seconds.parse().map_err(|_| {
                CommandError::usage(format!("SOURCE_DATE_EPOCH `{seconds}` is no number"))
            })?;
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
        }
        (None, Err(_)) => humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
    };
    Ok(Step { created, created_by: by.to_owned(), comment })
}

fn edits(args: &ConfigArgs) -> Done<Vec<Edit>> {
    let mut edits = Vec::new();
    for field in &args.clear {
        edits.push(Edit::ClearRun(match field.trim_start_matches("config.") {
            "labels" | "label" => "Labels",
            "env" => "Env",
            "cmd" => "Cmd",
            "entrypoint" => "Entrypoint",
            "volume" | "volumes" => "Volumes",
            "exposedports" => "ExposedPorts",
            other => return Err(CommandError::usage(format!("`{other}` can't be cleared"))),
        }));
    }
    for (key, value) in
        [("User", &args.user), ("WorkingDir", &args.workingdir), ("StopSignal", &args.stopsignal)]
    {
        edits.extend(value.clone().map(|value| Edit::SetRun(key, value)));
    }
    for (key, values) in [("Entrypoint", &args.entrypoint), ("Cmd", &args.cmd)] {
        if !values.is_empty() {
            edits.push(Edit::SetList(key, values.clone()));
        }
    }
    for (key, value) in [
        ("author", &args.author),
        ("architecture", &args.architecture),
        ("os", &args.os),
        ("created", &args.created),
    ] {
        edits.extend(value.clone().map(|value| Edit::SetTop(key, value)));
    }
    let pair = |text: &String| {
        let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        pair.ok_or_else(|| CommandError::usage(format!("`{text}` is not NAME=VALUE")))
    };
    for text in &args.env {
        pair(text)?;
        edits.push(Edit::SetPair("Env", text.clone()));
    }
    edits.extend(args.exposedports.iter().map(|port| Edit::AddKey("ExposedPorts", port.clone())));
    edits.extend(args.volume.iter().map(|path| Edit::AddKey("Volumes", path.clone())));
    for text in &args.label {
        let (name, value) = pair(text)?;
        edits.push(Edit::SetLabel(name, value));
    }
    for text in &args.annotation {
        let (name, value) = pair(text)?;
        edits.push(Edit::Annotate(name, value));
    }
    Ok(edits)
}
