//! Turns the `skip(..)`, `no_skip(..)`, `retry(..)` and `no_retry(..)` of a step into one rule per error.

use proc_macro2::{Ident, Span};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprCall, ExprLit, Lit, Path, Token};

use super::types::shown;
use crate::errors::Errors;
use crate::syntax::duration::nanoseconds;
use crate::syntax::fault::{NamedError, clause};
use crate::syntax::nearest::nearest;
use crate::syntax::options::{self, WrittenOption};

/// The rules of a step, in source order.
#[derive(Default)]
pub(crate) struct FaultRules {
    pub(crate) skip: Vec<SkipRule>,
    pub(crate) retry: Vec<RetryRule>,
    /// The name of the first clause.
    pub(crate) first: Option<Ident>,
}

/// The errors that a rule applies to.
pub(crate) enum What {
    Error(Box<NamedError>),
    /// `policy = lenient`
    Policy(Path),
}

impl What {
    /// As the user wrote it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Error(named) => shown(&named.tokens),
            Self::Policy(path) => format!("policy = {}", shown(path)),
        }
    }

    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Error(named) => named.span(),
            Self::Policy(path) => path.segments.last().map_or_else(Span::call_site, |last| last.ident.span()),
        }
    }
}

pub(crate) struct SkipRule {
    pub(crate) what: What,
    /// False for `no_skip`.
    pub(crate) skips: bool,
    pub(crate) limit: Option<Expr>,
}

pub(crate) struct RetryRule {
    pub(crate) what: What,
    /// `None` for `no_retry`.
    pub(crate) limit: Option<Expr>,
    pub(crate) backoff: Backoff,
}

/// The wait before a retry, in nanoseconds.
#[derive(Clone, Copy, Default)]
pub(crate) enum Backoff {
    #[default]
    None,
    Fixed(u64),
    Exponential {
        first: u64,
        max: Option<u64>,
        jitter: bool,
    },
}

const SKIP: &str = "skip(ParseError, limit = 10)";
const NO_SKIP: &str = "no_skip(ParseError)";
const RETRY: &str = "retry(Busy, limit = 3)";
const NO_RETRY: &str = "no_retry(Busy)";
const BACKOFF: &str =
    "`backoff = none`, `backoff = fixed(\"1s\")` or `backoff = exponential(\"100ms\", max = \"5s\", jitter)`";

impl FaultRules {
    pub(crate) fn is_empty(&self) -> bool {
        self.skip.is_empty() && self.retry.is_empty()
    }

    /// Adds the rules of `skip(..)` or `no_skip(..)`.
    pub(crate) fn add_skip(&mut self, option: &WrittenOption, skips: bool, errors: &mut Errors) {
        let before = errors.count();
        let example = if skips { SKIP } else { NO_SKIP };
        let known: &[&str] = if skips { &["limit", "policy"] } else { &[] };
        let Some(read) = Read::of(option, example, known, errors) else { return };
        if errors.count() > before {
            return;
        }
        for what in read.what {
            let text = what.text();
            if let Some(other) = self.skip.iter().find(|other| other.what.text() == text) {
                errors.at_span(
                    what.span(),
                    if other.skips == skips {
                        format!("`{text}` is named twice in `{}`; keep one of the two", option.name)
                    } else {
                        format!("`{text}` is in both `skip` and `no_skip`; leave it out of one of them")
                    },
                );
                continue;
            }
            self.skip.push(SkipRule { what, skips, limit: read.limit.clone() });
        }
        self.first.get_or_insert_with(|| option.name.clone());
    }

