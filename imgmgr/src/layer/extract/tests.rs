//! Extraction against the kernel.
