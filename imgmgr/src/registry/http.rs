//! HTTP connections: one pool for each set of certificates.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::redirect;

use super::endpoint::{Endpoint, TlsOptions};
use super::{RegistryError, Result};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The most headers of an answer.
const MAX_HEADERS: usize = 100;

/// What connections share.
#[derive(Debug)]
pub(super) struct Connections {
    user_agent: String,
    stall_timeout: Duration,
    pools: Mutex<HashMap<(PoolKey, Waiting), reqwest::Client>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum PoolKey {
    /// Reading the system's authorities takes longer than a whole exchange on the loopback.
    Plain,
    Verified(TlsOptions),
    Unverified(TlsOptions),
}

/// What protects one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    None,
    Verified,
    Unverified,
}

/// How long requests of a pool wait for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Waiting {
    /// The stall timeout, from the start of the request.
    Limited,
    /// As long as the caller does.
    Unlimited,
}

impl Connections {
    pub(super) fn new(user_agent: String, stall_timeout: Duration) -> Self {
        // Fails if the process chose a provider before us, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { user_agent, stall_timeout, pools: Mutex::default() }
    }

    /// Returns the pool for requests to `endpoint`, or to where it redirects.
    pub(super) fn pool(
        &self,
        endpoint: &Endpoint,
        protection: Protection,
        waiting: Waiting,
    ) -> Result<reqwest::Client> {
        let tls = || (*endpoint.tls).clone();
        let key = match protection {
            Protection::None => PoolKey::Plain,
            Protection::Verified => PoolKey::Verified(tls()),
            Protection::Unverified => PoolKey::Unverified(tls()),
        };
        let key = (key, waiting);
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&key) {
            return Ok(pool.clone());
        }
        let pool = self
            .build(&key.0, waiting)
            .map_err(|reason| RegistryError::Setup { host: endpoint.host.clone(), reason })?;
        pools.insert(key, pool.clone());
        Ok(pool)
    }

    fn build(
        &self,
        key: &PoolKey,
        waiting: Waiting,
    ) -> std::result::Result<reqwest::Client, String> {
        let mut builder = reqwest::Client::builder()
            .user_agent(&self.user_agent)
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http1_max_headers(MAX_HEADERS)
            .http2_adaptive_window(true)
            .tcp_nodelay(true);
        if waiting == Waiting::Limited {
            builder = builder.read_timeout(self.stall_timeout);
        }
        match key {
            PoolKey::Plain => builder = builder.tls_certs_only([]),
            PoolKey::Verified(tls) => builder = with_certificates(builder, tls)?,
            PoolKey::Unverified(tls) => {
                builder = with_certificates(builder.tls_danger_accept_invalid_certs(true), tls)?;
            }
        }
        builder.build().map_err(|error| chain(&error))
    }
}

fn with_certificates(
    mut builder: reqwest::ClientBuilder,
    tls: &TlsOptions,
) -> std::result::Result<reqwest::ClientBuilder, String> {
    let mut authorities = Vec::new();
    for pem in &tls.authorities {
        let bundle = reqwest::Certificate::from_pem_bundle(pem);
        authorities.extend(bundle.map_err(|e| format!("bad CA certificate: {}", chain(&e)))?);
    }
    if !authorities.is_empty() {
        builder = builder.tls_certs_merge(authorities);
    }
    if let Some(pem) = &tls.identity {
        let identity = reqwest::Identity::from_pem(pem)
            .map_err(|e| format!("bad client certificate or key: {}", chain(&e)))?;
        builder = builder.identity(identity);
    }
    Ok(builder)
}

/// An error with its causes on one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
