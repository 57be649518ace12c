//! Commands about registries, and `inspect`, which looks anywhere.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use imgmgr::copy::{Held, Location};
use imgmgr::image::{Descriptor, ImageConfig, MAX_CONFIG_BYTES, Manifest};
use imgmgr::reference::{Reference, Repository};
use imgmgr::registry::{Client, Credential, CredentialSource, RegistryError};
use imgmgr::store::{ImageEntry, Store, Wanted};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::args::{
    DeleteArgs, Format, InspectArgs, ListTagsArgs, LoginArgs, LogoutArgs, ReferrersArgs,
};
use super::context::{Context, platform, registry_reference};
use super::output::{CommandError, Done, human, json, line, print_bytes, table};

/// What `inspect` found.
struct Found {
    name: Option<String>,
    descriptor: Descriptor,
    bytes: Vec<u8>,
    image: Option<(Manifest, Vec<u8>)>,
    tags: Vec<String>,
}

pub(crate) fn inspect(context: &Context, args: &InspectArgs) -> Done {
    let place: Location = args.image.parse().map_err(CommandError::usage)?;
    let wanted = platform(&args.platform)?;
    let found = match place {
        Location::Registry(reference) => {
            let client = context.client()?;
            context.wait(inspect_remote(&client, &reference, &wanted, args))?
        }
        Location::Store(name) => {
            let store = context.store()?;
            inspect_local(&store, &store.resolve(&name)?, &wanted, args)?
        }
        file => {
            let held = context.wait(open(&file))?;
            inspect_local(held.store(), held.entry(), &wanted, args)?
        }
    };
    if args.raw && !args.config {
        return print_bytes(&found.bytes);
    }
    let Some((manifest, config)) = &found.image else {
        return print_bytes(&found.bytes);
    };
    if args.config {
        return print_bytes(&[config.trim_ascii_end(), b"\n"].concat());
    }
    let Manifest::Image(image) = manifest else {
        return Err(CommandError::run("the index has no image"));
    };
    let parsed = ImageConfig::parse(config).map_err(CommandError::run)?;
    json(&json!({
        "Name": found.name,
        "Digest": found.descriptor.digest,
        "RepoTags": found.tags,
        "Created": parsed.created,
        "DockerVersion": "",
        "Labels": parsed.config.labels,
        "Architecture": parsed.architecture,
        "Variant": parsed.variant,
        "Os": parsed.os,
        "Layers": image.layers.iter().map(|layer| &layer.digest).collect::<Vec<_>>(),
        "LayersData": image.layers.iter().map(|layer| json!({
            "MIMEType": layer.media_type,
            "Digest": layer.digest,
            "Size": layer.size,
            "Annotations": layer.annotations,
        })).collect::<Vec<_>>(),
        "Env": parsed.config.env,
    }))
}

/// Opens what is not in the store. An interrupt ends it, and takes away what was read by then.
async fn open(place: &Location) -> Done<Held> {
    let scratch = std::env::temp_dir();
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    tokio::select! {
        held = imgmgr::copy::open(place, &scratch) => Ok(held?),
        _ = interrupts.recv() => Err(RegistryError::Interrupted.into()),
        _ = terminations.recv() => Err(RegistryError::Interrupted.into()),
    }
}

async fn inspect_remote(
    client: &Client,
    reference: &Reference,
    wanted: &Wanted,
    args: &InspectArgs,
) -> Done<Found> {
    let remote = client.remote(reference.repository());
    let top = remote.manifest(&reference.selector()).await?;
    let mut found = Found {
        name: Some(reference.repository().to_string()),
        descriptor: top.descriptor.clone(),
        bytes: top.bytes.clone(),
        image: None,
        tags: Vec::new(),
    };
    if args.raw && !args.config {
        return Ok(found);
    }
    let mut at = top;
    for _ in 0..=imgmgr::store::MAX_INDEX_DEPTH {
        let Manifest::Index(index) = &at.manifest else { break };
        let next = wanted.choose(&reference.familiar(), &index.manifests)?;
        at = remote.manifest_of(next).await?;
    }
    if let Manifest::Image(image) = &at.manifest {
        let config = remote.blob(&image.config, MAX_CONFIG_BYTES).await?;
        if image.is_image() {
            let stated = at.descriptor.platform.clone();
            let platform =
                stated.or_else(|| ImageConfig::parse(&config).ok().map(|c| c.platform()));
            wanted.check(&reference.familiar(), platform)?;
            found.image = Some((at.manifest.clone(), config));
        }
    }
    if !args.no_tags && !args.config {
        found.tags = remote.tags().await?;
    }
    Ok(found)
}

fn inspect_local(
    store: &Store,
    entry: &ImageEntry,
    wanted: &Wanted,
    args: &InspectArgs,
) -> Done<Found> {
    let (bytes, _) = store.manifest(&entry.target)?;
    let mut found = Found {
        name: Some(entry.name.clone()),
        descriptor: entry.target.clone(),
        bytes,
        image: None,
        tags: Vec::new(),
    };
    if args.raw && !args.config {
        return Ok(found);
    }
    let target = store.choose_wanted(&entry.name, &entry.target, wanted)?;
    let (_, manifest) = store.manifest(&target)?;
    if let Manifest::Image(image) = &manifest
        && image.is_image()
    {
        let (config, _) = store.image_config(&image.config)?;
        found.image = Some((manifest, config));
    }
    let same = |other: &ImageEntry| other.target.digest == entry.target.digest;
    found.tags = store.list()?.into_iter().filter(same).map(|other| other.name).collect();
    Ok(found)
}

