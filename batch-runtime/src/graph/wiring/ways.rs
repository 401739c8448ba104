//! Receives: a job's body and a place in it. Gives: what has happened on the ways that lead there: whether all of them pass
//! a step, whether one of them passes a name.
//!
//! Places are numbered in the order of the body; what a flow holds is numbered as if written there.

use crate::graph::{Activity, Arm, Node, Subject, Use};

use super::message::same;
use super::probe::is_unknown;

/// What is asked about the ways to a place.
#[derive(Clone, Copy)]
enum Question {
    /// Did every way complete the step of that module and name?
    Surely(&'static str),
    /// Did some way run something under that name?
    Perhaps(&'static str),
}

/// What happens where a body ends.
#[derive(Clone, Copy)]
struct End {
    /// The answer for the ways that go on behind it; `None` where none does.
    on: Option<bool>,
    /// The answer for the ways that leave the loop around it; `None` where none does.
    out: Option<bool>,
}

struct Walk {
    question: Question,
    place: usize,
    next: usize,
    answer: Option<bool>,
}

impl Walk {
    const fn join(&self, a: Option<bool>, b: Option<bool>) -> Option<bool> {
        match (a, b) {
            (None, other) | (other, None) => other,
            (Some(a), Some(b)) => Some(match self.question {
                Question::Surely(_) => a && b,
                Question::Perhaps(_) => a || b,
            }),
        }
    }

    const fn arrive(&mut self, state: bool) {
        if self.next == self.place {
            self.answer = Some(state);
        }
        self.next += 1;
    }

    /// The answer once `used` has completed.
    const fn after(&self, used: &Use, state: bool) -> bool {
        state
            || match self.question {
                // An unknown step may be any.
                Question::Surely(id) => is_unknown(&used.activity) || same(used.activity.id(), id),
                Question::Perhaps(name) => {
                    same(used.name, name) && !matches!(used.activity, Activity::Decider(_))
                }
            }
    }

    const fn nodes(&mut self, nodes: &'static [Node], state: bool) -> End {
        let mut end = End { on: Some(state), out: None };
        let mut at = 0;
        while at < nodes.len() {
            let Some(state) = end.on else {
                self.next += places_in(nodes.split_at(at).1);
                return end;
            };
            if self.answer.is_some() {
                return end;
            }
            let node = self.node(&nodes[at], state);
            end = End { on: node.on, out: self.join(end.out, node.out) };
            at += 1;
        }
        end
    }

    const fn node(&mut self, node: &'static Node, state: bool) -> End {
        match node {
            Node::Run(used) => {
                self.arrive(state);
                match used.activity {
                    Activity::Flow(flow) => End { out: None, ..self.nodes(flow.nodes, state) },
                    _ => End { on: Some(self.after(used, state)), out: None },
                }
            }
            Node::Match { subject, used, arms, .. } => {
                self.arrive(state);
                self.arms(arms, subject, used, state)
            }
            Node::While { body, .. } => {
                self.arrive(state);
                let body = self.nodes(body, state);
                End { on: self.join(Some(state), self.join(body.on, body.out)), out: None }
            }
            Node::Loop(body) => {
                let body = self.nodes(body, state);
                End { on: body.out, out: None }
            }
            Node::Break => End { on: None, out: Some(state) },
            Node::End(_) | Node::Fail(_) => End { on: None, out: None },
            // A restart goes on behind it.
            Node::Stop(_) => End { on: Some(state), out: None },
        }
    }

    const fn arms(&mut self, arms: &'static [Arm], subject: &Subject, used: &Use, state: bool) -> End {
        let mut end = End { on: None, out: None };
        let completed = self.after(used, state);
        let mut failed_is_taken = false;
        let mut at = 0;
        while at < arms.len() {
            let label = arms[at].label;
            let entered = match (subject, self.question) {
                (Subject::Ended(_), Question::Surely(_)) => {
                    if same(label, "Completed") || (failed_is_taken && same(label, "_")) {
                        completed
                    } else {
                        state
                    }
                }
                _ => completed,
            };
            failed_is_taken = failed_is_taken || same(label, "Failed");
            let arm = self.nodes(arms[at].body, entered);
            end = End { on: self.join(end.on, arm.on), out: self.join(end.out, arm.out) };
            at += 1;
        }
        end
    }
}

const fn ask(nodes: &'static [Node], place: usize, question: Question) -> bool {
    let mut walk = Walk { question, place, next: 0, answer: None };
    walk.nodes(nodes, false);
    match walk.answer {
        Some(answer) => answer,
        // What no way reaches is reported as such.
        None => matches!(question, Question::Surely(_)),
    }
}

/// Does every way to the place complete the step of that module and name?
#[must_use]
pub(super) const fn surely_completed(nodes: &'static [Node], place: usize, id: &'static str) -> bool {
    ask(nodes, place, Question::Surely(id))
}

/// Does a way to the place run something under that name?
#[must_use]
pub(super) const fn perhaps_run(nodes: &'static [Node], place: usize, name: &'static str) -> bool {
    ask(nodes, place, Question::Perhaps(name))
}

/// How many places an activity takes: one, and those of what a flow holds.
#[must_use]
pub const fn places(activity: &Activity) -> usize {
    match activity {
        Activity::Flow(flow) => 1 + places_in(flow.nodes),
        _ => 1,
    }
}

const fn places_in(nodes: &'static [Node]) -> usize {
    let mut count = 0;
    let mut at = 0;
    while at < nodes.len() {
        count += match &nodes[at] {
            Node::Run(used) => places(&used.activity),
            Node::Match { arms, .. } => {
                let mut inside = 1;
                let mut arm = 0;
                while arm < arms.len() {
                    inside += places_in(arms[arm].body);
                    arm += 1;
                }
                inside
            }
            Node::While { body, .. } => 1 + places_in(body),
            Node::Loop(body) => places_in(body),
            Node::Break | Node::End(_) | Node::Fail(_) | Node::Stop(_) => 0,
        };
        at += 1;
    }
    count
}

/// The use at a place, counted from the first of `nodes`.
pub(super) const fn use_at(nodes: &'static [Node], place: usize) -> Option<&'static Use> {
    let mut first = 0;
    let mut at = 0;
    while at < nodes.len() {
        let node = &nodes[at];
        let (used, arms, body): (Option<&Use>, &[Arm], &[Node]) = match node {
            Node::Run(used) => match used.activity {
                Activity::Flow(flow) => (Some(used), &[], flow.nodes),
                _ => (Some(used), &[], &[]),
            },
            Node::Match { used, arms, .. } => (Some(used), arms, &[]),
            Node::While { used, body, .. } => (Some(used), &[], body),
            Node::Loop(body) => (None, &[], body),
            Node::Break | Node::End(_) | Node::Fail(_) | Node::Stop(_) => (None, &[], &[]),
        };
        if let Some(used) = used {
            if first == place {
                return Some(used);
            }
            first += 1;
        }
        let mut size = places_in(body);
        if place < first + size {
            return use_at(body, place - first);
        }
        first += size;
        let mut arm = 0;
        while arm < arms.len() {
            size = places_in(arms[arm].body);
            if place < first + size {
                return use_at(arms[arm].body, place - first);
            }
            first += size;
            arm += 1;
        }
        at += 1;
    }
    None
}
