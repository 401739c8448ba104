//! Expands the pipe of a step, `fn load() { flights(input = yesterday) | late | (save, audit) }`.
//!
//! Each component is named once, in an alias, and each check is part of the alias of the component it checks. So if
//! two components do not fit together, rustc reports this once, and nothing about the components after them.

mod listeners;
mod parts;
mod processors;
mod readers;
mod threads;
mod writers;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Ident, ItemFn};

use self::parts::Parts;
use super::aggregator::broken_output;
use super::definition::{broken, decides_by_end, definition, pipe_type};
use super::marked_function::{implement, marked_function};
use super::partitions::{Partitioned, partitioned};
use super::step_options::parameter_uses;
use crate::check;
use crate::errors::Errors;
use crate::model::step::{Pipe, StepOptions};
use crate::syntax::component::stripped;

/// Expands a step with `chunk`.
pub(crate) fn pipe(options: &StepOptions, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    check::step::pipe_head(options, function, errors);
    check::fault::exceptions(options, errors);
    check::grouping::options(options, errors);
    let pipe = Pipe::read(function, errors);
    if let Some(pipe) = &pipe {
        check::step::patterns(&pipe.writer, errors);
    }
    let kind = quote!(__batch::StepKind::Chunk);
    let ended = decides_by_end(function);
    let emitted = emitted(function);
    let pipe = match pipe {
        Some(pipe) if errors.is_empty() => pipe,
        _ => {
            let definition = broken(function, &kind);
            let output = broken_output(options, function, errors);
            return marked_function("step", function, emitted, quote!(#definition #ended #output));
        }
    };
    let mut parts = Parts::new(function, options);
    let partitions = options.partitions.as_ref();
    let part = partitions.and_then(|options| options.partitioner.as_ref());
    let made_by = part.map(|part| parts.partitioner(part));
    let (item, mut reader) = parts.readers(&pipe.readers, made_by.as_ref());
    let (out, processor) = parts.processors(&pipe.processors, &item);
    let mut writer = parts.writer(&pipe.writer, &out);
    let Partitioned { reads, takes, beside } = match partitions {
        None => Partitioned::none(),
        Some(options) => {
            if made_by.is_none() {
                reader = quote!(__batch::narrowed(#reader, __scope)?);
            }
            writer = quote!(__batch::writing_to_part(#writer, __scope));
            let aggregated = parts.aggregator(options.aggregator.as_ref());
            partitioned(options, made_by.as_ref(), &aggregated)
        }
    };
    let reader = parts.grouped(reader, &item);
    let listener = parts.listeners(&item, &out);
    let processor = parts.kept(&processor, &item);
    let name = &function.sig.ident;
    let (run, remote) = if options.threads.is_some() {
        parts.on_threads(&pipe, &item, &out)
    } else {
        (quote!(__batch::run_chunks::<__Pipe>), None)
    };
    let (types, uses, imports) = (&parts.types, &parts.uses, &parts.imports);
    let parameter_uses = parameter_uses(options);
    let definition = definition(function, &kind, options, &quote!(__COMPONENTS), &kinds(), &run);
    let pipe_type = pipe_type(name);
    let shown = shown(options);
    let body = implement(
        quote!(__batch::Pipe),
        &Ident::new("__Pipe", name.span()),
        quote! {
            type In = #item;
            type Out = #out;
            fn reader<'s>(__scope: &__batch::Scope<'s>)
                -> ::core::result::Result<impl #reads<Item = Self::In> + 's + use<'s>, __batch::Failure>
            {
                ::core::result::Result::Ok(#reader)
            }
            fn processor<'s>(__scope: &__batch::Scope<'s>) -> ::core::result::Result<
                impl __batch::Process<Self::In, Out = Self::Out> + 's + use<'s>,
                __batch::Failure,
            > {
                ::core::result::Result::Ok(#processor)
            }
            fn writer<'s>(__scope: &__batch::Scope<'s>)
                -> ::core::result::Result<impl #takes<Item = Self::Out> + 's + use<'s>, __batch::Failure>
            {
                ::core::result::Result::Ok(#writer)
            }
            #listener
            #shown
        },
    );
    let checks = parts.checks();
    marked_function(
        "step",
        function,
        emitted,
        quote! {
            #types
            const __COMPONENTS: &[__batch::ComponentUse] = &[#uses #parameter_uses];
            #definition
            #pipe_type
            #body
            #beside
            #remote
            #ended
            #checks
            #imports
        },
    )
}

/// The function that returns the kinds of the reader and the writer.
fn kinds() -> TokenStream {
    quote!(::core::option::Option::Some(__batch::position_kinds::<__Pipe>))
}

/// The functions that return skipped items as JSON, in a step that skips.
fn shown(options: &StepOptions) -> Option<TokenStream> {
    (!options.faults.skip.is_empty()).then(|| {
        quote! {
            fn item_json(__item: &Self::Out) -> ::core::option::Option<::std::string::String> {
                use __batch::faults::{AsItem as _, NoItem as _, Shown};
                (&Shown(__item)).item_json()
            }
            fn read_json(__item: &Self::In) -> ::core::option::Option<::std::string::String> {
                use __batch::faults::{AsItem as _, NoItem as _, Shown};
                (&Shown(__item)).item_json()
            }
        }
    })
}

/// The user's function with its braces. The statements between them are kept for editors only.
fn emitted(function: &ItemFn) -> TokenStream {
    let mut function = stripped(function);
    let stmts = std::mem::take(&mut function.block.stmts);
    let brace = function.block.brace_token;
    let sig = &mut function.sig;
    sig.inputs.clear();
    sig.generics = syn::Generics::default();
    sig.asyncness = None;
    sig.constness = None;
    sig.safety = syn::Safety::Default;
    sig.abi = None;
    let name = sig.ident.clone();
    let (attrs, vis) = (&function.attrs, &function.vis);
    let mut body = TokenStream::new();
    brace.surround(&mut body, |inside| {
        inside.extend(quote! {
            #[cfg(rust_analyzer)]
            { let _ = || { #(#stmts)* }; }
            <#name as ::batch_runtime::__private::StepDefinition>::INFO
        });
    });
    let head = syn::Token![fn](sig.fn_token.span);
    quote! {
        #(#attrs)*
        #[allow(unexpected_cfgs)]
        #vis #head #name() -> &'static ::batch_runtime::__private::StepInfo #body
    }
}
