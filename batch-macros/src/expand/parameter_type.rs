//! Expands `#[derive(ParameterType)] enum Region { Eu, #[param(name = "us-east")] UsEast }`.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::DeriveInput;

use crate::check;
use crate::errors::Errors;

/// Expands the derive.
pub(crate) fn parameter_type(input: &DeriveInput, errors: &mut Errors) -> TokenStream {
    let variants = check::parameter_type::variants(input, errors);
    let name = &input.ident;
    let text = name.to_string();
    let values: Vec<_> = variants.iter().map(|(_, value)| value.as_str()).collect();
    let idents: Vec<_> = variants.iter().map(|(ident, _)| *ident).collect();
    let expected = match &values[..] {
        [] => "no value is expected".to_owned(),
        [one] => format!("`{one}` is expected"),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(|value| format!("`{value}`")).collect();
            format!("{} or `{last}` is expected", first.join(", "))
        }
    };
    if !errors.is_empty() {
        return broken(name);
    }
    let store = if variants.is_empty() {
        quote!(::core::option::Option::None)
    } else {
        quote! {
            let value = match self { #(Self::#idents => #values,)* };
            ::core::option::Option::Some(__batch::ParameterValue::String(::std::string::String::from(value)))
        }
    };
    quote! {
        #[doc(hidden)]
        #[allow(unexpected_cfgs, deprecated, non_local_definitions, clippy::all, clippy::pedantic)]
        const _: () = {
            use ::batch_runtime::__private as __batch;
            #[automatically_derived]
            impl __batch::ParameterType for #name {
                const TYPE: __batch::TypeName =
                    __batch::TypeName { module: ::core::module_path!(), name: #text, of: ::core::option::Option::None };
                const VALUES: &'static [&'static str] = &[#(#values),*];
                fn parse(text: &str) -> ::core::result::Result<__batch::ParameterValue, ::std::string::String> {
                    if <Self as __batch::ParameterType>::VALUES.contains(&text) {
                        ::core::result::Result::Ok(__batch::ParameterValue::String(::std::string::String::from(text)))
                    } else {
                        ::core::result::Result::Err(::std::string::String::from(#expected))
                    }
                }
                fn from_value(value: ::core::option::Option<&__batch::ParameterValue>)
                    -> ::core::result::Result<Self, ::std::string::String>
                {
                    match value {
                        #(::core::option::Option::Some(__batch::ParameterValue::String(text)) if text == #values => {
                            ::core::result::Result::Ok(Self::#idents)
                        })*
                        _ => ::core::result::Result::Err(::std::string::String::from(#expected)),
                    }
                }
                fn to_value(&self) -> ::core::option::Option<__batch::ParameterValue> { #store }
            }
        };
    }
}

/// Implements the trait for an enum with a mistake, so that uses of the enum cause no second error.
fn broken(name: &Ident) -> TokenStream {
    let text = name.to_string();
    quote! {
        #[doc(hidden)]
        const _: () = {
            use ::batch_runtime::__private as __batch;
            impl __batch::ParameterType for #name {
                const TYPE: __batch::TypeName = __batch::TypeName::plain(#text);
                fn parse(_: &str) -> ::core::result::Result<__batch::ParameterValue, ::std::string::String> {
                    ::core::unimplemented!()
                }
                fn from_value(_: ::core::option::Option<&__batch::ParameterValue>)
                    -> ::core::result::Result<Self, ::std::string::String>
                {
                    ::core::unimplemented!()
                }
                fn to_value(&self) -> ::core::option::Option<__batch::ParameterValue> { ::core::unimplemented!() }
            }
        };
    }
}
