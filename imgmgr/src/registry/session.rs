//! One request: redirects, authentication and retries, until there is an answer.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use reqwest::header::{
    AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use reqwest::{Method as Verb, Response, StatusCode, Url};

use super::auth::{Credential, Method};
use super::challenge::parse_challenges;
use super::client::Client;
use super::endpoint::{Endpoint, Scheme};
use super::http::{Protection, Waiting, chain};
use super::replies::{TokenReply, error_message};
use super::retry::parse_retry_after;
use super::{FailureKind, RegistryError, Result};

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 10;
/// How much of an error's body is read.
const MAX_ERROR_BYTES: u64 = 64 << 10;
/// How much of a token server's answer is read.
const MAX_TOKEN_REPLY_BYTES: u64 = 1 << 20;

/// A request, sent as often as it takes.
pub(super) struct Ask<'a> {
    verb: Verb,
    url: Url,
    actions: &'static str,
    mount_from: Option<String>,
    headers: HeaderMap,
    body: Option<Box<dyn Fn() -> reqwest::Body + Send + Sync + 'a>>,
    sent: Option<&'a AtomicU64>,
    retry: Retry,
}

/// Whether a failure that may pass is waited out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    Yes,
    No,
}

impl<'a> Ask<'a> {
    pub(super) fn new(verb: Verb, url: Url) -> Self {
        Self {
            verb,
            url,
            actions: "pull",
            mount_from: None,
            headers: HeaderMap::new(),
            body: None,
            sent: None,
            retry: Retry::Yes,
        }
    }

    /// What the token must allow: `pull`, `pull,push`, `delete`.
    pub(super) fn actions(mut self, actions: &'static str) -> Self {
        self.actions = actions;
        self
    }

    /// A repository of the same registry that must be readable besides.
    pub(super) fn mounting(mut self, from: Option<String>) -> Self {
        self.mount_from = from;
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
        self
    }

    /// The body, made anew for each attempt.
    pub(super) fn body(mut self, body: impl Fn() -> reqwest::Body + Send + Sync + 'a) -> Self {
        self.body = Some(Box::new(body));
        self
    }

    /// What counts the bytes of a large body: while it grows, the answer may take its time.
    pub(super) fn counted(mut self, sent: &'a AtomicU64) -> Self {
        self.sent = Some(sent);
        self
    }

    pub(super) fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    fn verb_name(&self) -> &'static str {
        match self.verb {
            Verb::GET => "GET",
            Verb::HEAD => "HEAD",
            Verb::POST => "POST",
            Verb::PUT => "PUT",
            Verb::PATCH => "PATCH",
            Verb::DELETE => "DELETE",
            _ => "request",
        }
    }

    fn scope(&self, endpoint: &Endpoint) -> String {
        let mut scope = if endpoint.repository.is_empty() {
            String::new()
        } else {
            format!("repository:{}:{}", endpoint.repository, self.actions)
        };
        if let Some(from) = &self.mount_from {
            scope = format!("{scope} repository:{from}:pull");
        }
        scope
    }
}

/// A URL for messages: without query, which may hold a signature.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    let _ = url.set_password(None);
    url.to_string()
}

impl Client {
    /// The URL of `path` within the endpoint's repository, as in `manifests/latest`.
    pub(super) async fn url(&self, endpoint: &Endpoint, path: &str) -> Result<Url> {
        let scheme = match self.protection(endpoint).await? {
            Protection::None => "http",
            _ => "https",
        };
        let Endpoint { host, api_path, repository, namespace, .. } = endpoint;
        let slash = if repository.is_empty() { "" } else { "/" };
        let text = format!("{scheme}://{host}{api_path}{repository}{slash}{path}");
        let mut url = Url::parse(&text).map_err(|error| RegistryError::Setup {
            host: host.clone(),
            reason: format!("`{text}` is no URL: {error}"),
        })?;
        if let Some(namespace) = namespace {
            url.query_pairs_mut().append_pair("ns", namespace);
        }
        Ok(url)
    }

