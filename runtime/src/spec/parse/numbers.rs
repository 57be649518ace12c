//! Lists of CPU and NUMA node numbers such as `0-3,7`.

use std::ops::RangeInclusive;

use crate::spec::NumberSet;

impl NumberSet {
    /// Reads a comma-separated list of numbers and ranges; blanks around and empty elements are
    /// allowed, as runc allows them. The empty text is the empty set.
    ///
    /// `None` if it isn't such a list or holds a number that isn't below [`NumberSet::MAX`].
    #[must_use]
    pub fn parse(text: &str) -> Option<NumberSet> {
        let mut ranges = Vec::new();
        for element in text.split(',').map(str::trim).filter(|element| !element.is_empty()) {
            ranges.push(parse_range(element)?);
        }
        ranges.sort_unstable_by_key(|range| *range.start());
        Some(NumberSet(merge(ranges)))
    }

    /// How many numbers there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().map(|range| (range.end() - range.start()) as usize + 1).sum()
    }

    /// True if there is no number.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn parse_range(text: &str) -> Option<RangeInclusive<u32>> {
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let (start, end) = (parse_number(start)?, parse_number(end)?);
    (start <= end).then_some(start..=end)
}

fn parse_number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits)?;
    (number < NumberSet::MAX).then_some(number)
}

/// Joins ranges, sorted by their start, that touch.
fn merge(ranges: Vec<RangeInclusive<u32>>) -> Vec<RangeInclusive<u32>> {
    let mut merged: Vec<RangeInclusive<u32>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if *range.start() <= last.end() + 1 => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => merged.push(range),
        }
    }
    merged
}
