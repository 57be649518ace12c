//! The policy file, containers-policy.json(5), and which part of it is for an image.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::SignedIdentity;
use super::key::{KeyError, PublicKey};
use crate::reference::Reference;

/// Most bytes of a policy file that are read.
const MAX_POLICY_BYTES: u64 = 4 << 20;
/// Most bytes of a key file that are read.
const MAX_KEY_BYTES: u64 = 64 << 10;

/// What may come in. Anything may by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    default: Vec<Requirement>,
    transports: BTreeMap<String, BTreeMap<String, Vec<Requirement>>>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { default: vec![Requirement::Anything], transports: BTreeMap::new() }
    }
}

/// One thing that an image must meet; all of a scope's must be met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// `insecureAcceptAnything`.
    Anything,
    /// `reject`.
    Reject,
    /// `sigstoreSigned` by one of these keys.
    Sigstore {
        /// Any of them.
        keys: Vec<KeySource>,
        /// For which name.
        identity: SignedIdentity,
    },
    /// Something that can't be checked here, so that nothing meets it.
    Unsupported(String),
}

/// Where a key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// `keyPath`: a PEM file.
    File(PathBuf),
    /// `keyData`: the PEM text.
    Inline(Vec<u8>),
}

/// Where an image comes from, as a policy names it.
#[derive(Clone, Copy, Debug)]
pub enum Source<'s> {
    /// A registry: transport `docker`.
    Registry(&'s Reference),
    /// A file or directory by its transport's name (`oci`, `docker-archive`, ...).
    File(&'static str, &'s Path),
}

