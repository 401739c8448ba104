//! Reads `split! { .. }`: its branches, each a body, and how many of them run at once.

use syn::parse::{ParseStream, Parser};
use syn::{Expr, ExprLit, Ident, Lit, Macro, Token, token};

use super::body::{self, Body, Kind};
use crate::errors::Errors;
use crate::syntax::nearest::nearest;

/// `split! { max = 4; a, { b; c } }`
pub(crate) struct Split {
    pub(crate) branches: Vec<Body>,
    pub(crate) max: Option<u32>,
}

const EXAMPLE: &str = "`split! { load, { clean; report } }`";

/// Reads a split.
pub(super) fn split(mac: &Macro, errors: &mut Errors) -> Kind {
    let before = errors.count();
    let read = (|input: ParseStream<'_>| Ok(read(input, errors))).parse2(mac.tokens.clone());
    let split = match read {
        Ok(Some(split)) => split,
        Ok(None) => return Kind::Broken,
        // A branch that could not be read is already reported; syn then complains about the unread rest.
        Err(_) if before != errors.count() => return Kind::Broken,
        Err(error) => {
            errors.push(error);
            return Kind::Broken;
        }
    };
    match split.branches.len() {
        _ if before != errors.count() => {}
        0 => errors
            .at(&mac.path, format!("this `split!` is empty; write the branches that run in parallel, as in {EXAMPLE}")),
        1 => errors.at(
            &mac.path,
            format!(
                "a single branch has nothing to run in parallel with; write it without `split!`, or add another, as in {EXAMPLE}"
            ),
        ),
        _ => {}
    }
    Kind::Split(split)
}

/// `None` if parsing cannot continue, which is reported.
fn read(input: ParseStream<'_>, errors: &mut Errors) -> Option<Split> {
    let mut split = Split { branches: Vec::new(), max: None };
    if input.peek(Ident) && input.peek2(Token![=]) {
        split.max = Some(limit(input, errors)?);
    }
    while !input.is_empty() {
        if input.peek(Token![,]) {
            errors.at_span(input.span(), "a branch is missing before this comma; leave the comma out");
            return None;
        }
        split.branches.push(branch(input, errors)?);
        if input.is_empty() {
            break;
        }
        if let Ok(semicolon) = input.parse::<Token![;]>() {
            errors.at(
                semicolon,
                format!(
                    "branches are separated by commas, and steps that run in order go in braces, as in {EXAMPLE}"
                ),
            );
            return None;
        }
        if !input.peek(Token![,]) {
            errors.at_span(
                input.span(),
                format!("a comma is missing before this: branches are separated by commas, as in {EXAMPLE}"),
            );
            return None;
        }
        let _ = input.parse::<Token![,]>();
    }
    Some(split)
}

fn limit(input: ParseStream<'_>, errors: &mut Errors) -> Option<u32> {
    let name: Ident = input.parse().ok()?;
    let _ = input.parse::<Token![=]>();
    let known = name == "max";
    if !known {
        errors.at(
            &name,
            match nearest(&name.to_string(), ["max"]) {
                Some(near) => format!("`split!` has no option `{name}`; did you mean `{near}`?"),
                None => format!(
                    "`split!` has no option `{name}`; its only option is how many branches run at once: `max = 4;`"
                ),
            },
        );
    }
    let Ok(value) = input.parse::<Expr>() else {
        errors.at(&name, "`max` is a whole number, 1 or more: write `max = 4;`");
        return None;
    };
    let number = match &value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse::<u32>().ok(),
        _ => None,
    };
    match number {
        Some(0) if known => {
            errors.at(&value, "no branch would ever run; write how many run at once, 1 or more: `max = 4;`");
        }
        None if known => errors.at(&value, "`max` is a whole number, 1 or more: write `max = 4;`"),
        _ => {}
    }
    if input.parse::<Token![;]>().is_err() {
        if input.is_empty() {
            errors.at(
                &name,
                format!("this `split!` has no branches; write them after the option, as in {EXAMPLE}"),
            );
        } else {
            errors.at_span(input.span(), "a semicolon ends the option: write `max = 4;`, then the branches");
        }
        return None;
    }
    // A value that is no number is reported, and any number may take its place.
    Some(number.unwrap_or(1))
}

fn branch(input: ParseStream<'_>, errors: &mut Errors) -> Option<Body> {
    Some(if input.peek(token::Brace) {
        let block: syn::Block = match input.parse() {
            Ok(block) => block,
            Err(error) => {
                errors.push(error);
                return None;
            }
        };
        if block.stmts.is_empty() {
            errors.at_span(block.brace_token.span.open(), "this branch does nothing; leave it out");
        }
        body::body(&block, errors)
    } else {
        match input.parse::<Expr>() {
            Ok(expr) => vec![body::statement(&expr, errors)],
            Err(error) => {
                errors.push(error);
                return None;
            }
        }
    })
}
