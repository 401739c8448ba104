//! Expands `#[step] fn tally(tx: &Transaction<'_>, #[state] seen: &mut Seen) -> rusqlite::Result<Total>`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ItemFn;

use super::arguments::{call, emitted, injected};
use super::definition::{broken, decides_by_end, definition, no_kinds};
use super::failure::{error_check, value_or_return};
use super::marked_function::{checked, implement, marked_function};
use super::role_aliases::{self, Roles};
use crate::check;
use crate::errors::Errors;
use crate::model::argument::Role;
use crate::model::component::Component;
use crate::model::step::StepOptions;
use crate::model::types::{has_lifetimes, is_named, is_unit};
use crate::syntax::component::stripped;

/// Expands a step without `chunk`.
pub(crate) fn tasklet(options: &StepOptions, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    let component = Component::read(Role::Tasklet, function, errors);
    check::tasklet::check(&component, errors);
    check::tasklet::timeout(options, &component, errors);
    let kind = quote!(__batch::StepKind::Tasklet);
    if !errors.is_empty() {
        let (definition, ended) = (broken(function, &kind), broken_outcome(function, errors));
        return marked_function("step", function, stripped(function), quote!(#definition #ended));
    }
    let name = component.name;
    let text = name.to_string();
    let described = component.described();
    let asked = injected(Role::Tasklet, &described, &component.arguments);
    let (aliases, needs) = (&asked.aliases, &asked.needs);
    let (fetch, each, pass) = (&asked.fetch, &asked.fetch_each, &asked.pass);
    let Listeners { types, uses, method } = listeners(options);
    let components = quote! {
        &[
            __batch::ComponentUse { role: "tasklet", name: #text, needs: &[#needs], bindings: &[], raises: __batch::Raises::Unknown },
            #uses
        ]
    };
    let definition = definition(
        function,
        &kind,
        options,
        &components,
        &no_kinds(),
        &quote!(__batch::run_tasklet::<#name>),
    );
    let state = asked.state.as_ref().map_or_else(|| quote!(()), |alias| quote!(#alias));
    let returned = Returned::of(&component);
    let (value, call_end, output) = returned.parts();
    let called = value_or_return(&component, &call(&component, None, pass));
    let transactional = asked.transactional;
    let tasklet = implement(
        quote!(__batch::Tasklet),
        name,
        quote! {
            type State = #state;
            type Value = #value;
            const TRANSACTIONAL: bool = #transactional;
            fn call(
                __scope: &__batch::Scope<'_>,
                __tx: &__batch::ChunkTransaction<'_>,
                __state: &mut Self::State,
            ) -> ::core::result::Result<__batch::TaskletCall<Self::Value>, __batch::Failure> {
                #fetch
                #each
                let __returned = #called;
                ::core::result::Result::Ok(#call_end)
            }
            fn output(__value: &Self::Value)
                -> ::core::result::Result<::core::option::Option<::std::string::String>, __batch::Failure>
            {
                #output
            }
            #method
        },
    );
    let error = error_check(&component.returns);
    let outcome = match &returned {
        Returned::Value { value, .. } => value_outcome(function, value, value),
        _ => decides_by_end(function),
    };
    marked_function(
        "step",
        function,
        emitted(function, &component.arguments),
        quote!(#aliases #types #error #definition #tasklet #outcome),
    )
}

#[derive(Default)]
struct Listeners {
    types: TokenStream,
    uses: TokenStream,
    method: Option<TokenStream>,
}

/// The listeners of a tasklet, which are notified when it begins and ends.
fn listeners(options: &StepOptions) -> Listeners {
    let mut out = Listeners::default();
    let definition = quote!(__batch::ListenerDefinition<(), ()>);
    let (mut bound, mut roles) = (Vec::new(), Roles::default());
    for (index, part) in options.listeners.iter().enumerate() {
        let (span, name, path) = (part.span(), part.name(), &part.path);
        let (named, user) = (format_ident!("__Named{index}", span = span), roles.alias(&name, span));
        let (listener, alias) =
            (format_ident!("__Hears{index}", span = span), format_ident!("__Listener{index}"));
        out.types.extend(role_aliases::in_role(&user, &named, path, "listener", Vec::new()));
        out.types.extend(role_aliases::alias_of(&named, path, &[]));
        let is = quote_spanned!(span=> let _ = <#user as __batch::IsListener>::IS;);
        out.types.extend(checked(&listener, &user, is));
        let steps = quote_spanned!(span=> let _ = <#listener as __batch::HearsSteps>::IS;);
        out.types.extend(checked(&alias, &listener, steps));
        out.uses.extend(quote! {
            __batch::ComponentUse {
                role: "listener",
                name: #name,
                needs: <#alias as #definition>::NEEDS,
                bindings: &[],
                raises: __batch::Raises::Unknown,
            },
        });
        bound.push(quote!(<#alias as #definition>::bind(__scope)?));
    }
    let joined = bound.into_iter().rev().reduce(|rest, first| quote!(__batch::Listeners::new(#first, #rest)));
    out.method = joined.map(|joined| {
        quote! {
            fn listener<'s>(__scope: &__batch::Scope<'s>) -> ::core::result::Result<
                impl __batch::StepListener<(), ()> + 's + use<'s>,
                __batch::Failure,
            > {
                ::core::result::Result::Ok(#joined)
            }
        }
    });
    out
}

enum Returned {
    Nothing,
    Repeat,
    Exit,
    Value { value: TokenStream, owned: bool },
}

impl Returned {
    fn of(component: &Component<'_>) -> Self {
        let value = &component.returns.value;
        if is_unit(value) {
            Self::Nothing
        } else if is_named(value, "Repeat") {
            Self::Repeat
        } else if is_named(value, "Exit") {
            Self::Exit
        } else {
            // A value with a `&'static` inside cannot be read back, so it can only be matched on.
            Self::Value { value: quote!(#value), owned: !has_lifetimes(value) }
        }
    }

    /// The value's type, the end of one call, and the output.
    fn parts(&self) -> (TokenStream, TokenStream, TokenStream) {
        let none = quote! {{ let _ = __value; ::core::result::Result::Ok(::core::option::Option::None) }};
        match self {
            Self::Nothing => (
                quote!(__batch::Ended),
                quote!({
                    let () = __returned;
                    __batch::TaskletCall::Done(__batch::Ended::Completed)
                }),
                none,
            ),
            Self::Repeat => (
                quote!(__batch::Ended),
                quote! {
                    match __returned {
                        __batch::Repeat::Again => __batch::TaskletCall::Again,
                        __batch::Repeat::Done => __batch::TaskletCall::Done(__batch::Ended::Completed),
                    }
                },
                none,
            ),
            Self::Exit => (
                quote!(__batch::Ended),
                quote!(__batch::TaskletCall::Exited(__returned, __batch::Ended::Completed)),
                none,
            ),
            Self::Value { value, owned } => (
                value.clone(),
                quote!(__batch::TaskletCall::Done(__returned)),
                if *owned {
                    quote! {{
                        use __batch::failure::{AsOutput as _, AsRoute as _, Left};
                        (&&Left(__value)).output_json()
                    }}
                } else {
                    none
                },
            ),
        }
    }
}

/// Lets a job match on the value, and later steps read it.
fn value_outcome(function: &ItemFn, outcome: &TokenStream, value: &TokenStream) -> TokenStream {
    let name = &function.sig.ident;
    let text = name.to_string();
    let decides = implement(
        quote!(__batch::Decides),
        name,
        quote! {
            type Outcome = #outcome;
            const SUBJECT: __batch::Subject =
                __batch::Subject::Value(<Self as __batch::StepDefinition>::INFO);
        },
    );
    let produces = implement(
        quote!(__batch::Produces),
        name,
        quote! {
            const ID: &'static str = ::core::concat!(::core::module_path!(), "::", #text);
            const NAME: &'static str = #text;
            type Value = #value;
        },
    );
    quote!(#decides #produces)
}

fn broken_outcome(function: &ItemFn, errors: &mut Errors) -> TokenStream {
    // The error is in one type, to which the other refers, so that rustc reports it once.
    let erroneous = errors.take_first_as_type();
    value_outcome(function, &erroneous, &quote!(<Self as __batch::Decides>::Outcome))
}
