//! Looks up the affinities of a table's columns, which may change the values written to them.

use rusqlite::{Connection, OptionalExtension};

use crate::writers::row::{self, RowError};

/// How a column converts the values stored in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::writers) enum Affinity {
    /// Keeps every value as it is.
    None,
    /// Converts numbers to text.
    Text,
    /// Converts strings that look like numbers to numbers.
    Numeric,
    /// Like `Numeric`, and also converts integers to reals.
    Real,
}

impl Affinity {
    /// Determines the affinity from the declared type, as `SQLite` does.
    fn of(declared: &str) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
        if has(&["INT"]) {
            Self::Numeric
        } else if has(&["CHAR", "CLOB", "TEXT"]) {
            Self::Text
        } else if declared.is_empty() || has(&["BLOB"]) {
            Self::None
        } else if has(&["REAL", "FLOA", "DOUB"]) {
            Self::Real
        } else {
            Self::Numeric
        }
    }

    /// Returns an error if the column would change the integer.
    #[inline]
    pub(super) fn check_integer(self, value: i64) -> Result<(), RowError> {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "the comparison shows whether anything is lost"
        )]
        let is_kept = match self {
            Self::None | Self::Numeric => true,
            Self::Text => false,
            Self::Real => i128::from(value) == (value as f64) as i128,
        };
        if is_kept { Ok(()) } else { Err(self.changed_integer(value)) }
    }

    #[cold]
    fn changed_integer(self, value: i64) -> RowError {
        let becomes = if self == Self::Real { "a rounded number" } else { "text" };
        self.changed(&format!("the integer {value}"), becomes, "INTEGER")
    }

    /// Returns an error if the column would change the real.
    #[inline]
    pub(super) fn check_real(self, value: f64) -> Result<(), RowError> {
        if value.is_nan() || self == Self::Text { Err(self.changed_real(value)) } else { Ok(()) }
    }

    #[cold]
    fn changed_real(self, value: f64) -> RowError {
        if value.is_nan() {
            return RowError::new(
                "SQLite has no NaN and would store NULL; write `None`, or leave the item out",
            );
        }
        self.changed(&format!("the number {value}"), "text", "REAL")
    }

    /// Returns an error if the column would change the text.
    #[inline]
    pub(super) fn check_text(self, value: &str) -> Result<(), RowError> {
        match self {
            Self::Numeric | Self::Real if is_number(value) => {
                Err(self.changed(&format!("the text '{value}'"), "a number", "TEXT"))
            }
            _ => Ok(()),
        }
    }

    #[cold]
    fn changed(self, value: &str, becomes: &str, better: &str) -> RowError {
        let declared = match self {
            Self::None => "without a type",
            Self::Text => "as text",
            Self::Numeric => "as a number",
            Self::Real => "as REAL",
        };
        RowError::new(format!(
            "{value} would be stored as {becomes}, because the column is declared {declared}; declare the column as {better}, or write another type"
        ))
    }
}

/// True if `SQLite` would read the text as a number: digits with a sign, a point and an exponent, surrounded
/// by spaces. `SQLite` stops at a NUL.
fn is_number(text: &str) -> bool {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let bytes = text.split('\0').next().unwrap_or_default().as_bytes();
    let Some(begin) = bytes.iter().position(|byte| !is_space(byte)) else { return false };
    let (mut rest, mut digits) = (&bytes[begin..], 0);
    let skip = |rest: &mut &[u8], what: &[u8]| {
        let found = rest.first().is_some_and(|byte| what.contains(byte));
        if found {
            *rest = &rest[1..];
        }
        found
    };
    let count = |rest: &mut &[u8]| {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        *rest = &rest[digits..];
        digits
    };
    skip(&mut rest, b"+-");
    digits += count(&mut rest);
    if skip(&mut rest, b".") {
        digits += count(&mut rest);
    }
    if digits == 0 {
        return false;
    }
    if skip(&mut rest, b"eE") {
        skip(&mut rest, b"+-");
        if count(&mut rest) == 0 {
            return false;
        }
    }
    rest.iter().all(is_space)
}

