//! Collects the mistakes that the checks find and turns each into a `compile_error!`.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};

/// Collects errors, so that a single compilation shows all of them.
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

    /// The number of errors so far. Compare two counts to learn whether a rule was broken in between.
    pub(crate) fn count(&self) -> usize {
        self.found.len()
    }

    /// Records a mistake that rustc reports itself, at the user's own tokens.
    pub(crate) fn leave_to_rustc(&mut self) {
        self.left_to_rustc = true;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty() && !self.left_to_rustc
    }

    /// Takes the first error out and returns it as a type. Rustc reports it, treats the type as erroneous, and
    /// stays silent about everything built on that type.
    pub(crate) fn take_first_as_type(&mut self) -> TokenStream {
        if self.found.is_empty() {
            return quote!(());
        }
        let error = self.found.remove(0).to_compile_error();
        // A failing macro in type position would itself become `()`.
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
        // An unread error would let a broken program compile.
        debug_assert!(self.read || std::thread::panicking(), "errors were collected and never shown");
    }
}
