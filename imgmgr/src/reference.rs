//! Image references: `[domain/]path[:tag][@digest]`, with docker's normalisation.
//!
//! The grammar is that of the reference module of distribution: `busybox` means
//! `docker.io/library/busybox:latest`. A reference is kept normalised; [`Reference::familiar`]
//! gives what a person would have typed.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;

/// The most bytes of domain and path together.
pub const MAX_NAME_BYTES: usize = 255;
/// The most bytes of a tag.
pub const MAX_TAG_BYTES: usize = 128;
/// The domain of a reference that names none.
pub const DEFAULT_DOMAIN: &str = "docker.io";
/// The tag of a reference that names neither tag nor digest.
pub const DEFAULT_TAG: &str = "latest";

/// A repository: a registry's domain and a path in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    domain: String,
    path: String,
}

impl Repository {
    /// Host and, perhaps, port of the registry.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The path within the registry, as in `library/busybox`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.domain, self.path)
    }
}

/// A normalised reference: always has a domain, and a tag, a digest, or both.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not a reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image reference: {reason}")]
pub struct ReferenceError {
    text: String,
    reason: &'static str,
}

impl Reference {
    /// Parses and normalises `text`; without tag and digest, the tag is `latest`.
    ///
    /// # Errors
    /// [`ReferenceError`] says which part breaks which rule.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let mut reference = Self::parse_untagged(text)?;
        if reference.tag.is_none() && reference.digest.is_none() {
            reference.tag = Some(DEFAULT_TAG.to_owned());
        }
        Ok(reference)
    }

    /// Parses a repository, refusing tag and digest.
    ///
    /// # Errors
    /// As [`Reference::parse`].
    pub fn parse_repository(text: &str) -> Result<Repository, ReferenceError> {
        let reference = Self::parse_untagged(text)?;
        if reference.tag.is_some() || reference.digest.is_some() {
            let reason = "a repository has no tag and no digest";
            return Err(ReferenceError { text: excerpt(text), reason });
        }
        Ok(reference.repository)
    }

    fn parse_untagged(text: &str) -> Result<Self, ReferenceError> {
        let fail = |reason| ReferenceError { text: excerpt(text), reason };
        let (rest, digest) = match text.split_once('@') {
            None => (text, None),
            Some((rest, digest)) => {
                (rest, Some(digest.parse::<Digest>().map_err(|_| fail("bad digest after `@`"))?))
            }
        };
        let slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[slash..].find(':') {
            None => (rest, None),
            Some(at) => (&rest[..slash + at], Some(&rest[slash + at + 1..])),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(fail("a tag is 1 to 128 of A-Z a-z 0-9 _ . - and starts with none of . -"));
        }
        if name.is_empty() {
            return Err(fail("no name"));
        }
        if name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit() && !is_upper(b)) {
            return Err(fail("64 hexadecimal digits are an image ID, not a name"));
        }
        let (domain, path) = split_domain(name);
        if !is_domain(domain) {
            return Err(fail("bad registry host"));
        }
        if path.bytes().any(is_upper) {
            return Err(fail("a repository's name must be lower case"));
        }
        if !path.split('/').all(is_path_component) {
            return Err(fail("bad repository name"));
        }
        let path = if domain == DEFAULT_DOMAIN && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        if domain.len() + 1 + path.len() > MAX_NAME_BYTES {
            return Err(fail("the name is longer than 255 bytes"));
        }
        let repository = Repository { domain: domain.to_owned(), path };
        Ok(Self { repository, tag: tag.map(str::to_owned), digest })
    }

    /// Where the image lives.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, if any.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if any; it wins over the tag.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What a registry is asked for: the digest, else the tag.
    pub fn selector(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.clone().unwrap_or_else(|| DEFAULT_TAG.to_owned()),
        }
    }

    /// The same repository at `digest`.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        Self { repository: self.repository.clone(), tag: None, digest: Some(digest) }
    }

    /// The same repository under `tag`.
    ///
    /// # Errors
    /// If `tag` is not one.
    pub fn tagged(&self, tag: &str) -> Result<Self, ReferenceError> {
        if !is_tag(tag) {
            return Err(ReferenceError { text: excerpt(tag), reason: "bad tag" });
        }
        let repository = self.repository.clone();
        Ok(Self { repository, tag: Some(tag.to_owned()), digest: None })
    }

    /// The shortest text that parses to this reference.
    pub fn familiar(&self) -> String {
        let full = self.to_string();
        // What follows may look like a registry of its own.
        let is_same = |text: &&str| Self::parse(text).is_ok_and(|parsed| parsed == *self);
        let shorter = ["docker.io/library/", "docker.io/"].map(|start| full.strip_prefix(start));
        shorter.into_iter().flatten().find(is_same).unwrap_or(&full).to_owned()
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.repository.fmt(f)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(300).collect()
}

