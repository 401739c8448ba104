//! Expands the processors of a pipe, and checks what its rules for errors require of them.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Ident;

use super::parts::{Parts, Placed, Source, respan, standalone};
use crate::expand::aggregator::StepProcessor;
use crate::expand::marked_function::checked;
use crate::syntax::step::Part;

impl Parts<'_> {
    pub(super) fn processors(&mut self, processors: &[Part], item: &Ident) -> (Ident, TokenStream) {
        let mut item = item.clone();
        let mut bound = Vec::new();
        for part in processors {
            let definition = quote!(__batch::ProcessorDefinition<#item>);
            let Placed { alias, scope } =
                self.place(part, "processor", &definition, &[(&definition, "NAME")]);
            let out = self.alias("Item", Span::call_site());
            self.types.extend(quote!(type #out = <#alias as #definition>::Out;));
            bound.push(self.bound(part, &alias, &scope, &definition, &item));
            self.processors.push(StepProcessor { alias, definition });
            let (name, span) = (part.name(), part.span());
            self.source = Some(Source { role: "processor", name, span, item: out.clone() });
            item = out;
        }
        let joined = bound.into_iter().reduce(|first, second| quote!(__batch::Then::new(#first, #second)));
        (item, joined.unwrap_or_else(|| quote!(__batch::Through)))
    }

    /// Binds the processor to its arguments, and checks what retries and skips require of it.
    fn bound(
        &mut self,
        part: &Part,
        alias: &Ident,
        scope: &TokenStream,
        definition: &TokenStream,
        item: &Ident,
    ) -> TokenStream {
        let (faults, span) = (&self.options.faults, part.span());
        if self.options.threads.is_some() {
            let respanned = respan(definition, span);
            self.constants.extend(standalone(&quote_spanned! {span=>
                let _ = <() as __batch::Shares<<#alias as #respanned>::State>>::IS;
                let _ = <<#alias as #respanned>::Passing as __batch::OneByOne>::IS;
            }));
        }
        if faults.is_empty() {
            return quote!(<#alias as #definition>::bind(#scope)?);
        }
        let retries = !faults.retry.is_empty();
        let fits = self.alias("Part", span);
        let respanned = respan(definition, span);
        let mut check =
            quote_spanned!(span=> let _ = <() as __batch::Holds<<#alias as #respanned>::State>>::IS;);
        if retries {
            check.extend(quote_spanned!(span=> let _ = <<#alias as #respanned>::Passing as __batch::Repeats<#item>>::IS;));
        }
        self.types.extend(checked(&fits, alias, check));
        let bound = quote!(<#fits as #definition>::bind(#scope)?);
        if retries {
            quote! {
                __batch::Retried::<
                    _,
                    <#fits as #definition>::Passing,
                    { <#fits as #definition>::RAISES.is_something() },
                >::new(#bound, __scope)
            }
        } else {
            bound
        }
    }

    /// Lets the processors keep a copy of each item, if a skip rule, a listener or `keep_items` may need the item on
    /// which they failed.
    pub(super) fn kept(&mut self, processor: &TokenStream, item: &Ident) -> TokenStream {
        if let Some(word) = &self.options.keep_items {
            self.shows_item(&quote!(true), item, word.span());
        }
        let asks = self.options.keep_items.is_some() || !self.wanting.is_empty();
        if self.processors.is_empty() || (!asks && self.options.faults.skip.is_empty()) {
            return processor.clone();
        }
        let wanted = match &self.wanting[..] {
            _ if self.options.keep_items.is_some() => quote!(true),
            [] => quote!(false),
            wanting => quote!(#(#wanting)||*),
        };
        quote! {{
            use __batch::faults::{Keeping, KeptByClone as _, KeptByCopy as _, NotKept as _};
            (&Keeping::<#item, { #wanted }>::OF).keep(#processor)
        }}
    }

    /// Checks that the item on which a processor failed can be shown in the form that is wanted.
    pub(super) fn shows_item(&mut self, wants: &TokenStream, item: &Ident, span: Span) {
        let Some(StepProcessor { alias, definition }) = self.processors.first() else { return };
        let check = quote! {
            let _ = <<#alias as #definition>::Passing as __batch::ShowsItem<#item, { #wants }>>::IS;
        };
        self.constants.extend(standalone(&respan(&check, span)));
    }
}
