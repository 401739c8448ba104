//! Generates random bodies, and the nodes that the engine walks for them.

use std::any::Any;

use proptest::collection::vec;
use proptest::prelude::*;

use super::script;
use crate::definition::{DeciderInfo, Ended, JobInfo, JobOptions, StepInfo, StepKind, StepOptions};
use crate::graph::{Activity, Arm, Node, Subject, Text, Use};

/// A step of a random body. Its number determines its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) number: usize,
    pub(super) allow_start_if_complete: bool,
}

impl Step {
    pub(super) fn name(&self) -> String {
        format!("s{}", self.number)
    }
}

/// A statement of a random body. Statements of one kind are distinguished by their numbers.
#[derive(Debug, Clone)]
pub(super) enum Statement {
    Run(Step),
    Nested(usize, Vec<Statement>),
    /// `match step { Completed => .., Failed => .. }`
    MatchEnd(Step, [Vec<Statement>; 2]),
    /// `match nested { Completed => .., Failed => .. }`
    MatchNested(usize, Vec<Statement>, [Vec<Statement>; 2]),
    /// A `match` on the value of a tasklet.
    MatchValue(Step, [Vec<Statement>; 2]),
    MatchDecider(usize, [Vec<Statement>; 2]),
    While(usize, bool, Vec<Statement>),
    /// A loop whose last statement asks a decider: another iteration, or `break`.
    Loop(usize, Vec<Statement>),
    Split(Vec<Vec<Statement>>),
    End,
    Fail,
    Stop,
}

