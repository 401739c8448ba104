//! Parses the body of a `#[step]` function as a pipe, with its spans.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{BinOp, Block, Expr, ExprMatch, Path, Stmt};

use super::binding::{Binding, bindings};
use crate::errors::Errors;

/// A component by its name, with its bindings: `flights(input = yesterday)`.
pub(crate) struct Part {
    pub(crate) path: Path,
    pub(crate) bindings: Vec<Binding>,
}

impl Part {
    /// The word at which an error about the component is shown: the last of its path.
    pub(crate) fn span(&self) -> Span {
        self.path.segments.last().map_or_else(|| self.path.span(), |segment| segment.ident.span())
    }

    /// The component's name.
    pub(crate) fn name(&self) -> String {
        self.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default()
    }
}

/// One stage of a pipe, between two `|`.
pub(crate) enum Element {
    One(Part),
    /// `(save, audit)`.
    All(Vec<Element>, Span),
    /// `match kind { Kind::A => save_a, Kind::B => save_b }`.
    Route(Box<Route>),
}

impl Element {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::One(part) => part.span(),
            Self::All(_, span) => *span,
            Self::Route(route) => route.expr.match_token.span,
        }
    }
}

pub(crate) struct Route {
    pub(crate) classifier: Part,
    pub(crate) expr: ExprMatch,
    /// The writers after each arrow.
    pub(crate) arms: Vec<Element>,
}

/// Returns whether the body is one expression joined by `|`.
pub(crate) fn is_pipe(block: &Block) -> bool {
    matches!(&block.stmts[..], [Stmt::Expr(Expr::Binary(binary), _)] if matches!(binary.op, BinOp::BitOr(_)))
}

/// Reads the body as a pipe.
pub(crate) fn pipe(block: &Block, errors: &mut Errors) -> Vec<Element> {
    let mut elements = Vec::new();
    let mut joined = true;
    for stmt in &block.stmts {
        match stmt {
            Stmt::Expr(expr, _) => {
                if !joined {
                    errors
                        .at_span(first_span(expr), "the components of a step are joined by `|`, not by `;`");
                    return Vec::new();
                }
                flatten(expr, &mut elements, errors);
                joined = false;
            }
            other => {
                errors
                    .at(other, "the body of a step with `chunk` is one pipe: `reader | processor | writer`");
                return Vec::new();
            }
        }
    }
    elements
}

fn first_span(expr: &Expr) -> Span {
    match expr {
        Expr::Binary(binary) => first_span(&binary.left),
        other => other.span(),
    }
}

fn flatten(expr: &Expr, elements: &mut Vec<Element>, errors: &mut Errors) {
    match expr {
        Expr::Binary(binary) if matches!(binary.op, BinOp::BitOr(_)) => {
            flatten(&binary.left, elements, errors);
            flatten(&binary.right, elements, errors);
        }
        other => elements.extend(element(other, errors)),
    }
}

fn element(expr: &Expr, errors: &mut Errors) -> Option<Element> {
    match expr {
        Expr::Paren(paren) => element(&paren.expr, errors),
        Expr::Group(group) => element(&group.expr, errors),
        Expr::Tuple(tuple) => {
            let elements: Vec<_> = tuple.elems.iter().filter_map(|elem| element(elem, errors)).collect();
            if tuple.elems.is_empty() {
                errors.at(tuple, "these parentheses are empty: name components, such as `(save, audit)`");
                return None;
            }
            Some(Element::All(elements, tuple.span()))
        }
        Expr::Match(expr) => route(expr, errors).map(|route| Element::Route(Box::new(route))),
        // An arm may have its expression in braces.
        Expr::Block(block) if block.label.is_none() => {
            if let [Stmt::Expr(inner, None)] = &block.block.stmts[..] {
                return element(inner, errors);
            }
            errors.at(expr, "an arm names one writer, or several in parentheses, such as `(save, audit)`");
            None
        }
        _ => part(expr, errors).map(Element::One),
    }
}

fn part(expr: &Expr, errors: &mut Errors) -> Option<Part> {
    match expr {
        Expr::Path(path) if path.qself.is_none() => {
            if let Some(segment) = path.path.segments.iter().find(|segment| !segment.arguments.is_none()) {
                errors.at(&segment.arguments, "a component has no generic types: leave this out");
                return None;
            }
            Some(Part { path: path.path.clone(), bindings: Vec::new() })
        }
        Expr::Call(call) => {
            let before = errors.count();
            if call.args.is_empty() {
                errors.at(expr, "a step names its components without calling them: leave the `()` out");
                return None;
            }
            let mut part = part(&call.func, errors)?;
            part.bindings = bindings(&call.args, errors);
            (errors.count() == before).then_some(part)
        }
        other => {
            errors.at(other, "a step names its components: `reader | processor | writer`");
            None
        }
    }
}

fn route(expr: &ExprMatch, errors: &mut Errors) -> Option<Route> {
    let before = errors.count();
    let classifier = part(&expr.expr, errors);
    let mut arms = Vec::new();
    for arm in &expr.arms {
        arms.extend(element(&arm.body, errors));
    }
    if expr.arms.is_empty() {
        errors.at(expr.match_token, "a `match` without arms routes nothing: name a writer for each case");
    }
    (errors.count() == before).then_some(())?;
    Some(Route { classifier: classifier?, expr: expr.clone(), arms })
}
