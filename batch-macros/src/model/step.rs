//! Receives: a `#[step]` function and its options. Gives: the pipe or the tasklet it is.

use syn::{Expr, ItemFn};

use crate::errors::Errors;
use crate::syntax::options::{self, Given};
use crate::syntax::step::{Element, Part, is_pipe, pipe};

/// The options of a step, in their meaning.
#[derive(Default)]
pub(crate) struct StepOptions {
    pub(crate) chunk: Option<Expr>,
    pub(crate) start_limit: Option<Expr>,
    pub(crate) allow_start_if_complete: Option<Expr>,
}

impl StepOptions {
    pub(crate) fn read(given: &[Given], errors: &mut Errors) -> Self {
        let mut read = Self::default();
        for option in given {
            match option.name.to_string().as_str() {
                "chunk" => read.chunk = options::value(option, "chunk = 100", errors),
                "start_limit" => read.start_limit = options::value(option, "start_limit = 3", errors),
                "allow_start_if_complete" => {
                    read.allow_start_if_complete = match &option.value {
                        None => Some(syn::parse_quote!(true)),
                        Some(value) => Some(value.clone()),
                    };
                }
                _ => {}
            }
        }
        read
    }
}

/// `flights | late | save`.
pub(crate) struct Pipe {
    /// Read one after the other.
    pub(crate) readers: Vec<Part>,
    pub(crate) processors: Vec<Part>,
    pub(crate) writer: Element,
}

/// Is the function a pipe, by its options or by its body?
pub(crate) fn is_pipe_step(given: &[Given], function: &ItemFn) -> bool {
    given.iter().any(|option| option.name == "chunk")
        || (is_pipe(&function.block) && matches!(function.sig.output, syn::ReturnType::Default))
}

impl Pipe {
    /// Reads the body; `None` where it is no pipe, which is reported.
    pub(crate) fn read(function: &ItemFn, errors: &mut Errors) -> Option<Self> {
        let before = errors.count();
        let mut elements = pipe(&function.block, errors);
        if errors.count() > before {
            return None;
        }
        if elements.len() < 2 {
            match elements.first() {
                None => errors.at(
                    &function.sig.ident,
                    "an empty step: name its components, `reader | processor | writer`",
                ),
                Some(alone) => errors.at_span(
                    alone.span(),
                    "a step reads and writes: begin with a reader and end with a writer, `reader | writer`",
                ),
            }
            return None;
        }
        let writer = elements.pop()?;
        let mut middle = elements.split_off(1);
        let readers = match elements.pop()? {
            Element::One(part) => vec![part],
            Element::All(elements, _) => {
                parts(elements, "only readers stand in these parentheses, one behind the other", errors)
            }
            Element::Route(route) => {
                errors.at_span(
                    route.expr.match_token.span,
                    "a step begins with a reader; a `match` stands in the writer's place",
                );
                Vec::new()
            }
        };
        let processors = middle
            .drain(..)
            .filter_map(|element| match element {
                Element::One(part) => Some(part),
                other => {
                    errors.at_span(
                        other.span(),
                        "between the reader and the writer stand single processors; parentheses and `match` are for writers, at the end",
                    );
                    None
                }
            })
            .collect();
        (errors.count() == before).then_some(Self { readers, processors, writer })
    }
}

fn parts(elements: Vec<Element>, message: &str, errors: &mut Errors) -> Vec<Part> {
    elements
        .into_iter()
        .filter_map(|element| match element {
            Element::One(part) => Some(part),
            other => {
                errors.at_span(other.span(), message);
                None
            }
        })
        .collect()
}
