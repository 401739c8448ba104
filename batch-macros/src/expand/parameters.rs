//! Expands `#[param(default = "2026-01-31", range = .., check = ..)] day: Date`.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, ExprRange, Lit, RangeLimits, Type};

use super::job_body::panic_at;
use super::marked_function::checked;
use crate::model::job::Parameter;
use crate::model::range;
use crate::model::types::{is_named, only_argument, shown};
use crate::syntax::name::parameter_name;

/// The parameters of a job.
#[derive(Default)]
pub(crate) struct Parameters {
    /// The aliases of the types.
    pub(crate) aliases: TokenStream,
    pub(crate) specs: Vec<TokenStream>,
    /// Checks of the defaults and ranges that the program states.
    pub(crate) checks: TokenStream,
}

/// Expands the parameters of a job.
pub(crate) fn parameters(parameters: &[Parameter]) -> Parameters {
    let mut out = Parameters::default();
    for (index, parameter) in parameters.iter().enumerate() {
        let spec = out.spec(index, parameter);
        out.specs.push(spec);
    }
    out
}

/// Defines `alias` as `ty`, or as an erroneous type if `ty` cannot be the type of a parameter. Rustc then reports this
/// mistake once, and not again for each use of the alias.
pub(crate) fn parameter_alias(alias: &Ident, ty: &Type) -> TokenStream {
    let check = quote_spanned!(ty.span()=> let _ = <#ty as ::batch_runtime::__private::ParameterType>::TYPE;);
    quote! {
        type #alias = <#ty as ::batch_runtime::__private::If<{ #check true }>>::Is;
    }
}

/// Makes rustc warn about a parameter that nothing in the job uses.
pub(crate) fn warn_if_unused(
    parameters: &[Parameter],
    lints: &[Attribute],
    listeners: &TokenStream,
) -> TokenStream {
    let each = parameters.iter().map(|parameter| {
        let (name, text, own) = (&parameter.name, parameter_name(&parameter.name), &parameter.lints);
        quote! {
            #(#lints)*
            #[allow(dead_code, unreachable_code)]
            fn __used(#(#own)* #name: ()) {
                __batch::UsedParameter::<{ __wiring::is_used(__WIRING, #listeners, #text) }>::go_on();
                let _ = #name;
            }
        }
    });
    quote!(#(const _: () = { #each };)*)
}

impl Parameters {
    fn spec(&mut self, index: usize, parameter: &Parameter) -> TokenStream {
        let name = parameter_name(&parameter.name);
        let Some(ty) = &parameter.ty else {
            // The type is not allowed, and this error has been reported. An empty type name fits every argument, so no
            // further error follows.
            return quote!(__batch::ParameterSpec {
                ty: __batch::TypeName::plain(""),
                ..__batch::ParameterSpec::of::<::std::string::String>(#name, "")
            });
        };
        let alias = format_ident!("__Parameter{index}");
        self.aliases.extend(parameter_alias(&alias, ty));
        let (doc, identifying, secret) = (&parameter.doc, parameter.identifying, parameter.secret);
        let default = parameter.default.as_ref().map(|value| {
            let typed = self.value(&name, &alias, ty, value);
            let function = format_ident!("__default_{index}");
            let signature = quote_spanned!(ty.span()=> fn #function() -> #ty);
            quote! {
                default: {
                    #signature { #typed }
                    ::core::option::Option::Some(|| <#alias as __batch::ParameterType>::to_value(&#function()))
                },
            }
        });
        let rules = self.rules(index, &name, &alias, ty, parameter);
        let scheduled = parameter.scheduled.is_some().then(|| quote!(scheduled: true,));
        quote! {
            __batch::ParameterSpec {
                #default
                identifying: #identifying,
                secret: #secret,
                #scheduled
                #rules
                ..__batch::ParameterSpec::of::<#alias>(#name, #doc)
            }
        }
    }

    /// The expression for a value of `ty`, the type of the parameter or of one value of its list; `type_alias` is the
    /// alias of the parameter's type. A string literal stands for a value of any type that can be parsed from text.
    fn value(&mut self, name: &str, type_alias: &Ident, ty: &Type, value: &Expr) -> TokenStream {
        match value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                let is_text = is_named(ty, "String") || (is_named(ty, "PathBuf") && !text.value().is_empty());
                if is_text {
                    return quote!(::core::convert::From::from(#value));
                }
                let named = if only_argument(ty, "Vec").is_some() { quote!() } else { quote!(.single()) };
                let wrong = quote! {
                    __batch::wiring::ill_text(
                        #name,
                        &<#type_alias as __batch::ParameterType>::TYPE #named,
                        <#type_alias as __batch::ParameterType>::VALUES,
                        #text,
                    )
                };
                self.checks.extend(panic_at(text.span(), &[], wrong));
                quote!(__batch::of_text::<#ty>(#text))
            }
            Expr::Array(array) => match only_argument(ty, "Vec") {
                Some(inner) => {
                    let each: Vec<_> =
                        array.elems.iter().map(|value| self.value(name, type_alias, inner, value)).collect();
                    quote!(::std::vec![#(#each),*])
                }
                None => value.to_token_stream(),
            },
            _ => value.to_token_stream(),
        }
    }

    fn rules(
        &mut self,
        index: usize,
        name: &str,
        type_alias: &Ident,
        ty: &Type,
        parameter: &Parameter,
    ) -> Option<TokenStream> {
        let given = only_argument(ty, "Option").unwrap_or(ty);
        let range = parameter.range.as_ref().map(|(word, bounds)| {
            let single = only_argument(given, "Vec").unwrap_or(given);
            let alias = format_ident!("__Ranged{index}");
            let check = quote_spanned!(word.span()=> let _ = <#single as __batch::Ranged>::IS;);
            self.aliases.extend(checked(&alias, single, check));
            let (text, inside) = (range::text(bounds), self.inside(name, type_alias, single, &alias, bounds));
            quote!(__batch::ParameterRule::Range {
                text: #text,
                holds: |value| __batch::within::<#alias>(value, |value| #inside),
            },)
        });
        let check = parameter.check.as_ref().map(|path| {
            let text = shown(path);
            let call = quote_spanned!(path.span()=> __batch::Verdict::verdict(#path(value)));
            quote!(__batch::ParameterRule::Check {
                name: #text,
                passes: |value| __batch::passes::<#given>(value, |value: &#given| #call),
            },)
        });
        (range.is_some() || check.is_some()).then(|| quote!(rules: &[#range #check],))
    }

    fn inside(
        &mut self,
        name: &str,
        type_alias: &Ident,
        single: &Type,
        alias: &Ident,
        bounds: &ExprRange,
    ) -> TokenStream {
        let start = bounds.start.as_ref().map(|start| {
            let start = self.value(name, type_alias, single, start);
            quote!({ let start: #alias = #start; *value >= start })
        });
        let end = bounds.end.as_ref().map(|end| {
            let end = self.value(name, type_alias, single, end);
            match bounds.limits {
                RangeLimits::HalfOpen(_) => quote!({ let end: #alias = #end; *value < end }),
                RangeLimits::Closed(_) => quote!({ let end: #alias = #end; *value <= end }),
            }
        });
        let both = start.into_iter().chain(end);
        quote!(true #(&& #both)*)
    }
}
