//! `#[step(chunk = 100)] fn load() { flights | late | save }`, `#[step] fn tally(tx: &Transaction<'_>) -> Total`

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ItemFn, Lit};

use super::frame::{implement, marker_name};
use super::{faults, pipe, tasklet};
use crate::check;
use crate::errors::Errors;
use crate::model::step::{EarlierName, StepOptions, is_pipe_step};
use crate::syntax::binding::parameter;
use crate::syntax::component::doc;
use crate::syntax::name::plain;
use crate::syntax::options;

/// Expands `#[step]`.
pub(crate) fn step(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    let mentions_chunk = given.clone().into_iter().next().is_some_and(|word| word.to_string() == "chunk");
    let given = options::read(&options::STEP, given, errors);
    let read = StepOptions::read(&given, errors);
    check::step::options(&read, errors);
    if check::step::chunk_on_tasklet(&given, function, errors) {
        return tasklet::tasklet(&read, function, errors);
    }
    if mentions_chunk || is_pipe_step(&given, function) {
        pipe::pipe(&read, function, errors)
    } else {
        check::fault::on_tasklet(&read, errors);
        tasklet::tasklet(&read, function, errors)
    }
}

/// `impl StepDefinition`, with the constants it refers to.
pub(crate) fn definition(
    function: &ItemFn,
    kind: &TokenStream,
    options: &StepOptions,
    components: &TokenStream,
    kinds: &TokenStream,
    run: &TokenStream,
) -> TokenStream {
    let name = &function.sig.ident;
    let (text, doc) = (name.to_string(), doc(&function.attrs));
    let (constants, options) = options_tokens(options);
    let body = quote! {
        const INFO: &'static __batch::StepInfo = &__batch::StepInfo {
            id: ::core::concat!(::core::module_path!(), "::", #text),
            name: #text,
            doc: #doc,
            kind: #kind,
            options: #options,
            components: #components,
            kinds: #kinds,
            run: #run,
        };
    };
    let definition = implement(quote!(__batch::StepDefinition), name, body);
    let runs = implement(
        quote!(__batch::Runs),
        name,
        quote! {
            const ACTIVITY: __batch::Activity = {
                // A job that names the step uses the function, so rustc itself reports a step that no job names.
                let _ = #name;
                __batch::Activity::Step(<Self as __batch::StepDefinition>::INFO)
            };
        },
    );
    quote!(#constants #definition #runs)
}

/// The kinds of a step that has neither reader nor writer.
pub(crate) fn no_kinds() -> TokenStream {
    quote!(::core::option::Option::None)
}

/// The options as tokens. Each value appears once, so that a wrong one is reported once.
fn options_tokens(options: &StepOptions) -> (TokenStream, TokenStream) {
    let mut constants = TokenStream::new();
    let mut built = quote!(__batch::StepOptions::DEFAULT);
    if let Some(name) = options.chunk.as_ref().and_then(parameter) {
        let name = plain(&name);
        built = quote!(#built.chunk_of(#name));
    } else if let Some(chunk) = options.chunk.as_ref().filter(|chunk| is_positive(chunk)) {
        built = quote!(#built.chunk(#chunk));
    } else if let Some(chunk) = &options.chunk {
        constants.extend(quote_spanned! { chunk.span()=>
            const __CHUNK: usize = #chunk;
            const _: () = {
                if __CHUNK == 0 { ::core::panic!("a chunk holds at least one item: `chunk` must be 1 or more") }
            };
        });
        built = quote!(#built.chunk(__CHUNK));
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
    } else if let Some(threads) = options.threads.as_ref().filter(|threads| is_positive(threads)) {
        built = quote!(#built.threads(#threads));
    } else if let Some(threads) = &options.threads {
        constants.extend(quote_spanned! { threads.span()=>
            const __THREADS: usize = #threads;
            const _: () = {
                if __THREADS == 0 {
                    ::core::panic!("at least one thread processes: `threads` must be 1 or more; leave it out for a step of one thread")
                }
            };
        });
        built = quote!(#built.threads(__THREADS));
    }
    if let Some(limit) = &options.start_limit {
        constants.extend(quote_spanned! { limit.span()=>
            const __START_LIMIT: u32 = #limit;
            const _: () = {
                if __START_LIMIT == 0 {
                    ::core::panic!("a step that may never start does nothing: `start_limit` must be 1 or more")
                }
            };
        });
        built = quote!(#built.start_limit(__START_LIMIT));
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
pub(crate) fn sizes(options: &StepOptions) -> TokenStream {
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

/// Returns whether the value is a number that needs no further check. Each constant slows the user's builds.
pub(crate) fn is_positive(value: &Expr) -> bool {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) => {
            int.suffix().is_empty() && int.base10_parse::<u32>().is_ok_and(|value| value > 0)
        }
        _ => false,
    }
}

/// Lets a job match on how the step ended.
pub(crate) fn decides_by_end(function: &ItemFn) -> TokenStream {
    implement(
        quote!(__batch::Decides),
        &function.sig.ident,
        quote! {
            type Outcome = __batch::Ended;
            const SUBJECT: __batch::Subject = __batch::Subject::Ended(<Self as __batch::Runs>::ACTIVITY);
        },
    )
}

/// The step of a function with a mistake: a job can name it without a second error.
pub(crate) fn broken(function: &ItemFn, kind: &TokenStream) -> TokenStream {
    let name = marker_name(&function.sig.ident);
    let mut function = function.clone();
    function.sig.ident = name;
    let definition = definition(
        &function,
        kind,
        &StepOptions::default(),
        &quote!(&[__batch::ComponentUse::HIDDEN]),
        &no_kinds(),
        &quote!(__batch::never_run),
    );
    quote!(#definition)
}
