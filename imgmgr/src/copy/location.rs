//! Places an image can be copied from and to, as skopeo names them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::reference::{Reference, ReferenceError};

use super::error::printable;

/// A transport and what it needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// `docker://REFERENCE`: a registry.
    Registry(Reference),
    /// `store:NAME`, or a bare name: the own store.
    Store(String),
    /// `oci:DIR[:NAME]`: an image layout.
    Layout(PathBuf, Option<String>),
    /// `oci-archive:FILE[:NAME]`: an image layout in a tar file.
    OciArchive(PathBuf, Option<String>),
    /// `docker-archive:FILE[:REFERENCE]`: as `docker save` writes and `docker load` reads.
    DockerArchive(PathBuf, Option<Reference>),
    /// `dir:DIR`: a manifest and blobs as plain files.
    Dir(PathBuf),
}

/// Why a text is no location.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// A transport that is not known.
    #[error(
        "`{0}:` is not a transport; there are docker://, store:, oci:, oci-archive:, \
         docker-archive: and dir:"
    )]
    Transport(String),
    /// A transport without a path.
    #[error("`{0}` names no path")]
    NoPath(String),
    /// A place in the store without a name.
    #[error("`{0}` names no image")]
    NoName(String),
    /// A reference that is none.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// What the store shall not know an image by.
    #[error("{}; an image in the store goes by a reference", printable(&.0.to_string()))]
    Name(ReferenceError),
    /// A name in the store that promises a digest.
    #[error("`{0}` can't be a name in the store: it has a digest")]
    Digest(Reference),
    /// The transport of registries, written in another way.
    #[error(
        "`{}` is neither a place nor an image's name; a registry is named by `docker://`",
        printable(.0)
    )]
    Registry(String),
}

impl Location {
    /// Parses a place that an image goes to. A name that it gets in the store must be a reference.
    ///
    /// # Errors
    /// [`LocationError`].
    pub fn destination(text: &str) -> Result<Self, LocationError> {
        let place: Self = text.parse()?;
        if let Self::Store(name) = &place {
            let reference = Reference::parse(name).map_err(LocationError::Name)?;
            if reference.digest().is_some() {
                return Err(LocationError::Digest(reference));
            }
        }
        Ok(place)
    }

    /// The transport's name and the path, of one that is a file or directory.
    #[must_use]
    pub fn file(&self) -> Option<(&'static str, &Path)> {
        match self {
            Self::Layout(path, _) => Some(("oci", path)),
            Self::OciArchive(path, _) => Some(("oci-archive", path)),
            Self::DockerArchive(path, _) => Some(("docker-archive", path)),
            Self::Dir(path) => Some(("dir", path)),
            Self::Registry(_) | Self::Store(_) => None,
        }
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        if let Some(rest) = text.strip_prefix("docker://") {
            return Ok(Self::Registry(Reference::parse(rest)?));
        }
        let (transport, rest) = text.split_once(':').unwrap_or(("", text));
        let path_and_name = || {
            let (path, name) = match rest.split_once(':') {
                Some((path, name)) => (path, (!name.is_empty()).then(|| name.to_owned())),
                None => (rest, None),
            };
            if path.is_empty() {
                return Err(LocationError::NoPath(text.to_owned()));
            }
            Ok((PathBuf::from(path), name))
        };
        match transport {
            "store" | "" if rest.is_empty() => Err(LocationError::NoName(text.to_owned())),
            "store" => Ok(Self::Store(rest.to_owned())),
            "oci" => path_and_name().map(|(path, name)| Self::Layout(path, name)),
            "oci-archive" => path_and_name().map(|(path, name)| Self::OciArchive(path, name)),
            "docker-archive" => {
                let (path, name) = path_and_name()?;
                let name = name.map(|name| Reference::parse(&name)).transpose()?;
                Ok(Self::DockerArchive(path, name))
            }
            "dir" if rest.is_empty() => Err(LocationError::NoPath(text.to_owned())),
            // There is no name that a colon could begin.
            "dir" => Ok(Self::Dir(PathBuf::from(rest))),
            "containers-storage" | "docker-daemon" | "atomic" | "tarball" | "sif" | "ostree" => {
                Err(LocationError::Transport(transport.to_owned()))
            }
            // `docker:dind` is an image.
            "docker" | "http" | "https" if Reference::parse(text).is_err() => {
                Err(LocationError::Registry(text.to_owned()))
            }
            _ => Ok(Self::Store(text.to_owned())),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |f: &mut fmt::Formatter<'_>, kind, path: &PathBuf, name: Option<String>| {
            write!(f, "{kind}:{}", path.display())?;
            name.iter().try_for_each(|name| write!(f, ":{name}"))
        };
        match self {
            Self::Registry(reference) => write!(f, "docker://{reference}"),
            Self::Store(name) => write!(f, "store:{name}"),
            Self::Layout(path, name) => named(f, "oci", path, name.clone()),
            Self::OciArchive(path, name) => named(f, "oci-archive", path, name.clone()),
            Self::DockerArchive(path, name) => {
                named(f, "docker-archive", path, name.as_ref().map(ToString::to_string))
            }
            Self::Dir(path) => named(f, "dir", path, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skopeos_words() {
        let shown = |text: &str| text.parse::<Location>().unwrap().to_string();
        assert_eq!(shown("docker://busybox"), "docker://docker.io/library/busybox:latest");
        assert_eq!(shown("busybox:1"), "store:busybox:1");
        assert_eq!(shown("localhost:5000/a:1"), "store:localhost:5000/a:1");
        assert_eq!(shown("oci:/a/b"), "oci:/a/b");
        assert_eq!(shown("oci:dir:r.io/x:1"), "oci:dir:r.io/x:1");
        assert_eq!(
            shown("docker-archive:x.tar:a"),
            "docker-archive:x.tar:docker.io/library/a:latest"
        );
        assert_eq!(shown("dir:o/foo:1"), "dir:o/foo:1");
        assert_eq!(shown("docker:dind"), "store:docker:dind");
        for bad in [
            "docker://",
            "oci:",
            "dir:",
            "containers-storage:x",
            "docker-archive:x:A",
            "",
            "store:",
        ] {
            assert!(bad.parse::<Location>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_image_gets_a_reference_for_a_name() {
        let digest = crate::digest::Digest::of(b"x");
        for name in ["Foo:Bar", "a b", "../x", "a\nb", &format!("r.io/a@{digest}")] {
            assert!(Location::destination(name).is_err(), "{name}");
            assert!(Location::destination(&format!("store:{name}")).is_err(), "{name}");
        }
        for typo in ["docker:127.0.0.1:5601/a/x:1", "docker:/h.io/x", "http://h.io/y"] {
            let error = Location::destination(typo).unwrap_err().to_string();
            assert!(error.contains("`docker://`"), "{error}");
        }
        assert_eq!(Location::destination("a:1").unwrap(), Location::Store("a:1".to_owned()));
    }
}
