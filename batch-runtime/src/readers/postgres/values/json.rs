//! Deserializes the JSON documents in the columns of a row.

use serde::de::Error as _;
use serde_json::de::StrRead;

use crate::readers::rows::ItemError;
use crate::readers::shown;

/// Deserializes the whole document with `read`.
pub(super) fn document<'de, T>(
    text: &'de str,
    read: impl FnOnce(&mut serde_json::Deserializer<StrRead<'de>>) -> serde_json::Result<T>,
) -> Result<T, ItemError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = read(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| {
        ItemError::custom(format_args!("the JSON does not fit the item: {error}, in {}", shown(text)))
    })
}
