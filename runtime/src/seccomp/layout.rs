//! From a graph to instructions in order.
//!
//! The program is written backwards: a node comes after everything it leads to, so every distance
//! is known when it is needed. Conditional jumps reach 255 instructions; beyond that a verdict is
//! repeated nearer by, and another target gets a long jump that later nodes use too.

use kernel::seccomp::SockFilter;

use super::bpf;
use super::graph::{Comparison, Graph, Node, NodeId};

/// Returns the instructions of the part of `graph` that `start` leads to.
pub(super) fn instructions(graph: &Graph, start: NodeId) -> Vec<SockFilter> {
    let reachable = reachable(graph, start);
    let mut layout = Layout { reversed: Vec::new(), places: vec![None; graph.len()] };
    // Ids grow from the ends to the start.
    for id in (0..graph.len()).filter(|id| reachable[*id]) {
        layout.place(graph, id);
    }
    layout.reversed.reverse();
    layout.reversed
}

fn reachable(graph: &Graph, start: NodeId) -> Vec<bool> {
    let mut reachable = vec![false; graph.len()];
    reachable[start.index()] = true;
    for (id, node) in graph.nodes().iter().enumerate().rev() {
        if !reachable[id] {
            continue;
        }
        match *node {
            Node::Return(_) => {}
            Node::Load { next, .. } | Node::And { next, .. } => reachable[next.index()] = true,
            Node::Test { yes, no, .. } => {
                reachable[yes.index()] = true;
                reachable[no.index()] = true;
            }
        }
    }
    reachable
}

struct Layout {
    reversed: Vec<SockFilter>,
    /// Where in `reversed` a node, or the nearest way to it, is.
    places: Vec<Option<usize>>,
}

impl Layout {
    fn place(&mut self, graph: &Graph, id: usize) {
        match graph.nodes()[id] {
            Node::Return(verdict) => self.push(bpf::RETURN, 0, 0, verdict),
            Node::Load { offset, next } => {
                self.come_next(next);
                self.push(bpf::LOAD, 0, 0, offset);
            }
            Node::And { mask, next } => {
                self.come_next(next);
                self.push(bpf::AND, 0, 0, mask);
            }
            Node::Test { comparison, constant, yes, no } => {
                let (jt, jf) = self.in_reach(graph, yes, no);
                let code = match comparison {
                    Comparison::Equal => bpf::JUMP_EQUAL,
                    Comparison::Greater => bpf::JUMP_GREATER,
                    Comparison::GreaterOrEqual => bpf::JUMP_GREATER_OR_EQUAL,
                };
                self.push(code, jt, jf, constant);
            }
        }
        self.places[id] = Some(self.reversed.len() - 1);
    }

    /// Makes both targets reachable by a conditional jump that is pushed next, and returns how far
    /// they are.
    fn in_reach(&mut self, graph: &Graph, yes: NodeId, no: NodeId) -> (u8, u8) {
        loop {
            match (u8::try_from(self.distance(yes)), u8::try_from(self.distance(no))) {
                (Ok(jt), Ok(jf)) => return (jt, jf),
                (Err(_), _) => self.bring_near(graph, yes),
                (_, Err(_)) => self.bring_near(graph, no),
            }
        }
    }

    fn bring_near(&mut self, graph: &Graph, target: NodeId) {
        match graph.node(target) {
            Node::Return(verdict) => self.push(bpf::RETURN, 0, 0, verdict),
            _ => self.jump(target),
        }
        self.places[target.index()] = Some(self.reversed.len() - 1);
    }

    /// Makes what is pushed next run on into `target`.
    fn come_next(&mut self, target: NodeId) {
        if self.distance(target) > 0 {
            self.jump(target);
        }
    }

    fn jump(&mut self, target: NodeId) {
        self.push(bpf::JUMP, 0, 0, self.distance(target));
    }

    /// How many instructions lie between the one pushed next and `target`.
    fn distance(&self, target: NodeId) -> u32 {
        let place = self.places[target.index()].expect("targets are placed first");
        u32::try_from(self.reversed.len() - 1 - place).expect("a graph has a limited size")
    }

    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) {
        self.reversed.push(SockFilter { code, jt, jf, k });
    }
}
