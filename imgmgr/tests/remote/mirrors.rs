//! Mirrors, from registries.conf and hosts.toml, each with credentials of its own.

use super::registry::{Options, PASSWORD, Registry, free_host};
use super::support::{Place, layout, refuses, succeeds, tar};
use super::wire::Listener;

/// Puts an image into `registry`, and returns its digest.
fn fill(registry: &Registry, user: &str, name: &str) -> String {
    let place = Place::new();
    let digest = layout(&place.path("in"), &[tar("a", 1000)]);
    let from = format!("oci:{}:v1", place.path("in").display());
    let creds = format!("{user}:{PASSWORD}");
    place.run(&["copy", &from, &format!("docker://{}/{name}", registry.host), "--creds", &creds]);
    digest
}

fn login(place: &Place, registry: &str, user: &str) {
    use base64::Engine as _;
    let path = place.path(".docker/config.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| r#"{"auths":{}}"#.to_owned());
    let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{PASSWORD}"));
    document["auths"][registry] = serde_json::json!({ "auth": auth });
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, document.to_string()).unwrap();
}

#[test]
fn registries_conf_leads_to_a_mirror_with_its_own_credentials() {
    let Some(mirror) = Registry::start(&Options { user: Some("m"), ..Options::default() }) else {
        return;
    };
    let digest = fill(&mirror, "m", "cache/app:1");
    let place = Place::new();
    // Nobody listens at the registry itself: whatever comes, comes from the mirror.
    let origin = free_host();
    let conf = place.path("registries.conf");
    std::fs::write(
        &conf,
        format!(
            "[[registry]]\nlocation = '{origin}/team'\ninsecure = true\n\
             [[registry.mirror]]\nlocation = '{}/cache'\ninsecure = true\n",
            mirror.host
        ),
    )
    .unwrap();
    let name = format!("{origin}/team/app:1");
    let pull = || {
        let mut command = place.command(&["--attempts", "1", "pull", &name]);
        command.arg("--registries-conf").arg(&conf);
        command
    };
    login(&place, &origin, "o");
    refuses(1, &mut pull());
    login(&place, &mirror.host, "m");
    assert!(succeeds(&mut pull()).contains(&digest));
    // A mirror for digests only is not asked what a tag means.
    let text = std::fs::read_to_string(&conf).unwrap();
    std::fs::write(&conf, format!("{text}pull-from-mirror = 'digest-only'\n")).unwrap();
    place.run(&["untag", &name]);
    refuses(1, &mut pull());
    let by_digest = format!("{origin}/team/app@{digest}");
    let mut command = place.command(&["--attempts", "1", "pull", &by_digest]);
    succeeds(command.arg("--registries-conf").arg(&conf));
    // A blocked one is not asked at all.
    std::fs::write(&conf, format!("[[registry]]\nlocation = '{origin}'\nblocked = true\n"))
        .unwrap();
    assert!(refuses(1, &mut pull()).contains("is blocked by registries.conf"));
}

#[test]
fn hosts_toml_leads_to_a_mirror_with_its_own_credentials_and_headers() {
    let Some(mirror) = Registry::start(&Options { user: Some("m"), ..Options::default() }) else {
        return;
    };
    let digest = fill(&mirror, "m", "team/app:1");
    let place = Place::new();
    let origin = free_host();
    let wire = Listener::before(&mirror.host);
    let directory = place.path("certs.d").join(origin.replace(':', "_"));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(
        directory.join("hosts.toml"),
        format!(
            "server = 'http://{origin}'\n[host.\"http://{}\"]\ncapabilities = ['pull', \
             'resolve']\n[host.\"http://{}\".header]\nx-from = 'here'\n",
            wire.host, wire.host
        ),
    )
    .unwrap();
    let name = format!("{origin}/team/app:1");
    let pull = || {
        let mut command = place.command(&["--attempts", "1", "pull", &name]);
        command.arg("--hosts-dir").arg(place.path("certs.d"));
        command
    };
    login(&place, &origin, "o");
    refuses(1, &mut pull());
    login(&place, &wire.host, "m");
    assert!(succeeds(&mut pull()).contains(&digest));
    let sent = wire.sent_text();
    assert!(sent.contains("x-from: here"), "{sent}");
    assert!(sent.contains("/v2/team/app/manifests/1?ns=127.0.0.1"), "{sent}");
    use base64::Engine as _;
    let origins = base64::engine::general_purpose::STANDARD.encode(format!("o:{PASSWORD}"));
    assert!(!sent.contains(&origins), "the mirror sees no credentials of the registry");
    // A broken file sends nothing anywhere.
    std::fs::write(directory.join("hosts.toml"), "server = [").unwrap();
    let error = refuses(1, &mut pull());
    assert!(error.contains("is not a hosts.toml"), "{error}");
}
