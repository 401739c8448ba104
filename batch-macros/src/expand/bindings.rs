//! Generates the bindings of one use of a component or step as a constant, and the checks that the arguments
//! exist and accept the values bound to them.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Lit;
use syn::spanned::Spanned;

use crate::syntax::binding::{Binding, BoundTo, literal};
use crate::syntax::name::plain;

/// Generates the constant `&[Binding { .. }]`, with an entry for each binding.
pub(crate) fn constant(bindings: &[Binding]) -> TokenStream {
    let each = bindings.iter().map(|binding| {
        let argument = plain(&binding.argument);
        let to = match &binding.to {
            BoundTo::Parameter(name) => {
                let name = plain(name);
                quote!(__batch::BoundTo::Parameter(#name))
            }
            BoundTo::Constant(value) => {
                let (ty, typed) = match literal(value) {
                    Some((_, Lit::Int(int))) if int.suffix().is_empty() => (
                        quote!(__batch::TypeName::plain("{integer}")),
                        quote!(<i128 as __batch::ConstantValue>::value(&(#value))),
                    ),
                    Some((_, Lit::Float(float))) if float.suffix().is_empty() => (
                        quote!(__batch::TypeName::plain("{float}")),
                        quote!(<f64 as __batch::ConstantValue>::value(&(#value))),
                    ),
                    _ => (
                        quote_spanned!(value.span()=> __batch::wiring::type_of(&(#value))),
                        quote_spanned!(value.span()=> __batch::ConstantValue::value(&(#value))),
                    ),
                };
                quote!(__batch::BoundTo::Constant { ty: #ty, value: || #typed })
            }
        };
        quote!(__batch::Binding { argument: #argument, to: #to })
    });
    quote!(&[#(#each),*])
}

/// Generates the checks of the bindings against `needs`. `constant` is what [`constant`] generated for the same
/// bindings, and `whose` describes the bound component: "reader `flights`".
pub(crate) fn checks(
    bindings: &[Binding],
    whose: &str,
    needs: &TokenStream,
    constant: &TokenStream,
) -> TokenStream {
    let each = bindings.iter().enumerate().map(|(index, binding)| {
        let argument = plain(&binding.argument);
        let exists = quote_spanned! { binding.argument.span()=>
            const _: () = {
                if let ::core::option::Option::Some(message) = __batch::wiring::no_such_argument(#whose, #needs, #argument) {
                    ::core::panic!("{}", message.as_str())
                }
            };
        };
        let fits = match &binding.to {
            BoundTo::Parameter(_) => TokenStream::new(),
            BoundTo::Constant(value) => {
                let number = if let Some((_, Lit::Int(_))) = literal(value) { quote!(::core::option::Option::Some((#value) as i128)) } else { quote!(::core::option::Option::None) };
                quote_spanned! { binding.to.span()=>
                    const _: () = {
                        if let ::core::option::Option::Some(message) =
                            __batch::wiring::does_not_fit(#whose, #needs, &(#constant)[#index], #number)
                        {
                            ::core::panic!("{}", message.as_str())
                        }
                    };
                }
            }
        };
        quote!(#exists #fits)
    });
    let each = quote!(#(#each)*);
    if bindings.is_empty() { each } else { quote!(#[cfg(not(rust_analyzer))] const _: () = { #each };) }
}
