//! Generates the definition that a job finds under the name of a step.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Ident, ItemFn};

use super::marked_function::{implement, marker_name};
use super::step_options;
use crate::model::step::StepOptions;
use crate::syntax::component::doc;
use crate::syntax::name::plain;

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
    let (constants, options) = step_options::tokens(options);
    let in_frame = in_frame(name);
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
        #in_frame
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

/// Gives the step a separate function, so that the step's name is in the stack. Debug information may have only
/// the last part of a path, so the function's own name must identify the step.
fn in_frame(step: &Ident) -> Option<TokenStream> {
    let text = plain(step);
    let named = format_ident!("__step_{text}");
    cfg!(feature = "profile").then(|| {
        quote! {
            fn in_frame(__work: &mut dyn FnMut()) -> bool {
                #[inline(never)]
                fn #named(__work: &mut dyn FnMut()) -> bool {
                    __work();
                    // Without this, the call would be a jump, which leaves nothing in the stack, and all steps would
                    // share one function.
                    ::core::hint::black_box(#text).len() > 0
                }
                #named(__work)
            }
        }
    })
}

/// The type that represents the pipe of a step. It is a separate, private type: the step may be `pub` while its
/// components and items are not.
pub(crate) fn pipe_type(step: &Ident) -> TokenStream {
    let in_frame = cfg!(feature = "profile").then(|| {
        quote! {
            fn in_frame(__work: &mut dyn FnMut()) -> bool {
                <#step as __batch::StepDefinition>::in_frame(__work)
            }
        }
    });
    quote! {
        enum __Pipe {}
        impl __batch::StepDefinition for __Pipe {
            const INFO: &'static __batch::StepInfo = <#step as __batch::StepDefinition>::INFO;
            #in_frame
        }
        impl __batch::Piped<__Pipe> for #step {}
    }
}

/// The kinds of a step that has neither reader nor writer.
pub(crate) fn no_kinds() -> TokenStream {
    quote!(::core::option::Option::None)
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
