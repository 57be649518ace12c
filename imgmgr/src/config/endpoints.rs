//! All configuration about registries together: where a repository is to be had.

use std::path::PathBuf;
use std::sync::Arc;

use crate::reference::Repository;
use crate::registry::{Capabilities, Endpoint, EndpointSource, Scheme, TlsOptions};

use super::hosts::{HostRule, HostsFile, parse_hosts};
use super::registries::{RegistriesConf, RegistriesError};
use super::{CertificatesError, ConfigPaths, HostsError, load_certificates};

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

/// Why a repository's endpoints could not be told.
#[derive(Debug, thiserror::Error)]
pub enum EndpointsError {
    /// Its hosts.toml.
    #[error(transparent)]
    Hosts(#[from] HostsError),
    /// Its certificates.
    #[error(transparent)]
    Certificates(#[from] CertificatesError),
}

/// Finds endpoints: hosts.toml of the registry, else registries.conf, else the registry itself.
#[derive(Clone, Debug, Default)]
pub struct EndpointBook {
    conf: RegistriesConf,
    hosts_dirs: Vec<PathBuf>,
    certificate_dirs: Vec<PathBuf>,
    insecure: Insecure,
    /// What the caller named: for every endpoint.
    tls: TlsOptions,
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
        let ConfigPaths { hosts_dirs, certificate_dirs, .. } = paths.clone();
        Ok(Self { conf, hosts_dirs, certificate_dirs, insecure, tls })
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
            // As containerd has it, and as people take it to be.
            let between = domain.contains(':').then(|| format!("{escaped}_"));
            let names = [between.as_deref().unwrap_or(domain), domain, &escaped, "_default"];
            for name in names {
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
        Endpoint::origin(repository, scheme)
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
            Some(rule) if rule.host.is_empty() => {
                let origin = self.origin(repository);
                let scheme =
                    if rule.scheme == Scheme::Insecure { rule.scheme } else { origin.scheme };
                Endpoint {
                    scheme,
                    tls: Arc::new(rule.tls),
                    capabilities: rule.capabilities,
                    headers: rule.headers,
                    ..origin
                }
            }
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

impl EndpointBook {
    fn try_endpoints(&self, repository: &Repository) -> Result<Vec<Endpoint>, EndpointsError> {
        let mut endpoints = match self.hosts_file(repository.domain())? {
            Some(file) => self.hosts_endpoints(repository, file),
            None => self.conf_endpoints(repository).unwrap_or(vec![self.origin(repository)]),
        };
        for endpoint in &mut endpoints {
            let names = [endpoint.credentials.as_str(), endpoint.host.as_str()];
            let found = load_certificates(&self.certificate_dirs, &names)?;
            let tls = Arc::make_mut(&mut endpoint.tls);
            tls.authorities.extend(found.authorities);
            tls.authorities.extend(self.tls.authorities.iter().cloned());
            // What was named for this command counts before what lies in files.
            tls.identity =
                self.tls.identity.clone().or_else(|| tls.identity.take()).or(found.identity);
        }
        Ok(endpoints)
    }
}

impl EndpointSource for EndpointBook {
    fn endpoints(&self, repository: &Repository) -> Result<Vec<Endpoint>, String> {
        // A broken file must not send anything where its owner did not want it.
        self.try_endpoints(repository).map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            format!("{error}{}", cause.unwrap_or_default())
        })
    }
}
