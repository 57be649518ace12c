//! What an image runs on, and the choice among an index's entries.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Descriptor, media};

/// What docker says of an entry that is an attestation.
const ATTESTATION: &str = "vnd.docker.reference.type";

/// Operating system, architecture and variant, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64`, ...
    pub architecture: String,
    /// `linux`, `windows`, ...
    pub os: String,
    /// Windows builds.
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Windows features.
    #[serde(default, rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// `v6`, `v7`, `v8`, `v3` (of amd64), ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// The text is not `os/architecture[/variant]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform: expected os/architecture[/variant], as in linux/arm/v7")]
pub struct PlatformError(String);

impl Platform {
    /// The platform this program was built for.
    pub fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "x86" => ("386", None),
            "aarch64" => ("arm64", Some("v8")),
            "arm" => ("arm", Some("v7")),
            "powerpc64" => ("ppc64le", None),
            other => (other, None),
        };
        Self {
            architecture: architecture.to_owned(),
            os: std::env::consts::OS.to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: variant.map(str::to_owned),
        }
    }

    /// Drops what is the default of its architecture and folds aliases, so that equal means equal.
    fn normalised(&self) -> (String, String, u32) {
        let os = match self.os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let variant = self.variant.as_deref().unwrap_or("").trim_start_matches('v');
        let (architecture, default) = match self.architecture.to_ascii_lowercase().as_str() {
            "x86_64" | "x86-64" | "amd64" => ("amd64".to_owned(), 1),
            "i386" => ("386".to_owned(), 0),
            "aarch64" | "arm64" => ("arm64".to_owned(), 8),
            "armhf" => ("arm".to_owned(), 7),
            "armel" => ("arm".to_owned(), 6),
            "arm" => ("arm".to_owned(), 7),
            other => (other.to_owned(), 0),
        };
        let level = variant.split('.').next().and_then(|v| v.parse().ok()).unwrap_or(default);
        (os, architecture, level)
    }

    /// How well something built for `self` runs on `host`; higher is better, `None` not at all.
    ///
    /// A lower variant of the same architecture runs on a higher one, and 32-bit arm on arm64.
    pub fn fit(&self, host: &Platform) -> Option<u32> {
        let (os, arch, level) = self.normalised();
        let (host_os, host_arch, host_level) = host.normalised();
        if os != host_os {
            return None;
        }
        if arch == host_arch {
            return (level <= host_level).then_some(100 + level);
        }
        (host_arch == "arm64" && arch == "arm" && level <= 8).then_some(level)
    }

    /// Chooses the entry of an index that fits `self` best; the first among equals.
    ///
    /// Where none fits, the first image without a platform is taken: the field is optional
    /// (image-spec 1.1 image-index.md). Attestations and artifacts are no images, and what is for
    /// `unknown` never matches. An only entry that tells no platform is taken whatever it is, since it may be
    /// an index.
    pub fn choose<'a>(&self, entries: &'a [Descriptor]) -> Option<&'a Descriptor> {
        if let [only] = entries
            && only.platform.is_none()
        {
            return Some(only);
        }
        let mut best: Option<(u32, &Descriptor)> = None;
        for entry in entries {
            let Some(fit) = entry.platform.as_ref().and_then(|p| p.fit(self)) else { continue };
            if best.is_none_or(|(top, _)| fit > top) {
                best = Some((fit, entry));
            }
        }
        let may_be_image = |entry: &&Descriptor| {
            entry.platform.is_none()
                && media::is_manifest(&entry.media_type)
                && entry.artifact_type.as_deref().is_none_or(media::is_image_config)
                && entry.annotation(ATTESTATION).is_none()
        };
        best.map(|(_, entry)| entry).or_else(|| entries.iter().find(may_be_image))
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let word = |s: &str| {
            !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let (os, architecture, variant) = match parts[..] {
            [architecture] if text != "linux" => ("linux", architecture, None),
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(PlatformError(text.to_owned())),
        };
        if !(word(os) && word(architecture) && variant.is_none_or(word)) {
            return Err(PlatformError(text.to_owned()));
        }
        Ok(Self {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: variant.map(str::to_owned),
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(host: &str, offered: &[&str]) -> Option<u64> {
        let entries: Vec<Descriptor> = (0u64..)
            .zip(offered)
            .map(|(index, platform)| {
                let digest = crate::digest::Digest::of(platform.as_bytes());
                let mut entry = Descriptor::new(media::OCI_MANIFEST, digest, index);
                entry.platform = (!platform.is_empty()).then(|| platform.parse().unwrap());
                entry
            })
            .collect();
        host.parse::<Platform>().unwrap().choose(&entries).map(|d| d.size)
    }

    #[test]
    fn variants_are_chosen_as_containerd_does() {
        let arm = ["linux/amd64", "linux/arm/v5", "linux/arm/v6", "linux/arm/v7", "linux/arm64"];
        assert_eq!(chosen("linux/arm/v6", &arm), Some(2));
        assert_eq!(chosen("linux/arm", &arm), Some(3));
        assert_eq!(chosen("linux/arm64", &arm), Some(4));
        assert_eq!(chosen("linux/arm64", &arm[..4]), Some(3));
        assert_eq!(chosen("linux/amd64", &arm), Some(0));
        assert_eq!(chosen("linux/amd64", &["linux/amd64/v3", "linux/amd64"]), Some(1));
        assert_eq!(chosen("linux/amd64/v3", &["linux/amd64/v3", "linux/amd64"]), Some(0));
        assert_eq!(chosen("windows/amd64", &arm), None);
        assert_eq!(chosen("linux/amd64", &["unknown/unknown"]), None);
        assert_eq!(chosen("linux/amd64", &["unknown/unknown", "", ""]), Some(1));
        assert_eq!(chosen("linux/amd64", &["", "linux/amd64"]), Some(1));
    }

    #[test]
    fn what_is_no_image_is_not_chosen() {
        let image = |text: &str| {
            let digest = crate::digest::Digest::of(text.as_bytes());
            Descriptor::new(media::OCI_MANIFEST, digest, 1)
        };
        let attestation = Descriptor {
            annotations: Some([(ATTESTATION.to_owned(), "attestation-manifest".to_owned())].into()),
            ..image("attestation")
        };
        let artifact =
            Descriptor { artifact_type: Some("text/x-sbom".to_owned()), ..image("artifact") };
        let blob = Descriptor { media_type: "text/plain".to_owned(), ..image("blob") };
        let mut entries = vec![attestation, artifact, blob];
        let host: Platform = "linux/amd64".parse().unwrap();
        assert_eq!(host.choose(&entries), None);
        entries.push(image("image"));
        assert_eq!(host.choose(&entries), entries.last());
    }

    #[test]
    fn grammar() {
        assert_eq!("arm64".parse::<Platform>().unwrap().to_string(), "linux/arm64");
        for bad in ["", "linux", "linux/", "/amd64", "a/b/c/d", "linux/a b"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }
}
