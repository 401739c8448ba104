//! Expands `#[database] fn warehouse(warehouse_path: PathBuf) -> Result<Sqlite, E>`.

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

/// Expands `#[database]`.
pub(crate) fn database(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    options::read(&options::DATABASE, given, errors);
    let component = Component::read(Role::Database, function, errors);
    check::resource::check(&component, errors);
    if !errors.is_empty() {
        return broken::component(Role::Database, function, errors);
    }
    let name = component.name;
    let asked = injected(Role::Database, &component.described(), &component.arguments);
    let (aliases, needs, fetch, pass) = (&asked.aliases, &asked.needs, &asked.fetch, &asked.pass);
    let value = value_or_return(&component, &call(&component, None, pass));
    let (ty, text) = (&component.returns.value, name.to_string());
    let error = error_check(&component.returns);
    let check = quote_spanned!(ty.span()=> let _ = <#ty as __batch::ConnectsTo>::IS_DRIVER;);
    let driver = checked(&format_ident!("__Driver"), ty, check);
    let definition = implement(
        quote!(__batch::Database),
        name,
        quote! {
            type Driver = __Driver;
            const INFO: ::core::option::Option<&'static __batch::DatabaseInfo> =
                ::core::option::Option::Some(&__batch::DatabaseInfo {
                    id: ::core::concat!(::core::module_path!(), "::", #text),
                    name: #text,
                    needs: &[#needs],
                    open: __open,
                });
        },
    );
    let open = quote! {
        fn __open(__scope: &__batch::Scope<'_>) -> ::core::result::Result<__batch::DatabaseHandle, __batch::Failure> {
            #fetch
            let __database = __batch::same::<__Driver>(#value);
            ::core::result::Result::Ok(__batch::Driver::into_handle(__database))
        }
    };
    marked_function(
        "database",
        function,
        stripped(function),
        quote!(#aliases #driver #error #open #definition),
    )
}
