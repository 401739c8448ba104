//! The statements that insert rows.

use std::borrow::Cow;

use super::catalogue::{Table, quoted};

/// The action for a row whose key already exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::writers) enum Conflict {
    Fail,
    Ignore,
    Update(Vec<String>),
}

fn list<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    names.into_iter().map(|name| quoted(name.as_ref())).collect::<Vec<_>>().join(", ")
}

/// The `COPY` statement, which the rows follow.
pub(super) fn copy(table: &Table, columns: &[Cow<'static, str>]) -> String {
    format!("COPY {} ({}) FROM STDIN (FORMAT binary)", table.quoted, list(columns))
}

/// The statement that takes an array of rows. `has_distinct_nulls` says that two keys with NULLs are not equal.
pub(super) fn insert(
    table: &Table,
    columns: &[Cow<'static, str>],
    conflict: &Conflict,
    has_distinct_nulls: bool,
) -> String {
    let (name, columns_listed) = (&table.quoted, list(columns));
    let into = format!("INSERT INTO {name} ({columns_listed}) SELECT {columns_listed} FROM");
    let rows = format!("unnest($1::{name}[])");
    let key = match conflict {
        Conflict::Fail => return format!("{into} {rows} AS r"),
        Conflict::Ignore => return format!("{into} {rows} AS r ON CONFLICT DO NOTHING"),
        Conflict::Update(key) => key,
    };
    let set: Vec<String> = columns
        .iter()
        .filter(|column| !key.iter().any(|key| key == *column))
        .map(|column| format!("{0} = excluded.{0}", quoted(column)))
        .collect();
    let action = if set.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", set.join(", ")) };
    // One statement cannot update a row twice: of several rows with the same key, the last is kept. The server
    // decides which keys are equal. Rows in the order of their keys keep two steps from deadlocking.
    let number = number(table);
    let key = list(key);
    let equal = if has_distinct_nulls {
        format!("{key}, CASE WHEN ({key}) IS NOT NULL THEN 0 ELSE {number} END")
    } else {
        key.clone()
    };
    let all = list(table.columns.iter().map(|(column, _)| column));
    format!(
        "{into} (SELECT DISTINCT ON ({equal}) * FROM {rows} WITH ORDINALITY AS r ({all}, {number}) \
         ORDER BY {equal}, {number} DESC) AS r ON CONFLICT ({key}) DO {action}"
    )
}

/// A name for the row number that differs from the names of all columns.
fn number(table: &Table) -> String {
    let mut name = "batch_n".to_owned();
    while table.columns.iter().any(|(column, _)| **column == *name) {
        name.push('_');
    }
    name
}