/// Why a policy file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It can't be read.
    #[error("cannot read policy `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is no policy.
    #[error("`{}` is not a valid policy", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where it breaks.
        source: serde_json::Error,
    },
    /// A requirement of it means nothing.
    #[error("`{}` is not a valid policy: {reason}", path.display())]
    Requirement {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePolicy {
    default: Vec<Value>,
    #[serde(default)]
    transports: BTreeMap<String, BTreeMap<String, Vec<Value>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WireSigstore {
    #[serde(rename = "type")]
    _type: String,
    key_path: Option<PathBuf>,
    key_paths: Option<Vec<PathBuf>>,
    key_data: Option<String>,
    key_datas: Option<Vec<String>>,
    signed_identity: Option<SignedIdentity>,
    fulcio: Option<Value>,
    pki: Option<Value>,
    rekor_public_key_path: Option<Value>,
    rekor_public_key_paths: Option<Value>,
    rekor_public_key_data: Option<Value>,
    rekor_public_key_datas: Option<Value>,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyError`]; an unknown word is one, since it may be a requirement.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_POLICY_BYTES).read_to_end(&mut bytes))
            .map_err(|source| PolicyError::Read { path: path.to_owned(), source })?;
        Self::parse(&bytes, path)
    }

    /// Parses a policy; `path` is for messages.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, PolicyError> {
        let parse = |source| PolicyError::Parse { path: path.to_owned(), source };
        let WirePolicy { default, transports } = serde_json::from_slice(bytes).map_err(parse)?;
        let requirements = |values: Vec<Value>| -> Result<Vec<Requirement>, PolicyError> {
            if values.is_empty() {
                return Err(PolicyError::Requirement {
                    path: path.to_owned(),
                    reason: "a list of requirements is empty".to_owned(),
                });
            }
            let one = |value| {
                requirement(value)
                    .map_err(|reason| PolicyError::Requirement { path: path.to_owned(), reason })
            };
            values.into_iter().map(one).collect()
        };
        let mut known = BTreeMap::new();
        for (transport, scopes) in transports {
            let mut checked = BTreeMap::new();
            for (scope, values) in scopes {
                checked.insert(scope, requirements(values)?);
            }
            known.insert(transport, checked);
        }
        Ok(Self { default: requirements(default)?, transports: known })
    }

    /// Returns the requirements of the narrowest scope that covers `source`, and that scope.
    #[must_use]
    pub fn requirements(&self, source: Source<'_>) -> (&[Requirement], String) {
        let (transport, scopes) = match source {
            Source::Registry(reference) => ("docker", registry_scopes(reference)),
            Source::File(transport, path) => (transport, file_scopes(path)),
        };
        if let Some(known) = self.transports.get(transport) {
            for scope in scopes {
                if let Some(requirements) = known.get(&scope) {
                    return (requirements, format!("{transport} `{scope}`"));
                }
            }
        }
        (&self.default, "default".to_owned())
    }
}

impl KeySource {
    /// Reads the key.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn load(&self) -> Result<PublicKey, String> {
        let pem = match self {
            Self::Inline(pem) => pem.clone(),
            Self::File(path) => {
                let mut pem = Vec::new();
                File::open(path)
                    .and_then(|file| file.take(MAX_KEY_BYTES).read_to_end(&mut pem))
                    .map_err(|error| format!("cannot read key `{}`: {error}", path.display()))?;
                pem
            }
        };
        PublicKey::from_pem(&pem).map_err(|error: KeyError| format!("{self}: {error}"))
    }
}

impl std::fmt::Display for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "key `{}`", path.display()),
            Self::Inline(_) => write!(f, "a key of the policy"),
        }
    }
}

fn requirement(value: Value) -> Result<Requirement, String> {
    let kind = value["type"].as_str().unwrap_or_default().to_owned();
    let bare = value.as_object().is_some_and(|object| object.len() == 1);
    match kind.as_str() {
        "insecureAcceptAnything" if bare => Ok(Requirement::Anything),
        "reject" if bare => Ok(Requirement::Reject),
        "sigstoreSigned" => sigstore(value),
        "signedBy" | "signedBaseLayer" => Ok(Requirement::Unsupported(kind)),
        _ => Err(format!("`{value}` is no requirement")),
    }
}

fn sigstore(value: Value) -> Result<Requirement, String> {
    let wire: WireSigstore = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let WireSigstore {
        _type,
        key_path,
        key_paths,
        key_data,
        key_datas,
        signed_identity,
        fulcio,
        pki,
        rekor_public_key_path,
        rekor_public_key_paths,
        rekor_public_key_data,
        rekor_public_key_datas,
    } = wire;
    let others = [
        ("fulcio", fulcio),
        ("pki", pki),
        ("rekorPublicKeyPath", rekor_public_key_path),
        ("rekorPublicKeyPaths", rekor_public_key_paths),
        ("rekorPublicKeyData", rekor_public_key_data),
        ("rekorPublicKeyDatas", rekor_public_key_datas),
    ];
    if let Some((name, _)) = others.iter().find(|(_, value)| value.is_some()) {
        return Ok(Requirement::Unsupported(format!("sigstoreSigned with `{name}`")));
    }
    let given = [key_path.is_some(), key_paths.is_some(), key_data.is_some(), key_datas.is_some()];
    if given.iter().filter(|given| **given).count() != 1 {
        return Err(
            "sigstoreSigned wants exactly one of keyPath, keyPaths, keyData, keyDatas".to_owned()
        );
    }
    let files = key_path.into_iter().chain(key_paths.into_iter().flatten()).map(KeySource::File);
    let mut keys: Vec<KeySource> = files.collect();
    for text in key_data.into_iter().chain(key_datas.into_iter().flatten()) {
        let pem = BASE64_STANDARD.decode(text).map_err(|_| "keyData is not base64".to_owned())?;
        keys.push(KeySource::Inline(pem));
    }
    if keys.is_empty() {
        return Err("sigstoreSigned without a key".to_owned());
    }
    Ok(Requirement::Sigstore { keys, identity: signed_identity.unwrap_or_default() })
}

/// From the whole reference to the host, its wildcards, and the transport as a whole.
fn registry_scopes(reference: &Reference) -> Vec<String> {
    let name = reference.repository().to_string();
    let mut scopes = vec![reference.to_string(), name.clone()];
    let mut rest = name.as_str();
    while let Some((parent, _)) = rest.rsplit_once('/') {
        scopes.push(parent.to_owned());
        rest = parent;
    }
    let mut host = reference.repository().domain();
    host = host.split(':').next().unwrap_or(host);
    while let Some((_, parent)) = host.split_once('.') {
        scopes.push(format!("*.{parent}"));
        host = parent;
    }
    scopes.push(String::new());
    scopes
}

/// From the path to its parents, and the transport as a whole; the root is no scope.
fn file_scopes(path: &Path) -> Vec<String> {
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut scopes: Vec<String> = absolute
        .ancestors()
        .map(|path| path.to_string_lossy().into_owned())
        .filter(|path| path != "/")
        .collect();
    scopes.push(String::new());
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Policy, PolicyError> {
        Policy::parse(text.as_bytes(), Path::new("policy.json"))
    }

    #[test]
    fn the_narrowest_scope_counts() {
        let scope =
            |name: &str| format!(r#""{name}":[{{"type":"sigstoreSigned","keyPath":"/{name}"}}]"#);
        let names = ["r.io/a/b:1", "r.io/a/b", "r.io/a", "r.io", "*.example.com", ""];
        let text = format!(
            r#"{{"default":[{{"type":"reject"}}],"transports":{{"docker":{{{}}},
                "oci":{{"/srv/oci":[{{"type":"insecureAcceptAnything"}}]}}}}}}"#,
            names.map(scope).join(",")
        );
        let policy = parse(&text).unwrap();
        for (image, expected) in [
            ("r.io/a/b:1", "docker `r.io/a/b:1`"),
            ("r.io/a/b:2", "docker `r.io/a/b`"),
            ("r.io/a/c:1", "docker `r.io/a`"),
            ("r.io/x/y/z:1", "docker `r.io`"),
            ("q.sub.example.com/x:1", "docker `*.example.com`"),
            ("example.com/x:1", "docker ``"),
            ("busybox", "docker ``"),
        ] {
            let reference = Reference::parse(image).unwrap();
            assert_eq!(policy.requirements(Source::Registry(&reference)).1, expected, "{image}");
        }
        let file = |path: &str| policy.requirements(Source::File("oci", Path::new(path))).1;
        assert_eq!(file("/srv/oci/a"), "oci `/srv/oci`");
        assert_eq!(file("/srv/ocix"), "default");
        assert_eq!(
            policy.requirements(Source::File("dir", Path::new("/x"))).0,
            [Requirement::Reject]
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, reason) in [
            ("{}", "default"),
            (r#"{"default":[]}"#, "empty"),
            (r#"{"default":[{"type":"x"}]}"#, "no requirement"),
            (r#"{"default":[{"type":"reject","keyPath":"/k"}]}"#, "no requirement"),
            (r#"{"default":[{"type":"sigstoreSigned"}]}"#, "exactly one"),
            (r#"{"default":[{"type":"sigstoreSigned","keyPath":"/k","keyData":""}]}"#, "exactly"),
            (r#"{"default":[{"type":"sigstoreSigned","keyData":"*"}]}"#, "base64"),
            (r#"{"default":[{"type":"sigstoreSigned","keyPaths":[]}]}"#, "without a key"),
            (r#"{"default":[{"type":"sigstoreSigned","keyPath":"/k","x":1}]}"#, "unknown field"),
            (
                r#"{"default":[{"type":"sigstoreSigned","keyPath":"/k","signedIdentity":{"type":"x"}}]}"#,
                "unknown variant",
            ),
            (r#"{"default":[{"type":"reject"}],"more":1}"#, "unknown field"),
        ] {
            let error = parse(text).unwrap_err();
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let said = format!("{error} {}", cause.unwrap_or_default());
            assert!(said.contains(reason), "{text}: {said}");
        }
        let policy = parse(r#"{"default":[{"type":"signedBy","keyType":"GPGKeys"}]}"#).unwrap();
        assert_eq!(policy.default, [Requirement::Unsupported("signedBy".to_owned())]);
    }
}
