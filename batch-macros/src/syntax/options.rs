//! Receives: what stands in the parentheses of an attribute. Gives: the options, each known and given once.

use proc_macro2::{Span, TokenStream};
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, Token};

use super::nearest::nearest;
use crate::errors::Errors;

/// The options of one attribute.
pub(crate) struct Table {
    /// The attribute, for messages.
    pub(crate) attribute: &'static str,
    /// What it takes.
    pub(crate) known: &'static [&'static str],
    /// What later versions take.
    pub(crate) later: &'static [&'static str],
}

pub(crate) const READER: Table = Table { attribute: "reader", known: &[], later: &["concurrent"] };
pub(crate) const PROCESSOR: Table =
    Table { attribute: "processor", known: &["bulk"], later: &["concurrency"] };
pub(crate) const WRITER: Table = Table { attribute: "writer", known: &[], later: &["at_least_once"] };
pub(crate) const CLASSIFIER: Table = Table { attribute: "classifier", known: &[], later: &[] };
pub(crate) const RESOURCE: Table = Table { attribute: "resource", known: &[], later: &[] };
pub(crate) const DATABASE: Table = Table { attribute: "database", known: &[], later: &[] };
pub(crate) const STEP: Table = Table {
    attribute: "step",
    known: &["chunk", "start_limit", "allow_start_if_complete"],
    later: &[
        "threads",
        "partitions",
        "partitioner",
        "skip",
        "no_skip",
        "retry",
        "timeout",
        "listeners",
        "order",
        "chunk_time",
        "isolate",
    ],
};

/// One option as given: `chunk = 100`, `bulk`.
pub(crate) struct Given {
    pub(crate) name: Ident,
    pub(crate) value: Option<Expr>,
    /// `(..)` behind the name.
    pub(crate) arguments: Option<Span>,
}

impl Parse for Given {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name: Ident = input.call(syn::ext::IdentExt::parse_any)?;
        let mut given = Self { name, value: None, arguments: None };
        if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            if input.is_empty() || input.peek(Token![,]) {
                return Err(syn::Error::new(
                    given.name.span(),
                    format!("`{0}` needs a value: `{0} = ..`", given.name),
                ));
            }
            given.value = Some(input.parse()?);
        } else if input.peek(syn::token::Paren) {
            let content;
            let paren = syn::parenthesized!(content in input);
            content.parse::<TokenStream>()?;
            given.arguments = Some(paren.span.join());
        }
        Ok(given)
    }
}

/// Reads the options of an attribute; what is unknown, too early or given twice is reported and left out.
pub(crate) fn read(table: &Table, tokens: TokenStream, errors: &mut Errors) -> Vec<Given> {
    let given = match Punctuated::<Given, Token![,]>::parse_terminated.parse2(tokens) {
        Ok(given) => given,
        Err(error) => {
            errors.push(error);
            return Vec::new();
        }
    };
    let mut read: Vec<Given> = Vec::new();
    for option in given {
        let name = option.name.to_string();
        if table.later.contains(&name.as_str()) {
            errors.at(&option.name, format!("`{name}` is not supported yet in this version; leave it out"));
        } else if !table.known.contains(&name.as_str()) {
            errors.at(&option.name, unknown(table, &name));
        } else if read.iter().any(|earlier| earlier.name == option.name) {
            errors.at(&option.name, format!("`{name}` is given twice; keep one of the two"));
        } else {
            read.push(option);
        }
    }
    read
}

fn unknown(table: &Table, name: &str) -> String {
    let Table { attribute, known, later } = table;
    if known.is_empty() {
        return format!("unknown option `{name}`: `#[{attribute}]` takes none; write `#[{attribute}]` alone");
    }
    if let Some(near) = nearest(name, known.iter().chain(*later).copied()) {
        return format!("unknown option `{name}`; did you mean `{near}`?");
    }
    let known: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
    format!("unknown option `{name}`; `#[{attribute}]` takes {}", known.join(", "))
}

/// The option stands alone, without a value.
pub(crate) fn flag(option: &Given, errors: &mut Errors) {
    if let Some(value) = &option.value {
        errors.at(value, format!("`{0}` takes no value: write `{0}` alone", option.name));
    }
    no_arguments(option, &format!("write `{}` alone", option.name), errors);
}

/// The option has a value.
pub(crate) fn value(option: &Given, example: &str, errors: &mut Errors) -> Option<Expr> {
    no_arguments(option, &format!("write `{example}`"), errors);
    if option.value.is_none() && option.arguments.is_none() {
        errors.at(&option.name, format!("`{}` needs a value: write `{example}`", option.name));
    }
    option.value.clone()
}

fn no_arguments(option: &Given, remedy: &str, errors: &mut Errors) {
    if let Some(span) = option.arguments {
        errors.at_span(span, format!("`{}` takes no parentheses: {remedy}", option.name));
    }
}
