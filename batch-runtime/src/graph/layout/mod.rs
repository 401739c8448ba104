//! Lays out a job: measures its parts, then places them.
//!
//! A body is a tree of statements, so no general graph drawing is needed: a sequence goes down, arms and branches are
//! side by side, and a loop has its way back at the left and its way out at the right. The same body always has the
//! same picture. Only the lines of `break`s cross other lines.

mod block;
mod loops;
mod picture;
#[cfg(test)]
mod tests;

pub(super) use picture::{Area, Card, Frame, Kind, Label, Line, Parts, Picture, columns};

use block::{Block, LabelledArm, forked, framed, parallel, stacked};
use loops::{WhilePaths, endless_loop, while_loop};
use picture::wrapped;

use super::status::ExecutionProgress;
use super::words::{card, split, title};
use super::{Activity, Node, Subject, Use};
use crate::definition::JobInfo;
use crate::engine::flow::walk::{Numbering, match_name, while_name};

/// The maximum width of the lines of a text that the user wrote, in columns.
const TEXT_WIDTH: usize = 36;
/// The empty cells around the drawing.
const MARGIN: usize = 2;

/// Lays out a job, with the progress of one of its executions.
pub(super) fn lay_out(job: &JobInfo, seen: Option<&ExecutionProgress>) -> Picture {
    let mut pen = Pen { numbering: Numbering::default(), seen };
    let entered = seen.is_some();
    let mut blocks = vec![Block::card(Kind::Terminal, wrapped(job.name, TEXT_WIDTH), None, entered)];
    let mut way = Some(entered);
    pen.nodes(job.flow, &mut way, &mut blocks);
    if let Some(taken) = way {
        let ended = taken && seen.is_some_and(ExecutionProgress::is_complete);
        blocks.push(Block::card(Kind::Terminal, vec!["COMPLETED".to_owned()], None, ended));
    }
    let Some(block) = stacked(blocks) else { return Picture::default() };
    let mut parts = Parts::default();
    parts.put(block.parts, MARGIN, MARGIN / 2);
    Picture { width: block.width + 2 * MARGIN, height: block.height + MARGIN, parts }
}

struct Pen<'s> {
    numbering: Numbering,
    seen: Option<&'s ExecutionProgress>,
}

impl Pen<'_> {
    /// Draws a body. `entered` says whether the execution entered it.
    fn body(&mut self, nodes: &[Node], entered: bool) -> Block {
        let (mut blocks, mut way) = (Vec::new(), Some(entered));
        self.nodes(nodes, &mut way, &mut blocks);
        stacked(blocks).unwrap_or_else(|| Block::empty(entered))
    }

    /// Adds the blocks of the nodes. `way` is the path to the next block, if any path leads there.
    fn nodes(&mut self, nodes: &[Node], way: &mut Option<bool>, blocks: &mut Vec<Block>) {
        for node in nodes {
            let block = self.node(node, way.unwrap_or_default());
            *way = block.exit;
            blocks.push(block);
        }
    }

    fn node(&mut self, node: &Node, entered: bool) -> Block {
        match node {
            Node::Run(used @ Use { activity: Activity::Flow(flow), .. }) => {
                let inner = self.body(flow.nodes, entered);
                framed(format!("flow {}", title(used)), inner, entered)
            }
            Node::Run(used) => self.used(used, entered),
            Node::Match { subject, used, arms, .. } => {
                let choice = self.numbering.number(match_name(used));
                let subject = match subject {
                    Subject::Decider(_) => Block::card(Kind::Decision, vec![title(used)], None, entered),
                    Subject::Ended(_) | Subject::Value(_) => self.used(used, entered),
                };
                let arms = arms.iter().map(|arm| {
                    let taken = entered && self.seen.is_some_and(|seen| seen.has_taken(&choice, arm.label));
                    let body = self.body(arm.body, taken);
                    LabelledArm { label: wrapped(arm.label, TEXT_WIDTH), body, entered: taken }
                });
                forked(subject, arms.collect())
            }
            Node::While { used, negated, body, .. } => {
                let name = self.numbering.number(while_name(used));
                let (on, out) = if *negated { ("no", "yes") } else { ("yes", "no") };
                let said =
                    |answer: &str| entered && self.seen.is_some_and(|seen| seen.has_taken(&name, answer));
                let (yes, no) = (said("true"), said("false"));
                let (goes_on, goes_out) = if *negated { (no, yes) } else { (yes, no) };
                let decision = Block::card(Kind::Decision, vec![title(used)], None, entered);
                let body = self.body(body, goes_on);
                while_loop(decision, body, &WhilePaths { on, out, goes_on, goes_out })
            }
            Node::Loop(body) => {
                let mut junction = Block::card(Kind::Junction, Vec::new(), None, entered);
                for card in &mut junction.parts.cards {
                    card.area = Area { x: 0, y: 0, width: 1, height: 1 };
                }
                let body = self.body(body, entered);
                endless_loop(junction, body, entered)
            }
            Node::Split { branches, max } => {
                let branches = branches.iter().map(|branch| self.body(branch, entered)).collect();
                parallel(split(*max), branches, entered)
            }
            Node::Break => Block::of_break(entered),
            Node::End(code, why) => self.terminal(Kind::Terminal, code, why.written, entered),
            Node::Fail(why) => self.terminal(Kind::Failure, "FAILED", why.written, entered),
            Node::Stop(why) => {
                let name = self.numbering.number(crate::engine::flow::walk::STOP.to_owned());
                let passed = self.seen.is_some_and(|seen| seen.has_passed(&name));
                let mut block = self.terminal(Kind::Stop, "STOPPED", why.written, entered);
                block.exit = Some(entered && passed);
                block.labelled("restart")
            }
        }
    }

    fn terminal(&self, kind: Kind, code: &str, why: &str, entered: bool) -> Block {
        let lines = wrapped(code, TEXT_WIDTH).into_iter().chain(wrapped(why, TEXT_WIDTH)).collect();
        let taken = entered && self.seen.is_some();
        Block { exit: None, ..Block::card(kind, lines, None, taken) }
    }

    fn used(&mut self, used: &Use, entered: bool) -> Block {
        let kind = if matches!(used.activity, Activity::Job(_)) { Kind::Job } else { Kind::Step };
        let Some(seen) = self.seen else {
            let lines = [title(used)].into_iter().chain(card(&used.activity)).collect();
            return Block::card(kind, lines, None, false);
        };
        let (lines, status) = seen.of_step(used);
        let taken = entered || seen.has_begun(used.name);
        let passed = entered && seen.has_passed(used.name);
        Block { exit: Some(passed), ..Block::card(kind, lines, status, taken) }
    }
}
