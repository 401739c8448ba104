//! Receives: a call of the user's function. Gives: its value, or a `Failure` that keeps the user's error.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::model::component::Component;
use crate::model::returns::Returns;

/// `__error` as a failure. `span` is where an error type that cannot be one is reported.
pub(crate) fn failure(span: Span) -> TokenStream {
    let convert = quote_spanned!(span=> failure);
    quote! {{
        use __batch::failure::{AsChain as _, AsError as _, AsText as _, NoError as _, Thrown};
        (&&&&Thrown::of(&__error)).#convert(__error)
    }}
}

fn at(returns: &Returns) -> Span {
    returns.written.as_ref().map_or_else(Span::call_site, |written| {
        // The error type is the word to edit, where it stands there.
        crate::model::types::last_segment(written)
            .and_then(|segment| crate::model::types::type_arguments(segment).get(1).map(Spanned::span))
            .unwrap_or_else(|| written.span())
    })
}

/// The call's value; an error leaves the function around it.
pub(crate) fn value_or_return(component: &Component<'_>, call: &TokenStream) -> TokenStream {
    if !component.returns.fallible {
        return call.clone();
    }
    let (failure, name) = (failure(at(&component.returns)), component.name.to_string());
    quote! {
        match #call {
            ::core::result::Result::Ok(__value) => __value,
            ::core::result::Result::Err(__error) => {
                return ::core::result::Result::Err(__batch::Failure::in_component(#failure, #name));
            }
        }
    }
}

/// The call as a `Result<_, Failure>`.
pub(crate) fn as_result(component: &Component<'_>, call: &TokenStream) -> TokenStream {
    if !component.returns.fallible {
        return quote!(::core::result::Result::Ok(#call));
    }
    let failure = failure(at(&component.returns));
    quote! {
        match #call {
            ::core::result::Result::Ok(__value) => ::core::result::Result::Ok(__value),
            ::core::result::Result::Err(__error) => ::core::result::Result::Err(#failure),
        }
    }
}
