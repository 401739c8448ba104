//! Records the places that an instance has passed, replays them, and forgets those that no longer count.

use std::collections::BTreeMap;

use crate::engine::flow::rerouting::body::{Statement, Step};

/// A statement and the iterations of the loops around it. Numbers are unique only among statements of one kind.
pub(super) type Key = (Kind, usize, Vec<u32>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// How a step or a nested job ended.
    Ended,
    /// The arm that a `match` took, by the number of its subject; or whether a loop ends.
    Chosen,
    /// A `stop!` that was passed, by its number in the body.
    Stopped,
}

/// The places that an instance has passed.
#[derive(Debug, Default)]
pub(super) struct Instance {
    pub(super) passed: BTreeMap<Key, usize>,
    pub(super) completions: BTreeMap<Key, u32>,
    /// The decisions that a `fail!` took back.
    pub(super) open: Vec<Key>,
    pub(super) nested: BTreeMap<(Key, u32), Instance>,
    pub(super) complete: bool,
}

/// How a step ended, as it is recorded.
pub(super) const COMPLETED: usize = 0;
pub(super) const FAILED: usize = 1;

impl Instance {
    /// Replays the places that were passed. If that reaches a `fail!`, the decision that led there is open again.
    /// Returns `None` if the replay does not reach the end of the body.
    pub(super) fn follow(
        &mut self,
        body: &[Statement],
        iterations: &mut Vec<u32>,
        around: &mut Vec<Key>,
        stops: &mut usize,
    ) -> Option<()> {
        for (index, statement) in body.iter().enumerate() {
            let passed = self.follow_one(statement, iterations, around, stops);
            if passed.is_none() {
                *stops += body[index + 1..].iter().map(stops_in).sum::<usize>();
                return None;
            }
        }
        Some(())
    }

    fn follow_one(
        &mut self,
        statement: &Statement,
        iterations: &mut Vec<u32>,
        around: &mut Vec<Key>,
        stops: &mut usize,
    ) -> Option<()> {
        let key = |kind, number: usize| (kind, number, iterations.clone());
        match statement {
            Statement::Run(Step { number, .. }) | Statement::Nested(number, _) => {
                self.passed.get(&key(Kind::Ended, *number)).map(drop)
            }
            Statement::MatchEnd(Step { number, .. }, arms) | Statement::MatchNested(number, _, arms) => {
                let arm = self.passed.get(&key(Kind::Chosen, *number)).copied();
                // A completed step is final, so there is nothing to decide.
                let decided = (arm == Some(FAILED)).then(|| key(Kind::Chosen, *number));
                self.follow_arm(arm, decided, arms, iterations, around, stops)
            }
            Statement::MatchValue(Step { number, .. }, arms) | Statement::MatchDecider(number, arms) => {
                let arm = self.passed.get(&key(Kind::Chosen, *number)).copied();
                self.follow_arm(arm, Some(key(Kind::Chosen, *number)), arms, iterations, around, stops)
            }
            Statement::While(number, _, body) | Statement::Loop(number, body) => {
                let is_while = matches!(statement, Statement::While(..));
                let before = *stops;
                iterations.push(0);
                let outside = around.len();
                let followed = loop {
                    *iterations.last_mut().expect("was pushed") += 1;
                    *stops = before;
                    let key = (Kind::Chosen, *number, iterations.clone());
                    if is_while {
                        match self.passed.get(&key) {
                            None => break None,
                            Some(1) => break Some(()),
                            Some(_) => around.push(key.clone()),
                        }
                    }
                    let followed = self.follow(body, iterations, around, stops);
                    around.truncate(outside);
                    if followed.is_none() {
                        break None;
                    }
                    if !is_while {
                        match self.passed.get(&key) {
                            None => break None,
                            Some(1) => break Some(()),
                            Some(_) => {}
                        }
                    }
                };
                iterations.pop();
                *stops = before + body.iter().map(stops_in).sum::<usize>();
                followed
            }
            Statement::Split(branches) => {
                let followed: Vec<_> =
                    branches.iter().map(|branch| self.follow(branch, iterations, around, stops)).collect();
                followed.into_iter().collect()
            }
            Statement::Stop => {
                *stops += 1;
                self.passed.get(&(Kind::Stopped, *stops, iterations.clone())).map(drop)
            }
            Statement::End => None,
            Statement::Fail => {
                self.open.extend(around.last().cloned());
                None
            }
        }
    }

