//! Frames the code generated for one function: emits it next to the function, under the function's `#[cfg]`,
//! together with the marker type of the same name.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ItemFn;

use crate::syntax::component::conditions;

/// The function, its marker and `body`. Generated code in `body` reaches everything through `__batch`. `noun` is
/// the word that messages use for the function.
pub(crate) fn frame(
    noun: &str,
    function: &ItemFn,
    emitted: impl ToTokens,
    body: impl ToTokens,
) -> TokenStream {
    let conditions = conditions(function);
    let marker = marker(function);
    let named = implement(
        quote!(__batch::Marked),
        &marker_name(&function.sig.ident),
        quote!(const NOUN: &'static str = #noun;),
    );
    quote! {
        #emitted
        #marker
        #(#conditions)*
        #[doc(hidden)]
        #[allow(unexpected_cfgs, deprecated, non_local_definitions, private_interfaces, refining_impl_trait, non_camel_case_types, non_upper_case_globals, clippy::all, clippy::pedantic)]
        const _: () = {
            use ::batch_runtime::__private as __batch;
            #named
            #body
        };
    }
}

/// `enum flights {}`: the type that represents the function.
fn marker(function: &ItemFn) -> TokenStream {
    let conditions = conditions(function);
    let (vis, name) = (&function.vis, marker_name(&function.sig.ident));
    // All of it has the span of the user's own word, so that notes point there.
    let keyword = quote_spanned!(name.span()=> enum);
    let braces = braces(&name, TokenStream::new());
    quote! {
        #(#conditions)*
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #vis #keyword #name #braces
    }
}

/// The marker's name: it has the span of the user's name but counts as generated, so that an unused function is reported
/// once.
pub(crate) fn marker_name(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(Span::call_site().located_at(name.span()));
    name
}

/// `impl Trait for marker`, its head at the user's name: notes about it then point there.
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
