//! Expands `#[flow] fn tidy() { clean; archive; }`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemFn;

use super::job_body::{Tree, is_complete, tree};
use super::marked_function::{implement, marked_function};
use crate::check;
use crate::errors::Errors;
use crate::model::job;
use crate::syntax::component::doc;
use crate::syntax::name::plain;

/// Expands `#[flow]`.
pub(crate) fn flow(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    let mut body = job::flow(given, function, errors);
    check::recursion::check("flow", &function.sig.ident, &mut body, errors);
    check::reachable::check(&body, errors);
    check::end_texts::check("flow", &[], &mut body, errors);
    let Tree { items, nodes, checks, imports } = tree(&body, &[]);
    let (name, text) = (&function.sig.ident, plain(&function.sig.ident));
    let (doc, complete) = (doc(&function.attrs), is_complete(&body));
    let runs = implement(
        quote!(__batch::Runs),
        name,
        quote! {
            const ACTIVITY: __batch::Activity = {
                let _ = #name;
                __batch::Activity::Flow(&__batch::FlowInfo {
                    id: ::core::concat!(::core::module_path!(), "::", #text),
                    name: #text,
                    doc: #doc,
                    nodes: __NODES,
                })
            };
        },
    );
    let code = quote! {
        use ::batch_runtime::graph::wiring as __wiring;
        use __wiring::Nothing as _;
        #items
        const __NODES: &'static [__batch::Node] = #nodes;
        #runs
        #[cfg(not(rust_analyzer))]
        const _: () = {
            const __WIRING: &__wiring::Wiring = &__wiring::Wiring {
                noun: "flow",
                name: #text,
                parameters: ::core::option::Option::None,
                nodes: __NODES,
                complete: #complete,
            };
            const __PLACE_0: __wiring::Place = __wiring::Place::FIRST;
            #checks
        };
        #imports
    };
    // A flow runs only as part of a job: its function provides nothing but the name.
    let (attributes, vis) = (&function.attrs, &function.vis);
    let mut block = TokenStream::new();
    function.block.brace_token.surround(&mut block, |_| {});
    marked_function("flow", function, quote!(#(#attributes)* #vis fn #name() #block), code)
}
