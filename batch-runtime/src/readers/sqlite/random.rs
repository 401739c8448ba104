//! Compares random queries, read page by page with restarts and in parts, with one plain
//! `SELECT .. ORDER BY`.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use rusqlite::Connection;
use rusqlite::Row;
use rusqlite::types::Value;

use super::*;
use crate::definition::Splittable;

const TYPES: [&str; 6] = ["INTEGER", "TEXT", "REAL", "NUMERIC", "BLOB", ""];
/// `LOOSE` is registered: it compares only the letters and digits of texts.
const COLLATIONS: [&str; 5] = ["", "COLLATE BINARY", "COLLATE NOCASE", "COLLATE RTRIM", "COLLATE LOOSE"];
/// As SQL, so that a message can be pasted into a shell.
const VALUES: [&str; 30] = [
    "1",
    "2",
    "10",
    "-3",
    "7",
    "9007199254740992",
    "9007199254740993",
    "9223372036854775807",
    "1.5",
    "9007199254740992.0",
    "9223372036854775808.0",
    "1e300",
    "-0.0",
    "'05'",
    "'5'",
    "'10'",
    "'9'",
    "' 7'",
    "'1e1'",
    "'-3'",
    "'x'",
    "'X'",
    "'x '",
    "'10x'",
    "''",
    "'é'",
    "x''",
    "x'05'",
    "x'3035'",
    "'!'",
];

#[derive(Debug, Clone)]
struct Table {
    types: [&'static str; 2],
    collations: [&'static str; 2],
    index: &'static str,
    rows: Vec<[&'static str; 2]>,
}

#[derive(Debug, Clone)]
struct Case {
    tables: Vec<Table>,
    query: String,
    key: &'static [&'static str],
    page: usize,
    /// The numbers of rows after which another reader resumes.
    restarts: Vec<Index>,
    parts: usize,
}

fn tables() -> impl Strategy<Value = Vec<Table>> {
    let of_two = |values: &'static [&'static str]| [select(values), select(values)];
    let indexes: &[&str] = &["", "CREATE INDEX {n}_i ON {n} (a, b)", "CREATE INDEX {n}_i ON {n} (a)"];
    let rows = prop::collection::vec(of_two(&VALUES), 0..12);
    let table = (of_two(&TYPES), of_two(&COLLATIONS), select(indexes), rows)
        .prop_map(|(types, collations, index, rows)| Table { types, collations, index, rows });
    prop::collection::vec(table, 3)
}

fn query() -> impl Strategy<Value = String> {
    let from = |columns: &'static [&'static str]| {
        (select(columns), select(&["t0", "t1", "t2"][..]))
            .prop_map(|(columns, table)| format!("SELECT {columns} FROM {table}"))
    };
    let plain = from(&["a, b", "b AS a, a AS b"]);
    let computed = from(&[
        "CAST(a AS TEXT) AS a, b",
        "CAST(a AS NUMERIC) AS a, CAST(b AS INTEGER) AS b",
        "CAST(b||'' AS TEXT) AS a, a AS b",
        "a||'' AS a, b",
        "coalesce(b, a) AS a, a AS b",
        "a COLLATE NOCASE AS a, b COLLATE LOOSE AS b",
        "(SELECT a) AS a, +b AS b",
        "(SELECT b UNION ALL SELECT a LIMIT 1) AS a, b",
        "'5' AS a, b",
        "max(a) AS a, max(b) AS b",
    ]);
    let arm = prop_oneof![3 => plain, 2 => computed];
    let words = select(&["UNION ALL", "UNION ALL", "UNION", "EXCEPT", "INTERSECT"][..]);
    let compound = (prop::collection::vec((words, arm.clone()), 0..3), arm).prop_map(|(others, first)| {
        others.iter().fold(first, |sql, (word, arm)| format!("{sql} {word} {arm}"))
    });
    let joined = select(
        &[
            "SELECT a, t0.b FROM t0 FULL JOIN t1 USING (a)",
            "SELECT a, b FROM t0 NATURAL FULL JOIN t1",
            "SELECT t0.a, t1.b FROM t0 JOIN t1 ON t0.a = t1.a",
            "SELECT a, max(b) AS b FROM t0 GROUP BY a",
            "SELECT a, b FROM t0 WHERE a > 1",
        ][..],
    )
    .prop_map(str::to_owned);
    let inner = prop_oneof![5 => compound, 2 => joined];
    (inner, 0..6_u8).prop_map(|(sql, wrap)| match wrap {
        0 => format!("SELECT * FROM ({sql}) LIMIT -1"),
        1 => format!("SELECT DISTINCT a, b FROM ({sql}); -- all of it"),
        2 => format!("WITH q AS MATERIALIZED ({sql}) SELECT a, b FROM q"),
        _ => sql,
    })
}

fn case() -> impl Strategy<Value = Case> {
    let keys: &[&[&str]] = &[&["a"], &["a", "b"], &["b", "a"]];
    (tables(), query(), select(keys), 1_usize..6, prop::collection::vec(any::<Index>(), 0..4), 1_usize..5)
        .prop_map(|(mut tables, query, key, page, restarts, parts)| {
            // A full join, or a compound subquery as a value, of integers and reals differs between two plans
            // in itself: SQLite rounds the integers in one of them.
            if query.contains("FULL") || query.contains("(SELECT b UNION") {
                let types = tables.iter_mut().flat_map(|table| &mut table.types);
                types.filter(|of_column| **of_column == "REAL").for_each(|of_column| *of_column = "NUMERIC");
            }
            Case { tables, query, key, page, restarts, parts }
        })
}

