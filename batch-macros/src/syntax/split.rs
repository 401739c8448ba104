//! Parses `split! { .. }`: its branches, and how many of them run at once.

use proc_macro2::TokenStream;
use syn::parse::{ParseStream, Parser};
use syn::{Block, Expr, ExprLit, Ident, Lit, Macro, Token, token};

use super::nearest::nearest;
use crate::errors::Errors;

/// `split! { max = 4; a, { b; c } }`
#[derive(Default)]
pub(crate) struct Split {
    pub(crate) branches: Vec<Branch>,
    pub(crate) max: Option<u32>,
    /// False if parsing ended early at a mistake.
    pub(crate) complete: bool,
}

/// One branch of a split.
pub(crate) enum Branch {
    One(Expr),
    Several(Block),
}

const EXAMPLE: &str = "`split! { load, { clean; report } }`";

/// Reads a split.
pub(crate) fn split(mac: &Macro, errors: &mut Errors) -> Split {
    let mut split = Split::default();
    let parser = |input: ParseStream<'_>| {
        split.complete = parse_split(&mut split, input, errors).is_some();
        // A mistake has been reported by now. Consume the rest, or syn would report it as a second error.
        input.parse::<TokenStream>()
    };
    if let Err(error) = parser.parse2(mac.tokens.clone()) {
        errors.push(error);
    }
    split
}

impl Split {
    /// Checks that there are at least two branches to run in parallel.
    pub(crate) fn check_number(&self, mac: &Macro, errors: &mut Errors) {
        match self.branches.len() {
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
    }
}

/// Reads the option and the branches. If parsing cannot continue, reports why and returns `None`.
fn parse_split(split: &mut Split, input: ParseStream<'_>, errors: &mut Errors) -> Option<()> {
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
    Some(())
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
                    "`split!` has no option `{name}`; its only option limits how many branches run at once: `max = 4;`"
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
            errors.at(
                &value,
                "with 0 no branch would ever run; write how many may run at once, 1 or more: `max = 4;`",
            );
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
    // If the value is not a number, that has been reported, and any number will do in its place.
    Some(number.unwrap_or(1))
}

fn branch(input: ParseStream<'_>, errors: &mut Errors) -> Option<Branch> {
    let branch = if input.peek(token::Brace) {
        input.parse().map(Branch::Several)
    } else {
        input.parse().map(Branch::One)
    };
    if let Ok(Branch::Several(block)) = &branch
        && block.stmts.is_empty()
    {
        errors.at_span(block.brace_token.span.open(), "this branch does nothing; leave it out");
    }
    branch.map_err(|error| errors.push(error)).ok()
}
