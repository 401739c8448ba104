//! Determines what has happened on the paths to a place in a job's body: whether all of them complete a step, and
//! whether any of them runs something under a name.

use crate::graph::{Activity, Arm, Node, Subject, Text, Use};

use super::message::same;
use super::places::{places_in, use_at};
use super::probe::is_unknown;

/// A question about the paths to a place.
#[derive(Clone, Copy)]
enum Question {
    /// Whether every path completed the step of that module and name.
    Surely(&'static str),
    /// Whether some path ran something under that name.
    Perhaps(&'static str),
}

/// The result at the end of a body.
#[derive(Clone, Copy)]
struct End {
    /// The answer for the paths that continue after the body; `None` if no path does.
    on: Option<bool>,
    /// The answer for the paths that leave the enclosing loop; `None` if no path does.
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

    const fn arrive_at_text(&mut self, text: &Text, state: bool) {
        if text.values.is_some() {
            self.arrive(state);
        }
    }

    /// The answer after `used` has completed.
    const fn after(&self, used: &Use, state: bool) -> bool {
        state
            || match self.question {
                // An unknown step may be any step.
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
            Node::Split { branches, .. } => End { on: self.branches(branches, state), out: None },
            Node::Break => End { on: None, out: Some(state) },
            Node::End(_, text) | Node::Fail(text) => {
                self.arrive_at_text(text, state);
                End { on: None, out: None }
            }
            // A restart continues after it.
            Node::Stop(text) => {
                self.arrive_at_text(text, state);
                End { on: Some(state), out: None }
            }
        }
    }

    /// The split waits for all of its branches, so a path after the split has passed everything that any of its
    /// branches passes.
    const fn branches(&mut self, branches: &'static [&'static [Node]], state: bool) -> Option<bool> {
        let mut on = Some(state);
        let mut entered = state;
        let mut at = 0;
        while at < branches.len() {
            let branch = self.nodes(branches[at], entered);
            on = match (on, branch.on) {
                (Some(all), Some(one)) => Some(all || one),
                _ => None,
            };
            // A step of one branch need not run before the steps of another, but its name is taken there.
            entered = entered || (matches!(self.question, Question::Perhaps(_)) && self.runs(branches[at]));
            at += 1;
        }
        on
    }

    /// Returns whether anything in these nodes answers the question.
    const fn runs(&self, nodes: &'static [Node]) -> bool {
        let mut at = 0;
        while let Some(used) = use_at(nodes, at) {
            if !matches!(used.activity, Activity::Flow(_)) && self.after(used, false) {
                return true;
            }
            at += 1;
        }
        false
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
        // Unreachable places are reported elsewhere.
        None => matches!(question, Question::Surely(_)),
    }
}

/// Returns whether every path to the place completes the step of that module and name.
#[must_use]
pub(super) const fn surely_completed(nodes: &'static [Node], place: usize, id: &'static str) -> bool {
    ask(nodes, place, Question::Surely(id))
}

/// Returns whether some path to the place runs something under that name.
#[must_use]
pub(super) const fn perhaps_run(nodes: &'static [Node], place: usize, name: &'static str) -> bool {
    ask(nodes, place, Question::Perhaps(name))
}

#[cfg(test)]
mod tests {
    use super::super::places::{places, runs_beside};
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
            kinds: None,
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
    fn a_step_before_a_place_is_surely_completed_and_one_after_it_is_not() {
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
                Arm { label: "2", body: &[run(&B), Node::End("E", Text::NONE)] },
            ]),
            run(&B),
        ];
        assert!(surely_completed(NODES, 3, "a"));
        assert!(!perhaps_run(NODES, 3, "b"));
    }

    #[test]
    fn the_body_of_a_while_may_be_skipped() {
        const NODES: &[Node] =
            &[Node::While { decider: &DECIDER, used: DECISION, negated: false, body: &[run(&A)] }, run(&B)];
        assert!(!surely_completed(NODES, 2, "a"));
        assert!(perhaps_run(NODES, 2, "a"));
    }

    #[test]
    fn a_loop_ends_at_its_break() {
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
    fn places_after_an_end_keep_their_numbers() {
        const NODES: &[Node] = &[
            decide(&[
                Arm { label: "1", body: &[Node::End("E", Text::NONE), run(&A), run(&A)] },
                Arm { label: "2", body: &[run(&A)] },
            ]),
            run(&B),
        ];
        assert!(surely_completed(NODES, 4, "a"));
        assert_eq!(use_at(NODES, 4).map(|used| used.name), Some("b"));
    }

    #[test]
    fn the_nodes_of_a_flow_count_as_written_in_the_job() {
        const FLOW: FlowInfo = FlowInfo { id: "flow", name: "flow", doc: "", nodes: &[run(&A)] };
        const NODES: &[Node] =
            &[Node::Run(Use { name: "flow", activity: Activity::Flow(&FLOW), bindings: &[] }), run(&B)];
        assert_eq!(places(&Activity::Flow(&FLOW)), 2);
        assert!(surely_completed(NODES, 2, "a"));
        assert_eq!(use_at(NODES, 1).map(|used| used.name), Some("a"));
    }

    #[test]
    fn after_a_split_the_steps_of_all_branches_are_completed_and_in_a_branch_only_its_own() {
        const NODES: &[Node] =
            &[Node::Split { branches: &[&[run(&A)], &[run(&B), run(&B)]], max: None }, run(&B)];
        assert_eq!(places_in(NODES), 4);
        assert!(surely_completed(NODES, 3, "a") && surely_completed(NODES, 3, "b"));
        assert!(!surely_completed(NODES, 1, "a"));
        assert!(surely_completed(NODES, 2, "b"));
    }

    #[test]
    fn a_name_of_one_branch_is_taken_in_another_even_if_the_job_ends_there() {
        const NODES: &[Node] =
            &[Node::Split { branches: &[&[run(&A), Node::End("E", Text::NONE)], &[run(&B)]], max: None }];
        assert!(perhaps_run(NODES, 1, "a"));
    }

    #[test]
    fn a_step_of_another_branch_runs_beside_and_one_of_the_same_branch_does_not() {
        const NODES: &[Node] = &[
            run(&A),
            Node::Split { branches: &[&[run(&A)], &[Node::Loop(&[run(&B)]), run(&B)]], max: None },
            run(&B),
        ];
        assert!(runs_beside(NODES, 2, "a") && runs_beside(NODES, 3, "a") && runs_beside(NODES, 1, "b"));
        assert!(!runs_beside(NODES, 3, "b") && !runs_beside(NODES, 0, "b") && !runs_beside(NODES, 4, "a"));
    }
}