impl Case {
    fn connection(&self) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        connection.create_collation("LOOSE", move |one, two| letters(one).cmp(&letters(two))).unwrap();
        let mut sql = String::new();
        for (number, table) in self.tables.iter().enumerate() {
            let Table { types: [a, b], collations: [ca, cb], index, rows } = table;
            writeln!(sql, "CREATE TABLE t{number} (a {a} {ca}, b {b} {cb});").unwrap();
            writeln!(sql, "{};", index.replace("{n}", &format!("t{number}"))).unwrap();
            for [a, b] in rows {
                writeln!(sql, "INSERT INTO t{number} VALUES ({a}, {b});").unwrap();
            }
        }
        connection.execute_batch(&sql).unwrap();
        connection
    }

    /// Runs the plain query: returns its keys in order, and whether they are unique.
    fn expected(&self, connection: &Connection) -> (Vec<Vec<Value>>, bool) {
        let (key, query) = (self.key.join(", "), self.query.trim_end_matches("; -- all of it"));
        let mut select = connection.prepare(&format!("SELECT {key} FROM ({query}) ORDER BY {key}")).unwrap();
        let row = |row: &Row<'_>| (0..self.key.len()).map(|column| row.get(column)).collect();
        let keys: Vec<Vec<Value>> = select.query_map([], row).unwrap().map(Result::unwrap).collect();
        let exact = self.key.iter().map(|column| format!("+{column}")).collect::<Vec<_>>().join(", ");
        let distinct = format!("SELECT count(*) FROM (SELECT DISTINCT {exact} FROM ({query}))");
        let distinct: i64 = connection.query_row(&distinct, [], |row| row.get(0)).unwrap();
        let unique = usize::try_from(distinct).unwrap() == keys.len();
        (keys, unique)
    }

    fn is_compound(&self) -> bool {
        ["UNION", "EXCEPT", "INTERSECT"].iter().any(|word| self.query.contains(word))
    }

    /// True if `SQLite` may return any one of several equal rows.
    fn chooses(&self) -> bool {
        self.query.replace("UNION ALL", "").contains("UNION")
            || ["EXCEPT", "INTERSECT", "DISTINCT", "GROUP"].iter().any(|word| self.query.contains(word))
    }

    /// Returns the rows without the parts that depend on `SQLite`'s query plan. If a column combines several
    /// tables, an integer may come out as a real, and rounded. Of texts that are equal by a collation, any
    /// one may be returned. If the arms of a compound `SELECT` have different collations, the order is
    /// unknown.
    fn comparable(&self, rows: &[Vec<Value>]) -> Vec<Vec<String>> {
        let converts = self.is_compound() || self.query.contains("FULL");
        let shown = |value: &Value| match value {
            #[expect(clippy::cast_precision_loss, reason = "SQLite may have rounded it too")]
            Value::Integer(integer) if converts => format!("{:e}", *integer as f64),
            Value::Real(real) if converts => format!("{:e}", real + 0.0),
            Value::Text(text) if self.chooses() => {
                text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
            }
            _ => format!("{value:?}"),
        };
        let mut rows: Vec<Vec<_>> = rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        if self.is_compound() {
            rows.sort();
        }
        rows
    }

    fn open(&self, connection: Connection) -> SqliteReader<Vec<Value>, impl MakeItem<Vec<Value>> + use<>> {
        let key = self.key;
        SqliteReader::query(connection, &self.query)
            .key(key.to_vec())
            .page(self.page)
            .rows(move |row| key.iter().map(|column| row.get(*column)).collect())
            .unwrap()
    }

    /// Reads everything, and restarts with a new reader after each of the rows in `restarts`.
    fn read(&self, rows: usize, connection: Connection) -> (Vec<Vec<Value>>, Option<String>) {
        let mut restarts: Vec<_> = self.restarts.iter().map(|index| index.index(rows + 1)).collect();
        restarts.sort_unstable();
        restarts.reverse();
        let mut reader = self.open(connection);
        let mut read = Vec::new();
        loop {
            while restarts.pop_if(|at| *at <= read.len()).is_some() {
                let position = crate::readers::tests::stored(&reader);
                reader = self.open(reader.connection);
                reader.resume(position).unwrap();
            }
            match reader.read() {
                Ok(Some(_)) if read.len() > rows => return (read, Some("it does not end".into())),
                Ok(Some(key)) => read.push(key),
                Ok(None) => return (read, None),
                Err(error) => return (read, Some(error.to_string())),
            }
        }
    }

    /// Reads the parts one after the other.
    fn read_parts(&self, connection: Connection) -> Vec<Vec<Value>> {
        let mut reader = self.open(connection);
        let parts = reader.split(self.parts).unwrap();
        let mut read = Vec::new();
        for part in parts {
            reader = self.open(reader.connection);
            reader.narrow(serde_json::from_str(&serde_json::to_string(&part).unwrap()).unwrap()).unwrap();
            read.extend(std::iter::from_fn(|| reader.read().unwrap()).take(100));
        }
        read
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_the_query_all_its_rows_are_read_once_and_in_order(case in case()) {
        let (expected, unique) = case.expected(&case.connection());
        let (read, error) = case.read(expected.len(), case.connection());
        let null = expected.iter().flatten().any(|value| *value == Value::Null);
        if unique && !null {
            prop_assert_eq!(error, None);
            prop_assert_eq!(case.comparable(&read), case.comparable(&expected));
            prop_assert_eq!(case.comparable(&case.read_parts(case.connection())), case.comparable(&expected));
        } else {
            // Keys that are equal or NULL are never skipped silently.
            let error = error.unwrap_or_default();
            prop_assert!(error.contains("it is NULL") || error.contains("is not unique"), "{error:?}: {read:?} of {expected:?}");
            let begin = case.comparable(&expected).starts_with(&case.comparable(&read));
            prop_assert!(case.is_compound() || begin, "{read:?} of {expected:?}");
        }
    }
}
