//! Which compression a layer has: by its media type, and by its first bytes.

use std::io::Write;

use flate2::GzBuilder;
use flate2::write::GzEncoder;

use super::LayerError;

/// How a layer's tar is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, of one or more members; estargz is such a file.
    Gzip,
    /// zstd, of one or more frames; zstd:chunked is such a file.
    Zstd,
}

/// As `gzip` has it.
const GZIP_LEVEL: u32 = 6;

/// Compresses by gzip. Neither a time nor a name goes into the header: the same bytes give the same blob.
pub(crate) fn gzip_encoder<W: Write>(out: W) -> GzEncoder<W> {
    GzBuilder::new().write(out, flate2::Compression::new(GZIP_LEVEL))
}

/// Bytes that [`Compression::sniff`] needs to see.
pub(super) const MAGIC_BYTES: usize = 4;

impl Compression {
    /// Returns what a layer's media type says, of OCI and of Docker.
    ///
    /// # Errors
    /// [`LayerError::MediaType`] if it is not a layer's.
    pub fn of_media_type(media_type: &str) -> Result<Self, LayerError> {
        const PREFIXES: [&str; 4] = [
            "application/vnd.oci.image.layer.v1.tar",
            "application/vnd.oci.image.layer.nondistributable.v1.tar",
            "application/vnd.docker.image.rootfs.diff.tar",
            "application/vnd.docker.image.rootfs.foreign.diff.tar",
        ];
        let suffix = PREFIXES.iter().find_map(|prefix| media_type.strip_prefix(prefix));
        match suffix {
            Some("") => Ok(Self::None),
            Some("+gzip" | ".gzip") => Ok(Self::Gzip),
            Some("+zstd" | ".zstd") => Ok(Self::Zstd),
            _ => Err(LayerError::MediaType { media_type: media_type.to_owned() }),
        }
    }

    /// Returns what a stream's first bytes look like; anything unknown is uncompressed.
    #[must_use]
    pub fn sniff(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or the skippable frame that pzstd and seekable files start with.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// For messages.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::None => "not compressed",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_of_oci_and_docker_are_known() {
        for (media_type, expected) in [
            ("application/vnd.oci.image.layer.v1.tar", Some(Compression::None)),
            ("application/vnd.oci.image.layer.v1.tar+gzip", Some(Compression::Gzip)),
            ("application/vnd.oci.image.layer.v1.tar+zstd", Some(Compression::Zstd)),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", Some(Compression::Gzip)),
            ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", Some(Compression::Gzip)),
            ("application/vnd.oci.image.layer.v1.tar+xz", None),
            ("application/vnd.oci.image.config.v1+json", None),
            ("", None),
        ] {
            assert_eq!(Compression::of_media_type(media_type).ok(), expected, "{media_type}");
        }
    }
}
