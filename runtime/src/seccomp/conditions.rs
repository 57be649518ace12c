//! Argument checks: from conditions to nodes, through seccompiler's rule compiler.
//!
//! seccompiler turns a rule into instructions that fall off their end if all conditions hold, and
//! jump one further if one does not. They are read into the graph with those two ways wired up, with
//! everything left out that an earlier test on the way has settled. What it does not know is mended
//! here: the order of the halves on big-endian machines.

use seccompiler::{
    BpfProgram, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule as ConditionChain,
    sock_filter,
};

use crate::spec::{SeccompArg, SeccompCompare};

use super::arch::{Endian, Word};
use super::bpf;
use super::graph::{Comparison, Graph, Known, NodeId, Value};

/// How many arguments a system call has.
pub(super) const ARGUMENTS: u8 = 6;

/// Jumps that seccompiler puts before the first condition, for linking rules.
const LINKS: usize = 2;

/// Where arguments start in `seccomp_data`: only they have halves to swap.
const ARGUMENTS_OFFSET: u32 = 16;

/// A list of conditions that must all hold.
pub(super) struct Conditions {
    code: BpfProgram,
}

impl Conditions {
    /// Compiles `conditions` for one kind of machine.
    ///
    /// # Errors
    /// The index of an argument that no system call has.
    pub(super) fn compile(
        conditions: &[SeccompArg],
        word: Word,
        endian: Endian,
    ) -> Result<Self, u8> {
        if conditions.is_empty() {
            return Ok(Self { code: Vec::new() });
        }
        let chain = conditions
            .iter()
            .rev()
            .map(|condition| translate(*condition, word).ok_or(condition.index))
            .collect::<Result<Vec<_>, u8>>()?;
        let chain = ConditionChain::new(chain).expect("there is at least one condition");
        let mut code: BpfProgram = chain.into();
        code.drain(..LINKS);
        if endian == Endian::Big {
            for instruction in &mut code {
                if instruction.code == bpf::LOAD && instruction.k >= ARGUMENTS_OFFSET {
                    instruction.k ^= 4;
                }
            }
        }
        Ok(Self { code })
    }

    /// Adds the checks to `graph`, and returns where they start.
    ///
    /// The accumulator may hold anything there, and `yes` and `no` must be ready for anything too.
    pub(super) fn add_to(&self, graph: &mut Graph, yes: NodeId, no: NodeId) -> NodeId {
        Reading { code: &self.code, yes, no }.node(graph, 0, &Known::default())
    }
}

fn translate(condition: SeccompArg, word: Word) -> Option<SeccompCondition> {
    let SeccompArg { index, op, value, value_two } = condition;
    let width = match word {
        Word::Bits32 => SeccompCmpArgLen::Dword,
        Word::Bits64 => SeccompCmpArgLen::Qword,
    };
    let (operator, operand) = match op {
        SeccompCompare::NotEqual => (SeccompCmpOp::Ne, value),
        SeccompCompare::Less => (SeccompCmpOp::Lt, value),
        SeccompCompare::LessOrEqual => (SeccompCmpOp::Le, value),
        SeccompCompare::Equal => (SeccompCmpOp::Eq, value),
        SeccompCompare::GreaterOrEqual => (SeccompCmpOp::Ge, value),
        SeccompCompare::Greater => (SeccompCmpOp::Gt, value),
        SeccompCompare::MaskedEqual => (SeccompCmpOp::MaskedEq(value), value_two),
    };
    SeccompCondition::new(index, width, operator, operand).ok()
}

struct Reading<'a> {
    code: &'a [sock_filter],
    yes: NodeId,
    no: NodeId,
}

impl Reading<'_> {
    fn node(&self, graph: &mut Graph, at: usize, known: &Known) -> NodeId {
        let Some(instruction) = self.code.get(at) else {
            let target = if at == self.code.len() { self.yes } else { self.no };
            return graph.follow(target, known);
        };
        let sock_filter { code, jt, jf, k } = *instruction;
        let comparison = match code {
            bpf::LOAD => {
                let value = Some(Value::loaded(k));
                if known.accumulator == value {
                    return self.node(graph, at + 1, known);
                }
                let next = self.node(graph, at + 1, &known.with_accumulator(value));
                return graph.load(k, next);
            }
            bpf::AND => {
                let accumulator = known.accumulator.map(|value| value.masked(k));
                let next = self.node(graph, at + 1, &known.with_accumulator(accumulator));
                return graph.and(k, next);
            }
            bpf::JUMP_EQUAL => Comparison::Equal,
            bpf::JUMP_GREATER => Comparison::Greater,
            bpf::JUMP_GREATER_OR_EQUAL => Comparison::GreaterOrEqual,
            _ => unreachable!("seccompiler compares with nothing else"),
        };
        let way = |outcome: bool| at + 1 + usize::from(if outcome { jt } else { jf });
        let settled = known.accumulator.and_then(|value| known.decide(value, comparison, k));
        if let Some(outcome) = settled {
            return self.node(graph, way(outcome), known);
        }
        let yes = self.node(graph, way(true), &known.after(comparison, k, true));
        let no = self.node(graph, way(false), &known.after(comparison, k, false));
        graph.test(comparison, k, yes, no)
    }
}
