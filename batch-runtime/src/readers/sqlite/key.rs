//! Receives: the key of a row. Gives: it as a position, exact in JSON, and as text for messages.

use std::fmt::{self, Write};

use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use serde::{Deserialize, Serialize};

use crate::readers::shown;

/// Where a query reader stands: behind the row of that key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SqlitePosition {
    /// The key's columns with their values; empty before the first row.
    pub(super) after: Vec<(String, KeyValue)>,
    /// The rows read so far, for the progress.
    pub(super) rows: u64,
}

/// The value of a key's column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum KeyValue {
    Integer(i64),
    Text(String),
    /// As text: a JSON number may come back as its neighbour.
    Real {
        real: String,
    },
    Blob {
        hex: String,
    },
}

impl KeyValue {
    /// `None` for NULL, which no row is behind of.
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

    /// Is it a real beyond the integers that have a real of their own each?
    pub(super) fn may_be_rounded(&self) -> bool {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match self {
            Self::Real { real } => {
                real.parse::<f64>().is_ok_and(|real| real.abs() >= EXACT && real.is_finite())
            }
            _ => false,
        }
    }

    /// Are the two equal as `SQLite` sees it? Two texts may be by any collation that is `registered`.
    pub(super) fn same(&self, other: &Self, registered: bool) -> Same {
        match (self, other) {
            (Self::Integer(one), Self::Integer(two)) => Same::known(one == two),
            (Self::Text(one), Self::Text(two)) if one != two => {
                // The collations NOCASE and RTRIM; which one holds, only the database knows.
                let fold = |text: &str| text.trim_end_matches(' ').to_ascii_lowercase();
                if registered || fold(one) == fold(two) { Same::Perhaps } else { Same::No }
            }
            (Self::Real { real: one }, Self::Real { real: two }) => {
                Same::known(one == two || one.parse::<f64>() == two.parse::<f64>())
            }
            (Self::Integer(integer), Self::Real { real }) | (Self::Real { real }, Self::Integer(integer)) => {
                Same::known(real.parse().is_ok_and(|real| whole_of(real) == Some(*integer)))
            }
            _ => Same::known(self == other),
        }
    }
}

/// The integer that the real is, exactly.
pub(super) fn whole_of(real: f64) -> Option<i64> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is a whole number within the range")]
    let whole = real as i64;
    ((-BEYOND..BEYOND).contains(&real) && real.fract() == 0.0).then_some(whole)
}

/// What `SQLite` orders values by before anything else: all numbers are less than all texts, these less than all blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Number,
    Text,
    Blob,
}

impl Class {
    /// `None` for NULL, which is less than any other.
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

/// `day = '2024-01-01', id = 7`
pub(super) fn described(names: &[String], values: &[KeyValue]) -> Box<str> {
    let each = names.iter().zip(values).map(|(name, value)| format!("{name} = {value}"));
    each.collect::<Vec<_>>().join(", ").into()
}

/// `day, id`, each in backquotes.
pub(super) fn named(names: &[String]) -> Box<str> {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ").into()
}

/// The column of an error, where it is known.
pub(super) struct Shown<'a>(pub(super) Option<&'a str>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |column| write!(f, ", column `{column}`"))
    }
}

/// What [`SqliteQuery::key`](super::SqliteQuery::key) takes: a column, or several.
pub trait KeyColumns {
    /// The columns' names.
    fn into_columns(self) -> Vec<String>;
}

impl KeyColumns for &str {
    fn into_columns(self) -> Vec<String> {
        vec![self.to_owned()]
    }
}

impl KeyColumns for String {
    fn into_columns(self) -> Vec<String> {
        vec![self]
    }
}

impl<S: Into<String>, const N: usize> KeyColumns for [S; N] {
    fn into_columns(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<S: Into<String>> KeyColumns for Vec<S> {
    fn into_columns(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}
