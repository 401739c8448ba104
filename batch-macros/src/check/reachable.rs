//! Every statement is reachable, every `break` is in a loop, and every loop ends.

use proc_macro2::Span;

use crate::errors::Errors;
use crate::model::statement::{Body, Kind, Statement};

/// The ways in which control leaves a part of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Exits {
    /// Control continues after the part.
    continues: bool,
    /// A `break` exits the surrounding loop.
    breaks: bool,
    /// The job ends.
    ends_job: bool,
}

impl Exits {
    const CONTINUES: Self = Self { continues: true, breaks: false, ends_job: false };

    fn or(self, other: Self) -> Self {
        Self {
            continues: self.continues || other.continues,
            breaks: self.breaks || other.breaks,
            ends_job: self.ends_job || other.ends_job,
        }
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
    exits(body, Around::Nothing, errors);
}

fn exits(body: &Body, around: Around, errors: &mut Errors) -> Exits {
    let mut all = Exits::CONTINUES;
    let mut reported = false;
    for (at, statement) in body.iter().enumerate() {
        if !all.continues && !reported {
            errors.at_span(span(statement), unreachable(&body[at - 1]));
            reported = true;
        }
        let mut one = statement_exits(statement, around, errors);
        if !statement.conditions.is_empty() {
            // If its `cfg` does not hold, the statement does not exist, so control may continue.
            one.continues = true;
        }
        all = Exits { continues: all.continues && one.continues, ..all.or(one) };
    }
    all
}

fn statement_exits(statement: &Statement, around: Around, errors: &mut Errors) -> Exits {
    match &statement.kind {
        Kind::Run(_) | Kind::Stop(_) => Exits::CONTINUES,
        // The user may have meant any kind of statement.
        Kind::Broken => Exits { continues: true, breaks: true, ends_job: true },
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
                return Exits { continues: true, breaks: false, ends_job: true };
            }
            Exits { continues: false, breaks: true, ends_job: false }
        }
        Kind::End(..) | Kind::Fail(_) => Exits { continues: false, breaks: false, ends_job: true },
        Kind::Match(r#match) => {
            let nothing = Exits { continues: r#match.arms.is_empty(), breaks: false, ends_job: false };
            r#match.arms.iter().fold(nothing, |all, arm| all.or(exits(&arm.body, around, errors)))
        }
        Kind::While { body, .. } => {
            let body = exits(body, Around::Loop, errors);
            Exits { continues: true, breaks: false, ends_job: body.ends_job }
        }
        Kind::Split(split) => {
            split.branches.iter().fold(Exits::CONTINUES, |all, branch| {
                let one = exits(branch, Around::Branch, errors);
                // All branches are awaited, so if one ends the job, nothing runs after the split.
                Exits { continues: all.continues && one.continues, ..all.or(one) }
            })
        }
        Kind::Loop(body) => {
            let inside = exits(body, Around::Loop, errors);
            if !inside.breaks && !inside.ends_job {
                errors.at_span(
                    statement.span,
                    "this loop never ends; exit it with `break` in an arm, as in `match decider { Enum::Done => break, _ => {} }`",
                );
                return Exits::CONTINUES;
            }
            Exits { continues: inside.breaks, breaks: false, ends_job: inside.ends_job }
        }
    }
}

fn span(statement: &Statement) -> Span {
    statement.span
}

fn unreachable(before: &Statement) -> String {
    let why = match &before.kind {
        Kind::End(..) => "the preceding `end!` ends the job",
        Kind::Fail(_) => "the preceding `fail!` ends the job",
        Kind::Break => "the preceding `break` exits the loop",
        Kind::Loop(_) => "the preceding `loop` has no `break`",
        Kind::Split(_) => "a branch of the preceding `split!` ends the job",
        Kind::Match(_) => "every arm of the preceding `match` leads elsewhere",
        _ => "the preceding statement leads elsewhere",
    };
    format!("this is never reached: {why}; move it up, or leave it out")
}
