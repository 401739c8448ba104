//! Builds the SQL around the user's query.

use std::fmt::Write as _;

use tokio_postgres::types::Type;

use super::key::KeyColumn;

/// The name for the rows of the user's query.
const ROWS: &str = "batch_rows";

/// The SQL around the user's query.
///
/// A key is a row of values that is compared as a whole, as `ORDER BY` sorts: by the type and the collation that each
/// column has in the query. Its parameters are cast to the types of the columns, and have no collation of their own.
#[derive(Debug)]
pub(super) struct Sql {
    /// The query, in parentheses and with a name.
    from: String,
    /// The columns of the key, qualified.
    key: Vec<String>,
    /// The types of the columns of the key.
    types: Vec<String>,
    /// The number of the user's own parameters.
    parameters: usize,
}

/// Quotes a name for SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Which rows are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    /// Only those after a key.
    pub(super) after: bool,
    /// Only those up to a key.
    pub(super) up_to: bool,
}

impl Range {
    pub(super) const ALL: Self = Self { after: false, up_to: false };
}

/// All rows of the query.
pub(super) fn whole(query: &str) -> String {
    // The query may end with a comment.
    format!("SELECT * FROM (\n{query}\n) AS {ROWS}")
}

impl Sql {
    pub(super) fn new(query: &str, key: &[KeyColumn], parameters: usize) -> Self {
        let type_ = |type_: &Type| format!("{}.{}", quoted(type_.schema()), quoted(type_.name()));
        Self {
            from: format!("(\n{query}\n) AS {ROWS}"),
            key: key.iter().map(|column| format!("{ROWS}.{}", quoted(&column.name))).collect(),
            types: key.iter().map(|column| type_(column.parameter())).collect(),
            parameters,
        }
    }

    fn key(&self) -> String {
        self.key.join(", ")
    }

    /// The `n`-th key among the parameters.
    fn parameter(&self, n: usize) -> String {
        let first = self.parameters + n * self.types.len() + 1;
        let each = self.types.iter().zip(first..).map(|(type_, number)| format!("${number}::{type_}"));
        each.collect::<Vec<_>>().join(", ")
    }

    /// The condition for a range. Its parameters are the key before the range, and the last key in the range.
    fn condition(&self, range: Range) -> String {
        let key = self.key();
        let mut condition = String::new();
        if range.after {
            // Writing to a string does not fail.
            let _ = write!(condition, " WHERE ROW({key}) > ROW({})", self.parameter(0));
        }
        if range.up_to {
            let word = if range.after { "AND" } else { "WHERE" };
            let last = self.parameter(range.after.into());
            let _ = write!(condition, " {word} ROW({key}) <= ROW({last})");
        }
        condition
    }

    /// The first rows of a range.
    pub(super) fn page(&self, range: Range, rows: usize) -> String {
        let (condition, key) = (self.condition(range), self.key());
        format!("SELECT * FROM {}{condition} ORDER BY {key} LIMIT {rows}", self.from)
    }

    /// Like `page`, with one more column: whether the key is equal to that of the previous row.
    pub(super) fn checked_page(&self, range: Range, rows: usize) -> String {
        // The columns of the page have the names of the query's columns.
        let page = self.page(range, rows);
        let key = self.key();
        let before = self.key.iter().map(|column| format!("lag({column}) OVER batch_order"));
        let before = before.collect::<Vec<_>>().join(", ");
        format!(
            "SELECT *, ROW({key}) = ROW({before}) FROM ({page}) AS {ROWS} WINDOW batch_order AS (ORDER BY {key}) ORDER BY {key}"
        )
    }

    /// For a row with a `NULL` in its key: which columns of the key are `NULL`.
    pub(super) fn null(&self) -> String {
        let each = self.key.iter().map(|column| format!("{column} IS NULL")).collect::<Vec<_>>();
        format!("SELECT {} FROM {} WHERE {} LIMIT 1", each.join(", "), self.from, each.join(" OR "))
    }

    /// A row with a given key.
    pub(super) fn same(&self) -> String {
        format!("SELECT FROM {} WHERE ROW({}) = ROW({}) LIMIT 1", self.from, self.key(), self.parameter(0))
    }

    pub(super) fn count(&self, range: Range) -> String {
        format!("SELECT count(*) FROM {}{}", self.from, self.condition(range))
    }

    /// The key of the row at a given offset in a range.
    pub(super) fn further(&self, range: Range) -> String {
        let number = self.parameters + if range.after { self.key.len() } else { 0 } + 1;
        let (condition, key) = (self.condition(range), self.key());
        format!("SELECT {key} FROM {}{condition} ORDER BY {key} OFFSET ${number}::int8 LIMIT 1", self.from)
    }

    /// The keys of the rows with given numbers, counted from 1.
    pub(super) fn numbered(&self) -> String {
        let (key, number) = (self.key(), self.parameters + 1);
        format!(
            "SELECT {key} FROM (SELECT {key}, row_number() OVER (ORDER BY {key}) AS batch_number FROM {}) AS {ROWS} WHERE batch_number = ANY(${number}::int8[]) ORDER BY batch_number",
            self.from
        )
    }

    /// The plan of the first page, as JSON.
    pub(super) fn plan(&self, rows: usize) -> String {
        format!("EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) {}", self.page(Range::ALL, rows))
    }

    /// The plan of one column of the key alone, as JSON.
    pub(super) fn plan_of(&self, column: usize) -> String {
        format!("EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) SELECT {} FROM {}", self.key[column], self.from)
    }

    /// The name of the collation of a column of the key, whose type has collations.
    pub(super) fn collation(&self, column: usize) -> String {
        format!("SELECT pg_collation_for((SELECT {} FROM {} LIMIT 0))", self.key[column], self.from)
    }
}
