//! Reads the body of a job or flow as statements. Anything else is reported and becomes [`Kind::Broken`], so
//! that the rest of the body can be checked without a second error.

use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, Block, Expr, ExprMatch, Macro, Stmt, UnOp};

use super::not_a_statement::refused;
use super::statement::{Arm, Body, Kind, Match, Split, Statement};
use super::types::shown;
use super::used::{Used, used};
use super::{ending, pattern};
use crate::errors::Errors;
use crate::syntax::name::plain;
use crate::syntax::nearest::nearest;
use crate::syntax::split::{self, Branch};

/// Reads a body.
pub(crate) fn body(block: &Block, errors: &mut Errors) -> Body {
    let mut statements = Vec::with_capacity(block.stmts.len());
    for stmt in &block.stmts {
        match stmt {
            Stmt::Expr(expr, _) => statements.push(statement(expr, errors)),
            Stmt::Macro(stmt) => {
                let kind = command(&stmt.mac, errors);
                statements.push(with_attributes(&stmt.attrs, kind, stmt.mac.path.span(), errors));
            }
            Stmt::Local(local) => {
                errors.at(
                    local.let_token,
                    "a job has no variables; later steps can read the value that a step returns: ask for it as `&Output<step>`",
                );
                statements.push(broken(local.let_token.span));
            }
            Stmt::Item(item) => {
                let first = item.to_token_stream().into_iter().next();
                let span = first.map_or_else(Span::call_site, |token| token.span());
                errors
                    .at_span(span, "a job's body contains only what the job runs; move this outside the job");
                statements.push(broken(span));
            }
        }
    }
    statements
}

fn broken(span: Span) -> Statement {
    Statement { conditions: Vec::new(), kind: Kind::Broken, span }
}

fn with_attributes(attributes: &[Attribute], kind: Kind, span: Span, errors: &mut Errors) -> Statement {
    let mut conditions = Vec::new();
    for attribute in attributes {
        if attribute.path().is_ident("cfg") {
            conditions.push(attribute.clone());
        } else if attribute.path().is_ident("doc") {
            errors.at(attribute, "a doc comment has no effect here; write `//`");
        } else {
            errors.at(attribute, "a statement of a job accepts only `#[cfg(..)]`; leave this out");
        }
    }
    Statement { conditions, kind, span }
}

fn statement(expr: &Expr, errors: &mut Errors) -> Statement {
    match expr {
        Expr::Path(_) | Expr::Call(_) | Expr::Cast(_) => {
            let attributes = attributes(expr);
            match used(expr, errors) {
                Some(name) => {
                    let span = name.span();
                    with_attributes(attributes, Kind::Run(name), span, errors)
                }
                None => broken(expr.span()),
            }
        }
        Expr::Match(expr) => {
            let kind = r#match(expr, errors).map_or(Kind::Broken, Kind::Match);
            with_attributes(&expr.attrs, kind, expr.match_token.span, errors)
        }
        Expr::While(expr) => {
            no_label(expr.label.as_ref().map(|label| &label.name), errors);
            let (negated, cond) = match &*expr.cond {
                Expr::Unary(unary) if matches!(unary.op, UnOp::Not(_)) => (true, &*unary.expr),
                cond => (false, cond),
            };
            let decider = asked(cond, "while", errors);
            let body = body(&expr.body, errors);
            let kind = decider.map_or(Kind::Broken, |decider| Kind::While { negated, decider, body });
            with_attributes(&expr.attrs, kind, expr.while_token.span, errors)
        }
        Expr::Loop(expr) => {
            no_label(expr.label.as_ref().map(|label| &label.name), errors);
            let kind = Kind::Loop(body(&expr.body, errors));
            with_attributes(&expr.attrs, kind, expr.loop_token.span, errors)
        }
        Expr::Break(expr) => {
            no_label(expr.label.as_ref(), errors);
            if let Some(value) = &expr.expr {
                errors.at(value, "a loop of a job has no value: write `break` alone");
            }
            with_attributes(&expr.attrs, Kind::Break, expr.break_token.span, errors)
        }
        Expr::Macro(expr) => {
            let kind = command(&expr.mac, errors);
            with_attributes(&expr.attrs, kind, expr.mac.path.span(), errors)
        }
        other => {
            let (span, message) = refused(other);
            errors.at_span(span, message);
            broken(span)
        }
    }
}

