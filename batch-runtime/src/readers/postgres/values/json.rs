//! The JSON documents in the columns of a row.

use std::fmt::Display;
use std::iter;
use std::ops::Range;

use serde::de::Error as _;
use serde_json::de::StrRead;

use super::bytes::Bytes;
use super::{Broken, Form, array};
use crate::readers::exact::{Exact, of_json};
use crate::readers::rows::ItemError;
use crate::readers::shown;

/// Deserializes the whole document with `read`.
pub(super) fn document<'de, T>(
    text: &'de str,
    read: impl FnOnce(Exact<&mut serde_json::Deserializer<StrRead<'de>>>) -> serde_json::Result<T>,
) -> Result<T, ItemError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = read(of_json(&mut deserializer)).and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| unfit(&error, text))
}

/// The error about a document.
#[cold]
pub(in crate::readers::postgres) fn unfit(problem: &dyn Display, text: &str) -> ItemError {
    ItemError::custom(format_args!("the JSON does not fit the item: {problem}, in {}", shown(text)))
}

/// True if a column holds documents.
pub(in crate::readers::postgres) fn has_documents(form: &Form) -> bool {
    match form {
        Form::Json | Form::Jsonb => true,
        Form::Array(element) => has_documents(element),
        _ => false,
    }
}

/// The places of the documents in the bytes of a column.
pub(in crate::readers::postgres) fn documents(form: &Form, raw: &[u8]) -> Result<Vec<Range<usize>>, Broken> {
    match form {
        Form::Json => Ok(iter::once(0..raw.len()).collect()),
        // The version comes first.
        Form::Jsonb => Ok(iter::once(1..raw.len().max(1)).collect()),
        Form::Array(element) => {
            let mut bytes = array::elements(element, Bytes(raw))?;
            let mut places = Vec::new();
            while !bytes.0.is_empty() {
                let Some(value) = bytes.value()? else { continue };
                let end = raw.len() - bytes.0.len();
                let begin = end - value.len();
                let within = documents(element, value)?;
                places.extend(within.into_iter().map(|place| begin + place.start..begin + place.end));
            }
            Ok(places)
        }
        _ => Ok(Vec::new()),
    }
}
