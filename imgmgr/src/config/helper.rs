//! Credential helpers: `docker-credential-<name> get|store|erase|list`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::registry::Credential;

use super::LoginError;

/// How much of a helper's answer is read.
const MAX_ANSWER_BYTES: u64 = 1 << 20;
/// The user name by which a helper says that the secret is a refresh token.
const TOKEN_USER: &str = "<token>";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(rename = "ServerURL", default)]
    server_url: String,
    username: String,
    secret: String,
}

/// Asks a helper for a credential; `None` if it has none.
pub(super) fn get(name: &str, key: &str) -> Result<Option<Credential>, LoginError> {
    let output = match call(name, "get", key.as_bytes()) {
        Ok(output) => output,
        Err(LoginError::Helper { reason, .. }) if reason.contains("credentials not found") => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let Answer { username, secret, .. } = serde_json::from_slice(&output).map_err(|error| {
        LoginError::Helper { helper: name.to_owned(), reason: format!("bad answer: {error}") }
    })?;
    Ok(Some(if username == TOKEN_USER {
        Credential::RefreshToken(secret)
    } else {
        Credential::Password { username, password: secret }
    }))
}

/// Has a helper store a credential.
pub(super) fn store(name: &str, key: &str, user: &str, secret: &str) -> Result<(), LoginError> {
    let answer = Answer { server_url: key.into(), username: user.into(), secret: secret.into() };
    let input = serde_json::to_vec(&answer).expect("strings serialise");
    call(name, "store", &input).map(drop)
}

/// Has a helper forget a credential.
pub(super) fn erase(name: &str, key: &str) -> Result<(), LoginError> {
    call(name, "erase", key.as_bytes()).map(drop)
}

/// The keys that a helper has credentials for.
pub(super) fn list(name: &str) -> Result<Vec<String>, LoginError> {
    let output = call(name, "list", b"")?;
    let users: BTreeMap<String, String> = serde_json::from_slice(&output).map_err(|error| {
        LoginError::Helper { helper: name.to_owned(), reason: format!("bad answer: {error}") }
    })?;
    Ok(users.into_keys().collect())
}

fn call(name: &str, verb: &str, input: &[u8]) -> Result<Vec<u8>, LoginError> {
    let fail = |reason: String| LoginError::Helper { helper: name.to_owned(), reason };
    // The name becomes part of a program's name: it must not become a path.
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
        return Err(fail("not a helper's name".to_owned()));
    }
    let mut child = Command::new(format!("docker-credential-{name}"))
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| fail(format!("cannot run it: {error}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input); // its exit status tells more than a broken pipe
    }
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout
            .take(MAX_ANSWER_BYTES)
            .read_to_end(&mut output)
            .map_err(|error| fail(format!("cannot read its answer: {error}")))?;
    }
    let status = child.wait().map_err(|error| fail(error.to_string()))?;
    if status.success() {
        Ok(output)
    } else {
        Err(fail(String::from_utf8_lossy(&output).trim().chars().take(300).collect()))
    }
}
