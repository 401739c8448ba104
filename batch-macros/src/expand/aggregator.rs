//! Expands `#[aggregator] fn total(parts: Vec<Sum>) -> Sum`, and `#[step(chunk = 100, partitions = 8, aggregator =
//! total)]`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, ItemFn};

use super::arguments::{call, emitted, injected};
use super::broken;
use super::failure::{error_check, value_or_return};
use super::marked_function::{checked, implement, marked_function};
use crate::check;
use crate::errors::Errors;
use crate::model::argument::Role;
use crate::model::component::Component;
use crate::model::step::StepOptions;
use crate::model::types::shown;
use crate::syntax::options;

/// Expands `#[aggregator]`.
pub(crate) fn aggregator(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    options::read(&options::AGGREGATOR, given, errors);
    let component = Component::read(Role::Aggregator, function, errors);
    let part = check::aggregator::part(&component, errors);
    check::aggregator::value(&component, errors);
    let (Some(part), true) = (part, errors.is_empty()) else {
        return broken::component(Role::Aggregator, function, errors);
    };
    let name = component.name;
    let asked = injected(Role::Aggregator, &component.described(), &component.arguments);
    let (aliases, needs, fetch, pass) = (&asked.aliases, &asked.needs, &asked.fetch, &asked.pass);
    let called = value_or_return(&component, &call(&component, Some(&quote!(__parts)), pass));
    let value = &component.returns.value;
    let left = quote_spanned!(value.span()=> let _ = <#value as __batch::Leaves>::IS_LEFT;);
    let values = checked(&format_ident!("__Value"), value, left);
    // Rustc reports a private type of a public function here.
    let part_type = quote_spanned!(part.span()=> type Part = #part;);
    let value_type = quote_spanned!(value.span()=> type Value = __Value;);
    let (text, part_text) = (name.to_string(), shown(part));
    let definition = implement(
        quote!(__batch::AggregatorDefinition),
        name,
        quote! {
            const NAME: &'static str = #text;
            const NEEDS: &'static [__batch::Need] = &[#needs];
            const PART: &'static str = #part_text;
            #part_type
            #value_type
            fn aggregate(
                __scope: &__batch::Scope<'_>,
                __stored: ::std::vec::Vec<::core::option::Option<__batch::Json>>,
            ) -> ::core::result::Result<::std::string::String, __batch::Failure> {
                #fetch
                let mut __parts = ::std::vec::Vec::with_capacity(__stored.len());
                for __stored in __stored {
                    use __batch::{AsState as _, NoState as _};
                    __parts.push((&__batch::Stored::<#part>::OF).part(__stored)?);
                }
                __batch::left_json::<__Value>(&__batch::same(#called))
            }
        },
    );
    let error = error_check(&component.returns);
    marked_function(
        "aggregator",
        function,
        emitted(function, &component.arguments),
        quote!(#aliases #values #error #definition),
    )
}

/// A processor of the step: its alias, and the trait that holds its constants and types.
pub(super) struct StepProcessor {
    pub(super) alias: Ident,
    pub(super) definition: TokenStream,
}

/// The additional code of a step with an aggregator.
pub(super) struct Aggregated {
    /// The value in the step's options.
    pub(super) option: TokenStream,
    /// The impls and checks next to its pipe.
    pub(super) beside: TokenStream,
}

impl Aggregated {
    /// For a step without an aggregator.
    pub(super) fn none() -> Self {
        Self { option: quote!(::core::option::Option::None), beside: quote!() }
    }

    /// For the step `step` with these processors; `alias` refers to the aggregator, which is named at `span`.
    pub(super) fn of(step: &Ident, alias: &Ident, span: Span, processors: &[StepProcessor]) -> Self {
        let definition = quote!(<#alias as __batch::AggregatorDefinition>);
        let keeping = processors.iter().map(|StepProcessor { alias, definition: of }| {
            quote! {
                __batch::Keeping {
                    name: <#alias as #of>::NAME,
                    fits: __batch::Keeps::<<#alias as #of>::State, #definition::Part>::IT,
                    stored: ::core::mem::size_of::<<#alias as #of>::State>() > 0,
                },
            }
        });
        let text = step.to_string();
        let check = quote_spanned! {span=>
            if let ::core::option::Option::Some(message) =
                __batch::no_keeper(#text, #definition::NAME, #definition::PART, __KEEPING)
            {
                ::core::panic!("{}", message.as_str())
            }
        };
        let produces = produces(step, &quote_spanned!(span=> type Value = #definition::Value;));
        let beside = quote! {
            const __KEEPING: &[__batch::Keeping] = {
                #[allow(unused_imports)]
                use __batch::KeepsAnother as _;
                &[#(#keeping)*]
            };
            #[cfg(not(rust_analyzer))]
            const _: () = { #check };
            #produces
        };
        let option = quote! {
            ::core::option::Option::Some(__batch::Aggregation {
                name: #definition::NAME,
                keeper: __batch::keeper(__KEEPING),
                aggregate: #definition::aggregate,
            })
        };
        Self { option, beside }
    }
}

/// `impl Produces` for the step; `value` is its associated type.
fn produces(step: &Ident, value: &TokenStream) -> TokenStream {
    let text = step.to_string();
    implement(
        quote!(__batch::Produces),
        step,
        quote! {
            const ID: &'static str = ::core::concat!(::core::module_path!(), "::", #text);
            const NAME: &'static str = #text;
            #value
        },
    )
}

/// The output of a step with a mistake and an aggregator: an erroneous type, so that the components that ask for
/// it cause no further errors.
pub(super) fn broken_output(
    options: &StepOptions,
    function: &ItemFn,
    errors: &mut Errors,
) -> Option<TokenStream> {
    options.given.iter().any(|name| name == "aggregator").then(|| {
        let erroneous = errors.take_first_as_type();
        produces(&function.sig.ident, &quote!(type Value = #erroneous;))
    })
}
