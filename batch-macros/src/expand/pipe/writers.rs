//! The writers of a pipe: one, several side by side, or one for each arm of a `match`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Ident, LitInt, Token};

use super::parts::{Parts, Placed, nested};
use crate::syntax::step::{Element, Route};

impl Parts<'_> {
    pub(super) fn writer(&mut self, element: &Element, item: &Ident) -> TokenStream {
        match element {
            Element::One(part) => {
                let definition = quote!(__batch::WriterDefinition<#item>);
                let Placed { alias, scope } =
                    self.place(part, "writer", &definition, &[(&definition, "NAME")]);
                let word = self.options.partitions.as_ref().map(|options| &options.word);
                let alias = self.supporting(part, alias, word, "is_shared", &definition, "bind");
                let word = self.options.unordered.as_ref();
                let alias = self.supporting(part, alias, word, "in_any_order", &definition, "bind");
                quote!(<#alias as #definition>::bind(#scope)?)
            }
            Element::All(elements, _) => {
                let writers = elements.iter().map(|element| self.writer(element, item)).collect();
                nested(writers, &quote!(__batch::Both::new))
            }
            Element::Route(route) => self.route(route, item),
        }
    }

    fn route(&mut self, route: &Route, item: &Ident) -> TokenStream {
        let definition = quote!(__batch::ClassifierDefinition<#item>);
        let span = route.classifier.span();
        let Placed { alias, scope } =
            self.place(&route.classifier, "classifier", &definition, &[(&definition, "NAME")]);
        // The user's own `match`, so that rustc reports a missing case at the user's words.
        let keyword = Token![match](route.expr.match_token.span);
        let arms = route.expr.arms.iter().enumerate().map(|(index, arm)| {
            let (attrs, pattern, arrow) = (&arm.attrs, &arm.pat, &arm.fat_arrow_token);
            let body = arm.body.span();
            let number = LitInt::new(&format!("{index}usize"), body);
            let comma = arm.comma.unwrap_or(Token![,](body));
            quote!(#(#attrs)* #pattern #arrow #number #comma)
        });
        let mut body = TokenStream::new();
        route.expr.brace_token.surround(&mut body, |inside| inside.extend(arms));
        let kind = Ident::new("__kind", span);
        let writers: Vec<_> = route.arms.iter().map(|arm| self.writer(arm, item)).collect();
        let arms = writers.iter().rev().fold(quote!(()), |rest, writer| quote!((#writer, #rest)));
        quote! {{
            let mut __classify = <#alias as #definition>::bind(#scope)?;
            __batch::Route::new(
                move |__item: &#item| {
                    let #kind: <#alias as #definition>::Kind = __classify(__item)?;
                    ::core::result::Result::Ok(#keyword #kind #body)
                },
                #arms,
            )
        }}
    }
}
