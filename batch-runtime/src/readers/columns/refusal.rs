//! Says why a record is not an item: which column, which value, or what is wrong with the whole input.

use std::sync::Arc;

use super::decode::Decoder;
use super::row::Fields;
use super::value::{Problem, ValueError};
use crate::readers::fields::Misfit;
use crate::readers::framed::RecordPlace;
use crate::readers::rows::named;
use crate::readers::{ReadError, shown};

/// The problem of an input that lacks a column.
pub(crate) fn lacks<'n>(missing: &str, names: impl Iterator<Item = &'n str>) -> String {
    let shown_names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    format!("there is no column `{missing}`, only {}", shown(&shown_names.join(", ")))
}

/// The problem of an input whose columns do not fit an item.
pub(crate) fn misfit<'n>(misfit: &Misfit, names: impl Iterator<Item = &'n str>) -> String {
    match misfit {
        Misfit::Lacks(missing) => lacks(missing, names),
        Misfit::SharesNone(fields) => format!(
            "none of the columns is a field of the item: the columns are {}, and the fields {}",
            shown(&named(names)),
            shown(&named(*fields))
        ),
        Misfit::Twice(name) => format!(
            "two columns are named `{}`, of which the item would keep only one; rename one of them",
            shown(name)
        ),
    }
}

impl Decoder {
    /// The error for a record that cannot be decoded. `is_whole` is true if the record has as many fields as
    /// there are columns.
    #[cold]
    pub(crate) fn refused<'a>(
        &self,
        place: &RecordPlace<'_>,
        fields: impl Fields<'a>,
        is_whole: bool,
        error: &ValueError,
        lacks: impl Fn(&str) -> String,
    ) -> ReadError {
        let RecordPlace { resource, line, byte } = *place;
        let resource = Arc::clone(resource);
        let header =
            |problem: String| ReadError::Header { resource: resource.clone(), problem: problem.into() };
        let mut column = error.column();
        match error.problem() {
            Problem::Missing(name) => {
                // In a flexible file, the column may exist although the record is too short to have it.
                column = self.column(name);
                if column.is_none() {
                    return header(lacks(name));
                }
            }
            Problem::Duplicate(name) => return header(format!("two columns match the item's `{name}`")),
            Problem::Unknown(name) => return header(format!("column `{name}` is unknown to the item")),
            Problem::Nested(text) => {
                let column = column.map(|column| format!("column `{}`: ", self.name(column)));
                return ReadError::Options {
                    resource,
                    problem: format!("{}{text}", column.unwrap_or_default()).into(),
                };
            }
            Problem::Length(text) if column.is_none() && is_whole => {
                return ReadError::Options { resource, problem: text.as_str().into() };
            }
            Problem::Text(_) | Problem::Length(_) | Problem::Null => {}
        }
        let field = column.and_then(|column| fields.text(column));
        ReadError::Record {
            resource,
            line,
            byte,
            column: column.map(|column| self.name(column)),
            value: shown(field.unwrap_or_default()),
            problem: match error.problem() {
                Problem::Text(text) | Problem::Length(text) => {
                    let is_quoted = column.is_some_and(|column| fields.is_quoted(column));
                    match field {
                        Some(field) if is_quoted && self.is_null(field) => {
                            format!("{text}; `quoted_nulls` treats it as null in quotes too").into()
                        }
                        _ => text.as_str().into(),
                    }
                }
                _ => "expected a value".into(),
            },
        }
    }

    /// True if the field would be null without its quotes.
    fn is_null(&self, field: &str) -> bool {
        field.is_empty() || self.nulls.iter().any(|null| **null == *field)
    }
}
