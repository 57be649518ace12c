//! Turns an image configuration and options into an OCI bundle.

#![forbid(unsafe_code)]
