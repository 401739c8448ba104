//! The rules for concurrent processors, and for calls with a timeout.

use syn::{Expr, ExprLit, Lit};

use crate::errors::Errors;
use crate::model::argument::Asks;
use crate::model::component::Component;
use crate::model::concurrency::ProcessorOptions;

pub(crate) fn check(component: &Component<'_>, options: &ProcessorOptions, errors: &mut Errors) {
    let keyword = component.function.sig.asyncness.as_ref();
    if let (Some(keyword), Some(_)) = (keyword, &options.bulk) {
        errors.at(
            keyword,
            "a bulk processor takes a whole chunk in one call: write a plain `fn`, or drop `bulk`",
        );
        return;
    }
    if let Some(keyword) = keyword
        && !cfg!(feature = "async")
    {
        errors.at(
            keyword,
            "an `async fn` runs on tokio, so it needs the feature `async`: in `Cargo.toml`, write `features = [\"async\"]` for `batch-runtime`",
        );
        return;
    }
    if let (Some(keyword), None) = (keyword, &options.concurrency) {
        errors.at(
            keyword,
            "say how many items an `async` processor works on at once: write `#[processor(concurrency = 32)]`",
        );
    }
    if let (None, Some(timeout)) = (keyword, &options.timeout) {
        errors.at(
            &timeout.option,
            "a call of a plain `fn` cannot be interrupted: write an `async fn`, or give the step a `timeout`, which is checked between chunks",
        );
    }
    let Some(concurrency) = &options.concurrency else { return };
    if let Some(bulk) = &options.bulk {
        errors
            .at(bulk, "a bulk processor takes a whole chunk in one call: drop `bulk`, or drop `concurrency`");
    }
    if is_zero(concurrency) {
        errors.at(concurrency, "a processor works on at least one item: `concurrency` must be 1 or more");
    }
    for argument in &component.arguments {
        match &argument.asks {
            Asks::State(_) => errors.at(
                &argument.name,
                "concurrent calls would change the state in no particular order: drop `concurrency`, or keep the state in a later processor",
            ),
            Asks::Connection(_) if keyword.is_none() => errors.at(
                &argument.ty,
                "a connection belongs to one thread, and `concurrency` calls this on several: drop `concurrency`, or ask for a resource that opens connections",
            ),
            _ => {}
        }
    }
}

fn is_zero(value: &Expr) -> bool {
    matches!(value, Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) if int.base10_parse::<u64>().is_ok_and(|value| value == 0))
}
