//! How long things may take. Nothing here is measured: a limit only ends what would never end.

use std::sync::OnceLock;
use std::time::Duration;

/// How many times as long as on an idle machine everything may take: a number.
pub const VARIABLE: &str = "CONFORMANCE_PATIENCE";

/// `seconds`, times the host's slowness.
pub fn seconds(seconds: u64) -> Duration {
    static FACTOR: OnceLock<u64> = OnceLock::new();
    let factor = *FACTOR.get_or_init(|| {
        std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(1).max(1)
    });
    Duration::from_secs(seconds.saturating_mul(factor))
}
