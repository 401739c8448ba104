//! Finds the item whose row the server refused.

use super::PostgresWriteError;
use crate::definition::BoxError;
use crate::postgres::{Explain, PgError};

/// Turns the server's error into one that names the table and, if known, the item. `items` holds the item of each row of a
/// copy.
pub(super) fn refused(table: &str, relation: &str, items: &[u32], source: PgError) -> PostgresWriteError {
    if source.is_explained() {
        return PostgresWriteError::Earlier { source };
    }
    let line = source.server().and_then(|error| line(error.where_()?, relation));
    let item = line.and_then(|line| items.get(line.checked_sub(1)?));
    match item.and_then(|item| usize::try_from(*item).ok()) {
        Some(item) => {
            PostgresWriteError::Row { table: table.into(), item, source: source.without_statement() }
        }
        None => PostgresWriteError::Table { table: table.into(), source },
    }
}

/// As [`refused`], for an answer of the server that arrives later. `wrap` converts the error.
pub(super) fn explain(table: &str, relation: &str, items: Vec<u32>, wrap: Wrap) -> Explain {
    let (table, relation): (Box<str>, Box<str>) = (table.into(), relation.into());
    Box::new(move |source| wrap(refused(&table, &relation, &items, source)))
}

/// Converts the error into the error type of the writer that the user chose.
pub(in crate::writers) type Wrap = fn(PostgresWriteError) -> BoxError;

/// The number of the row in the context of an error of a copy: `COPY flight, line 7, column minutes`, in any language.
fn line(context: &str, relation: &str) -> Option<usize> {
    let line = context.lines().rev().find(|line| line.contains("COPY") && line.contains(relation))?;
    let (_, after) = line.split_once(relation)?;
    let start = after.find(|c: char| c.is_ascii_digit())?;
    let digits = after[start..]
        .find(|c: char| !c.is_ascii_digit())
        .map_or(&after[start..], |end| &after[start..start + end]);
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_copy_is_found_in_its_context() {
        assert_eq!(line("COPY flight, line 7", "flight"), Some(7));
        assert_eq!(line("COPY flight_2024, line 12, column minutes", "flight_2024"), Some(12));
        assert_eq!(line("COPY flight, Zeile 7, Spalte nr1", "flight"), Some(7));
        let trigger =
            "SQL statement \"SELECT 1\"\nPL/pgSQL function f() line 3 at RAISE\nCOPY flight, line 9";
        assert_eq!(line(trigger, "flight"), Some(9));
        assert_eq!(line("PL/pgSQL function f() line 3 at RAISE", "flight"), None);
    }
}
