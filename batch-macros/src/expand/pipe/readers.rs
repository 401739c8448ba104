//! The readers of a pipe, one after the other, and the function that decides where chunks end.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;

use super::parts::{Parts, Placed, Source, nested};
use crate::model::argument::Role;
use crate::syntax::step::Part;

impl Parts<'_> {
    pub(super) fn readers(&mut self, readers: &[Part], partitioner: Option<&Ident>) -> (Ident, TokenStream) {
        let item = format_ident!("__Item");
        let definition = quote!(__batch::ReaderDefinition);
        let mut opened = Vec::new();
        for (index, part) in readers.iter().enumerate() {
            let reads = quote!(__batch::Reads<#item>);
            let takes = partitioner.map(|partitioner| {
                quote!(__batch::TakesPartition<<#partitioner as __batch::PartitionerDefinition>::Range>)
            });
            let mut checks = Vec::new();
            checks.extend((index > 0).then_some((&reads, "IS")));
            checks.extend(takes.as_ref().map(|takes| (takes, "IS")));
            let Placed { alias, scope } = self.place(part, "reader", &definition, &checks);
            let alias = match partitioner {
                None => {
                    let word = self.options.partitions.as_ref().map(|options| &options.word);
                    self.supporting(part, alias, word, "splits", &definition, "open")
                }
                Some(_) => alias,
            };
            if index == 0 {
                self.types.extend(quote!(type #item = <#alias as #definition>::Item;));
                let (name, span) = (part.name(), part.span());
                self.source = Some(Source { role: "reader", name, span, item: item.clone() });
            }
            opened.push(quote!(<#alias as #definition>::open(#scope)?));
        }
        (item, nested(opened, &quote!(__batch::Chain::new)))
    }

    /// The reader. If a `chunk_while` function is named, it decides where chunks end.
    pub(super) fn grouped(&mut self, reader: TokenStream, item: &Ident) -> TokenStream {
        let Some(part) = &self.options.chunk_while else { return reader };
        let definition = quote!(__batch::GroupingDefinition<#item>);
        let is = quote!(__batch::IsGrouping);
        let checks = [(&is, "IS"), (&definition, "NAME")];
        let Placed { alias, scope } = self.place(part, Role::Grouping.noun(), &definition, &checks);
        quote! {
            __batch::Grouped::new(
                #reader,
                <#alias as #definition>::bind(#scope)?,
                &<Self as __batch::StepDefinition>::INFO.options,
                __scope,
            )?
        }
    }
}
