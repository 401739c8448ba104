//! Expands `#[skip_policy] fn lenient(error: &LoadError, skipped: u64) -> bool`.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ItemFn;
use syn::spanned::Spanned;

use super::marked_function::{checked, implement, marked_function};
use crate::check;
use crate::errors::Errors;
use crate::model::listener::is_any_error;
use crate::syntax::component::stripped;
use crate::syntax::options::{self, Table};

/// Expands `#[skip_policy]`.
pub(crate) fn skip_policy(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    policy(
        &options::SKIP_POLICY,
        "skip policy",
        "skipped",
        &format_ident!("SkipPolicy"),
        given,
        function,
        errors,
    )
}

/// Expands `#[retry_policy]`.
pub(crate) fn retry_policy(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    policy(
        &options::RETRY_POLICY,
        "retry policy",
        "repeated",
        &format_ident!("RetryPolicy"),
        given,
        function,
        errors,
    )
}

fn policy(
    table: &Table,
    noun: &str,
    count: &str,
    implemented: &Ident,
    given: TokenStream,
    function: &ItemFn,
    errors: &mut Errors,
) -> TokenStream {
    options::read(table, given, errors);
    check::signature::check(noun, function, errors);
    check::signature::not_async(noun, function, errors);
    let error = check::policy::check(noun, count, function, errors).filter(|_| errors.is_empty());
    let name = &function.sig.ident;
    let counts = function.sig.inputs.len() > 1;
    let (types, covers) = match error {
        // Any step accepts a broken policy.
        None => (
            quote!(),
            quote!({
                let _ = (__error, __so_far);
                ::core::option::Option::None
            }),
        ),
        Some(error) => {
            let so_far = counts.then(|| quote!(, __so_far));
            let unused = (!counts).then(|| quote!(let _ = __so_far;));
            if is_any_error(&error) {
                (quote!(), quote!({ #unused ::core::option::Option::Some(#name(__error #so_far)) }))
            } else {
                let alias = format_ident!("__Error");
                let check = quote_spanned!(error.span()=> let _ = <__Seen as __batch::NamedError>::IS;);
                let covers = quote!({ #unused __error.downcast_ref::<#alias>().map(|__error| #name(__error #so_far)) });
                let checked = checked(&alias, quote!(__Seen), check);
                (quote!(type __Seen = #error; #checked), covers)
            }
        }
    };
    let implemented = implement(
        quote!(__batch::faults::#implemented),
        name,
        quote! {
            fn covers(__error: &(dyn ::core::error::Error + 'static), __so_far: u64)
                -> ::core::option::Option<bool>
            #covers
        },
    );
    marked_function(noun, function, stripped(function), quote!(#types #implemented))
}
