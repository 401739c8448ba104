//! Plays scripted outcomes of steps and deciders, and records what ran.

use std::any::Any;
use std::cell::RefCell;

use crate::definition::{Ended, Failure, Scope};
use crate::engine::step::{Halt, StepOutcome};
use crate::engine::{StepEnd, StepRun};
use crate::repository::Counters;

/// The outcome of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Completed(usize),
    Failed,
    Stopped,
}

/// The outcomes of calls, one after the other.
#[derive(Debug, Default, Clone)]
pub(super) struct Script {
    outcomes: Vec<u8>,
    calls: usize,
}

/// After this many calls nothing fails any more, and loops end.
const CALLS: usize = 60;

impl Script {
    pub(super) fn new(outcomes: &[u8]) -> Self {
        Self { outcomes: outcomes.to_vec(), calls: 0 }
    }

    fn next(&mut self) -> u8 {
        let outcome = self.outcomes[self.calls % self.outcomes.len()];
        self.calls += 1;
        if self.calls > CALLS { 8 } else { outcome }
    }

    pub(super) fn step(&mut self) -> Outcome {
        match self.next() {
            0..=7 => Outcome::Failed,
            62.. => Outcome::Stopped,
            other => Outcome::Completed(usize::from(other % 2)),
        }
    }

    /// The arm that a decider chooses, or none if it fails.
    pub(super) fn arm(&mut self) -> Option<usize> {
        match self.next() {
            0..=2 => None,
            other => Some(usize::from(other % 2)),
        }
    }

    /// Returns whether a loop ends.
    pub(super) fn is_enough(&mut self) -> Option<bool> {
        match self.next() {
            0 => None,
            other => Some(other % 4 == 0),
        }
    }
}

#[derive(Default)]
struct Played {
    script: Script,
    ran: Vec<String>,
}

thread_local! {
    static PLAYED: RefCell<Played> = RefCell::default();
}

pub(super) fn begin(outcomes: &[u8]) {
    PLAYED.set(Played { script: Script::new(outcomes), ran: Vec::new() });
}

/// Takes the names of what ran since the last call.
pub(super) fn ran() -> Vec<String> {
    PLAYED.with_borrow_mut(|played| std::mem::take(&mut played.ran))
}

pub(super) fn run(run: &StepRun<'_>) -> StepEnd {
    let outcome = PLAYED.with_borrow_mut(|played| {
        played.ran.push(run.context().step().to_owned());
        played.script.step()
    });
    let result = match outcome {
        Outcome::Completed(value) => {
            // A `match` on how a step ended routes by `Ended`, any other `match` by the value.
            let ends = run.route.is_some_and(|route| route.arms[0].label == "Completed");
            let outcome =
                || -> Box<dyn Any> { if ends { Box::new(Ended::Completed) } else { Box::new(value) } };
            Ok(StepOutcome {
                arm: run.route.map(|route| route.label(outcome()).to_owned()),
                ..StepOutcome::default()
            })
        }
        Outcome::Failed => Err(Halt::Failed(Failure::new("told to fail"))),
        Outcome::Stopped => Err(Halt::Stopped),
    };
    StepEnd { result, counters: Counters::default(), profile: None }
}

fn asked<T: Any>(ask: impl FnOnce(&mut Script) -> Option<T>) -> Result<Box<dyn Any>, Failure> {
    let answer = PLAYED.with_borrow_mut(|played| {
        played.ran.push("?".to_owned());
        ask(&mut played.script)
    });
    answer.map(|answer| Box::new(answer) as Box<dyn Any>).ok_or_else(|| Failure::new("told to fail"))
}

pub(super) fn decide(_: &Scope<'_>) -> Result<Box<dyn Any>, Failure> {
    asked(Script::arm)
}

pub(super) fn is_enough(_: &Scope<'_>) -> Result<Box<dyn Any>, Failure> {
    asked(Script::is_enough)
}

pub(super) fn has_more(_: &Scope<'_>) -> Result<Box<dyn Any>, Failure> {
    asked(|script| script.is_enough().map(|enough| !enough))
}
