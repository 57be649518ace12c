//! From a call's architecture and number to what is decided about it.
//!
//! ```text
//! architecture -> number below bit 30? -> balanced tree over ranges of numbers -> verdict
//! ```
//! Consecutive numbers with the same verdict are one range. Single numbers that differ from both
//! their neighbours cost one comparison at the leaf instead of two in the tree.

use crate::spec::{SeccompAction, SeccompArch};

use super::MAX_NODES;
use super::action;
use super::arch::{self, X32_BIT};
use super::bpf::{ARCH_OFFSET, NUMBER_OFFSET};
use super::compile::SeccompError;
use super::conditions::Conditions;
use super::graph::{Comparison, Graph, NodeId};
use super::rules::{Alternative, Names, Verdict, verdicts};
use super::table::NEWEST_NUMBER;

/// How many single numbers are compared one after another at a leaf of the tree.
const MAX_SINGLES: usize = 4;

/// Calls that Linux 5.1 and later added have the same number on all architectures, from here on.
const FIRST_COMMON_NUMBER: u32 = 424;

/// How many ranges from there on are worth a fork of their own.
const MIN_SHARED: usize = 4;

/// Numbers from `start` up to the next range's start.
#[derive(Clone, Copy, Debug)]
struct Range {
    start: u32,
    target: NodeId,
}

/// Builds the whole filter and returns where it starts.
///
/// `archs` has each architecture once, the native one first.
pub(super) fn filter(
    graph: &mut Graph,
    names: &Names<'_>,
    archs: &[SeccompArch],
) -> Result<NodeId, SeccompError> {
    let mut next = graph.ret(action::encode(BAD_ARCH));
    // The first architecture is built last: it is the next thing after its check.
    for (at, &arch) in archs.iter().enumerate().rev() {
        let audit = arch::audit(arch);
        if archs[..at].iter().any(|earlier| arch::audit(*earlier) == audit) {
            continue;
        }
        let calls = if matches!(arch, SeccompArch::X86_64 | SeccompArch::X32) {
            x86_64_and_x32(graph, names, archs)?
        } else {
            let ranges = ranges(graph, names, arch)?;
            split_tree(graph, &ranges, arch::number_base(arch) + FIRST_COMMON_NUMBER)
        };
        let calls = graph.load(NUMBER_OFFSET, calls);
        next = graph.test(Comparison::Equal, audit, calls, next);
    }
    Ok(graph.load(ARCH_OFFSET, next))
}

/// Builds the tree for the two that share an architecture value, whichever of them there are.
fn x86_64_and_x32(
    graph: &mut Graph,
    names: &Names<'_>,
    archs: &[SeccompArch],
) -> Result<NodeId, SeccompError> {
    let bad_arch = graph.ret(action::encode(BAD_ARCH));
    let mut wide = None;
    let mut below = bad_arch;
    if archs.contains(&SeccompArch::X86_64) {
        let ranges = ranges(graph, names, SeccompArch::X86_64)?;
        below = split_tree(graph, &ranges, FIRST_COMMON_NUMBER);
        wide = Some(ranges);
    }
    let above = if archs.contains(&SeccompArch::X32) {
        let mut ranges = ranges(graph, names, SeccompArch::X32)?;
        if let Some(wide) = wide {
            let rest = difference(&ranges, &wide, below);
            if comparisons(&rest) < comparisons(&ranges) {
                ranges = rest;
            }
        }
        let numbers = split_tree(graph, &ranges, FIRST_COMMON_NUMBER);
        graph.and(!X32_BIT, numbers)
    } else {
        // A tracer skips a call by making its number -1.
        let skipped = graph.ret(action::encode(names.default_action));
        graph.test(Comparison::Equal, u32::MAX, skipped, bad_arch)
    };
    Ok(graph.test(Comparison::GreaterOrEqual, X32_BIT, above, below))
}

/// What a call of an architecture outside the filter gets: libseccomp's `SCMP_FLTATR_ACT_BADARCH`.
pub(super) const BAD_ARCH: SeccompAction = SeccompAction::KillThread;

/// Returns where the numbers of one architecture go; those of x32 are without bit 30.
fn ranges(
    graph: &mut Graph,
    names: &Names<'_>,
    arch: SeccompArch,
) -> Result<Vec<Range>, SeccompError> {
    let default = graph.ret(action::encode(names.default_action));
    let unknown = match names.newest {
        Some(_) => graph.ret(action::encode(SeccompAction::Errno(arch::enosys(arch)))),
        None => default,
    };
    let base = if arch == SeccompArch::X32 { X32_BIT } else { 0 };
    let newest = arch::number_base(arch) - base + NEWEST_NUMBER;
    let mut ranges = vec![Range { start: 0, target: default }];
    let mut put = |start: u32, target: NodeId| match ranges.last_mut() {
        Some(last) if last.target == target => {}
        Some(last) if last.start == start => last.target = target,
        _ => ranges.push(Range { start, target }),
    };
    let mut at = 0;
    if matches!(arch, SeccompArch::S390 | SeccompArch::S390x) {
        // The kernel shows 0 for a call it doesn't know: numbers above 255 come in a register.
        put(0, unknown);
        at = 1;
    }
    let mut last =
        (SeccompAction::KillThread, graph.ret(action::encode(SeccompAction::KillThread)));
    for (number, verdict) in verdicts(names, arch) {
        let target = match verdict {
            // Neighbours mostly have one action.
            Verdict::Always(action) if action == last.0 => last.1,
            Verdict::Always(action) => {
                last = (action, graph.ret(action::encode(action)));
                last.1
            }
            Verdict::FirstOf(alternatives) => checks(graph, &alternatives, default, arch)?,
        };
        let number = number - base;
        if at < number {
            fill(&mut put, at, number, newest, default, unknown);
        }
        put(number, target);
        at = number + 1;
    }
    fill(&mut put, at, u32::MAX, newest, default, unknown);
    Ok(ranges)
}

