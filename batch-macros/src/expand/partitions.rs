//! `#[step(chunk = 100, partitions = 8)]`, `#[step(chunk = 100, partitioner = regions)]`, and
//! `#[partitioner] fn regions() -> Vec<(String, Range)>`

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, ItemFn};

use super::aggregator::Aggregated;
use super::arguments::{call, emitted, injected};
use super::broken;
use super::failure::{error_check, value_or_return};
use super::frame::{checked, frame, implement};
use super::step::is_positive;
use crate::check;
use crate::errors::Errors;
use crate::model::argument::Role;
use crate::model::component::Component;
use crate::model::partitions::Partitions;
use crate::syntax::binding::parameter;
use crate::syntax::options;

/// Expands `#[partitioner]`.
pub(crate) fn partitioner(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    options::read(&options::PARTITIONER, given, errors);
    let component = Component::read(Role::Partitioner, function, errors);
    let range = check::partitioner::range(&component, errors);
    let (Some(range), true) = (range, errors.is_empty()) else {
        return broken::component(Role::Partitioner, function, errors);
    };
    let name = component.name;
    let asked = injected(Role::Partitioner, &component.described(), &component.arguments);
    let (aliases, needs, fetch, pass) = (&asked.aliases, &asked.needs, &asked.fetch, &asked.pass);
    let value = value_or_return(&component, &call(&component, None, pass));
    let text = name.to_string();
    let check = quote_spanned!(range.span()=> let _ = <#range as __batch::IsRange>::IS;);
    let ranges = checked(&format_ident!("__Range"), range, check);
    let error = error_check(&component.returns);
    let definition = implement(
        quote!(__batch::PartitionerDefinition),
        name,
        quote! {
            const NAME: &'static str = #text;
            const NEEDS: &'static [__batch::Need] = &[#needs];
            type Range = __Range;
            fn partitions(__scope: &__batch::Scope<'_>) -> ::core::result::Result<
                ::std::vec::Vec<(::std::string::String, Self::Range)>,
                __batch::Failure,
            > {
                #fetch
                ::core::result::Result::Ok(#value)
            }
        },
    );
    frame(
        "partitioner",
        function,
        emitted(function, &component.arguments),
        quote!(#aliases #ranges #error #definition),
    )
}

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
    pub(crate) fn not() -> Self {
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
    let (count, check_count) =
        number(options.count.as_ref(), "PARTITIONS", "partitions", "a step has at least one partition");
    let (threads, check_threads) =
        number(options.threads.as_ref(), "THREADS", "threads", "partitions run on at least one thread");
    let has_partitioner = partitioner.is_some();
    let (reads, split) = if let Some(partitioner) = partitioner {
        (quote!(__batch::Reader), quote!(__batch::partitions_of::<#partitioner>(__scope)))
    } else {
        let split = quote!(__batch::split(<Self as __batch::Pipe>::reader(__scope)?, __partitions));
        (quote!(__batch::Splittable), split)
    };
    let beside = quote! {
        #check_count
        #check_threads
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

/// An option as `Some(4)`, and the check that remains for it.
fn number(value: Option<&syn::Expr>, constant: &str, option: &str, why: &str) -> (TokenStream, TokenStream) {
    let Some(value) = value else { return (quote!(::core::option::Option::None), quote!()) };
    if parameter(value).is_some() {
        return (quote!(::core::option::Option::None), quote!());
    }
    if is_positive(value) {
        return (quote!(::core::option::Option::Some(#value)), quote!());
    }
    let constant = format_ident!("__{constant}");
    let message = format!("{why}: `{option}` must be 1 or more");
    let check = quote_spanned! { value.span()=>
        const #constant: u32 = #value;
        const _: () = { if #constant == 0 { ::core::panic!(#message) } };
    };
    (quote!(::core::option::Option::Some(#constant)), check)
}

/// Checks that the component opened or bound by the function suits the option `word`; `what` is the name of the
/// check. A component that does not is reported at its own name, with the option as a note.
pub(crate) fn question(word: &Ident, what: &str, function: &TokenStream, at: Span) -> TokenStream {
    let what = Ident::new(what, word.span());
    quote_spanned!(at=> __batch::#what(#function);)
}
