//! All configuration about registries together: where a repository is to be had.

use std::path::PathBuf;
use std::sync::Arc;

use crate::reference::Repository;
use crate::registry::{Capabilities, Endpoint, EndpointSource, Scheme, TlsOptions};

use super::hosts::{HostRule, HostsFile, parse_hosts};
use super::registries::{RegistriesConf, RegistriesError};
use super::{ConfigPaths, HostsError};

/// Which registries the caller named as insecure.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Insecure {
    /// These hosts, each as `host` or `host:port`.
    Hosts(Vec<String>),
    /// Every one that this command is given.
    All,
    /// None.
    #[default]
    Nobody,
}

/// Finds endpoints: hosts.toml of the registry, else registries.conf, else the registry itself.
#[derive(Clone, Debug, Default)]
pub struct EndpointBook {
    conf: RegistriesConf,
    hosts_dirs: Vec<PathBuf>,
    insecure: Insecure,
    tls: Arc<TlsOptions>,
}

impl EndpointBook {
    /// Reads registries.conf; hosts.toml files are read when their registry is used.
    ///
    /// # Errors
    /// [`RegistriesError`].
    pub fn load(
        paths: &ConfigPaths,
        insecure: Insecure,
        tls: TlsOptions,
    ) -> Result<Self, RegistriesError> {
        let conf = match &paths.registries_conf {
            Some(path) => RegistriesConf::load(path)?,
            None => RegistriesConf::default(),
        };
        Ok(Self { conf, hosts_dirs: paths.hosts_dirs.clone(), insecure, tls: Arc::new(tls) })
    }

    fn is_insecure(&self, host: &str) -> bool {
        match &self.insecure {
            Insecure::All => true,
            Insecure::Nobody => false,
            Insecure::Hosts(hosts) => hosts.iter().any(|named| named == host),
        }
    }

    /// The hosts.toml for a registry, or for all of them in `_default`.
    ///
    /// # Errors
    /// [`HostsError`] if there is one that can't be used.
    pub fn hosts_file(&self, domain: &str) -> Result<Option<HostsFile>, HostsError> {
        for directory in &self.hosts_dirs {
            let escaped = domain.replace(':', "_");
            for name in [domain, escaped.as_str(), "_default"] {
                let path = directory.join(name).join("hosts.toml");
                match std::fs::read_to_string(&path) {
                    Ok(text) => return parse_hosts(&text, &path).map(Some),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(source) => return Err(HostsError::Read { path, source }),
                }
            }
        }
        Ok(None)
    }

    fn scheme(&self, host: &str, insecure: bool) -> Scheme {
        if insecure || self.is_insecure(host) { Scheme::Insecure } else { Scheme::Https }
    }

    fn origin(&self, repository: &Repository) -> Endpoint {
        let scheme = self.scheme(repository.domain(), false);
        Endpoint { tls: Arc::clone(&self.tls), ..Endpoint::origin(repository, scheme) }
    }

    fn hosts_endpoints(&self, repository: &Repository, file: HostsFile) -> Vec<Endpoint> {
        let endpoint = |rule: HostRule, mirror: bool| {
            let namespace = (mirror && rule.host != repository.domain())
                .then(|| repository.domain().to_owned());
            Endpoint {
                scheme: match rule.scheme {
                    Scheme::Https => self.scheme(&rule.host, false),
                    other => other,
                },
                credentials: if mirror {
                    rule.host.clone()
                } else {
                    repository.domain().to_owned()
                },
                host: rule.host,
                api_path: rule.api_path,
                repository: repository.path().to_owned(),
                tls: Arc::new(rule.tls),
                capabilities: rule.capabilities,
                headers: rule.headers,
                namespace,
            }
        };
        let HostsFile { hosts, server } = file;
        let mut endpoints: Vec<Endpoint> =
            hosts.into_iter().map(|rule| endpoint(rule, true)).collect();
        endpoints.push(match server {
            Some(rule) => endpoint(rule, false),
            None => self.origin(repository),
        });
        endpoints
    }

    fn conf_endpoints(&self, repository: &Repository) -> Option<Vec<Endpoint>> {
        let rule = self.conf.rule(repository)?;
        if rule.blocked {
            return Some(Vec::new());
        }
        let at = |location: &str, insecure: bool, capabilities| {
            let name = rule.rewrite(repository, location);
            let (host, path) = name.split_once('/').unwrap_or((&name, ""));
            let scheme = self.scheme(host, insecure);
            let server = if host == "docker.io" { "registry-1.docker.io" } else { host };
            Endpoint {
                host: server.to_owned(),
                repository: path.to_owned(),
                credentials: host.to_owned(),
                scheme,
                capabilities,
                ..self.origin(repository)
            }
        };
        let mirrors = rule.mirror.iter().map(|mirror| {
            let by_digest = rule.mirror_by_digest_only || mirror.pull_from_mirror == "digest-only";
            let can = if by_digest { Capabilities::BY_DIGEST } else { Capabilities::READ };
            at(&mirror.location, mirror.insecure, can)
        });
        let mut endpoints: Vec<Endpoint> = mirrors.collect();
        endpoints.push(at(&rule.location, rule.insecure, Capabilities::ALL));
        Some(endpoints)
    }
}

impl EndpointSource for EndpointBook {
    fn endpoints(&self, repository: &Repository) -> Vec<Endpoint> {
        match self.hosts_file(repository.domain()) {
            Ok(Some(file)) => self.hosts_endpoints(repository, file),
            // A broken file must not send anything where its owner did not want it.
            Err(_) => Vec::new(),
            Ok(None) => {
                self.conf_endpoints(repository).unwrap_or_else(|| vec![self.origin(repository)])
            }
        }
    }
}
