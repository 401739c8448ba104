//! Expands `#[writer] fn save(delays: &[Delay], tx: &Transaction<'_>) -> rusqlite::Result<()>`, or a function that
//! returns a writer object: `#[writer] fn report(output: PathBuf) -> Result<CsvWriter<Row>, WriteError>`

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{ItemFn, Type};

use super::arguments::{call, emitted, injected};
use super::broken;
use super::failure::{as_result, error_check, raises, value_or_return};
use super::marked_function::{checked, implement, marked_function};
use crate::check;
use crate::errors::Errors;
use crate::model::argument::Role;
use crate::model::component::Component;
use crate::model::item::slice_element;
use crate::model::returns::{associated_type, item_of_impl};
use crate::model::types::{borrowed_part, with_scope_lifetimes, with_static_lifetimes};
use crate::syntax::options;

/// Expands `#[writer]`.
pub(crate) fn writer(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    options::read(&options::WRITER, given, errors);
    let role = check::writer::role(function, errors);
    let component = role.map(|role| {
        let component = Component::read(role, function, errors);
        check::writer::check(&component, errors);
        component
    });
    match component {
        Some(component) if errors.is_empty() => {
            let body = match component.role {
                Role::Writer => function_writer(&component),
                _ => object_writer(&component),
            };
            marked_function("writer", function, emitted(function, &component.arguments), body)
        }
        _ => broken::component(Role::Writer, function, errors),
    }
}

fn function_writer(component: &Component<'_>) -> TokenStream {
    let name = component.name;
    let asked = injected(component.role, &component.described(), &component.arguments);
    let (fetch, each, pass) = (&asked.fetch, &asked.fetch_each, &asked.pass);
    let item = slice_element(component.function);
    let called = as_result(component, &call(component, Some(&quote!(__items)), pass));
    let text = name.to_string();
    // A writer's work in a transaction is rolled back with the transaction; its work without one is not.
    let (constructor, tx) =
        if asked.transactional { (quote!(in_transaction), quote!(__tx)) } else { (quote!(new), quote!(_)) };
    let body = quote! {
        #fetch
        ::core::result::Result::Ok(__batch::FunctionWriter::#constructor(
            #text,
            move |__items: &[#item], #tx: &__batch::ChunkTransaction<'_>| { #each #called },
        ))
    };
    // A writer in a transaction can fail without an error of its own: the database may refuse its rows at the commit.
    let known = component.returns.fallible || !asked.transactional;
    let raises = if known { raises(&component.returns) } else { TokenStream::new() };
    let writer = quote!(impl __batch::Partitionable<Item = #item, Position = ()> + 's + use<'s>);
    let needs = &asked.needs;
    definition(component, &asked.aliases, &quote!(&[#needs]), &raises, &quote!(#item), &writer, &body)
}

fn object_writer(component: &Component<'_>) -> TokenStream {
    let asked = injected(component.role, &component.described(), &component.arguments);
    let (fetch, pass) = (&asked.fetch, &asked.pass);
    let value = value_or_return(component, &call(component, None, pass));
    let returned = &component.returns.value;
    let (types, item, writer, ty) = if let Some(item) = item_of_impl(returned, "Writer") {
        let position = position(returned, "Writer");
        let ty = quote!(impl __batch::Writer<Item = #item #position> + 's + use<'s>);
        (quote!(), quote!(#item), quote!(__writer), ty)
    } else if let Some(item) = item_of_impl(returned, "Partitionable") {
        let position = position(returned, "Partitionable");
        let ty = quote!(impl __batch::Partitionable<Item = #item #position> + 's + use<'s>);
        (quote!(), quote!(#item), quote!(__writer), ty)
    } else {
        let ty = with_static_lifetimes(returned);
        let check = quote_spanned!(returned.span()=> let _ = <#ty as __batch::IsWriterObject>::IS;);
        let (writer, seen) = if borrowed_part(returned).is_some() {
            let seen = with_scope_lifetimes(returned);
            (quote!(__writer), quote!(#seen))
        } else {
            (quote!(__batch::same::<__Writer>(__writer)), quote!(__Writer))
        };
        let types = checked(&format_ident!("__Writer"), &ty, check);
        (types, quote!(<__Writer as __batch::Writer>::Item), writer, seen)
    };
    let body = quote! {
        #fetch
        let __writer = #value;
        ::core::result::Result::Ok(#writer)
    };
    let aliases = &asked.aliases;
    let error = error_check(&component.returns);
    let needs = &asked.needs;
    let needs = if types.is_empty() {
        quote!(&[#needs])
    } else {
        let asked_by = component.described();
        let kind = quote!(__batch::NeedKind::Transaction(__database));
        quote! {
            match <__Writer as __batch::Writer>::WRITES_IN {
                ::core::option::Option::None => &[#needs],
                ::core::option::Option::Some(__database) => {
                    &[#needs __batch::Need { name: "", asked_by: #asked_by, kind: #kind }]
                }
            }
        }
    };
    definition(component, &quote!(#aliases #types #error), &needs, &quote!(), &item, &ty, &body)
}

/// The position type of the writer, if the user names one.
fn position(returned: &Type, trait_name: &str) -> Option<TokenStream> {
    associated_type(returned, trait_name, "Position").map(|position| quote!(, Position = #position))
}

fn definition(
    component: &Component<'_>,
    aliases: &TokenStream,
    needs: &TokenStream,
    raises: &TokenStream,
    item: &TokenStream,
    writer: &TokenStream,
    body: &TokenStream,
) -> TokenStream {
    let (name, text) = (component.name, component.name.to_string());
    let definition = implement(
        quote!(__batch::WriterDefinition<#item>),
        name,
        quote! {
            const NAME: &'static str = #text;
            const NEEDS: &'static [__batch::Need] = #needs;
            #raises
            fn bind<'s>(__scope: &__batch::Scope<'s>)
                -> ::core::result::Result<#writer, __batch::Failure>
            {
                #body
            }
        },
    );
    quote!(#aliases #definition)
}
