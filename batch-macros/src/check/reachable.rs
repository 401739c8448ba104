//! Every statement can be reached, a `break` stands in a loop, and a loop ends.

use proc_macro2::Span;

use crate::errors::Errors;
use crate::model::body::{Body, Kind, Statement};

/// How control leaves a piece of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Leaves {
    /// It goes on behind.
    on: bool,
    /// By `break`.
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

/// Checks the body of a job or flow.
pub(crate) fn check(body: &Body, errors: &mut Errors) {
    leaves(body, false, errors);
}

fn leaves(body: &Body, in_loop: bool, errors: &mut Errors) -> Leaves {
    let mut all = Leaves::ON;
    let mut told = false;
    for (at, statement) in body.iter().enumerate() {
        if !all.on && !told {
            errors.at_span(span(statement), unreachable(&body[at - 1]));
            told = true;
        }
        let mut one = of(statement, in_loop, errors);
        if !statement.conditions.is_empty() {
            // Where the condition does not hold, the statement is not there.
            one.on = true;
        }
        all = Leaves { on: all.on && one.on, ..all.or(one) };
    }
    all
}

fn of(statement: &Statement, in_loop: bool, errors: &mut Errors) -> Leaves {
    match &statement.kind {
        Kind::Run(_) | Kind::Stop(_) => Leaves::ON,
        // It may have been meant to be anything.
        Kind::Broken => Leaves { on: true, out: true, end: true },
        Kind::Break => {
            if !in_loop {
                errors.at_span(
                    statement.span,
                    "`break` leaves a loop, and there is none around it; a job ends by `end!()`",
                );
                return Leaves { on: true, out: false, end: true };
            }
            Leaves { on: false, out: true, end: false }
        }
        Kind::End(_) | Kind::Fail(_) => Leaves { on: false, out: false, end: true },
        Kind::Match(r#match) => {
            let nothing = Leaves { on: r#match.arms.is_empty(), out: false, end: false };
            r#match.arms.iter().fold(nothing, |all, arm| all.or(leaves(&arm.body, in_loop, errors)))
        }
        Kind::While { body, .. } => {
            let body = leaves(body, true, errors);
            Leaves { on: true, out: false, end: body.end }
        }
        Kind::Loop(body) => {
            let inside = leaves(body, true, errors);
            if !inside.out && !inside.end {
                errors.at_span(
                    statement.span,
                    "this loop never ends; leave it by `break` in an arm, as `match decider { Enum::Done => break, _ => {} }`",
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
        Kind::End(_) => "`end!` before it ends the job",
        Kind::Fail(_) => "`fail!` before it ends the job",
        Kind::Break => "`break` before it leaves the loop",
        Kind::Loop(_) => "the `loop` before it has no `break`",
        Kind::Match(_) => "every arm of the `match` before it leads elsewhere",
        _ => "what stands before it leads elsewhere",
    };
    format!("this is never reached: {why}; move it up, or leave it out")
}
