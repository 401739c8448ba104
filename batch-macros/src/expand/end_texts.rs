//! Generates the text of an `end!`, `fail!` or `stop!` as a constant. If it contains values, a hidden function gets
//! them from the scope, like the arguments of a decider, and formats the text.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Attribute;

use super::role_aliases::{self, Roles};
use crate::model::text::Text;

/// The source of a value in a text.
pub(crate) enum TextValue<'t> {
    /// The parameter with that name, whose type has the alias.
    Parameter { name: &'t str, alias: Ident, is_path: bool },
    /// The output of the step that the alias refers to; `word` is its name in the body.
    Output { word: String, alias: Ident },
}

/// A text as an expression.
pub(crate) fn plain(text: Option<&Text>) -> TokenStream {
    text.map_or_else(
        || quote!(__batch::Text::NONE),
        |text| {
            let plain = &text.plain;
            quote!(__batch::Text::plain(#plain))
        },
    )
}

/// The items for a text with values. `used` is the constant that they define.
pub(crate) fn text_with_values(
    text: &Text,
    used: &Ident,
    values: Vec<TextValue<'_>>,
    roles: &mut Roles,
    conditions: &[Attribute],
) -> TokenStream {
    let (word, literal) = (text.word, &text.literal);
    // The call has the span of the text, where rustc then reports a value that cannot be shown.
    let at = Span::call_site().located_at(literal.span());
    let format = format_ident!("__format{used}");
    let (mut items, mut needs, mut fetch) = (TokenStream::new(), TokenStream::new(), TokenStream::new());
    let mut arguments = Vec::new();
    for (index, (name, value)) in text.names.iter().zip(values).enumerate() {
        let local = format_ident!("__a{index}", span = at);
        let argument = Ident::new(name, at);
        match value {
            TextValue::Parameter { name, alias, is_path } => {
                needs.extend(quote!(__batch::Need {
                    name: #name,
                    asked_by: #word,
                    kind: __batch::NeedKind::Parameter(<#alias as __batch::ParameterType>::TYPE),
                },));
                fetch.extend(quote!(let #local = __scope.parameter::<#alias>(#name)?;));
                // A path is shown by its `display()`.
                arguments.push(if is_path {
                    quote!(#argument = #local.display())
                } else {
                    quote_spanned!(at=> #argument = #local)
                });
            }
            TextValue::Output { word: step, alias: named } => {
                let alias = format_ident!("__Told{used}_{index}");
                items.extend(output_alias(&alias, &step, &named, at, roles, conditions));
                needs.extend(quote!(__batch::Need {
                    name: #step,
                    asked_by: #word,
                    kind: __batch::NeedKind::Output {
                        step: <#alias as __batch::Produces>::ID,
                        name: <#alias as __batch::Produces>::NAME,
                        optional: false,
                    },
                },));
                fetch.extend(quote!(let #local = __scope.output::<#alias>()?;));
                arguments.push(quote_spanned!(at=> #argument = **#local));
            }
        }
    }
    let formatted =
        quote_spanned!(at=> ::core::result::Result::Ok(::std::format!(#literal, #(#arguments),*)));
    quote! {
        #items
        #(#conditions)*
        fn #format(__scope: &__batch::Scope<'_>) -> ::core::result::Result<::std::string::String, __batch::Failure> {
            #fetch
            #formatted
        }
        #(#conditions)*
        const #used: &__batch::Use = &__batch::Use {
            name: #word,
            activity: __batch::Activity::Text(&__batch::TextInfo { word: #word, needs: &[#needs], format: #format }),
            bindings: &[],
        };
    }
}

/// An alias that refers to the step if the step has an output. Otherwise rustc reports only that it has none.
fn output_alias(
    alias: &Ident,
    step: &str,
    named: &Ident,
    at: Span,
    roles: &mut Roles,
    conditions: &[Attribute],
) -> TokenStream {
    let role = roles.alias(step, at);
    let why = quote!(__wiring::why_not_shown(#step, __wiring::Probe::<#named>::NOUN));
    let checked_alias = role_aliases::checked_alias(&role, named, &[(at, why)], conditions);
    let check = quote_spanned!(at=> let _ = <#role as __batch::Produces>::ID;);
    quote! {
        #checked_alias
        #(#conditions)*
        #[cfg(not(rust_analyzer))]
        type #alias = <#role as __batch::If<{ #check true }>>::Is;
        #(#conditions)*
        #[cfg(rust_analyzer)]
        type #alias = #role;
    }
}
