//! Expands `#[classifier] fn kind(order: &Order) -> Kind`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ItemFn;
use syn::spanned::Spanned;

use super::arguments::{call, emitted, injected};
use super::broken;
use super::failure::{raises, value_or_return};
use super::marked_function::{implement, marked_function};
use crate::check;
use crate::errors::Errors;
use crate::model::argument::Role;
use crate::model::component::Component;
use crate::model::item::{first_argument, taken};
use crate::syntax::options;

/// Expands `#[classifier]`.
pub(crate) fn classifier(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    options::read(&options::CLASSIFIER, given, errors);
    let component = Component::read(Role::Classifier, function, errors);
    check::classifier::check(&component, errors);
    let item = first_argument(function).map(|ty| taken(ty).item);
    let (Some(item), true) = (item, errors.is_empty()) else {
        return broken::component(Role::Classifier, function, errors);
    };
    let name = component.name;
    let asked = injected(Role::Classifier, &component.described(), &component.arguments);
    let (aliases, needs, fetch, pass) = (&asked.aliases, &asked.needs, &asked.fetch, &asked.pass);
    let called = value_or_return(&component, &call(&component, Some(&quote!(__item)), pass));
    let (kind, text) = (&component.returns.value, name.to_string());
    let kind_type = quote_spanned!(kind.span()=> type Kind = #kind;);
    let raises = raises(&component.returns);
    let definition = implement(
        quote!(__batch::ClassifierDefinition<#item>),
        name,
        quote! {
            const NAME: &'static str = #text;
            const NEEDS: &'static [__batch::Need] = &[#needs];
            #raises
            #kind_type
            fn bind<'s>(__scope: &__batch::Scope<'s>) -> ::core::result::Result<
                impl FnMut(&#item) -> ::core::result::Result<Self::Kind, __batch::Failure> + 's + use<'s>,
                __batch::Failure,
            > {
                #fetch
                ::core::result::Result::Ok(move |__item: &#item| ::core::result::Result::Ok(#called))
            }
        },
    );
    marked_function(
        "classifier",
        function,
        emitted(function, &component.arguments),
        quote!(#aliases #definition),
    )
}
