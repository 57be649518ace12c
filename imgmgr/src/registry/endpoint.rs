//! Where a repository is served from: the registry itself and its mirrors.

use std::fmt;
use std::sync::Arc;

use crate::reference::Repository;

/// How an endpoint is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// TLS, verified.
    Https,
    /// Named as insecure: TLS without verification, plain HTTP if there is no TLS.
    Insecure,
    /// Plain HTTP, named as such.
    Http,
}

/// Certificates, as PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsOptions {
    /// Authorities to trust besides the system's.
    pub authorities: Vec<Vec<u8>>,
    /// Certificate and key to show to the server.
    pub identity: Option<Vec<u8>>,
}

/// What an endpoint may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Content by digest.
    pub pull: bool,
    /// What a tag means.
    pub resolve: bool,
    /// Uploads and deletions.
    pub push: bool,
}

impl Capabilities {
    /// The registry itself.
    pub const ALL: Self = Self { pull: true, resolve: true, push: true };
    /// A mirror that is believed about tags.
    pub const READ: Self = Self { pull: true, resolve: true, push: false };
    /// A mirror for content only.
    pub const BY_DIGEST: Self = Self { pull: true, resolve: false, push: false };
}

/// One server of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host and, perhaps, port.
    pub host: String,
    /// The path that the API's `/v2/` follows, or that replaces it; with slashes at both ends.
    pub api_path: String,
    /// The repository as this endpoint calls it.
    pub repository: String,
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Certificates.
    pub tls: Arc<TlsOptions>,
    /// What it may be asked for.
    pub capabilities: Capabilities,
    /// Headers that the configuration adds.
    pub headers: Vec<(String, String)>,
    /// The name under which its credentials are stored.
    pub credentials: String,
    /// The registry whose content it has, for `ns=` of containerd's mirrors.
    pub namespace: Option<String>,
}

impl Endpoint {
    /// The registry of `repository` itself, without any configuration.
    pub fn origin(repository: &Repository, scheme: Scheme) -> Self {
        let domain = repository.domain();
        let host = if domain == "docker.io" { "registry-1.docker.io" } else { domain };
        Self {
            host: host.to_owned(),
            api_path: "/v2/".to_owned(),
            repository: repository.path().to_owned(),
            scheme,
            tls: Arc::default(),
            capabilities: Capabilities::ALL,
            headers: Vec::new(),
            credentials: domain.to_owned(),
            namespace: None,
        }
    }

    /// The same without the client certificate.
    pub(super) fn without_identity(&self) -> Self {
        let authorities = self.tls.authorities.clone();
        Self { tls: Arc::new(TlsOptions { authorities, identity: None }), ..self.clone() }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)
    }
}

/// Knows the endpoints of every repository: the configuration.
pub trait EndpointSource: Send + Sync + fmt::Debug {
    /// The endpoints of `repository`, in the order in which they are tried; none if it is blocked.
    ///
    /// # Errors
    /// In words, if what is configured for it can't be used.
    fn endpoints(&self, repository: &Repository) -> Result<Vec<Endpoint>, String>;
}
