//! Compares random queries, read page by page with restarts and in parts, with one plain `SELECT .. ORDER BY`.

use std::fmt::Write as _;
use std::sync::Mutex;

use batch_runtime::postgres::{Row, Session};
use batch_runtime::readers::PostgresReadError;
use batch_runtime::{Reader, Splittable};
use batch_tests::postgres::{Database, database};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{query, stored};

/// A type with its collation, and values of it as SQL, some of which are equal.
type Type = (&'static str, &'static [&'static str]);

const TEXTS: &[&str] =
    &["''", "'a'", "'A'", "'a '", "'ä'", "'a''b'", "'b'", "'B'", "'10'", "'9'", "'-'", "'zz'"];
const TYPES: [Type; 13] = [
    ("int4", &["1", "2", "3", "-5", "2147483647", "0", "7"]),
    ("int8", &["1", "2", "3", "-5", "9223372036854775807", "0", "7"]),
    ("text COLLATE \"C\"", TEXTS),
    ("text COLLATE \"en-x-icu\"", TEXTS),
    ("text COLLATE loose", TEXTS),
    ("text", TEXTS),
    ("varchar(5)", TEXTS),
    ("char(3)", TEXTS),
    ("numeric", &["1", "1.0", "1.00", "-2.5", "1e20", "0", "0.000", "0.1", "'NaN'"]),
    ("float8", &["1", "0", "'-0'", "0.1", "1e300", "'NaN'", "'-Infinity'"]),
    ("timestamp", &["'2024-01-01'", "'2024-01-01 00:00:00.000001'", "'infinity'", "'0001-01-01 BC'"]),
    ("uuid", &["'00000000-0000-0000-0000-000000000001'", "'ffffffff-0000-0000-0000-000000000001'"]),
    ("interval", &["'1 day'", "'24 hours'", "'1 mon'", "'30 days'", "'0'"]),
];

#[derive(Debug, Clone)]
struct Table {
    index: &'static str,
    /// The indexes of values, or `NULL`.
    rows: Vec<[Option<Index>; 2]>,
}

#[derive(Debug, Clone)]
struct Case {
    types: [Type; 2],
    tables: Vec<Table>,
    query: String,
    key: &'static [&'static str],
    page: usize,
    /// The numbers of rows after which another reader resumes.
    restarts: Vec<Index>,
    parts: usize,
}

fn table() -> impl Strategy<Value = Table> {
    let indexes: &[&str] = &[
        "",
        "CREATE INDEX ON {n} (a, b)",
        "CREATE INDEX ON {n} (a)",
        "CREATE UNIQUE INDEX ON {n} (a, b)",
        "ALTER TABLE {n} ALTER a SET NOT NULL, ALTER b SET NOT NULL; CREATE UNIQUE INDEX ON {n} (b, a)",
        "ALTER TABLE {n} ADD PRIMARY KEY (a)",
    ];
    let value = || prop_oneof![30 => any::<Index>().prop_map(Some), 1 => Just(None)];
    let rows = prop::collection::vec([value(), value()], 0..14);
    (select(indexes), rows).prop_map(|(index, rows)| Table { index, rows })
}

fn inner() -> impl Strategy<Value = String> {
    let from = |columns: &'static [&'static str]| {
        (select(columns), select(&["t0", "t1"][..]))
            .prop_map(|(columns, table)| format!("SELECT {columns} FROM {table}"))
    };
    let plain = from(&["a, b", "a, b, 1 AS c", "*"]);
    let computed = from(&[
        "a::text AS a, b",
        "coalesce(a, a) AS a, b",
        "max(a::text) AS a, max(b::text) AS b",
        "(SELECT a) AS a, b",
    ]);
    let arm = from(&["a, b"]);
    let words = select(&["UNION ALL", "UNION", "EXCEPT", "INTERSECT"][..]);
    let compound = (arm.clone(), words, arm).prop_map(|(one, word, two)| format!("{one} {word} {two}"));
    let others = select(
        &[
            "SELECT t0.a, t1.b FROM t0 JOIN t1 USING (a)",
            "SELECT a, t0.b FROM t0 FULL JOIN t1 USING (a)",
            "SELECT t0.a, t1.b FROM t0 LEFT JOIN t1 ON t0.b = t1.b",
            "SELECT a, max(b::text) AS b FROM t0 GROUP BY a",
            "SELECT DISTINCT a, b FROM t0",
            "SELECT DISTINCT ON (a) a, b FROM t0 ORDER BY a, b",
            "SELECT a, b, row_number() OVER (ORDER BY a) AS n FROM t0",
            "SELECT a, b FROM t0 WHERE a IS NOT NULL AND b IS NOT NULL",
            "SELECT a, b FROM t0, generate_series(1, 1)",
        ][..],
    )
    .prop_map(str::to_owned);
    prop_oneof![5 => plain, 2 => computed, 3 => compound, 5 => others]
}