    /// Finds out, once for each host, whether an insecure endpoint has TLS at all.
    async fn protection(&self, endpoint: &Endpoint) -> Result<Protection> {
        match endpoint.scheme {
            Scheme::Https => return Ok(Protection::Verified),
            Scheme::Http => return Ok(Protection::None),
            Scheme::Insecure => {}
        }
        let lock = || self.0.protections.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(&known) = lock().get(&endpoint.host) {
            return Ok(known);
        }
        let pool = self.0.connections.pool(endpoint, Protection::Unverified, Waiting::Limited)?;
        let probe = pool.get(format!("https://{}{}", endpoint.host, endpoint.api_path)).send();
        let found = match probe.await {
            Err(error) if error.is_connect() => Protection::None,
            _ => Protection::Unverified,
        };
        lock().insert(endpoint.host.clone(), found);
        Ok(found)
    }

    /// Sends a request and returns an answer whose status is a success.
    pub(super) async fn send(&self, endpoint: &Endpoint, ask: &Ask<'_>) -> Result<Response> {
        let mut attempt = 1;
        loop {
            let failure = match self.authenticated(endpoint, ask).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            if failure.kind() != FailureKind::Temporary || ask.retry == Retry::No {
                return Err(failure);
            }
            let Some(pause) = self.0.options.retry.pause(attempt, failure.retry_after()) else {
                return Err(failure);
            };
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// One attempt, and another with fresh credentials if the registry asks for them.
    async fn authenticated(&self, endpoint: &Endpoint, ask: &Ask<'_>) -> Result<Response> {
        let scope = ask.scope(endpoint);
        let authorization = match self.0.tokens.method(&endpoint.host) {
            Some(method) => self.authorization(endpoint, &method, &scope).await?,
            None => None,
        };
        let had_authorization = authorization.is_some();
        let response = self.follow(endpoint, ask, authorization).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return self.checked(ask, response).await;
        }
        let Some(method) = wanted_method(&response) else {
            return self.checked(ask, response).await;
        };
        self.0.tokens.learn(&endpoint.host, method.clone());
        if had_authorization {
            self.0.tokens.forget(&endpoint.host, &scope); // revoked early, or of a new realm
        }
        match self.authorization(endpoint, &method, &scope).await? {
            None => self.checked(ask, response).await,
            authorization => {
                let response = self.follow(endpoint, ask, authorization).await?;
                self.checked(ask, response).await
            }
        }
    }

    /// Sends and follows redirects; only the endpoint itself sees credentials of any kind.
    async fn follow(
        &self,
        endpoint: &Endpoint,
        ask: &Ask<'_>,
        authorization: Option<String>,
    ) -> Result<Response> {
        let waiting = if ask.sent.is_some() { Waiting::Unlimited } else { Waiting::Limited };
        let mut url = ask.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let at_home = is_same_origin(&url, &ask.url) && is_host(&url, &endpoint.host);
            let protection = match (url.scheme(), endpoint.scheme) {
                ("http", _) => Protection::None,
                (_, Scheme::Https) => Protection::Verified,
                _ if at_home => Protection::Unverified,
                _ => Protection::Verified,
            };
            let pool = match &endpoint.tls.identity {
                // Who we are is nobody else's business.
                Some(_) if !at_home => {
                    self.0.connections.pool(&endpoint.without_identity(), protection, waiting)
                }
                _ => self.0.connections.pool(endpoint, protection, waiting),
            }?;
            let mut request =
                pool.request(ask.verb.clone(), url.clone()).headers(ask.headers.clone());
            if at_home {
                for (name, value) in &endpoint.headers {
                    request = request.header(name, value);
                }
                if let Some(value) = &authorization {
                    request = request.header(AUTHORIZATION, value);
                }
            }
            if let Some(body) = &ask.body {
                request = request.body(body());
            }
            let answer = match ask.sent {
                None => request.send().await,
                Some(sent) => tokio::select! {
                    answer = request.send() => answer,
                    () = self.stops_counting(sent) => {
                        return Err(RegistryError::Stalled { url: shown(&url) });
                    }
                },
            };
            let response = answer.map_err(|source| RegistryError::Network {
                url: shown(&url),
                source: source.without_url(),
            })?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let refuse = |reason: String| RegistryError::Redirect { url: shown(&ask.url), reason };
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let location = location.ok_or_else(|| refuse("without saying where to".to_owned()))?;
            let next = url
                .join(location)
                .map_err(|error| refuse(format!("to `{location}`, which is no URL: {error}")))?;
            if !matches!(next.scheme(), "https" | "http") {
                return Err(refuse(format!("to scheme `{}`", next.scheme())));
            }
            if next.scheme() == "http"
                && url.scheme() == "https"
                && endpoint.scheme == Scheme::Https
            {
                return Err(refuse("from https to http".to_owned()));
            }
            url = next;
        }
        let reason = format!("more than {MAX_REDIRECTS} times");
        Err(RegistryError::Redirect { url: shown(&ask.url), reason })
    }

