//! Runs an attribute on an item: parses both, expands them, and appends every error. The user's item is always
//! emitted, even with mistakes in it, so that the rest of the crate and the editor find the names they expect.

use proc_macro::TokenStream;
use proc_macro2::{Span, TokenStream as Tokens};
use quote::quote;
use syn::{DeriveInput, ItemFn};

use crate::errors::Errors;

/// Expands an attribute's options and its function into the code that replaces both, including the function.
pub(crate) type Expander = fn(Tokens, &ItemFn, &mut Errors) -> Tokens;

/// Runs an attribute of a function.
pub(crate) fn function(
    attribute: &'static str,
    options: TokenStream,
    item: TokenStream,
    expand: Expander,
) -> TokenStream {
    let item = Tokens::from(item);
    let mut errors = Errors::default();
    let mut out = match syn::parse2::<ItemFn>(item.clone()) {
        // An `impl` has no room for the generated items next to a method.
        Ok(function) if function.sig.receiver().is_some() => {
            errors.at(
                function.sig.inputs.first(),
                format!("`#[{attribute}]` goes on a function without `self`: move it out of the `impl`"),
            );
            item
        }
        Ok(function) => expand(options.into(), &function, &mut errors),
        Err(error) => {
            if syn::parse2::<syn::Item>(item.clone()).is_ok() {
                errors.at_span(
                    item.clone().into_iter().next().map_or_else(Span::call_site, |token| token.span()),
                    format!("`#[{attribute}]` goes on a function: `#[{attribute}] fn name(..) {{ .. }}`"),
                );
            } else {
                errors.push(error);
            }
            item
        }
    };
    out.extend(errors.into_tokens());
    out.into()
}

/// Runs a derive, which leaves the item itself in place.
pub(crate) fn derive(item: TokenStream, expand: fn(&DeriveInput, &mut Errors) -> Tokens) -> TokenStream {
    let mut errors = Errors::default();
    let mut out = match syn::parse::<DeriveInput>(item) {
        Ok(input) => expand(&input, &mut errors),
        Err(error) => {
            errors.push(error);
            quote!()
        }
    };
    out.extend(errors.into_tokens());
    out.into()
}

/// Runs a function-like macro.
pub(crate) fn call(given: TokenStream, expand: fn(Tokens, &mut Errors) -> Tokens) -> TokenStream {
    let mut errors = Errors::default();
    let mut out = expand(given.into(), &mut errors);
    out.extend(errors.into_tokens());
    out.into()
}
