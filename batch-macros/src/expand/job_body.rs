//! Generates the constant tree of a body, and the checks of its names, each at the user's word.

use std::collections::{HashMap, HashSet};

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Attribute, Lit};

use super::bindings;
use super::end_texts::{self, TextValue};
use super::role_aliases::{self, Roles};
use crate::model::job::Parameter;
use crate::model::statement::{Body, Kind, Match, Statement};
use crate::model::text::{Text, Value};
use crate::model::types::{is_named, shown};
use crate::model::used::Used;
use crate::syntax::binding::{BoundTo, literal};
use crate::syntax::name::plain;

/// A body as code.
pub(crate) struct Tree {
    /// Items that define the names.
    pub(crate) items: TokenStream,
    /// `&[Node]`.
    pub(crate) nodes: TokenStream,
    /// Items that check the names; they refer to the constant `__WIRING`.
    pub(crate) checks: TokenStream,
    /// Items that import the names; they come last.
    pub(crate) imports: TokenStream,
}

/// Expands a body.
pub(crate) fn tree(body: &Body, parameters: &[Parameter]) -> Tree {
    let mut growing = Growing { parameters, ..Growing::default() };
    let nodes = growing.nodes(body, &[]);
    Tree { items: growing.items, nodes, checks: growing.checks, imports: growing.imports }
}

/// Returns whether every statement could be read.
pub(crate) fn is_complete(body: &Body) -> bool {
    body.iter().all(|statement| match &statement.kind {
        Kind::Broken => false,
        Kind::Match(r#match) => r#match.arms.iter().all(|arm| is_complete(&arm.body)),
        Kind::While { body, .. } | Kind::Loop(body) => is_complete(body),
        Kind::Split(split) => split.branches.iter().all(is_complete),
        _ => true,
    })
}

/// A constant that panics with `message`, if there is one, at the user's word.
pub(crate) fn panic_at(span: Span, conditions: &[Attribute], message: impl ToTokens) -> TokenStream {
    let message = message.into_token_stream();
    quote_spanned! {span=>
        #(#conditions)*
        const _: () = {
            if let ::core::option::Option::Some(message) = #message {
                ::core::panic!("{}", message.as_str())
            }
        };
    }
}

#[derive(Default)]
struct Growing<'t> {
    parameters: &'t [Parameter],
    items: TokenStream,
    checks: TokenStream,
    imports: TokenStream,
    names: usize,
    roles: Roles,
    /// The words already used as names.
    written: HashSet<String>,
    /// The alias of each path.
    aliases: HashMap<String, Ident>,
}

/// The constants of one name.
struct Constants {
    index: usize,
    alias: Ident,
    used: Ident,
    decides: TokenStream,
    runs: TokenStream,
}

/// The purpose for which a name is used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Run,
    Match,
    While,
}