fn case() -> impl Strategy<Value = Case> {
    let wrapped = (inner(), 0..6_u8).prop_map(|(sql, wrap)| match wrap {
        0 => format!("SELECT * FROM ({sql}) AS q OFFSET 0"),
        1 => format!("WITH q AS MATERIALIZED ({sql}) SELECT a, b FROM q; -- all of it"),
        _ => sql,
    });
    let keys: &[&[&str]] = &[&["a"], &["a", "b"], &["b", "a"]];
    (
        [select(&TYPES[..]), select(&TYPES[..])],
        prop::collection::vec(table(), 2),
        wrapped,
        select(keys),
        1_usize..6,
        prop::collection::vec(any::<Index>(), 0..4),
        1_usize..5,
    )
        .prop_map(|(types, tables, query, key, page, restarts, parts)| Case {
            types,
            tables,
            query,
            key,
            page,
            restarts,
            parts,
        })
}

impl Case {
    fn create(&self, session: &Session) {
        let [(a, values), (b, others)] = self.types;
        session.batch_execute("DROP TABLE IF EXISTS t0, t1").unwrap();
        for (number, table) in self.tables.iter().enumerate() {
            let mut sql = format!("CREATE TABLE t{number} (a {a}, b {b});");
            let index = table.index.replace("{n}", &format!("t{number}"));
            // Rows that an index or a constraint refuses are left out.
            write!(sql, "{index};").unwrap();
            session.batch_execute(&sql).unwrap();
            for [one, two] in &table.rows {
                let value = |index: &Option<Index>, of: &[&'static str]| {
                    index.map_or("NULL", |index| of[index.index(of.len())])
                };
                let insert =
                    format!("INSERT INTO t{number} VALUES ({}, {})", value(one, values), value(two, others));
                let _ = session.batch_execute(&insert);
            }
        }
    }

    fn query(&self) -> &str {
        self.query.trim_end_matches("; -- all of it")
    }

    /// Runs the plain query: returns its keys as texts, in order, and whether none is equal to another or `NULL`.
    fn expected(&self, session: &Session) -> (Vec<String>, bool) {
        let (key, query) = (self.key.join(", "), self.query());
        let texts = self.key.iter().map(|column| format!("q.{column}::text")).collect::<Vec<_>>().join(", ");
        let rows = session
            .query(&format!("SELECT ROW({texts})::text FROM ({query}) AS q ORDER BY {key}"), &[])
            .unwrap();
        let is_null =
            self.key.iter().map(|column| format!("{column} IS NULL")).collect::<Vec<_>>().join(" OR ");
        let good = format!(
            "SELECT (SELECT count(*) FROM (SELECT DISTINCT {key} FROM ({query}) AS q) AS k) = (SELECT count(*) FROM ({query}) AS q)
                AND NOT EXISTS (SELECT FROM ({query}) AS q WHERE {is_null})"
        );
        let is_key = session.query_one(&good, &[]).unwrap().get(0);
        (rows.iter().map(|row| row.get(0)).collect(), is_key)
    }

