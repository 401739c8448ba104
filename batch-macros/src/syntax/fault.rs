//! Parses the arguments of `skip(..)`, `no_skip(..)`, `retry(..)` and `no_retry(..)`: errors and settings.

use proc_macro2::{Ident, Span, TokenStream};
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Expr, Pat, Path, PathArguments, Token, Type};

use crate::errors::Errors;

/// One clause.
#[derive(Default)]
pub(crate) struct Clause {
    pub(crate) named: Vec<NamedError>,
    /// `limit = 10`
    pub(crate) settings: Vec<(Ident, Expr)>,
}

/// An error by its type or by a pattern.
pub(crate) struct NamedError {
    /// Its type.
    pub(crate) ty: Type,
    /// The pattern that selects some of its values, if not all.
    pub(crate) only: Option<Only>,
    /// The error as written.
    pub(crate) tokens: TokenStream,
}

/// The pattern of a variant, or of a struct.
pub(crate) enum Only {
    /// `LoadError::Timeout`, with any fields
    Variant(Ident),
    /// `LoadError::BadRow { .. }`, `LoadError::Code(_)`
    Pattern {
        pattern: Box<Pat>,
        /// True if the path ends in a variant.
        variant: bool,
    },
}

impl NamedError {
    /// The word at which an error about the type is shown.
    pub(crate) fn span(&self) -> Span {
        match &self.ty {
            Type::Path(path) => {
                path.path.segments.last().map_or_else(|| self.ty.span(), |last| last.ident.span())
            }
            other => other.span(),
        }
    }
}

enum Entry {
    Named(NamedError),
    Setting(Ident, Expr),
    /// Describes an expression that is not the name of an error.
    Other(TokenStream, String),
}

/// Reads a clause; anything that cannot be read is reported.
pub(crate) fn clause(inside: &TokenStream, errors: &mut Errors) -> Clause {
    let mut read = Clause::default();
    let parse = |input: ParseStream<'_>| {
        let mut entries = Vec::new();
        while !input.is_empty() {
            entries.push(entry(input)?);
            if input.is_empty() {
                break;
            }
            if input.peek(Token![|]) {
                return Err(input.error("name errors one by one, with a comma between them"));
            }
            input.parse::<Token![,]>()?;
        }
        Ok(entries)
    };
    let entries = match parse.parse2(inside.clone()) {
        Ok(entries) => entries,
        Err(error) => {
            errors.push(error);
            return read;
        }
    };
    for entry in entries {
        match entry {
            Entry::Named(named) => read.named.push(named),
            Entry::Setting(name, value) => read.settings.push((name, value)),
            Entry::Other(tokens, message) => errors.at(tokens, message),
        }
    }
    read
}

fn entry(input: ParseStream<'_>) -> syn::Result<Entry> {
    if input.peek(syn::Ident) && input.peek2(Token![=]) {
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        return Ok(Entry::Setting(name, input.parse()?));
    }
    let ahead = input.fork();
    if let Ok(ty) = ahead.parse::<Type>()
        && (ahead.is_empty() || ahead.peek(Token![,]) || ahead.peek(Token![|]))
        && !ends_in_parentheses(&ty)
    {
        input.advance_to(&ahead);
        return Ok(by_type(ty));
    }
    let pattern = Pat::parse_single(input)?;
    let path = match &pattern {
        Pat::Struct(pattern) if pattern.qself.is_none() => pattern.path.clone(),
        Pat::TupleStruct(pattern) if pattern.qself.is_none() => pattern.path.clone(),
        Pat::Lit(literal) => {
            let tokens = quote::quote!(#literal);
            let message = "name the error by its type, without quotes: `skip(ParseError)`".to_owned();
            return Ok(Entry::Other(tokens, message));
        }
        other => return Ok(Entry::Other(quote::quote!(#other), NOT_AN_ERROR_NAME.to_owned())),
    };
    let tokens = quote::quote!(#pattern);
    let (ty, variant) = match owner(&path) {
        Some((owner, _)) => (owner, true),
        None => (path, false),
    };
    let ty = syn::parse_quote!(#ty);
    Ok(Entry::Named(NamedError {
        ty,
        only: Some(Only::Pattern { pattern: Box::new(pattern), variant }),
        tokens,
    }))
}

const NOT_AN_ERROR_NAME: &str =
    "name an error by its type, `LoadError`, or by its variant, `LoadError::BadRow { .. }`";

fn by_type(ty: Type) -> Entry {
    let tokens = quote::quote!(#ty);
    let Type::Path(path) = &ty else { return Entry::Other(tokens, NOT_AN_ERROR_NAME.to_owned()) };
    match owner(&path.path).filter(|_| path.qself.is_none()) {
        Some((owner, variant)) => {
            let only = Some(Only::Variant(variant));
            Entry::Named(NamedError { ty: syn::parse_quote!(#owner), only, tokens })
        }
        None => Entry::Named(NamedError { ty, only: None, tokens }),
    }
}

/// Returns whether the type ends in parentheses: syn also reads the pattern `Code(_)` as a type.
fn ends_in_parentheses(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| matches!(last.arguments, PathArguments::Parenthesized(_))),
        _ => false,
    }
}

/// Splits a path into the enum and the variant. Case distinguishes types from modules, as everywhere in Rust.
fn owner(path: &Path) -> Option<(Path, Ident)> {
    let mut owner = path.clone();
    let variant = owner.segments.pop()?.ident;
    owner.segments.pop_punct();
    let last = owner.segments.last()?.ident.to_string();
    last.chars()
        .find(|letter| letter.is_alphabetic())
        .is_some_and(char::is_uppercase)
        .then_some((owner, variant))
}
