//! Explains why an expression is not a statement of a job.

use proc_macro2::Span;
use syn::Expr;
use syn::spanned::Spanned;

/// Everything that a job's body may contain.
pub(super) const EXPECTED: &str = "a job's body contains names of steps, `match`, `while`, `loop`, `split! { a, b }`, `end!()`, `fail!(\"why\")` and `stop!(\"why\")`";

/// Where and why an expression cannot be a statement.
pub(super) fn refused(expr: &Expr) -> (Span, String) {
    match expr {
        Expr::If(expr) => (
            expr.if_token.span,
            "a job has no `if`; write `match decider { true => .., false => {} }` with a `#[decider]` that returns `bool`"
                .to_owned(),
        ),
        Expr::ForLoop(expr) => (
            expr.for_token.span,
            "a job has no `for`; write `while more { .. }` with a `#[decider]` that returns `bool`".to_owned(),
        ),
        Expr::Return(expr) => (expr.return_token.span, "a job ends with `end!()`, or with `fail!(\"why\")`".to_owned()),
        Expr::Continue(expr) => {
            (expr.continue_token.span, "the loops of a job have no `continue`; put the rest into an arm".to_owned())
        }
        Expr::Await(expr) => (
            expr.await_token.span,
            "a job names its steps and the engine waits for them; leave `.await` out".to_owned(),
        ),
        Expr::Block(expr) => (
            expr.block.brace_token.span.open(),
            "a bare block does nothing here; leave the braces out, or move the steps into a `#[flow]`".to_owned(),
        ),
        Expr::Binary(expr) if matches!(expr.op, syn::BinOp::BitOr(_)) => (
            expr.op.span(),
            "a pipe is the body of a step: put it into a `#[step(chunk = 100)]` function, and name that function here".to_owned(),
        ),
        other => (other.span(), EXPECTED.to_owned()),
    }
}
