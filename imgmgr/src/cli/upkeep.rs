//! Commands that look after the store.

use imgmgr::copy::Location;
use imgmgr::layer::Cancel;
use imgmgr::pull::PullOptions;
use imgmgr::reference::Reference;
use imgmgr::store::{DryRun, GcRequest, Store};
use imgmgr::upkeep::{LayerUsage, PartUsage, Repair, UpkeepError};
use serde_json::json;

use super::args::{DfArgs, Format, FsckArgs, GcArgs, ValidateArgs};
use super::context::Context;
use super::output::{CommandError, Done, human, json, line, table};
use super::progress::Display;

impl From<UpkeepError> for CommandError {
    fn from(error: UpkeepError) -> Self {
        match error {
            UpkeepError::Store(error) => error.into(),
            error => Self::run(error),
        }
    }
}

pub(crate) fn gc(context: &Context, args: &GcArgs) -> Done {
    let keep_ingests =
        humantime::parse_duration(&args.keep_downloads).map_err(CommandError::usage)?;
    let dry_run = if args.dry_run { DryRun::Yes } else { DryRun::No };
    let collected = context.upkeep()?.gc(GcRequest { keep_ingests, dry_run })?;
    for digest in &collected.blobs.removed {
        line(format_args!("removed: {digest}"))?;
    }
    for layer in &collected.layers {
        line(format_args!("removed: layer {}", layer.name))?;
    }
    let word = if args.dry_run { "would free" } else { "freed" };
    line(format_args!(
        "{word} {} in {} blobs, {} in {} layers",
        human(collected.blobs.freed),
        collected.blobs.removed.len(),
        human(collected.layers.iter().map(|layer| layer.bytes).sum()),
        collected.layers.len(),
    ))
}

pub(crate) fn fsck(context: &Context, args: &FsckArgs) -> Done {
    let upkeep = context.upkeep()?;
    let store = &upkeep.store;
    let problems = store.fsck()?;
    for problem in &problems {
        line(problem)?;
    }
    if args.repair && !problems.is_empty() {
        store.remove_damaged(&problems)?;
        let names: Vec<String> = store.incomplete()?;
        if !names.is_empty() {
            repull(context, store, &names)?;
        }
    }
    let mut left =
        if args.repair && !problems.is_empty() { store.fsck()?.len() } else { problems.len() };
    let mut mended = problems.len() - left.min(problems.len());
    if !args.blobs_only {
        let repair = if args.repair { Repair::Yes } else { Repair::No };
        for problem in upkeep.check_layers(repair, &Cancel::default())? {
            line(&problem)?;
            *(if problem.mended { &mut mended } else { &mut left }) += 1;
        }
    }
    match (left, mended) {
        (0, 0) => line("clean"),
        (0, _) => line("repaired"),
        _ if args.repair => Err(CommandError::run(format!("{left} problems are left"))),
        _ => Err(CommandError::run(format!("{left} problems"))),
    }
}

/// Pulls images again that lost blobs, by the very digest that they were chosen from.
fn repull(context: &Context, store: &Store, names: &[String]) -> Done {
    let client = context.client()?;
    let display = Display::start(context.global.progress, false);
    for name in names {
        let entry = store.resolve(name)?;
        let Some(origin) = entry.origin.as_deref().and_then(|text| Reference::parse(text).ok())
        else {
            line(format_args!("`{name}` was not pulled, so it can't be fetched again"))?;
            continue;
        };
        let exact = origin.at(entry.target.digest.clone());
        context.wait(async {
            let remote = client.remote(exact.repository());
            let options =
                PullOptions { platforms: imgmgr::pull::Platforms::All, ..PullOptions::default() };
            let pulled = imgmgr::pull::pull(
                &remote,
                &exact,
                store,
                name,
                &options,
                display.progress(),
                None,
            );
            pulled.await?;
            Ok(())
        })?;
        store.tag(&entry)?;
        line(format_args!("fetched again: {name}"))?;
    }
    Ok(())
}

pub(crate) fn validate(context: &Context, args: &ValidateArgs) -> Done {
    let place: Location = args.image.parse().map_err(CommandError::usage)?;
    let (store, name) = match place {
        Location::Store(name) => (context.store()?, Some(name)),
        Location::Layout(path, name) => (Store::view(&path)?, name),
        other => return Err(CommandError::usage(format!("`{other}` can't be validated in place"))),
    };
    let display = Display::start(context.global.progress, false);
    let findings = store.validate(name.as_deref(), &*display.progress());
    drop(display);
    let findings = findings?;
    for finding in &findings {
        line(finding)?;
    }
    if findings.is_empty() {
        line("valid")
    } else {
        Err(CommandError::run(format!("{} findings", findings.len())))
    }
}

pub(crate) fn df(context: &Context, args: &DfArgs) -> Done {
    let usage = context.upkeep()?.usage()?;
    let images = || usage.content.images.iter().zip(&usage.unpacked);
    if args.format == Format::Json {
        let layer = |layer: &LayerUsage| json!({ "name": layer.name, "size": layer.bytes, "users": layer.users });
        let part = |part: &PartUsage| {
            json!({
                "part": part.part,
                "count": part.count,
                "size": part.bytes,
                "reclaimable": part.reclaimable,
            })
        };
        return json(&json!({
            "images": images().map(|(image, unpacked)| json!({
                "name": image.name,
                "total": image.total,
                "unique": image.unique,
                "unpacked": unpacked,
            })).collect::<Vec<_>>(),
            "layers": usage.layers.iter().map(layer).collect::<Vec<_>>(),
            "snapshots": usage.snapshots.iter().map(|snapshot| json!({
                "name": snapshot.id,
                "size": snapshot.bytes,
            })).collect::<Vec<_>>(),
            "parts": usage.parts().iter().map(part).collect::<Vec<_>>(),
        }));
    }
    let rows: Vec<Vec<String>> = images()
        .map(|(image, unpacked)| {
            let sizes = [image.total, image.unique, *unpacked].map(human);
            [vec![image.name.clone()], sizes.to_vec()].concat()
        })
        .collect();
    table(&["IMAGE", "SIZE", "UNIQUE", "UNPACKED"], &rows)?;
    line("")?;
    let row = |part: &PartUsage| {
        let cells = [part.count.to_string(), human(part.bytes), human(part.reclaimable)];
        [vec![part.part.to_owned()], cells.to_vec()].concat()
    };
    table(
        &["PART", "COUNT", "SIZE", "RECLAIMABLE"],
        &usage.parts().iter().map(row).collect::<Vec<_>>(),
    )
}
