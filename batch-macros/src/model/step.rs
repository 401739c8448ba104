//! Reads a `#[step]` function and its options as a pipe or a tasklet.

use proc_macro2::Ident;
use syn::{Expr, ExprLit, ItemFn, Lit};

use super::fault::{FaultRules, duration};
use super::partitions::{Partitions, part};
use crate::errors::Errors;
use crate::syntax::nearest::nearest;
use crate::syntax::options::{self, WrittenOption};
use crate::syntax::step::{Element, Part, is_pipe, pipe};

/// A previous name of the step: `"load"`, or `"load as load_eu"`.
pub(crate) struct EarlierName {
    pub(crate) name: String,
    /// The current name of the use that had this name.
    pub(crate) of: Option<String>,
}

/// The options of a step.
#[derive(Default)]
pub(crate) struct StepOptions {
    pub(crate) chunk: Option<Expr>,
    pub(crate) chunk_while: Option<Part>,
    pub(crate) chunk_at_most: Option<Expr>,
    pub(crate) threads: Option<Expr>,
    /// The word `remote`.
    pub(crate) remote: Option<Ident>,
    /// The word `order` of `order = none`.
    pub(crate) unordered: Option<Ident>,
    pub(crate) start_limit: Option<Expr>,
    pub(crate) allow_start_if_complete: Option<Expr>,
    pub(crate) allow_all_skipped: Option<Expr>,
    pub(crate) faults: FaultRules,
    /// In nanoseconds.
    pub(crate) timeout: Option<u64>,
    /// In nanoseconds.
    pub(crate) chunk_time: Option<u64>,
    pub(crate) isolate: bool,
    /// The word `keep_items`.
    pub(crate) keep_items: Option<Ident>,
    pub(crate) listeners: Vec<Part>,
    pub(crate) partitions: Option<Partitions>,
    pub(crate) renamed_from: Vec<EarlierName>,
    /// The names of all given options.
    pub(crate) given: Vec<Ident>,
}

impl StepOptions {
    pub(crate) fn read(given: &[WrittenOption], errors: &mut Errors) -> Self {
        let mut read = Self { partitions: Partitions::read(given, errors), ..Self::default() };
        for option in given {
            read.given.push(option.name.clone());
            match option.name.to_string().as_str() {
                "chunk" => read.chunk = options::value(option, "chunk = 100", errors),
                "chunk_while" => {
                    read.chunk_while = options::value(option, "chunk_while = same_customer", errors)
                        .and_then(|value| part("chunk_while", "same_customer", &value, errors));
                }
                "chunk_at_most" => {
                    read.chunk_at_most = options::value(option, "chunk_at_most = 10_000", errors);
                }
                // In a step with partitions, `threads` is the number of partitions that run at once.
                "threads" if read.partitions.is_none() => {
                    read.threads = options::value(option, "threads = 4", errors);
                }
                "remote" => {
                    options::flag(option, errors);
                    read.remote = Some(option.name.clone());
                }
                "start_limit" => read.start_limit = options::value(option, "start_limit = 3", errors),
                "allow_start_if_complete" => read.allow_start_if_complete = Some(yes_unless_said(option)),
                "allow_all_skipped" => read.allow_all_skipped = Some(yes_unless_said(option)),
                "skip" => read.faults.add_skip(option, true, errors),
                "no_skip" => read.faults.add_skip(option, false, errors),
                "retry" => read.faults.add_retry(option, true, errors),
                "no_retry" => read.faults.add_retry(option, false, errors),
                "timeout" => read.timeout = time(option, "timeout = \"1h\"", errors),
                "chunk_time" => read.chunk_time = time(option, "chunk_time = \"10s\"", errors),
                "listeners" => {
                    let names = options::names(option, "listeners(report)", errors);
                    read.listeners =
                        names.into_iter().map(|path| Part { path, bindings: Vec::new() }).collect();
                }
                "renamed_from" => read.renamed_from.extend(earlier_name(option, errors)),
                "keep_items" => {
                    options::flag(option, errors);
                    read.keep_items = Some(option.name.clone());
                }
                "isolate" => read.isolate = isolate(option, errors),
                "order" => read.unordered = is_unordered(option, errors).then(|| option.name.clone()),
                _ => {}
            }
        }
        read
    }
}

