//! Receives: every mistake the checks find. Gives: one `compile_error!` for each.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};

/// Collects errors, so that one compilation shows them all.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    found: Vec<syn::Error>,
    read: bool,
    left_to_rustc: bool,
}

impl Errors {
    /// Adds an error that underlines `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.found.push(syn::Error::new_spanned(tokens, message));
    }

    /// Adds an error that underlines `span`.
    pub(crate) fn at_span(&mut self, span: Span, message: impl Display) {
        self.found.push(syn::Error::new(span, message));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        self.found.push(error);
    }

    /// How many there are: compare two counts to learn whether a rule was broken between them.
    pub(crate) fn count(&self) -> usize {
        self.found.len()
    }

    /// Something is wrong that rustc reports itself at the user's own tokens.
    pub(crate) fn leave_to_rustc(&mut self) {
        self.left_to_rustc = true;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty() && !self.left_to_rustc
    }

    /// The first error as a type, and no longer as an item: rustc reports it, takes the type for an erroneous
    /// one, and is silent about all that is built on it.
    pub(crate) fn take_first_as_type(&mut self) -> TokenStream {
        if self.found.is_empty() {
            return quote!(());
        }
        let error = self.found.remove(0).to_compile_error();
        // In the place of a type itself, a macro that fails stands for `()`.
        quote!([(); { #error }])
    }

    /// All errors as items.
    pub(crate) fn into_tokens(mut self) -> TokenStream {
        self.read = true;
        self.found.iter().map(syn::Error::to_compile_error).collect()
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        // An error that nobody reads would let a broken program compile.
        debug_assert!(self.read || std::thread::panicking(), "errors were collected and never shown");
    }
}
