//! A client of registries: OCI distribution-spec 1.1 and docker's API v2.
//!
//! ```text
//! Client ── one for each process: HTTP pools, tokens, credentials, mirrors
//!   └─ Remote ── one repository: its endpoints (mirrors first), what can be asked of it
//!        └─ session ── one request: redirects, authentication, retries
//! ```
//! The registry is trusted with nothing. What it sends is bounded before it is read, verified
//! before it is returned, and where it redirects to never sees credentials.

mod auth;
mod blobs;
mod challenge;
mod client;
mod endpoint;
mod error;
mod http;
mod manifests;
mod referrers;
pub mod replies;
mod retry;
mod session;
mod tags;
mod upload;

pub use auth::{Credential, CredentialSource, NoCredentials};
pub use blobs::{BlobFetch, Nearby, PARALLEL_BLOB_BYTES, Reach};
pub use challenge::{Challenge, parse_challenges};
pub use client::{Client, ClientOptions, Remote};
pub use endpoint::{Capabilities, Endpoint, EndpointSource, Scheme, TlsOptions};
pub use error::{FailureKind, RegistryError, Result};
pub use manifests::FetchedManifest;
pub use retry::{RetryPolicy, parse_retry_after};
pub use upload::{MountFrom, Pushed, ResumeSlot, UploadSource};