fn attributes(expr: &Expr) -> &[Attribute] {
    match expr {
        Expr::Path(expr) => &expr.attrs,
        Expr::Call(expr) => &expr.attrs,
        Expr::Cast(expr) => &expr.attrs,
        _ => &[],
    }
}

/// The subject of a `match`, or the decider of a `while`.
fn asked(expr: &Expr, keyword: &str, errors: &mut Errors) -> Option<Used> {
    match expr {
        Expr::Path(_) | Expr::Call(_) | Expr::Cast(_) | Expr::Paren(_) => used(expr, errors),
        other => {
            errors.at(
                other,
                format!(
                    "`{keyword}` takes the name of a decider; move the decision into a `#[decider]` function"
                ),
            );
            None
        }
    }
}

fn r#match(expr: &ExprMatch, errors: &mut Errors) -> Option<Match> {
    let before = errors.count();
    let subject = asked(&expr.expr, "match", errors);
    if expr.arms.is_empty() {
        errors.at(
            expr.match_token,
            "this `match` has no arms; write one for each outcome, such as `Completed => report,`",
        );
    }
    let sound = before == errors.count();
    let mut read = Vec::with_capacity(expr.arms.len());
    let before = errors.count();
    for arm in &expr.arms {
        for attribute in &arm.attrs {
            errors.at(attribute, "an arm takes no attributes; put `#[cfg(..)]` on a statement inside");
        }
    }
    let patterns = pattern::read(&expr.arms, errors);
    if let (Some(subject), Some(missing)) = (&subject, pattern::missing_outcome(&expr.arms)) {
        errors.at_span(
            subject.span(),
            format!("this `match` does not cover `{missing}`; add the arm `{missing} => ..,`, or `{missing} => {{}}` to continue"),
        );
    }
    let sound = sound && before == errors.count();
    for (arm, pattern) in expr.arms.iter().zip(patterns) {
        let body = match &*arm.body {
            Expr::Block(block) if block.attrs.is_empty() && block.label.is_none() => {
                body(&block.block, errors)
            }
            Expr::Tuple(tuple) if tuple.elems.is_empty() => {
                errors.at(tuple, "an arm that does nothing is written `{}`");
                Vec::new()
            }
            expr => vec![statement(expr, errors)],
        };
        read.push(Arm {
            pattern: pattern.spelled,
            label: shown(&arm.pat),
            outcome: pattern.outcome,
            arrow: arm.fat_arrow_token,
            comma: arm.comma,
            value_span: arm.body.span(),
            body,
        });
    }
    let subject = subject?;
    Some(Match { keyword: expr.match_token, subject, brace: expr.brace_token, arms: read, sound })
}

fn no_label(label: Option<&syn::Lifetime>, errors: &mut Errors) {
    if let Some(label) = label {
        errors.at(
            label,
            "the loops of a job have no labels, and `break` exits the innermost loop; leave the label out",
        );
    }
}

const COMMANDS: [&str; 4] = ["end", "fail", "stop", "split"];

/// `end!()`, `fail!("why")`, `stop!("why")`, `split! { a, b }`.
fn command(mac: &Macro, errors: &mut Errors) -> Kind {
    let name = mac.path.get_ident().map(plain).unwrap_or_default();
    match name.as_str() {
        "end" => ending::end(mac, errors),
        "fail" => ending::fail(mac, errors),
        "stop" => ending::stop(mac, errors),
        "split" => split(mac, errors),
        other => {
            errors.at(
                &mac.path,
                match nearest(other, COMMANDS) {
                    Some(near) => format!("a job has no macro `{other}!`; did you mean `{near}!`?"),
                    None => format!(
                        "a job has no macro `{}!`; it has `split! {{ a, b }}`, `end!()`, `fail!(\"why\")` and `stop!(\"why\")`; other work belongs in a step",
                        shown(&mac.path)
                    ),
                },
            );
            Kind::Broken
        }
    }
}

fn split(mac: &Macro, errors: &mut Errors) -> Kind {
    let before = errors.count();
    let split = split::split(mac, errors);
    let branches = split.branches.iter().map(|branch| match branch {
        Branch::One(expr) => vec![statement(expr, errors)],
        Branch::Several(block) => body(block, errors),
    });
    let branches = branches.collect();
    if !split.complete {
        return Kind::Broken;
    }
    if before == errors.count() {
        split.check_number(mac, errors);
    }
    Kind::Split(Split { branches, max: split.max })
}
