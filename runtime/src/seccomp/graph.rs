//! A filter as a graph of decisions, before it has an order.
//!
//! Equal nodes are one node, so equal endings, and whole checks that several calls or
//! architectures have in common, are emitted once. A node's successors are always made before it:
//! their ids are smaller, and there are no loops.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A node of a [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(u32);

impl NodeId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a [`Node::Test`] compares the accumulator with its constant, both unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
}

/// One step of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    /// The verdict, a `SECCOMP_RET_*` value.
    Return(u32),
    /// Puts 32 bits of `seccomp_data` into the accumulator.
    Load { offset: u32, next: NodeId },
    /// Masks the accumulator.
    And { mask: u32, next: NodeId },
    /// Goes one of two ways.
    Test { comparison: Comparison, constant: u32, yes: NodeId, no: NodeId },
}

/// Nodes, each once.
#[derive(Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    ids: HashMap<Node, NodeId, BuildHasherDefault<NodeHasher>>,
}

impl Graph {
    pub(super) fn node(&self, id: NodeId) -> Node {
        self.nodes[id.index()]
    }

    /// All nodes, by id.
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// How many nodes there are: ids count up to it.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn ret(&mut self, verdict: u32) -> NodeId {
        self.add(Node::Return(verdict))
    }

    /// Loads, then goes on with `next`; just `next` if that doesn't look at the accumulator.
    pub(super) fn load(&mut self, offset: u32, next: NodeId) -> NodeId {
        if self.reads_accumulator(next) { self.add(Node::Load { offset, next }) } else { next }
    }

    /// Masks, then goes on with `next`; just `next` if that doesn't look at the accumulator.
    pub(super) fn and(&mut self, mask: u32, next: NodeId) -> NodeId {
        let changes = mask != u32::MAX && self.reads_accumulator(next);
        if changes { self.add(Node::And { mask, next }) } else { next }
    }

    /// Tests; just the way on if both ways are one.
    pub(super) fn test(
        &mut self,
        comparison: Comparison,
        constant: u32,
        yes: NodeId,
        no: NodeId,
    ) -> NodeId {
        if yes == no { yes } else { self.add(Node::Test { comparison, constant, yes, no }) }
    }

    /// Returns where a way that leads to `target` may go at once, given what is known on it.
    ///
    /// Loads of what the accumulator holds already and tests whose outcome is settled are jumped
    /// over.
    pub(super) fn follow(&self, target: NodeId, known: &Known) -> NodeId {
        let mut at = target;
        let mut accumulator = known.accumulator;
        let mut settled = at;
        loop {
            // A node that loads, or needs no accumulator, can be entered from anywhere; another one
            // only with the accumulator it expects.
            if !self.reads_accumulator(at) || accumulator == known.accumulator {
                settled = at;
            }
            match self.node(at) {
                Node::Return(_) => return settled,
                Node::Load { offset, next } => {
                    accumulator = Some(Value::loaded(offset));
                    at = next;
                }
                Node::And { mask, next } => {
                    accumulator = accumulator.map(|value| value.masked(mask));
                    at = next;
                }
                Node::Test { comparison, constant, yes, no } => {
                    match accumulator.and_then(|value| known.decide(value, comparison, constant)) {
                        Some(true) => at = yes,
                        Some(false) => at = no,
                        None => return settled,
                    }
                }
            }
        }
    }

    fn reads_accumulator(&self, id: NodeId) -> bool {
        matches!(self.node(id), Node::And { .. } | Node::Test { .. })
    }

    fn add(&mut self, node: Node) -> NodeId {
        let next = NodeId(u32::try_from(self.nodes.len()).expect("limited by the compiler"));
        *self.ids.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            next
        })
    }
}

/// What the accumulator holds: 32 bits of `seccomp_data`, masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    offset: u32,
    mask: u32,
}

impl Value {
    pub(super) fn loaded(offset: u32) -> Self {
        Self { offset, mask: u32::MAX }
    }

    pub(super) fn masked(self, mask: u32) -> Self {
        Self { mask: self.mask & mask, ..self }
    }
}

/// What the tests on the way to a place have shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// What the accumulator holds, if that is known.
    pub(super) accumulator: Option<Value>,
    bounds: Vec<(Value, Bounds)>,
}

#[derive(Clone, Debug)]
struct Bounds {
    least: u32,
    greatest: u32,
    /// Values within the bounds that it is not.
    not: Vec<u32>,
}

