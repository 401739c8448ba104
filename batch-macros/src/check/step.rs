//! A step with `chunk` is a pipe, one without is a tasklet, and their options must have sensible values.

use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ItemFn, Lit, Pat};

use crate::errors::Errors;
use crate::model::step::StepOptions;
use crate::syntax::options::WrittenOption;
use crate::syntax::step::{Element, Route, is_pipe};

/// Checks the options' values, as far as they are literals.
pub(crate) fn options(options: &StepOptions, errors: &mut Errors) {
    if let Some(chunk) = &options.chunk {
        number(
            chunk,
            "a chunk holds at least one item: write `chunk = 100`",
            "`chunk` is a number of items: write `chunk = 100`",
            errors,
        );
    }
    if let Some(at_most) = &options.chunk_at_most {
        number(
            at_most,
            "a chunk holds at least one item: write `chunk_at_most = 10_000`",
            "`chunk_at_most` is a number of items: write `chunk_at_most = 10_000`",
            errors,
        );
    }
    if let Some(threads) = &options.threads {
        number(
            threads,
            "a step has at least one thread: write `threads = 4`, or leave it out for a single thread",
            "`threads` is a number of threads: write `threads = 4`",
            errors,
        );
    }
    if let Some(limit) = &options.start_limit {
        number(
            limit,
            "a step with the limit 0 could never start: write `start_limit = 1` or more",
            "`start_limit` is a number of starts: write `start_limit = 3`",
            errors,
        );
    }
    if let Some(partitions) = &options.partitions {
        if let Some(count) = &partitions.count {
            number(
                count,
                "a step has at least one partition: write `partitions = 8`, or leave it out",
                "`partitions` is a number: write `partitions = 8`",
                errors,
            );
        }
        if let Some(threads) = &partitions.threads {
            number(
                threads,
                "partitions run on at least one thread: write `threads = 4`, or leave it out",
                "`threads` is a number: write `threads = 4`",
                errors,
            );
        }
    }
    for (value, message) in [
        (
            &options.allow_start_if_complete,
            "write `allow_start_if_complete` alone, or `allow_start_if_complete = false`",
        ),
        (&options.allow_all_skipped, "write `allow_all_skipped` alone, or `allow_all_skipped = false`"),
    ] {
        if let Some(Expr::Lit(ExprLit { lit, .. })) = value
            && !matches!(lit, Lit::Bool(_))
        {
            errors.at(lit, message);
        }
    }
}

fn number(value: &Expr, zero: &str, not_a_number: &str, errors: &mut Errors) {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) if int.base10_digits() == "0" => errors.at(int, zero),
        Expr::Lit(ExprLit { lit: Lit::Int(_), .. }) => {}
        Expr::Lit(ExprLit { lit, .. }) => errors.at(lit, not_a_number),
        Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Neg(_)) => errors.at(unary, zero),
        _ => {}
    }
}

/// Reports `chunk` on a function with its own body; no other check reports it.
pub(crate) fn chunk_on_tasklet(given: &[WrittenOption], function: &ItemFn, errors: &mut Errors) -> bool {
    let Some(chunk) = given.iter().find(|option| option.name == "chunk") else { return false };
    let has_head =
        !function.sig.inputs.is_empty() || !matches!(function.sig.output, syn::ReturnType::Default);
    let is_tasklet = has_head && !is_pipe(&function.block) && !function.block.stmts.is_empty();
    if is_tasklet {
        errors.at(
            &chunk.name,
            "`chunk` is for a pipe, `reader | processor | writer`; this step has a body of its own and is a tasklet: leave `chunk` out",
        );
    }
    is_tasklet
}

/// Checks the signature of a pipe's function.
pub(crate) fn pipe_head(options: &StepOptions, function: &ItemFn, errors: &mut Errors) {
    // If an option was refused, that may be the missing `chunk`.
    if options.chunk.is_none() && errors.is_empty() {
        errors.at(&function.sig.ident, "a pipe is committed chunk by chunk: write `#[step(chunk = 100)]`");
    }
    if let Some(order) = &options.unordered {
        if options.partitions.is_some() {
            errors.at(
                order,
                "`order = none` is for threads that share one input; partitions never wait for each other: leave `order` out",
            );
        } else if options.threads.is_none() && errors.is_empty() {
            errors.at(
                order,
                "`order = none` is for chunks in flight on several threads, and this step has one thread: add `threads = 4`, or leave `order` out",
            );
        }
    }
    super::remote::check(options, errors);
    super::aggregator::without_partitions(options, errors);
    if let Some(argument) = function.sig.inputs.first() {
        errors.at(
            argument,
            "a pipe takes no arguments: its components ask for the job's parameters by name, or are bound as `reader(argument = parameter)`",
        );
    }
    if let syn::ReturnType::Type(_, ty) = &function.sig.output {
        errors.at(
            ty,
            "a step with `chunk` is a pipe and returns nothing; a step without `chunk` is a tasklet and may return a value",
        );
    }
    if let Some(parameter) = function.sig.generics.params.first() {
        errors.at(parameter, "a step cannot be generic: leave the generics out");
    }
    if let Some(keyword) = &function.sig.asyncness {
        errors.at(keyword, "a pipe is never `async` itself: leave `async` out");
    }
    if let Some(keyword) = &function.sig.constness {
        errors.at(keyword, "a pipe is never `const`: leave `const` out");
    }
    if let syn::Safety::Unsafe(keyword) = &function.sig.safety {
        errors.at(keyword, "a step is called by safe code: leave `unsafe` out");
    }
    if let Some(abi) = &function.sig.abi {
        errors.at(abi, "a step is a plain Rust function: leave the `extern` out");
    }
}

/// Reports a bare name in a pattern, which would match everything.
pub(crate) fn patterns(element: &Element, errors: &mut Errors) {
    match element {
        Element::One(_) => {}
        Element::All(elements, _) => elements.iter().for_each(|element| patterns(element, errors)),
        Element::Route(route) => route_patterns(route, errors),
    }
}

fn route_patterns(route: &Route, errors: &mut Errors) {
    for arm in &route.expr.arms {
        if let Pat::Ident(bare) = &arm.pat
            && bare.subpat.is_none()
        {
            errors.push(syn::Error::new(
                bare.span(),
                format!("a bare name matches everything: write the case with its enum, `Kind::{}`, or `_` for the rest", bare.ident),
            ));
        }
    }
    route.arms.iter().for_each(|arm| patterns(arm, errors));
}