    /// The query with one more column: the text of the key, because the values themselves may not be texts.
    fn open(
        &self,
        database: &Database,
    ) -> Result<impl Splittable<Item = String, Error = PostgresReadError> + use<>, PostgresReadError> {
        let texts = self.key.iter().map(|column| format!("q.{column}::text")).collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT *, ROW({texts})::text AS text FROM ({}) AS q", self.query());
        query(database, &sql)
            .key(self.key.to_vec())
            .page(self.page)
            .rows(|row: &Row| Ok(row.try_get::<_, String>("text")?))
    }

    /// Reads everything, and restarts with a new reader after each of the rows in `restarts`.
    fn read(&self, rows: usize, database: &Database) -> (Vec<String>, Option<String>) {
        let mut restarts: Vec<_> = self.restarts.iter().map(|index| index.index(rows + 1)).collect();
        restarts.sort_unstable();
        restarts.reverse();
        let mut read = Vec::new();
        let mut reader = match self.open(database) {
            Ok(reader) => reader,
            Err(error) => return (read, Some(error.to_string())),
        };
        loop {
            while restarts.pop_if(|at| *at <= read.len()).is_some() {
                let position = stored(&reader);
                reader = self.open(database).unwrap();
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
    fn read_parts(&self, database: &Database) -> Vec<String> {
        let parts = self.open(database).unwrap().split(self.parts).unwrap();
        let mut read = Vec::new();
        for part in parts {
            let mut reader = self.open(database).unwrap();
            reader.narrow(serde_json::from_str(&serde_json::to_string(&part).unwrap()).unwrap()).unwrap();
            read.extend(std::iter::from_fn(|| reader.read().unwrap()).take(100));
        }
        read
    }

    /// Returns whether the query may return any one of several equal rows.
    fn chooses(&self) -> bool {
        ["UNION", "EXCEPT", "INTERSECT", "DISTINCT", "GROUP"].iter().any(|word| self.query.contains(word))
    }
}

/// The same text for all rows whose keys may be equal: in lower case, `0.000` as `0`, and an interval in one of its forms.
fn any_of_equal(row: &str) -> String {
    let value = |value: &str| match value.parse::<f64>() {
        Ok(number) => number.to_string(),
        Err(_) => match value.trim_matches('"') {
            "24:00:00" => "1 day".to_owned(),
            "30 days" => "1 mon".to_owned(),
            other => other.to_lowercase(),
        },
    };
    row.trim_matches(['(', ')']).split(',').map(value).collect::<Vec<_>>().join(",")
}

static ONE: Mutex<()> = Mutex::new(());

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_the_query_all_its_rows_are_read_once_and_in_order(case in case()) {
        static DATABASE: std::sync::OnceLock<Option<Database>> = std::sync::OnceLock::new();
        let _one = ONE.lock();
        let database = DATABASE.get_or_init(|| {
            let database = database()?;
            database.connect().batch_execute(
                "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)"
            ).unwrap();
            Some(database)
        });
        let Some(database) = database else { return Ok(()) };
        let session = database.connect();
        case.create(&session);
        let (expected, is_key) = case.expected(&session);
        let (read, error) = case.read(expected.len(), database);
        let comparable = |rows: &[String]| {
            rows.iter().map(|row| if case.chooses() { any_of_equal(row) } else { row.clone() }).collect::<Vec<_>>()
        };
        if is_key {
            prop_assert_eq!(error, None);
            prop_assert_eq!(comparable(&read), comparable(&expected));
            prop_assert_eq!(comparable(&case.read_parts(database)), comparable(&expected));
        } else {
            // Keys that are equal or NULL are never skipped silently.
            let error = error.unwrap_or_default();
            prop_assert!(error.contains("it is NULL") || error.contains("is not unique"), "{error:?}: {read:?} of {expected:?}");
            prop_assert!(comparable(&expected).starts_with(&comparable(&read)), "{read:?} of {expected:?}");
        }
    }
}
