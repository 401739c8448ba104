//! Prepares the patterns of a `match` in a job for rustc by spelling out `Completed` and `Failed`. A pattern
//! only chooses an arm, so it binds nothing. A bare name would match everything, so it is an outcome or a mistake.

use proc_macro2::{Ident, Span};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Pat, PatIdent};

use super::types::shown;
use crate::errors::Errors;
use crate::syntax::name::plain;
use crate::syntax::nearest::nearest;

const OUTCOMES: [&str; 2] = ["Completed", "Failed"];

/// The pattern of an arm.
pub(crate) struct Pattern {
    /// The pattern that rustc checks.
    pub(crate) spelled: Pat,
    /// The first outcome of a step in it.
    pub(crate) outcome: Option<Span>,
}

/// Reads the patterns of the arms of one `match`.
pub(crate) fn read(arms: &[syn::Arm], errors: &mut Errors) -> Vec<Pattern> {
    let enumeration = arms.iter().find_map(|arm| enumeration(&arm.pat));
    let mut reading = Reading { enumeration, errors, outcome: None };
    arms.iter()
        .map(|arm| {
            let mut spelled = arm.pat.clone();
            reading.visit_pat_mut(&mut spelled);
            Pattern { spelled, outcome: reading.outcome.take() }
        })
        .collect()
}

/// The step outcome that no arm covers, if all arms are step outcomes.
pub(crate) fn missing_outcome(arms: &[syn::Arm]) -> Option<&'static str> {
    let mut taken = Vec::new();
    for arm in arms {
        let cases = match &arm.pat {
            Pat::Or(pattern) => pattern.cases.iter().collect(),
            pattern => vec![pattern],
        };
        for case in cases {
            let Pat::Ident(name) = case else { return None };
            let word = plain(&name.ident);
            if !OUTCOMES.contains(&word.as_str()) {
                return None;
            }
            taken.push(word);
        }
    }
    let missing = OUTCOMES.into_iter().find(|outcome| !taken.iter().any(|word| word == outcome));
    missing.filter(|_| !taken.is_empty())
}

/// `Quality` of `Quality::Good`.
fn enumeration(pattern: &Pat) -> Option<String> {
    let path = match pattern {
        Pat::Path(pattern) => &pattern.path,
        Pat::TupleStruct(pattern) => &pattern.path,
        Pat::Struct(pattern) => &pattern.path,
        Pat::Or(pattern) => return pattern.cases.iter().find_map(enumeration),
        Pat::Guard(pattern) => return enumeration(&pattern.pat),
        _ => return None,
    };
    let before_last = path.segments.len().checked_sub(2)?;
    let segments: Vec<String> = path.segments.iter().take(before_last + 1).map(shown).collect();
    Some(segments.join("::"))
}

struct Reading<'e> {
    enumeration: Option<String>,
    errors: &'e mut Errors,
    outcome: Option<Span>,
}

impl VisitMut for Reading<'_> {
    fn visit_pat_mut(&mut self, pattern: &mut Pat) {
        match pattern {
            Pat::Ident(name)
                if name.by_ref.is_none() && name.mutability.is_none() && name.subpat.is_none() =>
            {
                let word = plain(&name.ident);
                if word == "None" {
                    // Variants from the Rust prelude.
                } else if OUTCOMES.contains(&word.as_str()) {
                    self.outcome.get_or_insert(name.ident.span());
                    *pattern = spelled_out(name);
                } else {
                    let message = self.bare(&word);
                    self.errors.at(&name.ident, message);
                }
            }
            Pat::Ident(name) => {
                self.errors.at(&*name, "an arm only chooses what runs next, so it binds nothing; write `_`");
            }
            Pat::Guard(guard) => {
                let span = guard.if_token.span;
                self.errors.at_span(span, "an arm of a job has no guard; let the decider decide");
                visit_mut::visit_pat_mut(self, pattern);
            }
            _ => visit_mut::visit_pat_mut(self, pattern),
        }
    }

    fn visit_field_pat_mut(&mut self, field: &mut syn::FieldPat) {
        // `Bad { reason }` binds as well.
        if field.colon_token.is_none() {
            self.errors
                .at(&field.member, "an arm only chooses what runs next, so it binds nothing; write `..`");
        } else {
            visit_mut::visit_field_pat_mut(self, field);
        }
    }
}

fn spelled_out(name: &PatIdent) -> Pat {
    let outcome = Ident::new(&plain(&name.ident), name.ident.span());
    syn::parse_quote_spanned!(name.span()=> __batch::Ended::#outcome)
}

impl Reading<'_> {
    fn bare(&self, word: &str) -> String {
        if !word.starts_with(char::is_uppercase) {
            return "an arm only chooses what runs next, so it binds nothing; write `_` for the rest"
                .to_owned();
        }
        if let Some(enumeration) = &self.enumeration {
            return format!("a bare name would match everything; write `{enumeration}::{word}`");
        }
        match nearest(word, OUTCOMES) {
            Some(near) => format!("a step ends as `Completed` or `Failed`; did you mean `{near}`?"),
            None => format!(
                "a bare name would match everything; write the enum's name before it, as `Enum::{word}` (a step's own outcomes are `Completed` and `Failed`)"
            ),
        }
    }
}