/// Covers the numbers from `start` up to `end` that no verdict was given for: default up to the
/// newest number that has a meaning, unknown above.
fn fill(
    put: &mut impl FnMut(u32, NodeId),
    start: u32,
    end: u32,
    newest: u32,
    default: NodeId,
    unknown: NodeId,
) {
    if start <= newest {
        put(start, default);
    }
    let above = start.max(newest + 1);
    if above < end {
        put(above, unknown);
    }
}

/// Builds the checks of `alternatives`, one after the other.
fn checks(
    graph: &mut Graph,
    alternatives: &[Alternative],
    default: NodeId,
    arch: SeccompArch,
) -> Result<NodeId, SeccompError> {
    let mut next = default;
    for Alternative { conditions, action } in alternatives.iter().rev() {
        let conditions = Conditions::compile(conditions, arch::word(arch), arch::endian(arch))
            .map_err(|index| SeccompError::ArgumentIndex { index })?;
        let matched = graph.ret(action::encode(*action));
        next = conditions.add_to(graph, matched, next);
        if graph.len() > MAX_NODES {
            return Err(SeccompError::TooComplex);
        }
    }
    Ok(next)
}

/// Returns `ranges` with everything that `other` decides alike sent to the tree of `other`.
fn difference(ranges: &[Range], other: &[Range], tree_of_other: NodeId) -> Vec<Range> {
    let target_at = |ranges: &[Range], number: u32| {
        let after = ranges.partition_point(|range| range.start <= number);
        ranges[after - 1].target
    };
    let mut starts: Vec<u32> = ranges.iter().chain(other).map(|range| range.start).collect();
    starts.sort_unstable();
    starts.dedup();
    let mut differences: Vec<Range> = Vec::with_capacity(starts.len());
    for start in starts {
        let own = target_at(ranges, start);
        let target = if own == target_at(other, start) { tree_of_other } else { own };
        if differences.last().is_none_or(|last| last.target != target) {
            differences.push(Range { start, target });
        }
    }
    differences
}

/// Builds the tree over `ranges` with its first fork at `at`.
///
/// From the same number on, the trees of architectures with the same verdicts are one.
fn split_tree(graph: &mut Graph, ranges: &[Range], at: u32) -> NodeId {
    let below = ranges.partition_point(|range| range.start < at);
    let mut high = ranges[below..].to_vec();
    if high.first().is_none_or(|range| range.start > at) {
        high.insert(0, Range { start: at, ..ranges[below - 1] });
    }
    if high.len() < MIN_SHARED {
        return tree(graph, &segments(ranges));
    }
    let high = tree(graph, &segments(&high));
    let low = tree(graph, &segments(&ranges[..below]));
    graph.test(Comparison::GreaterOrEqual, at, high, low)
}

/// A range with single numbers in it that go elsewhere.
struct Segment {
    start: u32,
    singles: Vec<Range>,
    rest: NodeId,
}

/// Returns how many comparisons it takes to tell `ranges` apart.
fn comparisons(ranges: &[Range]) -> usize {
    best_segments(ranges)[0].0
}

/// Returns, for the ranges from each index on, the least number of comparisons, and how many ranges
/// the first segment of that has.
fn best_segments(ranges: &[Range]) -> Vec<(usize, usize)> {
    let mut best = vec![(0, 0); ranges.len() + 1];
    for start in (0..ranges.len()).rev() {
        let lengths = (0..=MAX_SINGLES).map(|singles| (singles, 2 * singles + 1));
        let possible = lengths.take_while(|(_, length)| is_segment(&ranges[start..], *length));
        let costs =
            possible.map(|(singles, length)| (best[start + length].0 + singles + 1, length));
        best[start] = costs.min().expect("one range is a segment");
    }
    best
}

/// Joins ranges to as few segments and singles as can be.
fn segments(ranges: &[Range]) -> Vec<Segment> {
    let best = best_segments(ranges);
    let mut segments = Vec::with_capacity(ranges.len());
    let mut at = 0;
    while let Some(&Range { start, target: rest }) = ranges.get(at) {
        let end = at + best[at].1;
        let singles = ranges[at + 1..end].iter().step_by(2).copied().collect();
        segments.push(Segment { start, singles, rest });
        at = end;
    }
    segments
}

/// Whether the first `length` ranges are one range with single numbers in it.
fn is_segment(ranges: &[Range], length: usize) -> bool {
    let alternating = ranges.get(..length).is_some_and(|ranges| {
        ranges.windows(3).step_by(2).all(|of| of[1].start + 1 == of[2].start)
    });
    alternating && ranges[..length].iter().step_by(2).all(|of| of.target == ranges[0].target)
}

fn tree(graph: &mut Graph, segments: &[Segment]) -> NodeId {
    if let [segment] = segments {
        return segment.singles.iter().rev().fold(segment.rest, |otherwise, single| {
            graph.test(Comparison::Equal, single.start, single.target, otherwise)
        });
    }
    let (low, high) = segments.split_at(segments.len() / 2);
    let pivot = high[0].start;
    let high = tree(graph, high);
    let low = tree(graph, low);
    graph.test(Comparison::GreaterOrEqual, pivot, high, low)
}
