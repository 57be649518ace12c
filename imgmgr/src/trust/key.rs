//! Public keys: ECDSA on P-256 and P-384, Ed25519, RSA.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use webpki::RawPublicKeyEntity;
use webpki::ring::{
    ECDSA_P256_SHA256, ECDSA_P384_SHA256, ECDSA_P384_SHA384, ED25519, RSA_PKCS1_2048_8192_SHA256,
};

/// What `cosign generate-key-pair` and `openssl` make, tried in turn: only those that fit the
/// type of a key can succeed.
static ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 5] =
    [ECDSA_P256_SHA256, ED25519, RSA_PKCS1_2048_8192_SHA256, ECDSA_P384_SHA256, ECDSA_P384_SHA384];

/// A public key that signatures are checked with.
#[derive(Clone, Debug)]
pub struct PublicKey(SubjectPublicKeyInfoDer<'static>);

/// Why something is no public key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not a PEM block `PUBLIC KEY`.
    #[error("it is not a public key in PEM form")]
    Pem {
        /// Where it breaks.
        source: rustls::pki_types::pem::Error,
    },
    /// The block holds something else.
    #[error("it is not a public key")]
    Form {
        /// Where it breaks.
        source: webpki::Error,
    },
}

impl PublicKey {
    /// Reads the first `PUBLIC KEY` of a PEM text.
    ///
    /// # Errors
    /// [`KeyError`]. A key of a type that is not supported is found out when it is used.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let key = SubjectPublicKeyInfoDer::from_pem_slice(pem);
        let key = key.map_err(|source| KeyError::Pem { source })?;
        RawPublicKeyEntity::try_from(&key).map_err(|source| KeyError::Form { source })?;
        Ok(Self(key.into_owned()))
    }

    /// True if `signature` over `message` was made with this key's private half.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(key) = RawPublicKeyEntity::try_from(&self.0) else { return false };
        ALGORITHMS
            .iter()
            .any(|algorithm| key.verify_signature(*algorithm, message, signature).is_ok())
    }
}
