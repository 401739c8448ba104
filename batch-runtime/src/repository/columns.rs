//! The form of values in the columns of a repository, the same in every kind of database.

use crate::definition::Durability;
use crate::repository::{ContextMap, decode_context, encode_context};

/// The list in `STATUS IN` for running executions: the exact condition of the partial index.
pub(in crate::repository) const RUNNING: &str = "('STARTING', 'STARTED', 'STOPPING')";

/// The length of `EXIT_CODE` and `EXIT_MESSAGE`.
const EXIT_CHARS: usize = 2_500;
/// The length of `SHORT_CONTEXT`.
const SHORT_CHARS: usize = 2_500;
/// The length of the beginning of a longer context in `SHORT_CONTEXT`, before ` ...`.
const SHORT_PREFIX: usize = 2_492;

/// The text, cut to `EXIT_CHARS` characters.
pub(in crate::repository) fn cut(text: &str) -> &str {
    prefix(text, EXIT_CHARS).unwrap_or(text)
}

/// The first `chars` characters, if the text is longer.
fn prefix(text: &str, chars: usize) -> Option<&str> {
    if text.len() <= chars {
        return None;
    }
    text.char_indices().nth(chars).map(|(end, _)| &text[..end])
}

/// A context as `SHORT_CONTEXT` and `SERIALIZED_CONTEXT`.
pub(in crate::repository) struct ContextColumns<'a> {
    pub(in crate::repository) short: std::borrow::Cow<'a, str>,
    pub(in crate::repository) serialized: Option<&'a str>,
}

impl<'a> ContextColumns<'a> {
    pub(in crate::repository) fn of(text: &'a str) -> Self {
        if prefix(text, SHORT_CHARS).is_none() {
            return Self { short: text.into(), serialized: None };
        }
        let head = prefix(text, SHORT_PREFIX).unwrap_or(text);
        Self { short: format!("{head} ...").into(), serialized: Some(text) }
    }
}

/// Decodes a context from its two columns.
pub(in crate::repository) fn context(
    short: Option<String>,
    serialized: Option<String>,
) -> Result<ContextMap, String> {
    match serialized.or(short) {
        None => Ok(ContextMap::new()),
        Some(text) => {
            decode_context(&text).map_err(|why| format!("an execution context cannot be read: {why}"))
        }
    }
}

/// Decodes a context that is only shown. An unreadable one, as Spring Batch's default serializer writes it, must not hide
/// the execution, so its only value is the reason, under a reserved key.
pub(in crate::repository) fn shown_context(short: Option<String>, serialized: Option<String>) -> ContextMap {
    context(short, serialized)
        .unwrap_or_else(|why| ContextMap::from([("batch.unreadable".to_owned(), why.into())]))
}

/// Merges two contexts; values of `over` win.
pub(in crate::repository) fn merged(under: ContextMap, over: &str) -> Result<String, String> {
    let mut all = under;
    all.extend(context(Some(over.to_owned()), None)?);
    Ok(encode_context(&all))
}

/// Converts a count to a column value.
pub(in crate::repository) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The columns of the counters, in the order in which rows are read and written.
pub(in crate::repository) const COUNTERS: &str = "COMMIT_COUNT, READ_COUNT, FILTER_COUNT, WRITE_COUNT, READ_SKIP_COUNT, \
                                   WRITE_SKIP_COUNT, PROCESS_SKIP_COUNT, ROLLBACK_COUNT";

/// The value of the column `DURABILITY`.
pub(in crate::repository) fn durability_text(durability: Durability) -> &'static str {
    match durability {
        Durability::Machine => "MACHINE",
        Durability::Process => "PROCESS",
    }
}

/// Parses the column `DURABILITY`.
pub(in crate::repository) fn durability(text: Option<&str>) -> Durability {
    if text == Some("PROCESS") { Durability::Process } else { Durability::Machine }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_characters() {
        let long = "ä".repeat(3_000);
        assert_eq!(cut(&long).chars().count(), 2_500);
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&long[..5_000]), &long[..5_000]);
    }

    #[test]
    fn a_context_longer_than_the_short_column_is_also_kept_in_full() {
        let fits = "ä".repeat(2_500);
        let columns = ContextColumns::of(&fits);
        assert_eq!((columns.short.as_ref(), columns.serialized), (fits.as_str(), None));
        let long = "ä".repeat(2_501);
        let columns = ContextColumns::of(&long);
        assert_eq!(columns.short, format!("{} ...", "ä".repeat(2_492)));
        assert_eq!(columns.serialized, Some(long.as_str()));
    }
}
