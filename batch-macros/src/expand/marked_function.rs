//! Emits the code generated for one function next to the function and under its `#[cfg]`, together with the marker type
//! of the same name.

use std::cell::RefCell;
use std::collections::HashMap;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ItemFn;

use crate::syntax::component::conditions;

/// The function, its marker and `body`. Generated code in `body` reaches everything through `__batch`. `noun` is
/// the word that messages use for the function.
pub(crate) fn marked_function(
    noun: &str,
    function: &ItemFn,
    emitted: impl ToTokens,
    body: impl ToTokens,
) -> TokenStream {
    let conditions = conditions(function);
    let name = marker_name(&function.sig.ident);
    let number = number_of_its_name(&name);
    let marker = marker(function, number);
    let named = implement(quote!(__batch::Marked), &name, quote!(const NOUN: &'static str = #noun;));
    quote! {
        #emitted
        #marker
        #(#conditions)*
        #[doc(hidden)]
        #[allow(unexpected_cfgs, deprecated, non_local_definitions, private_interfaces, refining_impl_trait, non_camel_case_types, non_upper_case_globals, clippy::all, clippy::pedantic)]
        const _: () = {
            use ::batch_runtime::__private as __batch;
            type __Marker = #name<#number>;
            const _: () = {
                type #name = __Marker;
                #named
                #body
            };
        };
    }
}

/// `enum flights<const NUMBER: u64 = 0> {}`: the type that represents the function. Users write `flights`. If two
/// functions have the same name, the number makes their types differ: rustc then reports the second definition of the
/// name, and no conflict between the traits that both types implement.
fn marker(function: &ItemFn, number: u64) -> TokenStream {
    let conditions = conditions(function);
    let (vis, sig, name) = (&function.vis, &function.sig, marker_name(&function.sig.ident));
    // Rustc reports a second definition once for each span, so the marker takes the span of the function.
    let begin = quote!(#vis #sig).into_iter().next().map_or_else(|| name.span(), |first| first.span());
    let keyword = quote_spanned!(begin=> enum);
    let parameter = quote_spanned!(name.span()=> <const NUMBER: u64 = #number>);
    let mut braces = Group::new(Delimiter::Brace, TokenStream::new());
    braces.set_span(function.block.brace_token.span.join());
    quote! {
        #(#conditions)*
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #vis #keyword #name #parameter #braces
    }
}

/// The number of functions with this name that were expanded before: 0 for a name that is used once. Only the
/// error about a name that is used twice depends on this number.
fn number_of_its_name(name: &Ident) -> u64 {
    thread_local! {
        static USED: RefCell<HashMap<String, u64>> = RefCell::default();
    }
    USED.with_borrow_mut(|used| {
        let next = used.entry(name.to_string()).or_default();
        let number = *next;
        *next += 1;
        number
    })
}

/// The marker's name: it has the span of the user's name but counts as generated, so that an unused function is
/// reported once.
pub(crate) fn marker_name(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(Span::call_site().located_at(name.span()));
    name
}

/// `impl Trait for marker`. Its head has the span of the user's name, so that notes about the impl point there.
pub(crate) fn implement(what: impl ToTokens, name: &Ident, body: impl ToTokens) -> TokenStream {
    let head = quote_spanned!(name.span()=> impl #what for #name);
    let body = braces(name, body.to_token_stream());
    quote!(#[automatically_derived] #head #body)
}

fn braces(name: &Ident, inside: TokenStream) -> Group {
    let mut group = Group::new(Delimiter::Brace, inside);
    group.set_span(name.span());
    group
}

/// An alias that refers to `ty` if `check` holds. Otherwise rustc reports that once, treats the alias as an
/// erroneous type, and stays silent about everything built on it.
pub(crate) fn checked(alias: &Ident, ty: impl ToTokens, check: impl ToTokens) -> TokenStream {
    quote! {
        #[cfg(not(rust_analyzer))]
        type #alias = <#ty as __batch::If<{ #check true }>>::Is;
        #[cfg(rust_analyzer)]
        type #alias = #ty;
    }
}
