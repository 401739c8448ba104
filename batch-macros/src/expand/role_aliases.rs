//! Refers to each of the user's paths exactly once, and checks which kind of function it leads to.
//!
//! The path is used in a type alias. There, a name that an attribute defines may shadow a name from a glob import. In
//! an import (`use load as alias`), rustc would refuse such a name as ambiguous, although it would report a function
//! without an attribute more clearly.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Path};

use crate::syntax::name::plain;

/// An item that makes `alias` refer to the user's path.
pub(crate) fn alias_of(alias: &Ident, path: &Path, conditions: &[Attribute]) -> TokenStream {
    quote!(#(#conditions)* type #alias = #path;)
}

/// An alias that refers to `named`, the alias of `path`, if the function at `path` has the attribute `role`.
/// Otherwise rustc reports the missing attribute and nothing more. `also` holds further checks, each with the
/// word that it concerns.
pub(crate) fn in_role(
    alias: &Ident,
    named: &Ident,
    path: &Path,
    role: &str,
    also: Vec<(Span, TokenStream)>,
) -> TokenStream {
    let word = path.segments.last().map(|last| plain(&last.ident)).unwrap_or_default();
    let why = quote!(__wiring::why_not_in_role(#word, #role, __wiring::Probe::<#named>::NOUN));
    let whys: Vec<_> = std::iter::once((alias.span(), why)).chain(also).collect();
    checked_alias(alias, named, &whys, &[])
}

/// An alias that refers to `named` if each of `whys` is `None`. Otherwise rustc reports the first message, at its word,
/// and nothing more.
pub(crate) fn checked_alias(
    alias: &Ident,
    named: &Ident,
    whys: &[(Span, TokenStream)],
    conditions: &[Attribute],
) -> TokenStream {
    let panics = whys.iter().map(|(span, why)| {
        quote_spanned! {*span=>
            if let ::core::option::Option::Some(message) = #why {
                ::core::panic!("{}", message.as_str())
            }
        }
    });
    quote! {
        #(#conditions)*
        #[cfg(not(rust_analyzer))]
        type #alias = <#named as ::batch_runtime::__private::If<{
            use ::batch_runtime::graph::wiring as __wiring;
            use __wiring::{Nothing as _, NotOffered as _};
            #(#panics)*
            true
        }>>::Is;
        #(#conditions)*
        #[cfg(rust_analyzer)]
        type #alias = #named;
    }
}

/// Names the aliases of a body or a pipe: `role_of_late`, `role_of_late_2`. Rustc shows this name in its message if the
/// function does not have the role that its place requires.
#[derive(Default)]
pub(crate) struct Roles {
    words: Vec<String>,
}

impl Roles {
    pub(crate) fn alias(&mut self, word: &str, span: Span) -> Ident {
        let before = self.words.iter().filter(|known| *known == word).count();
        self.words.push(word.to_owned());
        match before {
            0 => format_ident!("role_of_{word}", span = span),
            _ => format_ident!("role_of_{word}_{}", before + 1, span = span),
        }
    }
}