impl Growing<'_> {
    fn nodes(&mut self, body: &Body, around: &[Attribute]) -> TokenStream {
        let nodes = body.iter().filter_map(|statement| {
            let mut conditions = around.to_vec();
            conditions.extend(statement.conditions.iter().cloned());
            let own = &statement.conditions;
            self.node(statement, &conditions).map(|node| quote!(#(#own)* #node))
        });
        let nodes: Vec<TokenStream> = nodes.collect();
        quote!(&[#(#nodes),*])
    }

    fn node(&mut self, statement: &Statement, conditions: &[Attribute]) -> Option<TokenStream> {
        Some(match &statement.kind {
            Kind::Run(name) => {
                let used = self.name(name, Purpose::Run, conditions).used;
                quote!(__batch::Node::Run(*#used))
            }
            Kind::Match(r#match) => self.r#match(r#match, conditions),
            Kind::While { negated, decider, body } => {
                let Constants { used, decides, .. } = self.name(decider, Purpose::While, conditions);
                let body = self.nodes(body, conditions);
                quote! {
                    __batch::Node::While {
                        decider: __wiring::decider_or_unknown(#decides), used: *#used, negated: #negated, body: #body,
                    }
                }
            }
            Kind::Loop(body) => {
                let body = self.nodes(body, conditions);
                quote!(__batch::Node::Loop(#body))
            }
            Kind::Split(split) => {
                let branches: Vec<TokenStream> =
                    split.branches.iter().map(|branch| self.nodes(branch, conditions)).collect();
                let max = split.max.map_or_else(
                    || quote!(::core::option::Option::None),
                    |max| quote!(::core::option::Option::Some(#max)),
                );
                quote!(__batch::Node::Split { branches: &[#(#branches),*], max: #max })
            }
            Kind::Break => quote!(__batch::Node::Break),
            Kind::End(code, why) => {
                let why = self.text(why.as_ref(), conditions);
                quote!(__batch::Node::End(#code, #why))
            }
            Kind::Fail(why) => {
                let why = self.text(Some(why), conditions);
                quote!(__batch::Node::Fail(#why))
            }
            Kind::Stop(why) => {
                let why = self.text(Some(why), conditions);
                quote!(__batch::Node::Stop(#why))
            }
            Kind::Broken => return None,
        })
    }

    /// Generates a text. A text with values takes a place in the body, because its values must come from
    /// something before it.
    fn text(&mut self, text: Option<&Text>, conditions: &[Attribute]) -> TokenStream {
        let Some(text) = text.filter(|text| !text.names.is_empty()) else { return end_texts::plain(text) };
        let (index, at) = (self.names, text.literal.span());
        self.names += 1;
        let used = format_ident!("__TEXT_{index}");
        let names = text.names.iter();
        let values = names.zip(&text.values).filter_map(|(name, value)| match value {
            Value::Parameter(at) => {
                let is_path = self.parameters[*at].ty.as_ref().is_some_and(|ty| is_named(ty, "PathBuf"));
                Some(TextValue::Parameter { name, alias: format_ident!("__Parameter{at}"), is_path })
            }
            Value::Output(path) => {
                let alias = self.aliases.get(path)?.clone();
                let word = path.rsplit("::").next().unwrap_or(path).trim();
                Some(TextValue::Output { word: word.trim_start_matches("r#").to_owned(), alias })
            }
        });
        let values: Vec<_> = values.collect();
        self.items.extend(end_texts::text_with_values(text, &used, values, &mut self.roles, conditions));
        let word = text.word;
        self.advance(index, &used, word, conditions);
        let place = format_ident!("__PLACE_{index}");
        let unsure = quote!(__wiring::unsure_output(__WIRING, #used, #place));
        self.checks.extend(panic_at(at, conditions, unsure));
        let written = text.literal.value();
        quote!(__batch::Text { written: #written, values: ::core::option::Option::Some(#used) })
    }

    /// Adds the place after the one with this number.
    fn advance(&mut self, index: usize, used: &Ident, written: &str, conditions: &[Attribute]) {
        let place = format_ident!("__PLACE_{index}");
        let next = format_ident!("__PLACE_{}", index + 1);
        let advance = quote!(#place.after(#used, #written));
        self.checks.extend(if conditions.is_empty() {
            quote!(const #next: __wiring::Place = #advance;)
        } else {
            let all = conditions
                .iter()
                .filter_map(|condition| condition.meta.require_list().ok())
                .map(|list| &list.tokens);
            let all = quote!(all(#(#all),*));
            quote! {
                #[cfg(#all)]
                const #next: __wiring::Place = #advance;
                #[cfg(not(#all))]
                const #next: __wiring::Place = #place;
            }
        });
    }

    fn r#match(&mut self, r#match: &Match, conditions: &[Attribute]) -> TokenStream {
        let Constants { index, used, decides, alias, .. } =
            self.name(&r#match.subject, Purpose::Match, conditions);
        let route = format_ident!("__route_{index}");
        let at = r#match.subject.span();
        let outcome = Ident::new("outcome", at);
        let numbered = r#match.arms.iter().enumerate().map(|(arm_index, arm)| {
            let (pattern, arrow, comma) = (&arm.pattern, &arm.arrow, arm.comma.unwrap_or_default());
            let number = syn::LitInt::new(&format!("{arm_index}usize"), arm.value_span);
            quote!(#pattern #arrow #number #comma)
        });
        let mut choice = TokenStream::new();
        r#match.keyword.to_tokens(&mut choice);
        outcome.to_tokens(&mut choice);
        r#match.brace.surround(&mut choice, |arms| arms.extend(numbered));
        if !r#match.sound {
            choice = quote!({ let _ = #outcome; 0usize });
        }
        let ty = format_ident!("__Outcome{index}");
        let outcomes = r#match.arms.iter().find_map(|arm| arm.outcome);
        // A separate check makes sure that the subject has the outcomes of a step.
        let decided = if outcomes.is_some() {
            quote!(__batch::Ended)
        } else {
            // A subject that cannot be matched on is reported here, once.
            let word = r#match.subject.word();
            let subject = self.roles.alias(&word, at);
            let why = quote!(__wiring::why_not_matched(#word, #decides, __wiring::Probe::<#alias>::NOUN));
            self.items.extend(role_aliases::checked_alias(&subject, &alias, &[(at, why)], conditions));
            quote!(<#subject as __batch::Decides>::Outcome)
        };
        if let Some(outcome) = outcomes {
            let word = r#match.subject.word();
            self.checks.extend(panic_at(
                outcome,
                conditions,
                quote!(__wiring::why_not_ended(#word, #decides)),
            ));
        }
        self.items.extend(quote! {
            #(#conditions)*
            type #ty = #decided;
            #(#conditions)*
            fn #route(outcome: ::std::boxed::Box<dyn ::core::any::Any>) -> usize {
                let #outcome: #ty = __wiring::outcome(outcome);
                #choice
            }
        });
        let arms: Vec<TokenStream> = r#match
            .arms
            .iter()
            .map(|arm| {
                let (label, body) = (&arm.label, self.nodes(&arm.body, conditions));
                quote!(__batch::Arm { label: #label, body: #body })
            })
            .collect();
        quote! {
            __batch::Node::Match {
                subject: __wiring::subject_or_unknown(#decides), used: *#used, arms: &[#(#arms),*], route: #route,
            }
        }
    }

    /// The only place that names the user's path, so that a wrong one is reported once.
    fn name(&mut self, name: &Used, purpose: Purpose, conditions: &[Attribute]) -> Constants {
        let index = self.names;
        self.names += 1;
        let at = name.span();
        let alias = format_ident!("__Name{index}", span = at);
        let constants = Constants {
            index,
            used: format_ident!("__USE_{index}", span = at),
            decides: quote!(__wiring::Probe::<#alias>::DECIDES),
            runs: quote!(__wiring::Probe::<#alias>::RUNS),
            alias,
        };
        let Constants { alias, used, decides, runs, .. } = &constants;
        let bound = bindings::constant(&name.bindings);
        self.imports.extend(role_aliases::alias_of(alias, &name.path, conditions));
        if conditions.is_empty() || !self.aliases.contains_key(&shown(&name.path)) {
            self.aliases.insert(shown(&name.path), alias.clone());
        }
        let word = name.word();
        let given = name.alias.as_ref().map_or_else(
            || quote!(::core::option::Option::None),
            |alias| {
                let alias = plain(alias);
                quote!(::core::option::Option::Some(#alias))
            },
        );
        let activity = match purpose {
            Purpose::Run => quote!(__wiring::run_or_unknown(#runs)),
            Purpose::Match | Purpose::While => quote!(__wiring::subject_or_unknown(#decides).activity()),
        };
        self.items.extend(quote! {
            #(#conditions)*
            const #used: &__batch::Use = &__batch::Use {
                name: __wiring::name_of(&#activity, #given, #word),
                activity: #activity,
                bindings: #bound,
            };
        });
        self.check(name, purpose, &constants, conditions);
        constants
    }

    fn check(&mut self, name: &Used, purpose: Purpose, constants: &Constants, conditions: &[Attribute]) {
        let Constants { index, alias, used, decides, runs } = constants;
        let (at, word) = (name.span(), name.word());
        let place = format_ident!("__PLACE_{index}");
        let next = format_ident!("__PLACE_{}", index + 1);
        let written = name.alias.as_ref().map_or_else(|| word.clone(), plain);
        let first = self.written.insert(written.clone());
        self.advance(*index, used, &written, conditions);
        let fits = match purpose {
            // A `match` is checked by its type.
            Purpose::Match => quote!(::core::option::Option::None),
            Purpose::Run => {
                quote!(__wiring::why_not_run(#word, #runs, #decides, __wiring::Probe::<#alias>::NOUN))
            }
            Purpose::While => {
                quote!(__wiring::why_not_asked(#word, #decides, __wiring::Probe::<#alias>::YES_OR_NO))
            }
        };
        // The checks share one constant, because each constant slows the user's builds. The first one that fails is
        // reported.
        let unsure = quote!(__wiring::unsure_output(__WIRING, #used, #place));
        let repeated = quote!(__wiring::repeated(__WIRING, #used, #place, #first, #next));
        let mut messages = vec![fits];
        if name.sound {
            messages.push(quote!(__wiring::missing(__WIRING, #used, #place)));
        }
        messages.push(unsure);
        match &name.alias {
            Some(alias) if name.sound => {
                self.checks.extend(panic_at(alias.span(), conditions, repeated));
            }
            None if name.sound => messages.push(repeated),
            _ => {}
        }
        let first_of = messages.into_iter().rev().reduce(|rest, message| {
            quote! {
                match #message {
                    ::core::option::Option::None => #rest,
                    wrong => wrong,
                }
            }
        });
        self.checks.extend(panic_at(at, conditions, first_of));
        if let Some(alias) = &name.alias {
            self.checks.extend(panic_at(alias.span(), conditions, quote!(__wiring::needless_name(#used))));
        }
        for binding in &name.bindings {
            let argument = plain(&binding.argument);
            self.checks.extend(panic_at(
                binding.argument.span(),
                conditions,
                quote!(__wiring::unknown_argument(#used, #argument)),
            ));
            let number = match &binding.to {
                BoundTo::Constant(value) if matches!(literal(value), Some((_, Lit::Int(_)))) => {
                    quote!(::core::option::Option::Some((#value) as i128))
                }
                _ => quote!(::core::option::Option::None),
            };
            self.checks.extend(panic_at(
                binding.to.span(),
                conditions,
                quote!(__wiring::ill_bound(__WIRING, #used, #argument, #number)),
            ));
        }
    }
}
