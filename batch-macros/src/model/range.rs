//! Reads `#[param(range = 1..=100)]` and checks numbers in the program against it.

use std::cmp::Ordering;

use syn::{Expr, ExprRange, Lit, RangeLimits};

use super::types::shown;
use crate::errors::Errors;
use crate::syntax::binding::literal;
use crate::syntax::options::{self, WrittenOption};

const EXAMPLE: &str = "range = 1..=100";

/// Reads the bounds; anything else is reported.
pub(crate) fn range(option: &WrittenOption, errors: &mut Errors) -> Option<ExprRange> {
    match options::value(option, EXAMPLE, errors)? {
        Expr::Range(range) if range.start.is_some() || range.end.is_some() => {
            if is_empty(&range) {
                errors
                    .at(&range, format!("`{}` contains no value: write the lower bound first", text(&range)));
                return None;
            }
            Some(range)
        }
        other => {
            errors.at(other, format!("a range needs its bounds: write `{EXAMPLE}`"));
            None
        }
    }
}

/// The bounds as written: `1..=100`, `1..`
pub(crate) fn text(range: &ExprRange) -> String {
    let bound = |bound: &Option<Box<Expr>>| bound.as_ref().map(shown).unwrap_or_default();
    let dots = if matches!(range.limits, RangeLimits::HalfOpen(_)) { ".." } else { "..=" };
    format!("{}{dots}{}", bound(&range.start), bound(&range.end))
}

/// Returns whether the number is outside. Only literals can be judged here.
pub(crate) fn is_outside(range: &ExprRange, value: &Expr) -> bool {
    let beyond = |bound: &Option<Box<Expr>>, order: Ordering| {
        bound.as_ref().and_then(|bound| compare(value, bound)).is_some_and(|found| found == order)
    };
    beyond(&range.start, Ordering::Less)
        || beyond(&range.end, Ordering::Greater)
        || (matches!(range.limits, RangeLimits::HalfOpen(_)) && beyond(&range.end, Ordering::Equal))
}

fn is_empty(range: &ExprRange) -> bool {
    range.start.as_ref().is_some_and(|start| {
        let above = range.end.as_ref().and_then(|end| compare(start, end));
        above == Some(Ordering::Greater)
            || (above == Some(Ordering::Equal) && matches!(range.limits, RangeLimits::HalfOpen(_)))
    })
}

fn compare(a: &Expr, b: &Expr) -> Option<Ordering> {
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => decimal(a)?.partial_cmp(&decimal(b)?),
    }
}

fn whole(value: &Expr) -> Option<i128> {
    let (negative, Lit::Int(int)) = literal(value)? else { return None };
    let number: i128 = int.base10_parse().ok()?;
    Some(if negative { -number } else { number })
}

fn decimal(value: &Expr) -> Option<f64> {
    let (negative, literal) = literal(value)?;
    let number: f64 = match literal {
        Lit::Int(int) => int.base10_parse().ok()?,
        Lit::Float(float) => float.base10_parse().ok()?,
        _ => return None,
    };
    Some(if negative { -number } else { number })
}
