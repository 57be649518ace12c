//! Logins: checked, stored, used, by file and by credential helper.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::full::{inside, run};
use super::registry::{Options, PASSWORD, Registry};
use super::support::{Place, layout, refuses, succeeds, tar};

/// A registry of user `u`, and what to copy to it.
fn scene() -> Option<(Registry, Place, String, String)> {
    let registry = Registry::start(&Options { user: Some("u"), ..Options::default() })?;
    let place = Place::new();
    layout(&place.path("in"), &[tar("a", 1000)]);
    let from = format!("oci:{}:v1", place.path("in").display());
    let to = format!("docker://{}/app:1", registry.host);
    Some((registry, place, from, to))
}

#[test]
fn login_is_checked_stored_and_used() {
    let Some((registry, place, from, to)) = scene() else { return };
    let error = place.fails(1, &["copy", &from, &to]);
    assert!(error.contains("401") && error.contains("hint: `imgmgr login"), "{error}");
    let error = place.fails(1, &["login", "-u", "u", "-p", "wrong", &registry.host]);
    assert!(error.contains("hint: check user name and password"), "{error}");
    place.run(&["login", "-u", "u", "-p", PASSWORD, &registry.host]);
    place.run(&["copy", &from, &to]);
    place.run(&["logout", &registry.host]);
    place.fails(1, &["copy", &from, &to]);
    place.run(&["copy", &from, &to, "--creds", &format!("u:{PASSWORD}")]);
}

/// Makes a credential helper that keeps one file for each server.
fn make_helper(place: &Place) {
    let script = format!(
        r#"#!/bin/sh
cd '{}' || exit 1
echo "$1" >>calls
file() {{ printf '%s' "$1" | tr -c 'a-z0-9.\n' _; }}
case $1 in
store) sed 's/.*/&/' >new; name=$(sed 's/.*"ServerURL":"\([^"]*\)".*/\1/' new)
	mv new "$(file "$name")" ;;
get) read -r name; cat "$(file "$name")" 2>/dev/null || {{
	echo 'credentials not found in native keychain'; exit 1; }} ;;
erase) read -r name; rm "$(file "$name")" ;;
esac
"#,
        place.path("vault").display()
    );
    std::fs::create_dir(place.path("vault")).unwrap();
    std::fs::create_dir(place.path("bin")).unwrap();
    let path = place.path("bin/docker-credential-vault");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_credential_helper_stores_answers_and_forgets() {
    let Some((registry, place, from, to)) = scene() else { return };
    make_helper(&place);
    let config = |text: String| {
        std::fs::create_dir_all(place.path(".docker")).unwrap();
        std::fs::write(place.path(".docker/config.json"), text).unwrap();
    };
    let host = registry.host.as_str();
    let own = format!(r#"{{"credHelpers":{{"{host}":"vault"}}}}"#);
    for text in [r#"{"credsStore":"vault"}"#.to_owned(), own] {
        config(text.clone());
        let path = format!("{}:/usr/bin:/bin", place.path("bin").display());
        let command = |args: &[&str]| -> Command {
            let mut command = place.plain(args);
            command.env("PATH", &path);
            command
        };
        refuses(1, &mut command(&["copy", &from, &to]));
        succeeds(&mut command(&["login", "-u", "u", "-p", PASSWORD, host]));
        let file = std::fs::read_to_string(place.path(".docker/config.json")).unwrap();
        assert_eq!(file, text, "what the helper keeps does not go into the file");
        succeeds(&mut command(&["copy", &from, &to]));
        succeeds(&mut command(&["logout", host]));
        refuses(1, &mut command(&["copy", &from, &to]));
        let calls = std::fs::read_to_string(place.path("vault/calls")).unwrap();
        assert!(calls.ends_with("get\nstore\nget\nget\nerase\nget\n"), "{calls}");
    }
    config(r#"{"credsStore":"absent"}"#.to_owned());
    let error = place.fails(1, &["copy", &from, &to]);
    assert!(error.contains("credential helper `absent`: cannot run it"), "{error}");
}

/// A login of user `u` in podman's, docker's or any other file.
fn logged_in(path: &std::path::Path, hosts: &[&str]) {
    use base64::Engine as _;
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("u:{PASSWORD}"));
    let auths: serde_json::Map<_, _> = hosts
        .iter()
        .map(|host| ((*host).to_owned(), serde_json::json!({ "auth": auth })))
        .collect();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, serde_json::json!({ "auths": auths, "kept": 1 }).to_string()).unwrap();
}

