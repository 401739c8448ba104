//! Parses the options in the parentheses of an attribute, and reports those that are unknown or given twice.

use proc_macro2::{Span, TokenStream};
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, Path, Token};

use super::nearest::nearest;
use crate::errors::Errors;
use crate::model::types::shown;

/// The options of one attribute.
pub(crate) struct Table {
    /// The attribute's name, for messages.
    pub(crate) attribute: &'static str,
    /// The options it takes.
    pub(crate) known: &'static [&'static str],
    /// The options that may be given several times.
    pub(crate) repeated: &'static [&'static str],
    /// The options reserved for later versions.
    pub(crate) later: &'static [&'static str],
}

impl Table {
    /// A table of options that may each be given once.
    pub(crate) const fn new(
        attribute: &'static str,
        known: &'static [&'static str],
        later: &'static [&'static str],
    ) -> Self {
        Self { attribute, known, repeated: &[], later }
    }
}

pub(crate) const READER: Table = Table::new("reader", &[], &["concurrent"]);
pub(crate) const PROCESSOR: Table = Table::new("processor", &["bulk", "concurrency", "timeout"], &[]);
pub(crate) const WRITER: Table = Table::new("writer", &[], &["at_least_once"]);
pub(crate) const CLASSIFIER: Table = Table::new("classifier", &[], &[]);
pub(crate) const RESOURCE: Table = Table::new("resource", &[], &[]);
pub(crate) const DATABASE: Table = Table::new("database", &[], &[]);
pub(crate) const PARTITIONER: Table = Table::new("partitioner", &[], &[]);
pub(crate) const AGGREGATOR: Table = Table::new("aggregator", &[], &[]);
pub(crate) const CHUNK_WHILE: Table = Table::new("chunk_while", &[], &[]);
pub(crate) const SKIP_POLICY: Table = Table::new("skip_policy", &[], &[]);
pub(crate) const RETRY_POLICY: Table = Table::new("retry_policy", &[], &[]);
pub(crate) const STEP: Table = Table {
    attribute: "step",
    known: &[
        "chunk",
        "chunk_while",
        "chunk_at_most",
        "threads",
        "remote",
        "order",
        "skip",
        "no_skip",
        "retry",
        "no_retry",
        "timeout",
        "chunk_time",
        "isolate",
        "keep_items",
        "listeners",
        "partitions",
        "partitioner",
        "aggregator",
        "start_limit",
        "allow_start_if_complete",
        "allow_all_skipped",
        "renamed_from",
    ],
    repeated: &["skip", "no_skip", "retry", "no_retry", "renamed_from"],
    later: &[],
};

/// One option as written: `chunk = 100`, `bulk`.
pub(crate) struct WrittenOption {
    pub(crate) name: Ident,
    pub(crate) value: Option<Expr>,
    /// The `(..)` after the name.
    pub(crate) arguments: Option<Arguments>,
}

/// The content of the parentheses after an option's name.
pub(crate) struct Arguments {
    pub(crate) span: Span,
    pub(crate) inside: TokenStream,
}

impl Parse for WrittenOption {
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
            given.arguments = Some(Arguments { span: paren.span.join(), inside: content.parse()? });
        }
        Ok(given)
    }
}

/// Reads the options of an attribute; unknown, reserved and repeated ones are reported and left out.
pub(crate) fn read(table: &Table, tokens: TokenStream, errors: &mut Errors) -> Vec<WrittenOption> {
    let given = match Punctuated::<WrittenOption, Token![,]>::parse_terminated.parse2(tokens) {
        Ok(given) => given,
        Err(error) => {
            errors.push(error);
            return Vec::new();
        }
    };
    let mut read: Vec<WrittenOption> = Vec::new();
    for option in given {
        let name = option.name.to_string();
        if table.later.contains(&name.as_str()) {
            errors.at(&option.name, format!("`{name}` is not supported yet in this version; leave it out"));
        } else if !table.known.contains(&name.as_str()) {
            errors.at(&option.name, unknown(table, &name));
        } else if !table.repeated.contains(&name.as_str())
            && read.iter().any(|earlier| earlier.name == option.name)
        {
            errors.at(&option.name, format!("`{name}` is given twice; keep one of the two"));
        } else {
            read.push(option);
        }
    }
    read
}

fn unknown(table: &Table, name: &str) -> String {
    let Table { attribute, known, later, .. } = table;
    if known.is_empty() {
        return format!("unknown option `{name}`: `#[{attribute}]` takes none; write `#[{attribute}]` alone");
    }
    if let Some(near) = nearest(name, known.iter().chain(*later).copied()) {
        return format!("unknown option `{name}`; did you mean `{near}`?");
    }
    let known: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
    format!("unknown option `{name}`; `#[{attribute}]` takes {}", known.join(", "))
}

/// Checks that the option has no value.
pub(crate) fn flag(option: &WrittenOption, errors: &mut Errors) {
    if let Some(value) = &option.value {
        errors.at(value, format!("`{0}` takes no value: write `{0}` alone", option.name));
    }
    no_arguments(option, &format!("write `{}` alone", option.name), errors);
}

/// Returns the option's value, which is required.
pub(crate) fn value(option: &WrittenOption, example: &str, errors: &mut Errors) -> Option<Expr> {
    no_arguments(option, &format!("write `{example}`"), errors);
    if option.value.is_none() && option.arguments.is_none() {
        errors.at(&option.name, format!("`{}` needs a value: write `{example}`", option.name));
    }
    option.value.clone()
}

/// Returns the parentheses after the option's name, which are required.
pub(crate) fn arguments<'o>(
    option: &'o WrittenOption,
    example: &str,
    errors: &mut Errors,
) -> Option<&'o Arguments> {
    match (&option.arguments, &option.value) {
        (Some(arguments), _) if !arguments.inside.is_empty() => return Some(arguments),
        (None, Some(value)) => {
            errors.at(value, format!("`{}` takes parentheses: write `{example}`", option.name));
        }
        _ => errors.at(
            &option.name,
            format!("`{}` takes its arguments in parentheses: write `{example}`", option.name),
        ),
    }
    None
}

fn no_arguments(option: &WrittenOption, remedy: &str, errors: &mut Errors) {
    if let Some(arguments) = &option.arguments {
        errors.at_span(arguments.span, format!("`{}` takes no parentheses: {remedy}", option.name));
    }
}

/// Reads the functions that an option names: `listeners(a, b)`.
pub(crate) fn names(option: &WrittenOption, example: &str, errors: &mut Errors) -> Vec<Path> {
    let Some(given) = arguments(option, example, errors) else { return Vec::new() };
    let given = match Punctuated::<Expr, Token![,]>::parse_terminated.parse2(given.inside.clone()) {
        Ok(given) => given,
        Err(error) => {
            errors.push(error);
            return Vec::new();
        }
    };
    let mut names: Vec<Path> = Vec::new();
    for name in given {
        match name {
            Expr::Path(path) if path.qself.is_none() => {
                if names.iter().any(|name| shown(name) == shown(&path.path)) {
                    errors.at(&path, "this function is already named; keep one of the two");
                } else {
                    names.push(path.path);
                }
            }
            Expr::Call(call) => {
                errors.at(call, format!("functions are named here, not called: write `{example}`"));
            }
            other => errors.at(other, format!("name functions: write `{example}`")),
        }
    }
    names
}
