//! Expands `#[processor] fn late(flight: Flight) -> Option<Delay>` and
//! `#[processor(bulk)] fn rank(all: &[Flight]) -> Vec<Rank>`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{ItemFn, Type};

use super::arguments::{call, emitted, injected};
use super::broken;
use super::concurrent::Concurrent;
use super::failure::{as_result, error_check, failure, raises};
use super::marked_function::{checked, implement, marked_function};
use crate::check;
use crate::errors::Errors;
use crate::model::argument::Role;
use crate::model::component::Component;
use crate::model::concurrency::ProcessorOptions;
use crate::model::item::{Taken, Yield, bulk_outcome, first_argument, lent, slice_element, taken, yielded};
use crate::model::returns::type_in_result;
use crate::model::types::only_argument;
use crate::syntax::options;

/// Expands `#[processor]`.
pub(crate) fn processor(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    let given = options::read(&options::PROCESSOR, given, errors);
    let options = ProcessorOptions::read(&given, errors);
    let bulk = options.bulk.is_some();
    let component = Component::read(Role::Processor, function, errors);
    check::concurrency::check(&component, &options, errors);
    check::processor::check(&component, bulk, options.concurrency.is_none(), errors);
    if !errors.is_empty() {
        return broken::component(Role::Processor, function, errors);
    }
    let Some(shape) = Shape::of(&component, bulk) else {
        return broken::component(Role::Processor, function, errors);
    };
    let name = component.name;
    let asked = injected(Role::Processor, &component.described(), &component.arguments);
    let (aliases, fetch, pass) = (&asked.aliases, &asked.fetch, &asked.pass);
    let state = asked.state.as_ref().map_or_else(|| quote!(()), |alias| quote!(#alias));
    let Shape { item, out, kind, items, by_reference, bulk: _, lent } = &shape;
    let kind_name = kind_tokens(kind);
    let is_async = function.sig.asyncness.is_some();
    let handed = match lent {
        Some(Lent { by_reference: true }) => quote!(&__item),
        Some(Lent { by_reference: false }) => quote!(__item),
        None => Concurrent::handed(is_async, *by_reference),
    };
    let called = call(&component, Some(&handed), pass);
    let called = as_result(&component, &if is_async { quote!(#called.await) } else { called });
    let called = if matches!(kind, Yield::Fallible(_)) {
        each_outcome(&called, component.returns.value.span())
    } else {
        called
    };
    let text = name.to_string();
    // If a public function returns a private type, rustc reports it here.
    let out_type = quote_spanned!(component.returns.value.span()=> type Out = #out;);
    let concurrent = Concurrent {
        component: &component,
        options: &options,
        item,
        kind: &kind_name,
        by_reference: *by_reference,
        called: &called,
    };
    let mut aliases = aliases.clone();
    aliases.extend(items.as_ref().map(several));
    let adapted = if let Some(concurrency) = &options.concurrency {
        aliases.extend(concurrent.aliases());
        concurrent.adapted(concurrency)
    } else {
        shape.adapted(&text, &state, asked.state.is_some(), &called)
    };
    let adapted = if asked.state.is_some() {
        quote! {
            #adapted.copying({
                use __batch::faults::{Copied as _, NotCopied as _};
                (&__batch::faults::Copier::<#state>::OF).copier()
            })
        }
    } else {
        adapted
    };
    // The outcomes of single items may fail even if the call succeeds.
    let (error, raises) = match kind {
        Yield::Fallible(_) => (error_check(&component.returns), quote!()),
        // A call that takes too long fails as well.
        _ if options.timeout.is_some() => (error_check(&component.returns), quote!()),
        _ => (quote!(), raises(&component.returns)),
    };
    let (passing, mut needs) = (passing(&options, *by_reference), asked.needs.clone());
    needs.extend(position_need(&component, &options, asked.state.is_some()));
    let definition = implement(
        quote!(__batch::ProcessorDefinition<#item>),
        name,
        quote! {
            const NAME: &'static str = #text;
            const NEEDS: &'static [__batch::Need] = &[#needs];
            #raises
            type Passing = #passing;
            type State = #state;
            #out_type
            fn bind<'s>(__scope: &__batch::Scope<'s>)
                -> ::core::result::Result<impl __batch::Process<#item, Out = Self::Out> + 's + use<'s>, __batch::Failure>
            {
                #fetch
                ::core::result::Result::Ok(#adapted)
            }
        },
    );
    marked_function(
        "processor",
        function,
        emitted(function, &component.arguments),
        quote!(#aliases #error #definition),
    )
}

/// The kind of `Many<I>`, erroneous if `I` is not a collection.
fn several(items: &Type) -> TokenStream {
    let check = quote_spanned!(items.span()=> let _ = <#items as __batch::Collection>::IS;);
    checked(&format_ident!("__Several"), quote!(__batch::Several), check)
}

fn passing(options: &ProcessorOptions, by_reference: bool) -> TokenStream {
    let passing = match (&options.bulk, by_reference) {
        (Some(_), _) => quote!(__batch::AtOnce),
        (None, true) => quote!(__batch::ByReference),
        (None, false) => quote!(__batch::ByValue),
    };
    if options.concurrency.is_some() { quote!(__batch::InWindow<#passing>) } else { passing }
}

/// The entry among the processor's needs that restricts its position in the pipe.
fn position_need(component: &Component<'_>, options: &ProcessorOptions, has_state: bool) -> TokenStream {
    let kind = if options.concurrency.is_some() {
        quote!(Ahead)
    } else if options.bulk.is_some() {
        quote!(Keeps("the items of a chunk"))
    } else if has_state {
        quote!(Keeps("a `#[state]`"))
    } else {
        return TokenStream::new();
    };
    let asked_by = component.described();
    quote!(__batch::Need { name: "", asked_by: #asked_by, kind: __batch::NeedKind::#kind },)
}

struct Shape {
    item: Type,
    out: Type,
    kind: Yield,
    /// `I` of `Many<I>`.
    items: Option<Type>,
    by_reference: bool,
    bulk: bool,
    /// The item that the function takes, if it is decoded from a lent record.
    lent: Option<Lent>,
}

/// An item that borrows from its record.
struct Lent {
    by_reference: bool,
}

impl Shape {
    fn of(component: &Component<'_>, bulk: bool) -> Option<Self> {
        let returned = &component.returns.value;
        if bulk {
            let item = slice_element(component.function)?.clone();
            let outcome = only_argument(returned, "Vec")?;
            let (kind, out) = bulk_outcome(outcome);
            let items = only_argument(type_in_result(outcome).unwrap_or(outcome), "Many").cloned();
            return Some(Self { item, out, kind, items, by_reference: true, bulk, lent: None });
        }
        let (kind, out) = yielded(returned);
        let items = only_argument(returned, "Many").cloned();
        let Taken { item, by_reference } = taken(first_argument(component.function)?);
        Some(match lent(&item) {
            Some(record) => {
                let lent = Some(Lent { by_reference });
                Self { item: record, out, kind, items, by_reference: true, bulk, lent }
            }
            None => Self { item, out, kind, items, by_reference, bulk, lent: None },
        })
    }

    /// The processor with the name `text`, whose calls are made one after another.
    fn adapted(&self, text: &str, state: &TokenStream, has_state: bool, called: &TokenStream) -> TokenStream {
        let Self { item, by_reference, bulk, lent, .. } = self;
        let kind = kind_tokens(&self.kind);
        let state_pattern = if has_state { quote!(__state) } else { quote!(_) };
        if *bulk {
            return quote! {
                __batch::BulkFn::<#item, #state, _, #kind>::new(
                    #text,
                    move |#state_pattern: &mut #state, __item: &[#item]| #called,
                )
            };
        }
        if lent.is_some() {
            return quote! {{
                let mut __lender = __batch::Lender::new();
                __batch::ReferenceFn::<#state, _, #kind>::new(
                    #text,
                    move |#state_pattern: &mut #state, __record: &#item| {
                        let __item = __lender.lend(__record)?;
                        #called
                    },
                )
            }};
        }
        let (adapter, taken) = if *by_reference {
            (quote!(ReferenceFn), quote!(&#item))
        } else {
            (quote!(ProcessorFn), quote!(#item))
        };
        quote! {
            __batch::#adapter::<#state, _, #kind>::new(
                #text,
                move |#state_pattern: &mut #state, __item: #taken| #called,
            )
        }
    }
}

/// Wraps a call that returns a list of outcomes, so that the error of each outcome becomes a failure.
fn each_outcome(called: &TokenStream, span: Span) -> TokenStream {
    let failure = failure(span);
    quote! {{
        let __outcomes: ::core::result::Result<::std::vec::Vec<_>, __batch::Failure> = #called;
        __outcomes.map(|__outcomes| {
            __outcomes
                .into_iter()
                .map(|__outcome| match __outcome {
                    ::core::result::Result::Ok(__value) => ::core::result::Result::Ok(__value),
                    ::core::result::Result::Err(__error) => ::core::result::Result::Err(#failure),
                })
                .collect::<::std::vec::Vec<_>>()
        })
    }}
}

fn kind_tokens(kind: &Yield) -> TokenStream {
    match kind {
        Yield::One => quote!(__batch::One),
        Yield::Maybe => quote!(__batch::Maybe),
        // The alias, which is erroneous if the items are not a collection.
        Yield::Several => quote!(__Several),
        Yield::Fallible(inner) => {
            let inner = kind_tokens(inner);
            quote!(__batch::Fallible<#inner>)
        }
    }
}
