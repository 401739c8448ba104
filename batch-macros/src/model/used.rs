//! Reads the use of a step, decider, flow or job in a job's body, with its parameters and the name after `as`.

use proc_macro2::{Ident, Span};
use syn::spanned::Spanned;
use syn::{Expr, Path, Type};

use super::not_a_statement::EXPECTED;
use crate::errors::Errors;
use crate::syntax::binding::{self, Binding};
use crate::syntax::name::plain;

/// The use of a step, decider, flow or job in a job's body: `load`, `load(region = "eu") as load_eu`.
pub(crate) struct Used {
    pub(crate) path: Path,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) alias: Option<Ident>,
    /// True if the bindings and the name after `as` could be read.
    pub(crate) sound: bool,
}

impl Used {
    /// The word to underline.
    pub(crate) fn span(&self) -> Span {
        self.path.segments.last().map_or_else(|| self.path.span(), |segment| segment.ident.span())
    }

    /// The last word of the path.
    pub(crate) fn word(&self) -> String {
        self.path.segments.last().map(|segment| plain(&segment.ident)).unwrap_or_default()
    }
}

/// `load`, `load(region = "eu")`, `load(region = "eu") as load_eu`.
pub(super) fn used(expr: &Expr, errors: &mut Errors) -> Option<Used> {
    match expr {
        Expr::Path(expr) if expr.qself.is_none() => {
            if let Some(segment) = expr.path.segments.iter().find(|segment| !segment.arguments.is_none()) {
                errors.at(&segment.arguments, "a job names its steps without type arguments; leave them out");
            }
            let mut path = expr.path.clone();
            for segment in &mut path.segments {
                segment.arguments = syn::PathArguments::None;
            }
            Some(Used { path, bindings: Vec::new(), alias: None, sound: true })
        }
        Expr::Call(call) => {
            let Expr::Path(_) = &*call.func else {
                errors.at(call, EXPECTED);
                return None;
            };
            let mut name = used(&call.func, errors)?;
            if call.args.is_empty() {
                errors.at_span(
                    call.paren_token.span.join(),
                    "a job names its steps instead of calling them, and parameters are passed by name; leave the parentheses out",
                );
            }
            let before = errors.count();
            name.bindings = binding::bindings(&call.args, errors);
            name.sound = before == errors.count();
            Some(name)
        }
        Expr::Cast(cast) => {
            let mut name = used(&cast.expr, errors)?;
            if name.alias.is_some() {
                errors.at(&cast.ty, "one name is enough; keep one `as`");
                return Some(name);
            }
            name.alias = alias(&cast.ty, errors);
            name.sound &= name.alias.is_some();
            Some(name)
        }
        Expr::Paren(paren) => used(&paren.expr, errors),
        other => {
            errors.at(other, EXPECTED);
            None
        }
    }
}

fn alias(ty: &Type, errors: &mut Errors) -> Option<Ident> {
    let ident = match ty {
        Type::Path(path) if path.qself.is_none() => path.path.get_ident(),
        _ => None,
    };
    let Some(ident) = ident else {
        errors.at(
            ty,
            "`as` gives the step a name in this job: write one word after it, as in `load as load_again`",
        );
        return None;
    };
    let name = plain(ident);
    if name.chars().any(char::is_uppercase) {
        let mut snake = String::new();
        for c in name.chars() {
            if c.is_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
                snake.push('_');
            }
            snake.extend(c.to_lowercase());
        }
        errors.at(ident, format!("steps are named in snake case: write `{snake}`"));
        return None;
    }
    Some(ident.clone())
}
