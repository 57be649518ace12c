//! TLS with authorities and client certificates of one's own, by every way to name them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::registry::{Options, Registry, have};
use super::support::{Place, layout, refuses, succeeds, tar};

/// An authority, what it signed for 127.0.0.1 and `registry.test`, and another authority.
pub(crate) struct Authority {
    directory: tempfile::TempDir,
}

const CONFIG: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = test
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[leaf]
basicConstraints = CA:FALSE
subjectAltName = IP:127.0.0.1, DNS:registry.test
extendedKeyUsage = serverAuth, clientAuth
";

impl Authority {
    /// `None` where there is no openssl.
    pub(crate) fn new() -> Option<Self> {
        if !have("openssl") {
            return None;
        }
        let authority = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::write(authority.path("config"), CONFIG).unwrap();
        authority.make("ca", "authority", None);
        authority.make("stranger", "authority", None);
        authority.make("leaf", "leaf", Some("ca"));
        Some(authority)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn make(&self, name: &str, extensions: &str, by: Option<&str>) {
        let mut command = Command::new("openssl");
        command.current_dir(self.directory.path()).args(["req", "-x509", "-nodes", "-days", "3"]);
        command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
        command.args(["-config", "config", "-extensions", extensions]);
        command.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")]);
        if let Some(by) = by {
            command.args(["-CA", &format!("{by}.crt"), "-CAkey", &format!("{by}.key")]);
        }
        succeeds(&mut command);
    }

    /// A registry that serves with the leaf.
    pub(crate) fn registry(&self, client_authority: Option<&str>) -> Option<Registry> {
        Registry::start(&Options {
            tls: Some((self.path("leaf.crt"), self.path("leaf.key"))),
            client_authority: client_authority.map(|name| self.path(name)),
            user: None,
        })
    }

    fn copy(&self, name: &str, to: &Path) {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(self.path(name), to).unwrap();
    }
}

/// A command that pushes a small image to the registry.
fn push(place: &Place, registry: &Registry, more: &[&str]) -> Command {
    let from = format!("oci:{}:v1", place.path("in").display());
    let to = format!("docker://{}/app:1", registry.host);
    let mut command = place.command(&["--attempts", "1", "copy", &from, &to]);
    command.args(more);
    command
}

fn place() -> Place {
    let place = Place::new();
    layout(&place.path("in"), &[tar("a", 1000)]);
    place
}

#[test]
fn an_authority_of_ones_own() {
    let Some(authority) = Authority::new() else { return };
    let Some(registry) = authority.registry(None) else { return };
    let place = place();
    let error = refuses(1, &mut push(&place, &registry, &[]));
    assert!(error.contains("certificate") && error.contains("with `--ca-file FILE`"), "{error}");
    let ca = authority.path("ca.crt").display().to_string();
    succeeds(&mut push(&place, &registry, &["--ca-file", &ca]));
    succeeds(&mut push(&place, &registry, &["--insecure-registry", &registry.host]));
    refuses(1, &mut push(&place, &registry, &["--insecure-registry", "127.0.0.1:1"]));

    // docker's certs.d, and another authority in it.
    let certs = place.path("docker/certs.d");
    let by_directory = || {
        let mut command = push(&place, &registry, &[]);
        command.arg("--cert-dir").arg(&certs);
        command
    };
    authority.copy("stranger.crt", &certs.join(&registry.host).join("ca.crt"));
    refuses(1, &mut by_directory());
    authority.copy("ca.crt", &certs.join(&registry.host).join("ca.crt"));
    succeeds(&mut by_directory());
    // A person's own directory, without being told.
    let own = place.path(".config/containers/certs.d").join(&registry.host);
    authority.copy("ca.crt", &own.join("anything.crt"));
    succeeds(&mut push(&place, &registry, &[]));
    std::fs::remove_dir_all(&own).unwrap();

    // containerd's hosts.toml.
    let host = place.path("hosts").join(&registry.host);
    authority.copy("ca.crt", &host.join("ca.pem"));
    let hosts = place.path("hosts").display().to_string();
    let server = format!("server = 'https://{}'\n", registry.host);
    // Without a server it is about the registry itself.
    for text in [server + "ca = 'ca.pem'\n", "ca = 'ca.pem'\n".to_owned()] {
        std::fs::write(host.join("hosts.toml"), text).unwrap();
        succeeds(&mut push(&place, &registry, &["--hosts-dir", &hosts]));
    }
    let escaped = registry.host.replace(':', "_") + "_";
    std::fs::rename(host, place.path("hosts").join(escaped)).unwrap();
    succeeds(&mut push(&place, &registry, &["--hosts-dir", &hosts]));
}

#[test]
fn client_certificates() {
    let Some(authority) = Authority::new() else { return };
    let Some(registry) = authority.registry(Some("ca.crt")) else { return };
    let place = place();
    let ca = authority.path("ca.crt").display().to_string();
    refuses(1, &mut push(&place, &registry, &["--ca-file", &ca]));
    let both = place.path("both.pem");
    let mut bytes = std::fs::read(authority.path("leaf.crt")).unwrap();
    bytes.extend(std::fs::read(authority.path("leaf.key")).unwrap());
    std::fs::write(&both, bytes).unwrap();
    let both = both.display().to_string();
    succeeds(&mut push(&place, &registry, &["--ca-file", &ca, "--client-cert", &both]));

    let certs = place.path("certs.d");
    let host = certs.join(&registry.host);
    authority.copy("ca.crt", &host.join("ca.crt"));
    authority.copy("leaf.crt", &host.join("me.cert"));
    let by_directory = || {
        let mut command = push(&place, &registry, &[]);
        command.arg("--cert-dir").arg(&certs);
        command
    };
    let error = refuses(1, &mut by_directory());
    assert!(error.contains("has no `me.key` beside it"), "{error}");
    authority.copy("leaf.key", &host.join("me.key"));
    succeeds(&mut by_directory());

    let text = format!(
        "server = 'https://{}'\nca = 'ca.crt'\nclient = [['me.cert', 'me.key']]\n",
        registry.host
    );
    std::fs::write(host.join("hosts.toml"), text).unwrap();
    let certs = certs.display().to_string();
    succeeds(&mut push(&place, &registry, &["--hosts-dir", &certs]));
}