    /// Adds the rules of `retry(..)` or `no_retry(..)`.
    pub(crate) fn add_retry(&mut self, option: &WrittenOption, repeats: bool, errors: &mut Errors) {
        let before = errors.count();
        let example = if repeats { RETRY } else { NO_RETRY };
        let known: &[&str] = if repeats { &["limit", "backoff", "policy"] } else { &[] };
        let Some(read) = Read::of(option, example, known, errors) else { return };
        if errors.count() > before {
            return;
        }
        if repeats && read.limit.is_none() {
            let named: Vec<_> = read.what.iter().map(What::text).collect();
            errors.at(
                &option.name,
                format!("say how often to retry: write `retry({}, limit = 3)`", named.join(", ")),
            );
            return;
        }
        for what in read.what {
            let text = what.text();
            if let Some(other) = self.retry.iter().find(|other| other.what.text() == text) {
                errors.at_span(
                    what.span(),
                    if other.limit.is_some() == repeats {
                        format!("`{text}` is named twice in `{}`; keep one of the two", option.name)
                    } else {
                        format!("`{text}` is in both `retry` and `no_retry`; leave it out of one of them")
                    },
                );
                continue;
            }
            self.retry.push(RetryRule { what, limit: read.limit.clone(), backoff: read.backoff });
        }
        self.first.get_or_insert_with(|| option.name.clone());
    }
}

/// A clause with its settings interpreted.
struct Read {
    what: Vec<What>,
    limit: Option<Expr>,
    backoff: Backoff,
}

impl Read {
    fn of(option: &WrittenOption, example: &str, known: &[&str], errors: &mut Errors) -> Option<Self> {
        let arguments = options::arguments(option, example, errors)?;
        let before = errors.count();
        let clause = clause(&arguments.inside, errors);
        let mut read = Self {
            what: clause.named.into_iter().map(|named| What::Error(Box::new(named))).collect(),
            limit: None,
            backoff: Backoff::None,
        };
        let mut seen: Vec<Ident> = Vec::new();
        for (name, value) in clause.settings {
            if seen.contains(&name) {
                errors.at(&name, format!("`{name}` is given twice; keep one of the two"));
                continue;
            }
            read.set(option, known, &name, value, errors);
            seen.push(name);
        }
        if read.what.is_empty() && errors.count() == before {
            errors.at(
                &option.name,
                format!("name the errors that `{}` applies to: write `{example}`", option.name),
            );
        }
        Some(read)
    }

    fn set(
        &mut self,
        option: &WrittenOption,
        known: &[&str],
        name: &Ident,
        value: Expr,
        errors: &mut Errors,
    ) {
        let word = name.to_string();
        if !known.contains(&word.as_str()) {
            errors.at(name, unknown(&option.name, &word, known));
            return;
        }
        match word.as_str() {
            "limit" => {
                check_limit(&option.name, &value, errors);
                self.limit = Some(value);
            }
            "backoff" => self.backoff = backoff(&value, errors).unwrap_or_default(),
            _ => match value {
                Expr::Path(path) if path.qself.is_none() => self.what.push(What::Policy(path.path)),
                other => errors.at(
                    other,
                    format!(
                        "name the function: write `policy = lenient`, with `#[{}_policy]` on `fn lenient`",
                        option.name
                    ),
                ),
            },
        }
    }
}

fn unknown(option: &Ident, word: &str, known: &[&str]) -> String {
    if option == "no_skip" && word == "limit" {
        return "errors named in `no_skip` are never skipped: leave `limit` out".to_owned();
    }
    if option == "no_skip" && word == "policy" {
        return "the policy itself decides what is not skipped: write `skip(policy = ..)`".to_owned();
    }
    if option == "no_retry" && matches!(word, "limit" | "backoff") {
        return format!("errors named in `no_retry` are never retried: leave `{word}` out");
    }
    if option == "no_retry" && word == "policy" {
        return "the policy itself decides what is not retried: write `retry(policy = .., limit = 3)`"
            .to_owned();
    }
    if option == "skip" && word == "backoff" {
        return "a skip does not wait: leave `backoff` out, or move it into `retry(..)`".to_owned();
    }
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("`{option}` has no setting `{word}`; did you mean `{near}`?"),
        None if known.is_empty() => format!("`{option}` takes only errors: leave `{word}` out"),
        None => {
            let known: Vec<_> = known.iter().map(|known| format!("`{known}`")).collect();
            format!("`{option}` has no setting `{word}`; besides errors it takes {}", known.join(", "))
        }
    }
}

