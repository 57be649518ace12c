//! Digests computed while bytes pass.

use oci_spec::image::{Digest, DigestAlgorithm};
use sha2::{Digest as _, Sha256, Sha512};

use super::LayerError;

/// A digest in the making.
#[derive(Clone, Debug)]
pub(super) enum Digester {
    Sha256(Box<Sha256>),
    Sha512(Box<Sha512>),
}

impl Digester {
    /// Computes with the algorithm of `expected`, or with sha256 where nothing is expected.
    pub(super) fn like(expected: Option<&Digest>) -> Result<Self, LayerError> {
        match expected.map(Digest::algorithm) {
            None | Some(DigestAlgorithm::Sha256) => Ok(Self::Sha256(Box::default())),
            Some(DigestAlgorithm::Sha512) => Ok(Self::Sha512(Box::default())),
            Some(_) => Err(LayerError::Algorithm {
                digest: expected.cloned().expect("an algorithm was found in it"),
            }),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(state) => state.update(bytes),
            Self::Sha512(state) => state.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Digest {
        let text = match self {
            Self::Sha256(state) => format!("sha256:{:x}", state.finalize()),
            Self::Sha512(state) => format!("sha512:{:x}", state.finalize()),
        };
        text.parse().expect("a hexadecimal digest of its algorithm's length is valid")
    }
}
