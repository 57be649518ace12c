//! The client and, for one repository, what can be asked of it.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::reference::{Reference, Repository};

use super::auth::{CredentialSource, TokenCache};
use super::endpoint::{Capabilities, Endpoint, EndpointSource};
use super::http::{Connections, Protection};
use super::retry::RetryPolicy;
use super::session::Ask;
use super::{FailureKind, RegistryError, Result};

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// How often and how patiently requests are repeated.
    pub retry: RetryPolicy,
    /// How long a connection may bring nothing before it counts as cut.
    pub stall_timeout: Duration,
    /// Ranges of one large blob that are fetched at the same time.
    pub connections_per_blob: usize,
    /// Sent as `User-Agent`.
    pub user_agent: String,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            stall_timeout: Duration::from_secs(30),
            connections_per_blob: 3,
            user_agent: concat!("imgmgr/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// A client of any number of registries; cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: ClientOptions,
    pub(super) endpoints: Box<dyn EndpointSource>,
    pub(super) credentials: Box<dyn CredentialSource>,
    pub(super) connections: Connections,
    pub(super) tokens: TokenCache,
    /// What insecure hosts turned out to speak.
    pub(super) protections: Mutex<HashMap<String, Protection>>,
    /// Uploads are to end where they can be resumed.
    pub(super) interrupted: watch::Sender<bool>,
    /// Bytes of blobs that went out.
    pub(super) sent: AtomicU64,
}

impl Client {
    /// Makes a client that finds endpoints and credentials by the given configuration.
    pub fn new(
        options: ClientOptions,
        endpoints: Box<dyn EndpointSource>,
        credentials: Box<dyn CredentialSource>,
    ) -> Self {
        let connections = Connections::new(options.user_agent.clone(), options.stall_timeout);
        let (tokens, protections) = (TokenCache::default(), Mutex::default());
        let (interrupted, sent) = (watch::Sender::new(false), AtomicU64::new(0));
        Self(Arc::new(Shared {
            options,
            endpoints,
            credentials,
            connections,
            tokens,
            protections,
            interrupted,
            sent,
        }))
    }

    /// Asks the registry at `host` whether it accepts the credentials.
    ///
    /// # Errors
    /// [`RegistryError`] if it does not, or is none.
    pub async fn check_login(&self, host: &str) -> Result<()> {
        let name = format!("{host}/login");
        let repository = Reference::parse_repository(&name).map_err(|error| {
            RegistryError::Setup { host: host.to_owned(), reason: error.to_string() }
        })?;
        let broken = |reason| RegistryError::Setup { host: host.to_owned(), reason };
        let mut endpoints = self.0.endpoints.endpoints(&repository).map_err(broken)?;
        if endpoints.is_empty() {
            return Err(RegistryError::Blocked { name: host.to_owned() });
        }
        endpoints.retain(|endpoint| endpoint.capabilities.push);
        let Some(mut endpoint) = endpoints.pop() else {
            return Err(RegistryError::NoEndpoint { host: host.to_owned(), action: "log in" });
        };
        endpoint.repository = String::new();
        let url = self.url(&endpoint, "").await?;
        self.send(&endpoint, &Ask::new(reqwest::Method::GET, url).actions("")).await.map(drop)
    }

    /// What can be asked of `repository`.
    pub fn remote(&self, repository: &Repository) -> Remote {
        let endpoints = self.0.endpoints.endpoints(repository);
        Remote {
            client: self.clone(),
            repository: repository.clone(),
            endpoints: endpoints.map(Arc::from),
        }
    }
}

/// One repository and the endpoints that serve it; cheap to clone.
#[derive(Clone, Debug)]
pub struct Remote {
    pub(super) client: Client,
    pub(super) repository: Repository,
    /// Or what is wrong with their configuration.
    endpoints: std::result::Result<Arc<[Endpoint]>, String>,
}

impl Remote {
    /// Which repository this is.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The endpoints that may do what `may` asks, in order.
    pub(super) fn endpoints_for(
        &self,
        action: &'static str,
        may: fn(&Capabilities) -> bool,
    ) -> Result<Vec<&Endpoint>> {
        let host = self.repository.domain().to_owned();
        let endpoints = match &self.endpoints {
            Ok(endpoints) => endpoints,
            Err(reason) => return Err(RegistryError::Setup { host, reason: reason.clone() }),
        };
        if endpoints.is_empty() {
            return Err(RegistryError::Blocked { name: self.repository.to_string() });
        }
        let able: Vec<&Endpoint> =
            endpoints.iter().filter(|endpoint| may(&endpoint.capabilities)).collect();
        if able.is_empty() {
            return Err(RegistryError::NoEndpoint { host, action });
        }
        Ok(able)
    }

    /// The endpoint that takes uploads and deletions.
    pub(super) fn writer(&self) -> Result<&Endpoint> {
        Ok(self.endpoints_for("push", |can| can.push)?[0])
    }

    /// Asks one endpoint after the other until one answers.
    ///
    /// The error is the first that tells more than "not found": a mirror without the image must
    /// not hide that the registry itself wants a login.
    pub(super) async fn first<'a, T, F, A>(&self, endpoints: Vec<&'a Endpoint>, ask: A) -> Result<T>
    where
        F: Future<Output = Result<T>>,
        A: Fn(&'a Endpoint) -> F,
    {
        let mut failure: Option<RegistryError> = None;
        for endpoint in endpoints {
            match ask(endpoint).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    let tells_more = failure.as_ref().is_none_or(|seen| {
                        seen.kind() == FailureKind::NotFound || endpoint.capabilities.push
                    });
                    if tells_more {
                        failure = Some(error);
                    }
                }
            }
        }
        let host = self.repository.domain().to_owned();
        Err(failure.unwrap_or(RegistryError::NoEndpoint { host, action: "answer" }))
    }
}
