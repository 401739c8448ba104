//! The key of a row: stored exactly in JSON as a position, and formatted for messages.

use std::fmt::{self, Write};

use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use serde::{Deserialize, Serialize};

use crate::readers::exact_numbers::to_integer;
use crate::readers::shown;

/// The position of a query reader: after the row with this key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SqlitePosition {
    /// The key's columns with their values; empty before the first row.
    pub(super) after: Vec<(String, KeyValue)>,
    /// The number of rows read so far, for the progress.
    pub(super) rows: u64,
}

/// The value of a key column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum KeyValue {
    Integer(i64),
    Text(String),
    /// Stored as text: a JSON number may come back as a neighboring value.
    Real {
        real: String,
    },
    Blob {
        hex: String,
    },
}

impl KeyValue {
    /// `None` for NULL: the condition `k > NULL` finds no row.
    pub(super) fn of(value: ValueRef<'_>) -> Result<Option<Self>, std::str::Utf8Error> {
        Ok(Some(match value {
            ValueRef::Null => return Ok(None),
            ValueRef::Integer(value) => Self::Integer(value),
            ValueRef::Real(value) => Self::Real { real: value.to_string() },
            ValueRef::Text(value) => Self::Text(std::str::from_utf8(value)?.to_owned()),
            ValueRef::Blob(value) => {
                let mut hex = String::with_capacity(2 * value.len());
                for byte in value {
                    // Writing to a string does not fail.
                    let _ = write!(hex, "{byte:02x}");
                }
                Self::Blob { hex }
            }
        }))
    }

    pub(super) fn class(&self) -> Class {
        match self {
            Self::Integer(_) | Self::Real { .. } => Class::Number,
            Self::Text(_) => Class::Text,
            Self::Blob { .. } => Class::Blob,
        }
    }

    /// True for a real so large that not every integer has its own real.
    pub(super) fn may_be_rounded(&self) -> bool {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match self {
            Self::Real { real } => {
                real.parse::<f64>().is_ok_and(|real| real.abs() >= EXACT && real.is_finite())
            }
            _ => false,
        }
    }

    /// Returns whether `SQLite` considers the two values equal. If collations are `registered`, two texts may be
    /// equal by any of them.
    pub(super) fn same(&self, other: &Self, registered: bool) -> Same {
        match (self, other) {
            (Self::Integer(one), Self::Integer(two)) => Same::known(one == two),
            (Self::Text(one), Self::Text(two)) if one != two => {
                // The collations NOCASE and RTRIM; only the database knows which one applies.
                let fold = |text: &str| text.trim_end_matches(' ').to_ascii_lowercase();
                if registered || fold(one) == fold(two) { Same::Perhaps } else { Same::No }
            }
            (Self::Real { real: one }, Self::Real { real: two }) => {
                Same::known(one == two || one.parse::<f64>() == two.parse::<f64>())
            }
            (Self::Integer(integer), Self::Real { real }) | (Self::Real { real }, Self::Integer(integer)) => {
                Same::known(real.parse().is_ok_and(|real| to_integer(real) == Some(*integer)))
            }
            _ => Same::known(self == other),
        }
    }
}

/// The primary sort order of `SQLite` values: all numbers come before all texts, and all texts before all blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Number,
    Text,
    Blob,
}

impl Class {
    /// `None` for NULL, which comes before everything else.
    pub(super) fn of(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Null => None,
            ValueRef::Integer(_) | ValueRef::Real(_) => Some(Self::Number),
            ValueRef::Text(_) => Some(Self::Text),
            ValueRef::Blob(_) => Some(Self::Blob),
        }
    }
}

/// Whether two keys are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Same {
    No,
    Perhaps,
    Yes,
}

impl Same {
    fn known(same: bool) -> Self {
        if same { Self::Yes } else { Self::No }
    }
}

impl ToSql for KeyValue {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let broken = || rusqlite::Error::ToSqlConversionFailure("the stored key is damaged".into());
        Ok(match self {
            Self::Integer(value) => ToSqlOutput::from(*value),
            Self::Text(value) => ToSqlOutput::from(value.as_str()),
            Self::Real { real } => ToSqlOutput::from(real.parse::<f64>().map_err(|_| broken())?),
            Self::Blob { hex } => {
                let digit = |at: usize| hex.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
                let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(digit).collect();
                ToSqlOutput::Owned(Value::Blob(bytes.ok_or_else(broken)?))
            }
        })
    }
}

impl fmt::Display for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => value.fmt(f),
            Self::Text(value) => write!(f, "'{}'", shown(value)),
            Self::Real { real } => real.fmt(f),
            Self::Blob { hex } => write!(f, "x'{}'", shown(hex)),
        }
    }
}

/// Formats a key: `day = '2024-01-01', id = 7`.
pub(super) fn described(names: &[String], values: &[KeyValue]) -> Box<str> {
    let each = names.iter().zip(values).map(|(name, value)| format!("{name} = {value}"));
    each.collect::<Vec<_>>().join(", ").into()
}
