//! Generates the constants that say which arguments a component asks for, and the code that gets them from the
//! scope.

use proc_macro2::{Delimiter, Group, Punct, Spacing, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, Ident, ItemFn, Pat, Stmt, Type};

use super::marked_function::checked;
use crate::model::argument::{Argument, Asks, Role};
use crate::model::component::Component;
use crate::model::types::{as_reference, only_argument, shown, with_inferred_lifetimes};
use crate::syntax::component;
use crate::syntax::name::{parameter_name, plain};

/// The code for all arguments of one function.
#[derive(Default)]
pub(crate) struct Injected {
    /// Aliases of the requested types, each checked once.
    pub(crate) aliases: TokenStream,
    /// The content of `NEEDS`.
    pub(crate) needs: TokenStream,
    /// Statements that get the arguments that last for the whole step; they return errors with `?`.
    pub(crate) fetch: TokenStream,
    /// Statements that get the one argument that is new for each chunk, the transaction.
    pub(crate) fetch_each: TokenStream,
    /// The arguments as passed.
    pub(crate) pass: Vec<TokenStream>,
    /// The alias of the state's type.
    pub(crate) state: Option<Ident>,
    pub(crate) transactional: bool,
    /// The alias of the range type of the requested partition.
    pub(crate) partition: Option<Ident>,
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
    let name = match argument.asks {
        Asks::Parameter { .. } => parameter_name(&argument.name),
        _ => plain(&argument.name),
    };
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
            let written = shown(ty);
            need(quote!(__batch::NeedKind::State(#written)));
            out.pass.push(quote!(__state));
            out.state = Some(alias);
        }
        Asks::StepContext => {
            out.fetch.extend(quote!(let #local = __scope.step_context()?;));
            out.pass.push(quote!(#local));
        }
        Asks::JobContext => {
            need(quote!(__batch::NeedKind::JobContext));
            out.fetch.extend(quote!(let #local = __scope.job_context();));
            out.pass.push(quote!(#local));
        }
        Asks::Transaction(database) => {
            out.aliases.extend(database_alias(&alias, argument, database.as_ref()));
            need(quote!(__batch::NeedKind::Transaction(__batch::Of::type_of::<#alias>())));
            out.fetch_each.extend(quote!(let #local = __tx.of::<#alias>()?;));
            out.pass.push(spanning_type(argument, "&", &local));
            out.transactional = true;
        }
        Asks::Connection(database) => {
            out.aliases.extend(database_alias(&alias, argument, database.as_ref()));
            need(quote!(__batch::NeedKind::Connection(__batch::Of::type_of::<#alias>())));
            out.fetch.extend(quote!(let #local = __scope.connection::<#alias>()?;));
            out.pass.push(spanning_type(argument, "&*", &local));
        }
        Asks::Output { step, optional } => {
            let leaves = format_ident!("__S{index}");
            let wrapped = bounded(argument);
            out.aliases.extend(checked(&leaves, step, quote!(let _: #wrapped;)));
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
            out.pass.push(spanning_type(argument, if *optional { "*&" } else { "&*" }, &local));
        }
        Asks::Parameter { owned, by_reference } => {
            let check = quote_spanned!(ty_span=> let _ = <#owned as __batch::ParameterType>::TYPE;);
            out.aliases.extend(checked(&alias, owned, check));
            need(quote!(__batch::NeedKind::Parameter(<#alias as __batch::ParameterType>::TYPE)));
            let got = |get| quote!(__scope.#get::<#alias>(#name)?);
            let ways = (got(format_ident!("parameter")), got(format_ident!("kept_parameter")));
            add_value(out, role, &local, ty_span, *by_reference, ways);
        }
        Asks::Partition { range, by_reference } => {
            let check = quote_spanned!(range.span()=> let _ = <#range as __batch::IsRange>::IS;);
            out.aliases.extend(checked(&alias, range, check));
            need(quote!(__batch::NeedKind::Partition));
            let got = |get| quote!(__scope.#get::<#alias>()?);
            let ways = (got(format_ident!("partition")), got(format_ident!("kept_partition")));
            add_value(out, role, &local, ty_span, *by_reference, ways);
            out.partition = Some(alias);
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
            let at = inner.as_ref().map_or(ty_span, Spanned::span);
            let get = quote_spanned!(at=> __scope.resource::<#alias>()?);
            out.fetch.extend(quote!(let #local: &#inner = #get;));
            out.pass.push(quote!(#local));
        }
    }
}

/// Adds a value. It is owned by the generated code, or kept by the step if the function's result may borrow it.
fn add_value(
    out: &mut Injected,
    role: Role,
    local: &Ident,
    at: Span,
    by_reference: bool,
    (owned, kept): (TokenStream, TokenStream),
) {
    let is_kept = by_reference && role.outlives_arguments();
    let got = if is_kept { kept } else { owned };
    out.fetch.extend(quote!(let #local = #got;));
    out.pass.push(match (by_reference, role.is_repeated()) {
        (true, _) if is_kept => quote!(#local),
        (true, _) => quote!(&#local),
        (false, true) => quote_spanned!(at=> ::core::clone::Clone::clone(&#local)),
        (false, false) => quote!(#local),
    });
}

fn database_alias(alias: &Ident, argument: &Argument, database: Option<&Type>) -> TokenStream {
    match database {
        None => quote!(type #alias = __batch::Sqlite;),
        Some(database) => {
            let wrapped = bounded(argument);
            checked(alias, database, quote!(let _: #wrapped;))
        }
    }
}

/// `Output<step>` or `Transaction<'_, warehouse>` as the user wrote it. Rustc checks its bound in the user's own
/// signature; a check of the same tokens produces the same message, which rustc prints only once.
fn bounded(argument: &Argument) -> Option<Type> {
    let ty = only_argument(&argument.ty, "Option").unwrap_or(&argument.ty);
    as_reference(ty).map(|reference| with_inferred_lifetimes(&reference.elem))
}

/// The call of the user's function. Rustc checks the bound of an argument's type at the call as well: the call has the
/// span of that type, so that this check produces the same message too.
pub(crate) fn call(
    component: &Component<'_>,
    handed: Option<&TokenStream>,
    pass: &[TokenStream],
) -> TokenStream {
    let name = component.name;
    let handed = handed.iter();
    let passed = quote!(#(#handed,)* #(#pass),*);
    let bounded = component.arguments.iter().find(|argument| match &argument.asks {
        Asks::Output { .. } => true,
        Asks::Transaction(database) | Asks::Connection(database) => database.is_some(),
        _ => false,
    });
    let tokens: Vec<_> = bounded.and_then(bounded_tokens).unwrap_or_default();
    let [first, .., last] = &tokens[..] else { return quote!(#name(#passed)) };
    let name = Ident::new(&name.to_string(), first.span());
    let (open, close) = (quote_spanned!(first.span()=> ::<), quote_spanned!(last.span()=> >));
    let mut passed = Group::new(Delimiter::Parenthesis, passed);
    passed.set_span(last.span());
    quote!(#name #open #close #passed)
}

/// The user's function. If an argument asks for the output of a step that has no output, the argument gets an erroneous
/// type in the body: rustc then reports the mistake at the argument, and nothing about its uses in the body.
pub(crate) fn emitted(function: &ItemFn, arguments: &[Argument]) -> ItemFn {
    let mut function = component::stripped(function);
    let outputs = arguments.iter().filter_map(|argument| match &argument.asks {
        // A name that begins with `_` is unused in the body, and lints would count the `let` below as a use.
        Asks::Output { step, .. } if !argument.name.to_string().starts_with('_') => Some((argument, step)),
        _ => None,
    });
    let typed =
        outputs.filter(|(argument, _)| is_immutable(&function, &argument.name)).map(|(argument, step)| {
            let (name, wrapped) = (&argument.name, bounded(argument));
            let known = quote!(<#step as ::batch_runtime::__private::If<{ let _: #wrapped; true }>>::Is);
            let known = quote!(&::batch_runtime::Output<#known>);
            let ty = match argument.asks {
                Asks::Output { optional: true, .. } => quote!(::core::option::Option<#known>),
                _ => known,
            };
            syn::parse_quote! {
                #[allow(unexpected_cfgs)]
                let #name = {
                    #[cfg(not(rust_analyzer))]
                    let #name: #ty = #name;
                    #name
                };
            }
        });
    let typed: Vec<Stmt> = typed.collect();
    function.block.stmts.splice(..0, typed);
    function
}

/// Returns whether the argument is not a `mut name`; a second binding would make its `mut` unused.
fn is_immutable(function: &ItemFn, name: &Ident) -> bool {
    function.sig.inputs.iter().any(|input| match input {
        FnArg::Typed(typed) => matches!(&*typed.pat, Pat::Ident(pattern) if pattern.ident == *name && pattern.mutability.is_none()),
        FnArg::Receiver(_) => false,
    })
}

/// The local after `operator`, with the spans of the argument's type, for the same reason as in [`call`].
fn spanning_type(argument: &Argument, operator: &str, local: &Ident) -> TokenStream {
    let tokens = bounded_tokens(argument).unwrap_or_default();
    let (first, last) = match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => (first.span(), last.span()),
        _ => (argument.span(), argument.span()),
    };
    let operator = operator.chars().map(|sign| {
        let mut sign = Punct::new(sign, Spacing::Alone);
        sign.set_span(first);
        sign
    });
    let local = Ident::new(&local.to_string(), last);
    quote!(#(#operator)* #local)
}

fn bounded_tokens(argument: &Argument) -> Option<Vec<proc_macro2::TokenTree>> {
    bounded(argument).map(|ty| ty.to_token_stream().into_iter().collect())
}
