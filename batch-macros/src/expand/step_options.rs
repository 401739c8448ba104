//! Generates the options of a step.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Ident, Lit};

use super::faults;
use crate::model::step::{EarlierName, StepOptions};
use crate::syntax::binding::parameter;
use crate::syntax::name::plain;

/// The constants for the options, and the expression that builds the options. Each value appears once, so that
/// a wrong one is reported once.
pub(super) fn tokens(options: &StepOptions) -> (TokenStream, TokenStream) {
    let mut constants = TokenStream::new();
    let mut built = quote!(__batch::StepOptions::DEFAULT);
    if let Some(name) = options.chunk.as_ref().and_then(parameter) {
        let name = plain(&name);
        built = quote!(#built.chunk_of(#name));
    } else if let Some(chunk) = &options.chunk {
        let why = "a chunk holds at least one item: `chunk` must be 1 or more";
        let chunk = positive(chunk, "__CHUNK", &quote!(usize), why, &mut constants);
        built = quote!(#built.chunk(#chunk));
    }
    if options.chunk_while.is_some() {
        let at_most = options.chunk_at_most.as_ref().map_or_else(|| quote!(1_000_000), |most| quote!(#most));
        built = quote!(#built.groups(#at_most));
    }
    let partitions = options.partitions.as_ref();
    if let Some(name) = partitions.and_then(|partitions| partitions.count.as_ref()).and_then(parameter) {
        let name = plain(&name);
        built = quote!(#built.partitions_of(#name));
    }
    let threads = options.threads.as_ref().or(partitions.and_then(|partitions| partitions.threads.as_ref()));
    if let Some(name) = threads.and_then(parameter) {
        let name = plain(&name);
        built = quote!(#built.threads_of(#name));
    } else if let Some(threads) = &options.threads {
        let why =
            "a step has at least one thread: `threads` must be 1 or more; leave it out for a single thread";
        let threads = positive(threads, "__THREADS", &quote!(usize), why, &mut constants);
        built = quote!(#built.threads(#threads));
    }
    if let Some(limit) = &options.start_limit {
        let why = "a step with the limit 0 could never start: `start_limit` must be 1 or more";
        let limit = positive(limit, "__START_LIMIT", &quote!(u32), why, &mut constants);
        built = quote!(#built.start_limit(#limit));
    }
    if let Some(yes) = &options.allow_start_if_complete {
        constants.extend(quote_spanned!(yes.span()=> const __ALLOW: bool = #yes;));
        built = quote!(#built.allow_start_if_complete(__ALLOW));
    }
    if let Some(yes) = &options.allow_all_skipped {
        constants.extend(quote_spanned!(yes.span()=> const __ALLOW_ALL_SKIPPED: bool = #yes;));
        built = quote!(#built.allow_all_skipped(__ALLOW_ALL_SKIPPED));
    }
    if !options.faults.is_empty() {
        constants.extend(faults::constant(&options.faults));
        built = quote!(#built.faults(__FAULTS));
    }
    if let Some(bound) = options.timeout.map(faults::duration) {
        built = quote!(#built.timeout(#bound));
    }
    if let Some(bound) = options.chunk_time.map(faults::duration) {
        built = quote!(#built.chunk_time(#bound));
    }
    if options.isolate {
        built = quote!(#built.isolate(true));
    }
    if options.remote.is_some() {
        built = quote!(#built.remote(__REMOTE));
    }
    if options.partitions.is_some() {
        built = quote!(#built.partitioning(__PARTITIONING));
    }
    if !options.renamed_from.is_empty() {
        let earlier = options.renamed_from.iter().map(|EarlierName { name, of }| {
            let none = quote!(::core::option::Option::None);
            let of = of.as_ref().map_or(none, |of| quote!(::core::option::Option::Some(#of)));
            quote!(__batch::EarlierName { name: #name, of: #of })
        });
        built = quote!(#built.renamed_from(&[#(#earlier),*]));
    }
    (constants, built)
}

/// The parameters that the options of a step ask the job for, as if each option were a component.
pub(crate) fn parameter_uses(options: &StepOptions) -> TokenStream {
    let partitions = options.partitions.as_ref();
    let given = [
        ("chunk", options.chunk.as_ref()),
        (
            "threads",
            options.threads.as_ref().or(partitions.and_then(|partitions| partitions.threads.as_ref())),
        ),
        ("partitions", partitions.and_then(|partitions| partitions.count.as_ref())),
    ];
    let each = given.into_iter().filter_map(|(option, value)| {
        let name = plain(&parameter(value?)?);
        let asked_by = format!("`{option}`");
        Some(quote! {
            __batch::ComponentUse {
                role: __batch::OPTION,
                name: #option,
                needs: &[__batch::Need {
                    name: #name,
                    asked_by: #asked_by,
                    kind: __batch::NeedKind::Parameter(<usize as __batch::ParameterType>::TYPE),
                }],
                bindings: &[],
                raises: __batch::Raises::Nothing,
            },
        })
    });
    each.collect()
}

/// A number that must be 1 or more. Any value but a literal is checked in a constant.
pub(super) fn positive(
    value: &Expr,
    constant: &str,
    number: &TokenStream,
    why: &str,
    constants: &mut TokenStream,
) -> TokenStream {
    // A literal needs no constant, and each constant slows the user's builds.
    if is_positive(value) {
        return quote!(#value);
    }
    let constant = Ident::new(constant, Span::call_site());
    constants.extend(quote_spanned! { value.span()=>
        const #constant: #number = #value;
        const _: () = { if #constant == 0 { ::core::panic!(#why) } };
    });
    quote!(#constant)
}

fn is_positive(value: &Expr) -> bool {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) => {
            int.suffix().is_empty() && int.base10_parse::<u32>().is_ok_and(|value| value > 0)
        }
        _ => false,
    }
}
