//! Expands `#[partitioner] fn regions() -> Vec<(String, Range)>`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ItemFn;
use syn::spanned::Spanned;

use super::arguments::{call, emitted, injected};
use super::broken;
use super::failure::{error_check, value_or_return};
use super::marked_function::{checked, implement, marked_function};
use crate::check;
use crate::errors::Errors;
use crate::model::argument::Role;
use crate::model::component::Component;
use crate::syntax::options;

/// Expands `#[partitioner]`.
pub(crate) fn partitioner(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    options::read(&options::PARTITIONER, given, errors);
    let component = Component::read(Role::Partitioner, function, errors);
    let range = check::partitioner::range(&component, errors);
    let (Some(range), true) = (range, errors.is_empty()) else {
        return broken::component(Role::Partitioner, function, errors);
    };
    let name = component.name;
    let asked = injected(Role::Partitioner, &component.described(), &component.arguments);
    let (aliases, needs, fetch, pass) = (&asked.aliases, &asked.needs, &asked.fetch, &asked.pass);
    let value = value_or_return(&component, &call(&component, None, pass));
    let text = name.to_string();
    let check = quote_spanned!(range.span()=> let _ = <#range as __batch::IsRange>::IS;);
    let ranges = checked(&format_ident!("__Range"), range, check);
    let error = error_check(&component.returns);
    let definition = implement(
        quote!(__batch::PartitionerDefinition),
        name,
        quote! {
            const NAME: &'static str = #text;
            const NEEDS: &'static [__batch::Need] = &[#needs];
            type Range = __Range;
            fn partitions(__scope: &__batch::Scope<'_>) -> ::core::result::Result<
                ::std::vec::Vec<(::std::string::String, Self::Range)>,
                __batch::Failure,
            > {
                #fetch
                ::core::result::Result::Ok(#value)
            }
        },
    );
    marked_function(
        "partitioner",
        function,
        emitted(function, &component.arguments),
        quote!(#aliases #ranges #error #definition),
    )
}
