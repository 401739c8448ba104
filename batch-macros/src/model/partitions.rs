//! Receives: the options of a step that are about partitions. Gives: what they say together.

use proc_macro2::Ident;
use syn::spanned::Spanned;
use syn::{Expr, Path};

use crate::errors::Errors;
use crate::syntax::options::{self, Given};
use crate::syntax::step::Part;

/// `partitions = 8`, `partitioner = regions`, `threads = 4`.
pub(crate) struct Partitions {
    /// The option that a mistake is about.
    pub(crate) word: Ident,
    pub(crate) count: Option<Expr>,
    pub(crate) partitioner: Option<Part>,
    /// How many run at once at most.
    pub(crate) threads: Option<Expr>,
}

impl Partitions {
    /// Reads the options; `None` where the step has no partitions.
    pub(crate) fn read(given: &[Given], errors: &mut Errors) -> Option<Self> {
        let named = |name: &str| given.iter().find(|option| option.name == name);
        let (count, partitioner, threads) = (named("partitions"), named("partitioner"), named("threads"));
        let first = count.or(partitioner)?;
        let value = |option: Option<&Given>, example: &str, errors: &mut Errors| {
            option.and_then(|option| options::value(option, example, errors))
        };
        let count = value(count, "partitions = 8", errors);
        let threads = value(threads, "threads = 4", errors);
        let partitioner =
            value(partitioner, "partitioner = regions", errors).and_then(|value| part(&value, errors));
        Some(Self { word: first.name.clone(), count, partitioner, threads })
    }
}

fn part(value: &Expr, errors: &mut Errors) -> Option<Part> {
    let path: Option<&Path> = match value {
        Expr::Path(path) if path.qself.is_none() => Some(&path.path),
        _ => None,
    };
    if path.is_none() {
        errors.at_span(
            value.span(),
            "`partitioner` names a function with `#[partitioner]`: write `partitioner = regions`",
        );
    }
    Some(Part { path: path?.clone(), bindings: Vec::new() })
}
