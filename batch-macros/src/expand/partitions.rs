//! Expands `#[step(chunk = 100, partitions = 8)]`, `#[step(chunk = 100, partitioner = regions)]`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Ident;

use super::aggregator::Aggregated;
use super::step_options::positive;
use crate::model::partitions::Partitions;
use crate::syntax::binding::parameter;

/// The additional code of a step with partitions.
pub(crate) struct Partitioned {
    /// The trait of the value that `Pipe::reader` returns.
    pub(crate) reads: TokenStream,
    /// The trait of the value that `Pipe::writer` returns.
    pub(crate) takes: TokenStream,
    /// The impls next to `Pipe`, and the constant that the options refer to.
    pub(crate) beside: TokenStream,
}

impl Partitioned {
    /// For a step without partitions.
    pub(crate) fn none() -> Self {
        Self { reads: quote!(__batch::Reader), takes: quote!(__batch::Writer), beside: quote!() }
    }
}

/// Expands the options of a step with partitions; `partitioner` is the alias of the partitioner.
pub(crate) fn partitioned(
    options: &Partitions,
    partitioner: Option<&Ident>,
    aggregated: &Aggregated,
) -> Partitioned {
    let Aggregated { option: aggregator, beside: aggregated } = aggregated;
    let mut checks = quote!();
    let why = "a step has at least one partition: `partitions` must be 1 or more";
    let count = number(options.count.as_ref(), "__PARTITIONS", why, &mut checks);
    let why = "partitions run on at least one thread: `threads` must be 1 or more";
    let threads = number(options.threads.as_ref(), "__THREADS", why, &mut checks);
    let has_partitioner = partitioner.is_some();
    let (reads, split) = if let Some(partitioner) = partitioner {
        (quote!(__batch::Reader), quote!(__batch::partitions_of::<#partitioner>(__scope)))
    } else {
        let split = quote!(__batch::split(<Self as __batch::Pipe>::reader(__scope)?, __partitions));
        (quote!(__batch::Splittable), split)
    };
    let beside = quote! {
        #checks
        #aggregated
        const __PARTITIONING: &__batch::Partitioning = &__batch::Partitioning {
            partitions: #count,
            threads: #threads,
            has_partitioner: #has_partitioner,
            aggregator: #aggregator,
            run: |__run| __batch::run_partitions::<__Pipe>(__run),
        };
        impl __batch::Partitioned for __Pipe {
            fn split(__scope: &__batch::Scope<'_>, __partitions: usize)
                -> ::core::result::Result<::std::vec::Vec<__batch::NewPartition>, __batch::Failure>
            {
                #split
            }
            fn merger<'s>(__scope: &__batch::Scope<'s>) -> ::core::result::Result<
                impl __batch::Partitionable<Item = Self::Out> + 's + use<'s>,
                __batch::Failure,
            > {
                <Self as __batch::Pipe>::writer(__scope)
            }
        }
    };
    Partitioned { reads, takes: quote!(__batch::Partitionable), beside }
}

/// An option as `Some(4)`, or `None` if it is left out or is a parameter.
fn number(value: Option<&syn::Expr>, constant: &str, why: &str, checks: &mut TokenStream) -> TokenStream {
    let Some(value) = value.filter(|value| parameter(value).is_none()) else {
        return quote!(::core::option::Option::None);
    };
    let value = positive(value, constant, &quote!(u32), why, checks);
    quote!(::core::option::Option::Some(#value))
}

/// Checks that the component opened or bound by the function suits the option `word`; `what` is the name of the
/// check. A component that does not suit it is reported at its own name, with the option as a note.
pub(crate) fn check_support(word: &Ident, what: &str, function: &TokenStream, at: Span) -> TokenStream {
    let what = Ident::new(what, word.span());
    quote_spanned!(at=> __batch::#what(#function);)
}
