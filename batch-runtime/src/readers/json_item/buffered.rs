//! Finds a date or a time that lost a part because serde buffered its text. A flattened struct and an enum with a tag
//! deserialize such a text without the wrapper, which would have refused it.

use std::fmt::Display;
use std::ops::Range;

use super::numbers::end_of_string;
use crate::readers::civil::{self, Civil};

/// A date or a time that lost a part.
pub(super) struct Loss {
    pub(super) problem: String,
    /// The offset after its text.
    pub(super) end: usize,
}

/// A text of which a date or a time would lose a part.
struct Candidate {
    text: String,
    /// The place of its JSON, with the quotes.
    range: Range<usize>,
}

/// Returns the first text that lost a part when `read` deserialized the JSON.
///
/// Only the type knows which texts it takes as a date or a time. So this function replaces a text by the number 1: the type
/// refuses it, and says what it expects. An enum without a tag does not say it.
pub(super) fn loss<E: Display>(json: &str, read: impl Fn(&str) -> Result<(), E>) -> Option<Loss> {
    let candidates = candidates(json);
    if candidates.is_empty() || read(&with_numbers(json, &candidates)).is_ok() {
        return None;
    }
    candidates.into_iter().find_map(|candidate| {
        let refused = read(&with_numbers(json, std::slice::from_ref(&candidate))).err()?.to_string();
        let (_, expected) = refused.split_once("integer `1`, expected ")?;
        let problem = Civil::that_expects(expected)?.loss(&candidate.text)?;
        Some(Loss { problem: civil::lossy(problem, &candidate.text), end: candidate.range.end })
    })
}

fn candidates(json: &str) -> Vec<Candidate> {
    let bytes = json.as_bytes();
    let mut candidates = Vec::new();
    let mut at = 0;
    while let Some(quote) = memchr::memchr(b'"', &bytes[at..]) {
        let range = at + quote..end_of_string(bytes, at + quote);
        at = range.end;
        let is_key = bytes[at..].trim_ascii_start().starts_with(b":");
        if !is_key
            && let Ok(text) = serde_json::from_str::<String>(&json[range.clone()])
            && civil::may_lose_a_part(&text)
        {
            candidates.push(Candidate { text, range });
        }
    }
    candidates
}

/// Replaces each text by the number 1 and spaces.
fn with_numbers(json: &str, candidates: &[Candidate]) -> String {
    let mut changed = json.to_owned();
    for Candidate { range, .. } in candidates {
        changed.replace_range(range.clone(), &format!("{:<length$}", 1, length = range.len()));
    }
    changed
}
