//! docker's `config.json` and podman's `auth.json`: who is logged in where.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Deserialize;

use crate::registry::{Credential, CredentialSource};

use super::helper;
use super::login_file::{edit, read};

/// The largest login file that is read.
pub const MAX_AUTH_FILE_BYTES: u64 = 4 << 20;
/// The key that docker stores its own hub's login under.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// Why a login could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// A file operation failed.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// As a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The file is not JSON of the right shape.
    #[error("`{}` is not a login file", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and how.
        source: serde_json::Error,
    },
    /// No file was named to write to.
    #[error("there is no login file to write to")]
    NoFile,
    /// A credential helper failed.
    #[error("credential helper `{helper}`: {reason}")]
    Helper {
        /// `docker-credential-` and this.
        helper: String,
        /// What it said.
        reason: String,
    },
}

/// What a login file says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AuthFile {
    auths: BTreeMap<String, AuthEntry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: String,
}

impl AuthFile {
    /// What the file itself holds for a key.
    fn own(&self, key: &str) -> Option<Credential> {
        let (_, entry) = self.auths.iter().find(|(stored, _)| is_same_key(stored, key))?;
        entry.credential()
    }

    /// The helper that keeps the login for a key.
    fn helper_for(&self, key: &str) -> Option<&str> {
        let named = self.cred_helpers.get(key).map(String::as_str);
        let stored = !key.contains('/') || key == HUB_KEY;
        named.or(stored.then_some(&*self.creds_store)).filter(|name| !name.is_empty())
    }
}

/// Finds what a login file's text itself holds for a repository; helpers are not asked.
///
/// # Errors
/// If it is no login file.
pub fn credential_in(
    text: &[u8],
    host: &str,
    repository: &str,
) -> Result<Option<Credential>, serde_json::Error> {
    let file: AuthFile = serde_json::from_slice(text)?;
    Ok(lookup_keys(host, repository).iter().find_map(|key| file.own(key)))
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct AuthEntry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl std::fmt::Debug for AuthEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthEntry(..)")
    }
}

impl AuthEntry {
    fn credential(&self) -> Option<Credential> {
        if !self.registrytoken.is_empty() {
            return Some(Credential::BearerToken(self.registrytoken.clone()));
        }
        if !self.identitytoken.is_empty() {
            return Some(Credential::RefreshToken(self.identitytoken.clone()));
        }
        let (username, password) = if self.auth.is_empty() {
            (self.username.clone(), self.password.clone())
        } else {
            let text = self.auth.trim().trim_end_matches('=');
            let bytes = STANDARD_NO_PAD.decode(text).ok()?;
            let text = String::from_utf8(bytes).ok()?;
            let (username, password) = text.split_once(':')?;
            (username.to_owned(), password.trim_end_matches('\0').to_owned())
        };
        (!username.is_empty()).then_some(Credential::Password { username, password })
    }
}

/// The login files of a person, in order of precedence.
#[derive(Clone, Debug, Default)]
pub struct DockerConfig {
    paths: Vec<PathBuf>,
}