    fn follow_arm(
        &mut self,
        arm: Option<usize>,
        decided: Option<Key>,
        arms: &[Vec<Statement>; 2],
        iterations: &mut Vec<u32>,
        around: &mut Vec<Key>,
        stops: &mut usize,
    ) -> Option<()> {
        let before = *stops;
        let outside = around.len();
        let followed = arm.and_then(|arm| {
            *stops += arms[..arm].iter().flatten().map(stops_in).sum::<usize>();
            around.extend(decided);
            self.follow(&arms[arm], iterations, around, stops)
        });
        around.truncate(outside);
        *stops = before + arms.iter().flatten().map(stops_in).sum::<usize>();
        followed
    }

    /// Forgets the places that were passed in a part of the body, in these iterations; with `onwards`, also in the
    /// later iterations of the innermost loop. `stops` is the number of `stop!`s before that part.
    pub(super) fn forget(
        &mut self,
        body: &[Statement],
        iterations: &[u32],
        stops: &mut usize,
        onwards: bool,
    ) {
        for statement in body {
            match statement {
                Statement::Run(Step { number, .. }) | Statement::Nested(number, _) => {
                    self.forget_one(*number, iterations, onwards);
                }
                Statement::MatchEnd(Step { number, .. }, arms)
                | Statement::MatchNested(number, _, arms)
                | Statement::MatchValue(Step { number, .. }, arms)
                | Statement::MatchDecider(number, arms) => {
                    self.forget_one(*number, iterations, onwards);
                    for arm in arms {
                        self.forget(arm, iterations, stops, onwards);
                    }
                }
                Statement::While(number, _, body) | Statement::Loop(number, body) => {
                    self.forget_one(*number, iterations, onwards);
                    self.forget(body, iterations, stops, onwards);
                }
                Statement::Split(branches) => {
                    for branch in branches {
                        self.forget(branch, iterations, stops, onwards);
                    }
                }
                Statement::Stop => {
                    *stops += 1;
                    let number = *stops;
                    self.passed.retain(|(kind, of, at), _| {
                        *kind != Kind::Stopped || *of != number || !is_in(at, iterations, onwards)
                    });
                }
                Statement::End | Statement::Fail => {}
            }
        }
    }

    pub(super) fn forget_one(&mut self, number: usize, iterations: &[u32], onwards: bool) {
        self.passed.retain(|(kind, of, at), _| {
            *kind == Kind::Stopped || *of != number || !is_in(at, iterations, onwards)
        });
    }
}

/// Returns whether a place is in these iterations, or in a later one of the innermost loop.
fn is_in(at: &[u32], iterations: &[u32], onwards: bool) -> bool {
    if at.starts_with(iterations) {
        return true;
    }
    let Some((first, around)) = iterations.split_last() else { return false };
    onwards && at.starts_with(around) && at.get(around.len()).is_some_and(|at| at > first)
}

/// The number of `stop!`s in a statement.
pub(super) fn stops_in(statement: &Statement) -> usize {
    let all = |body: &[Statement]| body.iter().map(stops_in).sum::<usize>();
    match statement {
        Statement::Stop => 1,
        Statement::MatchEnd(_, arms)
        | Statement::MatchNested(_, _, arms)
        | Statement::MatchValue(_, arms)
        | Statement::MatchDecider(_, arms) => arms.iter().map(|arm| all(arm)).sum(),
        Statement::While(_, _, body) | Statement::Loop(_, body) => all(body),
        Statement::Split(branches) => branches.iter().map(|branch| all(branch)).sum(),
        _ => 0,
    }
}
