//! Wraps a call of the user's function: its error becomes a `Failure` that keeps the user's error.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use crate::model::component::Component;
use crate::model::returns::Returns;
use crate::model::types::{impl_trait, last_segment, type_arguments, with_static_lifetimes};

/// `__error` as a failure. An error type that cannot be one is reported at `span`.
pub(crate) fn failure(span: Span) -> TokenStream {
    let convert = quote_spanned!(span=> (&&&&&&Thrown::of(&__error)).failure(__error));
    quote! {{
        use __batch::failure::{AsBoxed as _, AsCarrier as _, AsError as _, AsLocal as _, AsText as _, NoError as _, Thrown};
        #convert
    }}
}

/// The same, for an error type that [`error_check`] has checked.
fn checked_failure() -> TokenStream {
    quote! {{
        use __batch::failure::{AsBoxed as _, AsCarrier as _, AsError as _, AsLocal as _, AsText as _, Reported as _, Thrown};
        (&&&&&&Thrown::of(&__error)).failure(__error)
    }}
}

/// `E` of a `Result<_, E>` that is written out.
fn written_error(returns: &Returns) -> Option<&Type> {
    let segment = last_segment(returns.written.as_ref()?)?;
    type_arguments(segment).get(1).copied().filter(|_| returns.fallible)
}

/// Checks the error type where it is written.
pub(crate) fn error_check(returns: &Returns) -> TokenStream {
    let Some(error) = written_error(returns).map(with_static_lifetimes) else { return TokenStream::new() };
    quote_spanned! { error.span()=>
        #[cfg(not(rust_analyzer))]
        const _: () = { let _ = <#error as __batch::IsError>::IS; };
    }
}

/// The constant that says how a component can fail; its error type is checked where it is written.
pub(crate) fn raises(returns: &Returns) -> TokenStream {
    if !returns.fallible {
        return raises_constant(&quote!(__batch::Raises::Nothing));
    }
    if let Some(error) = written_error(returns).map(with_static_lifetimes) {
        let check = quote_spanned! { error.span()=>
            #[cfg(not(rust_analyzer))]
            let _ = <#error as __batch::IsError>::IS;
        };
        return known(&quote!(#error), &check);
    }
    match returns.written.as_ref().filter(|written| impl_trait(written).is_none()) {
        Some(written) => raises_each(written),
        None => TokenStream::new(),
    }
}

/// The constant for an error of that type, after its check.
fn known(error: &TokenStream, check: &TokenStream) -> TokenStream {
    raises_constant(&quote!({
        #check
        use __batch::RaisesAny as _;
        __batch::RaisesOf::<#error>::IS
    }))
}

/// The constant for an iterator of `Result<_, E>`.
pub(crate) fn raises_each(outcome: &Type) -> TokenStream {
    let outcome = with_static_lifetimes(outcome);
    known(&quote!(<#outcome as __batch::ResultOf>::Error), &TokenStream::new())
}

/// The constant `RAISES` with this value.
pub(crate) fn raises_constant(raises: &TokenStream) -> TokenStream {
    quote!(const RAISES: __batch::Raises = #raises;)
}

fn conversion(returns: &Returns) -> TokenStream {
    match (written_error(returns), &returns.written) {
        (Some(_), _) => checked_failure(),
        (None, Some(written)) => failure(written.span()),
        (None, None) => failure(Span::call_site()),
    }
}

/// The call's value; an error returns from the surrounding function.
pub(crate) fn value_or_return(component: &Component<'_>, call: &TokenStream) -> TokenStream {
    if !component.returns.fallible {
        return call.clone();
    }
    let (failure, name) = (conversion(&component.returns), component.name.to_string());
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
    let failure = conversion(&component.returns);
    quote! {
        match #call {
            ::core::result::Result::Ok(__value) => ::core::result::Result::Ok(__value),
            ::core::result::Result::Err(__error) => ::core::result::Result::Err(#failure),
        }
    }
}