impl Known {
    /// Returns what is known with another value in the accumulator.
    pub(super) fn with_accumulator(&self, accumulator: Option<Value>) -> Self {
        Self { accumulator, bounds: self.bounds.clone() }
    }

    /// Returns the outcome of a test on `value`, if it is settled.
    pub(super) fn decide(
        &self,
        value: Value,
        comparison: Comparison,
        constant: u32,
    ) -> Option<bool> {
        let bounds = self.bounds.iter().find(|(of, _)| *of == value).map(|(_, bounds)| bounds);
        let (least, greatest) = bounds.map_or((0, value.mask), |b| (b.least, b.greatest));
        let (always, never) = match comparison {
            Comparison::Equal => (
                least == constant && greatest == constant,
                constant < least
                    || constant > greatest
                    || bounds.is_some_and(|b| b.not.contains(&constant)),
            ),
            Comparison::Greater => (least > constant, greatest <= constant),
            Comparison::GreaterOrEqual => (least >= constant, greatest < constant),
        };
        match (always, never) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }

    /// Returns what is known after a test of the accumulator came out as `outcome`.
    pub(super) fn after(&self, comparison: Comparison, constant: u32, outcome: bool) -> Self {
        let mut known = self.clone();
        let Some(value) = known.accumulator else { return known };
        let at = known.bounds.iter().position(|(of, _)| *of == value).unwrap_or_else(|| {
            let bounds = Bounds { least: 0, greatest: value.mask, not: Vec::new() };
            known.bounds.push((value, bounds));
            known.bounds.len() - 1
        });
        let bounds = &mut known.bounds[at].1;
        match (comparison, outcome) {
            (Comparison::Equal, true) => (bounds.least, bounds.greatest) = (constant, constant),
            (Comparison::Equal, false) => bounds.not.push(constant),
            (Comparison::Greater, true) => {
                bounds.least = bounds.least.max(constant.saturating_add(1));
            }
            (Comparison::Greater, false) => bounds.greatest = bounds.greatest.min(constant),
            (Comparison::GreaterOrEqual, true) => bounds.least = bounds.least.max(constant),
            (Comparison::GreaterOrEqual, false) => {
                bounds.greatest = bounds.greatest.min(constant.saturating_sub(1));
            }
        }
        known
    }
}

/// A quick hash of a node's few words. What is hashed was limited in number before, so that nobody
/// gains by making keys collide.
#[derive(Default)]
struct NodeHasher(u64);

impl Hasher for NodeHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word.cast_unsigned() as u64);
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_nodes_are_one_and_pointless_ones_are_none() {
        let mut graph = Graph::default();
        let (allow, kill) = (graph.ret(1), graph.ret(0));
        assert_eq!(graph.ret(1), allow);
        assert_eq!(graph.test(Comparison::Equal, 7, kill, kill), kill);
        assert_eq!(graph.load(0, kill), kill);
        let test = graph.test(Comparison::Equal, 7, allow, kill);
        let load = graph.load(16, test);
        assert_eq!(graph.load(20, load), load);
        assert_eq!(graph.len(), 4);
    }

    #[test]
    fn a_way_skips_what_is_settled_on_it() {
        let mut graph = Graph::default();
        let (allow, kill) = (graph.ret(1), graph.ret(0));
        let test = graph.test(Comparison::Equal, 7, allow, kill);
        let load = graph.load(16, test);
        let mut known = Known { accumulator: Some(Value::loaded(16)), ..Known::default() };
        assert_eq!(graph.follow(load, &known), test);
        known = known.after(Comparison::Equal, 7, false);
        assert_eq!(graph.follow(load, &known), kill);
        known.accumulator = Some(Value::loaded(20));
        assert_eq!(graph.follow(load, &known), kill);
        assert_eq!(graph.follow(load, &Known::default()), load);
    }

    #[test]
    fn bounds_settle_later_tests() {
        let value = Value::loaded(16);
        let known = Known { accumulator: Some(value), ..Known::default() };
        let above = known.after(Comparison::Greater, 5, true);
        assert_eq!(above.decide(value, Comparison::Equal, 5), Some(false));
        assert_eq!(above.decide(value, Comparison::GreaterOrEqual, 6), Some(true));
        assert_eq!(above.decide(value, Comparison::Greater, 6), None);
        assert_eq!(known.decide(value.masked(3), Comparison::Greater, 3), Some(false));
        assert_eq!(known.decide(value.masked(0), Comparison::Equal, 0), Some(true));
    }
}