    /// Turns a status that is no success into an error with the registry's own words.
    async fn checked(&self, ask: &Ask<'_>, response: Response) -> Result<Response> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let url = shown(response.url());
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| parse_retry_after(value.to_str().ok()?, SystemTime::now()));
        let patience = self.0.options.stall_timeout;
        let body = tokio::time::timeout(patience, read_bounded(response, MAX_ERROR_BYTES)).await;
        let body = body.map(Result::unwrap_or_default).unwrap_or_default();
        let message = error_message(&body);
        Err(RegistryError::Status { method: ask.verb_name(), url, status, message, retry_after })
    }

    /// The value of the `Authorization` header, or `None` to be anonymous.
    async fn authorization(
        &self,
        endpoint: &Endpoint,
        method: &Method,
        scope: &str,
    ) -> Result<Option<String>> {
        let (realm, service) = match method {
            Method::Basic => {
                let credential = self.credential(endpoint).await?;
                return Ok(credential.as_ref().and_then(Credential::basic));
            }
            Method::Bearer { realm, service } => (realm, service),
        };
        let bearer = |token: String| Ok(Some(format!("Bearer {token}")));
        if let Some(token) = self.0.tokens.token(&endpoint.host, scope) {
            return bearer(token);
        }
        let _one_at_a_time = self.0.tokens.fetching.lock().await;
        if let Some(token) = self.0.tokens.token(&endpoint.host, scope) {
            return bearer(token);
        }
        let credential = self.credential(endpoint).await?;
        if let Some(Credential::BearerToken(token)) = credential {
            return bearer(token);
        }
        let reply =
            self.fetch_token(endpoint, realm, service.as_deref(), scope, credential).await?;
        self.0.tokens.keep(&endpoint.host, scope, &reply);
        Ok(self.0.tokens.token(&endpoint.host, scope).map(|token| format!("Bearer {token}")))
    }

    async fn credential(&self, endpoint: &Endpoint) -> Result<Option<Credential>> {
        let name = (endpoint.credentials.clone(), endpoint.repository.clone());
        let mut known = self.0.tokens.credentials.lock().await;
        if let Some(credential) = known.get(&name) {
            return Ok(credential.clone());
        }
        let (client, (key, repository)) = (self.clone(), name.clone());
        let looked_up =
            tokio::task::spawn_blocking(move || client.0.credentials.credential(&key, &repository));
        let result = looked_up.await.unwrap_or_else(|panic| Err(panic.to_string()));
        let host = endpoint.host.clone();
        let found = result.map_err(|reason| RegistryError::Credentials { host, reason })?;
        known.insert(name, found.clone());
        Ok(found)
    }

    /// Asks the token server, by distribution's token specification or by OAuth2.
    async fn fetch_token(
        &self,
        endpoint: &Endpoint,
        realm: &str,
        service: Option<&str>,
        scope: &str,
        credential: Option<Credential>,
    ) -> Result<TokenReply> {
        let fail = |reason: String| RegistryError::Token {
            realm: realm.to_owned(),
            scope: scope.to_owned(),
            reason,
        };
        let mut url = Url::parse(realm).map_err(|error| fail(format!("no URL: {error}")))?;
        let protection = match (url.scheme(), endpoint.scheme) {
            ("https", Scheme::Https) => Protection::Verified,
            ("https", _) if is_host(&url, &endpoint.host) => Protection::Unverified,
            ("https", _) => Protection::Verified,
            ("http", Scheme::Http | Scheme::Insecure) => Protection::None,
            _ => return Err(fail("credentials don't go to a token server without TLS".to_owned())),
        };
        let pool = self.0.connections.pool(endpoint, protection, Waiting::Limited)?;
        let request = if let Some(Credential::RefreshToken(refresh)) = &credential {
            let form = url::form_urlencoded(&[
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh),
                ("client_id", "imgmgr"),
                ("service", service.unwrap_or_default()),
                ("scope", scope),
            ]);
            pool.post(url.clone())
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body(form)
        } else {
            {
                let mut pairs = url.query_pairs_mut();
                if let Some(service) = service {
                    pairs.append_pair("service", service);
                }
                for scope in scope.split(' ').filter(|scope| !scope.is_empty()) {
                    pairs.append_pair("scope", scope);
                }
            }
            let request = pool.get(url.clone());
            match credential.as_ref().and_then(Credential::basic) {
                Some(basic) => request.header(AUTHORIZATION, basic),
                None => request,
            }
        };
        let response = request.send().await.map_err(|source| RegistryError::Network {
            url: shown(&url),
            source: source.without_url(),
        })?;
        let status = response.status();
        let url = shown(response.url());
        let body = read_bounded(response, MAX_TOKEN_REPLY_BYTES).await?;
        if !status.is_success() {
            let message = error_message(&body);
            let (method, retry_after) = ("GET", None);
            return Err(RegistryError::Status { method, url, status, message, retry_after });
        }
        TokenReply::parse(&body).map_err(fail)
    }
}

