//! Values of version 1 as version 2 spells them.

/// `cpu.shares` of version 1 lies between these.
pub(super) const MIN_SHARES: u64 = 2;
/// See [`MIN_SHARES`].
pub(super) const MAX_SHARES: u64 = 262_144;

/// `cpu.shares` as `cpu.weight`, 1 to 10000.
///
/// The curve goes through (2, 1), (1024, 100) and (262144, 10000), as the runtimes agreed on in
/// 2025: with l = log2(shares), weight = 10 to the power of (l^2 + 125 l) / 612 - 7 / 34.
#[must_use]
pub fn cpu_weight(shares: u64) -> u64 {
    if shares <= MIN_SHARES {
        return 1;
    }
    if shares >= MAX_SHARES {
        return 10_000;
    }
    #[expect(clippy::cast_precision_loss, reason = "shares have 18 bits here")]
    let l = (shares as f64).log2();
    let exponent = (l * l + 125.0 * l) / 612.0 - 7.0 / 34.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 10000"
    )]
    let weight = 10f64.powf(exponent).ceil() as u64;
    weight
}

/// `blkio.weight`, 10 to 1000, as `io.weight`, 1 to 10000: linear.
#[must_use]
pub fn io_weight(weight: u16) -> u64 {
    1 + u64::from(weight).saturating_sub(10) * 9_999 / 990
}

/// Memory and swap together as swap alone; `None` leaves it, -1 is unlimited.
///
/// # Errors
/// Why the two don't go together.
pub fn swap_limit(swap: i64, memory: i64) -> Result<Option<i64>, &'static str> {
    match (swap, memory) {
        (0, -1) => Ok(Some(-1)),
        (0, _) => Ok(None),
        (-1, _) => Ok(Some(-1)),
        (swap, -1) => Ok(Some(swap)),
        (_, 0) => Err("unable to set swap limit without memory limit"),
        (_, memory) if memory < 0 => Err("the memory limit is negative"),
        (swap, memory) if swap < memory => Err("memory+swap limit should be >= memory limit"),
        (swap, memory) => Ok(Some(swap - memory)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_keep_their_meaning() {
        for (shares, weight) in
            [(0, 1), (2, 1), (512, 59), (1024, 100), (2048, 174), (262_144, 10_000)]
        {
            assert_eq!(cpu_weight(shares), weight, "{shares}");
        }
        assert!((3..MAX_SHARES).step_by(97).all(|s| cpu_weight(s) <= cpu_weight(s + 97)));
    }

    #[test]
    fn io_weights_are_linear() {
        assert_eq!((io_weight(10), io_weight(500), io_weight(1000)), (1, 4950, 10_000));
    }

    #[test]
    fn swap_is_what_the_sum_leaves() {
        assert_eq!(swap_limit(0, 0), Ok(None));
        assert_eq!(swap_limit(0, 100), Ok(None));
        assert_eq!(swap_limit(0, -1), Ok(Some(-1)));
        assert_eq!(swap_limit(-1, 100), Ok(Some(-1)));
        assert_eq!(swap_limit(300, 100), Ok(Some(200)));
        assert_eq!(swap_limit(100, 100), Ok(Some(0)));
        assert_eq!(swap_limit(300, -1), Ok(Some(300)));
        assert!(swap_limit(300, 0).is_err() && swap_limit(99, 100).is_err());
        assert!(swap_limit(300, -2).is_err());
    }
}
