//! Any bytes as docker's config.json, registries.conf or hosts.toml.

use std::path::Path;

use imgmgr::config::{RegistriesConf, credential_in, parse_hosts};
use imgmgr::reference::Reference;

pub(crate) fn run(bytes: &[u8]) {
    for host in ["docker.io", "r.io:5000", "r.io"] {
        if let Ok(Some(credential)) = credential_in(bytes, host, "team/app") {
            assert!(!format!("{credential:?}").is_empty());
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Certificates that it names are read: none of them is there.
    if let Ok(file) = parse_hosts(text, Path::new("/nonexistent/hosts.toml")) {
        for rule in file.hosts.iter().chain(&file.server) {
            assert!(rule.api_path.starts_with('/') && rule.api_path.ends_with('/'));
            assert!(!rule.host.contains('/'));
        }
    }
    if let Ok(conf) = RegistriesConf::parse(text) {
        for name in ["docker.io/library/x", "r.io:5000/a/b", "a.corp.io/x"] {
            let repository = Reference::parse_repository(name).expect("a constant that parses");
            if let Some(rule) = conf.rule(&repository) {
                let _ = rule.rewrite(&repository, &rule.location);
            }
        }
    }
}