/// Reads an option that means `true` if it has no value.
fn yes_unless_said(option: &WrittenOption) -> Expr {
    option.value.clone().unwrap_or_else(|| syn::parse_quote!(true))
}

fn time(option: &WrittenOption, example: &str, errors: &mut Errors) -> Option<u64> {
    duration(&options::value(option, example, errors)?, example, errors)
}

fn earlier_name(option: &WrittenOption, errors: &mut Errors) -> Option<EarlierName> {
    const EXAMPLE: &str = "renamed_from = \"load\"";
    let value = options::value(option, EXAMPLE, errors)?;
    let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &value else {
        errors.at(&value, format!("`renamed_from` is the step's earlier name: write `{EXAMPLE}`"));
        return None;
    };
    let text = text.value();
    let (name, of) = match text.split_once(" as ") {
        Some((name, of)) => (name.trim(), Some(of.trim())),
        None => (text.trim(), None),
    };
    if let Some(wrong) =
        [Some(name), of].into_iter().flatten().find(|name| syn::parse_str::<Ident>(name).is_err())
    {
        errors.at(
            &value,
            format!("`{wrong}` is not a step name: write `{EXAMPLE}`, or `renamed_from = \"load as load_eu\"` for the use that is now called `load_eu`"),
        );
        return None;
    }
    Some(EarlierName { name: name.to_owned(), of: of.map(str::to_owned) })
}

/// Reads `isolate = allow`; the option has no other value.
fn isolate(option: &WrittenOption, errors: &mut Errors) -> bool {
    let meaning =
        "lets parts of a chunk be written twice to find a bad item: write it like this, or leave it out";
    one_word(option, "allow", meaning, errors)
}

/// Reads `order = none`; the order of the input is the default and cannot be written.
fn is_unordered(option: &WrittenOption, errors: &mut Errors) -> bool {
    let meaning = "commits chunks in the order in which they finish: write it like this, or leave `order` out to keep the order of the input";
    one_word(option, "none", meaning, errors)
}

/// Checks that the value of the option is the word `only`. Any other value is reported with the meaning of the option.
fn one_word(option: &WrittenOption, only: &str, meaning: &str, errors: &mut Errors) -> bool {
    let name = &option.name;
    let example = format!("{name} = {only}");
    let Some(value) = options::value(option, &example, errors) else { return false };
    let word = match &value {
        Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
        _ => None,
    };
    match word.as_deref() {
        Some(word) if word == only => return true,
        Some(word) if nearest(word, [only]).is_some() => {
            errors.at(&value, format!("`{name}` has no value `{word}`; did you mean `{only}`?"));
        }
        _ => errors.at(&value, format!("`{example}` {meaning}")),
    }
    false
}

/// `flights | late | save`.
pub(crate) struct Pipe {
    /// Read one after the other.
    pub(crate) readers: Vec<Part>,
    pub(crate) processors: Vec<Part>,
    pub(crate) writer: Element,
}

/// Returns whether the function is a pipe, by its options or by its body.
pub(crate) fn is_pipe_step(given: &[WrittenOption], function: &ItemFn) -> bool {
    given.iter().any(|option| option.name == "chunk")
        || (is_pipe(&function.block) && matches!(function.sig.output, syn::ReturnType::Default))
}

impl Pipe {
    /// Reads the body. If it is not a pipe, reports that and returns `None`.
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
                    "this step is empty: name its components, `reader | processor | writer`",
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
            Element::All(elements, _) => parts(
                elements,
                "only readers go in these parentheses; they are read one after another",
                errors,
            ),
            Element::Route(route) => {
                errors.at_span(
                    route.expr.match_token.span,
                    "a step begins with a reader; a `match` goes in the writer's place",
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
                        "only single processors go between the reader and the writer; parentheses and `match` are for writers, at the end",
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
