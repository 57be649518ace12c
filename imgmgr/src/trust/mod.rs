//! Which images may come in: containers-policy.json(5), and signatures as cosign makes them.
//!
//! ```text
//! policy.json --parse--> Policy --requirements of the narrowest scope--> [Requirement]
//! registry: tag sha256-<hex>.sig -> manifest -> layers: payload + annotation with the signature
//! ```
//! Everything in a registry is in hostile hands: what counts is a signature by a key of the
//! policy over a payload that names the very digest that is pulled.

mod identity;
mod key;
mod policy;
mod signature;
mod verify;

pub use identity::SignedIdentity;
pub use key::{KeyError, PublicKey};
pub use policy::{KeySource, Policy, PolicyError, Requirement, Source};
pub use signature::{Claim, Signature, signature_tag};
pub use verify::{TrustError, check_file, check_registry};
