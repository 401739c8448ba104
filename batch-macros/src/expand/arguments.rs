//! Receives: the injected arguments of a component. Gives: what they ask for as constants, and the code that
//! gets them out of the scope.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Type};

use super::frame::checked;
use crate::model::argument::{Argument, Asks, Role};
use crate::model::types::{as_reference, with_inferred_lifetimes};

/// The code for all arguments of one function.
#[derive(Default)]
pub(crate) struct Injected {
    /// The types that are asked for, each checked once.
    pub(crate) aliases: TokenStream,
    /// The content of `NEEDS`.
    pub(crate) needs: TokenStream,
    /// Statements that get what can be got once; they leave by `?`.
    pub(crate) fetch: TokenStream,
    /// Statements that get what each chunk has anew: its transaction.
    pub(crate) fetch_each: TokenStream,
    /// The arguments as passed.
    pub(crate) pass: Vec<TokenStream>,
    /// The alias of the state's type.
    pub(crate) state: Option<Ident>,
    pub(crate) transactional: bool,
}

/// Expands arguments.
pub(crate) fn injected(role: Role, asked_by: &str, arguments: &[Argument]) -> Injected {
    let mut out = Injected::default();
    for (index, argument) in arguments.iter().enumerate() {
        add(&mut out, role, asked_by, index, argument);
    }
    out
}

fn add(out: &mut Injected, role: Role, asked_by: &str, index: usize, argument: &Argument) {
    let name = argument.name.to_string();
    let name = name.trim_start_matches("r#");
    let alias = format_ident!("__A{index}");
    let local = format_ident!("__a{index}");
    let ty_span = argument.ty.span();
    let mut need = |kind: TokenStream| {
        out.needs.extend(quote!(__batch::Need { name: #name, asked_by: #asked_by, kind: #kind },));
    };
    match &argument.asks {
        Asks::State(ty) => {
            let check = quote_spanned!(ty.span()=> let _ = <#ty as __batch::Kept>::IS_KEPT;);
            out.aliases.extend(checked(&alias, ty, check));
            out.pass.push(quote!(__state));
            out.state = Some(alias);
        }
        Asks::StepContext => {
            out.fetch.extend(quote!(let #local = __scope.step_context()?;));
            out.pass.push(quote!(#local));
        }
        Asks::JobContext => {
            out.fetch.extend(quote!(let #local = __scope.job_context();));
            out.pass.push(quote!(#local));
        }
        Asks::Transaction(database) => {
            out.aliases.extend(database_alias(&alias, database.as_ref()));
            need(quote!(__batch::NeedKind::Transaction(<#alias as __batch::Database>::INFO)));
            out.fetch_each.extend(quote!(let #local = __tx.of::<#alias>()?;));
            out.pass.push(quote!(&#local));
            out.transactional = true;
        }
        Asks::Connection(database) => {
            out.aliases.extend(database_alias(&alias, database.as_ref()));
            need(quote!(__batch::NeedKind::Connection(<#alias as __batch::Database>::INFO)));
            out.fetch.extend(quote!(let #local = __scope.connection::<#alias>()?;));
            out.pass.push(quote!(#local));
        }
        Asks::Output { step, optional } => {
            let leaves = format_ident!("__S{index}");
            let check = quote_spanned!(step.span()=> let _ = <#step as __batch::Produces>::ID;);
            out.aliases.extend(checked(&leaves, step, check));
            let check = quote_spanned! { step.span()=>
                let _ = <<#leaves as __batch::Produces>::Value as __batch::Leaves>::IS_LEFT;
            };
            out.aliases.extend(checked(&alias, &leaves, check));
            need(quote!(__batch::NeedKind::Output {
                step: <#alias as __batch::Produces>::ID,
                name: <#alias as __batch::Produces>::NAME,
                optional: #optional,
            }));
            let get = if *optional { quote!(optional_output) } else { quote!(output) };
            out.fetch.extend(quote!(let #local = __scope.#get::<#alias>()?;));
            out.pass.push(quote!(#local));
        }
        Asks::Parameter { owned, by_reference } => {
            let check = quote_spanned!(ty_span=> let _ = <#owned as __batch::ParameterType>::TYPE;);
            out.aliases.extend(checked(&alias, owned, check));
            need(quote!(__batch::NeedKind::Parameter(<#alias as __batch::ParameterType>::TYPE)));
            out.fetch.extend(quote!(let #local = __scope.parameter::<#alias>(#name)?;));
            out.pass.push(match (by_reference, role.is_repeated()) {
                (true, _) => quote!(&#local),
                (false, true) => quote_spanned!(ty_span=> ::core::clone::Clone::clone(&#local)),
                (false, false) => quote!(#local),
            });
        }
        Asks::Resource => {
            let resource = &argument.name;
            let user = format_ident!("__R{index}");
            out.aliases.extend(quote!(type #user = #resource;));
            let check =
                quote_spanned!(argument.span()=> let _ = <#user as __batch::ResourceDefinition>::NAME;);
            out.aliases.extend(checked(&alias, &user, check));
            need(quote!(__batch::NeedKind::Resource(<#alias as __batch::ResourceDefinition>::NEEDS)));
            let inner = as_reference(&argument.ty).map(|reference| with_inferred_lifetimes(&reference.elem));
            let get = quote_spanned!(ty_span=> __scope.resource::<#alias>()?);
            out.fetch.extend(quote!(let #local: &#inner = #get;));
            out.pass.push(quote!(#local));
        }
    }
}

fn database_alias(alias: &Ident, database: Option<&Type>) -> TokenStream {
    match database {
        None => quote!(type #alias = __batch::Sqlite;),
        Some(database) => {
            let check = quote_spanned!(database.span()=> let _ = <#database as __batch::Database>::INFO;);
            checked(alias, database, check)
        }
    }
}
