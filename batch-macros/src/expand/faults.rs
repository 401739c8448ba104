//! Expands `skip(ParseError, limit = 10), retry(Busy, limit = 3, backoff = fixed("1s"))`.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Ident, Lit, Pat, Path, Type};

use super::marked_function::checked;
use super::role_aliases::{self, Roles};
use crate::model::fault::{Backoff, FaultRules, What};
use crate::syntax::fault::{NamedError, Only};

/// The rules as the constant `__FAULTS`, with the types they name; each type is named once.
pub(crate) fn constant(faults: &FaultRules) -> TokenStream {
    let mut out = Rules::default();
    let skip: Vec<_> = faults
        .skip
        .iter()
        .map(|rule| {
            let fields = out.fields(&rule.what, "skip policy", &quote!(__batch::faults::SkipPolicy));
            let skips = rule.skips;
            let limit = match &rule.limit {
                None => quote!(::core::option::Option::None),
                Some(limit) => {
                    let limit = out.limit(limit, &quote!(u64));
                    quote!(::core::option::Option::Some(#limit))
                }
            };
            quote!(__batch::SkipRule { #fields skips: #skips, limit: #limit })
        })
        .collect();
    let retry: Vec<_> = faults
        .retry
        .iter()
        .map(|rule| {
            let fields = out.fields(&rule.what, "retry policy", &quote!(__batch::faults::RetryPolicy));
            let repeats = rule.limit.is_some();
            let limit = rule.limit.as_ref().map_or_else(|| quote!(0), |limit| out.limit(limit, &quote!(u32)));
            let backoff = backoff(rule.backoff);
            quote!(__batch::RetryRule { #fields repeats: #repeats, limit: #limit, backoff: #backoff })
        })
        .collect();
    let items = out.items;
    quote! {
        #items
        #[allow(unused_variables)]
        const __FAULTS: &__batch::FaultRules = &__batch::FaultRules { skip: &[#(#skip),*], retry: &[#(#retry),*] };
    }
}

#[derive(Default)]
struct Rules {
    items: TokenStream,
    aliases: usize,
    roles: Roles,
}

impl Rules {
    /// An alias of the user's path, and a second alias that refers to the first if the check holds.
    fn alias(&mut self, path: &impl ToTokens, what: &What, check: &TokenStream) -> (Ident, Ident) {
        let span = what.span();
        let user = format_ident!("__Named{}", self.aliases, span = span);
        let alias = format_ident!("__Error{}", self.aliases);
        self.aliases += 1;
        let check = quote_spanned!(span=> let _ = <#user as #check>::IS;);
        self.items.extend(quote!(type #user = #path;));
        self.items.extend(checked(&alias, &user, check));
        (user, alias)
    }

    /// The alias of the policy, if the path leads to one.
    fn policy(&mut self, path: &Path, what: &What, role: &str) -> Ident {
        let named = format_ident!("__Named{}", self.aliases, span = what.span());
        let word = path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
        let alias = self.roles.alias(&format!("policy_{word}"), what.span());
        self.items.extend(role_aliases::in_role(&alias, &named, path, role, Vec::new()));
        self.items.extend(role_aliases::alias_of(&named, path, &[]));
        self.aliases += 1;
        alias
    }

    /// The fields that both kinds of rules have.
    fn fields(&mut self, what: &What, role: &str, policy: &TokenStream) -> TokenStream {
        let text = what.text();
        let (of, rank, covers) = match what {
            What::Policy(path) => {
                let alias = self.policy(path, what, role);
                (quote!(None), quote!(Policy), quote!(<#alias as #policy>::covers))
            }
            What::Error(named) => {
                let (user, alias) = self.alias(&named.ty, what, &quote!(__batch::NamedError));
                let of = quote!(Some(::core::any::TypeId::of::<#alias>));
                match pattern(named) {
                    None => (of, quote!(Type), quote!(__batch::faults::is_of::<#alias>)),
                    Some(pattern) => {
                        // The alias keeps the user's name of the enum, which rustc shows if the pattern is wrong.
                        let name = enum_name(named).map(|name| quote!(type #name = #user;));
                        let covers = quote! {
                            |__error, _| {
                                #name
                                let __error = __error.downcast_ref::<#alias>()?;
                                ::core::matches!(__error, #pattern).then_some(true)
                            }
                        };
                        (of, quote!(Variant), covers)
                    }
                }
            }
        };
        quote! {
            what: #text,
            of: ::core::option::Option::#of,
            rank: __batch::Rank::#rank,
            covers: #covers,
        }
    }

    /// The limit. Anything but a literal gets a constant, so that a wrong value is reported once.
    fn limit(&mut self, limit: &Expr, ty: &TokenStream) -> TokenStream {
        if matches!(limit, Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) if int.suffix().is_empty()) {
            return limit.to_token_stream();
        }
        let name = format_ident!("__LIMIT_{}", self.aliases);
        self.items.extend(quote_spanned! { limit.span()=>
            const #name: #ty = #limit;
            const _: () = {
                if #name == 0 { ::core::panic!("a limit of zero allows nothing: `limit` must be 1 or more") }
            };
        });
        quote!(#name)
    }
}

/// The pattern. If it is that of a variant, it begins with the bare name of the enum. A variant named without fields
/// matches any fields.
fn pattern(named: &NamedError) -> Option<TokenStream> {
    match named.only.as_ref()? {
        Only::Variant(variant) => {
            let name = enum_name(named)?;
            Some(quote_spanned!(variant.span()=> #name::#variant { .. }))
        }
        Only::Pattern { pattern, variant: true } => {
            let mut pattern = pattern.clone();
            if let Pat::Struct(syn::PatStruct { path, .. })
            | Pat::TupleStruct(syn::PatTupleStruct { path, .. }) = &mut *pattern
                && let Some(last) = path.segments.last().cloned()
                && let Some(name) = enum_name(named)
            {
                *path = Path::from(name);
                path.segments.push(last);
            }
            Some(pattern.to_token_stream())
        }
        Only::Pattern { pattern, variant: false } => Some(pattern.to_token_stream()),
    }
}

/// The enum's own name, if one of its variants is named.
fn enum_name(named: &NamedError) -> Option<Ident> {
    match (&named.only, &named.ty) {
        (Some(Only::Variant(_) | Only::Pattern { variant: true, .. }), Type::Path(path)) => {
            path.path.segments.last().map(|last| last.ident.clone())
        }
        _ => None,
    }
}

fn backoff(backoff: Backoff) -> TokenStream {
    match backoff {
        Backoff::None => quote!(__batch::Backoff::None),
        Backoff::Fixed(delay) => {
            let delay = duration(delay);
            quote!(__batch::Backoff::Fixed(#delay))
        }
        Backoff::Exponential { first, max, jitter } => {
            let first = duration(first);
            let max = match max.map(duration) {
                None => quote!(None),
                Some(max) => quote!(Some(#max)),
            };
            quote! {
                __batch::Backoff::Exponential { first: #first, max: ::core::option::Option::#max, jitter: #jitter }
            }
        }
    }
}

/// A duration as a constant.
pub(crate) fn duration(nanoseconds: u64) -> TokenStream {
    quote!(::core::time::Duration::from_nanos(#nanoseconds))
}