fn is_upper(byte: u8) -> bool {
    byte.is_ascii_uppercase()
}

/// The first component is a domain if it looks like a host: a dot, a port, `localhost`, capitals.
fn split_domain(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.bytes().any(is_upper) =>
        {
            let first = if first == "index.docker.io" { DEFAULT_DOMAIN } else { first };
            (first, rest)
        }
        _ => (DEFAULT_DOMAIN, name),
    }
}

fn is_tag(tag: &str) -> bool {
    let first = tag.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    first
        && tag.len() <= MAX_TAG_BYTES
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = if let Some(rest) = domain.strip_prefix('[') {
        let Some((inner, after)) = rest.split_once(']') else { return false };
        if inner.is_empty() || !inner.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
            return false;
        }
        return after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
    } else {
        match domain.split_once(':') {
            None => (domain, None),
            Some((host, port)) => (host, Some(port)),
        }
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.split('.').all(label) && port.is_none_or(is_port)
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

/// `[a-z0-9]+` joined by `.`, `_`, `__` or any number of `-`.
fn is_path_component(component: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    if !(bytes.first().copied().is_some_and(word) && bytes.last().copied().is_some_and(word)) {
        return false;
    }
    bytes.split(|&b| word(b)).filter(|separator| !separator.is_empty()).all(|separator| {
        matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|&b| b == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn check(text: &str, full: &str, familiar: &str) {
        let reference = Reference::parse(text).unwrap();
        assert_eq!(reference.to_string(), full);
        assert_eq!(reference.familiar(), familiar);
        assert_eq!(Reference::parse(full).unwrap(), reference);
        assert_eq!(Reference::parse(familiar).unwrap(), reference);
    }

    #[test]
    fn normalisation() {
        check("busybox", "docker.io/library/busybox:latest", "busybox:latest");
        check("index.docker.io/a/b:1", "docker.io/a/b:1", "a/b:1");
        check("localhost/x", "localhost/x:latest", "localhost/x:latest");
        let nested = "docker.io/library/quay.io/a:1";
        check(nested, nested, "library/quay.io/a:1");
        check("docker.io/quay.io/a:1", "docker.io/quay.io/a:1", "docker.io/quay.io/a:1");
        check("host:5000/x", "host:5000/x:latest", "host:5000/x:latest");
        check("UPPER/x:T", "UPPER/x:T", "UPPER/x:T");
        check("[::1]:5000/x:1", "[::1]:5000/x:1", "[::1]:5000/x:1");
        check(
            "foo/bar__baz--q.x",
            "docker.io/foo/bar__baz--q.x:latest",
            "foo/bar__baz--q.x:latest",
        );
        let digest = format!("sha256:{HEX}");
        check(
            &format!("a@{digest}"),
            &format!("docker.io/library/a@{digest}"),
            &format!("a@{digest}"),
        );
        let both = Reference::parse(&format!("q.io/a:1@{digest}")).unwrap();
        assert_eq!(both.selector(), digest);
        assert_eq!(both.tag(), Some("1"));
    }

    #[test]
    fn refusals() {
        let long = format!("h.io/{}", "a".repeat(251));
        let tag = format!("a:{}", "t".repeat(129));
        for bad in [
            "",
            ":tag",
            "a:",
            "a:-x",
            "a@",
            "a@sha256:00",
            "a/",
            "/a",
            "a//b",
            "a..b",
            "a_._b",
            "A",
            "a/B",
            "-a",
            "a-",
            "h.io:70000/a",
            "h.io:x/a",
            "[::1/a",
            "[]/a",
            "-h.io/a",
            "a b",
            "a:b:c",
            "../etc",
            "a/../b",
            "\u{e9}",
            HEX,
            &long,
            &tag,
        ] {
            assert!(Reference::parse(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(Reference::parse_repository("a:1").is_err());
        assert_eq!(Reference::parse_repository("a").unwrap().to_string(), "docker.io/library/a");
    }
}
