//! Expands `#[chunk_while] fn same_customer(last: &Order, next: &Order) -> bool`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ItemFn;

use super::arguments::{call, emitted, injected};
use super::broken;
use super::marked_function::{implement, marked_function};
use crate::check;
use crate::errors::Errors;
use crate::model::argument::Role;
use crate::model::component::Component;
use crate::model::grouping::Shape;
use crate::syntax::options;

/// Expands `#[chunk_while]`.
pub(crate) fn chunk_while(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    options::read(&options::CHUNK_WHILE, given, errors);
    let shape = Shape::of(function);
    let component = Component::read_after(shape.shown(), Role::Grouping, function, errors);
    let item = check::grouping::item(&component, shape, errors);
    let (Some(item), true) = (item, errors.is_empty()) else {
        return broken::component(Role::Grouping, function, errors);
    };
    let (name, text) = (component.name, component.name.to_string());
    let asked = injected(Role::Grouping, &component.described(), &component.arguments);
    let (aliases, needs, fetch, pass) = (&asked.aliases, &asked.needs, &asked.fetch, &asked.pass);
    let alias = format_ident!("__Item");
    let (shown, adapted) = match (shape, &asked.state) {
        (Shape::Totalled, Some(state)) => {
            (quote!(__next), quote!(__batch::Totalled::<#state, _>::new::<#alias>))
        }
        _ => (quote!(__last, __next), quote!(__batch::Pairwise)),
    };
    let arguments = if let (Shape::Totalled, Some(state)) = (shape, &asked.state) {
        quote!(__state: &mut #state, __next: &#alias)
    } else {
        quote!(__last: &#alias, __next: &#alias)
    };
    let called = call(&component, Some(&shown), pass);
    let definition = implement(
        quote!(__batch::GroupingDefinition<#alias>),
        name,
        quote! {
            const NAME: &'static str = #text;
            const NEEDS: &'static [__batch::Need] = &[#needs];
            fn bind<'s>(__scope: &__batch::Scope<'s>) -> ::core::result::Result<
                impl __batch::Grouping<#alias> + 's + use<'s>,
                __batch::Failure,
            > {
                #fetch
                ::core::result::Result::Ok(#adapted(move |#arguments| -> bool { #called }))
            }
        },
    );
    let role = implement(quote!(__batch::IsGrouping), name, quote!());
    marked_function(
        Role::Grouping.noun(),
        function,
        emitted(function, &component.arguments),
        quote!(type #alias = #item; #aliases #role #definition),
    )
}
