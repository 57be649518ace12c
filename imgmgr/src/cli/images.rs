//! Commands about the images of the store.

use imgmgr::reference::Reference;
use imgmgr::store::{ImageEntry, Store};
use serde_json::json;

use super::args::{Format, HistoryArgs, ListArgs, TagArgs, UntagArgs};
use super::context::{Context, platform};
use super::output::{CommandError, Done, human, json, line, report, table};

/// How the names begin that people write without their domain.
const DOCKER_HUB: &str = "docker.io/";

pub(crate) fn list(context: &Context, args: &ListArgs) -> Done {
    let mut images = context.store()?.list()?;
    if let Some(filter) = &args.filter {
        images.retain(|image| image.name.contains(filter));
    }
    if args.quiet {
        return images.iter().try_for_each(|image| line(&image.name));
    }
    if args.format == Format::Json {
        let values: Vec<_> = images
            .iter()
            .map(|image| {
                json!({
                    "name": image.name,
                    "digest": image.target.digest,
                    "mediaType": image.target.media_type,
                    "created": image.created,
                    "size": image.size,
                    "origin": image.origin,
                    "originDigest": image.origin_digest,
                })
            })
            .collect();
        return json(&values);
    }
    let rows: Vec<Vec<String>> = images
        .iter()
        .map(|image| {
            let digest = &image.target.digest;
            vec![
                shown_name(image),
                if args.digests { digest.to_string() } else { digest.short().to_owned() },
                image
                    .created
                    .as_deref()
                    .map_or("-", |time| time.get(..10).unwrap_or(time))
                    .to_owned(),
                image.size.map_or_else(|| "-".to_owned(), human),
            ]
        })
        .collect();
    table(&["NAME", "DIGEST", "CREATED", "SIZE"], &rows)
}

fn shown_name(image: &ImageEntry) -> String {
    // Only these have a shorter form; a list of thousands shall not parse the others.
    if !image.name.starts_with(DOCKER_HUB) {
        return image.name.clone();
    }
    match Reference::parse(&image.name) {
        Ok(reference) if reference.to_string() == image.name => reference.familiar(),
        _ => image.name.clone(),
    }
}

pub(crate) fn tag(context: &Context, args: &TagArgs) -> Done {
    let store = context.store()?;
    let entry = store.resolve(&args.image)?;
    for name in &args.names {
        let reference = Reference::parse(name).map_err(CommandError::usage)?;
        if reference.digest().is_some() {
            return Err(CommandError::usage("a name can't have a digest"));
        }
        store.tag(&ImageEntry { name: reference.to_string(), ..entry.clone() })?;
    }
    Ok(())
}

pub(crate) fn untag(context: &Context, args: &UntagArgs) -> Done {
    let store = context.store()?;
    let mut last = None;
    for name in &args.names {
        match store.resolve(name).and_then(|entry| store.untag(&entry.name).map(|()| entry.name)) {
            Ok(name) => line(format_args!("untagged: {name}"))?,
            Err(error) => {
                last.replace(error.into()).iter().for_each(report);
            }
        }
    }
    last.map_or(Ok(()), Err)
}

pub(crate) fn history(context: &Context, args: &HistoryArgs) -> Done {
    let store: Store = context.store()?;
    let (_, target) = store.resolve_image(&args.image, &platform(&args.platform)?)?;
    let (_, manifest) = store.manifest(&target)?;
    let imgmgr::image::Manifest::Image(image) = manifest else {
        return Err(CommandError::run("the index has no image"));
    };
    let (_, config) = store.image_config(&image.config)?;
    if args.format == Format::Json {
        return json(&config.history);
    }
    let mut layers = image.layers.iter();
    let mut rows: Vec<Vec<String>> = config
        .history
        .iter()
        .map(|step| {
            let size = if step.empty_layer { None } else { layers.next().map(|layer| layer.size) };
            let text = step.created_by.as_deref().or(step.comment.as_deref()).unwrap_or("-");
            vec![
                step.created
                    .as_deref()
                    .map_or("-", |time| time.get(..19).unwrap_or(time))
                    .to_owned(),
                size.map_or_else(|| "0 B".to_owned(), human),
                text.chars().filter(|c| !c.is_control()).take(100).collect(),
            ]
        })
        .collect();
    rows.reverse();
    table(&["CREATED", "SIZE", "CREATED BY"], &rows)
}
