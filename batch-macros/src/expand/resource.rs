//! Expands `#[resource] fn client(base_url: String) -> Result<Client, E>`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ItemFn;
use syn::spanned::Spanned;

use super::arguments::{call, injected};
use super::broken;
use super::failure::{error_check, value_or_return};
use super::marked_function::{checked, implement, marked_function};
use crate::check;
use crate::errors::Errors;
use crate::model::argument::Role;
use crate::model::component::Component;
use crate::syntax::component::stripped;
use crate::syntax::options;

/// Expands `#[resource]`.
pub(crate) fn resource(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    options::read(&options::RESOURCE, given, errors);
    let component = Component::read(Role::Resource, function, errors);
    check::resource::check(&component, errors);
    if !errors.is_empty() {
        return broken::component(Role::Resource, function, errors);
    }
    let name = component.name;
    let asked = injected(Role::Resource, &component.described(), &component.arguments);
    let (aliases, needs, fetch, pass) = (&asked.aliases, &asked.needs, &asked.fetch, &asked.pass);
    let value = value_or_return(&component, &call(&component, None, pass));
    let (ty, text) = (&component.returns.value, name.to_string());
    let error = error_check(&component.returns);
    let check = quote_spanned!(ty.span()=> let _ = <#ty as __batch::Shared>::IS_SHARED;);
    let shared = checked(&format_ident!("__Shared"), ty, check);
    let definition = implement(
        quote!(__batch::ResourceDefinition),
        name,
        quote! {
            const NAME: &'static str = #text;
            const NEEDS: &'static [__batch::Need] = &[#needs];
            type Value = __Shared;
            fn build(__scope: &__batch::Scope<'_>) -> ::core::result::Result<Self::Value, __batch::Failure> {
                #fetch
                ::core::result::Result::Ok(#value)
            }
        },
    );
    marked_function("resource", function, stripped(function), quote!(#aliases #shared #error #definition))
}
