//! Expands `#[reader] fn flights(input: PathBuf) -> Result<CsvReader<Flight>, ReadError>`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ItemFn;
use syn::spanned::Spanned;

use super::arguments::{call, emitted, injected};
use super::broken;
use super::failure::{error_check, failure, raises_constant, raises_each, value_or_return};
use super::marked_function::{checked, implement, marked_function};
use crate::check;
use crate::errors::Errors;
use crate::model::argument::Role;
use crate::model::component::Component;
use crate::model::item::{Source, lend_items, source};
use crate::model::returns::item_of_impl;
use crate::model::types::{borrowed_part, with_scope_lifetimes, with_static_lifetimes};
use crate::syntax::options;

/// Expands `#[reader]`.
pub(crate) fn reader(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    options::read(&options::READER, given, errors);
    let function = &lend_items(function);
    let component = Component::read(Role::Reader, function, errors);
    check::reader::check(&component, errors);
    if !errors.is_empty() {
        return broken::component(Role::Reader, function, errors);
    }
    let name = component.name;
    let asked = injected(Role::Reader, &component.described(), &component.arguments);
    let (aliases, needs, fetch, pass) = (&asked.aliases, &asked.needs, &asked.fetch, &asked.pass);
    let value = value_or_return(&component, &call(&component, None, pass));
    let Opened { types, item, made, reader } = source_parts(&component);
    let text = name.to_string();
    // Rustc reports a private item of a public function here.
    let item_type = quote_spanned!(component.returns.value.span()=> type Item = #item;);
    let raises = match (source(&component.returns.value), component.returns.fallible) {
        (Source::Iterator { .. }, false) => raises_constant(&quote!(__batch::Raises::Nothing)),
        (Source::FallibleIterator { .. }, false) => item_of_impl(&component.returns.value, "Iterator")
            .map_or_else(TokenStream::new, |each| raises_each(&each)),
        _ => quote!(),
    };
    let definition = implement(
        quote!(__batch::ReaderDefinition),
        name,
        quote! {
            const NAME: &'static str = #text;
            const NEEDS: &'static [__batch::Need] = &[#needs];
            #raises
            #item_type
            fn open<'s>(__scope: &__batch::Scope<'s>)
                -> ::core::result::Result<#reader, __batch::Failure>
            {
                #fetch
                let __source = #value;
                ::core::result::Result::Ok(__batch::with_stop_signal(#made, __scope))
            }
        },
    );
    let reads = implement(quote!(__batch::Reads<#item>), name, quote!());
    let takes = asked
        .partition
        .as_ref()
        .map(|range| implement(quote!(__batch::TakesPartition<#range>), name, quote!()));
    let error = error_check(&component.returns);
    marked_function(
        "reader",
        function,
        emitted(function, &component.arguments),
        quote!(#aliases #types #error #definition #reads #takes),
    )
}

/// How a reader is opened.
struct Opened {
    types: TokenStream,
    item: TokenStream,
    /// The expression for the reader, built from `__source`.
    made: TokenStream,
    /// Its type, if that has a name: a step then sees what the reader can do besides reading.
    reader: TokenStream,
}

fn source_parts(component: &Component<'_>) -> Opened {
    let value = &component.returns.value;
    let reader = quote!(impl __batch::Reader<Item = Self::Item> + 's + use<'s>);
    match source(value) {
        Source::Iterator { item } => Opened {
            types: quote!(),
            item: quote!(#item),
            made: quote!(__batch::IteratorReader::new(__source)),
            reader,
        },
        Source::FallibleIterator { item } => {
            let failure = failure(value.span());
            let made = quote!(__batch::FallibleIteratorReader::new(__source, |__error| #failure));
            Opened { types: quote!(), item: quote!(#item), made, reader }
        }
        Source::OpaqueReader { item, splits } => {
            let reader = if splits {
                quote!(impl __batch::Splittable<Item = Self::Item> + 's + use<'s>)
            } else {
                reader
            };
            Opened { types: quote!(), item: quote!(#item), made: quote!(__source), reader }
        }
        Source::Reader => {
            let ty = with_static_lifetimes(value);
            let alias = format_ident!("__Reader");
            let check = quote_spanned!(value.span()=> let _ = <#ty as __batch::IsReaderObject>::IS;);
            let item = quote!(<__Reader as __batch::Reader>::Item);
            let (made, reader) = if borrowed_part(value).is_some() {
                let reader = with_scope_lifetimes(value);
                (quote!(__source), quote!(#reader))
            } else {
                // Passed as the checked type, so that a type that is not a reader is reported once.
                (quote!(__batch::same::<__Reader>(__source)), quote!(__Reader))
            };
            Opened { types: checked(&alias, &ty, check), item, made, reader }
        }
    }
}
