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
                    same(used.name, name)
                        && !matches!(used.activity, Activity::Decider(_))
                        && !is_unknown(&used.activity)
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

/// Where a name stands in a body, and what is known of those before it.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    number: usize,
    as_written: bool,
}

impl Place {
    /// Of a body's first name.
    pub const FIRST: Self = Self { number: 0, as_written: true };

    /// Behind a name that is written so.
    #[must_use]
    pub const fn behind(self, used: &Use, written: &str) -> Self {
        Self {
            number: self.number + places(&used.activity),
            as_written: self.as_written
                && !matches!(used.activity, Activity::Flow(_))
                && same(used.name, written),
        }
    }

    pub(super) const fn number(self) -> usize {
        self.number
    }

    /// Is every name before this place the very word that is written there, with nothing hidden in a flow?
    pub(super) const fn is_as_written(self) -> bool {
        self.as_written
    }
}

/// How many places an activity takes: one, and those of what a flow holds.
pub(super) const fn places(activity: &Activity) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{DeciderInfo, FlowInfo, StepInfo, StepKind, StepOptions};

    const A: StepInfo = step("a");
    const B: StepInfo = step("b");
    const DECIDER: DeciderInfo = DeciderInfo {
        id: "decider",
        name: "decider",
        needs: &[],
        decide: |_| unreachable!("nothing runs here"),
    };

    const fn step(name: &'static str) -> StepInfo {
        StepInfo {
            id: name,
            name,
            doc: "",
            kind: StepKind::Tasklet,
            options: StepOptions::DEFAULT,
            components: &[],
            run: |_| unreachable!("nothing runs here"),
        }
    }

    const fn run(step: &'static StepInfo) -> Node {
        Node::Run(Use { name: step.name, activity: Activity::Step(step), bindings: &[] })
    }

    const DECISION: Use = Use { name: "decider", activity: Activity::Decider(&DECIDER), bindings: &[] };

    const fn decide(arms: &'static [Arm]) -> Node {
        Node::Match { subject: Subject::Decider(&DECIDER), used: DECISION, arms, route: |_| 0 }
    }

    #[test]
    fn a_step_before_a_place_is_surely_completed_and_one_behind_it_is_not() {
        const NODES: &[Node] = &[run(&A), run(&B)];
        assert!(surely_completed(NODES, 1, "a"));
        assert!(!surely_completed(NODES, 0, "b"));
    }

    #[test]
    fn a_step_in_one_arm_is_perhaps_run_but_not_surely_completed() {
        const NODES: &[Node] =
            &[decide(&[Arm { label: "1", body: &[run(&A)] }, Arm { label: "2", body: &[] }]), run(&B)];
        assert!(!surely_completed(NODES, 2, "a"));
        assert!(perhaps_run(NODES, 2, "a"));
    }

    #[test]
    fn an_arm_that_ends_the_job_leads_nowhere() {
        const NODES: &[Node] = &[
            decide(&[
                Arm { label: "1", body: &[run(&A)] },
                Arm { label: "2", body: &[run(&B), Node::End("E")] },
            ]),
            run(&B),
        ];
        assert!(surely_completed(NODES, 3, "a"));
        assert!(!perhaps_run(NODES, 3, "b"));
    }

    #[test]
    fn the_body_of_a_while_may_be_passed_by() {
        const NODES: &[Node] =
            &[Node::While { decider: &DECIDER, used: DECISION, negated: false, body: &[run(&A)] }, run(&B)];
        assert!(!surely_completed(NODES, 2, "a"));
        assert!(perhaps_run(NODES, 2, "a"));
    }

    #[test]
    fn a_loop_is_left_where_it_breaks() {
        const NODES: &[Node] = &[
            Node::Loop(&[
                run(&A),
                decide(&[Arm { label: "1", body: &[Node::Break] }, Arm { label: "2", body: &[run(&B)] }]),
            ]),
            run(&B),
        ];
        assert!(surely_completed(NODES, 3, "a"));
        assert!(!surely_completed(NODES, 3, "b"));
        assert!(perhaps_run(NODES, 2, "a"));
    }

    #[test]
    fn places_behind_an_end_keep_their_numbers() {
        const NODES: &[Node] = &[
            decide(&[
                Arm { label: "1", body: &[Node::End("E"), run(&A), run(&A)] },
                Arm { label: "2", body: &[run(&A)] },
            ]),
            run(&B),
        ];
        assert!(surely_completed(NODES, 4, "a"));
        assert_eq!(use_at(NODES, 4).map(|used| used.name), Some("b"));
    }

    #[test]
    fn what_a_flow_holds_counts_as_written_in_the_job() {
        const FLOW: FlowInfo = FlowInfo { id: "flow", name: "flow", doc: "", nodes: &[run(&A)] };
        const NODES: &[Node] =
            &[Node::Run(Use { name: "flow", activity: Activity::Flow(&FLOW), bindings: &[] }), run(&B)];
        assert_eq!(places(&Activity::Flow(&FLOW)), 2);
        assert!(surely_completed(NODES, 2, "a"));
        assert_eq!(use_at(NODES, 1).map(|used| used.name), Some("a"));
    }
}
