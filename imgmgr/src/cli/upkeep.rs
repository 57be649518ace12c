//! Commands that look after the store.

use imgmgr::copy::Location;
use imgmgr::pull::PullOptions;
use imgmgr::reference::Reference;
use imgmgr::store::{DryRun, GcRequest, Problem, Store};
use serde_json::json;

use super::args::{DfArgs, Format, FsckArgs, GcArgs, ValidateArgs};
use super::context::Context;
use super::output::{CommandError, Done, human, json, line, table};
use super::progress::Display;

pub(crate) fn gc(context: &Context, args: &GcArgs) -> Done {
    let keep_ingests =
        humantime::parse_duration(&args.keep_downloads).map_err(CommandError::usage)?;
    let dry_run = if args.dry_run { DryRun::Yes } else { DryRun::No };
    let report = context.store()?.gc(GcRequest { keep_ingests, dry_run })?;
    for digest in &report.removed {
        line(format_args!("removed: {digest}"))?;
    }
    let word = if args.dry_run { "would free" } else { "freed" };
    line(format_args!("{word} {} in {} blobs", human(report.freed), report.removed.len()))
}

pub(crate) fn fsck(context: &Context, args: &FsckArgs) -> Done {
    let store = context.store()?;
    let problems = store.fsck()?;
    for problem in &problems {
        line(problem)?;
    }
    if problems.is_empty() {
        return line("clean");
    }
    if !args.repair {
        return Err(CommandError::run(format!("{} problems", problems.len())));
    }
    store.remove_damaged(&problems)?;
    let names: Vec<String> = store.incomplete()?;
    if !names.is_empty() {
        repull(context, &store, &names)?;
    }
    let left: Vec<Problem> = store.fsck()?;
    if left.is_empty() {
        return line("repaired");
    }
    Err(CommandError::run(format!("{} problems are left", left.len())))
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
    let findings = store.validate(name.as_deref())?;
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
    let usage = context.store()?.usage()?;
    if args.format == Format::Json {
        let images: Vec<_> = usage
            .images
            .iter()
            .map(
                |image| json!({ "name": image.name, "total": image.total, "unique": image.unique }),
            )
            .collect();
        return json(&json!({
            "images": images,
            "blobs": usage.blobs,
            "reclaimable": usage.reclaimable,
            "downloads": usage.downloads,
        }));
    }
    let rows: Vec<Vec<String>> = usage
        .images
        .iter()
        .map(|image| vec![image.name.clone(), human(image.total), human(image.unique)])
        .collect();
    table(&["IMAGE", "SIZE", "UNIQUE"], &rows)?;
    line(format_args!(
        "\nblobs {}, reclaimable {}, interrupted downloads {}",
        human(usage.blobs),
        human(usage.reclaimable),
        human(usage.downloads)
    ))
}