/// A random body. All its steps have different names, except that two arms of a `match` may begin with the same step.
pub(super) fn body() -> impl Strategy<Value = Vec<Statement>> {
    (statements(), any::<u64>()).prop_map(|(mut body, shared)| {
        Numbers { next: 0, shared }.number(&mut body);
        body
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop::bool::weighted(0.3).prop_map(|again| Step { number: 0, allow_start_if_complete: again })
}

fn statements() -> impl Strategy<Value = Vec<Statement>> {
    let leaf = prop_oneof![
        8 => step().prop_map(Statement::Run),
        1 => Just(Statement::End),
        2 => Just(Statement::Fail),
        1 => Just(Statement::Stop),
    ];
    let statement = leaf.prop_recursive(3, 14, 4, |inner| {
        let body = vec(inner, 0..3).boxed();
        let arms = [body.clone(), body.clone()];
        prop_oneof![
            2 => body.clone().prop_map(|body| Statement::Nested(0, body)),
            3 => (step(), arms.clone()).prop_map(|(step, arms)| Statement::MatchEnd(step, arms)),
            1 => (body.clone(), arms.clone()).prop_map(|(body, arms)| Statement::MatchNested(0, body, arms)),
            4 => (step(), arms.clone()).prop_map(|(step, arms)| Statement::MatchValue(step, arms)),
            4 => arms.prop_map(|arms| Statement::MatchDecider(0, arms)),
            2 => (any::<bool>(), body.clone()).prop_map(|(not, body)| Statement::While(0, not, body)),
            2 => body.clone().prop_map(|body| Statement::Loop(0, body)),
            2 => vec(body, 2..3).prop_map(Statement::Split),
        ]
    });
    vec(statement, 1..5)
}

struct Numbers {
    next: usize,
    /// One bit for each `match`: set if its arms begin with the same step.
    shared: u64,
}

impl Numbers {
    fn next_number(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    fn number(&mut self, body: &mut [Statement]) {
        for statement in body {
            match statement {
                Statement::Run(step) => step.number = self.next_number(),
                Statement::MatchEnd(step, arms) | Statement::MatchValue(step, arms) => {
                    step.number = self.next_number();
                    self.arms(arms);
                }
                Statement::MatchNested(number, body, arms) => {
                    *number = self.next_number();
                    self.number(body);
                    self.arms(arms);
                }
                Statement::MatchDecider(number, arms) => {
                    *number = self.next_number();
                    self.arms(arms);
                }
                Statement::Nested(number, body)
                | Statement::While(number, _, body)
                | Statement::Loop(number, body) => {
                    *number = self.next_number();
                    self.number(body);
                }
                Statement::Split(branches) => {
                    for branch in branches {
                        self.number(branch);
                    }
                }
                Statement::End | Statement::Fail | Statement::Stop => {}
            }
        }
    }

    fn arms(&mut self, arms: &mut [Vec<Statement>; 2]) {
        for arm in arms.iter_mut() {
            self.number(arm);
        }
        self.shared = self.shared.rotate_right(1);
        if self.shared & 1 == 1 {
            let step = Step { number: self.next_number(), allow_start_if_complete: false };
            for arm in arms {
                arm.insert(0, Statement::Run(step.clone()));
            }
        }
    }
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn leak_text(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// The nodes of a body, as the macros would make them.
fn nodes(body: &[Statement]) -> &'static [Node] {
    Box::leak(body.iter().map(node).collect::<Vec<_>>().into_boxed_slice())
}

fn node(statement: &Statement) -> Node {
    match statement {
        Statement::Run(step) => Node::Run(step_used(step)),
        Statement::Nested(number, body) => Node::Run(nested(*number, body)),
        Statement::MatchEnd(step, arms) => ended(step_used(step), arms),
        Statement::MatchNested(number, body, arms) => ended(nested(*number, body), arms),
        Statement::MatchValue(step, arms) => {
            let used = step_used(step);
            let Activity::Step(info) = used.activity else { unreachable!("a step is used") };
            let arms = self::arms(["0", "1"], arms);
            Node::Match { subject: Subject::Value(info), used, arms, route: by_number }
        }
        Statement::MatchDecider(number, arms) => {
            let arms = self::arms(["0", "1"], arms);
            // Deciders share two names, so that only numbers distinguish their places.
            let decider = decider(if number % 2 == 0 { "d0" } else { "d1" }, script::decide);
            Node::Match { subject: Subject::Decider(decider), used: asked(decider), arms, route: by_number }
        }
        Statement::While(_, negated, body) => {
            let decider = if *negated {
                decider("enough", script::is_enough)
            } else {
                decider("more", script::has_more)
            };
            Node::While { decider, used: asked(decider), negated: *negated, body: nodes(body) }
        }
        Statement::Loop(_, body) => {
            let decider = decider("enough", script::is_enough);
            let arms: &'static [Arm] =
                leak([Arm { label: "false", body: &[] }, Arm { label: "true", body: &[Node::Break] }]);
            let ends = Node::Match {
                subject: Subject::Decider(decider),
                used: asked(decider),
                arms,
                route: by_answer,
            };
            Node::Loop(Box::leak(body.iter().map(node).chain([ends]).collect::<Vec<_>>().into_boxed_slice()))
        }
        Statement::Split(branches) => {
            let branches: Vec<&'static [Node]> = branches.iter().map(|branch| nodes(branch)).collect();
            // One branch at a time, so that the outcomes have an order.
            Node::Split { branches: Box::leak(branches.into_boxed_slice()), max: Some(1) }
        }
        Statement::End => Node::End("", Text::NONE),
        Statement::Fail => Node::Fail(Text::plain("told to")),
        Statement::Stop => Node::Stop(Text::plain("told to")),
    }
}

fn step_used(step: &Step) -> Use {
    let name = leak_text(step.name());
    let mut options = StepOptions::DEFAULT;
    options.allow_start_if_complete = step.allow_start_if_complete;
    let info = StepInfo {
        id: name,
        name,
        doc: "",
        kind: StepKind::Tasklet,
        options,
        components: &[],
        kinds: None,
        run: script::run,
    };
    Use { name, activity: Activity::Step(leak(info)), bindings: &[] }
}

/// The job of a body.
pub(super) fn job(name: &'static str, body: &[Statement]) -> &'static JobInfo {
    let (flow, options) = (nodes(body), JobOptions::DEFAULT);
    Box::leak(Box::new(JobInfo { id: name, name, doc: "", parameters: &[], flow, options }))
}

fn nested(number: usize, body: &[Statement]) -> Use {
    let name = leak_text(format!("j{number}"));
    Use { name, activity: Activity::Job(job(name, body)), bindings: &[] }
}

fn ended(used: Use, arms: &[Vec<Statement>; 2]) -> Node {
    let arms = self::arms(["Completed", "Failed"], arms);
    Node::Match { subject: Subject::Ended(used.activity), used, arms, route: by_end }
}

fn arms(labels: [&'static str; 2], bodies: &[Vec<Statement>; 2]) -> &'static [Arm] {
    let [first, second] = bodies;
    leak([Arm { label: labels[0], body: nodes(first) }, Arm { label: labels[1], body: nodes(second) }])
}

fn decider(
    name: &'static str,
    decide: fn(&crate::definition::Scope<'_>) -> Result<Box<dyn Any>, crate::definition::Failure>,
) -> &'static DeciderInfo {
    leak(DeciderInfo { id: name, name, needs: &[], decide })
}

fn asked(decider: &'static DeciderInfo) -> Use {
    Use { name: decider.name, activity: Activity::Decider(decider), bindings: &[] }
}

fn by_number(outcome: Box<dyn Any>) -> usize {
    *outcome.downcast().expect("a number")
}

fn by_answer(outcome: Box<dyn Any>) -> usize {
    usize::from(*outcome.downcast::<bool>().expect("an answer"))
}

fn by_end(outcome: Box<dyn Any>) -> usize {
    match *outcome.downcast().expect("an end") {
        Ended::Completed => 0,
        Ended::Failed => 1,
    }
}
