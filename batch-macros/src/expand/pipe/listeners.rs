//! The listeners of a pipe.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use super::parts::{Parts, Placed, nested};

impl Parts<'_> {
    /// The method that binds the listeners, if there are any.
    pub(super) fn listeners(&mut self, item: &Ident, out: &Ident) -> Option<TokenStream> {
        let definition = quote!(__batch::ListenerDefinition<#item, #out>);
        let (is, of_chunks) = (quote!(__batch::IsListener), quote!(__batch::HearsChunks));
        let of_whole = quote!(__batch::HearsWholeSteps);
        let (read, written) = (quote!(__batch::HearsRead<#item>), quote!(__batch::HearsWritten<#out>));
        let bound: Vec<_> = self
            .options
            .listeners
            .iter()
            .map(|part| {
                let mut checks = vec![(&is, "IS"), (&read, "IS"), (&written, "IS")];
                if self.options.threads.is_some() {
                    checks.push((&of_chunks, "IS"));
                }
                if self.options.partitions.is_none() {
                    checks.push((&of_whole, "IS"));
                }
                let Placed { alias, scope } = self.place(part, "listener", &definition, &checks);
                let wants = quote!(<#alias as #definition>::WANTS_ITEMS);
                self.shows_item(&wants, item, part.span());
                self.wanting.push(wants);
                quote!(<#alias as #definition>::bind(#scope)?)
            })
            .collect();
        (!bound.is_empty()).then(|| {
            let joined = nested(bound, &quote!(__batch::Listeners::new));
            quote! {
                fn listener<'s>(__scope: &__batch::Scope<'s>) -> ::core::result::Result<
                    impl __batch::StepListener<Self::In, Self::Out> + 's + use<'s>,
                    __batch::Failure,
                > {
                    ::core::result::Result::Ok(#joined)
                }
            }
        })
    }
}