fn check_limit(option: &Ident, value: &Expr, errors: &mut Errors) {
    let zero = if option == "retry" {
        "a call that is never retried needs no `retry`: write `limit = 1` or more"
    } else {
        "nothing would ever be skipped: write `limit = 1` or more, or leave `limit` out for any number"
    };
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) if int.base10_digits() == "0" => errors.at(int, zero),
        Expr::Lit(ExprLit { lit: Lit::Int(_), .. }) => {}
        Expr::Lit(ExprLit { lit, .. }) => {
            errors.at(lit, format!("`limit` is a number: write `{option}(.., limit = 3)`"));
        }
        Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Neg(_)) => errors.at(unary, zero),
        _ => {}
    }
}

/// Reads a duration from a string literal; anything else is reported.
pub(crate) fn duration(value: &Expr, example: &str, errors: &mut Errors) -> Option<u64> {
    let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = value else {
        errors.at(value, format!("a duration is a string with a unit: write `{example}`"));
        return None;
    };
    match nanoseconds(&text.value()) {
        Some(0) => {
            errors.at(text, format!("this duration is zero: write a longer one, such as `{example}`"));
            None
        }
        None => {
            errors.at(
                text,
                format!(
                    "`{}` is not a duration: write whole numbers with the units d, h, m, s, ms, us, ns, longer units first, such as `\"1h30m\"` or `\"100ms\"`",
                    text.value()
                ),
            );
            None
        }
        some => some,
    }
}

fn backoff(value: &Expr, errors: &mut Errors) -> Option<Backoff> {
    match value {
        Expr::Path(path) if path.path.is_ident("none") => return Some(Backoff::None),
        Expr::Call(call) => {
            let name = match &*call.func {
                Expr::Path(path) => path.path.get_ident().map(ToString::to_string).unwrap_or_default(),
                _ => String::new(),
            };
            match name.as_str() {
                "fixed" => return fixed(call, errors),
                "exponential" => return exponential(&call.args, call, errors),
                _ => {}
            }
            if let Some(near) = nearest(&name, ["fixed", "exponential"]) {
                errors.at(&call.func, format!("no backoff is called `{name}`; did you mean `{near}`?"));
                return None;
            }
        }
        Expr::Path(path) => {
            let name = shown(path);
            if let Some(near) = nearest(&name, ["none", "fixed", "exponential"]) {
                let remedy = match near {
                    "none" => "none",
                    "fixed" => "fixed(\"1s\")",
                    _ => "exponential(\"100ms\", max = \"5s\")",
                };
                errors.at(value, format!("this backoff needs a duration: write `backoff = {remedy}`"));
                return None;
            }
        }
        _ => {}
    }
    errors.at(value, format!("write the backoff as {BACKOFF}"));
    None
}

fn fixed(call: &ExprCall, errors: &mut Errors) -> Option<Backoff> {
    if let (Some(delay), 1) = (call.args.first(), call.args.len()) {
        return duration(delay, "fixed(\"1s\")", errors).map(Backoff::Fixed);
    }
    errors.at(call, "a fixed backoff takes one duration: write `fixed(\"1s\")`");
    None
}

fn exponential(given: &Punctuated<Expr, Token![,]>, call: &ExprCall, errors: &mut Errors) -> Option<Backoff> {
    const EXAMPLE: &str = "exponential(\"100ms\", max = \"5s\", jitter)";
    let before = errors.count();
    let mut given = given.iter();
    let Some(first) = given.next() else {
        errors.at(
            call,
            format!("an exponential backoff needs the duration of the first wait: write `{EXAMPLE}`"),
        );
        return None;
    };
    let first_wait = duration(first, EXAMPLE, errors);
    let (mut max, mut jitter) = (None, false);
    for argument in given {
        match argument {
            Expr::Path(path) if path.path.is_ident("jitter") => jitter = true,
            Expr::Assign(assign) if matches!(&*assign.left, Expr::Path(path) if path.path.is_ident("max")) => {
                max = duration(&assign.right, EXAMPLE, errors);
                if let (Some(max), Some(first_wait)) = (max, first_wait)
                    && max < first_wait
                {
                    errors.at(&assign.right, "`max` is shorter than the first wait: write a longer one");
                }
            }
            other => errors
                .at(other, format!("an exponential backoff takes `max` and `jitter`: write `{EXAMPLE}`")),
        }
    }
    (errors.count() == before).then_some(Backoff::Exponential { first: first_wait?, max, jitter })
}
