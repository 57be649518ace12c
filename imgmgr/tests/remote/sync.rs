//! `sync --delete` with a registry that deletes images and no tags.

use super::registry::Registry;
use super::support::{Place, layout, tar};

#[test]
fn tags_that_the_source_lost_go_by_digest_unless_another_tag_needs_it() {
    let Some(registry) = Registry::open() else { return };
    let place = Place::new();
    let host = &registry.host;
    let put = |name: &str, to: &str| {
        let path = place.path(name);
        if !path.exists() {
            layout(&path, &[tar(name, 1000)]);
        }
        place.run(&[
            "copy",
            &format!("oci:{}:v1", path.display()),
            &format!("docker://{host}/{to}"),
        ]);
    };
    put("a", "app:1");
    put("b", "app:2");
    put("a", "mirror/app:1");
    put("c", "mirror/app:gone");
    put("c", "mirror/app:gone-too");
    let sync = ["sync", &format!("{host}/app"), "--to", &format!("{host}/mirror"), "--delete"];
    let printed = place.run(&sync);
    assert_eq!(printed.matches("deleted: ").count(), 2, "{printed}");
    let tags = || {
        let mirror = format!("{host}/mirror/app");
        let listed = place.run(&["list-tags", "--format", "table", &mirror]);
        listed.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(tags(), ["1", "2"].map(str::to_owned).into());
    put("b", "mirror/app:same");
    let error = place.fails(1, &sync);
    assert!(error.contains("share theirs with tags that stay: `same`"), "{error}");
    assert_eq!(tags(), ["1", "2", "same"].map(str::to_owned).into());
    for tag in ["1", "2", "same"] {
        place.run(&["inspect", "--raw", &format!("docker://{host}/mirror/app:{tag}")]);
    }
}

#[test]
fn a_digest_file_is_there_whole_or_not_at_all() {
    let place = Place::new();
    let digest = layout(&place.path("in"), &[tar("a", 1000)]);
    let from = format!("oci:{}:v1", place.path("in").display());
    let path = |name: &str| place.path(name).to_str().unwrap().to_owned();
    place.run(&["copy", &from, "r.io/a:1", "--digestfile", &path("digest")]);
    assert_eq!(std::fs::read_to_string(path("digest")).unwrap(), digest);
    let error = place.fails(1, &["copy", &from, "r.io/a:1", "--digestfile", &path("no/digest")]);
    assert!(error.starts_with(&format!("error: cannot write `{}`", path("no/digest"))), "{error}");
    let error = place.fails(1, &["copy", &from, "r.io/a:1", "--digestfile", "/dev/full"]);
    assert!(error.starts_with("error: cannot write `/dev/full`"), "{error}");
}
