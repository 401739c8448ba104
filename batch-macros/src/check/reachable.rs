//! Every statement is reachable, every `break` is in a loop, and every loop ends.

use proc_macro2::Span;

use crate::errors::Errors;
use crate::model::statement::{Body, Kind, Statement};

/// The ways in which control leaves a part of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Leaves {
    /// It continues after the part.
    on: bool,
    /// It leaves by `break`.
    out: bool,
    /// The job ends.
    end: bool,
}

impl Leaves {
    const ON: Self = Self { on: true, out: false, end: false };

    fn or(self, other: Self) -> Self {
        Self { on: self.on || other.on, out: self.out || other.out, end: self.end || other.end }
    }
}

/// The construct that a `break` would exit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Nothing,
    Loop,
    Branch,
}

/// Checks the body of a job or flow.
pub(crate) fn check(body: &Body, errors: &mut Errors) {
    leaves(body, Around::Nothing, errors);
}

fn leaves(body: &Body, around: Around, errors: &mut Errors) -> Leaves {
    let mut all = Leaves::ON;
    let mut told = false;
    for (at, statement) in body.iter().enumerate() {
        if !all.on && !told {
            errors.at_span(span(statement), unreachable(&body[at - 1]));
            told = true;
        }
        let mut one = of(statement, around, errors);
        if !statement.conditions.is_empty() {
            // If its `cfg` does not hold, the statement does not exist, so control may continue.
            one.on = true;
        }
        all = Leaves { on: all.on && one.on, ..all.or(one) };
    }
    all
}

fn of(statement: &Statement, around: Around, errors: &mut Errors) -> Leaves {
    match &statement.kind {
        Kind::Run(_) | Kind::Stop(_) => Leaves::ON,
        // The user may have meant any kind of statement.
        Kind::Broken => Leaves { on: true, out: true, end: true },
        Kind::Break => {
            let misplaced = match around {
                Around::Loop => None,
                Around::Nothing => {
                    Some("`break` exits a loop, and there is none around it; a job ends with `end!()`")
                }
                Around::Branch => Some(
                    "`break` exits a loop, and there is none in this branch, which cannot leave the `split!` before the others; let a decider choose, and `match` on it after the `split!`",
                ),
            };
            if let Some(message) = misplaced {
                errors.at_span(statement.span, message);
                return Leaves { on: true, out: false, end: true };
            }
            Leaves { on: false, out: true, end: false }
        }
        Kind::End(..) | Kind::Fail(_) => Leaves { on: false, out: false, end: true },
        Kind::Match(r#match) => {
            let nothing = Leaves { on: r#match.arms.is_empty(), out: false, end: false };
            r#match.arms.iter().fold(nothing, |all, arm| all.or(leaves(&arm.body, around, errors)))
        }
        Kind::While { body, .. } => {
            let body = leaves(body, Around::Loop, errors);
            Leaves { on: true, out: false, end: body.end }
        }
        Kind::Split(split) => {
            split.branches.iter().fold(Leaves::ON, |all, branch| {
                let one = leaves(branch, Around::Branch, errors);
                // All branches are awaited, so if one ends the job nothing runs after the split.
                Leaves { on: all.on && one.on, ..all.or(one) }
            })
        }
        Kind::Loop(body) => {
            let inside = leaves(body, Around::Loop, errors);
            if !inside.out && !inside.end {
                errors.at_span(
                    statement.span,
                    "this loop never ends; exit it with `break` in an arm, as in `match decider { Enum::Done => break, _ => {} }`",
                );
                return Leaves::ON;
            }
            Leaves { on: inside.out, out: false, end: inside.end }
        }
    }
}

fn span(statement: &Statement) -> Span {
    statement.span
}

fn unreachable(before: &Statement) -> String {
    let why = match &before.kind {
        Kind::End(..) => "`end!` before it ends the job",
        Kind::Fail(_) => "`fail!` before it ends the job",
        Kind::Break => "`break` before it exits the loop",
        Kind::Loop(_) => "the `loop` before it has no `break`",
        Kind::Split(_) => "a branch of the `split!` before it ends the job",
        Kind::Match(_) => "every arm of the `match` before it leads elsewhere",
        _ => "the statement before it leads elsewhere",
    };
    format!("this is never reached: {why}; move it up, or leave it out")
}
