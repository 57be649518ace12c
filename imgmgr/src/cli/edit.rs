//! Commands that make new images out of old ones.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use imgmgr::convert::{self, ConvertError, Packing};
use imgmgr::edit::{self, Edit, EditError, Step};
use imgmgr::reference::Reference;
use imgmgr::rfc3339::is_rfc3339;
use imgmgr::store::ImageEntry;

use super::args::{AppendArgs, Compress, ConfigArgs, ConvertArgs, ImportArgs};
use super::context::{Context, platform};
use super::output::{CommandError, Done, line};
use super::progress::Display;

/// 9999-12-31T23:59:59Z, the last that RFC 3339 has words for.
const LAST_SECOND: u64 = 253_402_300_799;

impl From<EditError> for CommandError {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Store(error) => error.into(),
            error => Self::run(error),
        }
    }
}

/// A file that a layer should be made of.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a layer of `{}`", path.display())]
struct NotALayer {
    path: PathBuf,
    source: EditError,
}

fn not_a_layer(path: &Path, source: EditError) -> CommandError {
    match source {
        EditError::Layer { .. } | EditError::Compression { .. } | EditError::EmptyLayer => {
            CommandError::run(NotALayer { path: path.to_owned(), source })
        }
        other => other.into(),
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
        last = edit::append_layer(&store, &lease, &last, open(layer)?, &step)
            .map_err(|error| not_a_layer(layer, error))?;
    }
    store.tag(&ImageEntry::new(&name, last.clone()))?;
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
    let image = edit::import(&store, &lease, platform.platform(), open(&args.archive)?, &step)
        .map_err(|error| not_a_layer(&args.archive, error))?;
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
        (Some(text), _) if is_rfc3339(text) => text.to_owned(),
        (Some(text), _) => {
            let why = "is not a time as 2024-01-02T03:04:05Z (RFC 3339)";
            return Err(CommandError::usage(format!("--created: `{text}` {why}")));
        }
        (None, Ok(seconds)) => {
            let number = seconds.parse().ok().filter(|seconds| *seconds <= LAST_SECOND);
            let seconds = number.ok_or_else(|| {
                let why = "is no number of seconds until the year 9999";
                CommandError::usage(format!("SOURCE_DATE_EPOCH: `{seconds}` {why}"))
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
    for text in &args.env {
        pair(text)?;
        edits.push(Edit::SetPair("Env", text.clone()));
    }
    for port in &args.exposedports {
        if !is_port(port) {
            let why = "is not PORT[/tcp|/udp|/sctp] with a PORT from 1 to 65535";
            return Err(CommandError::usage(format!("--config.exposedports: `{port}` {why}")));
        }
        edits.push(Edit::AddKey("ExposedPorts", port.clone()));
    }
    for path in &args.volume {
        if path.is_empty() {
            return Err(CommandError::usage("--config.volume: the directory is empty"));
        }
        edits.push(Edit::AddKey("Volumes", path.clone()));
    }
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

/// `NAME=VALUE`, apart; the value may be empty.
fn pair(text: &str) -> Done<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(CommandError::usage(format!("`{text}` is not NAME=VALUE"))),
    }
}

/// As docker has them in `ExposedPorts`.
fn is_port(text: &str) -> bool {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let is_number = port.bytes().all(|b| b.is_ascii_digit());
    is_number
        && port.parse::<u16>().is_ok_and(|port| port > 0)
        && matches!(protocol, "tcp" | "udp" | "sctp")
}
