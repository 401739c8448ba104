//! Combines the options of a step that concern partitions.

use proc_macro2::Ident;
use syn::spanned::Spanned;
use syn::{Expr, Path};

use crate::errors::Errors;
use crate::syntax::options::{self, WrittenOption};
use crate::syntax::step::Part;

/// `partitions = 8`, `partitioner = regions`, `aggregator = total`, `threads = 4`.
pub(crate) struct Partitions {
    /// The option that errors point to.
    pub(crate) word: Ident,
    pub(crate) count: Option<Expr>,
    pub(crate) partitioner: Option<Part>,
    pub(crate) aggregator: Option<Part>,
    /// The maximum number of partitions that run at once.
    pub(crate) threads: Option<Expr>,
}

impl Partitions {
    /// Reads the options; `None` if the step has no partitions.
    pub(crate) fn read(given: &[WrittenOption], errors: &mut Errors) -> Option<Self> {
        let named = |name: &str| given.iter().find(|option| option.name == name);
        let (count, partitioner, threads) = (named("partitions"), named("partitioner"), named("threads"));
        let aggregator = named("aggregator");
        let first = count.or(partitioner)?;
        let value = |option: Option<&WrittenOption>, example: &str, errors: &mut Errors| {
            option.and_then(|option| options::value(option, example, errors))
        };
        let count = value(count, "partitions = 8", errors);
        let threads = value(threads, "threads = 4", errors);
        let partitioner = value(partitioner, "partitioner = regions", errors)
            .and_then(|value| part("partitioner", "regions", &value, errors));
        let aggregator = value(aggregator, "aggregator = total", errors)
            .and_then(|value| part("aggregator", "total", &value, errors));
        Some(Self { word: first.name.clone(), count, partitioner, aggregator, threads })
    }
}

/// The function that an option names.
pub(crate) fn part(option: &str, example: &str, value: &Expr, errors: &mut Errors) -> Option<Part> {
    let path: Option<&Path> = match value {
        Expr::Path(path) if path.qself.is_none() => Some(&path.path),
        _ => None,
    };
    if path.is_none() {
        errors.at_span(
            value.span(),
            format!("`{option}` names a function with `#[{option}]`: write `{option} = {example}`"),
        );
    }
    Some(Part { path: path?.clone(), bindings: Vec::new() })
}
