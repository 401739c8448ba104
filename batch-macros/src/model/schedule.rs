//! Reads `schedule("0 3 * * MON", zone = "Asia/Seoul", missed = latest, overlap = wait, restarts = 2, on_failure =
//! hold)`.

use proc_macro2::{Ident, TokenStream};
use syn::parse::{ParseStream, Parser};
use syn::{Expr, ExprLit, Lit, LitStr, Token};

use crate::errors::Errors;
use crate::model::types::shown;
use crate::syntax::duration::nanoseconds;
use crate::syntax::nearest::nearest;
use crate::syntax::options::{self, Table, WrittenOption};

const SCHEDULE: Table = Table::new("job", &["zone", "missed", "overlap", "restarts", "on_failure"], &[]);
const OVERLAP: [(&str, &str); 3] = [("wait", "Wait"), ("skip", "Skip"), ("allow", "Allow")];
const ON_FAILURE: [(&str, &str); 2] = [("go_on", "GoOn"), ("hold", "Hold")];
const EXAMPLE: &str = "schedule(\"0 3 * * MON\", zone = \"Asia/Seoul\")";

/// The schedule of a job.
pub(crate) struct Schedule {
    /// The word `schedule`.
    pub(crate) word: Ident,
    pub(crate) expression: LitStr,
    /// UTC if it is not given.
    pub(crate) zone: Option<LitStr>,
    pub(crate) missed: Option<Missed>,
    /// The variant of `Overlap`.
    pub(crate) overlap: Option<&'static str>,
    /// The word `restarts` and the number.
    pub(crate) restarts: Option<(Ident, u32)>,
    /// The variant of `OnFailure`.
    pub(crate) on_failure: Option<&'static str>,
}

/// The rule for missed times.
pub(crate) enum Missed {
    Latest,
    /// All within this many nanoseconds.
    All(u64),
    None,
}

/// Reads the option; `None` if it cannot be read, which is reported.
pub(crate) fn schedule(option: &WrittenOption, errors: &mut Errors) -> Option<Schedule> {
    let arguments = options::arguments(option, EXAMPLE, errors)?;
    let split = |input: ParseStream<'_>| {
        let expression = input.parse::<Expr>()?;
        let comma = input.parse::<Option<Token![,]>>()?;
        if comma.is_none() && !input.is_empty() {
            return Err(input.error("expected a comma"));
        }
        Ok((expression, input.parse::<TokenStream>()?))
    };
    let (expression, rest) = match split.parse2(arguments.inside.clone()) {
        Ok(parts) => parts,
        Err(error) => {
            errors.push(error);
            return None;
        }
    };
    let Expr::Lit(ExprLit { lit: Lit::Str(expression), .. }) = expression else {
        errors.at(expression, format!("the cron expression comes first, as a string: write `{EXAMPLE}`"));
        return None;
    };
    let mut read = Schedule {
        word: option.name.clone(),
        expression,
        zone: None,
        missed: None,
        overlap: None,
        restarts: None,
        on_failure: None,
    };
    for given in options::read(&SCHEDULE, rest, errors) {
        match given.name.to_string().as_str() {
            "zone" => read.zone = zone(&given, errors),
            "missed" => read.missed = missed(&given, errors),
            "overlap" => read.overlap = word(&given, "overlap = wait", &OVERLAP, errors),
            "on_failure" => read.on_failure = word(&given, "on_failure = hold", &ON_FAILURE, errors),
            _ => read.restarts = restarts(&given, errors).map(|times| (given.name.clone(), times)),
        }
    }
    Some(read)
}

fn zone(given: &WrittenOption, errors: &mut Errors) -> Option<LitStr> {
    match options::value(given, "zone = \"Asia/Seoul\"", errors)? {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text),
        other => {
            errors.at(other, "a zone is the IANA name as a string: write `zone = \"Asia/Seoul\"`");
            None
        }
    }
}

fn missed(given: &WrittenOption, errors: &mut Errors) -> Option<Missed> {
    const WORDS: [&str; 3] = ["latest", "all", "none"];
    let value = options::value(given, "missed = latest", errors)?;
    match &value {
        Expr::Path(path) => match path.path.get_ident().map(Ident::to_string).as_deref() {
            Some("latest") => Some(Missed::Latest),
            Some("none") => Some(Missed::None),
            Some("all") => {
                errors
                    .at(path, "say how long ago a missed time may be: write `missed = all(within = \"7d\")`");
                None
            }
            _ => {
                errors.at(&value, unknown(&shown(&value), "missed", &WORDS));
                None
            }
        },
        Expr::Call(call) if shown(&call.func) == "all" => within(call, errors).map(Missed::All),
        other => {
            errors.at(other, unknown(&shown(other), "missed", &WORDS));
            None
        }
    }
}

/// The duration in `all(within = "7d")`.
fn within(call: &syn::ExprCall, errors: &mut Errors) -> Option<u64> {
    let only = call.args.first().filter(|_| call.args.len() == 1);
    let text = match only {
        Some(Expr::Assign(assign)) if shown(&assign.left) == "within" => match &*assign.right {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => text,
            other => {
                errors.at(other, "a duration is a string with a unit: write `within = \"7d\"`");
                return None;
            }
        },
        _ => {
            errors.at(call, "`all` takes how long ago a missed time may be: write `all(within = \"7d\")`");
            return None;
        }
    };
    match nanoseconds(&text.value()) {
        Some(nanoseconds) if nanoseconds > 0 => Some(nanoseconds),
        _ => {
            errors.at(
                text,
                format!(
                    "`{}` is not a duration: write a number with a unit, such as `\"7d\"` or `\"12h\"`",
                    text.value()
                ),
            );
            None
        }
    }
}

/// The variant that one of these words stands for.
fn word(
    given: &WrittenOption,
    example: &str,
    words: &[(&str, &'static str)],
    errors: &mut Errors,
) -> Option<&'static str> {
    let value = options::value(given, example, errors)?;
    let word = shown(&value);
    let found = words.iter().find(|(known, _)| *known == word).map(|(_, variant)| *variant);
    if found.is_none() {
        let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
        errors.at(&value, unknown(&word, &given.name.to_string(), &known));
    }
    found
}

fn unknown(word: &str, option: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("`{option}` cannot be `{word}`; did you mean `{near}`?"),
        None => format!("`{option}` cannot be `{word}`; it is `{}`", known.join("`, `")),
    }
}

fn restarts(given: &WrittenOption, errors: &mut Errors) -> Option<u32> {
    let value = options::value(given, "restarts = 2", errors)?;
    let number = match &value {
        Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) => int.base10_parse::<u32>().ok(),
        _ => None,
    };
    if number.is_none() {
        errors.at(&value, "`restarts` is a whole number, 0 or more: write `restarts = 2`");
    }
    number
}
