//! Content digests: the checked value, the hash that computes it, and a reader that verifies one.
//!
//! Nothing fetched is used before it passed through a [`Hasher`] and its [`Digest`] and size were
//! compared with what the descriptor above it promised.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256, Sha512};

/// A registered digest algorithm, image-spec 1.1 descriptor.md#registered-algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// What every registry speaks.
    Sha256,
    /// Optional in the image-spec.
    Sha512,
}

impl Algorithm {
    /// The name as it stands before the colon of a digest and below `blobs/`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    const fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// A checked digest, `<algorithm>:<lower-case hex>`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    hex: Box<str>,
}

/// Why a text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a digest: {reason}")]
pub struct DigestError {
    text: String,
    reason: &'static str,
}

impl Digest {
    /// Returns the SHA-256 digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The algorithm before the colon.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hexadecimal digits after the colon, lower case: safe as a file name.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The first twelve digits, as people read them.
    pub fn short(&self) -> &str {
        &self.hex[..12]
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let fail = |reason| DigestError { text: text.chars().take(160).collect(), reason };
        let (name, hex) = text.split_once(':').ok_or_else(|| fail("no algorithm"))?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(fail("the algorithm is neither sha256 nor sha512")),
        };
        if hex.len() != algorithm.hex_len() {
            return Err(fail("wrong number of digits"));
        }
        if !hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(fail("not lower-case hexadecimal"));
        }
        Ok(Self { algorithm, hex: hex.into() })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DigestVisitor)
    }
}

/// Parses the text where it lies, without a copy: an index has thousands.
struct DigestVisitor;

impl Visitor<'_> for DigestVisitor {
    type Value = Digest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a digest")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Digest, E> {
        text.parse().map_err(E::custom)
    }
}

/// A running hash of one of the registered algorithms.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Sha256(_) => "Hasher(sha256)",
            State::Sha512(_) => "Hasher(sha512)",
        })
    }
}

impl Hasher {
    /// Starts a hash of nothing.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Box::default()),
        })
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// Returns the digest of everything added.
    pub fn finish(self) -> Digest {
        let (algorithm, hex) = match self.0 {
            State::Sha256(state) => (Algorithm::Sha256, hex(&state.finalize())),
            State::Sha512(state) => (Algorithm::Sha512, hex(&state.finalize())),
        };
        Digest { algorithm, hex: hex.into() }
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Content is not what its descriptor says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The bytes hash to something else.
    #[error("content of `{expected}` hashes to `{actual}`")]
    Digest {
        /// What the descriptor promised.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// The length differs. `actual` may be a lower bound where reading stopped early.
    #[error("content of `{digest}` is {actual} bytes long, not {expected}")]
    Size {
        /// The blob.
        digest: Digest,
        /// What the descriptor promised.
        expected: u64,
        /// What came.
        actual: u64,
    },
}

/// Checks a whole blob in memory against its descriptor.
pub fn verify(bytes: &[u8], digest: &Digest, size: u64) -> Result<(), Mismatch> {
    if bytes.len() as u64 != size {
        let actual = bytes.len() as u64;
        return Err(Mismatch::Size { digest: digest.clone(), expected: size, actual });
    }
    let mut hasher = Hasher::new(digest.algorithm());
    hasher.update(bytes);
    let actual = hasher.finish();
    if actual == *digest {
        Ok(())
    } else {
        Err(Mismatch::Digest { expected: digest.clone(), actual })
    }
}

/// Passes a blob through and, at its end, verifies digest and size.
///
/// The error comes as [`io::ErrorKind::InvalidData`] around a [`Mismatch`], in place of the end of
/// file: whoever reads to the end without an error has read the blob that was asked for. Bytes
/// seen before are not verified yet, so their effects must stay revocable until then.
#[derive(Debug)]
pub struct VerifyReader<R> {
    inner: R,
    hasher: Option<Hasher>,
    digest: Digest,
    expected: u64,
    seen: u64,
}

impl<R: Read> VerifyReader<R> {
    /// Wraps `inner`, which must yield the blob `digest` of `size` bytes from its start.
    pub fn new(inner: R, digest: Digest, size: u64) -> Self {
        let hasher = Some(Hasher::new(digest.algorithm()));
        Self { inner, hasher, digest, expected: size, seen: 0 }
    }

    /// Reads what is left, so that the blob is verified whatever its consumer stopped at.
    pub fn finish(mut self) -> io::Result<()> {
        io::copy(&mut self, &mut io::sink()).map(drop)
    }

    fn wrong_size(&self) -> io::Error {
        invalid(Mismatch::Size {
            digest: self.digest.clone(),
            expected: self.expected,
            actual: self.seen,
        })
    }
}

impl<R: Read> Read for VerifyReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(buf)?;
        self.seen += count as u64;
        if self.seen > self.expected {
            return Err(self.wrong_size());
        }
        if count > 0 {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&buf[..count]);
            }
            return Ok(count);
        }
        if self.seen != self.expected {
            return Err(self.wrong_size());
        }
        if let Some(hasher) = self.hasher.take() {
            let actual = hasher.finish();
            if actual != self.digest {
                return Err(invalid(Mismatch::Digest { expected: self.digest.clone(), actual }));
            }
        }
        Ok(0)
    }
}

fn invalid(mismatch: Mismatch) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digest_grammar() {
        assert_eq!(EMPTY.parse::<Digest>().unwrap().to_string(), EMPTY);
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        for bad in ["", "sha256", "sha256:", "md5:00", "sha256:../../etc", &EMPTY.to_uppercase()] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
        let upper = format!("sha256:{}", "A".repeat(64));
        assert!(upper.parse::<Digest>().is_err());
    }

    #[test]
    fn sha512_of_abc() {
        let mut hasher = Hasher::new(Algorithm::Sha512);
        hasher.update(b"abc");
        assert!(hasher.finish().to_string().starts_with("sha512:ddaf35a193617aba"));
    }

    #[test]
    fn reader_refuses_what_was_not_promised() {
        let digest = Digest::of(b"hello");
        let read = |bytes: &'static [u8], size| {
            VerifyReader::new(bytes, digest.clone(), size).finish().map_err(|e| e.to_string())
        };
        assert_eq!(read(b"hello", 5), Ok(()));
        assert!(read(b"hullo", 5).unwrap_err().contains("hashes to"));
        assert!(read(b"hell", 5).unwrap_err().contains("4 bytes long, not 5"));
        assert!(read(b"hello!", 5).unwrap_err().contains("6 bytes long"));
    }
}
