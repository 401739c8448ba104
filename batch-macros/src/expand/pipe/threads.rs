//! Expands `#[step(chunk = 100, threads = 4)]`. The step commits its chunks in the order of the input, or with
//! `order = none` in any order. With `remote`, workers process chunks too.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Ident;

use super::parts::Parts;
use crate::expand::marked_function::checked;
use crate::model::step::Pipe;
use crate::syntax::step::Part;

impl Parts<'_> {
    /// The closure that runs the pipe, and the constants that the options refer to. Only rustc knows whether the reader
    /// is `Send`, so method lookup decides.
    pub(super) fn on_threads(
        &mut self,
        pipe: &Pipe,
        item: &Ident,
        out: &Ident,
    ) -> (TokenStream, Option<TokenStream>) {
        let (read, put_out) = self.crossing(pipe, item, out);
        let order = if self.options.unordered.is_some() { quote!(AsDone) } else { quote!(OfInput) };
        let ways = if self.options.remote.is_some() { quote!(remote) } else { quote!(threads) };
        let constants = self.options.remote.is_some().then(|| {
            quote! {
                const __REMOTE: __batch::remote::RemoteStep =
                    __batch::remote::Serves::<__Pipe, #read, #put_out>::CHUNKS;
            }
        });
        let run = quote! {
            |__run| {
                use __batch::#ways::{WithReaderThread as _, SharingReader as _, Opens};
                let __open = || <__Pipe as __batch::Pipe>::reader(__run.scope());
                (&Opens::<__Pipe, #read, #put_out, _>::by(__open)).run(__run, __batch::Order::#order)
            }
        };
        (run, constants)
    }

    /// The aliases of the types of the items that are read and put out. These cross between threads, and with `remote`
    /// between processes; each alias refers to its type only if the type can cross.
    fn crossing(&mut self, pipe: &Pipe, item: &Ident, out: &Ident) -> (Ident, Ident) {
        let mut crosses = |part: Option<&Part>, item: &Ident| {
            // Without a processor, the step writes the items that it read, and their type is already checked.
            let span = part.map(Part::span)?;
            let alias = self.alias("Crossing", span);
            let item = Ident::new(&item.to_string(), span);
            let check = quote_spanned!(span=> let _ = <#item as __batch::Crosses>::IS;);
            self.types.extend(checked(&alias, &item, check));
            if self.options.remote.is_none() {
                return Some(alias);
            }
            let remote = self.alias("Remote", span);
            let check = quote_spanned!(span=> let _ = <#alias as __batch::remote::RemoteItem>::IS;);
            self.types.extend(checked(&remote, &alias, check));
            Some(remote)
        };
        let read = crosses(pipe.readers.first(), item);
        let put_out = crosses(pipe.processors.last(), out);
        let read = read.unwrap_or_else(|| item.clone());
        (read.clone(), put_out.unwrap_or(read))
    }
}