pub(crate) fn list_tags(context: &Context, args: &ListTagsArgs) -> Done {
    let repository = repository(&args.repository)?;
    let client = context.client()?;
    let tags = context.wait(async { Ok(client.remote(&repository).tags().await?) })?;
    match args.format {
        Format::Json => json(&json!({ "Repository": repository.to_string(), "Tags": tags })),
        Format::Table => tags.iter().try_for_each(line),
    }
}

fn repository(text: &str) -> Done<Repository> {
    let text = text.strip_prefix("docker://").unwrap_or(text);
    Reference::parse_repository(text).map_err(CommandError::usage)
}

pub(crate) fn delete(context: &Context, args: &DeleteArgs) -> Done {
    let reference = registry_reference(&args.reference)?;
    let client = context.client()?;
    context.wait(async {
        let remote = client.remote(reference.repository());
        let selector = reference.selector();
        if args.tag_only || reference.digest().is_some() {
            remote.delete_manifest(&selector).await?;
            return line(format_args!("deleted: {reference}"));
        }
        let digest = match remote.head_manifest(&selector).await? {
            Some(descriptor) => descriptor.digest,
            None => remote.manifest(&selector).await?.descriptor.digest,
        };
        remote.delete_manifest(&digest.to_string()).await?;
        line(format_args!("deleted: {reference} {digest}"))
    })
}

pub(crate) fn referrers(context: &Context, args: &ReferrersArgs) -> Done {
    let reference = registry_reference(&args.reference)?;
    let client = context.client()?;
    let found = context.wait(async {
        let remote = client.remote(reference.repository());
        let digest = match reference.digest() {
            Some(digest) => digest.clone(),
            None => remote.manifest(&reference.selector()).await?.descriptor.digest,
        };
        Ok(remote.referrers(&digest, args.artifact_type.as_deref()).await?)
    })?;
    if args.format == Format::Json {
        return json(&found);
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|descriptor| {
            let kind = descriptor.artifact_type.as_ref().unwrap_or(&descriptor.media_type);
            vec![descriptor.digest.to_string(), kind.clone(), human(descriptor.size)]
        })
        .collect();
    table(&["DIGEST", "TYPE", "SIZE"], &rows)
}

/// The credential that is tried before it is stored.
#[derive(Debug)]
struct Tried(Credential);

impl CredentialSource for Tried {
    fn credential(&self, _: &str, _: &str) -> Result<Option<Credential>, String> {
        Ok(Some(self.0.clone()))
    }
}

pub(crate) fn login(context: &Context, args: &LoginArgs) -> Done {
    let host = &host(&args.registry)?;
    let username = match &args.username {
        Some(username) => username.clone(),
        None => ask("Username: ")?,
    };
    let password = match (&args.password, args.password_stdin) {
        (Some(password), _) => password.clone(),
        (None, true) => {
            let mut text = String::new();
            io::stdin().lock().take(1 << 16).read_to_string(&mut text)?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
        (None, false) => ask_password()?,
    };
    let credential =
        Credential::Password { username: username.clone(), password: password.clone() };
    let client = context.client_with(Box::new(Tried(credential)))?;
    context.wait(async { client.check_login(host).await.map_err(CommandError::login) })?;
    context.logins().store(host, &username, &password).map_err(CommandError::run)?;
    line("login succeeded")
}

/// The registry that somebody typed, without what is around it in a browser.
fn host(text: &str) -> Done<String> {
    let host = text.trim_end_matches('/');
    match host.split_once("://") {
        Some((scheme, host)) => Err(CommandError::usage(format!(
            "`{text}` is a URL; name the registry alone, `{host}`{}",
            if scheme == "http" { ", with `--insecure-registry` for it" } else { "" }
        ))),
        None => Ok(host.to_owned()),
    }
}

pub(crate) fn logout(context: &Context, args: &LogoutArgs) -> Done {
    let logins = context.logins();
    let was = if args.all { logins.erase_all() } else { logins.erase(&host(&args.registry)?) };
    line(if was.map_err(CommandError::run)? { "logged out" } else { "was not logged in" })
}

fn ask(question: &str) -> Done<String> {
    if !io::stdin().is_terminal() {
        return Err(CommandError::usage(
            "no terminal to ask on; use --username and --password-stdin",
        ));
    }
    let mut stderr = io::stderr().lock();
    stderr.write_all(question.as_bytes())?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim_end_matches(['\r', '\n']).to_owned())
}

/// Asks with the terminal's echo off.
pub(crate) fn ask_password() -> Done<String> {
    let stdin = io::stdin();
    let before = tcgetattr(&stdin)
        .map_err(|_| CommandError::usage("no terminal to ask on; use --password-stdin"))?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(io::Error::from)?;
    let answer = ask("Password: ");
    tcsetattr(&stdin, OptionalActions::Flush, &before).map_err(io::Error::from)?;
    let _ = io::stderr().lock().write_all(b"\n");
    answer
}
