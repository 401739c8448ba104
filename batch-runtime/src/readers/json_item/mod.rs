//! Deserializes JSON, and refuses a text in which a value would become a different value: a number that becomes zero, a date
//! or a time that loses a part, or two values for one key of a map.

mod buffered;
mod numbers;
#[cfg(test)]
mod tests;

use std::fmt::Display;

use serde::de::{DeserializeOwned, Error};

#[cfg(feature = "postgres")]
pub(super) use numbers::OUT_OF_RANGE;

use super::exact::{ExactJson, took_a_civil_text};
use super::floats;

/// Deserializes a JSON text.
#[inline]
pub(super) fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    let ExactJson(item) = serde_json::from_str(text)?;
    if must_be_read_again(text.as_bytes()) {
        read_again::<T>(text)?;
    }
    Ok(item)
}

/// Deserializes JSON in bytes.
pub(super) fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    let ExactJson(item) = serde_json::from_slice(bytes)?;
    if must_be_read_again(bytes) {
        read_again::<T>(&String::from_utf8_lossy(bytes))?;
    }
    Ok(item)
}

/// Refuses a text in which a value changed when it was deserialized into a `T`.
#[cold]
pub(super) fn read_again<T: DeserializeOwned>(text: &str) -> Result<(), serde_json::Error> {
    let read = |text: &str| serde_json::from_str::<ExactJson<T>>(text).map(drop);
    refuse_changes(text, read, |problem, end| serde_json::Error::custom(at(problem, text, end)))
}

/// True if a value may have changed when an item was deserialized from the text, just now and on this thread.
#[inline]
pub(super) fn must_be_read_again(text: &[u8]) -> bool {
    took_a_civil_text() || floats::may_vanish(text)
}

/// Refuses a text in which a value changed when `read` deserialized it. `refuse` makes the error from a message and the
/// offset at which the changed value ends.
#[cold]
pub(super) fn refuse_changes<E: Display>(
    text: &str,
    read: impl Fn(&str) -> Result<(), E>,
    refuse: impl FnOnce(&str, usize) -> E,
) -> Result<(), E> {
    numbers::refuse_vanished(text, &read)?;
    let loss = buffered::loss(text, &read);
    // Each call of `read` may note a date or a time again: this clears the note.
    took_a_civil_text();
    loss.map_or(Ok(()), |loss| Err(refuse(&loss.problem, loss.end)))
}

/// A message with a place in the text, as `serde_json` writes and reads it.
fn at(problem: &str, text: &str, end: usize) -> String {
    let before = &text.as_bytes()[..end];
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let column = end - memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    format!("{problem} at line {line} column {column}")
}
