//! The key of a row: stored as a position, and formatted for messages.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::row::raw;
use super::values::{Form, Value};
use crate::postgres::Parameter;
use crate::readers::shown;

/// The position of a [`PostgresReader`](super::PostgresReader): after the row with this key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PostgresPosition {
    /// The name, the type and the value of each column of the key; empty before the first row.
    pub(super) after: Vec<(String, String, StoredValue)>,
    /// The number of rows read so far, for the progress.
    pub(super) rows: u64,
}

/// The exact value of a key column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum StoredValue {
    /// As text.
    Text(String),
    /// The bytes that the server sends, for a type that is not stored as text.
    Hex { hex: String },
}

/// A column of the key.
#[derive(Debug)]
pub(super) struct KeyColumn {
    /// The index of the column in the result.
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) type_: Type,
    pub(super) form: Form,
    /// The type and the collation of the column, as people read them: `text COLLATE "C"`.
    pub(super) described: String,
}

impl KeyColumn {
    /// The value of the column in a row; `None` for `NULL`.
    fn raw<'r>(&self, row: &'r Row) -> Option<&'r [u8]> {
        raw(row, self.index)
    }

    /// The type of the parameters for this column. It must have no collation of its own: the type `name` has one, which
    /// would conflict with the collation of the column.
    pub(super) fn parameter(&self) -> &Type {
        if self.type_ == Type::NAME { &Type::TEXT } else { &self.type_ }
    }

    /// The value of a stored position as a parameter; `None` if it is damaged.
    fn parameter_of(&self, stored: &StoredValue) -> Option<Parameter> {
        match stored {
            StoredValue::Text(text) => Some(Parameter::text(text, self.parameter())),
            StoredValue::Hex { hex } => {
                let digits = |at: usize| hex.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
                let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(digits).collect();
                Some(Parameter::binary(&bytes?, self.parameter()))
            }
        }
    }
}

/// The columns of the key.
#[derive(Debug)]
pub(super) struct Key(pub(super) Vec<KeyColumn>);

impl Key {
    /// The index of a column of the key that is `NULL` in the row.
    pub(super) fn null_in(&self, row: &Row) -> Option<usize> {
        self.0.iter().position(|column| column.raw(row).is_none())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|column| column.name.as_str())
    }

    /// The key of a row as parameters.
    pub(super) fn parameters_of_row(&self, row: &Row) -> Vec<Parameter> {
        // Rows whose key is `NULL` have already been refused.
        let given =
            |column: &KeyColumn| Parameter::binary(column.raw(row).unwrap_or_default(), column.parameter());
        self.0.iter().map(given).collect()
    }

    /// A stored key as parameters; `None` if it is damaged.
    pub(super) fn parameters_of(&self, stored: &[StoredValue]) -> Option<Vec<Parameter>> {
        self.0.iter().zip(stored).map(|(column, stored)| column.parameter_of(stored)).collect()
    }

    /// The key of a row, to be stored.
    pub(super) fn stored(&self, row: &Row) -> Vec<StoredValue> {
        let stored = |column: &KeyColumn| StoredValue::of(&column.form, column.raw(row).unwrap_or_default());
        self.0.iter().map(stored).collect()
    }

    /// The key's columns, with their types: ``"`day` date, `id` int8"``.
    pub(super) fn described(&self) -> Box<str> {
        described(self.0.iter().map(|column| (&column.name, &column.described)))
    }

    /// Formats a key: `day = '2024-01-01', id = 7`.
    pub(super) fn shown(&self, stored: &[StoredValue]) -> Box<str> {
        let shown = |(column, stored): (&KeyColumn, &StoredValue)| {
            format!("{} = {}", column.name, Shown(stored, &column.form))
        };
        self.0.iter().zip(stored).map(shown).collect::<Vec<_>>().join(", ").into()
    }

    /// Adds the names and types, so that a key can be told apart from the key of another query.
    pub(super) fn labelled(&self, stored: &[StoredValue]) -> Vec<(String, String, StoredValue)> {
        let label = |(column, stored): (&KeyColumn, &StoredValue)| {
            (column.name.clone(), column.described.clone(), stored.clone())
        };
        self.0.iter().zip(stored).map(label).collect()
    }

    /// The values of a stored key; `None` if it is the key of another query.
    pub(super) fn unlabelled(&self, labelled: &[(String, String, StoredValue)]) -> Option<Vec<StoredValue>> {
        let is_same = self.0.len() == labelled.len()
            && self
                .0
                .iter()
                .zip(labelled)
                .all(|(column, (name, type_, _))| column.name == *name && column.described == *type_);
        is_same.then(|| labelled.iter().map(|(.., stored)| stored.clone()).collect())
    }
}

/// Formats names and types.
pub(super) fn described<'a>(columns: impl Iterator<Item = (&'a String, &'a String)>) -> Box<str> {
    columns.map(|(name, type_)| format!("`{name}` {type_}")).collect::<Vec<_>>().join(", ").into()
}

impl StoredValue {
    pub(super) fn of(form: &Form, raw: &[u8]) -> Self {
        // Intervals that compare as equal can differ (`1 day`, `24:00`), and only the bytes restore the same interval.
        let text = match Value::of(form, raw) {
            _ if *form == Form::Interval => None,
            Ok(Value::Bool(value)) => Some(value.to_string()),
            Ok(Value::Integer(value)) => Some(value.to_string()),
            Ok(Value::Single(value)) => Some(real(value.into(), &value)),
            Ok(Value::Double(value)) => Some(real(value, &value)),
            Ok(Value::Numeric(value)) => Some(value.text().as_str().to_owned()),
            Ok(Value::Text(text) | Value::Json(text)) => Some(text.to_owned()),
            Ok(Value::Written(written)) => Some(written.as_str().to_owned()),
            Ok(Value::Binary(_) | Value::Array(_) | Value::Unread) | Err(_) => None,
        };
        text.map_or_else(|| Self::Hex { hex: hex(raw) }, Self::Text)
    }
}

/// The shortest text that is read back as the same number.
fn real(value: f64, shown: &(impl fmt::Display + fmt::LowerExp)) -> String {
    match value {
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        _ if value == 0.0 || (1e-5..1e17).contains(&value.abs()) => shown.to_string(),
        _ => format!("{shown:e}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Formats a value of a key.
struct Shown<'a>(&'a StoredValue, &'a Form);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (
                StoredValue::Text(text),
                Form::Bool
                | Form::Int2
                | Form::Int4
                | Form::Int8
                | Form::Oid
                | Form::Float4
                | Form::Float8
                | Form::Numeric,
            ) => f.write_str(&shown(text)),
            (StoredValue::Text(text), _) => write!(f, "'{}'", shown(text)),
            (StoredValue::Hex { hex }, _) => write!(f, "x'{}'", shown(hex)),
        }
    }
}
