//! Names what the user names, once, and asks what it is.
//!
//! A path as a type is refused by rustc where it leads to a function without an attribute, "expected type, found function", and
//! nothing of ours can be said there. So the path is imported under an alias, and a glob import of the same alias stands in where
//! nothing among the types bears the user's name. An import of one word must find something too: a macro of that name, which
//! nobody calls, is there in any case. A word that is no name at all is reported by a mention of it as a value, where rustc
//! looks for a function of a similar name; it would find that macro, so the imports stand behind all mentions.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Path};

use crate::model::body::plain;

/// Items by which `alias` is what the user's path leads to among the types, or a stand-in.
pub(crate) fn import(alias: &Ident, path: &Path, conditions: &[Attribute]) -> TokenStream {
    // What is not found behind a module is reported where it is named, whatever would stand in.
    let Some(word) = path.get_ident().filter(|word| !is_keyword(word)) else {
        return quote!(#(#conditions)* type #alias = #path;);
    };
    let behind = format_ident!("{}_behind", alias, span = Span::call_site());
    quote! {
        #(#conditions)*
        #[cfg(not(rust_analyzer))]
        #[allow(unused_macros)]
        macro_rules! #word { () => {}; }
        #(#conditions)*
        #[cfg(not(rust_analyzer))]
        #[allow(unused_imports)]
        use #path as #alias;
        #(#conditions)*
        #[cfg(not(rust_analyzer))]
        mod #behind { pub(super) use ::batch_runtime::__private::Unmarked as #alias; }
        #(#conditions)*
        #[cfg(not(rust_analyzer))]
        #[allow(unused_imports)]
        use #behind::*;
        #(#conditions)*
        #[cfg(rust_analyzer)]
        type #alias = #path;
    }
}

fn is_keyword(word: &Ident) -> bool {
    ["self", "Self", "super", "crate"].iter().any(|keyword| word == keyword)
}

/// A statement in which rustc says that nothing is called so; empty where the path itself says it, or the word names a type.
pub(crate) fn mention(path: &Path) -> TokenStream {
    match path.get_ident() {
        Some(word) if !is_keyword(word) && plain(word).starts_with(|first: char| !first.is_uppercase()) => {
            quote_spanned!(word.span()=> let _ = #word;)
        }
        _ => TokenStream::new(),
    }
}

/// An alias that stands for `named`, to which `path` leads, where that has the attribute `role`; else rustc says that it has
/// not, and nothing more. `also` is a second question, and the word it is about.
pub(crate) fn in_role(
    alias: &Ident,
    named: &Ident,
    path: &Path,
    role: &str,
    also: Option<(Span, TokenStream)>,
) -> TokenStream {
    let word = path.segments.last().map(|last| plain(&last.ident)).unwrap_or_default();
    let why = quote!(__wiring::why_not_in_role(#word, #role, __wiring::Probe::<#named>::NOUN));
    let whys: Vec<_> = std::iter::once((alias.span(), why)).chain(also).collect();
    proven(alias, named, &mention(path), &whys, &[])
}

/// An alias that stands for `named` where each of `whys` is `None`; else rustc says the first that is not, at its word, and
/// nothing more.
pub(crate) fn proven(
    alias: &Ident,
    named: &Ident,
    mention: &TokenStream,
    whys: &[(Span, TokenStream)],
    conditions: &[Attribute],
) -> TokenStream {
    let told = whys.iter().map(|(span, why)| {
        quote_spanned! {*span=>
            if let ::core::option::Option::Some(message) = #why {
                ::core::panic!("{}", message.as_str())
            }
        }
    });
    // Apart from the alias: within it, rustc would propose a generic parameter.
    let known = format_ident!("__{alias}_is_known", span = Span::call_site());
    let (known, read) = if mention.is_empty() {
        (TokenStream::new(), TokenStream::new())
    } else {
        let constant = quote! {
            #(#conditions)*
            #[cfg(not(rust_analyzer))]
            const #known: () = { #mention };
        };
        (constant, quote!(#known;))
    };
    quote! {
        #known
        #(#conditions)*
        #[cfg(not(rust_analyzer))]
        type #alias = <#named as ::batch_runtime::__private::If<{
            use ::batch_runtime::graph::wiring as __wiring;
            use __wiring::{Nothing as _, NotOffered as _};
            #read
            #(#told)*
            true
        }>>::Is;
        #(#conditions)*
        #[cfg(rust_analyzer)]
        type #alias = #named;
    }
}

/// Names the aliases of a body or a pipe: `role_of_late`, `role_of_late_2`. Rustc's message shows the name where the role is
/// another.
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
