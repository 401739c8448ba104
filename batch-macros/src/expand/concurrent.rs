//! Expands `#[processor(concurrency = 64)]` on an `async fn`, and on a plain `fn`, which several threads then call.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Type};

use super::faults::duration;
use super::marked_function::checked;
use crate::model::argument::Asks;
use crate::model::component::Component;
use crate::model::concurrency::ProcessorOptions;

/// The parts of a concurrent processor.
pub(crate) struct Concurrent<'c> {
    pub(crate) component: &'c Component<'c>,
    pub(crate) options: &'c ProcessorOptions,
    pub(crate) item: &'c Type,
    pub(crate) kind: &'c TokenStream,
    pub(crate) by_reference: bool,
    /// The call of the function, with `__item`, as a `Result<_, Failure>`.
    pub(crate) called: &'c TokenStream,
}

impl Concurrent<'_> {
    /// The expression for `__item` that is passed to the function.
    pub(crate) fn handed(is_async: bool, by_reference: bool) -> TokenStream {
        if is_async && by_reference { quote!(&*__item) } else { quote!(__item) }
    }

    /// Aliases of the types that pass between threads, each checked where it is written.
    pub(crate) fn aliases(&self) -> TokenStream {
        if self.component.function.sig.asyncness.is_some() {
            return TokenStream::new();
        }
        let alias = |name: &str, ty: &Type| {
            let check = quote_spanned!(ty.span()=> let _ = <#ty as __batch::ChangesThreads>::IS;);
            checked(&Ident::new(name, Span::call_site()), ty, check)
        };
        let (taken, returned) =
            (alias("__Taken", self.item), alias("__Returned", &self.component.returns.value));
        quote!(#taken #returned)
    }

    /// The processor.
    pub(crate) fn adapted(&self, concurrency: &Expr) -> TokenStream {
        let Self { component, options, item, called, by_reference, .. } = *self;
        let (name, kind) = (component.name.to_string(), self.kind);
        let concurrency = bounded(concurrency);
        let copier = quote! {{
            use __batch::faults::{Copied as _, NotCopied as _};
            (&__batch::faults::Copier::<#item>::OF).copier()
        }};
        if component.function.sig.asyncness.is_some() {
            let nanoseconds = options.timeout.as_ref().and_then(|timeout| timeout.nanoseconds);
            let timeout = nanoseconds.map(duration).map_or_else(
                || quote!(::core::option::Option::None),
                |bound| quote!(::core::option::Option::Some(#bound)),
            );
            // Each future owns its copies of the parameters.
            let parameters = component.arguments.iter().enumerate();
            let given = parameters
                .filter(|(_, argument)| matches!(argument.asks, Asks::Parameter { .. }))
                .map(|(index, _)| {
                    let local = format_ident!("__a{index}");
                    quote!(let #local = ::core::clone::Clone::clone(&#local);)
                });
            let (taking, held) = if by_reference {
                (quote!(by_reference()), quote!(::std::sync::Arc<#item>))
            } else {
                (quote!(by_value(#copier)), quote!(#item))
            };
            return quote! {
                __batch::asynchronous::<#item, _, _, #kind, _, _>(
                    #name,
                    #concurrency,
                    #timeout,
                    __batch::CallInput::#taking,
                    move |__item: #held| {
                        #(#given)*
                        async move { #called }
                    },
                    __scope,
                )?
            };
        }
        let (call, copier, taken) = if by_reference {
            (quote!(pooled_by_reference), quote!(), quote!(&__Taken))
        } else {
            (quote!(pooled), quote!(#copier,), quote!(__Taken))
        };
        quote! {
            __batch::#call::<__Taken, __Returned, #kind, _>(
                #name,
                #concurrency,
                #copier
                move |__item: #taken| -> ::core::result::Result<__Returned, __batch::Failure> { #called },
                __scope,
            )
        }
    }
}

fn bounded(concurrency: &Expr) -> TokenStream {
    if let Expr::Lit(_) = concurrency {
        return quote!(#concurrency);
    }
    quote_spanned! { concurrency.span()=> {
        const __CONCURRENCY: usize = #concurrency;
        const _: () = {
            if __CONCURRENCY == 0 {
                ::core::panic!("a processor works on at least one item: `concurrency` must be 1 or more")
            }
        };
        __CONCURRENCY
    }}
}
