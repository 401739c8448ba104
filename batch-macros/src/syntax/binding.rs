//! Parses the bindings in the parentheses after a name, `flights(input = yesterday, limit = 10)`.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, ExprAssign, ExprLit, Ident, Lit, Token};

use crate::errors::Errors;

/// `input = yesterday`.
pub(crate) struct Binding {
    pub(crate) argument: Ident,
    pub(crate) to: BoundTo,
}

pub(crate) enum BoundTo {
    /// The parameter with that name in the surrounding job or step.
    Parameter(Ident),
    /// A literal, a constant, or an expression of these.
    Constant(Expr),
}

impl BoundTo {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Parameter(name) => name.span(),
            Self::Constant(value) => value.span(),
        }
    }
}

/// Reads the arguments of a call as bindings.
pub(crate) fn bindings(args: &Punctuated<Expr, Token![,]>, errors: &mut Errors) -> Vec<Binding> {
    let mut read: Vec<Binding> = Vec::new();
    for arg in args {
        let Some(binding) = binding(arg, errors) else { continue };
        if read.iter().any(|earlier| earlier.argument == binding.argument) {
            errors
                .at(&binding.argument, format!("`{}` is bound twice; keep one of the two", binding.argument));
        } else {
            read.push(binding);
        }
    }
    read
}

fn binding(arg: &Expr, errors: &mut Errors) -> Option<Binding> {
    let Expr::Assign(ExprAssign { left, right, .. }) = arg else {
        errors
            .at(arg, "name the argument that is bound: `argument = parameter` or `argument = \"constant\"`");
        return None;
    };
    let Some(argument) = plain_name(left) else {
        errors.at(left, "a binding begins with the name of an argument: `argument = parameter`");
        return None;
    };
    let to = match plain_name(right) {
        // Case distinguishes constants from parameters, as everywhere in Rust.
        Some(name) if !is_constant_name(&name) => BoundTo::Parameter(name),
        _ => BoundTo::Constant((**right).clone()),
    };
    Some(Binding { argument, to })
}

/// The parameter that an option takes its number from; `None` for numbers, constants and their expressions.
pub(crate) fn parameter(value: &Expr) -> Option<Ident> {
    plain_name(value).filter(|name| !is_constant_name(name))
}

fn plain_name(expr: &Expr) -> Option<Ident> {
    match expr {
        Expr::Path(path) if path.qself.is_none() && path.attrs.is_empty() => path.path.get_ident().cloned(),
        _ => None,
    }
}

fn is_constant_name(name: &Ident) -> bool {
    name.to_string().chars().find(|c| c.is_alphabetic()).is_some_and(char::is_uppercase)
}

/// The constant as a literal, if it is one: number literals fit every numeric type.
pub(crate) fn literal(value: &Expr) -> Option<(bool, &Lit)> {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => Some((false, lit)),
        Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Neg(_)) => match &*unary.expr {
            Expr::Lit(ExprLit { lit, .. }) => Some((true, lit)),
            _ => None,
        },
        _ => None,
    }
}
