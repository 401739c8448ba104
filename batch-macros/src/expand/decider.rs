//! Expands `#[decider] fn quality(seen: &Output<count>) -> Quality`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ItemFn;
use syn::spanned::Spanned;

use super::arguments::{emitted, injected};
use super::failure::value_or_return;
use super::marked_function::{implement, marked_function};
use crate::check;
use crate::errors::Errors;
use crate::model::argument::Role;
use crate::model::component::Component;
use crate::model::types::with_static_lifetimes;
use crate::syntax::component;
use crate::syntax::name::plain;
use crate::syntax::options::{self, Table};

const DECIDER: Table = Table::new("decider", &[], &[]);

/// Expands `#[decider]`.
pub(crate) fn decider(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    options::read(&DECIDER, given, errors);
    let decider = Component::read(Role::Decider, function, errors);
    check::decider::check(&decider, errors);
    if !errors.is_empty() {
        return broken(function, errors);
    }
    let (name, text) = (decider.name, plain(decider.name));
    let asked = injected(Role::Decider, &decider.described(), &decider.arguments);
    let (aliases, needs, fetch, pass) = (&asked.aliases, &asked.needs, &asked.fetch, &asked.pass);
    let value = value_or_return(&decider, &quote!(#name(#(#pass),*)));
    let outcome = with_static_lifetimes(&decider.returns.value);
    let outcome_at = quote_spanned!(outcome.span()=> type Outcome = #outcome;);
    let definition = implement(
        quote!(__batch::Decides),
        name,
        quote! {
            #outcome_at
            const SUBJECT: __batch::Subject = __batch::Subject::Decider(&__batch::DeciderInfo {
                id: ::core::concat!(::core::module_path!(), "::", #text),
                name: #text,
                needs: &[#needs],
                decide: __decide,
            });
        },
    );
    let decide = quote! {
        fn __decide(__scope: &__batch::Scope<'_>) -> ::core::result::Result<
            ::std::boxed::Box<dyn ::core::any::Any>,
            __batch::Failure,
        > {
            #fetch
            ::core::result::Result::Ok(::std::boxed::Box::new(#value))
        }
    };
    marked_function(
        "decider",
        function,
        emitted(function, &decider.arguments),
        quote!(#aliases #definition #decide),
    )
}

/// Expands a decider with a mistake: rustc says nothing about jobs that match on it.
fn broken(function: &ItemFn, errors: &mut Errors) -> TokenStream {
    let (name, text) = (&function.sig.ident, plain(&function.sig.ident));
    let erroneous = errors.take_first_as_type();
    let code = quote! {
        impl __batch::Decides for #name {
            // The outcome must not rule out a `bool`. The erroneous array itself would, but this type does not.
            type Outcome = <() as __batch::If<{ let _: #erroneous; true }>>::Is;
            const SUBJECT: __batch::Subject = __batch::Subject::Decider(&__batch::DeciderInfo {
                id: "",
                name: #text,
                needs: &[],
                decide: |_| ::core::unimplemented!(),
            });
        }
    };
    marked_function("decider", function, component::stripped(function), code)
}
