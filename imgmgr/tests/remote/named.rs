//! Configuration that somebody named must be there: without it a request would go elsewhere.

use super::registry::{Options, PASSWORD, Registry};
use super::support::{Place, refuses, succeeds};

#[test]
fn what_was_named_and_is_not_there_is_refused_by_name() {
    let Some(registry) = Registry::open() else { return };
    let place = Place::new();
    let absent = place.path("absent").to_str().unwrap().to_owned();
    let list = ["list-tags", &format!("{}/app", registry.host)];
    let expected = format!("error: cannot read `{absent}`\ncaused by: No such file");
    for option in ["--registries-conf", "--hosts-dir", "--authfile", "--cert-dir", "--ca-file"] {
        let error = refuses(1, place.plain(&list).args([option, &absent]));
        assert!(error.starts_with(&expected), "{option}: {error}");
    }
    for variable in ["REGISTRY_AUTH_FILE", "CONTAINERS_REGISTRIES_CONF"] {
        let error = refuses(1, place.plain(&list).env(variable, &absent));
        assert!(error.starts_with(&expected), "{variable}: {error}");
        let error = refuses(1, place.plain(&list).env(variable, ""));
        assert!(error.contains("404"), "{variable}: {error}");
    }
    let text = place.path("text");
    std::fs::write(&text, "no certificate\n").unwrap();
    let error = refuses(1, place.plain(&list).arg("--ca-file").arg(&text));
    assert!(error.contains(&format!("`{}` holds no certificate", text.display())), "{error}");
    let error = refuses(1, place.plain(&list).arg("--hosts-dir").arg(&text));
    assert!(error.contains(&format!("cannot read `{}`", text.display())), "{error}");
}

#[test]
fn a_login_makes_the_file_that_was_named() {
    let Some(registry) = Registry::start(&Options { user: Some("u"), ..Options::default() }) else {
        return;
    };
    let place = Place::new();
    let file = place.path("new/auth.json");
    let login = ["login", "-u", "u", "-p", PASSWORD, &registry.host];
    succeeds(place.plain(&login).arg("--authfile").arg(&file));
    let logout = ["logout", &registry.host];
    assert_eq!(succeeds(place.plain(&logout).arg("--authfile").arg(&file)), "logged out\n");
}
