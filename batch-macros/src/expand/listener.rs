//! Expands `#[listener(on_skip_in_write)] fn report(row: &Row, error: &LoadError, log: PathBuf)`.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ItemFn;
use syn::spanned::Spanned;

use super::arguments::{Injected, call, emitted, injected};
use super::broken;
use super::failure::{as_result, error_check};
use super::marked_function::{checked, implement, marked_function};
use crate::errors::Errors;
use crate::model::argument::Role;
use crate::model::component::Component;
use crate::model::listener::{self, Event, Lacking, Observed, Seen, Shows};
use crate::model::types::is_unit;

/// Expands `#[listener]`.
pub(crate) fn listener(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    let Some(event) = listener::event(function, given, errors) else {
        return broken::component(Role::Listener, function, errors);
    };
    let role = match event {
        event if event.is_of_job() => Role::JobListener,
        event if event.is_of_skips() => Role::SkipListener,
        _ => Role::Listener,
    };
    let observed = listener::observed(event, function, errors);
    if !errors.is_empty() {
        return broken::component(role, function, errors);
    }
    let component = Component::read_after(observed.arguments, role, function, errors);
    if !is_unit(&component.returns.value) {
        errors.at(&component.returns.value, "a listener returns nothing, or `Result<(), ..>`");
    }
    if !errors.is_empty() {
        return broken::component(role, function, errors);
    }
    let asked = injected(role, &component.described(), &component.arguments);
    let aliases = &asked.aliases;
    let error = error_check(&component.returns);
    let body = if event.is_of_job() {
        of_job(&component, event, &asked)
    } else {
        of_step(&component, event, &observed, &asked)
    };
    marked_function(
        "listener",
        function,
        emitted(function, &component.arguments),
        quote!(#aliases #error #body),
    )
}

/// The call as a `Result<(), Failure>` that names the listener.
fn called(component: &Component<'_>, handed: &TokenStream, asked: &Injected) -> TokenStream {
    let handed = (!handed.is_empty()).then_some(handed);
    let called = as_result(component, &call(component, handed, &asked.pass));
    if !component.returns.fallible {
        return called;
    }
    let text = component.name.to_string();
    quote! {{
        let __told: ::core::result::Result<(), __batch::Failure> = #called;
        __told.map_err(|__failure| __batch::Failure::in_component(__failure, #text))
    }}
}

fn of_job(component: &Component<'_>, event: &Event, asked: &Injected) -> TokenStream {
    let (name, text) = (component.name, component.name.to_string());
    let variant = Ident::new(event.adaptor, name.span());
    let (needs, fetch) = (&asked.needs, &asked.fetch);
    let ends = !event.shows.is_empty();
    let (end, handed) =
        if ends { (quote!(, __end: &__batch::JobEnd), quote!(__end)) } else { (quote!(), quote!()) };
    let called = called(component, &handed, asked);
    let definition = implement(
        quote!(__batch::JobListenerDefinition),
        name,
        quote! {
            const LISTENER: __batch::JobListener = __batch::JobListener {
                name: #text,
                needs: &[#needs],
                hears: __batch::JobEvent::#variant(__hear),
            };
        },
    );
    quote! {
        fn __hear(__scope: &__batch::Scope<'_> #end) -> ::core::result::Result<(), __batch::Failure> {
            #fetch
            #called
        }
        #definition
    }
}

fn of_step(component: &Component<'_>, event: &Event, observed: &Observed, asked: &Injected) -> TokenStream {
    let (name, text) = (component.name, component.name.to_string());
    let (needs, fetch) = (&asked.needs, &asked.fetch);
    let item = observed.item.as_ref().map(|item| quote!(type __Item = #item;));
    let Arguments { mut taken, handed, read, written } = arguments(event, observed);
    let (types, call) = notify(observed, called(component, &quote!(#(#handed),*), asked));
    let mut adaptor = event.adaptor.to_owned();
    let mut body = call;
    if asked.transactional {
        let each = &asked.fetch_each;
        adaptor = adaptor.replace("On", "Write");
        taken.push(quote!(__tx: &__batch::ChunkTransaction<'_>));
        body = quote!(#each #body);
    }
    let wanted = matches!(observed.lacking, Some(Lacking::Wanted));
    if wanted {
        adaptor.push_str("Of");
        // Because of `WANTS_ITEMS` the step keeps the item, so it is missing only if the failure has no single item.
        body = quote! {
            match __item {
                ::core::option::Option::Some(__item) => { #body }
                ::core::option::Option::None => ::core::result::Result::Ok(()),
            }
        };
    }
    let wants = wanted.then(|| {
        quote!(
            const WANTS_ITEMS: bool = true;
        )
    });
    let generic = |parameter: &str, ty: &TokenStream| {
        (ty.to_string() == parameter).then(|| format_ident!("{parameter}"))
    };
    let (any_read, any_written) = (generic("__In", &read), generic("__Out", &written));
    let generics: Vec<_> = any_read.iter().chain(&any_written).collect();
    let adaptor = Ident::new(&adaptor, name.span());
    let is = implement(quote!(__batch::IsListener), name, quote!());
    let of_steps = event.is_of_step().then(|| implement(quote!(__batch::HearsSteps), name, quote!()));
    let of_chunks = (!event.is_of_items()).then(|| implement(quote!(__batch::HearsChunks), name, quote!()));
    let of_whole =
        (!event.is_of_partition()).then(|| implement(quote!(__batch::HearsWholeSteps), name, quote!()));
    let at = name.span();
    let of = |parameter: &Option<Ident>| parameter.as_ref().map(|parameter| quote!(<#parameter>));
    let (of_read, of_written) = (of(&any_read), of(&any_written));
    let hears_read = quote_spanned!(at=> impl #of_read __batch::HearsRead<#read> for #name {});
    let hears_written = quote_spanned!(at=> impl #of_written __batch::HearsWritten<#written> for #name {});
    quote! {
        #item
        #types
        #is
        #of_steps
        #of_chunks
        #of_whole
        #hears_read
        #hears_written
        impl<#(#generics),*> __batch::ListenerDefinition<#read, #written> for #name {
            const NAME: &'static str = #text;
            const NEEDS: &'static [__batch::Need] = &[#needs];
            #wants
            fn bind<'s>(__scope: &__batch::Scope<'s>) -> ::core::result::Result<
                impl __batch::StepListener<#read, #written> + 's + use<'s, #(#generics),*>,
                __batch::Failure,
            > {
                #fetch
                ::core::result::Result::Ok(__batch::#adaptor(
                    move |#(#taken),*| -> ::core::result::Result<(), __batch::Failure> { #body },
                ))
            }
        }
    }
}

/// The arguments that the closure of a step listener takes and passes on, and the types of the items that the step
/// reads and writes.
struct Arguments {
    taken: Vec<TokenStream>,
    handed: Vec<TokenStream>,
    read: TokenStream,
    written: TokenStream,
}

fn arguments(event: &Event, observed: &Observed) -> Arguments {
    let (mut taken, mut handed) = (Vec::new(), Vec::new());
    let (mut read, mut written) = (quote!(__In), quote!(__Out));
    for shows in event.shows {
        let (argument, passed) = match (shows, &observed.lacking) {
            (Shows::Read, Some(Lacking::LeftOut)) => (quote!(_: ::core::option::Option<&__In>), None),
            (Shows::Written, Some(Lacking::LeftOut)) => (quote!(_: &__Out), None),
            (Shows::Read, Some(Lacking::Wanted)) => {
                read = quote!(__Item);
                (quote!(__item: ::core::option::Option<&__Item>), Some(quote!(__item)))
            }
            (Shows::Read, Some(Lacking::Optional(seen))) => {
                read = quote!(__Item);
                // The reference may be to a part of the item, such as the `str` of a `String`.
                let passed = quote! {
                    match __item {
                        ::core::option::Option::Some(__item) => ::core::option::Option::Some::<&#seen>(__item),
                        ::core::option::Option::None => ::core::option::Option::None,
                    }
                };
                (quote!(__item: ::core::option::Option<&__Item>), Some(passed))
            }
            (Shows::Read, None) => {
                read = quote!(__Item);
                (quote!(__item: &__Item), Some(quote!(__item)))
            }
            (Shows::Written, _) => {
                written = quote!(__Item);
                (quote!(__item: &__Item), Some(quote!(__item)))
            }
            (Shows::Items, _) => {
                written = quote!(__Item);
                (quote!(__items: &[__Item]), Some(quote!(__items)))
            }
            (Shows::Counters, _) => (quote!(__counters: &__batch::Counters), Some(quote!(__counters))),
            (Shows::Failure, _) => {
                (quote!(__failure: ::core::option::Option<&__batch::Failure>), Some(quote!(__failure)))
            }
            (Shows::Error, _) => (quote!(__failure: &__batch::Failure), Some(error_passed(observed))),
            (Shows::Repeat, _) => (quote!(__repeat: u32), Some(quote!(__repeat))),
            (Shows::End, _) => continue,
        };
        taken.push(argument);
        handed.extend(passed);
    }
    Arguments { taken, handed, read, written }
}

fn error_passed(observed: &Observed) -> TokenStream {
    match observed.error {
        Some(Seen::Failure) | None => quote!(__failure),
        Some(Seen::Any | Seen::Type(_)) => quote!(__error),
    }
}

/// The call, with the error in the form that the function takes.
fn notify(observed: &Observed, called: TokenStream) -> (TokenStream, TokenStream) {
    match &observed.error {
        Some(Seen::Failure) | None => (quote!(), called),
        Some(Seen::Any) => (quote!(), quote!(__failure.inspect(|__error| #called))),
        Some(Seen::Type(ty)) => {
            let check = quote_spanned!(ty.span()=> let _ = <__Seen as __batch::NamedError>::IS;);
            let alias = checked(&format_ident!("__Error"), quote!(__Seen), check);
            let call = quote! {
                __failure.inspect(|__error| match __batch::find_error::<__Error>(__error) {
                    ::core::option::Option::Some(__error) => #called,
                    ::core::option::Option::None => ::core::result::Result::Ok(()),
                })
            };
            (quote!(type __Seen = #ty; #alias), call)
        }
    }
}