/// A table of the target database.
#[derive(Debug, Clone, Default)]
pub(in crate::writers) struct Table {
    /// The name as quoted in SQL.
    pub(super) quoted: String,
    columns: Vec<(String, Affinity)>,
    /// True for a table that converts stored values: not a view, and not a virtual table.
    converts: bool,
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Table {
    /// Finds the table that the user means by `name`: quoted as in SQL, or `table`, or `schema.table` if a
    /// schema with that name is attached. If the table does not exist, its columns stay unknown.
    pub(super) fn find(name: &str, connection: &Connection) -> rusqlite::Result<Self> {
        let (schema, table) = parts(name, connection)?;
        let schema_of = schema.as_deref();
        let found = connection
            .query_row(
                "SELECT type, strict FROM pragma_table_list(?1)
                 WHERE ?2 IS NULL OR schema = ?2 COLLATE NOCASE",
                (&table, schema_of),
                |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)),
            )
            .optional()?;
        let (kind, strict) = found.unwrap_or_default();
        let mut select = connection.prepare("SELECT name, type FROM pragma_table_xinfo(?1, ?2)")?;
        let columns = select
            .query_map((&table, schema_of), |row| {
                let declared: String = row.get(1)?;
                // In a strict table, `ANY` keeps every value; elsewhere the word has no special meaning.
                let affinity = if strict && declared.eq_ignore_ascii_case("ANY") {
                    Affinity::None
                } else {
                    Affinity::of(&declared)
                };
                Ok((row.get(0)?, affinity))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let quoted = schema.iter().chain([&table]).map(|name| quoted(name)).collect::<Vec<_>>().join(".");
        Ok(Self { quoted, columns, converts: kind == "table" || kind == "shadow" })
    }

    pub(super) fn is_known(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Returns the affinity of the column with that name; a wrong name is left for `SQLite` to refuse.
    pub(super) fn affinity(&self, column: &str) -> Affinity {
        if !self.converts {
            return Affinity::None;
        }
        match self.columns.iter().find(|(name, _)| name.eq_ignore_ascii_case(column)) {
            Some((_, affinity)) => *affinity,
            None if ["rowid", "oid", "_rowid_"].iter().any(|name| name.eq_ignore_ascii_case(column)) => {
                Affinity::Numeric
            }
            None => Affinity::None,
        }
    }
}

impl row::Table for Table {
    type Column = Affinity;

    #[inline]
    fn column(&self, name: &str) -> Result<Affinity, RowError> {
        Ok(self.affinity(name))
    }
}

/// Returns the schema, if the name has one, and the table.
fn parts(name: &str, connection: &Connection) -> rusqlite::Result<(Option<String>, String)> {
    if let Some(parts) = quoted_parts(name) {
        return Ok(parts);
    }
    if let Some((schema, table)) = name.split_once('.') {
        let is_schema: bool = connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM pragma_database_list WHERE name = ?1 COLLATE NOCASE)",
            [schema],
            |row| row.get(0),
        )?;
        if is_schema {
            return Ok((Some(schema.to_owned()), table.to_owned()));
        }
    }
    Ok((None, name.to_owned()))
}

/// Parses `"table"`, `"schema"."table"` or `schema."table"`, with doubled quotes within; `None` for anything
/// else.
fn quoted_parts(name: &str) -> Option<(Option<String>, String)> {
    let inside = name.strip_suffix('"')?;
    let (schema, table) = if let Some(table) = inside.strip_prefix('"') {
        match table.split_once("\".\"") {
            Some((schema, table)) => (Some(schema), table),
            None => (None, table),
        }
    } else {
        let (schema, table) = inside.split_once(".\"")?;
        (Some(schema), table)
    };
    let plain = |name: &str| name.replace("\"\"", "\"");
    Some((schema.map(plain), plain(table)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_affinity_of_a_declared_type_equals_that_of_sqlite() {
        for (declared, affinity) in [
            ("INTEGER", Affinity::Numeric),
            ("bigint", Affinity::Numeric),
            ("CHARINT", Affinity::Numeric),
            ("VARCHAR(20)", Affinity::Text),
            ("text", Affinity::Text),
            ("", Affinity::None),
            ("BLOB", Affinity::None),
            ("DOUBLE PRECISION", Affinity::Real),
            ("DECIMAL(10,2)", Affinity::Numeric),
            ("DATE", Affinity::Numeric),
            ("ANY", Affinity::Numeric),
        ] {
            assert_eq!(Affinity::of(declared), affinity, "{declared}");
        }
    }

    #[test]
    fn a_text_counts_as_a_number_exactly_if_sqlite_converts_it() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n NUMERIC)").unwrap();
        let pieces = ["", " ", "-", "+", "1", "05", ".", "e", "E", "x", "\n", "\0", "é", "_"];
        let number = |at: usize, power: u32| pieces[at / pieces.len().pow(power) % pieces.len()];
        let mut insert = connection.prepare("INSERT INTO t VALUES (?1) RETURNING typeof(n)").unwrap();
        for at in 0..pieces.len().pow(4) {
            let text: String = (0..4).map(|power| number(at, power)).collect();
            let becomes: String = insert.query_row([&text], |row| row.get(0)).unwrap();
            assert_eq!(is_number(&text), becomes != "text", "{text:?}");
        }
    }

    #[test]
    fn a_name_with_a_dot_names_a_schema_if_there_is_one() {
        let connection = Connection::open_in_memory().unwrap();
        let quoted = |name: &str| Table::find(name, &connection).unwrap().quoted;
        assert_eq!(quoted("main.person"), r#""main"."person""#);
        assert_eq!(quoted("2024.person"), r#""2024.person""#);
        assert_eq!(quoted(r#""main.person""#), r#""main.person""#);
        assert_eq!(quoted(r#"main."a.b""#), r#""main"."a.b""#);
        assert_eq!(quoted(r#""main"."a""b""#), r#""main"."a""b""#);
        assert_eq!(quoted("group"), r#""group""#);
    }
}
