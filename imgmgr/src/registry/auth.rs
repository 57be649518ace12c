//! Credentials and tokens.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::replies::TokenReply;

/// What a person logged in with.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// User and password.
    Password {
        /// The user.
        username: String,
        /// The password or personal token.
        password: String,
    },
    /// An OAuth2 refresh token, which docker calls identity token.
    RefreshToken(String),
    /// A token that is sent as it is.
    BearerToken(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { username, .. } => write!(f, "Password({username:?}, ..)"),
            Self::RefreshToken(_) => f.write_str("RefreshToken(..)"),
            Self::BearerToken(_) => f.write_str("BearerToken(..)"),
        }
    }
}

impl Credential {
    /// The value of an `Authorization: Basic` header, if there is a password.
    pub(super) fn basic(&self) -> Option<String> {
        match self {
            Self::Password { username, password } => {
                Some(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
            }
            _ => None,
        }
    }
}

/// Knows credentials: files, helpers, a prompt. May block.
pub trait CredentialSource: Send + Sync + fmt::Debug {
    /// The credential for `key`, a host or `host/path`; `None` to be anonymous.
    ///
    /// # Errors
    /// In words, if they exist but can't be had.
    fn credential(&self, key: &str, repository: &str) -> Result<Option<Credential>, String>;
}

/// Everybody is anonymous.
#[derive(Clone, Copy, Debug)]
pub struct NoCredentials;

impl CredentialSource for NoCredentials {
    fn credential(&self, _: &str, _: &str) -> Result<Option<Credential>, String> {
        Ok(None)
    }
}

/// How a host wants to be authenticated to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

/// What is known about hosts and the tokens they gave.
#[derive(Debug, Default)]
pub(super) struct TokenCache {
    methods: Mutex<HashMap<String, Method>>,
    tokens: Mutex<HashMap<(String, String), Token>>,
    /// Each is looked up once: a helper may ask a person.
    pub(super) credentials: tokio::sync::Mutex<HashMap<(String, String), Option<Credential>>>,
    /// One request for a token at a time: thirty layers need one, not thirty.
    pub(super) fetching: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Token {
    value: String,
    until: Instant,
}

impl TokenCache {
    pub(super) fn method(&self, host: &str) -> Option<Method> {
        self.methods.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    pub(super) fn learn(&self, host: &str, method: Method) {
        let mut methods = self.methods.lock().unwrap_or_else(PoisonError::into_inner);
        methods.insert(host.to_owned(), method);
    }

    pub(super) fn token(&self, host: &str, scope: &str) -> Option<String> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let token = tokens.get(&(host.to_owned(), scope.to_owned()))?;
        (token.until > Instant::now()).then(|| token.value.clone())
    }

    pub(super) fn keep(&self, host: &str, scope: &str, reply: &TokenReply) {
        let token =
            Token { value: reply.value().to_owned(), until: Instant::now() + reply.lifetime() };
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert((host.to_owned(), scope.to_owned()), token);
    }

    pub(super) fn forget(&self, host: &str, scope: &str) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.remove(&(host.to_owned(), scope.to_owned()));
    }
}
