//! A job or flow does not run itself.

use proc_macro2::Ident;

use crate::errors::Errors;
use crate::model::statement::{Body, Kind};

/// Reports the statements that name the function they are in, and removes them from the body.
pub(crate) fn check(noun: &str, name: &Ident, body: &mut Body, errors: &mut Errors) {
    for statement in body {
        let itself = match &statement.kind {
            Kind::Run(named) => named.path.is_ident(name),
            Kind::Match(r#match) => r#match.subject.path.is_ident(name),
            Kind::While { decider, .. } => decider.path.is_ident(name),
            _ => false,
        };
        if itself {
            errors.at_span(
                statement.span,
                format!("{noun} `{name}` runs itself here and would never end; for work that repeats write `while more {{ .. }}`"),
            );
            statement.kind = Kind::Broken;
            continue;
        }
        match &mut statement.kind {
            Kind::Match(r#match) => {
                for arm in &mut r#match.arms {
                    check(noun, name, &mut arm.body, errors);
                }
            }
            Kind::While { body, .. } | Kind::Loop(body) => check(noun, name, body, errors),
            Kind::Split(split) => {
                for branch in &mut split.branches {
                    check(noun, name, branch, errors);
                }
            }
            _ => {}
        }
    }
}