#[test]
fn a_logout_takes_the_login_from_every_file_that_is_read() {
    let Some((registry, place, from, to)) = scene() else { return };
    let host = registry.host.as_str();
    let runtime = place.path("run");
    let files = [place.path(".docker/config.json"), runtime.join("containers/auth.json")];
    let command = |args: &[&str]| {
        let mut command = place.plain(args);
        command.env("XDG_RUNTIME_DIR", &runtime);
        command
    };
    for file in &files {
        logged_in(file, &[&format!("https://{host}/v2/"), "r.io"]);
    }
    succeeds(&mut command(&["copy", &from, &to]));
    assert_eq!(succeeds(&mut command(&["logout", host])), "logged out\n");
    refuses(1, &mut command(&["copy", &from, &to]));
    assert_eq!(succeeds(&mut command(&["logout", host])), "was not logged in\n");
    let texts = || files.each_ref().map(|file| std::fs::read_to_string(file).unwrap());
    assert!(texts().iter().all(|text| text.contains("r.io") && text.contains("kept")));
    refuses(2, &mut command(&["logout", "--all", host]));
    assert_eq!(succeeds(&mut command(&["logout", "--all"])), "logged out\n");
    assert!(texts().iter().all(|text| !text.contains("r.io") && text.contains("kept")));
    assert_eq!(succeeds(&mut command(&["logout", "--all"])), "was not logged in\n");
    let error = refuses(2, &mut command(&["login", &format!("http://{host}")]));
    assert!(error.contains("name the registry alone"), "{error}");
}

#[test]
fn logins_at_the_same_time_are_all_stored() {
    let place = Place::new();
    let hosts: Vec<String> = (1..=8).map(|number| format!("r{number}.io")).collect();
    let file = place.path("some/auth.json");
    let config = imgmgr::config::DockerConfig::new(vec![file.clone()]);
    std::thread::scope(|scope| {
        for host in &hosts {
            let config = config.clone();
            scope.spawn(move || config.store(host, "u", PASSWORD).unwrap());
        }
    });
    for host in &hosts {
        assert!(config.lookup(host, "x").unwrap().is_some(), "{host}");
    }
    let directory = std::fs::read_dir(place.path("some")).unwrap();
    assert_eq!(directory.count(), 1, "nothing but the file");
    let mode = std::fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_login_that_finds_the_disk_full_leaves_no_file() {
    if !inside("logins::a_login_that_finds_the_disk_full_leaves_no_file") {
        return;
    }
    let Some((registry, place, ..)) = scene() else { return };
    let disk = place.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let at = disk.to_str().unwrap();
    run("mount", &["-t", "tmpfs", "-o", "size=16k", "tmpfs", at]);
    std::fs::write(disk.join("full"), vec![0; 1 << 20]).unwrap_err();
    let file = disk.join("auth.json").to_str().unwrap().to_owned();
    let login = ["login", "-u", "u", "-p", PASSWORD, &registry.host, "--authfile", &file];
    let error = place.fails(1, &login);
    assert!(error.starts_with(&format!("error: cannot write `{file}`")), "{error}");
    assert!(error.contains("No space left on device"), "{error}");
    let left = std::fs::read_dir(&disk).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["full"]);
    run("umount", &[at]);
}