mod url {
    /// Encodes a form body.
    pub(super) fn form_urlencoded(pairs: &[(&str, &str)]) -> String {
        let mut url = reqwest::Url::parse("http://form/").expect("a constant that parses");
        url.query_pairs_mut().extend_pairs(pairs);
        url.query().unwrap_or_default().to_owned()
    }
}

/// What the registry asks for: bearer if it offers it, else basic.
fn wanted_method(response: &Response) -> Option<Method> {
    let challenges: Vec<_> = response
        .headers()
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(parse_challenges)
        .collect();
    let bearer = challenges.iter().find(|c| c.scheme == "bearer").and_then(|challenge| {
        let realm = challenge.parameters.get("realm")?.clone();
        Some(Method::Bearer { realm, service: challenge.parameters.get("service").cloned() })
    });
    bearer.or_else(|| challenges.iter().any(|c| c.scheme == "basic").then_some(Method::Basic))
}

fn is_same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

fn is_host(url: &Url, host: &str) -> bool {
    Url::parse(&format!("{}://{host}/", url.scheme())).is_ok_and(|home| is_same_origin(&home, url))
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read_bounded(mut response: Response, limit: u64) -> Result<Vec<u8>> {
    let url = shown(response.url());
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(RegistryError::TooLarge { url, limit });
    }
    let mut bytes = Vec::new();
    loop {
        let chunk = response.chunk().await.map_err(|source| RegistryError::Network {
            url: url.clone(),
            source: source.without_url(),
        })?;
        let Some(chunk) = chunk else { return Ok(bytes) };
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > limit {
            return Err(RegistryError::TooLarge { url, limit });
        }
    }
}

/// How long until `response` is worth another look; used by callers that stream.
pub(super) fn pause_of(error: &RegistryError, attempt: u32, client: &Client) -> Option<Duration> {
    match error.kind() {
        FailureKind::Temporary => client.0.options.retry.pause(attempt, error.retry_after()),
        _ => None,
    }
}

/// An error with its causes on one line.
pub(super) fn explain(error: &RegistryError) -> String {
    chain(error)
}