impl DockerConfig {
    /// Reads the logins in `paths` and writes the first; absent files are empty.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths }
    }

    /// The credential for a registry or a repository in it; the longest match wins.
    ///
    /// # Errors
    /// [`LoginError`] if a file or helper is broken.
    pub fn lookup(&self, host: &str, repository: &str) -> Result<Option<Credential>, LoginError> {
        for path in &self.paths {
            let Some(file) = read(path)? else { continue };
            for key in lookup_keys(host, repository) {
                if let Some(name) = file.helper_for(&key)
                    && let Some(found) = helper::get(name, &key)?
                {
                    return Ok(Some(found));
                }
                if let Some(found) = file.own(&key) {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Stores a login for `host` in the first file, or in the helper that it names.
    ///
    /// # Errors
    /// [`LoginError`].
    pub fn store(&self, host: &str, username: &str, password: &str) -> Result<(), LoginError> {
        let key = storage_key(host);
        let path = self.paths.first().ok_or(LoginError::NoFile)?;
        let file = read(path)?.unwrap_or_default();
        if let Some(name) = file.helper_for(&key) {
            return helper::store(name, &key, username, password);
        }
        let auth = STANDARD.encode(format!("{username}:{password}"));
        edit(path, |auths| {
            auths.insert(key, serde_json::json!({ "auth": auth }));
            true
        })
        .map(drop)
    }

    /// Removes the login for `host` from every file, and from the helpers that they name, and says
    /// whether there was one.
    ///
    /// # Errors
    /// [`LoginError`].
    pub fn erase(&self, host: &str) -> Result<bool, LoginError> {
        let keys = lookup_keys(host, "");
        let is_meant = |stored: &String| keys.iter().any(|key| is_same_key(stored, key));
        let mut found = false;
        for path in &self.paths {
            let Some(file) = read(path)? else { continue };
            for key in &keys {
                if let Some(name) = file.helper_for(key) {
                    found |= erase_in_helper(name, key)?;
                }
            }
            if file.auths.keys().any(is_meant) {
                found |= edit(path, |auths| {
                    let before = auths.len();
                    auths.retain(|stored, _| !is_meant(stored));
                    auths.len() < before
                })?;
            }
        }
        Ok(found)
    }

    /// Removes every login, and says whether there was one.
    ///
    /// # Errors
    /// [`LoginError`].
    pub fn erase_all(&self) -> Result<bool, LoginError> {
        let mut found = false;
        for path in &self.paths {
            let Some(file) = read(path)? else { continue };
            let mut calls: Vec<(&str, String)> =
                file.cred_helpers.iter().map(|(key, name)| (name.as_str(), key.clone())).collect();
            if !file.creds_store.is_empty() {
                let keys = helper::list(&file.creds_store)?;
                calls.extend(keys.into_iter().map(|key| (file.creds_store.as_str(), key)));
            }
            for (name, key) in calls {
                found |= erase_in_helper(name, &key)?;
            }
            if !file.auths.is_empty() {
                found |= edit(path, |auths| {
                    let had = !auths.is_empty();
                    auths.clear();
                    had
                })?;
            }
        }
        Ok(found)
    }
}

impl CredentialSource for DockerConfig {
    fn credential(&self, key: &str, repository: &str) -> Result<Option<Credential>, String> {
        self.lookup(key, repository).map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            format!("{error}{}", cause.unwrap_or_default())
        })
    }
}

fn erase_in_helper(name: &str, key: &str) -> Result<bool, LoginError> {
    let found = helper::get(name, key)?.is_some();
    if found {
        helper::erase(name, key)?;
    }
    Ok(found)
}

/// The keys under which a login may lie, the most special first.
fn lookup_keys(host: &str, repository: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut path = repository;
    while !path.is_empty() {
        keys.push(format!("{host}/{path}"));
        path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    keys.push(host.to_owned());
    if is_hub(host) {
        keys.push(HUB_KEY.to_owned());
    }
    keys
}

fn is_hub(host: &str) -> bool {
    matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io")
}

fn storage_key(host: &str) -> String {
    if is_hub(host) { HUB_KEY.to_owned() } else { host.to_owned() }
}

/// Old files hold URLs: `https://host/v1/` is `host`.
fn is_same_key(stored: &str, key: &str) -> bool {
    let bare = |text: &str| {
        let text = text.trim_start_matches("https://").trim_start_matches("http://");
        let text = text.trim_end_matches('/');
        text.strip_suffix("/v1").or_else(|| text.strip_suffix("/v2")).unwrap_or(text).to_owned()
    };
    stored == key || bare(stored) == bare(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> (tempfile::TempDir, DockerConfig) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        std::fs::write(&path, json).unwrap();
        (directory, DockerConfig::new(vec![path]))
    }

    fn user(config: &DockerConfig, host: &str, repository: &str) -> Option<String> {
        match config.lookup(host, repository).unwrap()? {
            Credential::Password { username, password } => Some(format!("{username}:{password}")),
            other => Some(format!("{other:?}")),
        }
    }

    #[test]
    fn the_longest_key_wins_and_urls_are_hosts() {
        let auth = |text: &str| STANDARD.encode(text);
        let (_directory, config) = config(&format!(
            r#"{{"auths":{{"r.io":{{"auth":"{}"}},"r.io/team":{{"auth":"{}"}},
                "https://old.io/v1/":{{"username":"o","password":"p"}},
                "https://index.docker.io/v1/":{{"identitytoken":"t"}}}},"other":1}}"#,
            auth("a:b:c"),
            auth("t:u")
        ));
        assert_eq!(user(&config, "r.io", "x/y").as_deref(), Some("a:b:c"));
        assert_eq!(user(&config, "r.io", "team/y").as_deref(), Some("t:u"));
        assert_eq!(user(&config, "old.io", "x").as_deref(), Some("o:p"));
        assert_eq!(user(&config, "docker.io", "library/x").as_deref(), Some("RefreshToken(..)"));
        assert_eq!(user(&config, "none.io", "x"), None);
    }

    #[test]
    fn login_and_logout_leave_the_rest_alone() {
        let (directory, config) = config(r#"{"auths":{},"psFormat":"x"}"#);
        config.store("r.io:5000", "u", "p").unwrap();
        assert_eq!(user(&config, "r.io:5000", "x").as_deref(), Some("u:p"));
        assert!(config.erase("r.io:5000").unwrap());
        assert!(!config.erase("r.io:5000").unwrap());
        let text = std::fs::read_to_string(directory.path().join("config.json")).unwrap();
        assert!(text.contains("psFormat"), "{text}");
    }

    #[test]
    fn garbage_is_an_error_that_names_the_file() {
        let (_directory, config) = config("[");
        assert!(config.lookup("r.io", "x").unwrap_err().to_string().contains("config.json"));
    }
}
